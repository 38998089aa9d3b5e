// Why a run ends at its target: the disk is full, what was written can't be known to be on it, or the target is gone.

import type { Summary } from '../core/entry.ts'
import { rootPath } from '../core/path.ts'
import type { Problem } from '../core/problem.ts'
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

/** What a target is after a run. Throws where it is gone: nobody can say then what of it is in place. */
export function settledSummary(
  label: string,
  { summary, problems }: { readonly summary: Summary | undefined; readonly problems: readonly Problem[] },
): Summary {
  if (summary !== undefined) return summary
  const why = problems.find(({ path }) => path === rootPath)?.detail ?? 'ENOENT'
  throw new Failure('target-not-writable', `the target ${label} went away while the run worked in it (${why})`, {
    hint: 'is its disk there? Bring it back, then run again',
  })
}
