// What one directory held when it was looked at: names, stat rows, link targets and the digests known so far, as one
// flat buffer that goes unchanged to the database and between threads. Sorted by name bytes. It is raw (no job's rules)
// and local (inodes and ctimes mean nothing elsewhere); what travels is the listing that view.ts makes of it.
//
// Layout, little endian: header of 12 u32 {version, count, names, links, digests, own mtime seconds, high half, ns,
// own inode low, high, 0, 0};
// count stat rows; count u32 name ends; digests of 32 bytes; names; links {u16 length, bytes} in the order of symlinks.

import { assert } from '../std/assert.ts'
import { compareBytes, decodeName } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { statDevice, statMode, statWidth, typeMask, typeSymlink } from './stat.ts'

const version = 1
const headerWords = 12

/** Taken so soon after the file's own ctime that a later write could hide behind the same time stamp. */
export const flagRacy = 1
export const flagDigest = 2
/** The name is not UTF-8, or too long to be carried. */
export const flagBadName = 4
/** A directory that could not be listed: nothing is known of what is below. */
export const flagUnreadable = 8
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

export class DirectoryRecord {
  readonly bytes: Uint8Array
  readonly count: number
  /** The record's words; `at` says where a row starts. */
  readonly stats: Uint32Array
  readonly #nameEndsAt: number
  readonly #digestsAt: number
  readonly #namesAt: number
  readonly #linksAt: number
  #digestRows: Int32Array | undefined
  #linkStarts: Float64Array | undefined

  /** `bytes` is a record made by `buildRecord`, from our own memory or database; throws `state-broken` when it is not. */
  constructor(bytes: Uint8Array) {
    const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice()
    // One view over all words: thousands of records are made before a scan has looked at anything.
    const words = new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length >> 2)
    if (words.length < headerWords || words[0] !== version) throw broken()
    const count = words[1] as number
    const names = words[2] as number
    const digests = words[4] as number
    const prefixWords = headerWords + count * (statWidth + 1)
    if (4 * prefixWords + digests * digestBytes + names + (words[3] as number) !== aligned.length) throw broken()
    this.bytes = aligned
    this.count = count
    this.stats = words
    this.#nameEndsAt = headerWords + count * statWidth
    this.#digestsAt = 4 * prefixWords
    this.#namesAt = this.#digestsAt + digests * digestBytes
    this.#linksAt = this.#namesAt + names
    if (!this.#fits(names, digests)) throw broken()
  }

  /** Whether all names and digests lie where the header says; so that nobody reads beyond them later. */
  #fits(names: number, digests: number): boolean {
    let end = 0
    let flagged = 0
    for (let row = 0; row < this.count; row++) {
      const next = this.stats[this.#nameEndsAt + row] as number
      if (next < end) return false
      end = next
      if ((this.flags(row) & flagDigest) !== 0) flagged++
    }
    return end === names && flagged === digests
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

  /** The name as text; undefined for an entry that is flagged as having a bad name. */
  name(row: number): string | undefined {
    return decodeName(this.bytes, this.nameStart(row), this.nameEnd(row))
  }

  digest(row: number): Uint8Array | undefined {
    if ((this.flags(row) & flagDigest) === 0) return undefined
    this.#digestRows ??= this.#rankDigests()
    const start = this.#digestsAt + (this.#digestRows[row] as number) * digestBytes
    return this.bytes.subarray(start, start + digestBytes)
  }

  #rankDigests(): Int32Array {
    const ranks = new Int32Array(this.count)
    let rank = 0
    for (let row = 0; row < this.count; row++) {
      ranks[row] = rank
      if ((this.flags(row) & flagDigest) !== 0) rank++
    }
    return ranks
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
    if (at !== this.bytes.length) throw broken()
    return starts
  }

  #linkLength(at: number): number {
    return (this.bytes[at] as number) | ((this.bytes[at + 1] as number) << 8)
  }

  /** The row of a name, or -1. */
  find(name: Uint8Array): number {
    let low = 0
    let high = this.count - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      const order = compareBytes(this.nameBytes(middle), name)
      if (order === 0) return middle
      if (order < 0) low = middle + 1
      else high = middle - 1
    }
    return -1
  }
}

function broken(): Failure {
  return new Failure('state-broken', 'a stored directory record is damaged')
}

/** A row of a record, to be put into another one. */
export function recordRow(record: DirectoryRecord, row: number): RecordRow {
  return {
    name: record.nameBytes(row),
    stats: record.stats,
    at: record.at(row),
    flags: record.flags(row),
    link: record.type(row) === typeSymlink ? record.link(row) : undefined,
    digest: record.digest(row),
  }
}

/** The same entries, with something of the directory itself, or digests by row, replaced. */
export function rebuildRecord(
  record: DirectoryRecord,
  changes: { own?: Own; digests?: ReadonlyMap<number, Uint8Array> },
): DirectoryRecord {
  const rows: RecordRow[] = []
  for (let row = 0; row < record.count; row++) {
    const digest = changes.digests?.get(row)
    const kept = recordRow(record, row)
    rows.push(digest === undefined ? kept : { ...kept, digest })
  }
  return buildRecord(rows, changes.own ?? record.own)
}

/** One entry on its way into a record: its row starts at `at` in `stats`, whose device column already holds our flags. */
export type RecordRow = {
  readonly name: Uint8Array
  readonly stats: Uint32Array
  readonly at: number
  readonly flags: number
  readonly link: Uint8Array | undefined
  readonly digest: Uint8Array | undefined
}

/** Packs rows that are sorted by name bytes. */
export function buildRecord(rows: readonly RecordRow[], own: Own): DirectoryRecord {
  let names = 0
  let links = 0
  let digests = 0
  for (const row of rows) {
    names += row.name.length
    const isLink = ((row.stats[row.at + statMode] as number) & typeMask) === typeSymlink
    assert(isLink === (row.link !== undefined), 'symlinks have a text, and nothing else has')
    if (row.link !== undefined) links += 2 + row.link.length
    if (row.digest !== undefined) digests++
  }
  const count = rows.length
  const words = headerWords + count * (statWidth + 1)
  const bytes = new Uint8Array(4 * words + digests * digestBytes + names + links)
  const head = new Uint32Array(bytes.buffer, 0, words)
  const high = Math.floor(own.mtimeSeconds / 0x1_0000_0000)
  head.set([version, count, names, links, digests, own.mtimeSeconds, high, own.mtimeNs, own.inodeLow, own.inodeHigh])
  let endsAt = headerWords + count * statWidth
  let rowAt = headerWords
  let digestAt = 4 * words
  let nameAt = digestAt + digests * digestBytes
  let linkAt = nameAt + names
  const namesAt = nameAt
  for (const row of rows) {
    for (let column = 0; column < statWidth; column++) head[rowAt + column] = row.stats[row.at + column] as number
    const digestFlag = row.digest === undefined ? 0 : flagDigest
    head[rowAt + statDevice] = (row.flags & ~flagDigest) | digestFlag
    rowAt += statWidth
    bytes.set(row.name, nameAt)
    nameAt += row.name.length
    head[endsAt++] = nameAt - namesAt
    if (row.digest !== undefined) {
      assert(row.digest.length === digestBytes, 'a digest has 32 bytes')
      bytes.set(row.digest, digestAt)
      digestAt += digestBytes
    }
    if (row.link !== undefined) {
      bytes[linkAt] = row.link.length & 0xff
      bytes[linkAt + 1] = row.link.length >> 8
      bytes.set(row.link, linkAt + 2)
      linkAt += 2 + row.link.length
    }
  }
  return new DirectoryRecord(bytes)
}
