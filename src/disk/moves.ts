// The renames of directories that a plan begins with, on disk and in the tree of the target: each looks at what is there
// before, takes no name that is in use, and shows nothing that the rules hide. What can't be moved stays, and is a problem.

import { isDirectoryHidden, wouldExpose } from '../core/exposed.ts'
import { nameOf, parentOf, type RelPath } from '../core/path.ts'
import type { Problem, ProblemCode } from '../core/problem.ts'
import type { DirectoryMove } from '../core/renames.ts'
import { statWidth } from '../core/stat.ts'
import type { Tree } from '../core/tree.ts'
import { utf8 } from '../std/bytes.ts'
import { makeParents, renameDirectory } from './directories.ts'
import type { Sys } from './sys.ts'

export type Moved = {
  readonly moved: DirectoryMove[]
  /** Parents that were missing. */
  readonly made: RelPath[]
  readonly problems: Problem[]
}

/** Renames the directories one after the other; a later one finds the tree as the earlier ones left it. */
export function moveDirectories(sys: Sys, root: number, tree: Tree, moves: readonly DirectoryMove[]): Moved {
  const done: Moved = { moved: [], made: [], problems: [] }
  for (const move of moves) {
    const code = moveOne(sys, root, tree, move, done.made)
    if (code !== undefined) done.problems.push({ path: move.from, code, detail: 'rename' })
    else done.moved.push(move)
  }
  return done
}

function moveOne(
  sys: Sys,
  root: number,
  tree: Tree,
  { from, to }: DirectoryMove,
  made: RelPath[],
): ProblemCode | undefined {
  const parent = tree.record(parentOf(from))
  const row = parent?.find(utf8(nameOf(from))) ?? -1
  if (parent === undefined || row < 0 || tree.record(from) === undefined) return 'target-changed'
  if (isDirectoryHidden(tree, from)) return 'target-changed'
  if (wouldExpose(tree, from, to)) return 'not-empty'
  const parents = makeParents(sys, root, to)
  if (typeof parents === 'string') return parents
  made.push(...parents)
  const code = renameDirectory(sys, root, from, to, parent.stats.slice(parent.at(row), parent.at(row) + statWidth))
  if (code === undefined) tree.move(from, to)
  return code
}
