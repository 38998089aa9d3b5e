// A large file that is being put together aside: opened or gone on with, filled range by range in any order, cut to its
// length and hashed: as it is written while that goes from the start on, as it lies there from where it did not. Ranges of
// zeros that nobody wrote before stay holes. What is copied is shared where the file system can share it. Says nothing
// about whether the content is right but what its digest is.

import { type Digester, openDigester } from '../chunk/digest.ts'
import type { ChunkDonor } from './donors.ts'
import { errno, type Sys } from './sys.ts'

/** One for each thread; calls are synchronous. */
const piece = new Uint8Array(1 << 20)
/** Extents are shared by whole blocks of this size, which is a multiple of every file system's. */
const blockBytes = 64 * 1024
/** So many files of a thread are hashed while they are written; each has a digester open. */
const hashingMax = 16
let hashing = 0

/** Whether what lies at `from` of a donor can be shared at `at`, as far as is known. */
export function mayShare(donor: ChunkDonor, from: number, at: number): boolean {
  return donor.clones && (at - from) % blockBytes === 0
}

export class StagedFile {
  readonly handle: number
  readonly #sys: Sys
  /** So much was there when it was opened. What lies beyond, and was not written, reads as zeros. */
  readonly keptBytes: number
  #donor: ChunkDonor | undefined
  #donorHandle = -1
  /** Of what was written so far; undefined where nothing was, or where too many files are under way. */
  #digester: Digester | undefined
  /** What lies before is in the digest. */
  #hashedTo = 0

  constructor(sys: Sys, handle: number, keptBytes: number) {
    this.#sys = sys
    this.handle = handle
    this.keptBytes = keptBytes
  }

  /** Writes content. Zero or a negative errno. */
  write(content: Uint8Array, start: number, length: number, at: number): number {
    const code = this.#put(content, start, length, at)
    if (code === 0) this.#hash(content.subarray(start, start + length), at)
    return code
  }

  /** What lies at `at` is `content`, as `read` gave it, and stays. */
  keep(content: Uint8Array, at: number): void {
    this.#hash(content, at)
  }

  #hash(content: Uint8Array, at: number): void {
    if (at < this.#hashedTo) this.#endHash()
    if (at !== this.#hashedTo) return
    if (this.#digester === undefined) {
      if (hashing === hashingMax) return
      this.#digester = openDigester()
      hashing++
    }
    this.#digester.update(content)
    this.#hashedTo += content.length
  }

  #endHash(): Uint8Array | undefined {
    const digest = this.#digester?.finish()
    if (this.#digester !== undefined) hashing--
    this.#digester = undefined
    this.#hashedTo = 0
    return digest
  }

  #put(content: Uint8Array, start: number, length: number, at: number): number {
    const old = Math.min(length, Math.max(0, this.keptBytes - at))
    const wrote = old === 0 ? 0 : this.#sys.write(this.handle, content, start, old, at)
    if (wrote < 0) return wrote
    for (let done = old; done < length; ) {
      const zeros = runOf(content, start + done, start + length, true)
      done += zeros
      const rest = runOf(content, start + done, start + length, false)
      const code = rest === 0 ? 0 : this.#sys.write(this.handle, content, start + done, rest, at + done)
      if (code < 0) return code
      done += rest
    }
    return 0
  }

  /**
   * Copies from a donor, or shares with it. A donor that gives less than it should is `isGone`, and what it did not give
   * is not there. Zero, or the negative errno of a write.
   */
  copy(donor: ChunkDonor, from: number, at: number, length: number): number {
    const handle = this.#enter(donor)
    if (handle < 0) return 0
    if (!mayShare(donor, from, at) || length < 2 * blockBytes) return this.#copyBytes(donor, handle, from, at, length)
    const head = (blockBytes - (from % blockBytes)) % blockBytes
    const middle = length - head - ((length - head) % blockBytes)
    if (at + head < this.#hashedTo) this.#endHash()
    const cloned = this.#sys.clone(handle, from + head, this.handle, at + head, middle)
    if (cloned === -errno.ENOSPC || cloned === -errno.EDQUOT) return cloned
    if (cloned < 0) {
      donor.clones = false
      return this.#copyBytes(donor, handle, from, at, length)
    }
    const before = this.#copyBytes(donor, handle, from, at, head)
    if (before < 0) return before
    const done = head + middle
    return this.#copyBytes(donor, handle, from + done, at + done, length - done)
  }

  #copyBytes(donor: ChunkDonor, handle: number, from: number, at: number, length: number): number {
    for (let done = 0; done < length; ) {
      const count = this.#sys.read(handle, piece, 0, Math.min(piece.length, length - done), from + done)
      if (count <= 0) {
        donor.isGone = true
        return 0
      }
      const code = this.write(piece, 0, count, at + done)
      if (code < 0) return code
      done += count
    }
    return 0
  }

  #enter(donor: ChunkDonor): number {
    if (this.#donor === donor) return this.#donorHandle
    this.rest()
    this.#donorHandle = donor.open()
    this.#donor = donor
    return this.#donorHandle
  }

  /** Closes what it copied from. */
  rest(): void {
    if (this.#donorHandle >= 0) this.#sys.close(this.#donorHandle)
    this.#donorHandle = -1
    this.#donor = undefined
  }

  /** Copies within the file, to where nothing was written. Zero or a negative errno. */
  repeat(from: number, at: number, length: number): number {
    for (let done = 0; done < length; ) {
      const count = this.#sys.read(this.handle, piece, 0, Math.min(piece.length, length - done), from + done)
      if (count <= 0) return count
      const code = this.write(piece, 0, count, at + done)
      if (code < 0) return code
      done += count
    }
    return 0
  }

  /** Ends the file at `sizeBytes`: its digest, or a negative errno. */
  finish(sizeBytes: number): Uint8Array | number {
    this.rest()
    const cut = this.#sys.setLength(this.handle, sizeBytes)
    if (cut < 0) return cut
    const digester = this.#digester ?? openDigester()
    let at = this.#hashedTo
    let code = 0
    while (at < sizeBytes && code === 0) {
      const count = this.#sys.read(this.handle, piece, 0, Math.min(piece.length, sizeBytes - at), at)
      if (count <= 0) code = count < 0 ? count : -errno.EIO
      else digester.update(piece.subarray(0, count))
      at += count
    }
    const digest = this.#endHash() ?? digester.finish()
    return code < 0 ? code : digest
  }

  /** Reads what lies at `at`; undefined where that is not to be had. The view is overwritten by the next call of anything. */
  read(at: number, length: number): Uint8Array | undefined {
    const into = length > piece.length ? new Uint8Array(length) : piece
    for (let done = 0; done < length; ) {
      const count = this.#sys.read(this.handle, into, done, length - done, at + done)
      if (count <= 0) return undefined
      done += count
    }
    return into.subarray(0, length)
  }

  /** Closes what it has open, and itself unless somebody else took the handle. */
  close(keepsHandle = false): void {
    this.rest()
    this.#endHash()
    if (!keepsHandle) this.#sys.close(this.handle)
  }
}

const zeroBlockBytes = 4096

/** How many bytes from `start` on are zero, or are not, in steps of a block; the last block may be short. */
function runOf(content: Uint8Array, start: number, end: number, zero: boolean): number {
  let at = start
  while (at < end) {
    const stop = Math.min(end, at + zeroBlockBytes)
    if (isZero(content, at, stop) !== zero) break
    at = stop
  }
  return at - start
}

function isZero(content: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (content[at] !== 0) return false
  return true
}
