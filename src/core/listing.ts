// The listing: one directory's entries, sorted by name bytes, in one compact, versioned, deterministic encoding. It is
// what travels and what a fingerprint is the digest of, so a listing that arrives can be checked against the fingerprint
// that announced it. About 28 bytes a file.
//
// version u8, then entries {head u8: kind | 8 if attributes follow; name block; by kind
//   directory: mode, fingerprint 32, files, directories, size · file: mode, time, size · symlink: time, text block;
//   attributes: count, {tag, block} in rising order of tags}. Numbers are varints; a time is zigzag seconds and nanoseconds.
// An attribute with an odd tag must be understood, or the listing is refused. Tag 3 is ours, the others stand in attributes.ts.

import { assert } from '../std/assert.ts'
import { ByteReader, ByteWriter, compareBytes, decodeName, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { attributesMaxBytes, fieldCount, isField } from './attributes.ts'
import type { Entry, Kind, Summary } from './entry.ts'
import { isEntryName, nameMaxBytes, pathMaxBytes } from './path.ts'

export const listingVersion = 1
const kinds: readonly Kind[] = ['directory', 'file', 'symlink', 'special', 'unreadable', 'bad-name']
const hasAttributes = 8
const tagEdits = 3
export const fingerprintBytes = 32
const secondsMax = 2 ** 49
const nsMax = 999_999_999

export function startListing(writer: ByteWriter): void {
  writer.u8(listingVersion)
}

export function kindNumber(kind: Kind): number {
  return kinds.indexOf(kind)
}

/** A file system may hold times that no number here does (someone's `touch -d @1e18`): the nearest that fits is written. */
export function putTime(writer: ByteWriter, seconds: number, ns: number): void {
  const near = Math.max(-secondsMax, Math.min(secondsMax, seconds))
  writer.varint(near >= 0 ? near * 2 : -near * 2 - 1)
  writer.varint(Math.min(nsMax, ns))
}

export function takeTime(reader: ByteReader): { seconds: number; ns: number } {
  const zigzag = reader.varint(2 * secondsMax)
  const seconds = zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2
  return { seconds, ns: reader.varint(nsMax) }
}

/** Appends an entry. The caller keeps the order of name bytes. `name` must be the entry's name as bytes. */
export function putEntry(writer: ByteWriter, entry: Entry, name: Uint8Array): void {
  const { edits, attributes } = entry
  writer.u8(kindNumber(entry.kind) | (edits > 0 || attributes !== undefined ? hasAttributes : 0))
  writer.block(name)
  switch (entry.kind) {
    case 'directory':
      writer.varint(entry.mode)
      assert(entry.summary !== undefined, 'a listed directory has a summary')
      putSummary(writer, entry.summary)
      break
    case 'file':
      writer.varint(entry.mode)
      putTime(writer, entry.mtimeSeconds, entry.mtimeNs)
      writer.varint(entry.sizeBytes)
      break
    case 'symlink':
      putTime(writer, entry.mtimeSeconds, entry.mtimeNs)
      assert(entry.link !== undefined, 'a listed symlink has a text')
      writer.block(entry.link)
      break
    default:
      break
  }
  if (edits === 0 && attributes === undefined) return
  writer.varint((edits > 0 ? 1 : 0) + (attributes === undefined ? 0 : fieldCount(attributes)))
  if (edits > 0) {
    writer.varint(tagEdits)
    writer.varint(edits < 128 ? 1 : 4)
    if (edits < 128) writer.u8(edits)
    else writer.u32(edits)
  }
  if (attributes !== undefined) writer.bytes(attributes)
}

function putSummary(writer: ByteWriter, summary: Summary): void {
  writer.bytes(summary.fingerprint)
  writer.varint(summary.files)
  writer.varint(summary.directories)
  writer.varint(summary.sizeBytes)
}

function takeSummary(reader: ByteReader): Summary {
  const fingerprint = reader.bytes(fingerprintBytes).slice()
  return { fingerprint, files: reader.varint(), directories: reader.varint(), sizeBytes: reader.varint() }
}

/** The bytes of an entry's name. */
export function entryNameBytes(entry: Pick<Entry, 'name'>): Uint8Array {
  return utf8(entry.name)
}

/** In the order of a listing. */
export function compareNames(a: Pick<Entry, 'name'>, b: Pick<Entry, 'name'>): number {
  return a.name === b.name ? 0 : compareBytes(entryNameBytes(a), entryNameBytes(b))
}

/**
 * The entries of a listing, in order. Every name is checked (`isEntryName`, strictly rising), every number bounded;
 * throws `protocol-broken` at the first thing that is not as it must be. Safe for bytes from a peer.
 */
export function readListing(bytes: Uint8Array): Entry[] {
  return [...listingEntries(bytes)]
}

/** The same, one by one: a directory may have a million of them. */
export function* listingEntries(bytes: Uint8Array): Generator<Entry, void, undefined> {
  const reader = new ByteReader(bytes)
  if (reader.u8() !== listingVersion) throw new Failure('protocol-broken', 'a listing has an unknown version')
  let previous: Uint8Array | undefined
  while (reader.left > 0) {
    const entry = takeEntry(reader)
    const name = entryNameBytes(entry)
    if (previous !== undefined && compareBytes(previous, name) >= 0) {
      throw new Failure('protocol-broken', 'a listing is not in the order of its names')
    }
    previous = name
    yield entry
  }
}

/** One entry, checked on its own; the order of entries is the caller's to check. */
export function takeEntry(reader: ByteReader): Entry {
  const head = reader.u8()
  const kind = kindAt(head)
  const name = kind === 'bad-name' ? takeBadName(reader) : takeName(reader)
  let mode = 0
  let time = { seconds: 0, ns: 0 }
  let sizeBytes = 0
  let link: Uint8Array | undefined
  let summary: Summary | undefined
  if (kind === 'directory') {
    mode = reader.varint(0o7777)
    summary = takeSummary(reader)
  } else if (kind === 'file') {
    mode = reader.varint(0o7777)
    time = takeTime(reader)
    sizeBytes = reader.varint()
  } else if (kind === 'symlink') {
    time = takeTime(reader)
    link = reader.block(pathMaxBytes).slice()
    if (link.length === 0 || link.includes(0)) throw new Failure('protocol-broken', 'a symlink has a text that is none')
  }
  const { edits, attributes } = (head & hasAttributes) !== 0 ? takeAttributes(reader) : noAttributes
  const entry = { kind, name, mode, mtimeSeconds: time.seconds, mtimeNs: time.ns, sizeBytes, edits, link, summary }
  return attributes === undefined ? entry : { ...entry, attributes }
}

/** The kind of an entry that begins with this byte. */
export function kindAt(head: number): Kind {
  const kind = kinds[head & 7]
  if (kind === undefined || head > (7 | hasAttributes))
    throw new Failure('protocol-broken', 'an entry has an unknown kind')
  return kind
}

/** Goes past one entry, making nothing of it. */
export function skipEntry(reader: ByteReader): void {
  const head = reader.u8()
  const kind = kindAt(head)
  reader.skip(reader.varint(pathMaxBytes))
  if (kind === 'directory') {
    reader.varint()
    reader.skip(fingerprintBytes)
    for (let number = 0; number < 3; number++) reader.varint()
  } else if (kind === 'file') {
    for (let number = 0; number < 4; number++) reader.varint()
  } else if (kind === 'symlink') {
    for (let number = 0; number < 2; number++) reader.varint()
    reader.skip(reader.varint(pathMaxBytes))
  }
  if ((head & hasAttributes) === 0) return
  for (let left = reader.varint(16); left > 0; left--) {
    reader.varint()
    reader.skip(reader.varint(1 << 16))
  }
}

function takeName(reader: ByteReader): string {
  const name = reader.name(nameMaxBytes)
  if (!isEntryName(name)) throw new Failure('protocol-broken', 'an entry has a name that is none')
  return name
}

/** One name that really is too long to be carried, so that no other name can come in this dress. */
function takeBadName(reader: ByteReader): string {
  const bytes = reader.block(pathMaxBytes)
  if (bytes.length <= nameMaxBytes || bytes.includes(0) || bytes.includes(0x2f)) {
    throw new Failure('protocol-broken', 'an entry has a bad name that is none')
  }
  return decodeName(bytes)
}

type Told = { readonly edits: number; readonly attributes: Uint8Array | undefined }
const noAttributes: Told = { edits: 0, attributes: undefined }

function takeAttributes(reader: ByteReader): Told {
  let edits = 0
  let block: ByteWriter | undefined
  let before = -1
  const count = reader.varint(16)
  for (let i = 0; i < count; i++) {
    const tag = reader.varint(1 << 16)
    const value = reader.block(1 << 16)
    if (tag <= before) throw new Failure('protocol-broken', 'what an entry has is not in the order of its tags')
    before = tag
    if (tag === tagEdits) edits = value.length === 1 ? (value[0] as number) : new ByteReader(value).u32()
    else if (value.length <= attributesMaxBytes && isField(tag, value)) {
      block ??= new ByteWriter(64)
      block.varint(tag)
      block.block(value)
    } else if (tag % 2 === 1)
      throw new Failure('protocol-broken', 'an entry needs something that this version does not know')
  }
  return { edits, attributes: block?.take() }
}
