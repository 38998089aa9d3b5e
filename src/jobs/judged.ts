// Lets a plan go on, or holds it: what a guard stopped is told once, and what a person then lets go on is exactly the set that
// was told, by its digest.

import { type Halt, haltText } from '../core/guard.ts'
import type { Plan } from '../core/plan.ts'
import { clearHold, type Hold, loadHold } from '../state/pairs.ts'
import { equalBytes, hex } from '../std/bytes.ts'
import type { Job, RunContext } from './job.ts'

/** A halt, with its reason in words; undefined where nothing holds the plan. */
export type Held = (Omit<Halt, 'reason'> & { readonly reason: string; readonly text: string }) | undefined

export function haltOf(halt: Halt | undefined): Held {
  return halt === undefined ? undefined : { ...halt, text: haltText(halt.reason) }
}

/** Lets the plan go on, or answers what holds it: a hold is told once and covers exactly this set. */
export function judge(
  job: Job,
  plan: Pick<Plan, 'guardedDigest' | 'guardedSample'>,
  held: Held,
  context: RunContext,
): 'free' | 'released' | Hold {
  const { state, listen, clock } = context
  const hold = loadHold(state, job.id)
  if (held === undefined) {
    if (hold !== undefined && !job.dryRun) clearHold(state, job.id)
    return 'free'
  }
  if (job.release && hold !== undefined && equalBytes(hold.digest, plan.guardedDigest)) return 'released'
  const { reason, text, deletes, replaces } = held
  listen({
    type: 'halt',
    reason: text,
    deletes,
    replaces,
    sample: plan.guardedSample,
    digest: hex(plan.guardedDigest),
  })
  const nowMs = clock.nowMs()
  const next: Hold = {
    job: job.id,
    digest: plan.guardedDigest,
    reason,
    deletes,
    replaces,
    sample: [...plan.guardedSample],
    atMs: nowMs,
    toldMs: nowMs,
  }
  return job.dryRun ? 'free' : next
}
