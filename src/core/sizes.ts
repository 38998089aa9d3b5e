// Which files of a tree have a given size: for finding content that is already there. Sixteen bytes a file, built once a
// run and only when something is wanted.

import type { RelPath } from './path.ts'
import { type DirectoryRecord, flagDigest } from './record.ts'
import { sizeOf, typeFile } from './stat.ts'
import type { Tree } from './tree.ts'

/** A file that may have wanted content; its digest is known or not. */
export type Place = { readonly directory: RelPath; readonly record: DirectoryRecord; readonly row: number }

const placesPerSizeMax = 16

export class SizeIndex {
  readonly #sizes: Float64Array
  readonly #directoryOf: Uint32Array
  readonly #rows: Uint32Array
  readonly #paths: RelPath[] = []
  readonly #records: DirectoryRecord[] = []

  constructor(tree: Tree) {
    const found: { size: number; known: number; directory: number; row: number }[] = []
    for (const path of tree.paths()) {
      const record = tree.record(path)
      if (record === undefined) continue
      const directory = this.#paths.push(path) - 1
      this.#records.push(record)
      for (let row = 0; row < record.count; row++) {
        if (record.type(row) !== typeFile) continue
        const size = sizeOf(record.stats, record.at(row))
        const known = (record.flags(row) & flagDigest) === 0 ? 0 : 1
        if (size > 0) found.push({ size, known, directory, row })
      }
    }
    found.sort((a, b) => a.size - b.size || b.known - a.known)
    this.#sizes = Float64Array.from(found, (file) => file.size)
    this.#directoryOf = Uint32Array.from(found, (file) => file.directory)
    this.#rows = Uint32Array.from(found, (file) => file.row)
  }

  /** Files of exactly this size: those with a known digest first, at most 16. */
  places(sizeBytes: number): Place[] {
    const places: Place[] = []
    // A tree may hold a million files of one size: neither finding nor trying them may cost that much for each content.
    for (
      let at = this.#lowerBound(sizeBytes);
      this.#sizes[at] === sizeBytes && places.length < placesPerSizeMax;
      at++
    ) {
      const directory = this.#directoryOf[at] as number
      const record = this.#records[directory] as DirectoryRecord
      places.push({ directory: this.#paths[directory] as RelPath, record, row: this.#rows[at] as number })
    }
    return places
  }

  #lowerBound(size: number): number {
    let low = 0
    let high = this.#sizes.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#sizes[middle] as number) < size) low = middle + 1
      else high = middle
    }
    return low
  }
}
