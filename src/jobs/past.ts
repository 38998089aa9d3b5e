// Old versions of a target on this machine: which there are, and how they come back. Used by the
// verbs for targets here and by the daemon for shares. What writes holds the target's lock, as a run does, and settles
// first what a run that died had left.

import { join, sep } from 'node:path'
import type { LinkPolicy } from '../core/links.ts'
import { isReservedName, joinPath, ownDirectory, parentOf, type RelPath } from '../core/path.ts'
import { findTyped, type Placed } from '../disk/find-target.ts'
import { makeFolder, openOutside } from '../disk/outside.ts'
import type { Restored, Sought, Version } from '../disk/past.ts'
import { openKnown, openSource, openTarget, placeOf, type Root, targetId } from '../disk/root.ts'
import { errno } from '../disk/sys.ts'
import { systemSys } from '../disk/system.ts'
import type { DiskTasks } from '../disk/tasks.ts'
import { openStore, readStoreSettings, type Store } from '../disk/versions.ts'
import { utf8 } from '../std/bytes.ts'
import type { Seat } from '../std/crew.ts'
import { Failure } from '../std/failure.ts'
import { refreshIndex, seek } from './kept.ts'
import type { Workshop } from './local.ts'

export type VersionList = {
  readonly versions: readonly Version[]
  /** There are more than were listed. */
  readonly more: boolean
  /** Where the store lies on this machine; '' where there is none. */
  readonly storePath: string
}

/** Versions of a path and of all below it, the newest first. Looks only; needs no lock. */
export async function versionsAt(
  workshop: Workshop,
  placed: Placed,
  options: { run: string | undefined; max: number },
): Promise<VersionList> {
  const sys = systemSys()
  const ownPath = join(placed.rootPath, ownDirectory)
  const root = openKnown(sys, placed.rootPath)
  const own = root < 0 ? root : sys.openDirectory(root, new TextEncoder().encode(ownDirectory))
  if (root >= 0) sys.close(root)
  if (own < 0) throw new Failure('target-not-writable', `${ownPath} can't be opened`)
  let store: Store | undefined
  try {
    const settings = readStoreSettings(placeOf(own, ownPath))
    store = openStore(sys, { own, id: targetId(placed.rootPath), ownPath }, settings, false)
  } finally {
    sys.close(own)
  }
  if (store === undefined) return { versions: [], more: false, storePath: '' }
  try {
    const { run, max } = options
    const sought = await soughtIn(workshop, store, targetId(placed.rootPath), {
      path: placed.path,
      run,
      isOwner: false,
    })
    const listed = await seatOf(workshop).run('listVersions', { store, sought, max })
    return { ...listed, storePath: store.path }
  } finally {
    sys.close(store.handle)
  }
}

/** Where versions of a path may be, by an index that is brought up to date first. */
async function soughtIn(
  workshop: Workshop,
  store: Store,
  root: string,
  { path, run, isOwner }: { path: RelPath; run: string | undefined; isOwner: boolean },
): Promise<Sought[]> {
  const { state, clock } = workshop
  const index = { state, clock, seat: seatOf(workshop), root }
  const open = await refreshIndex(index, store, isOwner)
  return seek(index, open, path, run)
}

function seatOf(workshop: Workshop): Seat<DiskTasks> {
  return workshop.crew.seats[0] as Seat<DiskTasks>
}

/** Brings versions back within the target, at their own path or at `as`. What is there stays. */
export async function undeleteAt(
  workshop: Workshop,
  placed: Placed,
  options: { run: string | undefined; as: RelPath | undefined; by: string; links?: LinkPolicy | undefined },
): Promise<Restored> {
  return await withTarget(workshop, placed.rootPath, async ({ root, store, staging }) => {
    const { path } = placed
    const { run, as = path, by, links } = options
    checkFolder(root, parentOf(as))
    const sought = await soughtIn(workshop, store, root.id, { path, run, isOwner: true })
    const places = { target: root.handle, staging }
    const restored = await seatOf(workshop).run('restoreVersions', { store, ...places, sought, path, as, links })
    noteUndeleted(workshop, placed.rootPath, by, restored.brought)
    return restored
  })
}

/** The folder that versions come into may be missing, and is made then; another thing can't be in its place. */
function checkFolder(root: Root, path: RelPath): void {
  const sys = systemSys()
  const handle = sys.openDirectory(root.handle, utf8(path))
  if (handle >= 0) sys.close(handle)
  if (handle === -errno.ENOTDIR || handle === -errno.ELOOP)
    throw new Failure('target-not-directory', `${path} is not a folder, and nothing can be brought into it`)
}

/** Logs what came back below a root, as this machine calls it: a line for each directory and run. */
export function noteUndeleted(
  { log }: Workshop,
  root: string,
  by: string,
  brought: readonly { readonly path: string; readonly run: string }[],
): void {
  const lines = new Map<string, { directory: string; version: string; names: string[] }>()
  for (const { path, run: version } of brought) {
    const slash = path.lastIndexOf('/')
    const directory = path.slice(0, Math.max(0, slash))
    const line = lines.getOrInsert(`${version} ${directory}`, { directory, version, names: [] })
    line.names.push(path.slice(slash + 1))
  }
  for (const { names, ...line } of lines.values())
    log.note('undeleted', { root, by, ...line, names: names.join('/'), count: names.length })
}

/**
 * Brings versions into another folder of this machine, which is made with its parents where it is missing and something
 * comes; the target itself is only read, unless the folder lies in it.
 */
export async function undeleteInto(
  workshop: Workshop,
  placed: Placed,
  options: { run: string | undefined; directory: string; as: RelPath },
): Promise<Restored> {
  const { directory, run, as } = options
  const { rootPath, path } = placed
  if (directory.split(sep).some(isReservedName))
    throw new Failure('bad-usage', `${directory} lies among the working files of a target`, {
      hint: 'name another folder',
    })
  const within = findTyped(directory)
  if (within?.rootPath === rootPath) {
    const there = as === '' ? within.path : joinPath(within.path, as)
    return await undeleteAt(workshop, placed, { run, as: there, by: workshop.machine })
  }
  return await withTarget(workshop, rootPath, async ({ root, store, place }) => {
    const sys = systemSys()
    const sought = await soughtIn(workshop, store, root.id, { path, run, isOwner: true })
    const { versions } = await seatOf(workshop).run('listVersions', { store, sought, max: 1 })
    if (versions.length === 0) return { restored: 0, brought: [], sizeBytes: 0, existing: [], problems: [] }
    makeFolder(directory)
    const folder = openSource(sys, directory)
    try {
      const outside = openOutside(sys, place, folder.path, folder.handle)
      try {
        const handles = { target: folder.handle, staging: outside.staging }
        const restored = await seatOf(workshop).run('restoreVersions', { store, ...handles, sought, path, as })
        workshop.log.note('undeleted-elsewhere', { root: rootPath, path, to: directory, restored: restored.restored })
        return restored
      } finally {
        outside.close()
      }
    } finally {
      folder.close()
    }
  })
}

export type OpenTarget = {
  readonly root: Root
  readonly store: Store
  readonly staging: number
  readonly own: number
  /** Its own directory, by a path that no rename redirects. */
  readonly place: string
  close(): void
}

/** Opens a target that has versions, under its lock, until it is closed. Nothing is made where there is none. */
export function openPast(workshop: Workshop, rootPath: string): OpenTarget {
  const sys = systemSys()
  const ownPath = join(rootPath, ownDirectory)
  if (targetId(rootPath) === '') throw new Failure('no-versions', `${rootPath} is no folder that Nightferry wrote to`)
  const root = openTarget(sys, rootPath, { create: true, machine: workshop.machine, expectedId: undefined })
  try {
    const { handle: own = -1, staging = -1, place = ownPath } = root.own ?? {}
    const store = openStore(sys, { own, id: root.id, ownPath }, readStoreSettings(place), false)
    if (store === undefined) throw new Failure('no-versions', `no old versions are kept in ${rootPath}`)
    const close = (): void => {
      sys.close(store.handle)
      root.close()
    }
    return { root, store, staging, own, place, close }
  } catch (error) {
    root.close()
    throw error
  }
}

async function withTarget<Result>(
  workshop: Workshop,
  rootPath: string,
  work: (target: OpenTarget) => Promise<Result>,
): Promise<Result> {
  const target = openPast(workshop, rootPath)
  try {
    return await work(target)
  } finally {
    target.close()
  }
}
