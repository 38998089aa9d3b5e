// Puts one large file together aside, from what the source tells of it and from what is here. The source tells coarse to
// fine: parts first, then the chunks of the parts that nobody here has, then the bytes of the chunks that nobody here has.
// Nothing that is said or found is believed: the whole is read and held against its digest, and where that differs each chunk
// is looked at and the wrong ones are asked for. Every number of a peer is bounded before it is used.

import { IdMap } from '../chunk/id-map.ts'
import { chunkId, IdList, idWords, longestPart, type Recipe } from '../chunk/recipe.ts'
import { type Grain, longestChunk } from '../chunk/split.ts'
import { equalBytes } from '../std/bytes.ts'
import type { ChunkDonor, DonorSet, Found } from './donors.ts'
import { EntryReader, type Level, type Range } from './portions.ts'
import type { StagedFile } from './staged-file.ts'

/** So often wrong chunks are asked for before the file is asked for whole. */
const repairsMax = 2
const partsMax = 16_000_000

/** What comes next of a file: a portion of it, all of it anew, or nothing, because it is complete. */
export type Next =
  | { readonly kind: 'portion'; readonly level: Level; readonly ranges: readonly Range[] }
  | { readonly kind: 'whole' | 'complete' }
  | { readonly kind: 'failed'; readonly code: number }

type Told = { sizeBytes: number; digest: Uint8Array }

export class Assembly {
  readonly #grain: Grain
  readonly #file: StagedFile
  readonly #sets: readonly DonorSet[]
  /** What lies in the file already, from before a break. */
  readonly #own: ChunkDonor | undefined
  #level: Level = 'outline'
  #told: Told | undefined
  /** Something was said that can't be. */
  #isSpoiled = false
  readonly #parts = new IdList()
  readonly #found: (Found | undefined)[] = []
  readonly #details = new IdList()
  #ranges: readonly Range[] = []
  #range = 0
  #inRange = 0
  #repairs = 0
  #writeCode = 0
  /** A copy that is not made yet: neighbours are copied at once. */
  #copy: { donor: ChunkDonor; from: number; at: number; length: number } | undefined
  /** Chunks that came twice: where the first lies and where the other goes. */
  readonly #twins: { from: number; at: number; length: number }[] = []
  recipe: Recipe | undefined
  /** Bytes that came from the source. */
  receivedBytes = 0

  constructor(grain: Grain, file: StagedFile, sets: readonly DonorSet[], own: ChunkDonor | undefined) {
    this.#grain = grain
    this.#file = file
    this.#sets = sets
    this.#own = own
  }

  /** Takes a piece of what is told. Zero, or the negative errno of a write. */
  take(content: Uint8Array, isEntries: boolean, sizeBytes: number): number {
    if (this.#isSpoiled) return 0
    this.#told ??= { sizeBytes, digest: new Uint8Array(0) }
    if (isEntries !== (this.#level !== 'content') || this.#told.sizeBytes !== sizeBytes) this.#isSpoiled = true
    else if (this.#level === 'outline') this.#takeParts(content)
    else if (this.#level === 'detail') this.#takeChunks(content)
    else this.#takeBytes(content)
    return this.#writeCode
  }

  #takeParts(content: Uint8Array): void {
    const entries = new EntryReader(content, longestPart(this.#grain))
    const told = this.#told as Told
    while (entries.next()) {
      const at = this.#parts.sizeBytes
      if (at + entries.length > told.sizeBytes || this.#parts.count === partsMax) {
        this.#isSpoiled = true
        return
      }
      this.#parts.add(entries.length, entries.id, 0)
      const found = this.#findPart(entries.id, at, entries.length)
      this.#found.push(found)
      if (found !== undefined && !(found.donor === this.#own && found.at === at)) {
        this.#later(found.donor, found.at, at, entries.length)
      }
    }
    this.#flush()
  }

  /** What lies here already comes first; it is written over from its start on, so only what lies further on can be taken. */
  #findPart(id: Uint32Array, at: number, length: number): Found | undefined {
    for (const set of this.#sets) {
      const found = set.findPart(id)
      if (found === undefined) continue
      const outline = found.donor.outline(this.#grain)
      if (outline?.lengths[found.index] !== length) continue
      if (found.donor !== this.#own || found.at >= at) return found
    }
    return undefined
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

  #takeChunks(content: Uint8Array): void {
    const entries = new EntryReader(content, longestChunk(this.#grain))
    while (entries.next()) {
      if (!this.#advance(entries.length)) return
      this.#details.add(entries.length, entries.id, 0)
    }
  }

  #takeBytes(content: Uint8Array): void {
    for (let done = 0; done < content.length && this.#writeCode === 0; ) {
      const range = this.#ranges[this.#range]
      const length = range === undefined ? 0 : Math.min(range.length - this.#inRange, content.length - done)
      const at = (range?.at ?? 0) + this.#inRange
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
      this.#isSpoiled = this.#parts.sizeBytes !== this.#told.sizeBytes
    } else this.#isSpoiled = this.#range !== this.#ranges.length
  }

  /** What is to come after this round, and all that can be done here before it. */
  next(): Next {
    if (this.#writeCode < 0) return { kind: 'failed', code: this.#writeCode }
    if (this.#isSpoiled || this.#told === undefined || this.#told.digest.length === 0) return { kind: 'whole' }
    if (this.#level === 'outline') return this.#afterOutline()
    if (this.#level === 'detail') return this.#afterDetail()
    for (const { from, at, length } of this.#twins) {
      const code = this.#file.repeat(from, at, length)
      if (code < 0) return { kind: 'failed', code }
    }
    this.#twins.length = 0
    return this.#verify()
  }

  #ask(level: Level, ranges: readonly Range[]): Next {
    this.#level = level
    this.#ranges = ranges
    this.#range = 0
    this.#inRange = 0
    return { kind: 'portion', level, ranges }
  }

  #afterOutline(): Next {
    const missing = new RangeList()
    let at = 0
    this.#parts.lengths.forEach((length, i) => {
      if (this.#found[i] === undefined) missing.add(at, length)
      at += length
    })
    return missing.ranges.length === 0 ? this.#verify() : this.#ask('detail', missing.ranges)
  }

  #afterDetail(): Next {
    const { lengths, ids, count } = this.#details
    const places = new Float64Array(count)
    const firsts = new Int32Array(count)
    const wanted = new IdMap(count)
    let entry = 0
    for (const range of this.#ranges) {
      for (let at = range.at; at < range.at + range.length; at += lengths[entry++] as number) places[entry] = at
    }
    for (let i = 0; i < count; i++) {
      wanted.put(ids, i * idWords, i)
      firsts[i] = wanted.get(ids, i * idWords)
    }
    const isHere = this.#findInPlace(places)
    const donors = this.#findElsewhere(wanted)
    const missing = new RangeList()
    for (let i = 0; i < count; i++) {
      const [at, length, first] = [places[i] as number, lengths[i] as number, firsts[i] as number]
      const donor = donors.get(first)
      if (isHere[i] === 1) continue
      if (donor !== undefined && lengths[first] === length) this.#later(donor.donor, donor.at, at, length)
      else if (first === i || lengths[first] !== length || isHere[first] === 1) missing.add(at, length)
      else this.#twins.push({ from: places[first] as number, at, length })
    }
    this.#flush()
    if (this.#writeCode < 0) return { kind: 'failed', code: this.#writeCode }
    return missing.ranges.length === 0 ? this.#verify() : this.#ask('content', missing.ranges)
  }

  /** Which of the missing chunks lie where they belong, from before a break. */
  #findInPlace(places: Float64Array): Uint8Array {
    const isHere = new Uint8Array(places.length)
    const own = this.#own?.recipe(this.#grain)
    if (own === undefined) return isHere
    const { ids, lengths } = this.#details
    let at = 0
    let i = 0
    for (let chunk = 0; chunk < own.lengths.length && i < places.length; chunk++) {
      while (i < places.length && (places[i] as number) < at) i++
      if (places[i] === at && lengths[i] === own.lengths[chunk] && sameId(ids, i, own.ids, chunk)) isHere[i] = 1
      at += own.lengths[chunk] as number
    }
    return isHere
  }

  #findElsewhere(wanted: IdMap): Map<number, { donor: ChunkDonor; at: number }> {
    const found = new Map<number, { donor: ChunkDonor; at: number }>()
    for (const set of this.#sets) {
      set.findChunks(wanted, (value, donor, at) => {
        if (donor !== this.#own && !found.has(value)) found.set(value, { donor, at })
        return found.size < wanted.size
      })
    }
    return found
  }

  #verify(): Next {
    const told = this.#told as Told
    const digest = this.#file.finish(told.sizeBytes)
    if (typeof digest === 'number') return { kind: 'failed', code: digest }
    const { lengths, ids } = this.#chunks()
    if (equalBytes(digest, told.digest)) {
      this.recipe = { grain: this.#grain, sizeBytes: told.sizeBytes, digest, lengths, ids }
      return { kind: 'complete' }
    }
    const wrong = this.#wrongChunks(lengths, ids)
    if (wrong.length === 0 || this.#repairs++ === repairsMax) return { kind: 'whole' }
    return this.#ask('content', wrong)
  }

  #wrongChunks(lengths: Uint32Array, ids: Uint32Array): readonly Range[] {
    const wrong = new RangeList()
    let at = 0
    lengths.forEach((length, chunk) => {
      const content = this.#file.read(at, length)
      if (content === undefined || !sameId(chunkId(content), 0, ids, chunk)) wrong.add(at, length)
      at += length
    })
    return wrong.ranges
  }

  /**
   * Whether the ids that the source told of what came from it are those of what came: the whole is right, but a recipe
   * that lies would be believed later. For a complete file.
   */
  isProven(): boolean {
    if (this.receivedBytes === 0) return true
    const told = new IdMap(this.#details.count)
    for (let i = 0; i < this.#details.count; i++) told.put(this.#details.ids, i * idWords, i)
    let at = 0
    const { lengths = new Uint32Array(0), ids = new Uint32Array(0) } = this.recipe ?? {}
    for (let chunk = 0; chunk < lengths.length; at += lengths[chunk++] as number) {
      if (told.get(ids, chunk * idWords) < 0) continue
      const content = this.#file.read(at, lengths[chunk] as number)
      if (content === undefined || !sameId(chunkId(content), 0, ids, chunk)) return false
    }
    return true
  }

  /** All chunks of the file: a donor's where a part was found, told ones elsewhere. */
  #chunks(): IdList {
    const chunks = new IdList()
    let detail = 0
    this.#parts.lengths.forEach((length, i) => {
      const found = this.#found[i]
      if (found === undefined) {
        for (const end = chunks.sizeBytes + length; chunks.sizeBytes < end; detail++) {
          chunks.add(this.#details.lengths[detail] as number, this.#details.ids, detail * idWords)
        }
        return
      }
      const { donor, index } = found
      const recipe = donor.recipe(this.#grain) as Recipe
      const firsts = donor.outline(this.#grain)?.firsts as Uint32Array
      const end = firsts[index + 1] ?? recipe.lengths.length
      for (let chunk = firsts[index] as number; chunk < end; chunk++) {
        chunks.add(recipe.lengths[chunk] as number, recipe.ids, chunk * idWords)
      }
    })
    return chunks
  }

  /** Closes the file; with `keepsHandle` whoever takes it over does. */
  close(keepsHandle = false): void {
    this.#file.close(keepsHandle)
  }
}

function sameId(a: Uint32Array, indexA: number, b: Uint32Array, indexB: number): boolean {
  for (let word = 0; word < idWords; word++) {
    if (a[indexA * idWords + word] !== b[indexB * idWords + word]) return false
  }
  return true
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
