// A page of a record: some of a directory's entries, as they were looked at, in the order of their names: names, stat rows,
// link targets and the digests known so far, as one flat buffer that goes unchanged to the database and between threads.
// Digests and, on the first page of a record, the directory's own facts are learned later and put into their places; nothing
// else of a page ever changes. Of a directory of ordinary size one page is all.
//
// Layout, little endian: header of 12 u32 {version, count, names, links, pages of the record (0: this is not the first), own
// mtime seconds, high half, ns, own inode low, high, which attributes were looked at, bytes of attributes};
// count stat rows; count u32 name ends; count digests of 32 bytes, valid where the row's flag says so; names; links {u16
// length, bytes} in the order of symlinks; where attributes were looked at, a block {u16 length, bytes} for every row.

import { assert } from '../std/assert.ts'
import { ByteWriter, concatBytes, decodeName } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { statDevice, statMode, statWidth, typeDirectory, typeMask, typeSymlink } from './stat.ts'

const version = 4
const headerWords = 12

/** Taken so soon after the file's own ctime that a later write could hide behind the same time stamp. */
export const flagRacy = 1
export const flagDigest = 2
/** A directory that could not be listed: nothing is known of what is below. */
export const flagUnreadable = 8
/** Written by a run that did not sync, and not known to be on disk since. */
export const flagUnsynced = 16
/** Counts proven content changes under an unchanged size and mtime. */
export const editShift = 8

export const digestBytes = 32

/** What a directory's own inode said when it was listed. */
export type Own = {
  readonly mtimeSeconds: number
  readonly mtimeNs: number
  readonly inodeLow: number
  readonly inodeHigh: number
}

export class RecordPage {
  readonly bytes: Uint8Array
  readonly count: number
  /** The record's words; `at` says where a row starts. */
  readonly stats: Uint32Array
  readonly #nameEndsAt: number
  readonly #digestsAt: number
  readonly #namesAt: number
  readonly #linksAt: number
  readonly #attributesAt: number
  #linkStarts: Float64Array | undefined
  #attributeStarts: Float64Array | undefined
  /** It lies in the state database as it is. Kept by whoever puts it there. */
  isStored = false

  /** `bytes` is a page made by `PageWriter`, from our own memory or database; throws `state-broken` when it is not. */
  constructor(bytes: Uint8Array) {
    const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice()
    // One view over all words: thousands of records are made before a scan has looked at anything.
    const words = new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length >> 2)
    if (words.length < headerWords || words[0] !== version) throw broken()
    const count = words[1] as number
    const names = words[2] as number
    const prefixWords = headerWords + count * (statWidth + 1)
    this.#attributesAt = 4 * prefixWords + count * digestBytes + names + (words[3] as number)
    if (this.#attributesAt + (words[11] as number) !== aligned.length) throw broken()
    this.bytes = aligned
    this.count = count
    this.stats = words
    this.#nameEndsAt = headerWords + count * statWidth
    this.#digestsAt = 4 * prefixWords
    this.#namesAt = this.#digestsAt + count * digestBytes
    this.#linksAt = this.#namesAt + names
    if (!this.#fits(names)) throw broken()
  }

  /** Whether all names lie where the header says; so that nobody reads beyond them later. */
  #fits(names: number): boolean {
    let end = 0
    for (let row = 0; row < this.count; row++) {
      const next = this.stats[this.#nameEndsAt + row] as number
      if (next < end) return false
      end = next
    }
    return end === names
  }

  /** How many pages the record has that this is the first of; 0 on its other pages. */
  get pages(): number {
    return this.stats[4] as number
  }

  setPages(pages: number): void {
    if (pages === this.pages) return
    this.stats[4] = pages
    this.isStored = false
  }

  /** Which attributes were looked at, as a mask of attributes.ts: those of every entry, or of none. */
  get looked(): number {
    return this.stats[10] as number
  }

  get own(): Own {
    const { stats: words } = this
    return {
      mtimeSeconds: ((words[6] as number) | 0) * 0x1_0000_0000 + (words[5] as number),
      mtimeNs: words[7] as number,
      inodeLow: words[8] as number,
      inodeHigh: words[9] as number,
    }
  }

  /** Takes what the directory's own inode says now. */
  setOwn(own: Own): void {
    putOwn(this.stats, own)
  }

  /** Where the row of entry `row` starts in `stats`. */
  at(row: number): number {
    return headerWords + row * statWidth
  }

  type(row: number): number {
    return (this.stats[headerWords + row * statWidth + statMode] as number) & typeMask
  }

  flags(row: number): number {
    return this.stats[headerWords + row * statWidth + statDevice] as number
  }

  /** Gives these flags to all that is no directory. For a page that nobody has looked at yet. */
  mark(flags: number): void {
    for (let row = 0; row < this.count; row++)
      if (this.type(row) !== typeDirectory)
        this.stats[headerWords + row * statWidth + statDevice] = this.flags(row) | flags
  }

  nameStart(row: number): number {
    return this.#namesAt + (row === 0 ? 0 : (this.stats[this.#nameEndsAt + row - 1] as number))
  }

  nameEnd(row: number): number {
    return this.#namesAt + (this.stats[this.#nameEndsAt + row] as number)
  }

  /** A view of the name's bytes. */
  nameBytes(row: number): Uint8Array {
    return this.bytes.subarray(this.nameStart(row), this.nameEnd(row))
  }

  name(row: number): string {
    return decodeName(this.bytes, this.nameStart(row), this.nameEnd(row))
  }

  /** A view of the digest, where it is known. */
  digest(row: number): Uint8Array | undefined {
    if ((this.flags(row) & flagDigest) === 0) return undefined
    const start = this.#digestsAt + row * digestBytes
    return this.bytes.subarray(start, start + digestBytes)
  }

  /** Takes the digest of the content that the row's signature is of. */
  setDigest(row: number, digest: Uint8Array): void {
    assert(digest.length === digestBytes, 'a digest has 32 bytes')
    this.bytes.set(digest, this.#digestsAt + row * digestBytes)
    this.stats[headerWords + row * statWidth + statDevice] = (this.flags(row) | flagDigest) >>> 0
  }

  /** The text of the symlink at `row`. Throws `state-broken` where it lies beyond the record. */
  link(row: number): Uint8Array {
    this.#linkStarts ??= this.#findLinks()
    const start = this.#linkStarts[row] as number
    return this.bytes.subarray(start + 2, start + 2 + this.#linkLength(start))
  }

  /** Where the link of each symlink starts: found once, since a directory may hold a million of them. */
  #findLinks(): Float64Array {
    const starts = new Float64Array(this.count)
    let at = this.#linksAt
    for (let row = 0; row < this.count; row++) {
      if (this.type(row) !== typeSymlink) continue
      starts[row] = at
      at += 2 + this.#linkLength(at)
    }
    if (at !== this.#attributesAt) throw broken()
    return starts
  }

  /** Whether any entry has some. */
  get hasAttributes(): boolean {
    return (this.stats[11] as number) > 2 * this.count
  }

  /** A view of the attributes of the entry at `row`; undefined where it has none, or none were looked at. */
  attributes(row: number): Uint8Array | undefined {
    if (this.stats[11] === 0) return undefined
    this.#attributeStarts ??= this.#findAttributes()
    const start = this.#attributeStarts[row] as number
    const length = this.#linkLength(start)
    return length === 0 ? undefined : this.bytes.subarray(start + 2, start + 2 + length)
  }

  #findAttributes(): Float64Array {
    const starts = new Float64Array(this.count)
    let at = this.#attributesAt
    for (let row = 0; row < this.count; row++) {
      starts[row] = at
      at += 2 + this.#linkLength(at)
    }
    if (at !== this.bytes.length) throw broken()
    return starts
  }

  #linkLength(at: number): number {
    return (this.bytes[at] as number) | ((this.bytes[at + 1] as number) << 8)
  }

  /** Order of the name of `row` and the one in `bytes[start, end)`: below zero where the row's comes first. */
  compareName(row: number, bytes: Uint8Array, start: number, end: number): number {
    const { bytes: own } = this
    const ownEnd = this.nameEnd(row)
    let i = this.nameStart(row)
    let j = start
    for (; i < ownEnd && j < end; i++, j++) {
      const difference = (own[i] as number) - (bytes[j] as number)
      if (difference !== 0) return difference
    }
    return ownEnd - i - (end - j)
  }
}

export function broken(): Failure {
  return new Failure('state-broken', 'a stored directory record is damaged')
}

/** Makes a page entry by entry, in the order of name bytes, without an object for each. */
export class PageWriter {
  readonly #count: number
  readonly #words: Uint32Array
  readonly #bytes: Uint8Array
  readonly #namesAt: number
  readonly #namesEnd: number
  readonly #links: ByteWriter = new ByteWriter(0)
  readonly #attributes: ByteWriter = new ByteWriter(0)
  readonly #looked: number
  #row = -1
  #nameAt: number
  #wantsLink = false

  /**
   * For exactly `count` entries whose names have `nameBytes` bytes in all; `own` for the first page of a record. `looked`:
   * which attributes were looked at, so that each entry gets its own.
   */
  constructor(count: number, nameBytes: number, own: Own | undefined, looked = 0) {
    this.#looked = looked
    const words = headerWords + count * (statWidth + 1)
    this.#count = count
    this.#namesAt = 4 * words + count * digestBytes
    this.#namesEnd = this.#namesAt + nameBytes
    this.#bytes = new Uint8Array(this.#namesEnd)
    this.#words = new Uint32Array(this.#bytes.buffer, 0, words)
    this.#words.set([version, count, nameBytes])
    if (own !== undefined) putOwn(this.#words, own)
    this.#nameAt = this.#namesAt
  }

  /** The next entry: its name lies in `names`, its row starts at `at` of `stats`. */
  add(names: Uint8Array, start: number, end: number, stats: Uint32Array, at: number, flags: number): void {
    assert(!this.#wantsLink, 'a symlink has a text')
    const rowAt = headerWords + ++this.#row * statWidth
    for (let column = 0; column < statWidth; column++) this.#words[rowAt + column] = stats[at + column] as number
    this.#words[rowAt + statDevice] = (flags & ~flagDigest) >>> 0
    for (let i = start; i < end; i++) this.#bytes[this.#nameAt++] = names[i] as number
    this.#words[headerWords + this.#count * statWidth + this.#row] = this.#nameAt - this.#namesAt
    this.#wantsLink = ((stats[at + statMode] as number) & typeMask) === typeSymlink
  }

  /** The text of the entry just added, which is a symlink. */
  link(text: Uint8Array): void {
    assert(this.#wantsLink, 'symlinks have a text, and nothing else has')
    this.#wantsLink = false
    this.#links.u16(text.length)
    this.#links.bytes(text)
  }

  /** What else the entry just added has; each is told, in their order, where attributes were looked at. */
  attributes(block: Uint8Array | undefined): void {
    this.#attributes.u16(block?.length ?? 0)
    if (block !== undefined) this.#attributes.bytes(block)
  }

  /** The digest of the entry just added. */
  digest(digest: Uint8Array): void {
    assert(digest.length === digestBytes, 'a digest has 32 bytes')
    this.#bytes.set(digest, 4 * this.#words.length + this.#row * digestBytes)
    const at = headerWords + this.#row * statWidth + statDevice
    this.#words[at] = ((this.#words[at] as number) | flagDigest) >>> 0
  }

  finish(): RecordPage {
    const complete = this.#row === this.#count - 1 && this.#nameAt === this.#namesEnd && !this.#wantsLink
    assert(complete, 'a page holds what it was made for')
    this.#words[3] = this.#links.length
    this.#words[10] = this.#looked
    this.#words[11] = this.#attributes.length
    if (this.#links.length === 0 && this.#looked === 0) return new RecordPage(this.#bytes)
    return new RecordPage(concatBytes([this.#bytes, this.#links.take(), this.#attributes.take()]))
  }
}

function putOwn(words: Uint32Array, own: Own): void {
  const high = Math.floor(own.mtimeSeconds / 0x1_0000_0000)
  words.set([own.mtimeSeconds, high, own.mtimeNs, own.inodeLow, own.inodeHigh], 5)
}
