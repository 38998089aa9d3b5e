// Records: what goes in comes out (names, rows, links, digests, edits, bad names), rows are found by name, and a damaged
// record ends in a Failure or is at least read within its own bytes.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { check, mutated, statRow } from '../../test/world/trees.ts'
import { Bug } from '../std/assert.ts'
import { compareBytes, hex, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { digestBytes, editShift, flagDigest, flagRacy, flagUnreadable, type Own, RecordPage } from './page.ts'
import { buildRecord, type DirectoryRecord, joinPages, pageRowsMax, type RecordRow, recordRow } from './record.ts'
import { mtimeSecondsOf, sizeOf, statDevice, statWidth, typeDirectory, typeFile, typeSymlink } from './stat.ts'

const own: Own = { mtimeSeconds: 1_700_000_000, mtimeNs: 5, inodeLow: 6, inodeHigh: 7 }

// ---- arbitrary rows ------------------------------------------------------------------------------------------------

const word = fc.oneof(fc.nat(9), fc.integer({ min: 0, max: 0xffff_ffff }))
const name = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }).map(utf8),
  fc.uint8Array({ minLength: 1, maxLength: 8 }),
)
const flags = fc.constantFrom(0, flagRacy, flagUnreadable, 1 << editShift, (0xffffff << editShift) >>> 0)
const digest = fc.option(fc.uint8Array({ minLength: digestBytes, maxLength: digestBytes }), { nil: undefined })
const link = fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.constant(new Uint8Array(4095).fill(0x61)))
const someRow: fc.Arbitrary<RecordRow> = fc
  .record({
    name,
    flags,
    digest,
    link,
    type: fc.constantFrom(typeFile, typeFile, typeDirectory, typeSymlink, 0, 0o010000),
    words: fc.array(word, { minLength: statWidth, maxLength: statWidth }),
    at: fc.nat(3),
  })
  .map((some) => {
    const stats = new Uint32Array(some.at + statWidth)
    stats.set(some.words, some.at)
    stats[some.at] = some.type | 0o640
    const isLink = some.type === typeSymlink
    const text = isLink ? some.link : undefined
    return { name: some.name, stats, at: some.at, flags: some.flags, link: text, digest: some.digest }
  })
const someRows = fc
  .uniqueArray(someRow, { selector: (row) => Buffer.from(row.name).toString('latin1'), maxLength: 8 })
  .map((rows) => [...rows].sort((a, b) => compareBytes(a.name, b.name)))

/** What a row says, in a form that compares; the device column is the flags'. */
function plain(row: RecordRow): unknown {
  const stats = [...row.stats.subarray(row.at, row.at + statWidth)]
  stats[statDevice] = 0
  const known = row.digest === undefined ? 0 : flagDigest
  const [text, content] = [row.link, row.digest].map((bytes) => bytes && Buffer.from(bytes).toString('hex'))
  return { name: [...row.name], stats, flags: ((row.flags & ~flagDigest) | known) >>> 0, text, content }
}

/** The bytes of a record of one page. */
function bytesOf({ pages }: DirectoryRecord): Uint8Array {
  assert.equal(pages.length, 1)
  return (pages[0] as RecordPage).bytes
}

function plainRows(record: DirectoryRecord): unknown[] {
  return Array.from({ length: record.count }, (_, row) => plain(recordRow(record, row)))
}

describe('record', () => {
  it('gives back every row that was put in', () => {
    check(
      fc.property(someRows, (rows) => {
        const record = buildRecord(rows, own)
        assert.deepEqual(plainRows(record), rows.map(plain))
        assert.deepEqual(plainRows(joinPages([new RecordPage(bytesOf(record).slice())])), rows.map(plain))
        assert.deepEqual(bytesOf(buildRecord(rows, own)), bytesOf(record))
        rows.forEach((row, at) => {
          assert.equal(record.find(row.name), at)
          assert.deepEqual(record.nameBytes(at), row.name)
        })
      }),
    )
  })

  it('gives back every time, size and inode', () => {
    const big = fc.oneof(fc.integer({ min: -(2 ** 50), max: 2 ** 50 }), fc.integer({ min: -3, max: 2 ** 33 }))
    check(
      fc.property(big, fc.maxSafeNat(), word, word, fc.nat(999_999_999), (seconds, sizeBytes, low, high, ns) => {
        const stats = statRow({ seconds, sizeBytes })
        const row = { name: utf8('a'), stats, at: 0, flags: 0, link: undefined, digest: undefined }
        const of: Own = { mtimeSeconds: seconds, mtimeNs: ns, inodeLow: low, inodeHigh: high }
        const record = buildRecord([row], of)
        assert.deepEqual(record.own, of)
        assert.equal(mtimeSecondsOf(record.stats(0), record.at(0)), seconds)
        assert.equal(sizeOf(record.stats(0), record.at(0)), sizeBytes)
      }),
    )
  })

  it('learns digests and its own facts, and nothing else', () => {
    const changes = fc.array(fc.tuple(fc.nat(7), fc.uint8Array({ minLength: 32, maxLength: 32 })), { maxLength: 3 })
    check(
      fc.property(someRows, changes, fc.boolean(), (rows, changed, newOwn) => {
        const digests = new Map(changed.filter(([row]) => row < rows.length))
        const now: Own = { mtimeSeconds: -1, mtimeNs: 2, inodeLow: 3, inodeHigh: 4 }
        const record = buildRecord(rows, own)
        for (const [row, digest] of digests) record.setDigest(row, digest)
        if (newOwn) record.setOwn(now)
        assert.deepEqual(record.own, newOwn ? now : own)
        const expected = rows.map((row, at) => plain({ ...row, digest: digests.get(at) ?? row.digest }))
        assert.deepEqual(plainRows(record), expected)
      }),
    )
  })

  it('reads a record wherever it begins in a larger buffer', () => {
    check(
      fc.property(someRows, fc.nat(7), (rows, offset) => {
        const bytes = bytesOf(buildRecord(rows, own))
        const larger = new Uint8Array(offset + bytes.length + 3).fill(0xee)
        larger.set(bytes, offset)
        const record = joinPages([new RecordPage(larger.subarray(offset, offset + bytes.length))])
        assert.deepEqual(plainRows(record), rows.map(plain))
      }),
    )
  })

  it('finds names that are there and no other', () => {
    const record = buildRecord(['B', 'a', 'aa', 'ab', 'b', 'ä'].map(rowNamed), own)
    const found = ['B', 'a', 'aa', 'ab', 'b', 'ä'].map((text) => record.find(utf8(text)))
    assert.deepEqual(found, [0, 1, 2, 3, 4, 5])
    for (const text of ['', 'A', 'a\0', 'aaa', 'c', 'å', '\u{1f600}']) assert.equal(record.find(utf8(text)), -1, text)
    assert.equal(buildRecord([], own).find(utf8('a')), -1)
  })

  it('gives names that are no text too', () => {
    const bytes = Uint8Array.from([0x61, 0xff])
    const record = buildRecord([rowNamed('a'), { ...rowNamed('a'), name: bytes }], own)
    assert.equal(record.name(0), 'a')
    assert.equal(record.name(1), 'a\udcff')
    assert.deepEqual(record.nameBytes(1), bytes)
  })

  it('is a bug to build from a digest or a link that is none', () => {
    assert.throws(() => buildRecord([{ ...rowNamed('a'), digest: new Uint8Array(31) }], own), Bug)
    assert.throws(() => buildRecord([{ ...rowNamed('a'), link: utf8('x') }], own), Bug)
    const symlink = { ...rowNamed('a'), stats: statRow({ type: typeSymlink }) }
    assert.throws(() => buildRecord([symlink], own), Bug)
  })

  it('refuses damaged bytes, or reads within them', () => {
    const orBroken = (bytes: Uint8Array): void => {
      try {
        const record = joinPages([new RecordPage(bytes)])
        for (let row = 0; row < record.count; row++) {
          const { name: text, digest: content, link: target } = recordRow(record, row)
          assert.ok(text.length <= bytes.length && (target?.length ?? 0) <= bytes.length)
          assert.ok(content === undefined || content.length === digestBytes)
          record.name(row)
          record.find(text)
        }
      } catch (error) {
        assert.ok(error instanceof Failure && error.code === 'state-broken', String(error))
      }
    }
    check(fc.property(mutated(someRows.map((rows) => bytesOf(buildRecord(rows, own)))), orBroken), 2000)
    const words = fc.tuple(someRows, fc.nat(), word).map(([rows, at, value]) => {
      const bytes = bytesOf(buildRecord(rows, own)).slice()
      new Uint32Array(bytes.buffer, 0, bytes.length >> 2)[at % (bytes.length >> 2)] = value
      return bytes
    })
    check(fc.property(words, orBroken), 3000)
    check(fc.property(fc.uint8Array({ maxLength: 120 }), orBroken))
  })

  it('of a large directory is pages, of which one more name changes few', () => {
    check(
      fc.property(fc.integer({ min: 1000, max: 5000 }), fc.nat(), (count, seed) => {
        const rows = Array.from({ length: count }, (_, i) => rowNamed(`${String(i).padStart(6, '0')} ${seed % 97}`))
        const record = buildRecord(rows, own)
        assert.equal(record.count, count)
        assert.ok(record.pages.every((page) => page.count > 0 && page.count <= pageRowsMax))
        assert.equal(record.pages.length > 1, count > pageRowsMax)
        assert.deepEqual(plainRows(record), rows.map(plain))
        for (const at of [0, count >> 1, count - 1, seed % count]) {
          assert.equal(record.find((rows[at] as RecordRow).name), at)
          assert.equal(record.name(at), `${String(at).padStart(6, '0')} ${seed % 97}`)
        }
        assert.equal(record.find(utf8('x')), -1)
        const shuffled = [...record.pages].reverse()
        assert.deepEqual(plainRows(joinPages(shuffled)), rows.map(plain))
        if (record.pages.length === 1) return
        assert.throws(() => joinPages(record.pages.slice(1)), Failure)
        assert.throws(() => joinPages(record.pages.slice(0, -1)), Failure)
        const at = seed % count
        const more = rows.toSpliced(at, 0, rowNamed(`${String(at).padStart(6, '0')} `))
        const known = new Set(record.pages.map(({ bytes }) => hex(bytes.subarray(48))))
        const other = buildRecord(more, own).pages.filter(({ bytes }) => !known.has(hex(bytes.subarray(48))))
        assert.ok(other.length <= 4, `${other.length} of ${record.pages.length} pages`)
      }),
      30,
    )
  })

  it('has a bit of its own for every flag', () => {
    const all = [flagRacy, flagDigest, flagUnreadable, 1 << editShift]
    assert.equal(
      all.reduce((sum, flag) => sum | flag),
      all.reduce((sum, flag) => sum + flag),
    )
  })

  it('refuses every cut', () => {
    const bytes = bytesOf(buildRecord([rowNamed('a'), { ...rowNamed('b'), digest: new Uint8Array(32) }], own))
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(() => new RecordPage(bytes.slice(0, length)), Failure, String(length))
    }
  })
})

function rowNamed(text: string): RecordRow {
  return { name: utf8(text), stats: statRow({}), at: 0, flags: 0, link: undefined, digest: undefined }
}
