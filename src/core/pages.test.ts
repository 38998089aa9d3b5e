// Pages of a record, as they are stored: what is missing, strange or damaged is refused, never read as less than there was.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openTestDigester, statRow } from '../../test/world/trees.ts'
import { utf8 } from '../std/bytes.ts'
import { type Own, RecordPage } from './page.ts'
import { type RelPath, rootPath } from './path.ts'
import { buildRecord, DirectoryRecord, joinPages, type RecordRow } from './record.ts'
import { statMode, statWidth, typeSymlink } from './stat.ts'
import { joinStored, type StoredPage, storedPages, Tree } from './tree.ts'

const own: Own = { mtimeSeconds: 1_700_000_000, mtimeNs: 5, inodeLow: 6, inodeHigh: 7 }
const broken = { code: 'state-broken' }
const headerWords = 12

function row(name: string, link?: string): RecordRow {
  const stats = statRow({})
  if (link !== undefined) stats[statMode] = typeSymlink
  return {
    name: utf8(name),
    stats,
    at: 0,
    flags: 0,
    link: link === undefined ? undefined : utf8(link),
    digest: undefined,
  }
}

function rowsFrom(first: number, count: number): RecordRow[] {
  return Array.from({ length: count }, (_, i) => row(`f${String(first + i).padStart(6, '0')}`))
}

function onePage(...rows: readonly RecordRow[]): RecordPage {
  return buildRecord(rows, own).pages[0] as RecordPage
}

describe('pages', () => {
  it('are those of one record: all of them, one first, none of them empty', () => {
    const [first, second, ...rest] = buildRecord(rowsFrom(0, 4000), own).pages as [RecordPage, RecordPage]
    assert.ok(rest.length > 0)
    assert.doesNotThrow(() => joinPages([second, ...rest, first]))
    assert.throws(() => joinPages([first, ...rest]), broken)
    assert.throws(() => joinPages([second, ...rest]), broken)
    // Another first page among the others, as many as there should be.
    const other = buildRecord(rowsFrom(900_000, 4000), own).pages[0] as RecordPage
    assert.ok(other.pages > 0)
    assert.throws(() => joinPages([first, second, ...rest.slice(1), other]), broken)
    const empty = onePage()
    empty.setPages(0)
    assert.throws(() => joinPages([first, ...rest, empty]), broken)
  })

  it('of damaged bytes are refused where names or links do not lie where they should', () => {
    const { bytes } = onePage(row('one'), row('three'), row('two', 'to'))
    const bent = (change: (words: Uint32Array) => void): Uint8Array => {
      const copy = bytes.slice(0, bytes.length & ~3)
      const words = new Uint32Array(copy.buffer)
      change(words)
      const whole = bytes.slice()
      whole.set(copy)
      return whole
    }
    const ends = headerWords + 3 * statWidth
    assert.doesNotThrow(() => new RecordPage(bytes.slice()).link(2))
    // A name that ends before it began, and names that end before the header says.
    for (const change of [
      [0, 9],
      [1, 2],
      [2, 10],
    ] as const)
      assert.throws(() => new RecordPage(bent((words) => (words[ends + change[0]] = change[1]))), broken)
    const longer = bytes.slice()
    longer[longer.length - 4] = 1
    assert.throws(() => new RecordPage(longer).link(2), broken)
  })

  it('are stored again when anything is learned of them, and only then', () => {
    const tree = new Tree([], '', openTestDigester)
    tree.put(rootPath, buildRecord(rowsFrom(0, 4000), own))
    const stored = tree.takeChanges().put.length
    assert.ok(stored > 2)
    assert.equal(tree.takeChanges().put.length, 0)
    const record = tree.record(rootPath) as DirectoryRecord
    record.setOwn({ ...own, mtimeNs: 6 })
    assert.deepEqual(
      tree.takeChanges().put.map(({ key }) => key),
      [''],
    )
    record.setDigest(3999, new Uint8Array(32))
    assert.deepEqual(tree.takeChanges().put.length, 1)
  })

  it('come in any order, and the summary is that of the first', () => {
    const summary = { fingerprint: new Uint8Array(32).fill(3), files: 4000, directories: 0, sizeBytes: 1 }
    const path = 'd' as RelPath
    const pages = storedPages({ path, record: buildRecord(rowsFrom(0, 4000), own), viewId: 'v', summary })
    for (const order of [pages, pages.toReversed()]) {
      const [directory] = [...joinStored(order)]
      assert.deepEqual([directory?.viewId, directory?.summary, directory?.record.count], ['v', summary, 4000])
    }
  })

  it('are not forgotten where a directory comes to a place that another one left', () => {
    const stored = new Map<string, StoredPage>()
    const tree = new Tree([], '', openTestDigester)
    const save = (): void => {
      const { put, removed } = tree.takeChanges()
      for (const key of removed) stored.delete(key)
      for (const page of put) stored.set(page.key, page)
    }
    const [from, to] = ['from' as RelPath, 'to' as RelPath]
    tree.put(rootPath, buildRecord([], own))
    tree.put(from, buildRecord(rowsFrom(0, 4000), own))
    tree.put(to, buildRecord(rowsFrom(0, 4000), own))
    save()
    tree.remove(to)
    tree.move(from, to)
    save()
    const again = new Tree(stored.values(), '', openTestDigester)
    assert.deepEqual([...again.paths()].sort(), ['', 'to'])
    assert.equal(again.record(to)?.count, 4000)
    assert.equal(again.record(to)?.pages.length, tree.record(to)?.pages.length)
    assert.ok(new DirectoryRecord(again.record(to)?.pages ?? []).find(utf8('f003999')) === 3999)
  })
})
