// Old versions of a target on this machine: which there are, and the target opened for whoever brings them back. Used by the
// verbs for targets here and by the daemon for shares. What writes holds the target's lock, as a run does, and settles
// first what a run that died had left.

import { join } from 'node:path'
import { ownDirectory, type RelPath } from '../core/path.ts'
import type { Placed } from '../disk/find-target.ts'
import type { Sought, Version } from '../disk/past.ts'
import { openKnown, openTarget, placeOf, type Root, targetId } from '../disk/root.ts'
import { systemSys } from '../disk/system.ts'
import type { DiskTasks } from '../disk/tasks.ts'
import { openStore, readStoreSettings, type Store } from '../disk/versions.ts'
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
export async function soughtIn(
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
