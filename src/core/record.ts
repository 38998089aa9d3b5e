// What one directory held when it was looked at, sorted by name bytes. It is raw (no job's rules) and local (inodes and
// ctimes mean nothing elsewhere); what travels is the listing that view.ts makes of it. A record is a row of pages, one for
// a directory of ordinary size: of a million entries only the pages are made anew, held twice or stored again in which
// something changed. Rows are numbered through all pages. Digests and the directory's own facts are learned later; nothing
// else of a record ever changes.

import { assert } from '../std/assert.ts'
import { broken, type Own, PageWriter, type RecordPage } from './page.ts'
import { typeSymlink } from './stat.ts'

/** Directories of more entries than this have several pages, of at most as many; 512 on average. */
export const pageRowsMax = 1024
const pageRowsMin = 128
const cutMask = 0x1ff

export class DirectoryRecord {
  /** At least one. They may be given to another record of the same directory. */
  readonly pages: readonly RecordPage[]
  readonly count: number
  readonly #starts: Uint32Array
  /** The page that was looked at last, and its rows: most looks go along. */
  #page: RecordPage
  #low = 0
  #high: number

  /** From pages in the order of their names; the first one learns how many they are. */
  constructor(pages: readonly RecordPage[]) {
    const [first] = pages
    assert(first !== undefined, 'a record has a page')
    this.pages = pages
    this.#starts = new Uint32Array(pages.length)
    let count = 0
    for (let i = 0; i < pages.length; i++) {
      this.#starts[i] = count
      const page = pages[i] as RecordPage
      page.setPages(i === 0 ? pages.length : 0)
      count += page.count
    }
    this.count = count
    this.#page = first
    this.#high = first.count
  }

  get own(): Own {
    return this.#first.own
  }

  /** Takes what the directory's own inode says now. */
  setOwn(own: Own): void {
    this.#first.setOwn(own)
    this.#first.isStored = false
  }

  get #first(): RecordPage {
    return this.pages[0] as RecordPage
  }

  get sizeBytes(): number {
    let bytes = 0
    for (const page of this.pages) bytes += page.bytes.length
    return bytes
  }

  /** What is stored of the directory itself is not what is known now. */
  touch(): void {
    this.#first.isStored = false
  }

  /** Moves to the page of `row`. */
  #turn(row: number): RecordPage {
    if (row >= this.#low && row < this.#high) return this.#page
    let low = 0
    for (let high = this.pages.length - 1; low < high; ) {
      const middle = (low + high + 1) >> 1
      if ((this.#starts[middle] as number) <= row) low = middle
      else high = middle - 1
    }
    this.#page = this.pages[low] as RecordPage
    this.#low = this.#starts[low] as number
    this.#high = this.#low + this.#page.count
    return this.#page
  }

  /** The words in which the stat row of entry `row` lies, from `at(row)` on. */
  stats(row: number): Uint32Array {
    return this.#turn(row).stats
  }

  at(row: number): number {
    return this.#turn(row).at(row - this.#low)
  }

  type(row: number): number {
    return this.#turn(row).type(row - this.#low)
  }

  flags(row: number): number {
    return this.#turn(row).flags(row - this.#low)
  }

  /** A view of the name's bytes. */
  nameBytes(row: number): Uint8Array {
    return this.#turn(row).nameBytes(row - this.#low)
  }

  nameLength(row: number): number {
    const page = this.#turn(row)
    return page.nameEnd(row - this.#low) - page.nameStart(row - this.#low)
  }

  name(row: number): string {
    return this.#turn(row).name(row - this.#low)
  }

  /** Order of the name of `row` and the one in `bytes[start, end)`: below zero where the row's comes first. */
  compareName(row: number, bytes: Uint8Array, start: number, end: number): number {
    return this.#turn(row).compareName(row - this.#low, bytes, start, end)
  }

  /** A view of the digest, where it is known. */
  digest(row: number): Uint8Array | undefined {
    return this.#turn(row).digest(row - this.#low)
  }

  /** Takes the digest of the content that the row's signature is of. */
  setDigest(row: number, digest: Uint8Array): void {
    const page = this.#turn(row)
    page.setDigest(row - this.#low, digest)
    page.isStored = false
  }

  /** The text of the symlink at `row`. Throws `state-broken` where it lies beyond the record. */
  link(row: number): Uint8Array {
    return this.#turn(row).link(row - this.#low)
  }

  /** A view of what else the entry at `row` has; undefined where that is nothing, or nothing was looked at. */
  attributes(row: number): Uint8Array | undefined {
    return this.#turn(row).attributes(row - this.#low)
  }

  /** Which attributes were looked at in the page that has `row`. */
  looked(row: number): number {
    return this.#turn(row).looked
  }

  /** The row of a name, or -1. */
  find(name: Uint8Array): number {
    const row = this.firstFrom(name)
    return row < this.count && this.compareName(row, name, 0, name.length) === 0 ? row : -1
  }

  /** The first row whose name is this one or comes after it; `count` where none does. */
  firstFrom(name: Uint8Array): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.compareName(middle, name, 0, name.length) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Puts stored pages together again. Throws `state-broken` where one is missing, or is none of them. */
export function joinPages(pages: readonly RecordPage[]): DirectoryRecord {
  const sorted = pages.length === 1 ? pages : [...pages].sort(comparePages)
  if (sorted[0]?.pages !== sorted.length || sorted.slice(1).some((page) => page.pages !== 0)) throw broken()
  return new DirectoryRecord(sorted)
}

/** The first page of a record may be empty, and then is the only one. */
function comparePages(a: RecordPage, b: RecordPage): number {
  if (a.count === 0 || b.count === 0) throw broken()
  const name = b.nameBytes(0)
  return a.compareName(0, name, 0, name.length)
}

/**
 * Where pages end: after a name whose hash says so, so that one more name moves one cut and the pages after it stay what
 * they are.
 */
export class PageCuts {
  #rows = 0

  /** Takes the next row, by the hash of its name; whether a page ends after it. */
  endsAfter(hash: number): boolean {
    this.#rows++
    if (this.#rows < pageRowsMax && (this.#rows < pageRowsMin || (hash & cutMask) !== 0)) return false
    this.#rows = 0
    return true
  }
}

/** Ends of pages as numbers of rows from the start. `hashAt` gives a hash of a row's name. */
export function pageEnds(count: number, hashAt: (row: number) => number): number[] {
  if (count <= pageRowsMax) return [count]
  const ends: number[] = []
  const cuts = new PageCuts()
  for (let row = 0; row < count; row++) if (cuts.endsAfter(hashAt(row))) ends.push(row + 1)
  if (ends.at(-1) !== count) ends.push(count)
  return ends
}

/** A hash of a name that spreads; nothing depends on who could choose names that meet. */
export function nameHash(bytes: Uint8Array, start: number, end: number): number {
  // FNV-1a, its high bits folded in.
  let hash = 0x811c9dc5
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193)
  return hash ^ (hash >>> 15)
}

/** A row of a record, to be put into another one. */
export function recordRow(record: DirectoryRecord, row: number): RecordRow {
  return {
    name: record.nameBytes(row),
    stats: record.stats(row),
    at: record.at(row),
    flags: record.flags(row),
    link: record.type(row) === typeSymlink ? record.link(row) : undefined,
    digest: record.digest(row),
    looked: record.looked(row),
    attributes: record.attributes(row),
  }
}

/** One entry on its way into a record: its row starts at `at` in `stats`, whose device column already holds our flags. */
export type RecordRow = {
  readonly name: Uint8Array
  readonly stats: Uint32Array
  readonly at: number
  readonly flags: number
  readonly link: Uint8Array | undefined
  readonly digest: Uint8Array | undefined
  /** Which attributes were looked at, and what there was. */
  readonly looked?: number
  readonly attributes?: Uint8Array | undefined
}

/** Packs rows that are sorted by name bytes; all of them were looked at for the same attributes. */
export function buildRecord(rows: readonly RecordRow[], own: Own): DirectoryRecord {
  const nameAt = (row: number): Uint8Array => (rows[row] as RecordRow).name
  const ends = pageEnds(rows.length, (row) => nameHash(nameAt(row), 0, nameAt(row).length))
  let start = 0
  const pages = ends.map((end) => {
    const page = buildPage(rows.slice(start, end), start === 0 ? own : undefined)
    start = end
    return page
  })
  return new DirectoryRecord(pages)
}

function buildPage(rows: readonly RecordRow[], own: Own | undefined): RecordPage {
  let names = 0
  for (const row of rows) names += row.name.length
  const looked = rows[0]?.looked ?? 0
  const writer = new PageWriter(rows.length, names, own, looked)
  for (const { name, stats, at, flags, link, digest, attributes } of rows) {
    writer.add(name, 0, name.length, stats, at, flags)
    if (link !== undefined) writer.link(link)
    if (digest !== undefined) writer.digest(digest)
    if (looked !== 0) writer.attributes(attributes)
  }
  return writer.finish()
}
