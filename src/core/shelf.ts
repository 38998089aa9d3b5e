// A shelf: some of a tree's directories packed into one blob, so that loading a tree is a few hundred rows and no copy:
// each record is a view into its shelf's bytes. Pure; state keeps the rows.
//
// Layout, little endian: u32 {version, count, bytes of paths, 0}; count f64 triples {files, directories, sizeBytes}
// (files is -1 where there is no summary); count u32 record lengths; count fingerprints of 32 bytes; records, each of
// a length rounded up to 4; paths, joined by NUL.

import { assert } from '../std/assert.ts'
import { fromUtf8, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { fingerprintBytes } from './listing.ts'
import type { RelPath } from './path.ts'
import { DirectoryRecord } from './record.ts'
import type { StoredDirectory } from './tree.ts'

const version = 2
const headerBytes = 16
const fixedBytes = 3 * 8 + 4 + fingerprintBytes
const noSummary = -1

/** The shelf of a path among `shelfCount`, a power of two. */
export function shelfOf(path: RelPath, shelfCount: number): number {
  // FNV-1a over UTF-16 units. It spreads; nothing depends on who could choose paths that meet.
  let hash = 0x811c9dc5
  for (let i = 0; i < path.length; i++) hash = Math.imul(hash ^ path.charCodeAt(i), 0x01000193)
  return (hash ^ (hash >>> 15)) & (shelfCount - 1)
}

/** Packs directories, at least one. The order is kept. */
export function encodeShelf(directories: readonly StoredDirectory[]): Uint8Array {
  const count = directories.length
  const paths = utf8(directories.map(({ path }) => path).join('\0'))
  let recordsBytes = 0
  for (const { record } of directories) recordsBytes += padded(record.bytes.length)
  const bytes = new Uint8Array(headerBytes + count * fixedBytes + recordsBytes + paths.length)
  new Uint32Array(bytes.buffer, 0, 4).set([version, count, paths.length, 0])
  const numbers = new Float64Array(bytes.buffer, headerBytes, 3 * count)
  const lengths = new Uint32Array(bytes.buffer, headerBytes + 24 * count, count)
  let fingerprintAt = headerBytes + 28 * count
  let recordAt = headerBytes + fixedBytes * count
  for (let i = 0; i < count; i++) {
    const { record, summary } = directories[i] as StoredDirectory
    numbers[3 * i] = noSummary
    if (summary !== undefined) {
      assert(summary.fingerprint.length === fingerprintBytes, 'a fingerprint has 32 bytes')
      numbers[3 * i] = summary.files
      numbers[3 * i + 1] = summary.directories
      numbers[3 * i + 2] = summary.sizeBytes
      bytes.set(summary.fingerprint, fingerprintAt)
    }
    fingerprintAt += fingerprintBytes
    lengths[i] = record.bytes.length
    bytes.set(record.bytes, recordAt)
    recordAt += padded(record.bytes.length)
  }
  bytes.set(paths, recordAt)
  return bytes
}

/** The directories of a shelf, as views into `bytes`; their summaries are of `viewId`. Throws `state-broken`. */
export function decodeShelf(bytes: Uint8Array, viewId: string): StoredDirectory[] {
  const { buffer, byteOffset: start } = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice()
  const end = start + bytes.length
  if (bytes.length < headerBytes) throw broken()
  const [found, count = 0, pathsBytes = 0] = new Uint32Array(buffer, start, 4)
  if (found !== version || headerBytes + count * fixedBytes + pathsBytes > bytes.length) throw broken()
  const numbers = new Float64Array(buffer, start + headerBytes, 3 * count)
  const lengths = new Uint32Array(buffer, start + headerBytes + 24 * count, count)
  const paths = fromUtf8(new Uint8Array(buffer, end - pathsBytes, pathsBytes))?.split('\0')
  if (paths?.length !== count) throw broken()
  let fingerprintAt = start + headerBytes + 28 * count
  let recordAt = start + headerBytes + fixedBytes * count
  const directories: StoredDirectory[] = []
  for (let i = 0; i < count; i++) {
    const length = lengths[i] as number
    if (recordAt + length > end - pathsBytes) throw broken()
    const record = new DirectoryRecord(new Uint8Array(buffer, recordAt, length))
    const files = numbers[3 * i] as number
    const path = paths[i] as RelPath
    if (files === noSummary) directories.push({ path, record, viewId: '', summary: undefined })
    else {
      const fingerprint = new Uint8Array(buffer, fingerprintAt, fingerprintBytes)
      const summary = {
        fingerprint,
        files,
        directories: numbers[3 * i + 1] as number,
        sizeBytes: numbers[3 * i + 2] as number,
      }
      directories.push({ path, record, viewId, summary })
    }
    recordAt += padded(length)
    fingerprintAt += fingerprintBytes
  }
  if (recordAt !== end - pathsBytes) throw broken()
  return directories
}

/** Records hold words of 4 bytes, so each begins at one. */
function padded(length: number): number {
  return (length + 3) & ~3
}

function broken(): Failure {
  return new Failure('state-broken', 'a stored part of a tree is damaged')
}
