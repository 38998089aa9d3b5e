// The tree in memory: whatever was put, moved and removed, in whatever order it was asked, stored and loaded again, its
// summaries and listings are those of a tree that was filled afresh.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  check,
  type DirectoryItem,
  directory,
  directoryPaths,
  file,
  type Item,
  itemAt,
  openTestDigester,
  plainView,
  recordOf,
  someDirectory,
  someItem,
  testDigest,
  treeOf,
  withItem,
} from '../../test/world/trees.ts'
import { Bug } from '../std/assert.ts'
import { hex } from '../std/bytes.ts'
import type { IgnoreText } from './ignore.ts'
import type { RecordPage } from './page.ts'
import { isWithin, joinPath, parentOf, type RelPath, rootPath } from './path.ts'
import { DirectoryRecord } from './record.ts'
import { decodeShelf, encodeShelf } from './shelf.ts'
import { type StoredPage, Tree } from './tree.ts'
import type { View } from './view.ts'

function rules(directory: string, text: string): IgnoreText {
  return { directory, label: '.ignore', text }
}

const views: readonly View[] = [
  plainView,
  { ...plainView, modeMask: 0o700, timeGrainNs: 2_000_000_000 },
  { ...plainView, overrides: [rules('', '*.o')] },
  { ...plainView, texts: [rules('', '/a/b\n/b/*\n!/b/a')] },
  { ...plainView, texts: [rules('a', 'b'), rules('b', '.x'), rules('b/a', '*\n!c.o')] },
]

// ---- one random edit ------------------------------------------------------------------------------------------------

type Edit =
  | { readonly kind: 'set'; readonly name: string; readonly item: Item | undefined; readonly parentLast: boolean }
  | { readonly kind: 'own' | 'digests' | 'summary' | 'listing' | 'save' }
  | { readonly kind: 'move'; readonly into: number; readonly name: string; readonly parentFirst: boolean }
  | { readonly kind: 'view'; readonly view: number }
type PlacedEdit = Edit & { readonly which: number }

const name = fc.constantFrom('a', 'b', 'c.o', '.x')
const someEdit: fc.Arbitrary<PlacedEdit> = fc
  .tuple(
    fc.nat(),
    fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constant('set' as const),
          name,
          item: fc.option(someItem({ uncopied: true, edits: true }, 1), { nil: undefined }),
          parentLast: fc.boolean(),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant('move' as const),
          into: fc.nat(),
          name,
          parentFirst: fc.boolean(),
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('view' as const), view: fc.nat(views.length - 1) }) },
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constantFrom('own' as const, 'digests', 'summary', 'listing', 'save', 'save'),
        }),
      },
    ),
  )
  .map(([which, edit]) => ({ ...edit, which }))

/** A tree beside the plain directory that it should stand for, and what was stored of it. */
class Twin {
  world: DirectoryItem
  view: number
  tree: Tree
  readonly #stored = new Map<string, StoredPage>()

  constructor(world: DirectoryItem, view: number) {
    this.world = world
    this.view = view
    this.tree = treeOf(world, views[view], `view ${view}`)
  }

  edit(edit: PlacedEdit): void {
    const paths = directoryPaths(this.world)
    const path = paths[edit.which % paths.length] as RelPath
    switch (edit.kind) {
      case 'set':
        return this.#set(path, edit.name, edit.item, edit.parentLast)
      case 'own':
        this.tree.record(path)?.setOwn({ mtimeSeconds: 1, mtimeNs: 2, inodeLow: 3, inodeHigh: 4 })
        return this.tree.record(path)?.touch()
      case 'digests':
        return learnAll(this.tree, path, this.#directory(path))
      case 'summary':
        this.tree.summary(path)
        return
      case 'listing':
        this.tree.listing(path)
        return
      case 'save':
        return this.reload(edit.which % 2 === 0)
      case 'move':
        return this.#move(path, paths[edit.into % paths.length] as RelPath, edit.name, edit.parentFirst)
      case 'view':
        this.view = edit.view
        this.tree.setView(views[edit.view] as View, `view ${edit.view}`)
    }
  }

  #directory(path: RelPath): DirectoryItem {
    return itemAt(this.world, path) as DirectoryItem
  }

  #set(path: RelPath, name: string, item: Item | undefined, parentLast: boolean): void {
    const child = joinPath(path, name)
    const isGone = itemAt(this.world, child)?.kind === 'directory'
    this.world = withItem(this.world, child, item)
    if (isGone) this.tree.removeWithin(child)
    if (!parentLast) this.tree.put(path, recordOf(this.#directory(path)))
    for (const at of directoryPaths(this.world).filter((known) => isWithin(known, child))) {
      this.tree.put(at, recordOf(this.#directory(at)))
    }
    if (parentLast) this.tree.put(path, recordOf(this.#directory(path)))
  }

  #move(from: RelPath, into: RelPath, name: string, parentFirst: boolean): void {
    const to = joinPath(into, name)
    if (from === rootPath || isWithin(to, from) || isWithin(from, to)) return
    const moved = this.#directory(from)
    if (itemAt(this.world, to)?.kind === 'directory') this.tree.removeWithin(to)
    this.world = withItem(withItem(this.world, from, undefined), to, moved)
    const putParents = (): void => {
      for (const at of [parentOf(from), into]) this.tree.put(at, recordOf(this.#directory(at)))
    }
    if (parentFirst) putParents()
    this.tree.move(from, to)
    if (!parentFirst) putParents()
  }

  /** Stores what changed, and goes on with a tree that was loaded from what is stored. */
  reload(throughShelf: boolean): void {
    const { put, removed } = this.tree.takeChanges()
    for (const path of removed) this.#stored.delete(path)
    for (const one of put) this.#stored.set(one.key, one)
    const viewId = `view ${this.view}`
    const all = [...this.#stored.values()]
    const loaded =
      throughShelf && all.every((one) => one.viewId === viewId) ? decodeShelf(encodeShelf(all), viewId) : all
    this.tree = new Tree(loaded, viewId, openTestDigester)
    this.tree.setView(views[this.view] as View, viewId)
  }

  /** Everything that can be asked is as of a tree that was filled afresh. */
  compare(): void {
    const fresh = treeOf(this.world, views[this.view])
    assert.deepEqual([...this.tree.paths()].sort(), directoryPaths(this.world).sort())
    assert.equal(this.tree.directoryCount, fresh.directoryCount)
    for (const path of [...fresh.paths()].reverse()) {
      const [ours, theirs] = [this.tree.summary(path), fresh.summary(path)]
      assert.deepEqual(
        ours && { ...ours, fingerprint: hex(ours.fingerprint) },
        theirs && { ...theirs, fingerprint: hex(theirs.fingerprint) },
        path,
      )
      assert.deepEqual(this.tree.listing(path), fresh.listing(path), path)
    }
  }
}

describe('tree', () => {
  it('has the summaries of a fresh tree after any edits, asked at any time', () => {
    const start = fc.tuple(someDirectory({ uncopied: true, edits: true }), fc.nat(views.length - 1))
    check(
      fc.property(start, fc.array(someEdit, { maxLength: 12 }), ([world, view], edits) => {
        const twin = new Twin(world, view)
        // As after a first run: everything is summarised and stored.
        twin.tree.summary(rootPath)
        twin.reload(false)
        for (const edit of edits) twin.edit(edit)
        twin.compare()
        twin.reload(true)
        twin.compare()
      }),
      2000,
    )
  })

  it('hands out exactly what is not stored yet, once', () => {
    const paths = (tree: Tree): [put: string[], removed: string[]] => {
      const { put, removed } = tree.takeChanges()
      return [put.map((one) => one.key).sort(), removed.sort()]
    }
    const world = directory({ a: directory({ b: directory() }), c: directory() })
    const tree = treeOf(world)
    assert.deepEqual(paths(tree), [['', 'a', 'a/b', 'c'], []])
    assert.deepEqual(paths(tree), [[], []])
    tree.summary(rootPath)
    assert.deepEqual(paths(tree), [['', 'a', 'a/b', 'c'], []])
    tree.summary(rootPath)
    assert.deepEqual(paths(tree), [[], []])
    tree.put('a/b' as RelPath, recordOf(directory({ x: file('x') })))
    assert.deepEqual(paths(tree), [['', 'a', 'a/b'], []])
    tree.summary(rootPath)
    assert.deepEqual(paths(tree), [['', 'a', 'a/b'], []])
    tree.record('c' as RelPath)?.touch()
    tree.record('a' as RelPath)?.touch()
    assert.deepEqual(paths(tree), [['a', 'c'], []])
    tree.removeWithin('a' as RelPath)
    assert.deepEqual(paths(tree), [[''], ['a', 'a/b']])
    tree.put('a' as RelPath, recordOf(directory()))
    tree.remove('a' as RelPath)
    tree.put('a' as RelPath, recordOf(directory()))
    assert.deepEqual(paths(tree), [['a'], []])
  })

  it('hands out the pages of a large directory that changed, and forgets those that are no more', () => {
    const files = (from: number, to: number): DirectoryItem => {
      const names = Array.from({ length: to - from }, (_, i) => `f${String(from + i).padStart(5, '0')}`)
      return directory(Object.fromEntries(names.map((name) => [name, file('x')])))
    }
    const tree = new Tree([], '', openTestDigester)
    const at = 'd' as RelPath
    const stored = new Map<string, StoredPage>()
    const store = (): number => {
      const { put, removed } = tree.takeChanges()
      for (const key of removed) stored.delete(key)
      for (const page of put) stored.set(page.key, page)
      const again = new Tree(stored.values(), '', openTestDigester)
      assert.equal(again.record(at)?.count, tree.record(at)?.count)
      assert.deepEqual(again.record(at)?.pages.length, tree.record(at)?.pages.length)
      return put.length
    }
    tree.put(at, recordOf(files(100, 6000)))
    const pages = tree.record(at)?.pages.length ?? 0
    assert.ok(pages > 5)
    assert.equal(store(), pages)
    tree.record(at)?.setDigest(3000, new Uint8Array(32).fill(1))
    assert.equal(store(), 1)
    // As a scan does it: what did not change is kept, in another place among the pages.
    const [first, ...rest] = tree.record(at)?.pages ?? []
    tree.put(at, new DirectoryRecord(rest))
    assert.equal(store(), 1)
    tree.put(at, new DirectoryRecord([first as RecordPage, ...rest]))
    assert.equal(store(), 2)
    tree.put(at, recordOf(files(0, 3)))
    assert.equal(store(), 1)
    assert.equal(stored.size, 1)
    tree.put(at, recordOf(files(0, 3000)))
    store()
    tree.move(at, 'e' as RelPath)
    const { put, removed } = tree.takeChanges()
    // Its first page may have been stored as another one: that key goes too.
    assert.equal(removed.length, put.length + 1)
    tree.remove('e' as RelPath)
    assert.equal(tree.takeChanges().removed.length >= put.length, true)
  })

  it('moves a directory with all below it, and makes both parents stale', () => {
    const world = directory({ a: directory({ b: directory({ x: file('x') }) }), ab: directory(), c: directory() })
    const tree = treeOf(world)
    const before = tree.summary('a/b' as RelPath)
    tree.summary(rootPath)
    tree.takeChanges()
    tree.move('a' as RelPath, 'c/d' as RelPath)
    assert.deepEqual([...tree.paths()].sort(), ['', 'ab', 'c', 'c/d', 'c/d/b'])
    assert.deepEqual(tree.summary('c/d/b' as RelPath), before)
    const { put, removed } = tree.takeChanges()
    assert.deepEqual(put.map((one) => one.key).sort(), ['', 'c', 'c/d', 'c/d/b'])
    assert.deepEqual(removed.sort(), ['a', 'a/b'])
    tree.move('c/d' as RelPath, 'a' as RelPath)
    assert.deepEqual(tree.takeChanges().removed.sort(), ['c/d', 'c/d/b'])
  })

  it('keeps the summaries of what moved only where no rule can name its place', () => {
    const world = directory({ a: directory({ b: directory({ x: file('x') }) }), c: directory() })
    for (const [view, isKept] of [
      [views[0], true],
      [views[1], true],
      [views[2], false],
      [views[4], false],
    ] as const) {
      let listed = 0
      const tree = new Tree([], '', () => {
        listed++
        return openTestDigester()
      })
      for (const path of directoryPaths(world)) tree.put(path, recordOf(itemAt(world, path) as DirectoryItem))
      tree.setView(view as View, 'view')
      tree.summary(rootPath)
      const before = listed
      tree.move('a' as RelPath, 'c/d' as RelPath)
      tree.summary('c/d' as RelPath)
      assert.equal(listed - before, isKept ? 0 : 2)
    }
    // Before a view is set nobody knows its rules.
    const first = treeOf(world, views[3])
    first.summary(rootPath)
    const tree = new Tree(first.takeChanges().put, 'view', openTestDigester)
    tree.move('a' as RelPath, 'e' as RelPath)
    tree.setView(views[3] as View, 'view')
    assert.equal(tree.summary('e/b' as RelPath)?.files, 1)
    assert.equal(tree.summary('e' as RelPath)?.files, 1)
  })

  it('names a large directory, and one within it, by all of its listing', () => {
    const items = Object.fromEntries(Array.from({ length: 40_000 }, (_, i) => [`n${i}`, file('x')]))
    const tree = treeOf(directory({ ...items, m: directory(items) }))
    for (const path of ['m', '']) {
      const listing = tree.listing(path as RelPath)
      assert.ok(listing !== undefined && listing.length > 300_000)
      assert.deepEqual(tree.summary(path as RelPath)?.fingerprint, testDigest(listing))
    }
    assert.equal(tree.summary(rootPath)?.files, 80_000)
  })

  it('sees a directory whose content it does not know as unreadable', () => {
    const whole = treeOf(directory({ a: directory({ b: file('x') }) }))
    const partial = treeOf(directory({ a: directory({ b: file('x') }) }))
    partial.remove('a' as RelPath)
    assert.notDeepEqual(partial.summary(rootPath)?.fingerprint, whole.summary(rootPath)?.fingerprint)
    assert.equal(partial.summary(rootPath)?.directories, 0)
    assert.equal(partial.summary('a' as RelPath), undefined)
    assert.equal(partial.listing('a' as RelPath), undefined)
    assert.equal(partial.record('a' as RelPath), undefined)
  })

  it('drops stored summaries of another view', () => {
    const stored = (tree: Tree): StoredPage[] => {
      tree.summary(rootPath)
      return tree.takeChanges().put
    }
    const world = directory({ a: directory({ 'b.o': file('x') }) })
    const all = stored(treeOf(world, views[0], 'one'))
    const forged = all.map((one) => ({ ...one, summary: one.summary && { ...one.summary, files: 99 } }))
    const told = (storedId: string, id: string): number | undefined => {
      const tree = new Tree(forged, storedId, openTestDigester)
      tree.setView(views[0] as View, id)
      return tree.summary(rootPath)?.files
    }
    assert.equal(told('one', 'one'), 99)
    assert.equal(told('one', 'two'), 1)
    assert.equal(told('two', 'two'), 1)
    assert.equal(told('two', 'one'), 1)
  })

  it('scopes the rules of each directory', () => {
    const tree = treeOf(directory({ a: directory({ b: directory() }) }), views[4])
    const hides = (at: string, name: string): boolean =>
      tree.scopeAt(at as RelPath).match(name, false)?.negated === false
    assert.deepEqual(
      [hides('', 'b'), hides('a', 'b'), hides('a/b', 'b'), hides('b', 'b'), hides('b/a', 'b')],
      [false, true, true, false, true],
    )
    assert.deepEqual(
      [hides('b/a', 'c.o'), hides('b/a', '.x'), hides('a', '.x'), hides('b', '.x')],
      [false, true, false, true],
    )
    assert.ok(treeOf(directory()).scopeAt('a/b/c' as RelPath).idle)
  })

  it('is a bug to list before a view is set', () => {
    const tree = new Tree([], '', openTestDigester)
    tree.put(rootPath, recordOf(directory()))
    assert.throws(() => tree.summary(rootPath), Bug)
  })
})

/** All digests of a directory become known, as reading its files would make them. */
function learnAll(tree: Tree, path: RelPath, world: DirectoryItem): void {
  const known = recordOf(world, true)
  const record = tree.record(path)
  for (let row = 0; row < known.count; row++) {
    const digest = known.digest(row)
    if (digest !== undefined) record?.setDigest(row, digest)
  }
  tree.record(path)?.touch()
}
