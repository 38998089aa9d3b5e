// How bytes on a link are cut into frames: a header of twelve bytes {stream u32, kind u8, flags u8, reserved u16,
// length u32}, little endian, then the payload. The reader is fed whatever the link delivers; it asks for the cap of a
// frame before it reserves a byte for it, copies a bulk payload straight to where its consumer wants it, and hands each
// complete frame on. What it hands on belongs to the receiver; it never keeps or aliases the chunks it is fed.
// It knows nothing of what kinds mean, beyond which one is bulk.

import { assert } from '../std/assert.ts'
import { Failure } from '../std/failure.ts'

/** What a frame is. Numbers are the wire's; they are never reused. */
export const frameKind = {
  hello: 1,
  request: 2,
  answer: 3,
  refusal: 4,
  abandon: 5,
  notice: 6,
  ping: 7,
  goodbye: 8,
  /** The only bulk kind. */
  data: 16,
  open: 17,
  end: 18,
  cancel: 19,
  credit: 20,
  /** Sent by the listening side, before anything is read, to a machine it will not talk to. One byte of reason. */
  rejected: 32,
} as const

/** On a frame whose kind or name the receiver may not know: skip it then, instead of ending the session. */
export const optionalFlag = 1

export const headerBytes = 12
export const maxControlBytes: number = 1024 * 1024
export const maxBulkBytes: number = 4 * 1024 * 1024

/** The twelve bytes before a payload of `length` bytes. */
export function frameHeader(stream: number, kind: number, flags: number, length: number): Uint8Array {
  assert(length <= maxBulkBytes, 'a frame fits the largest cap')
  const header = Buffer.allocUnsafe(headerBytes)
  header.writeUInt32LE(stream, 0)
  header[4] = kind
  header[5] = flags
  header[6] = 0
  header[7] = 0
  header.writeUInt32LE(length, 8)
  return header
}

/** Who a reader works for. Each call may throw a Failure, which ends the reading and comes out of `push`. */
export interface FrameSink {
  /** The most bytes that this frame may have; asked before anything is reserved. Throws to refuse it altogether. */
  cap(stream: number, kind: number, flags: number): number
  /** Where the payload of a bulk frame goes: exactly `length` bytes. undefined: there is no room, so refuse it. */
  allocate(stream: number, length: number): Uint8Array | undefined
  frame(stream: number, kind: number, flags: number, payload: Uint8Array): void
}

const noBytes = new Uint8Array(0)

/** Memory that was not cleared: for what is filled to the last byte before anybody sees it. */
export function uninitialised(lengthBytes: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(lengthBytes).buffer)
}

/** Cuts one direction of one link. After a Failure, or after `stop`, everything pushed is ignored. */
export class FrameReader {
  readonly #sink: FrameSink
  readonly #header = Buffer.allocUnsafe(headerBytes)
  #headerFilled = 0
  #stream = 0
  #kind = 0
  #flags = 0
  /** The payload being filled; undefined between frames. */
  #payload: Uint8Array | undefined
  #payloadFilled = 0
  #framesBegun = 0
  #stopped = false

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  stop(): void {
    this.#stopped = true
    this.#payload = undefined
  }

  /** What is still to come of a payload of this stream goes to memory of the reader's own, and no more to the consumer's. */
  divert(stream: number): void {
    if (this.#payload === undefined || this.#kind !== frameKind.data || this.#stream !== stream) return
    this.#payload = uninitialised(this.#payload.length)
  }

  /** Whether the bytes so far end between two frames. */
  get isBetweenFrames(): boolean {
    return this.#payload === undefined && this.#headerFilled === 0
  }

  /** How many frames have begun. */
  get framesBegun(): number {
    return this.#framesBegun
  }

  /** Takes the next bytes. They are copied: the caller may use the chunk again at once. */
  push(chunk: Uint8Array): void {
    // Buffer's copy is a plain memmove; TypedArray.set goes byte by byte into shared memory that is not aligned alike.
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    let at = 0
    try {
      while (at < bytes.length && !this.#stopped) {
        at = this.#payload === undefined ? this.#takeHeader(bytes, at) : this.#takePayload(this.#payload, bytes, at)
      }
    } catch (error) {
      this.stop()
      throw error
    }
  }

  #takeHeader(bytes: Buffer, at: number): number {
    const taken = Math.min(headerBytes - this.#headerFilled, bytes.length - at)
    bytes.copy(this.#header, this.#headerFilled, at, at + taken)
    this.#headerFilled += taken
    if (this.#headerFilled === headerBytes) this.#begin()
    return at + taken
  }

  #begin(): void {
    const header = this.#header
    this.#headerFilled = 0
    this.#framesBegun += 1
    this.#stream = header.readUInt32LE(0)
    this.#kind = header[4] ?? 0
    this.#flags = header[5] ?? 0
    const length = header.readUInt32LE(8)
    if (header.readUInt16LE(6) !== 0) throw new Failure('protocol-broken', 'a frame header has reserved bits set')
    const cap = this.#sink.cap(this.#stream, this.#kind, this.#flags)
    if (length > cap) {
      throw new Failure('limit-exceeded', `a frame of kind ${this.#kind} has ${length} bytes, above its cap of ${cap}`)
    }
    const payload = this.#reserve(length)
    if (length === 0) this.#sink.frame(this.#stream, this.#kind, this.#flags, payload)
    else {
      this.#payload = payload
      this.#payloadFilled = 0
    }
  }

  #reserve(length: number): Uint8Array {
    if (this.#kind !== frameKind.data) return length === 0 ? noBytes : new Uint8Array(length)
    const payload = this.#sink.allocate(this.#stream, length)
    if (payload === undefined) throw new Failure('limit-exceeded', 'a frame came for which there is no room')
    assert(payload.length === length, 'a payload is allocated in the size that was asked for')
    return payload
  }

  #takePayload(payload: Uint8Array, bytes: Buffer, at: number): number {
    const taken = Math.min(payload.length - this.#payloadFilled, bytes.length - at)
    bytes.copy(payload, this.#payloadFilled, at, at + taken)
    this.#payloadFilled += taken
    if (this.#payloadFilled === payload.length) {
      this.#payload = undefined
      this.#sink.frame(this.#stream, this.#kind, this.#flags, payload)
    }
    return at + taken
  }
}
