// Packs made smaller with zstd, whole and in place, by the thread that filled them, and made whole again by the thread
// that writes them. What does not get smaller is found by a sample and left as it is. A word beside the pack tells the
// codec and the length of the content, and is bounded before anything is done with it. Synchronous: never called on a
// main thread.

import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { Failure } from '../std/failure.ts'

const codecZstd = 1
const lengthBits = 24
const lengthMask = (1 << lengthBits) - 1

/** Smaller packs are not sampled: trying is as cheap. */
const sampleFromBytes = 64 * 1024
const samplePieces = 3
const samplePieceBytes = 4096
/** What does not shrink below this part is sent as it is. */
const worthwhile = 0.95

/**
 * Squeezes `bytes` in place. The new length and the word that tells of it; the word is zero, and nothing has changed,
 * where it is not worth the receiver's time.
 */
export function squeeze(bytes: Uint8Array, level: number): { length: number; word: number } {
  const plain = { length: bytes.length, word: 0 }
  if (bytes.length === 0 || bytes.length > lengthMask) return plain
  if (bytes.length >= sampleFromBytes && !shrinks(sampleOf(bytes), 1)) return plain
  const small = compress(bytes, level)
  if (small.length > bytes.length * worthwhile) return plain
  bytes.set(small)
  return { length: small.length, word: codecZstd * 2 ** lengthBits + bytes.length }
}

function compress(bytes: Uint8Array, level: number): Uint8Array {
  return zstdCompressSync(bytes, {
    params: { [constants.ZSTD_c_compressionLevel]: level },
    pledgedSrcSize: bytes.length,
  })
}

function shrinks(bytes: Uint8Array, level: number): boolean {
  return compress(bytes, level).length <= bytes.length * worthwhile
}

/** Pieces from the beginning, the middle and the end. */
function sampleOf(bytes: Uint8Array): Uint8Array {
  const sample = new Uint8Array(samplePieces * samplePieceBytes)
  const stride = Math.floor((bytes.length - samplePieceBytes) / (samplePieces - 1))
  for (let piece = 0; piece < samplePieces; piece++) {
    const start = piece * stride
    sample.set(bytes.subarray(start, start + samplePieceBytes), piece * samplePieceBytes)
  }
  return sample
}

/** A frame may ask for this much memory to look back into: twice a slab, and not what it likes (128 MiB). */
const windowLogMax = 20

/** The length of a pack's content, by its word and the length of what travels. */
export function contentLength(word: number, length: number): number {
  return word === 0 ? length : word & lengthMask
}

/**
 * What was squeezed, whole again; the bytes themselves where the word says that they are. Safe for bytes from a peer:
 * throws `protocol-broken` for what is not exactly what the word says, and never holds more than `maxBytes`.
 */
export function expand(bytes: Uint8Array, word: number, maxBytes: number): Uint8Array {
  if (word === 0) return bytes
  const length = word & lengthMask
  if (Math.floor(word / 2 ** lengthBits) !== codecZstd || length === 0 || length > maxBytes) throw broken()
  let whole: Uint8Array
  try {
    whole = zstdDecompressSync(bytes, {
      maxOutputLength: length,
      params: { [constants.ZSTD_d_windowLogMax]: windowLogMax },
    })
  } catch {
    throw broken()
  }
  if (whole.length !== length) throw broken()
  // No Buffer: whose `slice` copies nothing.
  return new Uint8Array(whole.buffer, whole.byteOffset, length)
}

function broken(): Failure {
  return new Failure('protocol-broken', 'a squeezed pack does not hold what it says')
}
