// A shelf: some of a tree's pages packed into one blob, so that loading a tree is a few hundred rows and no copy: each page
// is a view into its shelf's bytes. Pure; state keeps the rows.
//
// Layout, little endian: u32 {version, count, bytes of keys, 0}; count f64 triples {files, directories, sizeBytes}
// (files is -1 where there is no summary); count u32 page lengths; count fingerprints of 32 bytes; pages, each of
// a length rounded up to 4; keys, joined by NUL.

import { assert } from '../std/assert.ts'
import { decodeName, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { fingerprintBytes } from './listing.ts'
import { RecordPage } from './page.ts'
import type { StoredPage } from './tree.ts'

const version = 4
const headerBytes = 16
const fixedBytes = 3 * 8 + 4 + fingerprintBytes
const noSummary = -1

/** The shelf of a key among `shelfCount`, a power of two. */
export function shelfOf(key: string, shelfCount: number): number {
  // FNV-1a over UTF-16 units. It spreads; nothing depends on who could choose keys that meet.
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  return (hash ^ (hash >>> 15)) & (shelfCount - 1)
}

/** Packs pages, at least one. The order is kept. */
export function encodeShelf(pages: readonly StoredPage[]): Uint8Array {
  const count = pages.length
  const keys = utf8(pages.map(({ key }) => key).join('\0'))
  let pagesBytes = 0
  for (const { page } of pages) pagesBytes += padded(page.bytes.length)
  const bytes = new Uint8Array(headerBytes + count * fixedBytes + pagesBytes + keys.length)
  new Uint32Array(bytes.buffer, 0, 4).set([version, count, keys.length, 0])
  const numbers = new Float64Array(bytes.buffer, headerBytes, 3 * count)
  const lengths = new Uint32Array(bytes.buffer, headerBytes + 24 * count, count)
  let fingerprintAt = headerBytes + 28 * count
  let pageAt = headerBytes + fixedBytes * count
  for (let i = 0; i < count; i++) {
    const { page, summary } = pages[i] as StoredPage
    numbers[3 * i] = noSummary
    if (summary !== undefined) {
      assert(summary.fingerprint.length === fingerprintBytes, 'a fingerprint has 32 bytes')
      numbers[3 * i] = summary.files
      numbers[3 * i + 1] = summary.directories
      numbers[3 * i + 2] = summary.sizeBytes
      bytes.set(summary.fingerprint, fingerprintAt)
    }
    fingerprintAt += fingerprintBytes
    lengths[i] = page.bytes.length
    bytes.set(page.bytes, pageAt)
    pageAt += padded(page.bytes.length)
  }
  bytes.set(keys, pageAt)
  return bytes
}

/** The pages of a shelf, as views into `bytes`; their summaries are of `viewId`. Throws `state-broken`. */
export function decodeShelf(bytes: Uint8Array, viewId: string): StoredPage[] {
  const { buffer, byteOffset: start } = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice()
  const end = start + bytes.length
  if (bytes.length < headerBytes) throw broken()
  const [found, count = 0, keysBytes = 0] = new Uint32Array(buffer, start, 4)
  if (found !== version || headerBytes + count * fixedBytes + keysBytes > bytes.length) throw broken()
  const numbers = new Float64Array(buffer, start + headerBytes, 3 * count)
  const lengths = new Uint32Array(buffer, start + headerBytes + 24 * count, count)
  const keys = decodeName(new Uint8Array(buffer, end - keysBytes, keysBytes)).split('\0')
  if (keys.length !== count) throw broken()
  // In a buffer of their own: summaries go to other threads, and outlive the pages that may be given back.
  const fingerprintsAt = headerBytes + 28 * count
  const fingerprints = bytes.slice(fingerprintsAt, fingerprintsAt + fingerprintBytes * count)
  let pageAt = start + headerBytes + fixedBytes * count
  const pages: StoredPage[] = []
  for (let i = 0; i < count; i++) {
    const length = lengths[i] as number
    if (pageAt + length > end - keysBytes) throw broken()
    const page = new RecordPage(new Uint8Array(buffer, pageAt, length))
    const files = numbers[3 * i] as number
    const key = keys[i] as string
    if (files === noSummary) pages.push({ key, page, viewId: '', summary: undefined })
    else {
      const fingerprint = fingerprints.subarray(fingerprintBytes * i, fingerprintBytes * (i + 1))
      const summary = {
        fingerprint,
        files,
        directories: numbers[3 * i + 1] as number,
        sizeBytes: numbers[3 * i + 2] as number,
      }
      pages.push({ key, page, viewId, summary })
    }
    pageAt += padded(length)
  }
  if (pageAt !== end - keysBytes) throw broken()
  return pages
}

/** Pages hold words of 4 bytes, so each begins at one. */
function padded(length: number): number {
  return (length + 3) & ~3
}

function broken(): Failure {
  return new Failure('state-broken', 'a stored part of a tree is damaged')
}
