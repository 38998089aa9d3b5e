// The listing's encoding: what is written is read back, one content has one encoding, and nothing that a damaged disk or
// a hostile peer may send does more than end in a Failure.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { check, entryOf, file, mutated, special, symlink } from '../../test/world/trees.ts'
import { ByteReader, ByteWriter, compareBytes, decodeName, equalBytes, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import type { Entry, Kind } from './entry.ts'
import {
  entryNameBytes,
  fingerprintBytes,
  kindNumber,
  listingVersion,
  putEntry,
  putTime,
  readListing,
  startListing,
  takeTime,
} from './listing.ts'
import { isEntryName, nameMaxBytes, pathMaxBytes } from './path.ts'

function encode(entries: readonly Entry[]): Uint8Array {
  const writer = new ByteWriter()
  startListing(writer)
  for (const entry of entries) putEntry(writer, entry, entryNameBytes(entry))
  return writer.take()
}

// ---- arbitrary entries ---------------------------------------------------------------------------------------------

const whole = fc.oneof(fc.nat(300), fc.maxSafeNat())
const seconds = fc.oneof(fc.integer({ min: -5, max: 5 }), fc.integer({ min: -(2 ** 49), max: 2 ** 49 }))
const ns = fc.integer({ min: 0, max: 999_999_999 })
const mode = fc.integer({ min: 0, max: 0o7777 })
const bytes32 = fc.uint8Array({ minLength: fingerprintBytes, maxLength: fingerprintBytes })
const linkText = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => bytes.map((byte) => byte || 1))
const edits = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.constantFrom(1, 127, 128, 255, 2 ** 24 - 1))
const rawName = fc
  .uint8Array({ minLength: 1, maxLength: 20 })
  .map((bytes) => bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0xff : byte)))
  .map((bytes) => decodeName(bytes))
  .filter(isEntryName)
const goodName = fc.oneof(fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).filter(isEntryName), rawName)
const longName = fc.constantFrom('x', 'ä', '\udcff').map((one) => one.repeat(256))

const plain = { mode: 0, mtimeSeconds: 0, mtimeNs: 0, sizeBytes: 0, edits: 0, link: undefined, summary: undefined }
const summary = fc
  .record({ fingerprint: bytes32, files: whole, directories: whole, sizeBytes: whole })
  .map((one) => ({ ...one }))
const someEntry: fc.Arbitrary<Entry> = fc.oneof(
  fc.record({ name: goodName, mode, summary }).map((facts) => ({ ...plain, kind: 'directory' as const, ...facts })),
  fc
    .record({ name: goodName, mode, mtimeSeconds: seconds, mtimeNs: ns, sizeBytes: whole, edits })
    .map((facts) => ({ ...plain, kind: 'file' as const, ...facts })),
  fc
    .record({ name: goodName, mtimeSeconds: seconds, mtimeNs: ns, link: linkText })
    .map((facts) => ({ ...plain, kind: 'symlink' as const, ...facts })),
  fc
    .record({ name: goodName, kind: fc.constantFrom<Kind>('special', 'unreadable') })
    .map((facts) => ({ ...plain, ...facts })),
  longName.map((name) => ({ ...plain, kind: 'bad-name' as const, name })),
)

function sorted(entries: readonly Entry[]): Entry[] {
  return [...entries].sort((a, b) => compareBytes(entryNameBytes(a), entryNameBytes(b)))
}

const someEntries = fc
  .uniqueArray(someEntry, { selector: (entry) => Buffer.from(entryNameBytes(entry)).toString('latin1'), maxLength: 8 })
  .map(sorted)

// ---- hand-made encodings -------------------------------------------------------------------------------------------

/** Bytes from numbers, texts (their UTF-8) and bytes. */
function raw(...parts: (number | string | Uint8Array)[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => (typeof part === 'number' ? [part] : [...Buffer.from(part)])))
}

/** A listing of one made-up special entry of this kind number and name. */
function named(kind: number, name: string | Uint8Array): Uint8Array {
  const writer = new ByteWriter()
  startListing(writer)
  writer.u8(kind)
  writer.block(typeof name === 'string' ? utf8(name) : name)
  return writer.take()
}

function refuses(bytes: Uint8Array, what: string): void {
  assert.throws(
    () => readListing(bytes),
    (error) => error instanceof Failure && error.code === 'protocol-broken',
    what,
  )
}

const emptyFile = [0, 0, 0, 0] as const

describe('listing', () => {
  it('reads back what was written, and writes one content in one way', () => {
    check(
      fc.property(someEntries, (entries) => {
        const bytes = encode(entries)
        assert.deepEqual(readListing(bytes), entries)
        assert.deepEqual(encode(readListing(bytes)), bytes)
      }),
      500,
    )
  })

  it('writes different entries differently', () => {
    check(
      fc.property(someEntries, someEntries, (a, b) => {
        let same = true
        try {
          assert.deepEqual(a, b)
        } catch {
          same = false
        }
        assert.equal(equalBytes(encode(a), encode(b)), same)
      }),
    )
  })

  it('costs about 28 bytes a file', () => {
    const entries = Array.from({ length: 100 }, (_, at) => {
      const name = `picture-${at + 100}.jpg`
      return { ...entryOf('a', file('x', { seconds: 1_700_000_000, ns: 123_456_789 })), name, sizeBytes: 3_000_000 }
    })
    assert.ok(encode(entries).length / 100 < 36, String(encode(entries).length / 100))
  })

  it('ends damaged and hostile bytes in a Failure, or reads something that is a listing', () => {
    const orFails = (bytes: Uint8Array): void => {
      let entries: Entry[]
      try {
        entries = readListing(bytes)
      } catch (error) {
        assert.ok(error instanceof Failure && error.code === 'protocol-broken', String(error))
        return
      }
      for (const entry of entries) assert.ok(entry.kind === 'bad-name' || isEntryName(entry.name))
      assert.deepEqual(sorted(entries), entries)
      assert.deepEqual(readListing(encode(entries)), entries)
    }
    check(fc.property(mutated(someEntries.map(encode)), orFails), 3000)
    check(fc.property(fc.uint8Array({ maxLength: 60 }), orFails), 1000)
    check(
      fc.property(fc.uint8Array({ maxLength: 60 }), (rest) => orFails(raw(listingVersion, rest))),
      2000,
    )
  })

  it('refuses every prefix that ends within an entry', () => {
    const entries = sorted([entryOf('a', file('x')), entryOf('b', symlink('x')), entryOf('c', special)])
    const bytes = encode(entries)
    const ends = new Set([1, ...[1, 2, 3].map((count) => encode(entries.slice(0, count)).length)])
    for (let length = 0; length < bytes.length; length++) {
      if (ends.has(length)) assert.equal(readListing(bytes.subarray(0, length)).length, [...ends].indexOf(length))
      else refuses(bytes.subarray(0, length), String(length))
    }
  })

  it('refuses entries that are out of order or twice there', () => {
    const [a, b, upper, long] = ['a', 'b', 'B', 'aa'].map((name) => entryOf(name, file('x'))) as [
      Entry,
      Entry,
      Entry,
      Entry,
    ]
    const bad = entryOf('\udcff', special)
    for (const entries of [
      [a, b],
      [upper, a, long, b],
      [a, bad],
    ])
      assert.equal(readListing(encode(entries)).length, entries.length)
    for (const entries of [
      [b, a],
      [a, a],
      [a, { ...a, kind: 'special' as const }],
      [long, a],
      [a, upper],
      [bad, a],
      [bad, bad],
    ]) {
      refuses(encode(entries), entries.map((entry) => entry.name).join())
    }
  })

  it('refuses names that are none', () => {
    const special = kindNumber('special')
    for (const name of ['a', 'a b', 'ä', 'x'.repeat(nameMaxBytes)]) {
      assert.deepEqual(
        readListing(named(special, name)).map((entry) => entry.name),
        [name],
      )
    }
    const none = [
      '',
      '.',
      '..',
      '/',
      'a/b',
      '../x',
      '\0',
      'a\0',
      '.nightferry',
      '.NightFerry',
      'nightf~1',
      'x'.repeat(256),
    ]
    for (const name of none) refuses(named(special, name), JSON.stringify(name))
  })

  it('carries names that are no text as the bytes that they are', () => {
    for (const name of [raw(0xff), raw(0xed, 0xb3, 0xbf), raw(0xc0, 0xaf), raw('a', 0x80), raw(0xff, 'ä')]) {
      assert.deepEqual(readListing(named(kindNumber('special'), name)).map(entryNameBytes), [name])
    }
  })

  it('refuses bad names that are good, or could not be names at all', () => {
    const bad = kindNumber('bad-name')
    for (const name of [raw('x'.repeat(256)), raw('ä'.repeat(200)), raw(0xff, 'x'.repeat(255))]) {
      assert.deepEqual(readListing(named(bad, name)).map(entryNameBytes), [name])
    }
    for (const name of ['', 'a', '..', '.', '.nightferry', 'x'.repeat(255)])
      refuses(named(bad, name), JSON.stringify(name))
    for (const name of [
      raw(0xff),
      raw('../', 'x'.repeat(255)),
      raw(0xff, 0, 'x'.repeat(255)),
      raw('x'.repeat(pathMaxBytes + 1)),
    ]) {
      refuses(named(bad, name), 'not one name')
    }
  })

  it('refuses what it does not know', () => {
    refuses(raw(), 'nothing')
    for (const version of [0, listingVersion + 1, 255]) refuses(raw(version), `version ${version}`)
    assert.deepEqual(readListing(raw(listingVersion)), [])
    for (const head of [0x13, 0x23, 0x43, 0x83]) refuses(named(head, 'a'), `head ${head}`)
    for (const head of [6, 7, 14, 15, 16, 0x20, 0x80, 0xff])
      refuses(raw(listingVersion, head, 1, 'a', ...emptyFile), `head ${head}`)
  })

  it('refuses numbers beyond their bounds', () => {
    const fileHead = [listingVersion, kindNumber('file'), 1, 'a'] as const
    assert.equal(readListing(raw(...fileHead, ...emptyFile)).length, 1)
    refuses(raw(...fileHead, 0x80, 0x20, 0, 0, 0), 'a mode of 13 bits')
    refuses(raw(...fileHead, 0, 0, 0x80, 0x94, 0xeb, 0xdc, 0x03, 0), 'a billion nanoseconds')
    refuses(raw(...fileHead, 0, ...Array(7).fill(0x80), 0x04, 0, 0), 'a time of 2^51')
    refuses(raw(...fileHead, 0, 0, 0, ...Array(7).fill(0x80), 0x10), 'a size of 2^53')
    refuses(raw(...fileHead, 0x80, 0, 0, 0, 0), 'a number that is longer than need be')
    const symlinkHead = [listingVersion, kindNumber('symlink'), 1, 'a', 0, 0] as const
    assert.equal(readListing(raw(...symlinkHead, 1, 'x')).length, 1)
    refuses(raw(...symlinkHead, 0), 'a link to nothing')
    refuses(raw(...symlinkHead, 2, 'x', 0), 'a link with NUL')
    refuses(raw(...symlinkHead, 0x81, 0x20, 'x'.repeat(pathMaxBytes + 1)), 'a link that is too long')
  })

  it('passes over attributes that may be ignored, and refuses those that must be understood', () => {
    const head = [listingVersion, kindNumber('file') | 8, 1, 'a', ...emptyFile] as const
    const editsOf = (bytes: Uint8Array): number | undefined => readListing(bytes)[0]?.edits
    assert.equal(editsOf(raw(...head, 1, 3, 1, 7)), 7)
    assert.equal(editsOf(raw(...head, 1, 3, 4, 0, 1, 0, 0)), 256)
    assert.equal(editsOf(raw(...head, 2, 2, 3, 'abc', 3, 1, 7)), 7)
    assert.equal(editsOf(raw(...head, 1, 4, 0)), 0)
    refuses(raw(...head, 1, 5, 0), 'an odd tag')
    refuses(raw(...head, 1, 3, 0), 'no edits')
    refuses(raw(...head, 1, 3, 2, 0, 0), 'edits of two bytes')
    refuses(raw(...head, 17, ...Array(17).fill([2, 0]).flat()), 'too many')
  })

  it('keeps every time that fits, and the nearest that does where one does not', () => {
    const back = (s: number, n: number): { seconds: number; ns: number } => {
      const writer = new ByteWriter()
      putTime(writer, s, n)
      return takeTime(new ByteReader(writer.take()))
    }
    check(fc.property(seconds, ns, (s, n) => assert.deepEqual(back(s, n), { seconds: s, ns: n })))
    for (const [s, near] of [
      [2 ** 62, 2 ** 49],
      [2 ** 49 + 1, 2 ** 49],
      [-(2 ** 62), -(2 ** 49)],
      [-(2 ** 49) - 1, -(2 ** 49)],
    ] as const) {
      assert.deepEqual(back(s, 5), { seconds: near, ns: 5 })
    }
    assert.deepEqual(back(1, 4_000_000_000), { seconds: 1, ns: 999_999_999 })
  })
})
