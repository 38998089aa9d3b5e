// Where the finer pieces of what is missing of a large file may lie: in the file itself, from before a break; and in donors
// beside what was found there of its neighbours, since what lay between two chunks mostly lies between them still. Looks at
// no more than a few times what is missing.

import { sameId } from '../chunk/id-map.ts'
import { chunkId } from '../chunk/recipe.ts'
import { fineGrain } from '../chunk/split.ts'
import { type ChunkDonor, ChunkIndex, type Found } from './donors.ts'
import { ChunkReader } from './portion-reader.ts'
import { blockIdBytes, type Range } from './portions.ts'
import type { Sys } from './sys.ts'

/** Chunks may end so much later than what they replace. */
const slackBytes = 64 * 1024
/** What has less than this part of itself in reach of its neighbours is not worth being told in fine chunks. */
const worthwhile = 1 / 16

/** A missing range and what lies before and behind it: where in a donor the one ends and the other begins. */
export type Gap = {
  readonly range: Range
  readonly before: Found | undefined
  readonly behind: Found | undefined
  /** How long the few chunks are that it begins with, and ends with: so far cuts may lie elsewhere than before. */
  readonly first: number
  readonly last: number
}

export class Nearby {
  readonly #sys: Sys
  readonly #gaps: readonly Gap[]
  readonly #index = new ChunkIndex()
  readonly #handles = new Map<ChunkDonor, number>()
  #memory = new Uint8Array(0)

  constructor(sys: Sys, gaps: readonly Gap[]) {
    this.#sys = sys
    this.#gaps = gaps
  }

  /**
   * What is to be told in finer pieces, since enough is in reach of it, and what is not. Of a large gap with little in reach
   * only the chunks at its ends are. `keptBytes` of the file itself are in reach too.
   */
  static split(gaps: readonly Gap[], keptBytes: number): { finer: Gap[]; plain: Range[] } {
    const finer: Gap[] = []
    const plain: Range[] = []
    const sort = (gap: Gap): void => void (isPromising(gap, keptBytes) ? finer.push(gap) : plain.push(gap.range))
    for (const gap of gaps) {
      const { range, before, behind, first, last } = gap
      if (isPromising(gap, keptBytes) || first + last >= range.length) sort(gap)
      else {
        const end = range.at + range.length
        sort({ range: { at: range.at, length: first }, before, behind: undefined, first, last: first })
        plain.push({ at: range.at + first, length: range.length - first - last })
        sort({ range: { at: end - last, length: last }, before: undefined, behind, first: last, last })
      }
    }
    return { finer, plain }
  }

  /** Cuts what is in reach of the gaps, so that `find` knows its fine chunks. */
  cut(): void {
    const windows = this.#gaps.flatMap(windowsOf)
    for (const donor of new Set(windows.map((window) => window.donor))) {
      const own = windows.filter((window) => window.donor === donor).sort((a, b) => a.at - b.at)
      let end = 0
      for (const { at, length } of own) {
        const from = Math.max(at, end)
        if (from < at + length) this.#cutWindow(donor, { at: from, length: at + length - from })
        end = Math.max(end, at + length)
      }
    }
  }

  #cutWindow(donor: ChunkDonor, range: Range): void {
    const handle = this.#handleOf(donor)
    if (handle < 0) return
    const reader = new ChunkReader(this.#sys, handle, range, fineGrain)
    if (!reader.read(Number.POSITIVE_INFINITY)) donor.isGone = true
    this.#index.add(donor, range.at, reader.chunks)
  }

  /** Where a fine chunk lies. */
  find(id: Uint32Array, length: number): Found | undefined {
    return this.#index.find(id, 0, length)
  }

  /** A block of the gap with this number: its bytes, where it lies as far from a neighbour as before. */
  block(number: number, id: Uint32Array, at: number, length: number): Uint8Array | undefined {
    const { range, before, behind } = this.#gaps[number] as Gap
    const places: Found[] = []
    if (before !== undefined) places.push({ ...before, at: before.at + at - range.at })
    if (behind !== undefined) places.push({ ...behind, at: behind.at - (range.at + range.length - at) })
    for (const place of places) {
      const bytes = this.#read(place, length)
      if (bytes !== undefined && sameId(chunkId(bytes), 0, id, 0, blockIdBytes / 4)) return bytes
    }
    return undefined
  }

  #read({ donor, at }: Found, length: number): Uint8Array | undefined {
    if (at < 0 || at + length > donor.sizeBytes) return undefined
    const handle = this.#handleOf(donor)
    if (this.#memory.length < length) this.#memory = new Uint8Array(length)
    const count = handle < 0 ? -1 : this.#sys.read(handle, this.#memory, 0, length, at)
    return count === length ? this.#memory.subarray(0, length) : undefined
  }

  #handleOf(donor: ChunkDonor): number {
    let handle = this.#handles.get(donor)
    if (handle === undefined) {
      handle = donor.open()
      this.#handles.set(donor, handle)
    }
    return donor.isGone ? -1 : handle
  }

  close(): void {
    for (const handle of this.#handles.values()) if (handle >= 0) this.#sys.close(handle)
    this.#handles.clear()
  }
}

function isPromising(gap: Gap, keptBytes: number): boolean {
  const { at, length } = gap.range
  const kept = Math.max(0, Math.min(keptBytes, at + length) - at)
  return windowsOf(gap).reduce((sum, window) => sum + window.length, kept) >= length * worthwhile
}

/** What of donors lies in reach of a gap. */
function windowsOf({ range, before, behind }: Gap): (Range & { readonly donor: ChunkDonor })[] {
  const reach = range.length + slackBytes
  const windows: (Range & { readonly donor: ChunkDonor })[] = []
  const add = (donor: ChunkDonor, from: number, to: number): void => {
    const [at, end] = [Math.max(0, from), Math.min(to, donor.sizeBytes)]
    if (end > at) windows.push({ donor, at, length: end - at })
  }
  if (
    before !== undefined &&
    behind !== undefined &&
    before.donor === behind.donor &&
    before.at <= behind.at &&
    behind.at - before.at <= 2 * reach
  ) {
    add(before.donor, before.at, behind.at)
    return windows
  }
  if (before !== undefined) add(before.donor, before.at, before.at + reach)
  if (behind !== undefined) add(behind.donor, behind.at - reach, behind.at)
  return windows
}
