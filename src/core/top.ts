// The top folder itself: its mode, and what it has besides, which no listing tells, since it is in none. Where a run carries
// owners, set-id bits or extended attributes, it is told beside the listing of the root, and is part of its fingerprint.

import { ByteReader, ByteWriter, equalBytes } from '../std/bytes.ts'
import { attributesMaxBytes, sameAttributes, takeBlock } from './attributes.ts'
import { decodeExtended, extendedMaxBytes } from './extended.ts'
import { putTime, takeTime } from './listing.ts'

export type Top = {
  readonly mode: number
  /** As an entry's. */
  readonly attributes: Uint8Array | undefined
  /** The set that the block names by its digest; no bytes where there is none. */
  readonly set: Uint8Array
  /** A courtesy, as of any directory: set with the rest, and never compared. */
  readonly mtimeSeconds: number
  readonly mtimeNs: number
}

/** What a top takes when it travels, at most. */
export const topMaxBytes: number = 2 * extendedMaxBytes + attributesMaxBytes + 64

export function encodeTop({ mode, attributes, set, mtimeSeconds, mtimeNs }: Top): Uint8Array {
  const writer = new ByteWriter(64)
  writer.varint(mode)
  writer.block(attributes ?? new Uint8Array(0))
  writer.block(set)
  putTime(writer, mtimeSeconds, mtimeNs)
  return writer.take()
}

/** Safe for bytes from a peer. Throws `protocol-broken`. */
export function decodeTop(bytes: Uint8Array): Top {
  const reader = new ByteReader(bytes)
  const mode = reader.varint(0o7777)
  const block = takeBlock(reader.block(attributesMaxBytes))
  const set = reader.block(2 * extendedMaxBytes).slice()
  const { seconds, ns } = takeTime(reader)
  reader.end()
  if (set.length > 0) decodeExtended(set)
  const attributes = block.length === 0 ? undefined : block
  return { mode, attributes, set, mtimeSeconds: seconds, mtimeNs: ns }
}

/** What the fingerprint of a root is also made of; begins as no entry of a listing does. */
export function topText({ mode, attributes }: Top): Uint8Array {
  const writer = new ByteWriter(64)
  writer.u8(0xff)
  writer.varint(mode)
  writer.block(attributes ?? new Uint8Array(0))
  return writer.take()
}

/** Whether nothing that counts tells them apart. */
export function isSameTop(a: Top, b: Top): boolean {
  return a.mode === b.mode && sameAttributes(a.attributes, b.attributes)
}

/** Whether they make the same part of a fingerprint, whoever looks. */
export function isEqualTop(a: Top | undefined, b: Top | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(topText(a), topText(b))
}
