// What lies aside in the staging directory because a change displaced it: is it what the scan saw, and if not, how does
// it get back, or where is it kept. Nothing here removes anything that the scan did not see; what can't go back to its
// name gets a name that the clearing of the staging directory passes over, and ends in `.nightferry/kept`.

import { joinPath, nameOf, parentOf, type RelPath, rootPath } from '../core/path.ts'
import type { Problem } from '../core/problem.ts'
import { isAsSeen, sameFile, statMode, statWidth, typeDirectory, typeMask } from '../core/stat.ts'
import { concatBytes, decodeName, hex, utf8 } from '../std/bytes.ts'
import { randomName } from '../std/random.ts'
import { unlockDirectory } from './directories.ts'
import type { TargetHandles } from './landing.ts'
import type { SeenDirectory } from './staged.ts'
import { EntryTable, errno, type Sys } from './sys.ts'
import { openPlaceFor } from './versions.ts'

/** Something that lies in the staging directory, by what the scan saw of it. */
export type Aside = {
  readonly slot: string
  readonly path: RelPath
  readonly expected: Uint32Array
  /** Of a directory: what the scan saw in it. */
  readonly below: readonly SeenDirectory[] | undefined
  /** Nothing takes its place. */
  readonly isDeleted: boolean
  /** A file that only moved: its new name. */
  readonly movedTo?: RelPath | undefined
}

const keptMark = 0x6b
const slashByte = 0x2f
const keptDirectory = utf8('kept')
const keptNameMaxBytes = 200

/** Whether a name of the staging directory was given by `keepAside`. */
export function isKept(name: Uint8Array): boolean {
  return name[0] === keptMark
}

/** Keeps what lies under `slot`: no run clears it away. False where even that is refused, and it stays where it is. */
export function keepAside(sys: Sys, staging: number, slot: Uint8Array, path: RelPath): boolean {
  return sys.renameNoReplace(staging, slot, staging, keptName(path)) === 0
}

function keptName(path: RelPath): Uint8Array {
  let label = nameOf(path)
  while (utf8(label).length > keptNameMaxBytes) label = label.slice(0, -1)
  return utf8(`k${randomName()}-${label}`)
}

/** So many names of a staging directory are held at a time, beside those that stay: a run may displace millions. */
const atOnce = 10_000

/** Calls `take` with each name of a directory, with some more than once; it says whether the name is gone from there. */
export function eachName(sys: Sys, directory: number, take: (name: Uint8Array) => boolean): void {
  const table = new EntryTable()
  for (let stays = 0; ; ) {
    const most = stays + atOnce
    const listed = sys.list(directory, table, 0, most)
    stays = 0
    for (let row = 0; row < listed; row++) if (!take(table.name(row).slice())) stays++
    if (listed < most) return
  }
}

/** Where a person finds what was kept: `kept` in `.nightferry`, whose handle is `own`. Made with the first thing that comes. */
export class KeptPlace {
  readonly #sys: Sys
  readonly #own: number
  readonly #staging: number
  #handle = -1

  constructor(sys: Sys, own: number, staging: number) {
    this.#sys = sys
    this.#own = own
    this.#staging = staging
  }

  /** Moves something that `keepAside` named there. Where that fails it stays, and the next run tries again. */
  take(name: Uint8Array): boolean {
    return this.#move(name, name)
  }

  /** Moves something else there, as if it had been named so. */
  keep(name: Uint8Array, path: RelPath): boolean {
    return this.#move(name, keptName(path))
  }

  #move(name: Uint8Array, as: Uint8Array): boolean {
    if (this.#handle < 0) {
      this.#sys.makeDirectory(this.#own, keptDirectory, 0o700)
      this.#handle = this.#sys.openDirectory(this.#own, keptDirectory)
    }
    return this.#handle >= 0 && this.#sys.renameNoReplace(this.#staging, name, this.#handle, as.subarray(1)) === 0
  }

  close(): void {
    if (this.#handle >= 0) this.#sys.close(this.#handle)
  }
}

/**
 * Clears the staging directory of all but what was kept. By handles, as everything here: whoever may rename in the target
 * could put a symlink in its place. What can't be removed stays, and the next run tries again. With `kept` what was kept goes
 * there, else it stays.
 */
export function clearStaging(sys: Sys, staging: number, kept?: KeptPlace): void {
  // Grows while it is walked: parents come before children.
  const directories = [utf8('')]
  for (const path of directories) directories.push(...removeFiles(sys, staging, path, kept))
  for (const path of directories.slice(1).reverse()) {
    const slash = path.lastIndexOf(slashByte)
    const parent = sys.openDirectory(staging, path.subarray(0, Math.max(0, slash)))
    if (parent < 0) continue
    sys.removeDirectory(parent, path.subarray(slash + 1))
    sys.close(parent)
  }
}

/** Removes what is no directory from one; the paths of what stays. */
function removeFiles(sys: Sys, staging: number, path: Uint8Array, kept?: KeptPlace): Iterable<Uint8Array> {
  const handle = sys.openDirectory(staging, path)
  if (handle < 0) return []
  unlockDirectory(sys, handle)
  const stays = new Map<string, Uint8Array>()
  const isTop = path.length === 0
  eachName(sys, handle, (name) => {
    if (isTop && isKept(name)) return kept?.take(name) === true
    if (sys.unlink(handle, name) >= 0) return true
    stays.set(hex(name), isTop ? name : concatBytes([path, utf8('/'), name]))
    return false
  })
  sys.close(handle)
  return stays.values()
}

/** Whether a displaced directory holds, at any depth, something that the scan did not see or did not see like this. */
export function holdsUnseen(
  sys: Sys,
  staging: number,
  slot: string,
  path: RelPath,
  below: readonly SeenDirectory[],
): boolean {
  return below.some((directory) => {
    const handle = sys.openDirectory(staging, utf8(placeOf(slot, path, directory)))
    const listed = handle < 0 ? handle : sys.list(handle, table)
    if (handle >= 0) sys.close(handle)
    if (listed < 0) return true
    const rows = new Map(directory.names.map((name, i) => [hex(name), i * statWidth]))
    for (let row = 0; row < table.count; row++) {
      const at = rows.get(hex(table.name(row)))
      if (at === undefined) return true
      if (isDirectory(directory.rows, at) && isDirectory(table.stats, row * statWidth)) continue
      if (!isAsSeen(table.stats, row * statWidth, directory.rows, at)) return true
    }
    return false
  })
}

function isDirectory(stats: Uint32Array, at: number): boolean {
  return ((stats[at + statMode] as number) & typeMask) === typeDirectory
}

/** Where a directory that was seen at or below `path` lies now. */
function placeOf(slot: string, path: RelPath, directory: SeenDirectory): string {
  return directory.path === path ? slot : `${slot}/${directory.path.slice(path.length + 1)}`
}

const table = new EntryTable()

/**
 * Takes what is as it was seen out of a displaced directory: into `files` under its own path, or away where nothing is
 * kept. True when the directory is gone then.
 */
function takeSeen(
  sys: Sys,
  handles: TargetHandles,
  aside: Aside,
  below: readonly SeenDirectory[],
  kept: Kept,
): boolean {
  const { slot, path } = aside
  const { staging } = handles
  const isMovedGone = dropMoved(sys, handles, aside, below)
  if (kept.files >= 0 && isMovedGone && !holdsUnseen(sys, staging, slot, path, below)) {
    return kept.take(sys, staging, utf8(slot), path) === 0
  }
  const row = new Uint32Array(statWidth)
  for (const directory of [...below].reverse()) {
    const handle = sys.openDirectory(staging, utf8(placeOf(slot, path, directory)))
    if (handle < 0) continue
    const lock = unlockDirectory(sys, handle)
    directory.names.forEach((name, i) => {
      if (sys.stat(handle, name, row, 0) < 0) return
      if (isDirectory(row, 0)) sys.removeDirectory(handle, name)
      else if (directory.movedTo?.[i] === undefined && isAsSeen(row, 0, directory.rows, i * statWidth)) {
        takeFile(sys, handle, name, directory.path, kept)
      }
    })
    lock?.()
    sys.close(handle)
  }
  const removed = sys.removeDirectory(staging, utf8(slot))
  return removed === 0 || removed === -errno.ENOENT
}

function takeFile(sys: Sys, directory: number, name: Uint8Array, path: RelPath, kept: Kept): void {
  if (kept.files < 0) sys.unlink(directory, name)
  else kept.take(sys, directory, name, joinPath(path, decodeName(name)))
}

/** Files that only moved lose their old name, if their new one has landed. False where one stays. */
function dropMoved(sys: Sys, handles: TargetHandles, { slot, path }: Aside, below: readonly SeenDirectory[]): boolean {
  const row = new Uint32Array(statWidth)
  let areGone = true
  for (const directory of below) {
    if (directory.movedTo?.some((to) => to !== undefined) !== true) continue
    const handle = sys.openDirectory(handles.staging, utf8(placeOf(slot, path, directory)))
    if (handle < 0) continue
    const lock = unlockDirectory(sys, handle)
    directory.names.forEach((name, i) => {
      const to = directory.movedTo?.[i]
      if (to === undefined || sys.stat(handle, name, row, 0) < 0) return
      const isSeen = isAsSeen(row, 0, directory.rows, i * statWidth)
      if (!isSeen || !hasLanded(sys, handles.root, to, row) || sys.unlink(handle, name) < 0) areGone = false
    })
    lock?.()
    sys.close(handle)
  }
  return areGone
}

/**
 * What is left of a displaced directory goes back: the whole of it where its name is free, else entry by entry. False
 * where something is left that has no place any more.
 */
function putBack(sys: Sys, handles: TargetHandles, slot: string, path: RelPath): boolean {
  const name = utf8(nameOf(path))
  const parent = sys.openDirectory(handles.root, utf8(parentOf(path)))
  if (parent < 0) return false
  const lock = unlockDirectory(sys, parent)
  const whole = sys.renameNoReplace(handles.staging, utf8(slot), parent, name) === 0
  if (!whole) mergeBack(sys, handles.staging, utf8(slot), parent, name)
  lock?.()
  sys.close(parent)
  return whole || sys.removeDirectory(handles.staging, utf8(slot)) === 0
}

function mergeBack(sys: Sys, staging: number, slot: Uint8Array, parent: number, name: Uint8Array): void {
  const from = sys.openDirectory(staging, slot)
  const to = sys.openDirectory(parent, name)
  if (from >= 0 && to >= 0 && sys.list(from, table) >= 0) {
    for (let i = 0; i < table.count; i++) sys.renameNoReplace(from, table.name(i), to, table.name(i))
  }
  if (from >= 0) sys.close(from)
  if (to >= 0) sys.close(to)
}

/** Whether a file that only moved has its new name: until then the old one is the only one. */
export function hasLanded(sys: Sys, root: number, movedTo: RelPath | undefined, file: Uint32Array): boolean {
  if (movedTo === undefined) return true
  const parent = sys.openDirectory(root, utf8(parentOf(movedTo)))
  if (parent < 0) return false
  const row = new Uint32Array(statWidth)
  const isThere = sys.stat(parent, utf8(nameOf(movedTo)), row, 0) === 0 && sameFile(row, 0, file, 0)
  sys.close(parent)
  return isThere
}

/** Whether the file system of the staging directory swaps two names: some know no EXCHANGE, whatever the kernel knows. */
export function swapsNames(sys: Sys, staging: number): boolean {
  if (!sys.exactRenames) return false
  const [first, second] = [utf8(`p${randomName()}`), utf8(`p${randomName()}`)]
  sys.makeDirectory(staging, first, 0o700)
  sys.makeDirectory(staging, second, 0o700)
  const swaps = sys.exchange(staging, first, staging, second) === 0
  sys.removeDirectory(staging, first)
  sys.removeDirectory(staging, second)
  return swaps
}

/** The detail of a problem whose content still lies where it was displaced to: the journal must stay. */
const stuck = 'staging'

export function isStuck(problem: Problem): boolean {
  return problem.detail === stuck
}

/** Up to this many directories are synced one by one; above, the whole file system is. */
const syncEachMax = 32

/** Where old versions go: below `files`, or nowhere (a negative handle). */
export class Kept {
  readonly files: number
  /** Directories of the store that got a name. */
  readonly #touched = new Set<RelPath>()

  constructor(files: number) {
    this.files = files
  }

  /** Gives something the name that it had below the root, below `files`. Zero or a negative errno. */
  take(sys: Sys, from: number, name: Uint8Array, path: RelPath): number {
    const parent = openPlaceFor(sys, this.files, parentOf(path))
    if (parent < 0) return parent
    const code = sys.renameNoReplace(from, name, parent, utf8(nameOf(path)))
    sys.close(parent)
    for (let at = parentOf(path); ; at = parentOf(at)) {
      this.#touched.add(at)
      if (at === rootPath) return code
    }
  }

  /**
   * Makes it durable: a version whose name is not on disk yet would be lost with its journal. Zero or a negative errno.
   */
  sync(sys: Sys): number {
    if (this.#touched.size === 0) return 0
    if (this.#touched.size > syncEachMax) return sys.syncFileSystem(this.files)
    let worst = 0
    for (const path of this.#touched) {
      const handle = sys.openDirectory(this.files, utf8(path))
      worst = Math.min(worst, handle < 0 ? handle : sys.syncHandle(handle))
      if (handle >= 0) sys.close(handle)
    }
    return worst
  }
}

/**
 * Takes away what was displaced, now that what replaced it is on disk: into the versions of the run, or for good where
 * none are kept. Only what the scan saw goes; everything else (written meanwhile, ignored by the rules, never shown) goes
 * back to where it was, or is kept.
 */
export function dropDisplaced(sys: Sys, handles: TargetHandles, displaced: readonly Aside[], kept: Kept): Problem[] {
  const problems: Problem[] = []
  const row = new Uint32Array(statWidth)
  for (const aside of displaced) {
    const { slot, path, expected, below, movedTo } = aside
    const name = utf8(slot)
    if (below !== undefined) {
      if (takeSeen(sys, handles, aside, below, kept)) continue
      const isSafe = putBack(sys, handles, slot, path) || keepAside(sys, handles.staging, name, path)
      problems.push({ path, code: 'not-empty', detail: isSafe ? '' : stuck })
    } else {
      let looked = sys.stat(handles.staging, name, row, 0)
      // What is not there is looked for twice: the journal goes after this, and the next run empties the place.
      if (looked === -errno.ENOENT) looked = sys.stat(handles.staging, name, row, 0)
      if (looked === -errno.ENOENT) continue
      // Whoever had it open may have written to it since; what can't be looked at may be anything.
      const isSeen = looked === 0 && sameFile(row, 0, expected, 0)
      // What only moved has its new name: no version is lost.
      const isMoved = movedTo !== undefined && hasLanded(sys, handles.root, movedTo, row)
      if (isSeen && (kept.files < 0 || isMoved)) sys.unlink(handles.staging, name)
      else if (!isSeen || kept.take(sys, handles.staging, name, path) < 0) {
        const isSafe = keepAside(sys, handles.staging, name, path)
        problems.push({ path, code: 'target-changed', detail: isSafe ? 'kept' : stuck })
      }
    }
  }
  return problems
}
