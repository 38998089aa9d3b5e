// Why a sync ends a run: the target's disk is full, or what was written can't be known to be on it.

import { targetFull } from '../disk/refusal.ts'
import { errno } from '../disk/sys.ts'
import { Failure } from '../std/failure.ts'

/** Throws unless `code`, of a sync, is zero. A failed sync says nothing about what it covered: none of it may be given a name. */
export function mustSync(label: string, code: number): void {
  if (code === -errno.ENOSPC || code === -errno.EDQUOT) throw targetFull(label)
  if (code < 0) {
    throw new Failure('sync-failed', `the target's disk could not be synced (errno ${-code})`, {
      hint: 'nothing of this group was put in place; look at the disk, then run again',
    })
  }
}
