// The renames that a plan begins with, on disk and in the tree of the target: of directories, and of anything whose name
// only gets another spelling where both are one name. Each looks at what is there before, takes no name that is in use, and
// shows nothing that the rules hide. What can't be moved stays, and is a problem.

import { isDirectoryHidden, wouldExpose } from '../core/exposed.ts'
import { type LinkPolicy, mayMove } from '../core/links.ts'
import type { Naming } from '../core/naming.ts'
import { isWithin, nameOf, parentOf, type RelPath } from '../core/path.ts'
import type { Problem, ProblemCode } from '../core/problem.ts'
import type { DirectoryMove } from '../core/renames.ts'
import { statWidth } from '../core/stat.ts'
import type { Tree } from '../core/tree.ts'
import { utf8 } from '../std/bytes.ts'
import { makeParents, renameDirectory } from './directories.ts'
import type { Change, MoveChange } from './manifest.ts'
import { isRespelling, type Respelling, respell } from './respell.ts'
import type { Sys } from './sys.ts'

export type Moved = {
  readonly moved: DirectoryMove[]
  /** Parents that were missing. */
  readonly made: RelPath[]
  readonly problems: Problem[]
}

/**
 * Renames one after the other; a later one finds the tree as the earlier ones left it. `respelling` has what
 * `respellings` found, which are in the journal.
 */
export function moveDirectories(
  sys: Sys,
  root: number,
  tree: Tree,
  moves: readonly DirectoryMove[],
  links?: LinkPolicy,
  respelling?: { readonly staging: number; readonly slots: ReadonlyMap<RelPath, Respelling>; nowMs(): number },
): Moved {
  const done: Moved = { moved: [], made: [], problems: [] }
  for (const move of moves) {
    const code = moveNext(move)
    if (code !== undefined) done.problems.push({ path: move.from, code, detail: 'rename' })
    else done.moved.push(move)
  }
  return done

  function moveNext(move: DirectoryMove): ProblemCode | undefined {
    const respelled = respelling?.slots.get(move.to)
    if (respelling !== undefined && respelled !== undefined)
      return respell(sys, { root, staging: respelling.staging }, tree, move, respelled, respelling.nowMs)
    return mayMove(links, move) ? moveOne(sys, root, tree, move, done.made) : 'link-outside'
  }
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
  const code = renameDirectory(sys, root, from, to, parent.stats(row).slice(parent.at(row), parent.at(row) + statWidth))
  if (code === undefined) tree.move(from, to)
  return code
}

/**
 * What `moveDirectories` is about to do, for the run's manifest. A later move may start below what an earlier one brought
 * there; the tree still has it where it was.
 */
export function moveIntents(tree: Tree, moves: readonly DirectoryMove[], naming?: Naming | undefined): MoveChange[] {
  const intents: MoveChange[] = []
  const made = new Set<RelPath>()
  for (const [i, { from, to }] of moves.entries()) {
    // Another spelling of one name is no change that an undo could find.
    if (isRespelling({ from, to }, naming)) continue
    const origin = moves.slice(0, i).reduceRight((path, move) => originOf(path, move), from)
    const parent = tree.record(parentOf(origin))
    const row = parent?.find(utf8(nameOf(origin))) ?? -1
    if (parent === undefined || row < 0) continue
    const parents: RelPath[] = []
    for (let at = parentOf(to); at !== '' && !made.has(at); at = parentOf(at)) {
      const known = moves.slice(0, i).reduceRight((path, move) => originOf(path, move), at)
      if (tree.record(known) !== undefined) break
      parents.unshift(at)
    }
    for (const path of parents) made.add(path)
    const before = [...parent.stats(row).subarray(parent.at(row), parent.at(row) + statWidth)]
    intents.push({ a: 'moved-directory', path: from, movedTo: to, before, parents })
  }
  return intents
}

function originOf(path: RelPath, { from, to }: DirectoryMove): RelPath {
  return isWithin(path, to) ? (`${from}${path.slice(to.length)}` as RelPath) : path
}

/** What became of what was told: renames that did not happen, and parents that were there after all. */
export function moveCorrections(
  intents: readonly MoveChange[],
  moved: readonly DirectoryMove[],
  made: readonly RelPath[],
): Change[] {
  return intents.flatMap((intent): Change[] => {
    const { path, movedTo, parents } = intent
    if (!moved.some(({ from, to }) => from === path && to === movedTo)) return [{ a: 'refused', path, movedTo }]
    const really = parents.filter((parent) => made.includes(parent))
    return really.length === parents.length ? [] : [{ ...intent, parents: really }]
  })
}
