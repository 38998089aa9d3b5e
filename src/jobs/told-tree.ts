// What another machine said of its tree, and the check that what it lists stays within it. A source that lies could tell of
// directories within directories without an end, and whoever compares would hold them all. So a tree has an end that is
// known before: as many entries as its scan counted, and no tree has more than anyone can hold.

import { nameMaxBytes, pathMaxBytes } from '../core/path.ts'
import { Failure } from '../std/failure.ts'

/** More than fits into the memory of the machines this is for, by far. */
export const treeEntriesMax: number = 2 ** 28
/** More than an entry takes in a listing: a name, the text of a symlink, a fingerprint and numbers. */
const entryBytesMax = nameMaxBytes + pathMaxBytes + 128
/** The root is no entry, and an empty listing is a byte. */
const slackBytes = 1024

export class ToldTree {
  readonly #entries: number
  readonly #listed = new Set<string>()
  #bytes = 0

  /** Throws `limit-exceeded` where a machine says that it has more entries than a tree may have. */
  constructor(entries: number) {
    if (entries > treeEntriesMax) throw new Failure('limit-exceeded', `a tree of ${entries} entries is too large`)
    this.#entries = entries
  }

  /** A directory was listed, maybe again. Throws `protocol-broken` where there are more of them than were counted. */
  take(path: string, sizeBytes: number): void {
    if (this.#listed.has(path)) return
    this.#listed.add(path)
    this.#bytes += sizeBytes
    const isTooMuch = this.#listed.size > this.#entries + 1 || this.#bytes > this.#entries * entryBytesMax + slackBytes
    if (isTooMuch) throw new Failure('protocol-broken', 'more was listed than the scan had counted')
  }
}
