// Puts one large file together aside, from what the source tells of it and from what is here. The source tells coarse to
// fine: chunks first, then finer ones of those that nobody here has, then the bytes of what nobody here has.
// Nothing that is said or found is believed: the whole is held against its digest, and where that differs each chunk
// is looked at and the wrong ones are asked for. Every number of a peer is bounded before it is used.

import { IdMap, sameId } from '../chunk/id-map.ts'
import { chunkId, IdList, idWords, type Recipe } from '../chunk/recipe.ts'
import { fineGrain, type Grain, longestChunk } from '../chunk/split.ts'
import { equalBytes } from '../std/bytes.ts'
import type { ChunkDonor, ChunkIndex, Found } from './donors.ts'
import { type Gap, Nearby } from './near.ts'
import { OldVersion } from './old-version.ts'
import { blockBytes, blockIdBytes, blockLength, EntryReader, type Level, type Range } from './portions.ts'
import { mayShare, type StagedFile } from './staged-file.ts'
import type { Sys } from './sys.ts'

/** So often wrong chunks are asked for before the file is asked for whole. */
const repairsMax = 2
const chunksMax = 16_000_000
/** So many chunks beside an edit are cut otherwise than before, mostly. */
const edgeChunks = 4

/** What comes next of a file: a portion of it, all of it anew, or nothing, because it is complete. */
export type Next =
  | { readonly kind: 'portion'; readonly level: Level; readonly ranges: readonly Range[] }
  | { readonly kind: 'whole' | 'complete' }
  | { readonly kind: 'failed'; readonly code: number }

/** What there is to put a file together from. */
export type Material = {
  /** Chunks that are known. */
  readonly known: ChunkIndex | undefined
  /** The file that is replaced, and whether `known` has its chunks. */
  readonly old: { readonly donor: ChunkDonor; readonly isKnown: boolean } | undefined
}

type Told = { sizeBytes: number; digest: Uint8Array }

/** Where a chunk of the file was found: in a donor, or in the file itself, from before a break. */
type Place = Found | 'here'

export class Assembly {
  readonly #grain: Grain
  readonly #file: StagedFile
  readonly #sys: Sys
  readonly #material: Material
  readonly #old: OldVersion | undefined
  #level: Level = 'outline'
  #told: Told | undefined
  /** Something was said that can't be. */
  #isSpoiled = false
  readonly #chunks = new IdList()
  readonly #found: (Place | undefined)[] = []
  /** The ranges of this round, and how far it is. */
  #ranges: readonly Range[] = []
  #range = 0
  #inRange = 0
  #near: Nearby | undefined
  /** Of the ranges that are told finer: what is still missing, the finer chunks of it by id, and where those lie. */
  #missing = new RangeList()
  #lacking = new IdMap()
  readonly #places: Range[] = []
  /** Missing, and not told finer. */
  #plain: readonly Range[] = []
  #repairs = 0
  #writeCode = 0
  /** A copy that is not made yet: neighbours are copied at once. */
  #copy: { donor: ChunkDonor; from: number; at: number; length: number } | undefined
  /** What came twice: where the first lies and where the other goes. */
  readonly #twins: { from: number; at: number; length: number }[] = []
  recipe: Recipe | undefined
  /** Bytes that came from the source. */
  receivedBytes = 0

  constructor(sys: Sys, grain: Grain, file: StagedFile, material: Material) {
    this.#sys = sys
    this.#grain = grain
    this.#file = file
    this.#material = material
    const { old } = material
    this.#old = old === undefined || old.isKnown ? undefined : new OldVersion(sys, old.donor, grain)
  }

  /** Takes a piece of what is told. Zero, or the negative errno of a write. */
  take(content: Uint8Array, isEntries: boolean, sizeBytes: number): number {
    if (this.#isSpoiled) return 0
    this.#told ??= { sizeBytes, digest: new Uint8Array(0) }
    if (isEntries !== (this.#level !== 'content') || this.#told.sizeBytes !== sizeBytes) this.#isSpoiled = true
    else if (this.#level === 'outline') this.#takeOutline(content)
    else if (this.#level === 'detail') this.#takeDetail(content)
    else if (this.#level === 'blocks') this.#takeBlocks(content)
    else this.#takeBytes(content)
    return this.#writeCode
  }

  #takeOutline(content: Uint8Array): void {
    const entries = new EntryReader(content, longestChunk(this.#grain))
    const told = this.#told as Told
    while (entries.next()) {
      const at = this.#chunks.sizeBytes
      if (at + entries.length > told.sizeBytes || this.#chunks.count === chunksMax) {
        this.#isSpoiled = true
        return
      }
      this.#chunks.add(entries.length, entries.id, 0)
      this.#found.push(this.#findChunk(entries.id, at, entries.length))
    }
    this.#flush()
  }

  /** Finds a chunk, and puts it where it belongs. */
  #findChunk(id: Uint32Array, at: number, length: number): Place | undefined {
    const known = this.#isHere(id, at, length) ? 'here' : this.#material.known?.find(id, 0, length)
    if (known !== undefined) {
      if (known !== 'here') this.#later(known.donor, known.at, at, length)
      this.#old?.skip(length)
      return known
    }
    const found = this.#old?.find(id, length)
    if (found === undefined) return undefined
    const bytes = mayShare(found.donor, found.at, at) ? undefined : this.#old?.bytes
    if (bytes === undefined) this.#later(found.donor, found.at, at, length)
    else this.#write(bytes, at)
    return found
  }

  /** Whether what lies there from before a break is this. */
  #isHere(id: Uint32Array, at: number, length: number, words = idWords): boolean {
    if (at + length > this.#file.keptBytes) return false
    this.#flush()
    const bytes = this.#file.read(at, length)
    if (bytes === undefined || !sameId(chunkId(bytes), 0, id, 0, words)) return false
    this.#file.keep(bytes, at)
    return true
  }

  #write(bytes: Uint8Array, at: number): void {
    this.#flush()
    if (this.#writeCode === 0) this.#writeCode = this.#file.write(bytes, 0, bytes.length, at)
  }

  #later(donor: ChunkDonor, from: number, at: number, length: number): void {
    const last = this.#copy
    if (last?.donor === donor && last.from + last.length === from && last.at + last.length === at) last.length += length
    else {
      this.#flush()
      this.#copy = { donor, from, at, length }
    }
  }

  #flush(): void {
    const copy = this.#copy
    this.#copy = undefined
    if (copy === undefined || this.#writeCode < 0) return
    this.#writeCode = this.#file.copy(copy.donor, copy.from, copy.at, copy.length)
  }

  /** Fine chunks of the ranges that were asked for: what is here is put where it belongs, the rest is missing. */
  #takeDetail(content: Uint8Array): void {
    const entries = new EntryReader(content, longestChunk(fineGrain))
    while (entries.next()) {
      const { id, length } = entries
      const at = this.#at
      if (!this.#advance(length)) return
      if (this.#isHere(id, at, length)) continue
      const found = this.#near?.find(id, length)
      if (found === undefined) this.#lack(id, at, length)
      else this.#later(found.donor, found.at, at, length)
    }
    this.#flush()
  }

  /** The same with blocks, which are looked for where they were. */
  #takeBlocks(content: Uint8Array): void {
    const entries = new EntryReader(content, blockBytes)
    while (entries.nextBlock(this.#blockLength())) {
      const { id, length } = entries
      const [gap, at] = [this.#range, this.#at]
      if (!this.#advance(length)) return
      if (this.#isHere(id, at, length, blockIdBytes / 4)) continue
      const block = this.#near?.block(gap, id, at, length)
      if (block === undefined) this.#lack(id, at, length)
      else this.#write(block, at)
    }
    this.#flush()
  }

  /** Of the next block; zero behind the last one. */
  #blockLength(): number {
    const range = this.#ranges[this.#range]
    return range === undefined ? 0 : blockLength(this.#at, range.at + range.length)
  }

  /** Where what is taken next belongs. */
  get #at(): number {
    return (this.#ranges[this.#range]?.at ?? 0) + this.#inRange
  }

  /** It has to come, unless it is to come already. */
  #lack(id: Uint32Array, at: number, length: number): void {
    const first = this.#places[this.#lacking.get(id, 0)]
    if (first?.length === length) this.#twins.push({ from: first.at, at, length })
    else {
      if (this.#lacking.put(id, 0, this.#places.length)) this.#places.push({ at, length })
      this.#missing.add(at, length)
    }
  }

  #takeBytes(content: Uint8Array): void {
    for (let done = 0; done < content.length && this.#writeCode === 0; ) {
      const range = this.#ranges[this.#range]
      const length = range === undefined ? 0 : Math.min(range.length - this.#inRange, content.length - done)
      const at = this.#at
      if (!this.#advance(length)) return
      this.#writeCode = this.#file.write(content, done, length, at)
      done += length
      this.receivedBytes += length
    }
  }

  /** Goes on by so much within the ranges that were asked for; nothing may reach over the end of one. */
  #advance(length: number): boolean {
    const range = this.#ranges[this.#range]
    this.#inRange += length
    if (range === undefined || length === 0 || this.#inRange > range.length) {
      this.#isSpoiled = true
      return false
    }
    if (this.#inRange < range.length) return true
    this.#range++
    this.#inRange = 0
    return true
  }

  /** The last piece of a round came; with the outline comes the digest of the whole. */
  end(digest: Uint8Array): void {
    if (this.#told === undefined || this.#isSpoiled) return
    if (this.#level === 'outline') {
      this.#told.digest = digest.slice()
      this.#isSpoiled = this.#chunks.sizeBytes !== this.#told.sizeBytes
    } else this.#isSpoiled = this.#range !== this.#ranges.length
  }

  /** What is to come after this round, and all that can be done here before it. */
  next(): Next {
    const next = this.#afterRound()
    this.#rest()
    return next
  }

  #afterRound(): Next {
    if (this.#writeCode < 0) return { kind: 'failed', code: this.#writeCode }
    if (this.#isSpoiled || this.#told === undefined || this.#told.digest.length === 0) return { kind: 'whole' }
    if (this.#level === 'outline') return this.#afterOutline(this.#told)
    return this.#level === 'content' ? this.#verify() : this.#askBytes()
  }

  #ask(level: Level, ranges: readonly Range[]): Next {
    this.#level = level
    this.#ranges = ranges
    this.#range = 0
    this.#inRange = 0
    return { kind: 'portion', level, ranges }
  }

  #afterOutline(told: Told): Next {
    this.#findLate()
    const gaps = this.#gaps()
    const { old } = this.#material
    const { finer, plain } = Nearby.split(gaps, this.#file.keptBytes)
    this.#plain = plain
    if (this.#writeCode < 0) return { kind: 'failed', code: this.#writeCode }
    if (finer.length === 0) return this.#askBytes()
    this.#near = new Nearby(this.#sys, finer)
    // Where the size is what it was, what changed has mostly changed in its place.
    const isInPlace = old?.donor.sizeBytes === told.sizeBytes
    if (!isInPlace) this.#near.cut()
    return this.#ask(
      isInPlace ? 'blocks' : 'detail',
      finer.map(({ range }) => range),
    )
  }

  /** What was not found at first: all of the old version is known now, and what comes twice can be copied. */
  #findLate(): void {
    const { lengths, ids } = this.#chunks
    const isMissing = (chunk: number): boolean => this.#found[chunk] === undefined
    const missing = [...lengths.keys()].filter(isMissing)
    if (missing.length === 0) return
    const places = new Float64Array(lengths.length)
    for (let chunk = 1; chunk < lengths.length; chunk++) {
      places[chunk] = (places[chunk - 1] as number) + (lengths[chunk - 1] as number)
    }
    this.#old?.cutRest()
    for (const chunk of missing) {
      const found = this.#old?.lookUp(ids, chunk, lengths[chunk] as number)
      if (found === undefined) continue
      this.#found[chunk] = found
      this.#later(found.donor, found.at, places[chunk] as number, lengths[chunk] as number)
    }
    this.#flush()
    this.#findTwins(missing.filter(isMissing), places)
  }

  #findTwins(missing: readonly number[], places: Float64Array): void {
    const { lengths, ids } = this.#chunks
    const wanted = new IdMap(missing.length)
    for (const chunk of missing) wanted.put(ids, chunk * idWords, chunk)
    // One that is here stands for those that are not.
    const present = new Map<number, number>()
    for (let chunk = 0; chunk < lengths.length && present.size < wanted.size; chunk++) {
      const first = this.#found[chunk] === undefined ? -1 : wanted.get(ids, chunk * idWords)
      if (first >= 0) present.set(first, chunk)
    }
    for (const chunk of missing) {
      const first = wanted.get(ids, chunk * idWords)
      const from = present.get(first) ?? first
      const length = lengths[chunk] as number
      if (from === chunk || lengths[from] !== length) continue
      this.#twins.push({ from: places[from] as number, at: places[chunk] as number, length })
      this.#found[chunk] = 'here'
    }
  }

  /** What is missing, with what was found beside it. */
  #gaps(): Gap[] {
    const { lengths } = this.#chunks
    const old = this.#material.old?.donor
    const gaps: Gap[] = []
    let at = 0
    for (let chunk = 0; chunk < lengths.length; chunk++) {
      const length = lengths[chunk] as number
      if (this.#found[chunk] !== undefined) {
        at += length
        continue
      }
      const from = chunk
      while (chunk + 1 < lengths.length && this.#found[chunk + 1] === undefined) chunk++
      const end = chunk + 1
      const range = { at, length: sumOf(lengths, from, end) }
      const [first, last] = [
        sumOf(lengths, from, Math.min(end, from + edgeChunks)),
        sumOf(lengths, Math.max(from, end - edgeChunks), end),
      ]
      const start = old === undefined ? undefined : { donor: old, at: 0 }
      const stop = old === undefined ? undefined : { donor: old, at: old.sizeBytes }
      const ahead = from === 0 ? start : this.#placeOf(from - 1)
      const before =
        from === 0 || ahead === undefined ? ahead : { ...ahead, at: ahead.at + (lengths[from - 1] as number) }
      const behind = end === lengths.length ? stop : this.#placeOf(end)
      gaps.push({ range, before, behind, first, last })
      at += range.length
    }
    return gaps
  }

  /** Where a chunk that is not missing lies in a donor, as far as one is known to have it. */
  #placeOf(chunk: number): Found | undefined {
    const found = this.#found[chunk]
    if (found !== 'here') return found
    const [ids, length] = [this.#chunks.ids, this.#chunks.lengths[chunk] as number]
    return this.#material.known?.find(ids, chunk * idWords, length) ?? this.#old?.lookUp(ids, chunk, length)
  }

  #askBytes(): Next {
    const ranges = [...this.#missing.ranges, ...this.#plain].sort((a, b) => a.at - b.at)
    return ranges.length === 0 ? this.#verify() : this.#ask('content', ranges)
  }

  #verify(): Next {
    for (const { from, at, length } of this.#twins.splice(0)) {
      const code = this.#file.repeat(from, at, length)
      if (code < 0) return { kind: 'failed', code }
    }
    const told = this.#told as Told
    const digest = this.#file.finish(told.sizeBytes)
    if (typeof digest === 'number') return { kind: 'failed', code: digest }
    const { lengths, ids } = this.#chunks
    if (equalBytes(digest, told.digest)) {
      this.recipe = { grain: this.#grain, sizeBytes: told.sizeBytes, digest, lengths, ids }
      return { kind: 'complete' }
    }
    const wrong = this.#wrongChunks(() => true)
    if (wrong.length === 0 || this.#repairs++ === repairsMax) return { kind: 'whole' }
    return this.#ask('content', wrong)
  }

  /** The chunks, of those that are looked at, that are not what their ids say. */
  #wrongChunks(isLookedAt: (chunk: number) => boolean): readonly Range[] {
    const { lengths, ids } = this.#chunks
    const wrong = new RangeList()
    let at = 0
    lengths.forEach((length, chunk) => {
      const content = isLookedAt(chunk) ? this.#file.read(at, length) : undefined
      if (isLookedAt(chunk) && (content === undefined || !sameId(chunkId(content), 0, ids, chunk)))
        wrong.add(at, length)
      at += length
    })
    return wrong.ranges
  }

  /**
   * Whether the ids that the source told of what was not found by them are those of what came: the whole is right, but a
   * recipe that lies would be believed later. For a complete file.
   */
  isProven(): boolean {
    return this.#wrongChunks((chunk) => this.#found[chunk] === undefined).length === 0
  }

  /** Between rounds no donor is open: many files may be under way. */
  #rest(): void {
    this.#old?.close()
    this.#near?.close()
    this.#file.rest()
  }

  /** Closes the file; with `keepsHandle` whoever takes it over does. */
  close(keepsHandle = false): void {
    this.#rest()
    this.#file.close(keepsHandle)
  }
}

function sumOf(lengths: Uint32Array, from: number, end: number): number {
  let sum = 0
  for (let i = from; i < end; i++) sum += lengths[i] as number
  return sum
}

/** Ranges in ascending order; neighbours become one. */
class RangeList {
  readonly ranges: { at: number; length: number }[] = []

  add(at: number, length: number): void {
    const last = this.ranges.at(-1)
    if (last !== undefined && last.at + last.length === at) last.length += length
    else this.ranges.push({ at, length })
  }
}
