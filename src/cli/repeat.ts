// Runs the same job again and again in one process: each is a run of its own, and what is told once is not told again.
// Goes on as long as trying again can help without a person; a halt is waited out, since it ends by itself when the
// guard no longer trips. Never carries a release over to what was not shown.

import type { SyncOptions, SyncResult } from '../api/main.ts'
import type { Clock } from '../std/clock.ts'
import { type Failure, failureCodes } from '../std/failure.ts'

/** How one run ended. */
export type Ended =
  | { readonly run: SyncResult; readonly failure?: undefined }
  | { readonly run?: undefined; readonly failure: Failure }

/** Whether trying again can help without a person. */
export function goesOn({ failure }: Ended): boolean {
  if (failure === undefined) return true
  return failure.retry === 'soon' || failure.retry === 'when-peer-returns'
}

/** What was told of the run before and would be told again: undefined for what is news each time. */
export function sameNews(ended: Ended, haltDigest: string | undefined): string | undefined {
  if (ended.failure !== undefined) return `${ended.failure.code} ${ended.failure.message}`
  return ended.run.outcome === 'halted' ? `halted ${haltDigest}` : undefined
}

/**
 * Runs `once` until it ends in a way that needs a person: its exit code. Where `signal` stops it, that is `cancelled`,
 * whether a run was under way or not: who stopped it need not know which, and the last run was told when it ended.
 */
export async function repeatRuns(
  everyMs: number,
  clock: Clock,
  signal: AbortSignal,
  wanted: SyncOptions,
  once: (wanted: SyncOptions) => Promise<Ended>,
): Promise<number> {
  let next = wanted
  for (;;) {
    const ended = await once(next)
    if (ended.run !== undefined) next = { ...wanted, release: false, newTarget: false }
    if (ended.failure !== undefined && !goesOn(ended)) return ended.failure.exitCode
    await clock.sleep(everyMs, signal)
    if (signal.aborted) return failureCodes.cancelled.exit
  }
}
