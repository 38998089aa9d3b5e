// Names that get another spelling on a root for which both spellings are one name (`Foo` becomes `foo`). A plain rename does
// nothing there, so the entry goes through the staging directory, and the journal says beforehand where it belongs. An
// entry that is not what the scan saw stays as it is.

import { isCopied } from '../core/entry.ts'
import { isDirectoryHidden } from '../core/exposed.ts'
import { foldName, type Naming } from '../core/naming.ts'
import { isWithin, nameOf, parentOf, type RelPath } from '../core/path.ts'
import type { ProblemCode } from '../core/problem.ts'
import type { DirectoryMove } from '../core/renames.ts'
import { sameFile, statMode, statWidth, typeDirectory, typeMask } from '../core/stat.ts'
import type { Tree } from '../core/tree.ts'
import { isHidden, isOutsideRow, kindOf } from '../core/view.ts'
import { equalBytes, utf8 } from '../std/bytes.ts'
import { randomName } from '../std/random.ts'
import { keepAside } from './aside.ts'
import { sameDirectory, unlockDirectory } from './directories.ts'
import type { Displacement } from './journal.ts'
import { refusalCode } from './refusal.ts'
import { rescanDirectories } from './scan.ts'
import { EntryTable, errno, type Sys } from './sys.ts'

/** One that is about to be carried out: where it lies in between, and what the scan saw. */
export type Respelling = Displacement

/** Whether a move only spells a name otherwise. */
export function isRespelling({ from, to }: DirectoryMove, naming: Naming | undefined): boolean {
  if (naming === undefined || from === to || parentOf(from) !== parentOf(to)) return false
  return foldName(nameOf(from), naming) === foldName(nameOf(to), naming)
}

/** Of the moves of a plan, those that only spell names otherwise and may be done, by their new path. */
export function respellings(
  tree: Tree,
  moves: readonly DirectoryMove[],
  naming: Naming | undefined,
): Map<RelPath, Respelling> {
  const found = new Map<RelPath, Respelling>()
  for (const [i, move] of moves.entries()) {
    if (!isRespelling(move, naming)) continue
    // The tree has it where it lies before any of them is done.
    const origin = moves.slice(0, i).reduceRight((path, earlier) => before(path, earlier), move.from)
    const expected = shownRow(tree, origin)
    if (expected === undefined) continue
    found.set(move.to, { slot: `d${randomName()}`, path: move.from, expected: [...expected], staged: undefined })
  }
  return found
}

function before(path: RelPath, { from, to }: DirectoryMove): RelPath {
  return isWithin(path, to) ? (`${from}${path.slice(to.length)}` as RelPath) : path
}

/** What the scan saw at a path; undefined for what the rules hide, and for what is never copied. */
function shownRow(tree: Tree, path: RelPath): Uint32Array | undefined {
  const directory = parentOf(path)
  const record = tree.record(directory)
  const row = record?.find(utf8(nameOf(path))) ?? -1
  if (record === undefined || row < 0 || isDirectoryHidden(tree, directory)) return undefined
  if (!isCopied(kindOf(record, row)) || isHidden(record, row, tree.scopeAt(directory))) return undefined
  if (isOutsideRow(record, row, tree.sizes)) return undefined
  return record.stats(row).slice(record.at(row), record.at(row) + statWidth)
}

/** Carries one out, on disk and in the tree. Undefined, or why it stayed as it was. */
export function respell(
  sys: Sys,
  handles: { readonly root: number; readonly staging: number },
  tree: Tree,
  { from, to }: DirectoryMove,
  { slot, expected }: Respelling,
  nowMs: () => number,
): ProblemCode | undefined {
  const directory = parentOf(from)
  const parent = sys.openDirectory(handles.root, utf8(directory))
  if (parent < 0) return 'target-changed'
  const isDirectory = ((expected[statMode] as number) & typeMask) === typeDirectory
  const moved = isDirectory ? sys.openDirectory(parent, utf8(nameOf(from))) : -1
  const locks = [parent, moved].map((handle) => unlockDirectory(sys, handle))
  const code = changeName(sys, { ...handles, parent }, { from, to, slot }, Uint32Array.from(expected))
  for (const lock of locks.reverse()) lock?.()
  if (moved >= 0) sys.close(moved)
  sys.close(parent)
  if (code !== undefined) return code
  if (isDirectory) tree.move(from, to)
  rescanDirectories(sys, handles.root, tree, [directory], nowMs)
  return undefined
}

function changeName(
  sys: Sys,
  { parent, staging }: { readonly parent: number; readonly staging: number },
  names: { readonly from: RelPath; readonly to: RelPath; readonly slot: string },
  seen: Uint32Array,
): ProblemCode | undefined {
  const [from, to, slot] = [utf8(nameOf(names.from)), utf8(nameOf(names.to)), utf8(names.slot)]
  const row = new Uint32Array(statWidth)
  const isSeen = (): boolean => {
    const isDirectory = ((seen[statMode] as number) & typeMask) === typeDirectory
    return isDirectory ? sameDirectory(row, seen) : sameFile(row, 0, seen, 0)
  }
  if (sys.stat(parent, from, row, 0) < 0 || !isSeen()) return 'target-changed'
  // The other spelling leads to the same, or to nothing where they are two names after all. Some drivers number an entry anew
  // for each spelling (exFAT by FUSE): then what the directory lists says whether it is a name of its own.
  const there = sys.stat(parent, to, row, 0)
  if (there !== -errno.ENOENT && (there < 0 || (!isSeen() && isListed(sys, parent, to)))) return 'target-changed'
  const aside = sys.renameNoReplace(parent, from, staging, slot)
  if (aside < 0) return refusalCode(aside)
  // RACE: what took the name since the look is in our hands now, and goes back.
  const isOther = sys.stat(staging, slot, row, 0) < 0 || !isSeen()
  const code = isOther ? -errno.EEXIST : sys.renameNoReplace(staging, slot, parent, to)
  if (code === 0) return undefined
  if (sys.renameNoReplace(staging, slot, parent, from) < 0) keepAside(sys, staging, slot, names.from)
  return refusalCode(code)
}

/** In doubt it is. */
function isListed(sys: Sys, parent: number, name: Uint8Array): boolean {
  const table = new EntryTable()
  const count = sys.list(parent, table, 0)
  if (count < 0) return true
  return Array.from({ length: count }, (_, row) => row).some((row) => equalBytes(table.name(row), name))
}
