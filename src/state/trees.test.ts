// Stored trees: round trips against a model, damage, and two holders of one tree.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { type RelPath, rootPath } from '../core/path.ts'
import { buildRecord, type DirectoryRecord } from '../core/record.ts'
import { decodeShelf, encodeShelf, shelfOf } from '../core/shelf.ts'
import { joinStored, type StoredDirectory, storedPages } from '../core/tree.ts'
import { Bug } from '../std/assert.ts'
import { utf8 } from '../std/bytes.ts'
import { systemClock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { openState, type State } from './open.ts'
import { distrustTree, forgetTree, loadTree, saveTree as savePages, saveTreePart } from './trees.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-trees-'))
after(() => rmSync(home, { recursive: true, force: true }))

let made = 0
function freshDirectory(): string {
  made += 1
  return join(home, `state-${made}`)
}

function open(directory: string): State {
  return openState({ directory, clock: systemClock })
}

type Changes = { readonly put: readonly StoredDirectory[]; readonly removed: readonly RelPath[] }

function saveTree(state: State, treeKey: string, viewId: string, { put, removed }: Changes): void {
  savePages(state, treeKey, viewId, { put: put.flatMap(storedPages), removed })
}

/** The bytes of a record of one page. */
function bytesOf({ pages: [page] }: DirectoryRecord): Uint8Array {
  return page?.bytes ?? new Uint8Array(0)
}

function recordOf(seed: number, count = seed % 5): DirectoryRecord {
  const rows = Array.from({ length: count }, (_, row) => {
    const stats = new Uint32Array(12).fill(seed * 31 + row)
    const digest = row === 2 ? new Uint8Array(32).fill(seed) : undefined
    return { name: utf8(`name ${row}`), stats, at: 0, flags: 0, link: undefined, digest }
  })
  return buildRecord(rows, { mtimeSeconds: -seed, mtimeNs: seed, inodeLow: seed, inodeHigh: 7 })
}

function directoryOf(path: string, seed: number, viewId = 'v', hasSummary = true): StoredDirectory {
  const record = recordOf(seed)
  if (!hasSummary) return { path: path as RelPath, record, viewId, summary: undefined }
  const fingerprint = new Uint8Array(32).fill(seed)
  // A sum of sizes may be above 2^53: what was a number comes back as that number.
  const summary = { fingerprint, files: seed, directories: seed * 2, sizeBytes: seed % 7 === 0 ? 2 ** 60 : seed * 1000 }
  return { path: path as RelPath, record, viewId, summary }
}

/** What must be equal of a directory, in a form that compares bytes. */
function plain({ path, record, summary }: StoredDirectory): unknown {
  const bytes = Buffer.from(bytesOf(record)).toString('hex')
  return {
    path,
    bytes,
    summary: summary && { ...summary, fingerprint: Buffer.from(summary.fingerprint).toString('hex') },
  }
}

function shownIn(shelf: Uint8Array): unknown[] {
  return [...joinStored(decodeShelf(shelf, 'v'))].map(plain)
}

function sorted(directories: Iterable<StoredDirectory>): unknown[] {
  return [...directories].sort((a, b) => (a.path < b.path ? -1 : 1)).map(plain)
}

function pathsOf(state: State, treeKey: string): string[] {
  return loadTree(state, treeKey)
    .directories.map(({ path }) => path)
    .sort()
}

test('what was saved comes back, over any changes, views and openings', () => {
  const path = fc.constantFrom('', 'a', 'a/b', 'a\nb', 'é/ü', 'd/e/f', '日本', "o'k", 'x".y')
  const change = fc.record({
    put: fc.uniqueArray(fc.tuple(path, fc.nat(200), fc.boolean()), { selector: ([at]) => at }),
    removed: fc.array(path),
    view: fc.constantFrom('v', 'v', 'v', 'w'),
    reopen: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
      const directory = freshDirectory()
      let state = open(directory)
      try {
        saveTree(state, 'other', 'o', { put: [directoryOf('a', 3, 'o')], removed: [] })
        let model = new Map<string, StoredDirectory>()
        assert.deepEqual(loadTree(state, 'tree'), { viewId: '', directories: [] })
        let view = ''
        for (const step of changes) {
          if (step.view !== view) {
            model = new Map([...model].map(([at, one]) => [at, { ...one, viewId: '', summary: undefined }]))
          }
          view = step.view
          const put = step.put.map(([at, seed, hasSummary]) => directoryOf(at, seed, view, hasSummary))
          saveTree(state, 'tree', view, { put, removed: step.removed as RelPath[] })
          for (const at of step.removed) model.delete(at)
          for (const one of put) model.set(one.path, one)
          if (step.reopen) {
            state[Symbol.dispose]()
            state = open(directory)
          }
          const loaded = loadTree(state, 'tree')
          assert.equal(loaded.viewId, view)
          assert.deepEqual(sorted(loaded.directories), sorted(model.values()))
          for (const one of loaded.directories) assert.equal(one.viewId, one.summary === undefined ? '' : view)
        }
        assert.deepEqual(sorted(loadTree(state, 'other').directories), sorted([directoryOf('a', 3, 'o')]))
      } finally {
        state[Symbol.dispose]()
        rmSync(directory, { recursive: true })
      }
    }),
    { numRuns: 25 },
  )
})

test('records from the database can be read and put into place at once', () => {
  const directory = freshDirectory()
  using state = open(directory)
  const put = Array.from({ length: 20 }, (_, seed) => directoryOf(`d${seed}`, seed))
  saveTree(state, 'tree', 'v', { put, removed: [] })
  for (const { path, record } of loadTree(state, 'tree').directories) {
    const seed = Number(path.slice(1))
    assert.equal(bytesOf(record).byteOffset % 4, 0)
    assert.deepEqual(record.own, recordOf(seed).own)
    assert.deepEqual(bytesOf(record), bytesOf(recordOf(seed)))
    for (let row = 0; row < record.count; row++) {
      assert.equal(record.name(row), `name ${row}`)
      assert.deepEqual(record.digest(row), recordOf(seed).digest(row))
    }
  }
})

test('a tree that grows gets more shelves, and loses nothing', () => {
  const directory = freshDirectory()
  const model = new Map<string, StoredDirectory>()
  const shelves = (): number => {
    const database = new DatabaseSync(join(directory, 'state.db'))
    const row = database.prepare('SELECT shelf_count AS n, (SELECT count(*) FROM shelves) AS rows FROM trees').get()
    database.close()
    assert.ok(Number(row?.rows) <= Number(row?.n))
    return Number(row?.n)
  }
  using state = open(directory)
  const counts: number[] = []
  for (let round = 0; round < 12; round++) {
    const put = Array.from({ length: 100 }, (_, index) => {
      const path = `r${round}/d${index}` as RelPath
      return { path, record: recordOf(index, 30), viewId: 'v', summary: undefined }
    })
    saveTree(state, 'tree', 'v', { put, removed: [] })
    for (const one of put) model.set(one.path, one)
    counts.push(shelves())
  }
  assert.deepEqual(sorted(loadTree(state, 'tree').directories), sorted(model.values()))
  assert.ok((counts.at(-1) ?? 0) >= 4 * (counts[0] ?? 0), String(counts))
  saveTree(state, 'tree', 'v', { put: [], removed: [...model.keys()].slice(1) as RelPath[] })
  assert.deepEqual(sorted(loadTree(state, 'tree').directories), sorted([...model.values()].slice(0, 1)))
})

test('a tree saved in parts is the tree saved at once, and has no summaries until the last of them', () => {
  const directories = ['', ...Array.from({ length: 300 }, (_, i) => `d${i}`)].map((path, i) =>
    directoryOf(path, i % 40),
  )
  const sizeBytes = directories.reduce((sum, { record }) => sum + record.sizeBytes, 0)
  for (const again of [false, true]) {
    const directory = freshDirectory()
    using state = open(directory)
    if (again) saveTree(state, 'tree', 'v', { put: directories, removed: [] })
    for (let at = 0; at < directories.length; at += 50) {
      const put = directories.slice(at, at + 50)
      saveTreePart(state, 'tree', 'v', { put: put.flatMap(storedPages), removed: [], more: true, sizeBytes })
      assert.notEqual(loadTree(open(directory), 'tree').viewId, 'v', 'a process that is killed here')
    }
    saveTreePart(state, 'tree', 'v', { put: [], removed: [], more: false, sizeBytes })
    const loaded = loadTree(open(directory), 'tree')
    assert.equal(loaded.viewId, 'v')
    assert.deepEqual(sorted(loaded.directories), sorted(directories))
  }
})

test('what two holders saw is never mixed', () => {
  const directory = freshDirectory()
  using first = open(directory)
  using second = open(directory)
  const all = ['', 'x', 'y'].map((path) => directoryOf(path, 1))
  saveTree(first, 'tree', 'v', { put: all, removed: [] })
  loadTree(second, 'tree')
  // First sees x change, and so the root; second sees y change, and a root in which x did not.
  saveTree(first, 'tree', 'v', { put: [directoryOf('x', 2), directoryOf('', 2)], removed: [] })
  saveTree(second, 'tree', 'v', { put: [directoryOf('y', 3), directoryOf('', 3)], removed: [] })
  assert.deepEqual(
    sorted(loadTree(open(directory), 'tree').directories),
    sorted([directoryOf('', 3), directoryOf('y', 3)]),
  )
  // First is the one who does not know now.
  saveTree(first, 'tree', 'v', { put: [directoryOf('x', 4)], removed: [] })
  assert.deepEqual(pathsOf(second, 'tree'), ['x'])
  // Second has looked, and goes on from there; its own saves follow each other.
  saveTree(second, 'tree', 'v', { put: [directoryOf('z', 4)], removed: [] })
  saveTree(second, 'tree', 'v', { put: [directoryOf('zz', 4)], removed: [] })
  assert.deepEqual(pathsOf(first, 'tree'), ['x', 'z', 'zz'])
})

test('a tree that was not loaded, forgotten by another, or whose changes were lost starts from nothing', () => {
  const directory = freshDirectory()
  using state = open(directory)
  saveTree(state, 'tree', 'v', { put: [directoryOf('a', 1), directoryOf('b', 1)], removed: [] })
  using other = open(directory)
  saveTree(other, 'tree', 'v', { put: [directoryOf('c', 1)], removed: [] })
  assert.deepEqual(pathsOf(other, 'tree'), ['c'])

  assert.deepEqual(pathsOf(state, 'tree'), ['c'])
  forgetTree(other, 'tree')
  assert.deepEqual(loadTree(other, 'tree'), { viewId: '', directories: [] })
  // As many saves as there were before, so that only generations that never come back tell the difference.
  for (const path of ['d', 'e', 'f']) {
    saveTree(other, 'tree', 'v', { put: [directoryOf(path, 1)], removed: [] })
    assert.notEqual(other.generations.get('tree'), state.generations.get('tree'))
  }
  saveTree(state, 'tree', 'v', { put: [directoryOf('g', 1)], removed: [] })
  assert.deepEqual(pathsOf(state, 'tree'), ['g'])

  distrustTree(state, 'tree')
  saveTree(state, 'tree', 'v', { put: [directoryOf('h', 1)], removed: [] })
  assert.deepEqual(pathsOf(state, 'tree'), ['h'])
  forgetTree(state, 'never seen')
  assert.throws(() => saveTree(state, 'tree', 'v', { put: [directoryOf('a', 1, 'w')], removed: [] }), Bug)
})

test('a stored part that is damaged costs a full look, whether it is loaded or saved', () => {
  const directory = freshDirectory()
  const damage = (): void => {
    const database = new DatabaseSync(join(directory, 'state.db'))
    database.exec('UPDATE shelves SET body = CAST(substr(body, 1, length(body) - 9) AS BLOB)')
    database.close()
  }
  using state = open(directory)
  const put = [directoryOf('', 1), directoryOf('a', 2)]
  saveTree(state, 'tree', 'v', { put, removed: [] })
  damage()
  assert.deepEqual(loadTree(state, 'tree'), { viewId: '', directories: [] })
  assert.equal(state.notices.length, 1)
  saveTree(state, 'tree', 'v', { put, removed: [] })
  assert.deepEqual(sorted(loadTree(state, 'tree').directories), sorted(put))
  damage()
  saveTree(state, 'tree', 'v', { put: [directoryOf('b', 3)], removed: [] })
  assert.deepEqual(pathsOf(state, 'tree'), ['b'])
  damage()
  saveTree(state, 'tree', 'w', { put: [directoryOf('c', 3, 'w')], removed: [] })
  assert.deepEqual(pathsOf(state, 'tree'), ['c'])
})

test('a shelf of any bytes is read, or refused as broken', () => {
  const good = encodeShelf(
    [directoryOf('', 4), directoryOf('é', 3), directoryOf('b', 14, 'v', false)].flatMap(storedPages),
  )
  assert.deepEqual(shownIn(good), [
    plain(directoryOf('', 4)),
    plain(directoryOf('é', 3)),
    plain(directoryOf('b', 14, 'v', false)),
  ])
  const shifted = new Uint8Array(good.length + 4)
  shifted.set(good, 4)
  assert.deepEqual(shownIn(shifted.subarray(4)), shownIn(good))
  const orBroken = (bytes: Uint8Array): void => {
    try {
      decodeShelf(bytes, 'v')
    } catch (error) {
      assert.ok(error instanceof Failure && error.code === 'state-broken', String(error))
    }
  }
  for (let length = 0; length < good.length; length++) {
    assert.throws(() => decodeShelf(good.slice(0, length), 'v'), Failure, String(length))
  }
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => {
      const bytes = good.slice()
      bytes[at] = byte
      orBroken(bytes)
    }),
  )
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), orBroken))
})

test('paths are spread over the shelves', () => {
  const counts = new Array<number>(64).fill(0)
  for (let index = 0; index < 6400; index++) {
    const shelf = shelfOf(`drivers/net/vendor${index % 80}/d${index}` as RelPath, 64)
    counts[shelf] = (counts[shelf] ?? 0) + 1
  }
  assert.ok(Math.min(...counts) > 50 && Math.max(...counts) < 200, String(counts))
  assert.equal(shelfOf(rootPath, 1), 0)
})
