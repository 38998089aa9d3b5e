// Reads what was asked for of one large file that is open: its outline, the chunks of ranges, or the bytes of ranges. A file
// is read whole once, cut and hashed in that same pass, a bounded part of it a call, so that what is found travels while
// the rest is being read. What it was made of is kept at hand under its signature for the rounds that follow.

import { type Digester, openDigester } from '../chunk/digest.ts'
import { addChunks, IdList, idWords, partEnd, partId, type Recipe } from '../chunk/recipe.ts'
import { type Cuttable, cuttable, type Grain, Splitter } from '../chunk/split.ts'
import { sameSignature } from '../core/stat.ts'
import { entryBytesMax, type Portion, putEntry } from './portions.ts'
import type { Sys } from './sys.ts'

/** So much of a file is read in one call at most. */
const scannedBytes = 32 * 1024 * 1024
const readBytes = 1024 * 1024

/** Reads a content from its start to its end and finds its chunks. */
export class RecipeReader {
  readonly chunks: IdList = new IdList()
  readonly #sys: Sys
  readonly #handle: number
  readonly #grain: Grain
  readonly #sizeBytes: number
  readonly #splitter: Splitter
  readonly #memory: Cuttable
  readonly #digester: Digester = openDigester()
  #readTo = 0
  #start = 0
  #end = 0
  recipe: Recipe | undefined

  constructor(sys: Sys, handle: number, sizeBytes: number, grain: Grain) {
    this.#sys = sys
    this.#handle = handle
    this.#grain = grain
    this.#sizeBytes = sizeBytes
    this.#splitter = new Splitter(grain)
    this.#memory = cuttable(readBytes + 2 * this.#splitter.longest)
  }

  /** Reads on, about so many bytes. False where the file does not have the size that it should have. */
  read(bytes: number): boolean {
    const { bytes: memory } = this.#memory
    for (const stop = this.#readTo + bytes; this.#readTo < Math.min(stop, this.#sizeBytes); ) {
      memory.copyWithin(0, this.#start, this.#end)
      this.#end -= this.#start
      const wanted = Math.min(memory.length - this.#end, this.#sizeBytes - this.#readTo)
      const count = this.#sys.read(this.#handle, memory, this.#end, wanted, this.#readTo)
      if (count <= 0) return false
      this.#digester.update(memory.subarray(this.#end, this.#end + count))
      this.#readTo += count
      this.#end += count
      const isLast = this.#readTo === this.#sizeBytes
      this.#start = addChunks(this.chunks, this.#splitter, this.#memory, 0, this.#end, isLast)
    }
    if (this.#readTo < this.#sizeBytes) return true
    const { lengths, ids } = this.chunks
    const facts = { grain: this.#grain, sizeBytes: this.#sizeBytes }
    this.recipe ??= { ...facts, digest: this.#digester.finish(), lengths, ids }
    return true
  }

  /** Ends it before its time. */
  close(): void {
    if (this.recipe === undefined) this.#digester.finish()
  }
}

/** Recipes of files that are on their way, by name. Of one thread; bounded. */
export class RecipesAtHand {
  readonly #bytesMax: number
  readonly #known = new Map<string, { stats: Uint32Array; recipe: Recipe }>()
  #bytes = 0

  constructor(bytesMax: number = 64 * 1024 * 1024) {
    this.#bytesMax = bytesMax
  }

  get(key: string, stats: Uint32Array, grain: Grain): Recipe | undefined {
    const found = this.#known.get(key)
    return found !== undefined && found.recipe.grain === grain && sameSignature(found.stats, 0, stats, 0)
      ? found.recipe
      : undefined
  }

  put(key: string, stats: Uint32Array, recipe: Recipe): void {
    this.#drop(key)
    this.#known.set(key, { stats, recipe })
    this.#bytes += recipe.ids.byteLength
    for (const oldest of this.#known.keys()) {
      if (this.#bytes <= this.#bytesMax || oldest === key) break
      this.#drop(oldest)
    }
  }

  /** Forgets all whose names begin so. */
  forget(prefix: string): void {
    for (const key of [...this.#known.keys()]) if (key.startsWith(prefix)) this.#drop(key)
  }

  #drop(key: string): void {
    this.#bytes -= this.#known.get(key)?.recipe.ids.byteLength ?? 0
    this.#known.delete(key)
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
  /** The next chunk to be told, and where it starts in the content. */
  #chunk = 0
  #chunkAt = 0

  /** `recipe` is the file's at this grain, where it is at hand. */
  constructor(sys: Sys, handle: number, sizeBytes: number, portion: Portion, recipe: Recipe | undefined) {
    this.#sys = sys
    this.#handle = handle
    this.#portion = portion
    this.#recipe = recipe
    const needsRecipe = portion.level !== 'content' && recipe === undefined
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
    if (this.#portion.level === 'content') return this.#fillContent(into)
    if (this.#reader !== undefined && this.#recipe === undefined) {
      const bytes = this.#portion.level === 'outline' ? scannedBytes : Number.POSITIVE_INFINITY
      if (!this.#reader.read(bytes)) return -1
      this.#recipe = this.#reader.recipe
    }
    return this.#portion.level === 'outline' ? this.#fillOutline(into) : this.#fillDetail(into)
  }

  #fillOutline(into: Uint8Array): number {
    const { ids, lengths } = this.#recipe ?? (this.#reader as RecipeReader).chunks
    let at = 0
    while (this.#chunk < lengths.length && into.length - at >= entryBytesMax) {
      const end = partEnd(ids, this.#chunk, lengths.length)
      // While the file is being read, its last part may go on.
      if (end === lengths.length && this.#recipe === undefined) break
      let length = 0
      for (let chunk = this.#chunk; chunk < end; chunk++) length += lengths[chunk] as number
      at = putEntry(into, at, length, partId(ids, this.#chunk, end), 0)
      this.#chunk = end
    }
    this.done = this.#recipe !== undefined && this.#chunk === lengths.length
    return at
  }

  #fillDetail(into: Uint8Array): number {
    const { ids, lengths } = this.#recipe as Recipe
    const { ranges } = this.#portion
    let at = 0
    while (this.#range < ranges.length && into.length - at >= entryBytesMax) {
      const range = ranges[this.#range] as { at: number; length: number }
      while (this.#chunkAt < range.at && this.#chunk < lengths.length) this.#chunkAt += lengths[this.#chunk++] as number
      const length = lengths[this.#chunk] ?? 0
      const end = this.#chunkAt + length
      if (length === 0 || this.#chunkAt < range.at || end > range.at + range.length) return -1
      at = putEntry(into, at, length, ids, this.#chunk * idWords)
      this.#chunk++
      this.#chunkAt = end
      if (end === range.at + range.length) this.#range++
    }
    this.done = this.#range === ranges.length
    return at
  }

  #fillContent(into: Uint8Array): number {
    const { ranges } = this.#portion
    let filled = 0
    while (this.#range < ranges.length && filled < into.length) {
      const range = ranges[this.#range] as { at: number; length: number }
      const wanted = Math.min(into.length - filled, range.length - this.#sent)
      const count = this.#sys.read(this.#handle, into, filled, wanted, range.at + this.#sent)
      if (count <= 0) return -1
      filled += count
      this.#sent += count
      if (this.#sent < range.length) continue
      this.#sent = 0
      this.#range++
    }
    this.done = this.#range === ranges.length
    return filled
  }
}
