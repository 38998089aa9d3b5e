// Outlines leave out only what needs no decision, by properties against the whole; what a peer may not send is refused.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { check, testDigest } from '../../test/world/trees.ts'
import { ByteWriter, utf8 } from '../std/bytes.ts'
import type { Entry } from './entry.ts'
import { entryNameBytes, listingEntries, putEntry, startListing } from './listing.ts'
import {
  areRising,
  differingRanges,
  entriesWithin,
  type NameRange,
  OutlineWriter,
  outlinePagesMax,
  readOutline,
  wholeRange,
} from './outline.ts'
import { type Decision, type Rules, reconcile } from './reconcile.ts'

const rules: Rules = { mode: 'mirror', timeGrainNs: 1, checksum: false, links: 'portable' }

function fileOf(number: number, sizeBytes: number): Entry {
  const name = `f${String(number).padStart(5, '0')}`
  const none = { mode: 0o644, mtimeSeconds: 1, mtimeNs: 0, edits: 0, link: undefined, summary: undefined }
  return { ...none, kind: 'file', name, sizeBytes }
}

function listingOf(entries: readonly Entry[]): Uint8Array {
  const writer = new ByteWriter()
  startListing(writer)
  for (const entry of entries) putEntry(writer, entry, entryNameBytes(entry))
  return writer.take()
}

function outlineOf(entries: readonly Entry[]): Uint8Array {
  const writer = new OutlineWriter(testDigest)
  for (const entry of entries) writer.add(entry, entryNameBytes(entry))
  return writer.take()
}

function rangesOf(left: readonly Entry[], right: readonly Entry[]): NameRange[] {
  return differingRanges(readOutline(outlineOf(left)), readOutline(outlineOf(right)))
}

function within(entries: readonly Entry[], ranges: readonly NameRange[]): Entry[] {
  const isIn = (name: string): boolean =>
    ranges.some(({ from, to }) => {
      const bytes = Buffer.from(name)
      return Buffer.compare(bytes, from) >= 0 && (to.length === 0 || Buffer.compare(bytes, to) < 0)
    })
  return entries.filter(({ name }) => isIn(name))
}

const range = (from: string, to: string): NameRange => ({ from: utf8(from), to: utf8(to) })
const whole = Array.from({ length: 3000 }, (_, i) => fileOf(i, 1))

describe('outlines', () => {
  it('leave out only what needs no decision, whatever was edited, added and removed', () => {
    const edit = fc.record({
      at: fc.nat(whole.length - 1),
      what: fc.constantFrom('edit', 'remove', 'add', 'special', 'edits', 'link'),
    })
    const side = fc.array(edit, { maxLength: 6 })
    const property = fc.property(side, side, side, fc.nat(5), (both, a, b, cut) => {
      const [left, right] = [a, b].map((own) => {
        const entries = new Map(whole.slice(cut * 500).map((entry) => [entry.name, entry]))
        for (const { at, what } of [...both, ...own]) {
          const entry = whole[at] as Entry
          if (what === 'remove') entries.delete(entry.name)
          else if (what === 'add') entries.set(`${entry.name}x`, { ...entry, name: `${entry.name}x` })
          else if (what === 'link')
            entries.set(entry.name, { ...entry, kind: 'symlink', mode: 0, sizeBytes: 0, link: utf8('/out') })
          else if (what === 'special') entries.set(entry.name, { ...entry, kind: 'special', mode: 0, sizeBytes: 0 })
          else entries.set(entry.name, what === 'edit' ? { ...entry, sizeBytes: 2 } : { ...entry, edits: 1 })
        }
        return [...entries.values()].sort((x, y) => (x.name < y.name ? -1 : 1))
      }) as [Entry[], Entry[]]
      const ranges = rangesOf(left, right)
      assert.ok(areRising(ranges))
      const parts = [left, right].map((entries) => {
        const part = listingOf(within(entries, ranges))
        return [...entriesWithin(part, ranges)]
      }) as [Entry[], Entry[]]
      const decided = (x: Entry[], y: Entry[]): Decision[] => [...reconcile(listed(x), listed(y), rules, 0)]
      assert.deepEqual(decided(...parts), decided(left, right))
    })
    check(property)
  })

  it('of equal directories differ nowhere, and of one edit in a page', () => {
    assert.deepEqual(rangesOf(whole, whole), [])
    const edited = whole.map((entry, i) => (i === 1500 ? fileOf(i, 2) : entry))
    const added = whole.flatMap((entry, i) => (i === 1500 ? [entry, { ...entry, name: `${entry.name}x` }] : [entry]))
    for (const other of [edited, added]) {
      const part = within(other, rangesOf(whole, other))
      assert.ok(part.length > 0 && part.length <= 2048, `${part.length} entries`)
      assert.ok(part.some(({ name }) => name.startsWith('f01500')))
    }
  })

  it('that share no page differ as a whole', () => {
    const others = whole.map((entry) => ({ ...entry, name: `g${entry.name}` }))
    assert.deepEqual(rangesOf(whole, others), [wholeRange])
    assert.deepEqual(differingRanges([], readOutline(outlineOf(whole))), [wholeRange])
    assert.deepEqual(differingRanges([], []), [])
  })

  for (const [what, bytes] of [
    ['nothing', []],
    ['another version', [2]],
    ['a name without a digest', [1, 1, 97]],
    ['an empty name', [1, 0, 0]],
    ['names that fall', [1, 1, 98, 0, 1, 97, 0]],
    ['one name twice', [1, 1, 97, 0, 1, 97, 0]],
    ['a digest that is none', [1, 1, 97, 1, 1]],
  ] as const)
    it(`are refused with ${what}`, () => {
      assert.throws(() => readOutline(Uint8Array.from(bytes)), { code: 'protocol-broken' })
    })

  it('are refused with more pages than a listing has', () => {
    const bytes = Buffer.alloc(1 + 5 * (outlinePagesMax + 1))
    bytes[0] = 1
    for (let page = 0; page <= outlinePagesMax; page++) {
      bytes[1 + 5 * page] = 3
      bytes.writeUIntBE(page, 2 + 5 * page, 3)
    }
    assert.equal(readOutline(bytes.subarray(0, -5)).length, outlinePagesMax)
    assert.throws(() => readOutline(bytes), { code: 'limit-exceeded' })
  })

  for (const [from, to, isRefused] of [
    ['f00000', 'f00001', false],
    ['', 'f00001', false],
    ['f00000', '', false],
    ['f00001', '', true],
    ['', 'f00000', true],
  ] as const)
    it(`are answered with what was asked for: from '${from}' to '${to}'`, () => {
      const read = (): Entry[] => [...entriesWithin(listingOf([fileOf(0, 1)]), [range(from, to)])]
      if (isRefused) assert.throws(read, { code: 'protocol-broken' })
      else assert.equal(read().length, 1)
    })

  for (const [what, ranges, rises] of [
    ['none', [], true],
    ['all', [wholeRange], true],
    ['two', [range('a', 'b'), range('b', '')], true],
    ['an empty one', [range('a', 'a')], false],
    ['a falling one', [range('b', 'a')], false],
    ['what overlaps', [range('a', 'c'), range('b', 'd')], false],
    ['one after the end', [range('a', ''), range('b', 'c')], false],
  ] as const)
    it(`are asked for in order: ${what}`, () => assert.equal(areRising(ranges), rises))
})

/** As they come over the wire. */
function listed(entries: readonly Entry[]): Iterable<Entry> {
  return listingEntries(listingOf(entries))
}
