// Which files of a tree have a given size: for finding content that is already there. Eight bytes a file and nothing more
// while it is made, built once a run and only when something is wanted.

import { flagDigest } from './page.ts'
import type { RelPath } from './path.ts'
import type { DirectoryRecord } from './record.ts'
import { sizeOf, typeFile } from './stat.ts'
import type { Tree } from './tree.ts'

/** A file that may have wanted content; its digest is known or not. */
export type Place = { readonly directory: RelPath; readonly record: DirectoryRecord; readonly row: number }

const placesPerSizeMax = 16
/** So many files of other sizes are passed by whose hash is the same: a donor may be missed, no time is lost on a million. */
const passedMax = 256

/**
 * A row is one number of 64 bits: of the hash of its size 29, one that says that its digest is not known, of its place 32.
 * The highest bits are zero, so that read as a float it is a finite one and their order is that of the numbers: a typed
 * array sorts them where they are.
 */
export class SizeIndex {
  /** Low and high halves in turns, as the processor has them. */
  readonly #halves: Uint32Array
  /** The place of each directory's first row, in their order. */
  readonly #starts: Uint32Array
  readonly #paths: RelPath[] = []
  readonly #records: DirectoryRecord[] = []

  constructor(tree: Tree) {
    for (const path of tree.paths()) {
      const record = tree.record(path)
      if (record === undefined) continue
      this.#paths.push(path)
      this.#records.push(record)
    }
    this.#starts = new Uint32Array(this.#records.length)
    let entries = 0
    for (const [directory, record] of this.#records.entries()) {
      this.#starts[directory] = entries
      entries += record.count
    }
    const numbers = new Float64Array(entries)
    const halves = new Uint32Array(numbers.buffer)
    let found = 0
    for (const [directory, record] of this.#records.entries()) {
      for (let row = 0; row < record.count; row++) {
        const size = record.type(row) === typeFile ? sizeOf(record.stats(row), record.at(row)) : 0
        if (size === 0) continue
        halves[found * 2] = (this.#starts[directory] as number) + row
        halves[found * 2 + 1] = (hashOf(size) << 1) | ((record.flags(row) & flagDigest) === 0 ? 1 : 0)
        found++
      }
    }
    numbers.subarray(0, found).sort()
    this.#halves = halves.subarray(0, found * 2)
  }

  /** Files of exactly this size: those with a known digest first, at most 16. */
  places(sizeBytes: number): Place[] {
    const places: Place[] = []
    const hash = hashOf(sizeBytes)
    let passed = 0
    // A tree may hold a million files of one size: neither finding nor trying them may cost that much for each content.
    for (let at = this.#lowerBound(hash); at < this.#halves.length; at += 2) {
      if ((this.#halves[at + 1] as number) >>> 1 !== hash || places.length === placesPerSizeMax) break
      const place = this.#place(this.#halves[at] as number)
      if (sizeOf(place.record.stats(place.row), place.record.at(place.row)) === sizeBytes) places.push(place)
      else if (++passed === passedMax) break
    }
    return places
  }

  #place(number: number): Place {
    const directory = countUpTo(this.#starts, number) - 1
    const [path, record] = [this.#paths[directory] as RelPath, this.#records[directory] as DirectoryRecord]
    return { directory: path, record, row: number - (this.#starts[directory] as number) }
  }

  /** Where the first row of this hash stands in `#halves`, or would. */
  #lowerBound(hash: number): number {
    let low = 0
    let high = this.#halves.length / 2
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#halves[middle * 2 + 1] as number) >>> 1 < hash) low = middle + 1
      else high = middle
    }
    return low * 2
  }
}

/** How many of these rising numbers are not above `max`. */
function countUpTo(numbers: Uint32Array, max: number): number {
  let low = 0
  let high = numbers.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((numbers[middle] as number) <= max) low = middle + 1
    else high = middle
  }
  return low
}

/** 29 bits. */
function hashOf(size: number): number {
  return Math.imul((size >>> 0) ^ Math.imul(Math.floor(size / 2 ** 32), 0x85ebca6b), 0x9e3779b1) >>> 3
}
