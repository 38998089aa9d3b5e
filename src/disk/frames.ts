// Frames: how a file of ours that only grows is told apart from what a power cut left of it. Each frame knows its kind,
// its length, where it stands in its file, and a checksum of all that, so neither half a frame nor one from elsewhere
// passes for one. A seal says that all before it was on disk when it was written: what is spoiled before a seal is
// damage, what is spoiled with no seal after it is the torn end of a write that nobody went on from. Reading holds one
// window of the file in memory, however long the file is, and finds the next sound frame behind a spoiled one.

import { digestOf } from '../chunk/digest.ts'
import { ByteWriter, equalBytes } from '../std/bytes.ts'

/** "NFJ" and the version of the form. */
const magic = Uint8Array.of(0x4e, 0x46, 0x4a, 0x31)
const version = 1
const checksumBytes = 16
/** Magic, checksum, kind, length, position. */
const headBytes = magic.length + checksumBytes + 1 + 4 + 8
const windowBytes = 320 * 1024

/** Larger ones are not written, and not believed. */
export const payloadMaxBytes: number = 256 * 1024

export const kindEntries = 1
export const kindSeal = 2

/** A frame as it stands at `position` of its file. */
export function encodeFrame(kind: number, payload: Uint8Array, position: number): Uint8Array {
  const writer = new ByteWriter(headBytes + payload.length)
  writer.bytes(magic)
  writer.bytes(new Uint8Array(checksumBytes))
  writer.u8(kind)
  writer.u32(payload.length)
  writer.u64(position)
  writer.bytes(payload)
  const frame = writer.take()
  frame.set(checksumOf(frame), magic.length)
  return frame
}

function checksumOf(frame: Uint8Array): Uint8Array {
  return digestOf(frame.subarray(magic.length + checksumBytes)).subarray(0, checksumBytes)
}

export type Walked = {
  /** Zero, or a negative errno: the rest could not be read. */
  readonly code: number
  /** Something stands there that was whole once, or that was never ours. */
  readonly isDamaged: boolean
  /** The end is what a write left that did not come to its own end. */
  readonly isTorn: boolean
  /** The file begins as only a later version would write it. */
  readonly isNewer: boolean
}

/**
 * Calls `take` with each sound frame but seals, in order; payloads are views that the next call ends. `read` fills a
 * buffer from a position and says how much there was, zero at the end, or a negative errno.
 */
export function walkFrames(
  read: (into: Uint8Array, position: number) => number,
  take: (payload: Uint8Array) => void,
): Walked {
  const window = new Window(read)
  let isSpoiled = false
  let isSealedAfter = false
  let isForeign = false
  for (;;) {
    const left = window.want(headBytes)
    if (left < 0) return { code: left, isDamaged: false, isTorn: false, isNewer: false }
    if (window.position === 0) {
      if (isLater(window.bytes())) return { code: 0, isDamaged: false, isTorn: false, isNewer: true }
      isForeign = left > 0 && !isBegun(window.bytes())
    }
    if (left === 0) break
    const frame = frameIn(window)
    if (typeof frame === 'number') return { code: frame, isDamaged: false, isTorn: false, isNewer: false }
    if (frame === undefined) {
      isSpoiled = true
      window.skipTo(magic)
    } else {
      if (frame.kind === kindSeal) isSealedAfter ||= isSpoiled
      else if (frame.kind === kindEntries) take(frame.payload)
      window.skip(headBytes + frame.payload.length)
    }
  }
  const isDamaged = isForeign || isSealedAfter
  return { code: 0, isDamaged, isTorn: isSpoiled && !isDamaged, isNewer: false }
}

/** The frame at the window's start; undefined where there is none, or a negative errno. */
function frameIn(window: Window): { kind: number; payload: Uint8Array } | number | undefined {
  if (window.bytes().length < headBytes || !startsWith(window.bytes(), magic)) return undefined
  const head = viewOf(window.bytes())
  const at = magic.length + checksumBytes
  const length = head.getUint32(at + 1, true)
  if (length > payloadMaxBytes || head.getBigUint64(at + 5, true) !== BigInt(window.position)) return undefined
  const left = window.want(headBytes + length)
  if (left < 0) return left
  if (left < headBytes + length) return undefined
  const frame = window.bytes().subarray(0, headBytes + length)
  if (!equalBytes(checksumOf(frame), frame.subarray(magic.length, at))) return undefined
  return { kind: frame[at] as number, payload: frame.subarray(headBytes) }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return start.every((byte, i) => bytes[i] === byte)
}

/** Whether a file begins as ours do, as far as it goes: with the magic, or with blocks that were never written. */
function isBegun(bytes: Uint8Array): boolean {
  const start = bytes.subarray(0, magic.length)
  return start.every((byte, i) => magic[i] === byte) || start.every((byte) => byte === 0)
}

function isLater(bytes: Uint8Array): boolean {
  const digit = (bytes[3] ?? 0) - 0x30
  return startsWith(bytes, magic.subarray(0, 3)) && digit > version && digit <= 9
}

/** A part of a file, from where the reader is. */
class Window {
  position = 0
  readonly #read: (into: Uint8Array, position: number) => number
  readonly #buffer = new Uint8Array(windowBytes)
  #start = 0
  #end = 0

  constructor(read: (into: Uint8Array, position: number) => number) {
    this.#read = read
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end)
  }

  /** Makes `count` bytes visible, fewer where the file ends: how many there are now, or a negative errno. */
  want(count: number): number {
    if (this.#end - this.#start >= count) return this.#end - this.#start
    this.#buffer.copyWithin(0, this.#start, this.#end)
    this.#end -= this.#start
    this.#start = 0
    while (this.#end < count) {
      const got = this.#read(this.#buffer.subarray(this.#end), this.position + this.#end)
      if (got < 0) return got
      if (got === 0) break
      this.#end += got
    }
    return this.#end
  }

  skip(count: number): void {
    this.#start += count
    this.position += count
  }

  /** To the next place that begins like `start`, or to the end of what is visible but for what may be half of it. */
  skipTo(start: Uint8Array): void {
    const bytes = this.bytes()
    const found = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(start, 1)
    this.skip(found > 0 ? found : Math.max(1, bytes.length - (start.length - 1)))
  }
}
