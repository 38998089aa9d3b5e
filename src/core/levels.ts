// The directories of a tree, a level after the other: in the order in which somebody far away will ask for them. Looks at
// records only; makes no listing and no summary.

import { joinPath, type RelPath, rootPath } from './path.ts'
import { typeDirectory } from './stat.ts'
import type { Tree } from './tree.ts'
import { isHidden } from './view.ts'

/** All below these directories, without themselves; all of the tree where there are none. What the rules of its view hide is left out. */
export function* allLevels(tree: Tree, from: readonly RelPath[]): Generator<RelPath, void, undefined> {
  if (from.length === 0) yield rootPath
  yield* walk(tree, from.length === 0 ? [rootPath] : from, () => true)
}

/**
 * The directories in which something is not as it was stored, those among them in which only something below is not; from
 * the root on. All, where nothing was stored.
 */
export function* changedLevels(tree: Tree): Generator<RelPath, void, undefined> {
  const isChanged = (path: RelPath): boolean => tree.record(path)?.pages.some((page) => !page.isStored) ?? false
  if (!isChanged(rootPath)) return
  yield rootPath
  yield* walk(tree, [rootPath], isChanged)
}

function* walk(tree: Tree, from: readonly RelPath[], takes: (path: RelPath) => boolean): Generator<RelPath> {
  for (let level = from; level.length > 0; ) {
    const next: RelPath[] = []
    for (const path of level) {
      for (const below of directoriesIn(tree, path)) {
        if (!takes(below)) continue
        next.push(below)
        yield below
      }
    }
    level = next
  }
}

function* directoriesIn(tree: Tree, path: RelPath): Generator<RelPath> {
  const record = tree.record(path)
  if (record === undefined) return
  const scope = tree.scopeAt(path)
  for (let row = 0; row < record.count; row++) {
    if (record.type(row) !== typeDirectory || isHidden(record, row, scope)) continue
    const below = joinPath(path, record.name(row))
    if (tree.record(below) !== undefined) yield below
  }
}
