// The pack: many small files, or a piece of a large one, side by side in one buffer, as they travel from the reading
// worker to the writing one. Each record has a fixed header, then content. A record names its file by its number among
// the wants of its batch, so nothing that was not asked for can be said.
//
// header, 64 bytes, little endian: number u32, flags u8, code u8, mode u16, size u64, mtime seconds i64 (two halves),
// mtime ns u32, length u32, digest 32 (valid on the last record of a file; of a hole its length u32).
// A hole is a record of its own, without content, and never the last one of a file. A content that was sent before in the
// run is a record of its own too: its digest says which.

import { type ProblemCode, problemCodes } from '../core/problem.ts'
import { Failure } from '../std/failure.ts'
import { holeBytesMax } from './holes.ts'

export const recordHeadBytes = 64
/** What a pack is made in and received in; a larger file comes in pieces. */
export const slabBytes: number = 512 * 1024

/** The file's content starts here (again). */
export const flagFirst = 1
/** The file's content ends here; size, times and digest are as read. */
export const flagLast = 2
/** The file could not be read: `code` says why, nothing more of it comes. */
export const flagFailed = 4
/** A hole comes next of the file's content, and no bytes; how long it is stands where the digest would. */
export const flagHole = 16
/** What follows are entries (lengths and ids) of a file that is told, not its bytes. */
export const flagEntries = 8

/** The file holds the content of this digest, which was sent before: nothing of it comes. */
export const flagSame = 32

export type PackRecord = {
  number: number
  flags: number
  code: ProblemCode | undefined
  mode: number
  sizeBytes: number
  mtimeSeconds: number
  mtimeNs: number
  /** How long a hole is; 0 for what is none. */
  holeBytes: number
  /** Where the content lies in the pack. */
  contentStart: number
  contentEnd: number
  /** Where the digest lies in the pack. */
  digestStart: number
}

const codes = Object.keys(problemCodes) as ProblemCode[]

function codeNumber(code: ProblemCode): number {
  return codes.indexOf(code) + 1
}

export type RecordFacts = {
  readonly number: number
  readonly flags: number
  readonly code: ProblemCode | undefined
  readonly mode: number
  readonly sizeBytes: number
  readonly mtimeSeconds: number
  readonly mtimeNs: number
  readonly length: number
}

/** Writes a record's header at `at`; the digest, where there is one, goes to `at + 32`. */
export function putRecordHead(view: DataView, at: number, facts: RecordFacts): void {
  view.setUint32(at, facts.number, true)
  view.setUint8(at + 4, facts.flags)
  view.setUint8(at + 5, facts.code === undefined ? 0 : codeNumber(facts.code))
  view.setUint16(at + 6, facts.mode, true)
  view.setUint32(at + 8, facts.sizeBytes % 0x1_0000_0000, true)
  view.setUint32(at + 12, Math.floor(facts.sizeBytes / 0x1_0000_0000), true)
  view.setUint32(at + 16, facts.mtimeSeconds >>> 0, true)
  view.setInt32(at + 20, Math.floor(facts.mtimeSeconds / 0x1_0000_0000), true)
  view.setUint32(at + 24, facts.mtimeNs, true)
  view.setUint32(at + 28, facts.length, true)
}

/** Writes the length of a hole into the record at `at`. */
export function putHole(view: DataView, at: number, holeBytes: number): void {
  view.setUint32(at + 32, holeBytes, true)
}

/** Reads the record at `at` of a pack that may come from a peer; every bound is checked. Returns where the next one starts. */
export function takeRecord(view: DataView, at: number, end: number, into: PackRecord): number {
  if (end - at < recordHeadBytes) throw broken()
  into.number = view.getUint32(at, true)
  into.flags = view.getUint8(at + 4)
  const code = view.getUint8(at + 5)
  into.code = code === 0 ? undefined : codes[code - 1]
  into.mode = view.getUint16(at + 6, true)
  into.sizeBytes = view.getUint32(at + 12, true) * 0x1_0000_0000 + view.getUint32(at + 8, true)
  into.mtimeSeconds = view.getInt32(at + 20, true) * 0x1_0000_0000 + view.getUint32(at + 16, true)
  into.mtimeNs = view.getUint32(at + 24, true)
  const length = view.getUint32(at + 28, true)
  into.digestStart = at + 32
  into.contentStart = at + recordHeadBytes
  into.contentEnd = into.contentStart + length
  const failed = (into.flags & flagFailed) !== 0
  if (into.contentEnd > end || into.flags > 63 || into.mtimeNs > 999_999_999) throw broken()
  if (failed !== (into.code !== undefined) || !Number.isSafeInteger(into.sizeBytes)) throw broken()
  into.holeBytes = 0
  if ((into.flags & flagSame) !== 0 && (into.flags !== flagSame || length > 0)) throw broken()
  if ((into.flags & flagHole) === 0) return into.contentEnd
  into.holeBytes = view.getUint32(at + 32, true)
  const isAlone = length === 0 && (into.flags & ~(flagHole | flagFirst)) === 0
  if (!isAlone || into.holeBytes === 0 || into.holeBytes > holeBytesMax) throw broken()
  return into.contentEnd
}

function broken(): Failure {
  return new Failure('protocol-broken', 'a pack holds a record that is none')
}

export function emptyRecord(): PackRecord {
  return {
    number: 0,
    flags: 0,
    code: undefined,
    mode: 0,
    sizeBytes: 0,
    mtimeSeconds: 0,
    mtimeNs: 0,
    holeBytes: 0,
    contentStart: 0,
    contentEnd: 0,
    digestStart: 0,
  }
}
