// How an undo renames directories back: what it is about to do, as lines of its manifest, and the deed. What was made for a
// rename goes where nothing is in it, and what went with one comes back with the mode that it had.

import type { RelPath } from '../core/path.ts'
import type { Problem } from '../core/problem.ts'
import { utf8 } from '../std/bytes.ts'
import { makeParents, renameDirectory, unlockDirectory } from './directories.ts'
import type { Change } from './manifest.ts'
import type { Sys } from './sys.ts'
import type { UndoMove, UndoPlan } from './undo-steps.ts'

export function moveIntents(plan: UndoPlan): Change[] {
  return plan.moves.map(({ from, to, seen, goes, comes }) => {
    const parents = comes.map(({ path }) => path)
    const move = { a: 'moved-directory', path: from, movedTo: to, before: [...seen], parents, above: goes } as const
    return plan.movesFirst ? move : { ...move, isLast: true }
  })
}

/** The directory that holds this path, opened. */
export function openParent(sys: Sys, base: number, path: RelPath): number {
  return sys.openDirectory(base, utf8(path.slice(0, Math.max(0, path.lastIndexOf('/')))))
}

/** The last name of a path. */
export function lastOf(path: RelPath): Uint8Array {
  return utf8(path.slice(path.lastIndexOf('/') + 1))
}

/** Renames one back. The problem's code, or undefined. */
export function moveBack(
  sys: Sys,
  root: number,
  { from, to, seen, goes, comes }: UndoMove,
): Problem['code'] | undefined {
  const made = makeParents(sys, root, to)
  const code = typeof made === 'string' ? made : renameDirectory(sys, root, from, to, seen)
  for (const { path } of [...goes].reverse()) removeEmpty(sys, root, path)
  for (const { path, mode } of comes) setMode(sys, root, path, mode)
  return code
}

/** Takes a directory away, only where nothing is in it. */
export function removeEmpty(sys: Sys, root: number, path: RelPath): void {
  const parent = openParent(sys, root, path)
  if (parent < 0) return
  const lock = unlockDirectory(sys, parent)
  sys.removeDirectory(parent, lastOf(path))
  lock?.()
  sys.close(parent)
}

function setMode(sys: Sys, root: number, path: RelPath, mode: number): void {
  const handle = sys.openDirectory(root, utf8(path))
  if (handle < 0) return
  sys.setMode(handle, mode)
  sys.close(handle)
}
