// Reads what was asked for of one large file that is open: its outline, the chunks or blocks of ranges, or the bytes of ranges.
// For an outline a file is read whole, cut and hashed in that same pass, a bounded part of it a call, so that what is
// found travels while the rest is being read.

import { type Digester, openDigester } from '../chunk/digest.ts'
import { addChunks, chunkId, IdList, idWords, type Recipe } from '../chunk/recipe.ts'
import { type Cuttable, cuttable, fineGrain, type Grain, Splitter } from '../chunk/split.ts'
import { blockIdBytes, blockLength, entryBytesMax, type Portion, putBlockId, putEntry, type Range } from './portions.ts'
import type { Sys } from './sys.ts'

/** So much of a file is read in one call at most. */
export const scannedBytes = 16 * 1024 * 1024
/** And so much of it at once: what is read is cut and hashed while it is near. */
const readBytes = 512 * 1024

/** Reads a range of a file from its start to its end and finds its chunks. */
export class ChunkReader {
  readonly chunks: IdList = new IdList()
  readonly #sys: Sys
  readonly #handle: number
  readonly #splitter: Splitter
  readonly #memory: Cuttable
  readonly #digester: Digester | undefined
  readonly #to: number
  #readTo: number
  #start = 0
  #end = 0

  constructor(sys: Sys, handle: number, { at, length }: Range, grain: Grain, digester?: Digester) {
    this.#sys = sys
    this.#handle = handle
    this.#splitter = new Splitter(grain)
    this.#memory = cuttable(Math.min(length, readBytes + 2 * this.#splitter.longest))
    this.#digester = digester
    this.#readTo = at
    this.#to = at + length
  }

  get isDone(): boolean {
    return this.#readTo === this.#to
  }

  /** Reads on, about so many bytes. False where the file does not go on. */
  read(bytes: number): boolean {
    const { bytes: memory } = this.#memory
    for (const stop = this.#readTo + bytes; this.#readTo < Math.min(stop, this.#to); ) {
      if (this.#start > 0) memory.copyWithin(0, this.#start, this.#end)
      this.#end -= this.#start
      const wanted = Math.min(readBytes, memory.length - this.#end, this.#to - this.#readTo)
      const count = this.#sys.read(this.#handle, memory, this.#end, wanted, this.#readTo)
      if (count <= 0) return false
      this.#digester?.update(memory.subarray(this.#end, this.#end + count))
      this.#readTo += count
      this.#end += count
      this.#start = addChunks(this.chunks, this.#splitter, this.#memory, 0, this.#end, this.isDone)
    }
    return true
  }
}

/** Reads a whole content, which gives its recipe. */
export class RecipeReader {
  recipe: Recipe | undefined
  readonly #facts: { readonly grain: Grain; readonly sizeBytes: number }
  readonly #digester: Digester = openDigester()
  readonly #reader: ChunkReader

  constructor(sys: Sys, handle: number, sizeBytes: number, grain: Grain) {
    this.#facts = { grain, sizeBytes }
    this.#reader = new ChunkReader(sys, handle, { at: 0, length: sizeBytes }, grain, this.#digester)
  }

  get chunks(): IdList {
    return this.#reader.chunks
  }

  read(bytes: number): boolean {
    if (!this.#reader.read(bytes)) return false
    if (!this.#reader.isDone) return true
    const { lengths, ids } = this.chunks
    this.recipe ??= { ...this.#facts, digest: this.#digester.finish(), lengths, ids }
    return true
  }

  /** Ends it before its time. */
  close(): void {
    if (this.recipe === undefined) this.#digester.finish()
  }
}

/** One portion of one open file on its way. `fill` until it is done. */
export class PortionReader {
  done = false
  readonly #sys: Sys
  readonly #handle: number
  readonly #portion: Portion
  readonly #reader: RecipeReader | undefined
  #recipe: Recipe | undefined
  #range = 0
  /** How much of the range was sent. */
  #sent = 0
  /** The next chunk to be told. */
  #chunk = 0
  #cutter: ChunkReader | undefined
  #piece = new Uint8Array(0)

  /** `recipe` is the file's at this grain, where it is at hand. */
  constructor(sys: Sys, handle: number, sizeBytes: number, portion: Portion, recipe: Recipe | undefined) {
    this.#sys = sys
    this.#handle = handle
    this.#portion = portion
    this.#recipe = recipe
    const needsRecipe = portion.level === 'outline' && recipe === undefined
    this.#reader = needsRecipe ? new RecipeReader(sys, handle, sizeBytes, portion.grain) : undefined
  }

  /** What the file is made of, once that is known. */
  get recipe(): Recipe | undefined {
    return this.#recipe
  }

  close(): void {
    this.#reader?.close()
  }

  /** Puts what comes next into `into`; how much that is, or -1 where the file is not what was asked for. */
  fill(into: Uint8Array): number {
    const { level } = this.#portion
    if (level === 'content') return this.#fillContent(into)
    if (level === 'outline') return this.#fillOutline(into)
    return level === 'detail' ? this.#fillDetail(into) : this.#fillBlocks(into)
  }

  #fillOutline(into: Uint8Array): number {
    if (this.#reader !== undefined && this.#recipe === undefined) {
      if (!this.#reader.read(scannedBytes)) return -1
      this.#recipe = this.#reader.recipe
    }
    const chunks = this.#recipe ?? (this.#reader as RecipeReader).chunks
    const end = this.#putChunks(chunks, into, 0)
    this.done = this.#recipe !== undefined && this.#chunk === chunks.lengths.length
    return end
  }

  /** Puts those that were not told yet, as far as there is room. */
  #putChunks({ lengths, ids }: Pick<Recipe, 'lengths' | 'ids'>, into: Uint8Array, start: number): number {
    let at = start
    for (; this.#chunk < lengths.length && into.length - at >= entryBytesMax; this.#chunk++) {
      at = putEntry(into, at, lengths[this.#chunk] as number, ids, this.#chunk * idWords)
    }
    return at
  }

  #fillDetail(into: Uint8Array): number {
    const { ranges } = this.#portion
    let filled = 0
    for (let left = scannedBytes; this.#range < ranges.length && left > 0; ) {
      const range = ranges[this.#range] as Range
      this.#cutter ??= new ChunkReader(this.#sys, this.#handle, range, fineGrain)
      const wanted = Math.min(left, range.length)
      if (!this.#cutter.read(wanted)) return -1
      left -= wanted
      const { chunks, isDone } = this.#cutter
      filled = this.#putChunks(chunks, into, filled)
      if (into.length - filled < entryBytesMax) break
      if (!isDone) continue
      this.#cutter = undefined
      this.#chunk = 0
      this.#range++
    }
    this.done = this.#range === ranges.length
    return filled
  }

  #fillBlocks(into: Uint8Array): number {
    const { ranges } = this.#portion
    let filled = 0
    for (let left = scannedBytes; this.#range < ranges.length && left > 0; ) {
      const range = ranges[this.#range] as Range
      const [from, end] = [range.at + this.#sent, range.at + range.length]
      // A piece ends where a block does.
      const wanted = Math.min(end - from, readBytes - (from % readBytes))
      if (this.#piece.length < wanted) this.#piece = new Uint8Array(readBytes)
      const room = Math.floor((into.length - filled) / blockIdBytes)
      if (room === 0) break
      const count = this.#read(this.#piece, 0, wanted, from)
      if (count < wanted) return -1
      let at = from
      for (let blocks = 0; at < from + wanted && blocks < room; blocks++) {
        const length = blockLength(at, end)
        filled = putBlockId(into, filled, chunkId(this.#piece.subarray(at - from, at - from + length)))
        at += length
      }
      left -= wanted
      this.#advance(at - from)
    }
    this.done = this.#range === ranges.length
    return filled
  }

  #read(into: Uint8Array, start: number, length: number, from: number): number {
    let done = 0
    while (done < length) {
      const count = this.#sys.read(this.#handle, into, start + done, length - done, from + done)
      if (count <= 0) break
      done += count
    }
    return done
  }

  /** Goes on by so much within the range. */
  #advance(bytes: number): void {
    this.#sent += bytes
    if (this.#sent < (this.#portion.ranges[this.#range] as Range).length) return
    this.#sent = 0
    this.#range++
  }

  #fillContent(into: Uint8Array): number {
    const { ranges } = this.#portion
    let filled = 0
    while (this.#range < ranges.length && filled < into.length) {
      const range = ranges[this.#range] as Range
      const wanted = Math.min(into.length - filled, range.length - this.#sent)
      const count = this.#sys.read(this.#handle, into, filled, wanted, range.at + this.#sent)
      if (count <= 0) return -1
      filled += count
      this.#advance(count)
    }
    this.done = this.#range === ranges.length
    return filled
  }
}
