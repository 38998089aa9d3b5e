// What a run tells a person besides its outcome: what it found at the target, what it left out, and what it did otherwise
// than it was asked. Decides nothing.

import { durabilityNotices } from '../core/durability.ts'
import type { Plan } from '../core/plan.ts'
import { keepNotices } from '../core/retention.ts'
import { specialsText } from '../core/specials.ts'
import { isoTime } from '../std/clock.ts'
import type { ApplyResult, Begun, RunListener, TargetEnd } from './endpoint.ts'
import type { Job } from './job.ts'
import type { Seen } from './settled.ts'

/** What an earlier run left at the target, and whether one was undone there. */
export function tellRecovered(right: Pick<TargetEnd, 'facts'>, listen: RunListener): void {
  for (const { path, outcome } of right.facts.recovered) {
    const text = recoveredText(path, outcome)
    listen({ type: 'notice', text })
  }
  const { undone } = right.facts
  if (undone !== undefined) listen({ type: 'notice', text: undoneText(undone) })
}

function undoneText({ run, by, atMs }: { run: string; by: string; atMs: number }): string {
  if (run === '') return 'the note of undone runs at the target can not be read, so one may have been undone'
  return `the run ${run} was undone on ${by}, ${isoTime(atMs).slice(0, 19).replace('T', ' ')} UTC`
}

function recoveredText(path: string, outcome: string): string {
  const more = /^more (\d+)$/.exec(outcome)?.[1]
  if (more !== undefined) return `put back or kept ${more} more that a run that was cut off had taken aside`
  switch (outcome) {
    case 'put-back':
      return `put back ${path}, which a run that was cut off had taken aside`
    case 'root-moved':
      return 'the target was moved, or goes by another path, since its last run; it is known by this one from now on'
    case 'root-other-disk':
      return 'the target lies on another disk, or is another copy of the same folder, than at its last run'
    case 'unsynced':
      return 'a run that did not sync wrote to the target before the machine or its disk went down: what it wrote is read, not believed'
    case 'lost-found':
      return "the target is the top of a disk; the file system's own lost+found there is left alone, as long as it is empty"
    default:
      return `kept a version of ${path} in .nightferry/kept: a run that was cut off had displaced it unseen`
  }
}

/** Once a run, and no problem: they are where they are, and nothing else is. */
export function tellSpecials(seen: Seen, plan: Plan | undefined, listen: RunListener): void {
  const text = specialsText(seen.scan.specials, plan?.specials)
  if (text !== undefined) listen({ type: 'notice', text })
}

/** How long versions are kept, and whether it syncs, where that is not what was asked for. */
export function tellKept(
  job: Pick<Job, 'keep' | 'durability'>,
  begun: Begun,
  applied: ApplyResult,
  listen: RunListener,
): void {
  const early = begun.early + applied.early
  for (const text of keepNotices(job.keep, begun.keep, early)) listen({ type: 'notice', text })
  for (const text of durabilityNotices(job.durability, begun.durability)) listen({ type: 'notice', text })
}
