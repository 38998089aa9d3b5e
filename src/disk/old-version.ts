// The version of a large file that is replaced, where nobody knows what it is made of. A chunk is looked for first where
// it lies if nothing moved since the last one that was found: then an old version is read once, in its order, beside the
// telling of the new one, and never cut. Where that fails for a while it is cut from there on, and what neither way
// came upon is cut in the end. Says where chunks lie; their bytes are at hand only where the first way found them.

import { sameId } from '../chunk/id-map.ts'
import { chunkId, idWords } from '../chunk/recipe.ts'
import { type Grain, longestChunk } from '../chunk/split.ts'
import { type ChunkDonor, ChunkIndex, type Found } from './donors.ts'
import { ChunkReader } from './portion-reader.ts'
import type { Range } from './portions.ts'
import type { Sys } from './sys.ts'

/** An edit in place spoils a chunk or two, rarely more; what is not found after so many has moved. */
const patience = 3
/** So much is cut at a time. */
const cutBytes = 16 * 1024 * 1024

export class OldVersion {
  readonly donor: ChunkDonor
  readonly #sys: Sys
  readonly #grain: Grain
  readonly #index = new ChunkIndex()
  #handle = -1
  readonly #memory: Uint8Array
  /** Where the next chunk lies if nothing moved. */
  #next = 0
  /** Where the last one that was found ends. */
  #known = 0
  #missed = 0
  #cutTo = 0
  /** What was found or cut. */
  readonly #seen: { readonly from: number; readonly to: number }[] = []
  /** The bytes of the chunk that was found last; undefined where it was not read. Overwritten by the next call of `find`. */
  bytes: Uint8Array | undefined

  constructor(sys: Sys, donor: ChunkDonor, grain: Grain) {
    this.#sys = sys
    this.donor = donor
    this.#grain = grain
    this.#memory = new Uint8Array(Math.min(longestChunk(grain), donor.sizeBytes))
  }

  /** Where the next chunk of the new version lies in the old one. */
  find(id: Uint32Array, length: number): Found | undefined {
    const at = this.#next
    this.#next += length
    const bytes = this.#read(at, length)
    if (bytes !== undefined && sameId(chunkId(bytes), 0, id, 0)) {
      this.bytes = bytes
      return this.#take(at, length)
    }
    this.bytes = undefined
    const found = this.#index.find(id, 0, length)
    if (found !== undefined) return this.#take(found.at, length)
    if (++this.#missed <= patience || this.donor.isGone) return undefined
    const from = this.#cutTo > this.#known ? this.#cutTo : this.#known
    this.#cutTo = this.#cut({ at: from, length: cutBytes })
    const later = this.#index.find(id, 0, length)
    return later === undefined ? undefined : this.#take(later.at, length)
  }

  /** The next chunk was found elsewhere. */
  skip(length: number): void {
    this.#next += length
  }

  #take(at: number, length: number): Found {
    this.#seen.push({ from: at, to: at + length })
    this.#missed = 0
    this.#next = at + length
    this.#known = at + length
    return { donor: this.donor, at }
  }

  #read(at: number, length: number): Uint8Array | undefined {
    if (at + length > this.donor.sizeBytes || length > this.#memory.length || !this.#isOpen()) return undefined
    const count = this.#sys.read(this.#handle, this.#memory, 0, length, at)
    return count === length ? this.#memory.subarray(0, length) : undefined
  }

  #isOpen(): boolean {
    if (this.#handle < 0) this.#handle = this.donor.open()
    return this.#handle >= 0
  }

  /** Cuts a range, or what there is of it; returns where that ended. */
  #cut({ at, length }: Range): number {
    const range = { at, length: Math.min(length, this.donor.sizeBytes - at) }
    if (range.length <= 0 || !this.#isOpen()) return at
    const reader = new ChunkReader(this.#sys, this.#handle, range, this.#grain)
    if (!reader.read(Number.POSITIVE_INFINITY)) this.donor.isGone = true
    this.#index.add(this.donor, at, reader.chunks)
    // The last one ends where the range does, and not where the content says.
    const isLast = at + range.length === this.donor.sizeBytes
    const end =
      isLast || reader.chunks.count < 2
        ? at + range.length
        : at + range.length - (reader.chunks.lengths.at(-1) as number)
    this.#seen.push({ from: at, to: end })
    return end
  }

  /** Cuts what neither was found nor cut yet. From then on `lookUp` knows all of it. */
  cutRest(): void {
    this.#seen.sort((a, b) => a.from - b.from)
    let end = 0
    for (const { from, to } of [...this.#seen, { from: this.donor.sizeBytes, to: this.donor.sizeBytes }]) {
      if (from > end) this.#cut({ at: end, length: from - end })
      end = Math.max(end, to)
    }
  }

  /** Where a chunk lies, of those that were cut. `at` counts words. */
  lookUp(ids: Uint32Array, at: number, length: number): Found | undefined {
    return this.#index.find(ids, at * idWords, length)
  }

  close(): void {
    if (this.#handle >= 0) this.#sys.close(this.#handle)
    this.#handle = -1
  }
}
