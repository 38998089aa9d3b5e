// Extended attributes and ACLs of one entry as they travel: a set, {count varint, {name block, value block}} in rising order of
// name bytes, so that equal sets are equal bytes and one digest tells them apart. Bounded in count, name and size. ACLs are
// attributes of the system's with two names of their own.

import { ByteReader, ByteWriter, compareBytes, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { wantsAcls, wantsSystemXattrs, wantsXattrs } from './attributes.ts'

export type Extended = { readonly name: Uint8Array; readonly value: Uint8Array }

export const extendedCountMax = 256
const nameMaxBytes = 255
/** Of all names and values of an entry together. */
export const extendedMaxBytes: number = 64 * 1024
/** Of the sets that come with one batch: what does not fit comes with the next run. */
export const extendedBatchMaxBytes: number = 8 * 1024 * 1024

const [user, security, trusted] = ['user.', 'security.', 'trusted.'].map(utf8) as [Uint8Array, Uint8Array, Uint8Array]
const accessAcl: Uint8Array = utf8('system.posix_acl_access')
const defaultAcl: Uint8Array = utf8('system.posix_acl_default')
/** What a kernel signs for this very machine, and what XFS calls its ACLs beside their own names. */
const ownToMachine = ['security.evm', 'security.ima', 'trusted.SGI_ACL_FILE', 'trusted.SGI_ACL_DEFAULT'].map(utf8)

/** Whether an attribute of this name is carried under the mask. */
export function isCarried(name: Uint8Array, mask: number): boolean {
  if (startsWith(name, user)) return (mask & wantsXattrs) !== 0
  if (startsWith(name, security) || startsWith(name, trusted))
    return (mask & wantsSystemXattrs) !== 0 && !ownToMachine.some((own) => compareBytes(own, name) === 0)
  const isAcl = compareBytes(name, accessAcl) === 0 || compareBytes(name, defaultAcl) === 0
  return isAcl && (mask & wantsAcls) !== 0
}

function startsWith(name: Uint8Array, prefix: Uint8Array): boolean {
  return name.length > prefix.length && compareBytes(name.subarray(0, prefix.length), prefix) === 0
}

/** A set, from attributes in any order. */
export function encodeExtended(attributes: readonly Extended[]): Uint8Array {
  const writer = new ByteWriter(256)
  const sorted = [...attributes].sort((a, b) => compareBytes(a.name, b.name))
  writer.varint(sorted.length)
  for (const { name, value } of sorted) {
    writer.block(name)
    writer.block(value)
  }
  return writer.take()
}

/** The attributes of a set. Safe for bytes from a peer: bounded, in order, each name once. */
export function decodeExtended(bytes: Uint8Array): Extended[] {
  const reader = new ByteReader(bytes)
  const attributes: Extended[] = []
  for (let left = reader.varint(extendedCountMax); left > 0; left--) {
    const name = reader.block(nameMaxBytes)
    const value = reader.block(extendedMaxBytes)
    const before = attributes.at(-1)
    if (name.length === 0 || name.includes(0) || (before !== undefined && compareBytes(before.name, name) >= 0))
      throw new Failure('protocol-broken', 'an extended attribute has a name that is none, or out of order')
    attributes.push({ name, value })
  }
  reader.end()
  return attributes
}

/** Sets side by side, each a block; an empty one where it is not to be had. */
export function joinSets(sets: readonly Uint8Array[]): Uint8Array {
  const writer = new ByteWriter(1024)
  for (const set of sets) writer.block(set)
  return writer.take()
}

export function splitSets(bytes: Uint8Array): Uint8Array[] {
  const reader = new ByteReader(bytes)
  const sets: Uint8Array[] = []
  // Names and lengths are more than what they are bounded by.
  while (reader.left > 0) sets.push(reader.block(2 * extendedMaxBytes))
  return sets
}
