// What a seat does about an undelete; part of the table in version-tasks.ts. It lives in one seat from its first version to
// its end, and goes on there a slice a task, so that it may be shown, stopped or left between any two; a stop in shared
// memory is seen between two versions and within the copy of a large one. The caller holds the target's lock all the while.

import { present } from '../std/assert.ts'
import { Failure } from '../std/failure.ts'
import { type IsStopped, stopOf } from '../std/stop.ts'
import type { Sought } from './past.ts'
import { Restore, type Restored, type RestoreHandles, type RestoreOptions } from './restore.ts'
import { sysUntilStopped } from './stoppable.ts'
import { systemSys } from './system.ts'
import type { Store } from './versions.ts'

const sys = systemSys()

type OpenRestore = { readonly restore: Restore; readonly isStopped: IsStopped }

const restores = new Map<number, OpenRestore>()

/** A slice ends after so many versions, or bytes. */
const sliceVersions = 500
const sliceBytes = 64 * 1024 * 1024

export type RestoreSlice = Restored & {
  /** That was the last one; `stopped`: as asked, and something may be left. */
  readonly end: 'done' | 'stopped' | undefined
}

export const restoreTasks = {
  openRestore(
    input: { restore: number; store: Store; sought: readonly Sought[]; stop: SharedArrayBuffer } & RestoreHandles &
      RestoreOptions,
  ): void {
    const isStopped = stopOf(input.stop)
    restores.set(input.restore, {
      restore: new Restore(sysUntilStopped(sys, isStopped), input.store, input, input),
      isStopped,
    })
  },

  /** Brings some more; with the last slice what was made is finished and synced. */
  restoreMore(input: { restore: number }): RestoreSlice {
    const { restore, isStopped } = present(restores.get(input.restore), 'an undelete is open in its seat')
    const end = goOn(restore, isStopped)
    if (end !== undefined) restore.end()
    return { ...restore.take(), end }
  },

  closeRestore(input: { restore: number }): void {
    restores.get(input.restore)?.restore.end()
    restores.delete(input.restore)
  },
}

function goOn(restore: Restore, isStopped: IsStopped): RestoreSlice['end'] {
  try {
    for (let versions = 0, bytes = 0; versions < sliceVersions && bytes < sliceBytes; versions++) {
      if (isStopped()) return 'stopped'
      const sizeBytes = restore.next()
      if (sizeBytes === undefined) return 'done'
      bytes += sizeBytes
    }
    return undefined
  } catch (error) {
    if (error instanceof Failure && error.code === 'cancelled') return 'stopped'
    throw error
  }
}
