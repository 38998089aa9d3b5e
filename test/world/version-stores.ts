// Stores of old versions for tests: targets that were mirrored to, run by run, and their stores opened. For tests only.

import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { RelPath } from '../../src/core/path.ts'
import { type Keep, toPrune } from '../../src/core/retention.ts'
import type { Sought } from '../../src/disk/past.ts'
import { Restore, type Restored, type RestoreHandles, type RestoreOptions } from '../../src/disk/restore.ts'
import type { Sys } from '../../src/disk/sys.ts'
import { systemSys } from '../../src/disk/system.ts'
import {
  clearGone,
  openStore,
  readRun,
  readStoreSettings,
  removeRuns,
  runsIn,
  type Store,
  volumeOf,
} from '../../src/disk/versions.ts'
import { FaultySys } from './faulty-sys.ts'
import { mirror, problemsOf } from './one-mirror.ts'
import { plant } from './planted.ts'

const real = systemSys()

export const quick = (): FaultySys =>
  new FaultySys(real).on('syncFileSystem', { sticky: true, result: 0 }).on('syncHandle', { sticky: true, result: 0 })

/** Mirrors these sources one after the other, each as a run of its own. */
export async function mirrors(
  folders: { source: string; target: string },
  runs: Readonly<Record<string, Parameters<typeof plant>[1]>>,
): Promise<void> {
  for (const [run, folder] of Object.entries(runs)) {
    rmSync(folders.source, { recursive: true, force: true })
    plant(folders.source, folder)
    assert.deepEqual(problemsOf(await mirror({ sys: quick(), ...folders, run })), [])
  }
}

export function withStore<Result>(
  target: string,
  work: (store: Store, own: number) => Result,
  sys: Sys = real,
): Result {
  const ownPath = join(target, '.nightferry')
  const own = sys.openRoot(ownPath)
  const store = openStore(sys, { own, id: 'abcdefgh', ownPath }, readStoreSettings(ownPath), false)
  assert.ok(store)
  try {
    return work(store, own)
  } finally {
    sys.close(store.handle)
    sys.close(own)
  }
}

/** Every run may keep something: what no index was asked for. */
export function sought(store: Store, path: RelPath, run?: string): Sought[] {
  const runs = runsIn(real, store)
    .map((one) => one.run)
    .reverse()
  return runs
    .filter((one) => run === undefined || one === run)
    .map((one) => ({ run: one, atMs: readRun(real, store, one)?.atMs ?? 0, path, as: path }))
}

/** Brings versions back, all of them in one go. */
export function restoreAll(
  sys: Sys,
  store: Store,
  handles: RestoreHandles,
  options: RestoreOptions & { readonly sought: readonly Sought[] },
): Restored & { readonly restored: number } {
  const restore = new Restore(sys, store, handles, options)
  while (restore.next() !== undefined);
  restore.end()
  const taken = restore.take()
  return { ...taken, restored: taken.brought.length }
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

export const text = (content: string, mtimeMs: number): { text: string; mtimeMs: number } => ({
  text: content,
  mtimeMs,
})
