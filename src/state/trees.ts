// Trees as they were last seen, so that an unchanged directory is neither listed nor hashed again. What is saved are
// changes against what the holder loaded. The rows of a tree always come from one holder's memory: summaries of
// different holders, mixed, could say "nothing changed" of a directory that did. So each save raises the tree's
// generation, and a save on top of a generation that this State does not know starts from nothing. That costs the next
// run a full look, and no more.

import type { RelPath } from '../core/path.ts'
import { decodeShelf, encodeShelf, shelfOf } from '../core/shelf.ts'
import { joinStored, pathOfKey, type StoredDirectory, type StoredPage } from '../core/tree.ts'
import { assert } from '../std/assert.ts'
import { discard } from '../std/bytes.ts'
import type { State } from './open.ts'
import { bytesIn, isUnsound, numberIn, textIn } from './row.ts'

/** What `Tree.takeChanges` gives: all that differs from what was loaded or saved last. */
export type TreeChanges = { readonly put: readonly StoredPage[]; readonly removed: readonly string[] }

const shelfBytes = 16 * 1024
/** Shelves are made twice as many when they have grown to this size on average. */
const shelfMaxBytes = 4 * shelfBytes

/**
 * A tree as it lies on its shelves, and the view of its summaries: for handing to the thread that decodes them. The
 * buffers are the caller's. Nothing, and '', for a tree that is not known.
 */
export function loadTreeShelves(state: State, treeKey: string): { viewId: string; shelves: Uint8Array[] } {
  return state.read(() => {
    const tree = findTree(state, treeKey)
    state.generations.set(treeKey, tree?.generation ?? 0)
    return { viewId: tree?.viewId ?? '', shelves: tree === undefined ? [] : shelfBodies(state, tree) }
  })
}

/**
 * The directories of a tree and the view of their summaries; nothing, and '', for a tree that is not known.
 * Records are views that share buffers: they may be read and copied, and must never be transferred to another thread.
 */
export function loadTree(state: State, treeKey: string): { viewId: string; directories: StoredDirectory[] } {
  try {
    return state.read(() => {
      const tree = findTree(state, treeKey)
      const directories = tree === undefined ? [] : [...joinStored(loadShelves(state, tree))]
      state.generations.set(treeKey, tree?.generation ?? 0)
      return { viewId: tree?.viewId ?? '', directories }
    })
  } catch (error) {
    // SQLite has no checksums: what was damaged within a blob is found only here.
    if (!isUnsound(error)) throw error
    forgetTree(state, treeKey)
    state.notices.push('What was remembered of a folder was damaged. The next run looks at all of it again.')
    return { viewId: '', directories: [] }
  }
}

/** One directory of a tree as it was last seen, or undefined where it is not known. */
export function loadDirectory(state: State, treeKey: string, path: RelPath): StoredDirectory | undefined {
  try {
    return state.read(() => {
      const tree = findTree(state, treeKey)
      if (tree === undefined) return undefined
      const select = state.prepare('SELECT body FROM shelves WHERE tree = ? AND shelf = ?')
      const row = select.get(tree.id, shelfOf(path, tree.shelfCount))
      const shelf = row === undefined ? [] : decodeShelf(bytesIn(row, 'body'), tree.viewId)
      const first = shelf.find(({ key }) => key === path)
      if (first === undefined) return undefined
      // The further pages of a large directory lie on any shelf.
      const pages =
        first.page.pages === 1 ? [first] : loadShelves(state, tree).filter(({ key }) => pathOfKey(key) === path)
      return [...joinStored(pages)][0]
    })
  } catch (error) {
    if (!isUnsound(error)) throw error
    return undefined
  }
}

/**
 * Saves what differs from what this State loaded or saved last of this tree. Summaries belong to `viewId`; those stored
 * under another view are dropped.
 */
export function saveTree(state: State, treeKey: string, viewId: string, changes: TreeChanges): void {
  for (const { viewId: of, summary } of changes.put) {
    assert(summary === undefined || of === viewId, 'a summary is saved under its own view')
  }
  const save = (): void => {
    const found = findTree(state, treeKey)
    const known = state.generations.get(treeKey)
    const generation = Math.max(found?.generation ?? 0, known ?? 0) + 1
    const tree = putTree(state, treeKey, { viewId, generation, shelfCount: found?.shelfCount ?? 1 })
    const isOurs = found !== undefined && found.generation === known
    if (!(isOurs && changeStored(state, tree, found.viewId === viewId, changes))) putAll(state, tree, changes.put)
  }
  try {
    state.write(save)
  } catch (error) {
    distrustTree(state, treeKey)
    throw error
  }
}

/** Some of what differs; with `more`, further parts follow. `sizeBytes` is what the whole tree has. */
export type TreePart = TreeChanges & { readonly more: boolean; readonly sizeBytes: number }

/** The view of a tree whose parts are not all saved: its summaries are those of no view. */
const unfinishedView = ''

/**
 * The same as `saveTree`, a part at a time, each in a transaction of its own. Until the last one is saved no summary of
 * the tree counts, so what is cut off in between costs the next run some hashing, and no more.
 */
export function saveTreePart(state: State, treeKey: string, viewId: string, part: TreePart): void {
  const { more, sizeBytes } = part
  const save = (): void => {
    const found = findTree(state, treeKey)
    const known = state.generations.get(treeKey)
    const generation = Math.max(found?.generation ?? 0, known ?? 0) + 1
    const goesOn = found !== undefined && found.generation === known && [viewId, unfinishedView].includes(found.viewId)
    const shelfCount = found?.shelfCount ?? 1
    const tree = putTree(state, treeKey, { viewId: more ? unfinishedView : viewId, generation, shelfCount })
    if (goesOn && changeStored(state, tree, true, part)) return
    // The first of many says how many shelves all of them need.
    putAll(state, tree, part.put, more ? sizeBytes : undefined)
  }
  try {
    state.write(save)
  } catch (error) {
    distrustTree(state, treeKey)
    throw error
  }
}

/** After changes were lost: what is stored is no longer what they build on, and the next save starts from nothing. */
export function distrustTree(state: State, treeKey: string): void {
  state.generations.delete(treeKey)
}

/** Applies the changes to what is stored. False where that is damaged: the caller starts from nothing. */
function changeStored(state: State, tree: Tree, isSameView: boolean, changes: TreeChanges): boolean {
  try {
    if (isSameView) {
      changeShelves(state, tree, changes)
      if (storedBytes(state, tree) > tree.shelfCount * shelfMaxBytes) putAll(state, tree, loadShelves(state, tree))
    } else {
      // Under another view no summary that stays is worth anything.
      const stored = loadShelves(state, tree).map(({ key, page }) => ({ key, page, viewId: '', summary: undefined }))
      putAll(state, tree, changed(stored, changes.removed, changes.put))
    }
    return true
  } catch (error) {
    if (!isUnsound(error)) throw error
    return false
  }
}

/** Forgets all that was seen of a tree. Its row stays, so that its generations go on rising. */
export function forgetTree(state: State, treeKey: string): void {
  state.write(() => {
    const tree = findTree(state, treeKey)
    if (tree === undefined) return
    deleteShelves(state, tree.id)
    putTree(state, treeKey, { ...tree, viewId: '', generation: tree.generation + 1 })
  })
}

/** Forgets all but the `max` trees that were begun last, of those whose keys begin with `place`. */
export function forgetOldTrees(state: State, place: string, max: number): void {
  state.write(() => {
    const old = state
      .prepare(
        'SELECT id, tree_key FROM trees WHERE tree_key >= ?1 AND tree_key < ?2 ORDER BY id DESC LIMIT -1 OFFSET ?3',
      )
      .all(place, `${place}\u{10ffff}`, max)
    for (const row of old) {
      deleteShelves(state, numberIn(row, 'id'))
      state.prepare('DELETE FROM trees WHERE id = ?').run(numberIn(row, 'id'))
      state.generations.delete(textIn(row, 'tree_key'))
    }
  })
}

type Tree = {
  readonly id: number
  readonly viewId: string
  readonly generation: number
  readonly shelfCount: number
}

function findTree(state: State, treeKey: string): Tree | undefined {
  const row = state.prepare('SELECT id, view_id, generation, shelf_count FROM trees WHERE tree_key = ?').get(treeKey)
  if (row === undefined) return undefined
  return {
    id: numberIn(row, 'id'),
    viewId: textIn(row, 'view_id'),
    generation: numberIn(row, 'generation'),
    shelfCount: numberIn(row, 'shelf_count'),
  }
}

/** Writes the tree's row, which from now on is what this State knows. */
function putTree(state: State, treeKey: string, { viewId, generation, shelfCount }: Omit<Tree, 'id'>): Tree {
  const put = state.prepare(`
    INSERT INTO trees (tree_key, view_id, generation, shelf_count) VALUES (?, ?, ?, ?)
    ON CONFLICT (tree_key) DO UPDATE SET view_id = excluded.view_id, generation = excluded.generation
    RETURNING id
  `)
  const id = numberIn(put.get(treeKey, viewId, generation, shelfCount) ?? {}, 'id')
  state.generations.set(treeKey, generation)
  return { id, viewId, generation, shelfCount }
}

function shelfBodies(state: State, tree: Tree): Uint8Array[] {
  const rows = state.prepare('SELECT body FROM shelves WHERE tree = ?').all(tree.id)
  return rows.map((row) => bytesIn(row, 'body'))
}

function loadShelves(state: State, tree: Tree): StoredPage[] {
  return shelfBodies(state, tree).flatMap((body) => decodeShelf(body, tree.viewId))
}

/** Rewrites the shelves on which something changed. */
function changeShelves(state: State, tree: Tree, { put, removed }: TreeChanges): void {
  const puts = byShelf(put, ({ key }) => key, tree.shelfCount)
  const removals = byShelf(removed, (key) => key, tree.shelfCount)
  const select = state.prepare('SELECT body FROM shelves WHERE tree = ? AND shelf = ?')
  for (const shelf of new Set([...puts.keys(), ...removals.keys()])) {
    const row = select.get(tree.id, shelf)
    const stored = row === undefined ? [] : decodeShelf(bytesIn(row, 'body'), tree.viewId)
    putShelf(state, tree.id, shelf, changed(stored, removals.get(shelf) ?? [], puts.get(shelf) ?? []))
  }
}

function changed(stored: readonly StoredPage[], removed: readonly string[], put: readonly StoredPage[]): StoredPage[] {
  const kept = new Map(stored.map((page) => [page.key, page]))
  for (const key of removed) kept.delete(key)
  for (const page of put) kept.set(page.key, page)
  return [...kept.values()]
}

/** Replaces all that is stored of a tree, on as many shelves as it needs now. */
function putAll(state: State, tree: Tree, pages: readonly StoredPage[], expectedBytes = 0): void {
  let sizeBytes = 0
  for (const { page } of pages) sizeBytes += page.bytes.length
  sizeBytes = Math.max(sizeBytes, expectedBytes)
  const shelfCount = 2 ** Math.ceil(Math.log2(Math.max(1, sizeBytes / shelfBytes)))
  deleteShelves(state, tree.id)
  state.prepare('UPDATE trees SET shelf_count = ? WHERE id = ?').run(shelfCount, tree.id)
  for (const [shelf, those] of byShelf(pages, ({ key }) => key, shelfCount)) putShelf(state, tree.id, shelf, those)
}

function putShelf(state: State, tree: number, shelf: number, directories: readonly StoredPage[]): void {
  if (directories.length === 0) state.prepare('DELETE FROM shelves WHERE tree = ? AND shelf = ?').run(tree, shelf)
  else {
    // An update in place, unlike a replacement, overwrites a body of equal size where it lies.
    const put = state.prepare(`
      INSERT INTO shelves (tree, shelf, body) VALUES (?, ?, ?) ON CONFLICT (tree, shelf) DO UPDATE SET body = excluded.body
    `)
    const body = encodeShelf(directories)
    put.run(tree, shelf, body)
    discard(body)
  }
}

function byShelf<Item>(items: readonly Item[], keyOf: (item: Item) => string, shelfCount: number): Map<number, Item[]> {
  const shelves = new Map<number, Item[]>()
  for (const item of items) {
    const shelf = shelfOf(keyOf(item), shelfCount)
    const there = shelves.get(shelf)
    if (there === undefined) shelves.set(shelf, [item])
    else there.push(item)
  }
  return shelves
}

function storedBytes(state: State, tree: Tree): number {
  const sum = state.prepare('SELECT coalesce(sum(length(body)), 0) AS bytes FROM shelves WHERE tree = ?').get(tree.id)
  return numberIn(sum ?? {}, 'bytes')
}

function deleteShelves(state: State, tree: number): void {
  state.prepare('DELETE FROM shelves WHERE tree = ?').run(tree)
}
