// What an entry has besides kind, mode, time and size, where a job asks for it: its owner, and the digest of its extended
// attributes and ACLs. A block of fields, each {tag varint, value block}, in rising order of tags: as it stands in a record
// and in a listing. Two entries have the same attributes exactly when their blocks are equal. Where nothing is asked for
// there is no block, and not a byte of it anywhere.

import { ByteReader, ByteWriter, equalBytes } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'

/** What may be asked for besides permissions and times. Each is a bit of a mask, by its place here. */
const attributeKinds = ['owner', 'xattrs', 'system-xattrs', 'acls', 'set-id', 'top', 'hard-links'] as const
export type AttributeKind = (typeof attributeKinds)[number]

export const wantsOwner = 1
/** Extended attributes of the name space `user`. */
export const wantsXattrs = 2
/** Those of `security` and `trusted`, which only root may set. */
export const wantsSystemXattrs = 4
export const wantsAcls = 8
/** Set-user-id, set-group-id and sticky bits: part of the mode, and of no block. */
export const wantsSetId = 16
/** The top folder is an entry as any other: its mode, and what else is carried. Asked for with any of those before. */
export const wantsTop = 32
/** Which names are of one file: told for a tree as a whole (link-table.ts), and in no listing. */
export const wantsHardLinks = 64
/** All that is told by `tagExtended`. */
export const wantsExtended: number = wantsXattrs | wantsSystemXattrs | wantsAcls
/** Every bit that has a meaning. */
export const wantsMax = 127

/** Tags are odd: who does not know one can't be told the entry. 3 is the listing's own. */
const tagOwner = 5
const tagExtended = 7
/** How many names the file has, where it has several. In records only: other machines may show more or fewer of them. */
const tagNames = 9

const idMax = 2 ** 32 - 2
const digestBytes = 32
/** A block is never longer. */
export const attributesMaxBytes = 256

export type Owner = { readonly uid: number; readonly gid: number }

export function isAttributeKind(text: string): text is AttributeKind {
  return attributeKinds.some((kind) => kind === text)
}

/** Names of the bits in a mask. */
export function kindsIn(mask: number): AttributeKind[] {
  return attributeKinds.filter((_, bit) => (mask & (1 << bit)) !== 0)
}

export function maskOf(kinds: Iterable<AttributeKind>): number {
  let mask = 0
  for (const kind of kinds) mask |= 1 << attributeKinds.indexOf(kind)
  return mask
}

/** What a view tells besides modes, under this mask. */
export function toldMask(mask: number): number {
  return mask & ~wantsSetId
}

/** What is set of each entry: what stands in its block, and travels. */
export function entryMask(mask: number): number {
  return mask & (wantsOwner | wantsExtended)
}

/** What is looked at of each entry: that, and how many names it has, which are made and not set. */
export function lookMask(mask: number): number {
  return mask & (wantsOwner | wantsExtended | wantsHardLinks)
}

/** The bits of a mode that are carried where the mask asks for this, and both ends can hold `modeMask`. */
export function modeMaskOf(modeMask: number, mask: number): number {
  return (mask & wantsSetId) === 0 ? modeMask & 0o777 : modeMask
}

/** A block under way. Fields are put in the order of this class's calls. */
export class AttributeWriter {
  readonly #writer: ByteWriter = new ByteWriter(64)

  owner(uid: number, gid: number): void {
    const value = new ByteWriter(10)
    value.varint(uid)
    value.varint(gid)
    this.#put(tagOwner, value.take())
  }

  /** The digest of extended attributes and ACLs; `undefined` where they could not be read. None at all is no field. */
  extended(digest: Uint8Array | undefined): void {
    this.#put(tagExtended, digest ?? new Uint8Array(0))
  }

  /** How many names a file has; one is no field. */
  names(count: number): void {
    if (count <= 1) return
    const value = new ByteWriter(10)
    value.varint(count)
    this.#put(tagNames, value.take())
  }

  #put(tag: number, value: Uint8Array): void {
    this.#writer.varint(tag)
    this.#writer.block(value)
  }

  /** The block, or undefined where it has no field. */
  take(): Uint8Array | undefined {
    return this.#writer.length === 0 ? undefined : this.#writer.take()
  }
}

/** How many names the file of a record's block has. */
export function namesIn(block: Uint8Array | undefined): number {
  const value = fieldOf(block, tagNames)
  return value === undefined ? 1 : new ByteReader(value).varint()
}

/** A record's block as it is told: without what only counts here. Names are its last field. */
export function toldBlock(block: Uint8Array | undefined): Uint8Array | undefined {
  if (block === undefined) return undefined
  const reader = new ByteReader(block)
  while (reader.left > 0) {
    const at = reader.offset
    if (reader.varint() === tagNames) return at === 0 ? undefined : block.subarray(0, at)
    reader.skip(reader.varint())
  }
  return block
}

/** How many fields a block has. */
export function fieldCount(block: Uint8Array): number {
  const reader = new ByteReader(block)
  let count = 0
  for (; reader.left > 0; count++) {
    reader.varint()
    reader.skip(reader.varint())
  }
  return count
}

/** A copy of a block that came from elsewhere. Throws `protocol-broken` where it is none. */
export function takeBlock(bytes: Uint8Array): Uint8Array {
  const reader = new ByteReader(bytes)
  for (let before = -1; reader.left > 0; ) {
    const tag = reader.varint(1 << 16)
    const value = reader.block(attributesMaxBytes)
    if (tag <= before || !isField(tag, value))
      throw new Failure('protocol-broken', 'a directory has what is no attribute')
    before = tag
  }
  return bytes.slice()
}

/** Whether a field of this tag belongs into a block. Its value must be one. Throws `protocol-broken` where it is none. */
export function isField(tag: number, value: Uint8Array): boolean {
  if (tag === tagOwner) takeOwner(value)
  else if (tag !== tagExtended) return false
  else if (value.length !== 0 && value.length !== digestBytes)
    throw new Failure('protocol-broken', 'an entry has a digest of attributes that is none')
  return true
}

function takeOwner(value: Uint8Array): Owner {
  const reader = new ByteReader(value)
  const owner = { uid: reader.varint(idMax), gid: reader.varint(idMax) }
  reader.end()
  return owner
}

function fieldOf(block: Uint8Array | undefined, wanted: number): Uint8Array | undefined {
  if (block === undefined) return undefined
  const reader = new ByteReader(block)
  while (reader.left > 0) {
    const tag = reader.varint()
    const value = reader.block(attributesMaxBytes)
    if (tag === wanted) return value
  }
  return undefined
}

export function ownerOf(block: Uint8Array | undefined): Owner | undefined {
  const value = fieldOf(block, tagOwner)
  return value === undefined ? undefined : takeOwner(value)
}

/** The digest of what is in the block of extended attributes; `none` where there are none, `unknown` where nobody could read them. */
export function extendedOf(block: Uint8Array | undefined): Uint8Array | 'none' | 'unknown' {
  const value = fieldOf(block, tagExtended)
  if (value === undefined) return 'none'
  return value.length === 0 ? 'unknown' : value
}

/**
 * Whether nothing in these blocks tells two entries apart. What could not be read at one side is no difference: it is told,
 * and nothing is made of it.
 */
export function sameAttributes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined && b === undefined) return true
  if (sameBlock(a, b)) return true
  if (namesIn(a) !== namesIn(b)) return false
  const [left, right] = [ownerOf(a), ownerOf(b)]
  if (left?.uid !== right?.uid || left?.gid !== right?.gid) return false
  const [one, other] = [extendedOf(a), extendedOf(b)]
  if (one === 'unknown' || other === 'unknown') return true
  return typeof one === 'string' || typeof other === 'string' ? one === other : sameBlock(one, other)
}

function sameBlock(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b)
}
