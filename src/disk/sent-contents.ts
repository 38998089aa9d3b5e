// Which contents a source has sent in a run, by digest: a table in memory that all its seats share, of a fixed size, in
// which the newer one wins. It only ever says "maybe sent": the target that does not have such a content asks for it.

import { type Digester, digestOf, openDigester } from '../chunk/digest.ts'
import { digestBytes } from '../core/page.ts'
import type { Sys } from './sys.ts'

/** Contents below are sent as often as they are wanted: a record and a look cost about as much. */
export const sameFromBytes: number = 64 * 1024
/** A file that does not fit a pack is read as a whole beforehand only where one with this much of a beginning was sent. */
const headBytes = 64 * 1024

const words = digestBytes / 4
const entries = 8192

/** The table of a run. */
export function sentMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(entries * digestBytes)
}

export class SentContents {
  readonly #table: Uint32Array
  readonly #key = new Uint32Array(words)
  readonly #keyBytes = new Uint8Array(this.#key.buffer)

  constructor(memory: SharedArrayBuffer) {
    this.#table = new Uint32Array(memory)
  }

  has(digest: Uint8Array): boolean {
    const at = this.#place(digest)
    for (let i = 0; i < words; i++) if (this.#table[at + i] !== this.#key[i]) return false
    return true
  }

  /** Another seat may write at the same place meanwhile: a mix of two digests is like no third one. */
  add(digest: Uint8Array): void {
    this.#table.set(this.#key, this.#place(digest))
  }

  #place(digest: Uint8Array): number {
    this.#keyBytes.set(digest)
    return ((this.#key[0] as number) % entries) * words
  }
}

/** Names files of one size and beginning. */
function headKey(head: Uint8Array, sizeBytes: number): Uint8Array {
  const key = digestOf(head).slice()
  const view = new DataView(key.buffer)
  view.setFloat64(0, view.getUint32(0) + sizeBytes)
  return key
}

/** A file that may hold what was sent before is read as a whole, so much at a time. */
const probedBytes = 16 * 1024 * 1024

export class Probe {
  readonly #sys: Sys
  readonly #handle: number
  readonly #sizeBytes: number
  readonly #digester: Digester = openDigester()
  #readBytes = 0
  /** Of the content, once all of it was read; undefined where it is shorter by now. */
  digest: Uint8Array | undefined

  constructor(sys: Sys, handle: number, sizeBytes: number) {
    this.#sys = sys
    this.#handle = handle
    this.#sizeBytes = sizeBytes
  }

  /** Reads on, by way of `scratch`; true when nothing is left to be read. */
  readOn(scratch: Uint8Array): boolean {
    if (this.digest !== undefined) return true
    for (const end = this.#readBytes + probedBytes; this.#readBytes < Math.min(end, this.#sizeBytes); ) {
      const wanted = Math.min(scratch.length, this.#sizeBytes - this.#readBytes)
      const count = this.#sys.read(this.#handle, scratch, 0, wanted, this.#readBytes)
      if (count <= 0) return true
      this.#digester.update(scratch.subarray(0, count))
      this.#readBytes += count
    }
    if (this.#readBytes < this.#sizeBytes) return false
    this.digest = this.#digester.finish()
    return true
  }
}

/**
 * For a file that is too long for a pack: undefined where none that begins like it was sent; from now on one was.
 * `scratch` is written over.
 */
export function probeFor(
  sys: Sys,
  handle: number,
  sizeBytes: number,
  sent: SentContents | undefined,
  scratch: Uint8Array,
): Probe | undefined {
  if (sent === undefined || scratch.length < headBytes || sizeBytes < headBytes) return undefined
  const head = scratch.subarray(0, headBytes)
  if (sys.read(handle, head, 0, headBytes, 0) !== headBytes) return undefined
  const key = headKey(head, sizeBytes)
  const isKnown = sent.has(key)
  sent.add(key)
  return isKnown ? new Probe(sys, handle, sizeBytes) : undefined
}
