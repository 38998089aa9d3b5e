// Views: which facts of a record are seen, and that two trees have equal fingerprints exactly when what is seen of them
// is equal.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  check,
  type DirectoryItem,
  directory,
  directoryPaths,
  entriesOf,
  file,
  type Item,
  isBadName,
  itemAt,
  plainView,
  someDirectory,
  someItem,
  special,
  statRow,
  symlink,
  treeOf,
  unreadable,
  withItem,
} from '../../test/world/trees.ts'
import { compareBytes, concatBytes, equalBytes, utf8 } from '../std/bytes.ts'
import { AttributeWriter, wantsHardLinks, wantsOwner } from './attributes.ts'
import type { Entry } from './entry.ts'
import { explainIgnore, type IgnoreText, ignoreScope } from './ignore.ts'
import { readListing } from './listing.ts'
import { editShift, flagUnreadable } from './page.ts'
import { joinPath, rootPath } from './path.ts'
import { buildRecord, type RecordRow } from './record.ts'
import { typeDirectory, typeFile, typeSymlink } from './stat.ts'
import { isHidden, kindOf, type ListingTotals, type View, viewEntry, viewListing, viewText } from './view.ts'

const own = { mtimeSeconds: 0, mtimeNs: 0, inodeLow: 0, inodeHigh: 0 }

/** The entry of one raw row, as the other end reads it. */
function seen(row: Partial<RecordRow> & Pick<RecordRow, 'stats'>, view: View = plainView): Entry {
  const { bytes } = listOne(row, view)
  return readListing(bytes)[0] as Entry
}

function listOne(row: Partial<RecordRow>, view: View = plainView): { bytes: Uint8Array; totals: ListingTotals } {
  const base = { name: utf8('a'), stats: statRow({}), at: 0, flags: 0, link: undefined, digest: undefined }
  return viewListing(buildRecord([{ ...base, ...row }], own), view, ignoreScope([]), () => undefined)
}

// ---- what is seen, said in another way -----------------------------------------------------------------------------

type Seen = { name: string; facts: unknown; below: Seen[] | undefined }

function visible(root: DirectoryItem, view: View): Seen[] {
  const textsAt = (at: string): readonly IgnoreText[] => view.texts.filter((text) => text.directory === at)
  const scope = ignoreScope(textsAt(''), { overrides: view.overrides })
  const floor = ({ seconds, ns }: { seconds: number; ns: number }): string => {
    const whole = BigInt(seconds) * 1_000_000_000n + BigInt(ns)
    const grain = BigInt(view.timeGrainNs)
    return String(whole - (((whole % grain) + grain) % grain))
  }
  const factsOf = (name: string, item: Item): unknown => {
    if (isBadName(name)) return 'bad name'
    if (item.kind === 'file') return [item.mode & view.modeMask, floor(item), item.text.length, item.edits]
    if (item.kind === 'symlink') return [floor(item), item.to]
    return item.kind === 'directory' ? [item.kind, item.mode & view.modeMask] : item.kind
  }
  const look = (at: string, items: ReadonlyMap<string, Item>): Seen[] =>
    [...items]
      .filter(([name, item]) => {
        const path = at === '' ? name : `${at}/${name}`
        return !explainIgnore(scope, path, item.kind === 'directory', textsAt).ignored
      })
      .map(([name, item]) => ({
        name,
        facts: factsOf(name, item),
        below:
          item.kind === 'directory' && !isBadName(name)
            ? look(at === '' ? name : `${at}/${name}`, item.items)
            : undefined,
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  return look('', root.items)
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function rules(directory: string, text: string): IgnoreText {
  return { directory, label: '.ignore', text }
}

const someView: fc.Arbitrary<View> = fc.record({
  modeMask: fc.constantFrom(0, 0o777, 0o700, 0o7777, 0o111),
  timeGrainNs: fc.constantFrom(1, 1000, 1_000_000, 1_000_000_000, 2_000_000_000),
  overrides: fc.constantFrom<IgnoreText[][]>([], [rules('', '.x')], [rules('', '/a/b\n!c.o')]),
  texts: fc.constantFrom<IgnoreText[][]>(
    [],
    [rules('', '*.o\nB/')],
    [rules('', '/a/*'), rules('b', 'a'), rules('b/a', '!a')],
  ),
})

const someEdit = fc.tuple(fc.nat(), fc.constantFrom('a', 'b', 'c.o', '.x'), fc.option(someItem({ edits: true }, 1)))
const someTouch = fc.record({
  which: fc.nat(),
  seconds: fc.constantFrom(0, 0, 1, -1, 2),
  ns: fc.constantFrom(0, 0, 1, 500),
  modeBits: fc.constantFrom(0, 0, 0o100, 0o011, 0o4000),
  text: fc.constantFrom(undefined, 'z'),
})

/** Changes a few facts of one of a tree's items, which a view may see or not. */
function touch(root: DirectoryItem, { which, seconds, ns, modeBits, text }: Touch): DirectoryItem {
  const paths = directoryPaths(root).flatMap((at) =>
    [...(itemAt(root, at) as DirectoryItem).items.keys()]
      .filter((name) => !isBadName(name))
      .map((name) => joinPath(at, name)),
  )
  const path = paths[which % Math.max(1, paths.length)]
  const item = path === undefined ? undefined : itemAt(root, path)
  if (path === undefined || item === undefined || item.kind === 'special' || item.kind === 'unreadable') return root
  if (item.kind === 'directory') return withItem(root, path, { ...item, mode: item.mode ^ modeBits })
  const time = { seconds: item.seconds + seconds, ns: Math.min(999_999_999, item.ns + ns) }
  if (item.kind === 'symlink') return withItem(root, path, { ...item, ...time })
  return withItem(root, path, { ...item, ...time, mode: item.mode ^ modeBits, text: text ?? item.text })
}
type Touch = { which: number; seconds: number; ns: number; modeBits: number; text: string | undefined }

const somePair = fc
  .tuple(
    someDirectory({ uncopied: true, edits: true }),
    fc.array(someEdit, { maxLength: 2 }),
    fc.array(someTouch, { maxLength: 2 }),
  )
  .map(([left, edits, touches]) => {
    let right = left
    for (const [which, name, item] of edits) {
      const paths = directoryPaths(right)
      right = withItem(right, joinPath(paths[which % paths.length] ?? rootPath, name), item ?? undefined)
    }
    for (const one of touches) right = touch(right, one)
    return [left, right] as const
  })

function fingerprintOf(root: DirectoryItem, view: View): Uint8Array {
  return treeOf(root, view).summary(rootPath)?.fingerprint as Uint8Array
}

describe('view', () => {
  it('gives equal fingerprints exactly to trees of which equal things are seen', () => {
    const verdicts = new Map([
      [true, 0],
      [false, 0],
    ])
    check(
      fc.property(somePair, someView, ([left, right], view) => {
        const same = isSame(visible(left, view), visible(right, view))
        assert.equal(equalBytes(fingerprintOf(left, view), fingerprintOf(right, view)), same)
        verdicts.set(same, (verdicts.get(same) ?? 0) + 1)
      }),
      1500,
    )
    for (const count of verdicts.values()) assert.ok(count > 100, JSON.stringify([...verdicts]))
  })

  it('counts what is seen: files and links, directories, bytes', () => {
    const count = (all: Seen[]): number[] =>
      all
        .map(({ facts, below }) => {
          const [files = 0, directories = 0, sizeBytes = 0] = below === undefined ? [] : count(below)
          if (below !== undefined) return [files, directories + 1, sizeBytes]
          if (!Array.isArray(facts)) return [0, 0, 0]
          return [1, 0, facts.length === 4 ? (facts[2] as number) : 0]
        })
        .reduce((sum, one) => sum.map((value, i) => value + (one[i] ?? 0)), [0, 0, 0])
    check(
      fc.property(someDirectory({ uncopied: true }), someView, (root, view) => {
        const summary = treeOf(root, view).summary(rootPath)
        assert.deepEqual([summary?.files, summary?.directories, summary?.sizeBytes], count(visible(root, view)))
      }),
      500,
    )
  })

  it('lists what is seen, in the order of name bytes', () => {
    check(
      fc.property(someDirectory({ uncopied: true, edits: true }), someView, (root, view) => {
        const entries = entriesOf(root, view)
        const names = entries.map((entry) => entry.name).sort()
        assert.deepEqual(
          names,
          visible(root, view)
            .map(({ name }) => name)
            .sort(),
        )
        const bytes = entries.map((entry) => utf8(entry.name))
        assert.deepEqual([...bytes].sort(compareBytes), bytes)
      }),
    )
  })

  const grains: [grainNs: number, time: [number, number], floored: [number, number]][] = [
    [0, [5, 123_456_789], [5, 123_456_789]],
    [1, [5, 123_456_789], [5, 123_456_789]],
    [100, [5, 123_456_789], [5, 123_456_700]],
    [1000, [5, 123_456_789], [5, 123_456_000]],
    [1_000_000, [5, 123_456_789], [5, 123_000_000]],
    [1_000_000_000, [5, 999_999_999], [5, 0]],
    [2_000_000_000, [5, 999_999_999], [4, 0]],
    [2_000_000_000, [4, 1], [4, 0]],
    [2_000_000_000, [-1, 1], [-2, 0]],
    [2_000_000_000, [-2, 1], [-2, 0]],
    [1000, [-1, 1999], [-1, 1000]],
  ]

  it('sees times down to the grain', () => {
    for (const [timeGrainNs, [seconds, ns], floored] of grains) {
      for (const type of [typeFile, typeSymlink]) {
        const link = type === typeSymlink ? utf8('x') : undefined
        const entry = seen({ stats: statRow({ type, seconds, ns }), link }, { ...plainView, timeGrainNs })
        assert.deepEqual([entry.mtimeSeconds, entry.mtimeNs], floored, `${timeGrainNs} ${seconds} ${ns}`)
      }
    }
  })

  it('sees a kind in every row', () => {
    const link = utf8('x')
    const rows: [Partial<RecordRow>, string][] = [
      [{}, 'file'],
      [{ stats: statRow({ type: typeSymlink }), link }, 'symlink'],
      [{ stats: statRow({ type: typeDirectory }) }, 'unreadable'],
      [{ stats: statRow({ type: typeDirectory }), flags: flagUnreadable }, 'unreadable'],
      [{ stats: statRow({ errno: 13 }) }, 'unreadable'],
      [{ stats: statRow({ type: typeSymlink, errno: 13 }), link }, 'unreadable'],
      [{ stats: statRow({ type: 0o010000 }) }, 'special'],
      [{ stats: statRow({ type: 0o140000 }) }, 'special'],
      [{ stats: statRow({ type: 0 }) }, 'special'],
      [{ name: Uint8Array.from([0xff]) }, 'file'],
      [{ name: new Uint8Array(256).fill(0xff) }, 'bad-name'],
      [{ name: new Uint8Array(256).fill(0xff), stats: statRow({ errno: 13 }) }, 'bad-name'],
    ]
    for (const [row, kind] of rows) assert.equal(readListing(listOne(row).bytes)[0]?.kind, kind, JSON.stringify(row))
  })

  it('sees of each kind only what it compares', () => {
    const full = { mode: 0o640, seconds: 5, ns: 6, sizeBytes: 7 }
    const none = { mode: 0, mtimeSeconds: 0, mtimeNs: 0, sizeBytes: 0, edits: 0 }
    const summary = { fingerprint: new Uint8Array(32), files: 1, directories: 2, sizeBytes: 3 }
    const rows: [type: number, seen: Partial<Entry>][] = [
      [
        typeFile,
        { mode: 0o640, mtimeSeconds: 5, mtimeNs: 6, sizeBytes: 7, edits: 3, link: undefined, summary: undefined },
      ],
      [typeSymlink, { ...none, mtimeSeconds: 5, mtimeNs: 6, link: utf8('x'), summary: undefined }],
      [typeDirectory, { ...none, mode: 0o640, link: undefined, summary }],
      [0o010000, { ...none, link: undefined, summary: undefined }],
    ]
    for (const [type, expected] of rows) {
      const link = type === typeSymlink ? utf8('x') : undefined
      const stats = statRow({ ...full, type })
      const row = { name: utf8('a'), stats, at: 0, flags: 3 << editShift, link, digest: undefined }
      const { name, kind, ...entry } = viewEntry(buildRecord([row], own), 0, plainView, () => summary)
      assert.deepEqual(entry, expected, `${kind} ${name}`)
    }
  })

  it('tells owners with the numbers of the target, and not how many names a file has', () => {
    const blockOf = (uid: number, names: number): Uint8Array | undefined => {
      const writer = new AttributeWriter()
      writer.owner(uid, 2)
      writer.names(names)
      return writer.take()
    }
    const looked = wantsOwner | wantsHardLinks
    const owners = { users: [{ from: 1, to: 11 }], groups: [] }
    for (const [uid, view, told] of [
      [1, { ...plainView, attributes: looked }, 1],
      [1, { ...plainView, attributes: looked, owners }, 11],
      [5, { ...plainView, attributes: looked, owners }, 5],
    ] as const)
      assert.deepEqual(
        seen({ stats: statRow({}), looked, attributes: blockOf(uid, 3) }, view).attributes,
        blockOf(told, 1),
      )
  })

  it('takes for unreadable what no listing could carry', () => {
    const link = (text: Uint8Array): Partial<RecordRow> => ({ stats: statRow({ type: typeSymlink }), link: text })
    for (const [what, row] of [
      ['a file of 2^53 bytes', { stats: statRow({ sizeBytes: 2 ** 53 }) }],
      ['a file of 7 EiB', { stats: statRow({ sizeBytes: 7 * 2 ** 60 }) }],
      ['a link to nothing', link(new Uint8Array(0))],
      ['a link with NUL', link(Uint8Array.from([0x61, 0]))],
      ['a link that is too long', link(new Uint8Array(4097).fill(0x61))],
    ] as [string, Partial<RecordRow>][]) {
      const { bytes, totals } = listOne(row)
      assert.equal(readListing(bytes)[0]?.kind, 'unreadable', what)
      assert.deepEqual(totals, { files: 0, directories: 0, sizeBytes: 0 }, what)
    }
    assert.equal(seen({ stats: statRow({ sizeBytes: 2 ** 53 - 1 }) }).sizeBytes, 2 ** 53 - 1)
    assert.equal(readListing(listOne(link(new Uint8Array(4096).fill(0x61))).bytes)[0]?.kind, 'symlink')
  })

  it('takes for bad a name that is too long to be carried', () => {
    assert.equal(readListing(listOne({ name: utf8('a'.repeat(255)) }).bytes)[0]?.kind, 'file')
    for (const text of ['a'.repeat(256), 'ä'.repeat(200)]) {
      const entry = readListing(listOne({ name: utf8(text) }).bytes)[0]
      assert.deepEqual([entry?.kind, entry?.name], ['bad-name', text])
    }
  })

  it('lists times that no number here holds as the nearest that it holds', () => {
    assert.equal(seen({ stats: statRow({ seconds: 2 ** 62 }) }).mtimeSeconds, 2 ** 49)
    assert.equal(seen({ stats: statRow({ seconds: -(2 ** 62) }) }).mtimeSeconds, -(2 ** 49))
    assert.equal(seen({ stats: statRow({ ns: 2_000_000_000 }) }).mtimeNs, 999_999_999)
  })

  it('adds sizes up to what a number holds', () => {
    const row = (name: string): RecordRow => {
      const stats = statRow({ sizeBytes: 2 ** 53 - 1 })
      return { name: utf8(name), stats, at: 0, flags: 0, link: undefined, digest: undefined }
    }
    const record = buildRecord([row('a'), row('b')], own)
    const { totals } = viewListing(record, plainView, ignoreScope([]), () => undefined)
    assert.deepEqual(totals, { files: 2, directories: 0, sizeBytes: Number.MAX_SAFE_INTEGER })
  })

  it('is the same in pieces, which are not kept', () => {
    const rows = Array.from({ length: 40_000 }, (_, i): RecordRow => {
      const name = utf8(`file ${String(i).padStart(8, '0')}`)
      return { name, stats: statRow({ sizeBytes: i }), at: 0, flags: 0, link: undefined, digest: undefined }
    })
    const record = buildRecord(rows, own)
    const list = (drain?: (piece: Uint8Array) => void): ReturnType<typeof viewListing> =>
      viewListing(record, plainView, ignoreScope([]), () => undefined, drain)
    const pieces: Uint8Array[] = []
    const { bytes, totals } = list((piece) => pieces.push(piece.slice()))
    assert.ok(pieces.length > 1)
    const whole = list()
    assert.deepEqual(concatBytes([...pieces, bytes]), whole.bytes)
    assert.deepEqual(totals, whole.totals)
  })

  it('hides by rules what is not a bad name, and asks only directories for their summary', () => {
    const root = directory({
      'a.o': file('x'),
      b: directory(),
      '\udcff.o': file('x'),
      c: special,
      d: unreadable,
      e: symlink('b'),
    })
    const record = treeOf(root).record(rootPath)
    assert.ok(record !== undefined)
    const scope = ignoreScope([], { overrides: [rules('', '*\n!c\nb/\ne/')] })
    const rows = Array.from({ length: record.count }, (_, row) => row)
    const shown = rows.filter((row) => !isHidden(record, row, scope))
    assert.deepEqual(
      shown.map((row) => kindOf(record, row)),
      ['special'],
    )
    const links = ignoreScope([], { overrides: [rules('', 'b/\ne/')] })
    assert.deepEqual(
      rows.filter((row) => isHidden(record, row, links)).map((row) => record.name(row)),
      ['b'],
    )
    const asked: string[] = []
    for (const row of rows) {
      viewEntry(record, row, plainView, (name) => {
        asked.push(name)
        return undefined
      })
    }
    assert.deepEqual(asked, ['b'])
  })

  it('has an own text for every view', () => {
    check(
      fc.property(someView, someView, (a, b) => {
        assert.equal(viewText(a) === viewText(b), isSame(a, b))
      }),
    )
    const texts = [rules('', 'a'), rules('a', ''), rules('', 'a\nb')].flatMap((text) => [
      viewText({ ...plainView, texts: [text] }),
      viewText({ ...plainView, overrides: [text] }),
    ])
    assert.equal(new Set([...texts, viewText(plainView)]).size, 7)
  })
})
