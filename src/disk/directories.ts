// What happens to a directory itself, apart from its entries: it is renamed within the root, and it gets its mode and
// time once everything in it is done. Looks before it acts, and takes no name that is in use.

import type { Entry } from '../core/entry.ts'
import { nameOf, parentOf, type RelPath } from '../core/path.ts'
import type { SectionHead } from '../core/plan.ts'
import type { ProblemCode } from '../core/problem.ts'
import { statInodeHigh, statInodeLow, statMode, statWidth, typeDirectory, typeMask } from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import { dress, dressSymlink, notSeen, type Wardrobe } from './dress.ts'
import { refusalCode } from './refusal.ts'
import { errno, type Sys } from './sys.ts'

/** A directory's times change with its entries; its identity is its inode. What is in it is looked at when it is dropped. */
export function sameDirectory(row: Uint32Array, seen: Uint32Array): boolean {
  const isDirectory = ((row[statMode] as number) & typeMask) === typeDirectory
  return isDirectory && row[statInodeLow] === seen[statInodeLow] && row[statInodeHigh] === seen[statInodeHigh]
}

/**
 * Makes the directories above `path` that are missing; they get their modes when everything is done. Those that it made,
 * parents first, or what the file system says.
 */
export function makeParents(sys: Sys, root: number, path: RelPath): RelPath[] | ProblemCode {
  const missing: RelPath[] = []
  let handle = -1
  for (let at = parentOf(path); ; at = parentOf(at)) {
    handle = sys.openDirectory(root, utf8(at))
    if (handle !== -errno.ENOENT || at === '') break
    missing.unshift(at)
  }
  if (handle < 0) return refusalCode(handle)
  for (const at of missing) {
    const lock = unlockDirectory(sys, handle)
    // RACE: what someone else made meanwhile is a parent as good as ours.
    const made = sys.makeDirectory(handle, utf8(nameOf(at)), 0o700)
    lock?.()
    const next = made < 0 && made !== -errno.EEXIST ? made : sys.openDirectory(handle, utf8(nameOf(at)))
    sys.close(handle)
    if (next < 0) return refusalCode(next)
    handle = next
  }
  sys.close(handle)
  return missing
}

/** Renames a directory within the root. The new name must be free; the directory must be the one that was seen. */
export function renameDirectory(
  sys: Sys,
  root: number,
  from: RelPath,
  to: RelPath,
  seen: Uint32Array,
): ProblemCode | undefined {
  const fromParent = sys.openDirectory(root, utf8(parentOf(from)))
  const toParent = sys.openDirectory(root, utf8(parentOf(to)))
  const row = new Uint32Array(statWidth)
  try {
    if (fromParent < 0 || toParent < 0) return 'target-changed'
    if (sys.stat(fromParent, utf8(nameOf(from)), row, 0) < 0 || !sameDirectory(row, seen)) return 'target-changed'
    const moved = sys.openDirectory(fromParent, utf8(nameOf(from)))
    // A new parent is written into the directory itself: its owner must be able to.
    const locks = [fromParent, toParent, moved].map((handle) => unlockDirectory(sys, handle))
    const code = sys.renameNoReplace(fromParent, utf8(nameOf(from)), toParent, utf8(nameOf(to)))
    for (const lock of locks.reverse()) lock?.()
    if (moved >= 0) sys.close(moved)
    return code < 0 ? refusalCode(code) : undefined
  } finally {
    if (fromParent >= 0) sys.close(fromParent)
    if (toParent >= 0) sys.close(toParent)
  }
}

/** Sets a directory's own mode and time; for after everything in it is done. */
export function finishDirectory(sys: Sys, root: number, head: SectionHead, setsSpecial = false): void {
  const handle = sys.openDirectory(root, utf8(head.path))
  if (handle < 0) return
  if (head.state !== 'present') setDirectoryMode(sys, handle, head.mode, setsSpecial)
  // A courtesy: a directory's time is never compared.
  sys.setTimes(handle, head.mtimeSeconds, head.mtimeNs)
  sys.close(handle)
}

/**
 * Sets the permissions of an open directory. Set-group-id and its like are the target's own, and stay, unless the plan
 * sets them.
 */
export function setDirectoryMode(sys: Sys, handle: number, mode: number, setsSpecial: boolean): number {
  if (setsSpecial) return sys.setMode(handle, mode)
  const row = new Uint32Array(statWidth)
  const own = sys.statHandle(handle, row, 0) < 0 ? 0 : (row[statMode] as number) & 0o7000
  return sys.setMode(handle, (mode & 0o777) | own)
}

/**
 * A new directory gets its owner, its attributes and its time, and its mode unless that keeps its owner out: then it gets
 * it when all is done. Zero, or the negative errno of what could not be given to it.
 */
export function dressDirectory(sys: Sys, handle: number, head: SectionHead, wardrobe: Wardrobe): number {
  const { mode, code } = dress(sys, handle, head, wardrobe)
  if (isOpenToOwner(mode)) setDirectoryMode(sys, handle, mode, wardrobe.setsSpecial)
  sys.setTimes(handle, head.mtimeSeconds, head.mtimeNs)
  return code
}

/**
 * Sets mode and time of an entry that is there, as far as its kind has them, and what else the wardrobe carries. `isSeen` is
 * asked about the open handle: the name may have been given to another file since it was looked at. `sync`: it is on disk
 * then, except for a symlink, which is with its directory. `lacks` hears of what could not be given. Zero or a negative errno.
 */
export function setAttributes(
  sys: Sys,
  directory: number,
  name: Uint8Array,
  entry: Entry,
  isSeen: (handle: number) => boolean,
  { sync, wardrobe, lacks }: { sync: boolean; wardrobe: Wardrobe; lacks: (code: number) => void },
): number {
  if (entry.kind === 'symlink') {
    const code = dressSymlink(sys, directory, name, entry.attributes, wardrobe, isSeen)
    if (code === notSeen) return code
    lacks(code)
    return sys.setTimesAt(directory, name, entry.mtimeSeconds, entry.mtimeNs)
  }
  const isDirectory = entry.kind === 'directory'
  const handle = isDirectory ? sys.openDirectory(directory, name) : sys.openFile(directory, name)
  if (handle < 0) return handle
  let code: number
  // RACE: whatever took the name meanwhile is not ours to change.
  if (!isSeen(handle)) code = -errno.EEXIST
  else {
    const dressed = dress(sys, handle, entry, wardrobe)
    lacks(dressed.code)
    code = isDirectory
      ? setDirectoryMode(sys, handle, dressed.mode, wardrobe.setsSpecial)
      : sys.setMode(handle, dressed.mode)
  }
  if (code === 0 && !isDirectory) code = sys.setTimes(handle, entry.mtimeSeconds, entry.mtimeNs)
  if (code === 0 && sync) code = sys.syncHandle(handle)
  sys.close(handle)
  return code
}

const ownerMayWrite = 0o300

/**
 * Whether a directory of this mode can be worked in by its owner: opened, which needs the right to read it, and changed.
 * Another one gets its mode when all in it is done.
 */
function isOpenToOwner(mode: number): boolean {
  return (mode & 0o700) === 0o700
}

/**
 * Lets the owner write in an open directory where its mode does not: what changes in there is the plan's, and its mode
 * is set again by what is returned. Undefined where nothing has to be done, or can be.
 */
export function unlockDirectory(sys: Sys, handle: number): (() => void) | undefined {
  const row = new Uint32Array(statWidth)
  if (handle < 0 || sys.statHandle(handle, row, 0) < 0) return undefined
  const mode = (row[statMode] as number) & 0o7777
  if ((mode & ownerMayWrite) === ownerMayWrite) return undefined
  return sys.setMode(handle, mode | ownerMayWrite) < 0 ? undefined : () => void sys.setMode(handle, mode)
}

/** Of the directories that a run worked in: new ones that nothing was put into later have their mode and time already. */
export function unfinishedHeads(heads: readonly SectionHead[]): SectionHead[] {
  const parents = new Set(heads.map((head) => parentOf(head.path)))
  const unique = new Map<string, SectionHead>()
  for (const head of heads) {
    const done = head.state === 'new' && !parents.has(head.path) && isOpenToOwner(head.mode)
    const known = unique.get(head.path)
    if (!done && (known === undefined || known.state === 'present')) unique.set(head.path, head)
  }
  return [...unique.values()]
}

/** Moves a name to `slot` in the staging directory; a directory also where its owner may not write it. Zero or a negative errno. */
export function renameAside(
  sys: Sys,
  { directory, name, staging }: { readonly directory: number; readonly name: Uint8Array; readonly staging: number },
  slot: Uint8Array,
  isDirectory: boolean,
): number {
  const code = sys.renameNoReplace(directory, name, staging, slot)
  if (code !== -errno.EACCES || !isDirectory) return code
  // A directory that its owner may not write can't change its parent either.
  const handle = sys.openDirectory(directory, name)
  const lock = unlockDirectory(sys, handle)
  const again = lock === undefined ? code : sys.renameNoReplace(directory, name, staging, slot)
  if (again < 0) lock?.()
  if (handle >= 0) sys.close(handle)
  return again
}
