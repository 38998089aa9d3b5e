// Directories of many pages: what is kept of one is kept only for the very directory, where every name and signature in it
// is the same, and what is looked at page by page is what a look at the whole would have found.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { FaultySys } from '../../test/world/faulty-sys.ts'
import { kinds, problems, type Scanned, scanned } from '../../test/world/one-scan.ts'
import { statRow } from '../../test/world/trees.ts'
import { flagRacy, type RecordPage } from '../core/page.ts'
import type { RelPath } from '../core/path.ts'
import { buildRecord, type DirectoryRecord } from '../core/record.ts'
import { statDevice, statWidth } from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import { isSamePage } from './observed.ts'
import { EntryTable, errno } from './sys.ts'
import { systemSys } from './system.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-large-'))
after(() => rmSync(home, { recursive: true, force: true }))
const real = systemSys()
let made = 0

/** More than are looked at as a whole. */
const many = 4200
const nameOf = (i: number): string => `f${String(i).padStart(6, '0')}`

function large(count = many, below = ''): Scanned {
  const one = scanned(join(home, `case-${++made}`), below === '' ? {} : { [`${below}/f`]: 'f' })
  for (let i = 0; i < count; i++) writeFileSync(join(one.path, below, nameOf(i)), '')
  return one
}

function record({ tree }: Scanned, path = ''): DirectoryRecord {
  const known = tree.record(path as RelPath)
  assert.ok(known !== undefined)
  return known
}

function namesIn(one: Scanned, path = ''): (string | undefined)[] {
  const known = record(one, path)
  return Array.from({ length: known.count }, (_, row) => known.name(row))
}

describe('a page', () => {
  it('is the same where each name and signature is, and none of them is young', () => {
    const rows = ['aa', 'bb'].map((name) => ({
      name: utf8(name),
      stats: statRow({}),
      at: 0,
      flags: 0,
      link: undefined,
      digest: undefined,
    }))
    const page = (flags: number): RecordPage =>
      buildRecord(
        rows.map((row) => ({ ...row, flags })),
        { mtimeSeconds: 0, mtimeNs: 0, inodeLow: 0, inodeHigh: 0 },
      ).pages[0] as RecordPage
    const table = (...names: readonly string[]): EntryTable => {
      const made = new EntryTable()
      for (const name of names) made.stats.set(statRow({}), made.add(utf8(name), 0, name.length) * statWidth)
      return made
    }
    const isSame = (seen: EntryTable, flags = 0): boolean => isSamePage(page(flags), seen, Int32Array.of(0, 1), 0, 0)
    assert.equal(isSame(table('aa', 'bb')), true)
    assert.equal(isSame(table('aa', 'bb'), flagRacy), false)
    assert.equal(isSame(table('aa', 'bc')), false)
    assert.equal(isSame(table('aa', 'b')), false)
    assert.equal(isSame(table('aa', 'bbb')), false)
    for (let column = 0; column < statWidth; column++) {
      const seen = table('aa', 'bb')
      const at = statWidth + column
      seen.stats[at] = ((seen.stats[at] as number) + 1) >>> 0
      assert.equal(isSame(seen), column === statDevice, `column ${column}`)
    }
  })
})

describe('a large directory', () => {
  it('that lies elsewhere by now is stored there as a whole, and its pages are its own', () => {
    const one = large(1500, 'd')
    one.scan()
    const pages = record(one, 'd').pages.length
    assert.ok(pages > 1)
    one.tree.takeChanges()
    renameSync(join(one.path, 'd'), join(one.path, 'e'))
    one.scan()
    const stored = one.tree.takeChanges().put.filter(({ key }) => key === 'e' || key.startsWith('e//'))
    assert.equal(stored.length, pages)
  })

  it('leaves out what vanished before it was looked at, tells what it can not look at, and keeps what is below', () => {
    const one = large()
    mkdirSync(join(one.path, 'below'))
    const sys = new FaultySys(real)
      .on('stat', { name: nameOf(7), result: -errno.ENOENT })
      .on('stat', { name: nameOf(9), result: -errno.EACCES })
    const report = one.scan({ sys })
    assert.deepEqual(problems(report), [`${nameOf(9)}: unreadable`])
    assert.ok(!namesIn(one).includes(nameOf(7)))
    assert.equal(kinds(one.tree)[nameOf(9)], 'unreadable')
    assert.equal(namesIn(one).length, many)
    // Once more, in peace: both are what they are.
    assert.deepEqual(problems(one.scan()), [])
    assert.deepEqual(namesIn(one), readdirSync(one.path).sort())
    assert.equal(kinds(one.tree)[nameOf(9)], 'file')
  })

  it('of which all vanished is empty', () => {
    const one = large()
    one.scan({ sys: new FaultySys(real).on('stat', { sticky: true, result: -errno.ENOENT }) })
    assert.deepEqual(namesIn(one), [])
  })

  it('keeps the page of a directory in which something changed, and learns its own new time', () => {
    const one = large()
    mkdirSync(join(one.path, 'zz'))
    one.scan()
    const before = record(one).pages
    // What is in `zz` is not its own matter.
    writeFileSync(join(one.path, 'zz/new'), '')
    utimesSync(one.path, 1000, 1000)
    one.scan()
    assert.deepEqual(
      record(one).pages.map((page) => before.includes(page)),
      before.map(() => true),
    )
    assert.equal(record(one).own.mtimeSeconds, 1000)
    assert.equal(record(one).own.mtimeSeconds, Math.floor(statSync(one.path).mtimeMs / 1000))
  })

  it('that only has more pages behind those it had is a new record', () => {
    const one = large()
    one.scan()
    // Without its last page it ends where a page does.
    const last = record(one).pages.at(-1) as RecordPage
    for (let row = 0; row < last.count; row++) rmSync(join(one.path, last.name(row) as string))
    one.scan()
    const before = record(one).pages
    for (let i = 0; i < 300; i++) writeFileSync(join(one.path, `g${i}`), '')
    one.scan()
    assert.deepEqual(namesIn(one), readdirSync(one.path).sort())
    assert.ok(before.every((page) => record(one).pages.includes(page)))
  })
})

describe('a small directory', () => {
  it('in which no name changed learns its own new time', () => {
    const one = scanned(join(home, `case-${++made}`), { a: 'a' })
    one.scan()
    const before = record(one)
    utimesSync(one.path, 2000, 2000)
    one.scan()
    assert.equal(record(one), before)
    assert.equal(record(one).own.mtimeSeconds, 2000)
  })
})
