// Bases of two-way jobs: round trips, that they are those of two roots, and that what is not sound counts as not there.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, beforeEach, test } from 'node:test'
import { directory, entriesOf, file, symlink } from '../../test/world/trees.ts'
import { decodeBase, encodeBase } from '../core/base.ts'
import { type RelPath, rootPath } from '../core/path.ts'
import { systemClock } from '../std/clock.ts'
import { type BaseOf, forgetBase, loadBase, loadBases, saveBases } from './bases.ts'
import { openState } from './open.ts'
import { takeLease } from './runs.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-bases-'))
after(() => rmSync(home, { recursive: true, force: true }))

let place = home
let made = 0
beforeEach(() => {
  made += 1
  place = join(home, `state-${made}`)
})

function open(): ReturnType<typeof openState> {
  return openState({ directory: place, clock: systemClock })
}

const of: BaseOf = { job: 'job', leftId: 'left root', rightId: 'right root' }
const one = encodeBase(entriesOf(directory({ a: file('x'), b: symlink('a'), c: directory({ d: file('y') }) })))
const other = encodeBase([])
const path = (text: string): RelPath => text as RelPath

function knownOf(state: ReturnType<typeof openState>, ...paths: string[]): string[] {
  return [...loadBases(state, of, paths.map(path)).keys()]
}

test('a base is loaded as it was saved, a directory or many, for each job on its own', () => {
  {
    using state = open()
    assert.equal(loadBase(state, of, rootPath), undefined)
    saveBases(state, of, {
      put: [
        { path: rootPath, bytes: one },
        { path: path('a\udcff/ü'), bytes: other },
      ],
      removed: [],
    })
    saveBases(state, { ...of, job: 'another' }, { put: [{ path: rootPath, bytes: other }], removed: [] })
  }
  using state = open()
  assert.deepEqual(loadBase(state, of, rootPath), one)
  assert.deepEqual(decodeBase(one).length, 3)
  const many = loadBases(state, of, [path('none'), path('a\udcff/ü'), rootPath])
  assert.deepEqual(
    [...many],
    [
      [path('a\udcff/ü'), other],
      [rootPath, one],
    ],
  )
  assert.deepEqual(loadBase(state, { ...of, job: 'another' }, rootPath), other)
  saveBases(state, of, { put: [{ path: rootPath, bytes: other }], removed: [] })
  assert.deepEqual(loadBase(state, of, rootPath), other)
})

test('a directory that is removed goes with all below it, and with nothing beside it', () => {
  using state = open()
  const paths = ['', 'a', 'a/b', 'a/b/c', 'a-', 'a.b', 'a0', 'a\u{10ffff}', 'a\udcff', 'aa/a/b', 'b/a']
  const all = paths.map((text) => ({ path: path(text), bytes: one }))
  saveBases(state, of, { put: all, removed: [] })
  saveBases(state, of, { put: [], removed: [path('a')] })
  assert.deepEqual(knownOf(state, ...paths), ['', 'a-', 'a.b', 'a0', 'a\u{10ffff}', 'a\udcff', 'aa/a/b', 'b/a'])
  saveBases(state, of, { put: [{ path: path('b'), bytes: one }], removed: [path('b'), path('none')] })
  assert.deepEqual(knownOf(state, 'b', 'b/a'), ['b'])
  saveBases(state, of, { put: [], removed: [rootPath] })
  assert.deepEqual(knownOf(state, ...paths), [])
})

test('a base of other roots is none, and goes when one of these is saved', () => {
  using state = open()
  saveBases(state, of, { put: [{ path: rootPath, bytes: one }], removed: [] })
  for (const roots of [{ leftId: 'new' }, { rightId: 'new' }, { leftId: of.rightId, rightId: of.leftId }]) {
    assert.equal(loadBase(state, { ...of, ...roots }, rootPath), undefined)
  }
  assert.deepEqual(loadBase(state, of, rootPath), one)
  const next = { ...of, rightId: 'new' }
  saveBases(state, next, { put: [{ path: path('a'), bytes: other }], removed: [] })
  assert.deepEqual([loadBase(state, next, rootPath), loadBase(state, next, path('a'))], [undefined, other])
  assert.equal(loadBase(state, of, rootPath), undefined)
})

test('a job that is forgotten has no base, and others keep theirs', () => {
  using state = open()
  saveBases(state, of, { put: [{ path: rootPath, bytes: one }], removed: [] })
  saveBases(state, { ...of, job: 'another' }, { put: [{ path: rootPath, bytes: one }], removed: [] })
  forgetBase(state, 'job')
  forgetBase(state, 'never was')
  assert.equal(loadBase(state, of, rootPath), undefined)
  assert.deepEqual(loadBase(state, { ...of, job: 'another' }, rootPath), one)
})

test('what is saved within a transaction lands with it, or not at all', () => {
  using state = open()
  saveBases(state, of, { put: [{ path: rootPath, bytes: one }], removed: [] })
  assert.throws(() =>
    state.write(() => {
      takeLease(state, 'root', 'job')
      saveBases(state, of, { put: [{ path: path('a'), bytes: one }], removed: [rootPath] })
      throw new Error('cut off')
    }),
  )
  assert.deepEqual(knownOf(state, '', 'a'), [''])
})

test('a row that is not sound is as good as not there', () => {
  {
    using state = open()
    const put = ['', 'a', 'b', 'c'].map((text) => ({ path: path(text), bytes: one }))
    saveBases(state, of, { put, removed: [] })
  }
  {
    using database = new DatabaseSync(join(place, 'state.db'))
    const damage = (text: string, body: Uint8Array): void =>
      void database.prepare('UPDATE base_directories SET body = ? WHERE path = ?').run(body, text)
    damage('', one.subarray(0, one.length - 1))
    damage('a', Uint8Array.of(...one, 0))
    damage('b', new Uint8Array(0))
  }
  using state = open()
  assert.deepEqual(knownOf(state, '', 'a', 'b', 'c'), ['c'])
})
