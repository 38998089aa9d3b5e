// What a store of versions holds, asked and pruned without an index: by reading every run. For tests only.

import type { RelPath } from '../../src/core/path.ts'
import { type Keep, toPrune } from '../../src/core/retention.ts'
import type { Sought } from '../../src/disk/past.ts'
import type { Sys } from '../../src/disk/sys.ts'
import { systemSys } from '../../src/disk/system.ts'
import { clearGone, readRun, removeRuns, runsIn, type Store, volumeOf } from '../../src/disk/versions.ts'

/** Every run may keep something: what no index was asked for. */
export function sought(store: Store, path: RelPath, run?: string): Sought[] {
  const runs = runsIn(systemSys(), store)
    .map((one) => one.run)
    .reverse()
  return runs
    .filter((one) => run === undefined || one === run)
    .map((one) => ({ run: one, atMs: readRun(systemSys(), store, one)?.atMs ?? 0, path, as: path }))
}

/** Carries a policy out, by what the store itself says. */
export function prune(
  sys: Sys,
  store: Store,
  own: number,
  { keep, nowMs, neededBytes, spare }: { keep: Keep; nowMs: number; neededBytes: number; spare: string | undefined },
): { expired: number; early: number } {
  clearGone(sys, store)
  const runs = runsIn(sys, store).flatMap(({ run }) => (run === spare ? [] : (readRun(sys, store, run) ?? [])))
  const oldestFirst = runs.toSorted((a, b) => a.atMs - b.atMs)
  const sizeBytes = runs.reduce((sum, run) => sum + run.sizeBytes, 0)
  const kept = { oldestFirst, sizeBytes, newestMs: oldestFirst.at(-1)?.atMs ?? 0 }
  const { expired, early } = toPrune(kept, keep, { ...volumeOf(store), neededBytes }, nowMs)
  removeRuns(sys, store, own, { runs: [...expired, ...early], keep, nowMs })
  return { expired: expired.length, early: early.length }
}
