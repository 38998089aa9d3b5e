// Brings the index of old versions up to date with a target's store, and asks it: which runs go by the policy, and which
// may keep a version of a path, under the names that it had before it was renamed. The store is the truth: where it is
// not as the index last saw it, its runs are listed, and only those that the index does not know are read.

import { isWithin, type RelPath } from '../core/path.ts'
import { type Keep, type Pruning, toPrune } from '../core/retention.ts'
import type { Sought } from '../disk/past.ts'
import { systemSys } from '../disk/system.ts'
import type { DiskTasks } from '../disk/tasks.ts'
import { type KeptFacts, type Store, stampIn, storeSignature, volumeOf } from '../disk/versions.ts'
import {
  compareIndex,
  type IndexedRun,
  indexedSignature,
  indexRuns,
  movesTo,
  runsKeeping,
  signIndex,
  unindexRuns,
  withKeptRuns,
} from '../state/kept.ts'
import type { State } from '../state/open.ts'
import type { Clock } from '../std/clock.ts'
import type { Seat } from '../std/crew.ts'

/** Runs that are read at a time. */
const runsPerTask = 200
/** A path is looked for under so many names at most, and each rename of so many is followed. */
const namesMax = 64

export type KeptIndex = {
  readonly state: State
  readonly clock: Clock
  readonly seat: Seat<DiskTasks>
  readonly root: string
}

/**
 * Brings the index up to date. `isOwner`: the caller holds the target's lock, so a run that has not closed its books is
 * dead; else such runs are returned, and not taken in.
 */
export async function refreshIndex(index: KeptIndex, store: Store, isOwner: boolean): Promise<KeptFacts[]> {
  const { state, clock, seat, root } = index
  const signature = storeSignature(systemSys(), store, clock.nowMs())
  if (signature !== undefined && signature === indexedSignature(state, root)) return []
  const { unknown, gone } = compareIndex(state, root, await seat.run('listKept', { store, isOwner }))
  unindexRuns(state, root, gone)
  const open: KeptFacts[] = []
  for (let from = 0; from < unknown.length; from += runsPerTask) {
    const read = await seat.run('readKept', { store, runs: unknown.slice(from, from + runsPerTask) })
    indexRuns(state, root, isOwner ? read : read.filter(({ isEnded }) => isEnded))
    if (!isOwner) open.push(...read.filter(({ isEnded }) => !isEnded))
  }
  return open
}

/** The index holds all that the store does now: the caller has the target's lock, and its run is in it. */
export function closeIndex(
  index: Omit<KeptIndex, 'seat'>,
  store: Store,
  run: Omit<IndexedRun, 'stamp'> | undefined,
): void {
  const { state, clock, root } = index
  state.write(() => {
    if (run !== undefined) indexRuns(state, root, [{ ...run, stamp: stampIn(systemSys(), store, run.run) }])
    signIndex(state, root, storeSignature(systemSys(), store, clock.nowMs()))
  })
}

/** Applies the policy, by an index that is up to date, and takes what goes out of it. `spare`: the run under way. */
export async function pruneStore(
  index: KeptIndex,
  store: Store,
  options: { own: number; keep: Keep; neededBytes: number; spare: string | undefined },
): Promise<{ expired: number; early: number }> {
  const { state, clock, seat, root } = index
  const { own, keep, neededBytes, spare } = options
  const nowMs = clock.nowMs()
  const volume = { ...volumeOf(store), neededBytes }
  const { expired, early }: Pruning = withKeptRuns(state, root, spare, (kept) => toPrune(kept, keep, volume, nowMs))
  const runs = [...expired, ...early]
  await seat.run('removeRuns', { store, own, runs, keep })
  unindexRuns(state, root, runs)
  return { expired: expired.length, early: early.length }
}

/** Where versions of a path may be, newest first: by the index, and by runs that are not in it yet. */
export function seek(
  index: Pick<KeptIndex, 'state' | 'root'>,
  open: readonly KeptFacts[],
  path: RelPath,
  run: string | undefined,
): Sought[] {
  const { state, root } = index
  const sought: Sought[] = []
  for (const { name, as, untilMs } of namesOf(index, open, path)) {
    const found = [...runsKeeping(state, root, name, untilMs), ...open.filter(({ atMs }) => atMs <= untilMs)]
    for (const { run: id, atMs } of found) {
      if (run === undefined || id.startsWith(run)) sought.push({ run: id, atMs, path: name, as })
    }
  }
  return sought.sort((a, b) => b.atMs - a.atMs || (a.run === b.run ? 0 : a.run < b.run ? 1 : -1))
}

type Name = {
  readonly name: RelPath
  /** What that is called now. */
  readonly as: RelPath
  /** Until when it was called so. */
  readonly untilMs: number
}

/** The names that a path, and what lies below it, had, the path itself first. */
function namesOf(
  { state, root }: Pick<KeptIndex, 'state' | 'root'>,
  open: readonly KeptFacts[],
  path: RelPath,
): Name[] {
  const names: Name[] = [{ name: path, as: path, untilMs: Number.MAX_SAFE_INTEGER }]
  // Grows while it is walked: a thing may have been renamed more than once.
  for (const { name, as, untilMs } of names) {
    const unindexed = open.flatMap(({ atMs, holdings }) => holdings.moves.map((move) => ({ ...move, atMs })))
    const moves = [...unindexed, ...movesTo(state, root, name, untilMs, namesMax)]
    for (const { from, to, atMs } of moves) {
      if (names.length >= namesMax) return names
      const next = renamed(name, as, from as RelPath, to as RelPath)
      if (next === undefined || atMs > untilMs) continue
      const isKnown = names.some((one) => one.name === next.name && one.as === next.as && one.untilMs >= atMs)
      // What was in here under another name is found under that: it is below the same path.
      if (!isKnown && !isWithin(next.name, path)) names.push({ ...next, untilMs: atMs })
    }
  }
  return names
}

function renamed(name: RelPath, as: RelPath, from: RelPath, to: RelPath): Pick<Name, 'name' | 'as'> | undefined {
  if (isWithin(name, to)) return { name: `${from}${name.slice(to.length)}` as RelPath, as }
  if (!isWithin(to, name)) return undefined
  return { name: from, as: `${as}${to.slice(name.length)}`.replace(/^\//, '') as RelPath }
}
