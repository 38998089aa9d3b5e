// Which files of a tree have a given size: for finding content that is already there. Sixteen bytes a file, built once a
// run and only when something is wanted.

import { flagDigest } from './page.ts'
import type { RelPath } from './path.ts'
import type { DirectoryRecord } from './record.ts'
import { sizeOf, typeFile } from './stat.ts'
import type { Tree } from './tree.ts'

/** A file that may have wanted content; its digest is known or not. */
export type Place = { readonly directory: RelPath; readonly record: DirectoryRecord; readonly row: number }

const placesPerSizeMax = 16
/** Above, a number holds no half. */
const sizeMax = 2 ** 52

export class SizeIndex {
  readonly #sizes: Float64Array
  readonly #directoryOf: Uint32Array
  readonly #rows: Uint32Array
  readonly #paths: RelPath[] = []
  readonly #records: DirectoryRecord[] = []

  constructor(tree: Tree) {
    let entries = 0
    for (const path of tree.paths()) {
      const record = tree.record(path)
      if (record === undefined) continue
      this.#paths.push(path)
      this.#records.push(record)
      entries += record.count
    }
    // Sizes as they are found: a half is added where the digest is not known, so that those that are come first.
    const keys = new Float64Array(entries)
    const directories = new Uint32Array(entries)
    const rows = new Uint32Array(entries)
    let found = 0
    for (const [directory, record] of this.#records.entries()) {
      for (let row = 0; row < record.count; row++) {
        const size = record.type(row) === typeFile ? sizeOf(record.stats(row), record.at(row)) : 0
        if (size === 0 || size > sizeMax) continue
        keys[found] = (record.flags(row) & flagDigest) === 0 ? size + 0.5 : size
        directories[found] = directory
        rows[found++] = row
      }
    }
    const order = Uint32Array.from({ length: found }, (_, i) => i).sort(
      (a, b) => (keys[a] as number) - (keys[b] as number),
    )
    this.#sizes = new Float64Array(found)
    this.#directoryOf = new Uint32Array(found)
    this.#rows = new Uint32Array(found)
    for (let i = 0; i < found; i++) {
      const from = order[i] as number
      this.#sizes[i] = Math.floor(keys[from] as number)
      this.#directoryOf[i] = directories[from] as number
      this.#rows[i] = rows[from] as number
    }
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
