// The outline of a long listing: its pages, each with its first name and a digest, so that of a directory of a million entries
// only those pages travel that differ. Pages end where a name says so, on both sides alike: one more name moves one cut.
// Nothing depends on where they end but how much travels: what is compared is what lies between two names that begin a page
// on both sides. A page that holds what may have something to be said of at each run (a special file, a bad name, a symlink) has no digest and
// always differs.
//
// version u8, then pages {first name block; digest block: 32 bytes or none}.

import { ByteReader, ByteWriter, compareBytes, equalBytes } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import type { Entry } from './entry.ts'
import { entryNameBytes, fingerprintBytes, listingEntries, putEntry } from './listing.ts'
import { pathMaxBytes } from './path.ts'
import { nameHash, PageCuts } from './record.ts'

const outlineVersion = 1
/** Listings of directories of more entries than this are told as outlines where one is asked for. */
export const outlinedMin = 4096
/** More pages, with their names, than a listing has that fits into an answer. */
export const outlinePagesMax: number = 2 ** 17
export const outlineBytesMax: number = 32 * 1024 * 1024

export type OutlinePage = { readonly first: Uint8Array; readonly digest: Uint8Array | undefined }

/** Names from `from` on and before `to`; an empty one is no bound. */
export type NameRange = { readonly from: Uint8Array; readonly to: Uint8Array }

export const wholeRange: NameRange = { from: new Uint8Array(0), to: new Uint8Array(0) }

/** Takes the entries of a listing in their order. */
export class OutlineWriter {
  readonly #digestOf: (page: Uint8Array) => Uint8Array
  readonly #outline = new ByteWriter(4096)
  readonly #page = new ByteWriter(32 * 1024)
  readonly #cuts = new PageCuts()
  #isPlain = true
  #rows = 0

  constructor(digestOf: (page: Uint8Array) => Uint8Array) {
    this.#digestOf = digestOf
    this.#outline.u8(outlineVersion)
  }

  add(entry: Entry, name: Uint8Array): void {
    if (this.#rows === 0) this.#outline.block(name)
    this.#rows++
    if (!isPlain(entry)) this.#isPlain = false
    putEntry(this.#page, entry, name)
    if (this.#cuts.endsAfter(nameHash(name, 0, name.length))) this.#endPage()
  }

  #endPage(): void {
    if (this.#isPlain) this.#page.drain((bytes) => this.#outline.block(this.#digestOf(bytes)))
    else {
      this.#page.drain(() => {})
      this.#outline.varint(0)
    }
    this.#isPlain = true
    this.#rows = 0
  }

  take(): Uint8Array {
    if (this.#rows > 0) this.#endPage()
    return this.#outline.take()
  }
}

/** Whether there is nothing to do or to say where the other side has the same. Which symlinks may be made is the run's to say. */
function isPlain({ kind, edits, summary }: Entry): boolean {
  return kind === 'directory' ? summary !== undefined : kind === 'file' && edits === 0
}

/** Every length is checked, and that names rise. Throws `protocol-broken`. Safe for bytes from a peer. */
export function readOutline(bytes: Uint8Array): OutlinePage[] {
  const reader = new ByteReader(bytes)
  if (reader.u8() !== outlineVersion) throw new Failure('protocol-broken', 'an outline has an unknown version')
  const pages: OutlinePage[] = []
  while (reader.left > 0) {
    const first = reader.block(pathMaxBytes)
    const digest = reader.block(fingerprintBytes)
    const before = pages.at(-1)?.first
    const rises = before === undefined ? first.length > 0 : compareBytes(before, first) < 0
    if (!rises) throw new Failure('protocol-broken', 'an outline is not in the order of its names')
    if (digest.length !== 0 && digest.length !== fingerprintBytes)
      throw new Failure('protocol-broken', 'an outline has a digest that is none')
    if (pages.length === outlinePagesMax) throw new Failure('limit-exceeded', 'an outline has too many pages')
    pages.push({ first, digest: digest.length === 0 ? undefined : digest })
  }
  return pages
}

/** The names between which two listings may differ, in order. */
export function differingRanges(left: readonly OutlinePage[], right: readonly OutlinePage[]): NameRange[] {
  const ranges: { from: Uint8Array; to: Uint8Array }[] = []
  const boundAt = (page: number): Uint8Array => (page === 0 ? wholeRange.from : (left[page]?.first ?? wholeRange.to))
  let [a, b] = [0, 0]
  while (a < left.length || b < right.length) {
    const [nextA, nextB] = nextShared(left, right, a + 1, b + 1)
    const isSame = nextA - a === 1 && nextB - b === 1 && haveSameDigest(left[a], right[b])
    if (!isSame) {
      const last = ranges.at(-1)
      const from = boundAt(a)
      const to = boundAt(nextA)
      if (last !== undefined && a > 0 && equalBytes(last.to, from)) last.to = to
      else ranges.push({ from, to })
    }
    a = nextA
    b = nextB
  }
  return ranges
}

/** The next pages on both sides that begin with one name; the ends where there is none. */
function nextShared(
  left: readonly OutlinePage[],
  right: readonly OutlinePage[],
  fromA: number,
  fromB: number,
): [number, number] {
  let [a, b] = [fromA, fromB]
  for (;;) {
    const [pageA, pageB] = [left[a], right[b]]
    if (pageA === undefined || pageB === undefined) return [left.length, right.length]
    const order = compareBytes(pageA.first, pageB.first)
    if (order === 0) return [a, b]
    if (order < 0) a++
    else b++
  }
}

function haveSameDigest(a: OutlinePage | undefined, b: OutlinePage | undefined): boolean {
  return a?.digest !== undefined && b?.digest !== undefined && equalBytes(a.digest, b.digest)
}

/** The entries of part of a listing. Throws `protocol-broken` where one lies in none of the ranges it was asked for by. */
export function* entriesWithin(bytes: Uint8Array, ranges: readonly NameRange[]): Generator<Entry, void, undefined> {
  let at = 0
  for (const entry of listingEntries(bytes)) {
    const name = entryNameBytes(entry)
    while (at < ranges.length && isBeyond(name, ranges[at] as NameRange)) at++
    const range = ranges[at]
    if (range === undefined || compareBytes(name, range.from) < 0)
      throw new Failure('protocol-broken', 'a listing has an entry that was not asked for')
    yield entry
  }
}

function isBeyond(name: Uint8Array, { to }: NameRange): boolean {
  return to.length > 0 && compareBytes(name, to) >= 0
}

/** Whether ranges are in order and apart, as they have to be asked for. */
export function areRising(ranges: readonly NameRange[]): boolean {
  return ranges.every(({ from, to }, i) => {
    const before = ranges[i - 1]
    const isOpen = to.length === 0
    if (isOpen ? i < ranges.length - 1 : compareBytes(from, to) >= 0) return false
    return before === undefined || compareBytes(before.to, from) <= 0
  })
}
