// Old versions of a target on this machine: which there are, how they come back, how a whole run is undone. Used by the
// verbs for targets here and by the daemon for shares. What writes holds the target's lock, as a run does, and settles
// first what a run that died had left.

import { join } from 'node:path'
import { ownDirectory, type RelPath } from '../core/path.ts'
import type { Placed } from '../disk/find-target.ts'
import type { Restored, Version } from '../disk/past.ts'
import { openSource, openTarget, placeOf, type Root, targetId } from '../disk/root.ts'
import { systemSys } from '../disk/system.ts'
import type { DiskTasks } from '../disk/tasks.ts'
import type { UndoReport } from '../disk/version-tasks.ts'
import { closeRunPlace, isRunId, openRunPlace, openStore, readStoreSettings, type Store } from '../disk/versions.ts'
import { takeLease } from '../state/runs.ts'
import type { Seat } from '../std/crew.ts'
import { Failure } from '../std/failure.ts'
import type { Workshop } from './local.ts'
import type { OwnerLimit } from './target.ts'

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
  const root = sys.openRoot(placed.rootPath)
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
    const listed = await seatOf(workshop).run('listVersions', { store, path: placed.path, ...options })
    return { ...listed, storePath: store.path }
  } finally {
    sys.close(store.handle)
  }
}

function seatOf(workshop: Workshop): Seat<DiskTasks> {
  return workshop.crew.seats[0] as Seat<DiskTasks>
}

/** Brings versions back within the target, at their own path or at `as`. What is there stays. */
export async function undeleteAt(
  workshop: Workshop,
  placed: Placed,
  options: { run: string | undefined; as: RelPath | undefined },
): Promise<Restored> {
  return await withTarget(workshop, placed.rootPath, async ({ root, store, staging }) => {
    const { path } = placed
    const { run, as = path } = options
    const restored = await seatOf(workshop).run('restoreVersions', {
      store,
      target: root.handle,
      staging,
      path,
      as,
      run,
    })
    const { restored: count, existing, problems } = restored
    workshop.log.note('undeleted', { path, restored: count, existing: existing.length, problems: problems.length })
    return restored
  })
}

/** Brings versions into another folder of this machine; the target itself is only read. */
export async function undeleteInto(
  workshop: Workshop,
  placed: Placed,
  options: { run: string | undefined; directory: string; as: RelPath },
): Promise<Restored> {
  const sys = systemSys()
  const folder = openSource(sys, options.directory)
  const temporary = new TextEncoder().encode('.nightferry-undelete')
  try {
    return await withTarget(workshop, placed.rootPath, async ({ store }) => {
      sys.makeDirectory(folder.handle, temporary, 0o700)
      const staging = sys.openDirectory(folder.handle, temporary)
      if (staging < 0) throw new Failure('target-not-writable', `the folder ${options.directory} can't be written to`)
      try {
        const { path } = placed
        const { run, as } = options
        const places = { target: folder.handle, staging }
        return await seatOf(workshop).run('restoreVersions', { store, ...places, path, as, run })
      } finally {
        sys.close(staging)
        sys.removeDirectory(folder.handle, temporary)
      }
    })
  } finally {
    folder.close()
  }
}

/** What undoing a run comes to; `as` is the id of the undo's own run, and without it nothing is changed. */
export async function undoAt(
  workshop: Workshop,
  rootPath: string,
  options: { run: string; as: string | undefined; job: string; limit?: OwnerLimit | undefined },
): Promise<UndoReport> {
  const { run, as, job, limit } = options
  if (!isRunId(run) || (as !== undefined && !isRunId(as)))
    throw new Failure('protocol-broken', 'the id of a run is none')
  return await withTarget(workshop, rootPath, async ({ root, store, staging, own }) => {
    const sys = systemSys()
    const undone = openRunPlace(sys, store, run)
    if (undone === undefined) throw nothingKept(run)
    // A run that has lost its lock without knowing it may not write any more.
    takeLease(workshop.state, root.id, job)
    try {
      const report = await seatOf(workshop).run('undo', {
        handles: { root: root.handle, staging, own },
        undone,
        traits: root.traits,
        limit,
        as: as === undefined ? undefined : { store, run: as, atMs: workshop.clock.nowMs() },
      })
      for (const { path, why } of report.conflicts.slice(0, 1000)) workshop.log.note('undo-refused', { run, path, why })
      if (report.done !== undefined) workshop.log.note('undone', { run, as: as ?? '', ...report.done.counts })
      return report
    } finally {
      closeRunPlace(sys, undone)
    }
  })
}

function nothingKept(run: string): Failure {
  return new Failure('no-versions', `nothing is kept of the run ${run} there`, {
    hint: 'it changed nothing, kept no versions, or they are gone by their policy',
  })
}

type OpenTarget = { readonly root: Root; readonly store: Store; readonly staging: number; readonly own: number }

/** Opens a target that has versions, under its lock. Nothing is made where there is none. */
async function withTarget<Result>(
  workshop: Workshop,
  rootPath: string,
  work: (target: OpenTarget) => Promise<Result>,
): Promise<Result> {
  const sys = systemSys()
  const ownPath = join(rootPath, ownDirectory)
  if (targetId(rootPath) === '') throw new Failure('no-versions', `${rootPath} is no folder that Nightferry wrote to`)
  const root = openTarget(sys, rootPath, { create: true, machine: workshop.machine, expectedId: undefined })
  try {
    const { handle: own = -1, staging = -1, place = ownPath } = root.own ?? {}
    const store = openStore(sys, { own, id: root.id, ownPath }, readStoreSettings(place), false)
    if (store === undefined) throw new Failure('no-versions', `no old versions are kept in ${rootPath}`)
    try {
      return await work({ root, store, staging, own })
    } finally {
      sys.close(store.handle)
    }
  } finally {
    root.close()
  }
}
