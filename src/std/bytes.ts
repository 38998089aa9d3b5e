// Bytes: comparing, joining, and the one bounded way to write and read our compact encodings (state, wire, vault).
// Names of a file system are bytes of any kind, and strings in here: `decodeName` and `utf8` are inverse to each other
// for all of them (decision 0029).
// Little endian; `varint` is LEB128 of a non-negative integer below 2^53. The reader is given bytes that a peer or a
// damaged disk may have chosen: it checks every length before use and throws Failure('protocol-broken').

import { assert } from './assert.ts'
import { Failure } from './failure.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The bytes of a text. Of a name as `decodeName` gives it: those that it was made of, whatever they were. Other lone
 * surrogates, which no name has, become U+FFFD.
 */
export function utf8(text: string): Uint8Array {
  // Names are short and nearly always ASCII: a loop is quicker than the encoder's start.
  const length = text.length
  if (length > 64) return encode(text)
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i)
    if (unit >= 0x80) return encode(text)
    bytes[i] = unit
  }
  return bytes
}

/** A byte that is no part of UTF-8 text stands in a name as this plus the byte: U+DC80 to U+DCFF, which no text has alone. */
const rawByte = 0xdc00

function encode(text: string): Uint8Array {
  if (text.isWellFormed()) return encoder.encode(text)
  const parts: Uint8Array[] = []
  let start = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.codePointAt(i) as number
    if (code > 0xffff) i++
    if (code < rawByte + 0x80 || code > rawByte + 0xff) continue
    parts.push(encoder.encode(text.slice(start, i)), Uint8Array.of(code - rawByte))
    start = i + 1
  }
  parts.push(encoder.encode(text.slice(start)))
  return concatBytes(parts)
}

/** The text, or undefined where the bytes are not UTF-8. */
export function fromUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/**
 * The name in `bytes[start, end)` as a string: its text, with each byte that belongs to none as a lone surrogate of
 * U+DC80 to U+DCFF. No two names have one string. Quick for ASCII, and nearly so for all that is UTF-8.
 */
export function decodeName(bytes: Uint8Array, start = 0, end: number = bytes.length): string {
  for (let i = start; i < end; i++) {
    if ((bytes[i] as number) < 0x80) continue
    const name = bytes.subarray(start, end)
    return fromUtf8(name) ?? decodeRaw(name)
  }
  let text = ''
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i] as number)
  return text
}

/** Whether a string is one that `decodeName` gives: any other would be taken for another name's. */
export function isNameText(text: string): boolean {
  return text.isWellFormed() || decodeName(utf8(text)) === text
}

function decodeRaw(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at)
    text +=
      length === 0
        ? String.fromCharCode(rawByte + (bytes[at] as number))
        : decoder.decode(bytes.subarray(at, at + length))
    at += Math.max(1, length)
  }
  return text
}

/** How many bytes the character that begins at `at` has; 0 where none does (RFC 3629: no overlong form, no surrogate). */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at] as number
  if (first < 0x80) return 1
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
  if (first < 0xc2 || first > 0xf4 || at + length > bytes.length) return 0
  const second = bytes[at + 1] as number
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf
  if (second < low || second > high) return 0
  for (let i = at + 2; i < at + length; i++) if (((bytes[i] as number) & 0xc0) !== 0x80) return 0
  return length
}

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const joined = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Order by bytes, then by length: the order of names in a listing. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

/** The bytes of what `hex` wrote. */
export function fromHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'))
}

/**
 * Gives memory back now, and not when the collector comes to it: large buffers of a thread that does little are garbage
 * for long. Every view of the buffer is empty afterwards; it must be the caller's alone.
 */
export function discard({ buffer }: { readonly buffer: ArrayBufferLike }): void {
  if (buffer instanceof ArrayBuffer && !buffer.detached) buffer.transfer(0)
}

/** A growing buffer. `take` ends it and gives the bytes away. */
export class ByteWriter {
  #bytes: Uint8Array
  #view: DataView
  #length = 0

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity)
    this.#view = new DataView(this.#bytes.buffer)
  }

  get length(): number {
    return this.#length
  }

  #reserve(count: number): number {
    const start = this.#length
    const end = start + count
    if (end > this.#bytes.length) {
      this.#bytes = resized(this.#bytes, Math.max(end, this.#bytes.length * 2))
      this.#view = new DataView(this.#bytes.buffer)
    }
    this.#length = end
    return start
  }

  u8(value: number): void {
    const at = this.#reserve(1)
    this.#bytes[at] = value
  }

  u16(value: number): void {
    const at = this.#reserve(2)
    this.#view.setUint16(at, value, true)
  }

  u32(value: number): void {
    const at = this.#reserve(4)
    this.#view.setUint32(at, value, true)
  }

  u64(value: number | bigint): void {
    const at = this.#reserve(8)
    this.#view.setBigUint64(at, BigInt(value), true)
  }

  i64(value: bigint): void {
    const at = this.#reserve(8)
    this.#view.setBigInt64(at, value, true)
  }

  varint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, 'varint takes a non-negative safe integer')
    let rest = value
    while (rest >= 0x80) {
      this.u8((rest % 0x80) | 0x80)
      rest = Math.floor(rest / 0x80)
    }
    this.u8(rest)
  }

  bytes(value: Uint8Array): void {
    const at = this.#reserve(value.length)
    this.#bytes.set(value, at)
  }

  /** Length, then bytes. */
  block(value: Uint8Array): void {
    this.varint(value.length)
    this.bytes(value)
  }

  text(value: string): void {
    this.block(utf8(value))
  }

  /** Hands over what was written, for the time of the call, and begins anew in the same memory. */
  drain(into: (bytes: Uint8Array) => void): void {
    into(this.#bytes.subarray(0, this.#length))
    this.#length = 0
  }

  /** Exactly what was written. */
  take(): Uint8Array {
    const bytes = resized(this.#bytes, this.#length)
    this.#bytes = noBytes
    this.#length = 0
    return bytes
  }
}

const noBytes = new Uint8Array(0)

/** `bytes`, which are a buffer of their own and are given up, in a buffer of another length. */
function resized(bytes: Uint8Array, length: number): Uint8Array {
  const next = new Uint8Array(length)
  next.set(length < bytes.length ? bytes.subarray(0, length) : bytes)
  // A small one costs the collector less than it costs us to end it.
  if (bytes.length >= 64 * 1024) discard(bytes)
  return next
}

/** Reads what `ByteWriter` wrote; every length is checked against what is there and against the caller's bound. */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #offset: number
  readonly #end: number

  constructor(bytes: Uint8Array, offset = 0, end: number = bytes.length) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#offset = offset
    this.#end = end
  }

  get offset(): number {
    return this.#offset
  }

  get left(): number {
    return this.#end - this.#offset
  }

  #advance(count: number): number {
    const start = this.#offset
    if (count > this.#end - start) throw new Failure('protocol-broken', 'an encoding ends in the middle of a value')
    this.#offset = start + count
    return start
  }

  u8(): number {
    return this.#bytes[this.#advance(1)] as number
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2), true)
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true)
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#advance(8), true)
  }

  i64(): bigint {
    return this.#view.getBigInt64(this.#advance(8), true)
  }

  varint(max: number = Number.MAX_SAFE_INTEGER): number {
    let value = 0
    let scale = 1
    for (let count = 0; count < 8; count++) {
      const byte = this.u8()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (count > 0 && byte === 0)
          throw new Failure('protocol-broken', 'a number is not written in its shortest form')
        if (value > max) throw new Failure('protocol-broken', `a number is above its bound ${max}`)
        return value
      }
      scale *= 0x80
    }
    throw new Failure('protocol-broken', 'a number is longer than 53 bits')
  }

  /** A view, valid as long as the bytes are. */
  bytes(count: number): Uint8Array {
    const start = this.#advance(count)
    return this.#bytes.subarray(start, start + count)
  }

  skip(count: number): void {
    this.#advance(count)
  }

  block(max: number): Uint8Array {
    return this.bytes(this.varint(max))
  }

  text(maxBytes: number): string {
    const text = fromUtf8(this.block(maxBytes))
    if (text === undefined) throw new Failure('protocol-broken', 'a text is not UTF-8')
    return text
  }

  /** A name or a path as `decodeName` gives it; any bytes are one. */
  name(maxBytes: number): string {
    return decodeName(this.block(maxBytes))
  }

  /** Everything must have been read. */
  end(): void {
    if (this.left !== 0) throw new Failure('protocol-broken', 'an encoding has bytes after its end')
  }
}
