// What lies aside in the staging directory because a change displaced it: is it what the scan saw, and if not, how does
// it get back, or where is it kept. Nothing here removes anything that the scan did not see; what can't go back to its
// name gets a name that the clearing of the staging directory passes over, and ends in `.nightferry/kept`.

import { nameOf, parentOf, type RelPath } from '../core/path.ts'
import type { Problem } from '../core/problem.ts'
import { isAsSeen, sameFile, statMode, statWidth, typeDirectory, typeMask } from '../core/stat.ts'
import { hex, utf8 } from '../std/bytes.ts'
import { randomName } from '../std/random.ts'
import { unlockDirectory } from './directories.ts'
import type { SeenDirectory, TargetHandles } from './landing.ts'
import { EntryTable, type Sys } from './sys.ts'

/** Something that lies in the staging directory, by what the scan saw of it. */
export type Aside = {
  readonly slot: string
  readonly path: RelPath
  readonly expected: Uint32Array
  /** Of a directory: what the scan saw in it. */
  readonly below: readonly SeenDirectory[] | undefined
  /** Nothing takes its place. */
  readonly isDeleted: boolean
}

const keptMark = 0x6b
const keptDirectory = utf8('kept')
const keptNameMaxBytes = 200

/** Whether a name of the staging directory was given by `keepAside`. */
export function isKept(name: Uint8Array): boolean {
  return name[0] === keptMark
}

/** Keeps what lies under `slot`: no run clears it away. False where even that is refused, and it stays where it is. */
export function keepAside(sys: Sys, staging: number, slot: Uint8Array, path: RelPath): boolean {
  let label = nameOf(path)
  while (utf8(label).length > keptNameMaxBytes) label = label.slice(0, -1)
  return sys.renameNoReplace(staging, slot, staging, utf8(`k${randomName()}-${label}`)) === 0
}

/** Moves what was kept out of the staging directory, to where a person finds it. `own` is the handle of `.nightferry`. */
export function sweepKept(sys: Sys, own: number, staging: number): void {
  const table = new EntryTable()
  if (sys.list(staging, table) < 0) return
  let kept = -1
  for (let row = 0; row < table.count; row++) {
    const name = table.name(row).slice()
    if (!isKept(name)) continue
    if (kept < 0) {
      sys.makeDirectory(own, keptDirectory, 0o700)
      kept = sys.openDirectory(own, keptDirectory)
    }
    // Where that fails it stays, and the next run tries again.
    if (kept >= 0) sys.renameNoReplace(staging, name, kept, name.subarray(1))
  }
  if (kept >= 0) sys.close(kept)
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

/** Removes, in a displaced directory, what is as it was seen, and directories that are empty then. True when it is gone. */
function removeSeen(
  sys: Sys,
  { root, staging }: TargetHandles,
  slot: string,
  path: RelPath,
  below: readonly SeenDirectory[],
): boolean {
  const row = new Uint32Array(statWidth)
  for (const directory of [...below].reverse()) {
    const handle = sys.openDirectory(staging, utf8(placeOf(slot, path, directory)))
    if (handle < 0) continue
    const lock = unlockDirectory(sys, handle)
    directory.names.forEach((name, i) => {
      if (sys.stat(handle, name, row, 0) < 0) return
      if (isDirectory(row, 0)) sys.removeDirectory(handle, name)
      else if (isAsSeen(row, 0, directory.rows, i * statWidth) && hasLanded(sys, root, directory.movedTo?.[i], row)) {
        sys.unlink(handle, name)
      }
    })
    lock?.()
    sys.close(handle)
  }
  sys.removeDirectory(staging, utf8(slot))
  return sys.stat(staging, utf8(slot), row, 0) < 0
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

/**
 * Removes what was displaced, now that what replaced it is on disk. Only what the scan saw is removed; everything else
 * (written meanwhile, ignored by the rules, never shown) goes back to where it was, or is kept.
 */
export function dropDisplaced(sys: Sys, handles: TargetHandles, displaced: readonly Aside[]): Problem[] {
  const problems: Problem[] = []
  const row = new Uint32Array(statWidth)
  for (const { slot, path, expected, below } of displaced) {
    const name = utf8(slot)
    if (below !== undefined) {
      if (removeSeen(sys, handles, slot, path, below)) continue
      if (!putBack(sys, handles, slot, path)) keepAside(sys, handles.staging, name, path)
      problems.push({ path, code: 'not-empty', detail: '' })
    } else if (sys.stat(handles.staging, name, row, 0) === 0) {
      // Whoever had it open may have written to it since.
      if (sameFile(row, 0, expected, 0)) sys.unlink(handles.staging, name)
      else if (keepAside(sys, handles.staging, name, path))
        problems.push({ path, code: 'target-changed', detail: 'kept' })
    }
  }
  return problems
}
