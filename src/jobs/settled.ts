// What a job's rules make of two ends, and whether its last run left anything to do: by which rules each end is scanned,
// the view on which both agree, and the fingerprints that mean "unchanged". Decisions only; nobody is asked anything here.

import type { Summary } from '../core/entry.ts'
import type { IgnoreText } from '../core/ignore.ts'
import type { OwnerMap } from '../core/owners.ts'
import type { View } from '../core/view.ts'
import type { ScanReport, ScanRules } from '../disk/scan.ts'
import type { Traits } from '../disk/traits.ts'
import type { Pair } from '../state/pairs.ts'
import { equalBytes } from '../std/bytes.ts'
import { agreed } from './dress.ts'
import type { SourceEnd, TargetEnd } from './endpoint.ts'
import type { Job } from './job.ts'
import { isSameView, rulesId, type SettledRules } from './rules-id.ts'

/** What looking at both ends came to. */
export type Seen = SettledRules & {
  readonly scan: ScanReport
  readonly left: Summary
  readonly right: Summary | undefined
  readonly scanMs: number
}

/** What each end is scanned by: the left's ignore files decide. What both hold is looked at, where traits are known. */
export function scanRules(
  { overrides, ignoreFiles, attributes: asks }: Job,
  left?: Traits,
  right?: Traits,
): { readonly left: ScanRules; readonly right: ScanRules } {
  const attributes = left === undefined || right === undefined ? 0 : agreed(asks, left, right).attributes
  const rules = { overrides, ...(attributes > 0 && { attributes }) }
  return { left: { ...rules, ignoreFiles }, right: { ...rules, ignoreFiles: [] } }
}

/** The view that two ends with these traits agree on. */
export function viewOf(
  job: Job,
  left: Traits,
  right: Traits,
  texts: readonly IgnoreText[],
  owners?: OwnerMap | undefined,
): View {
  const { modeMask, attributes } = agreed(job.attributes, left, right)
  return {
    modeMask,
    timeGrainNs: Math.max(left.timeGrainNs, right.timeGrainNs),
    overrides: job.overrides,
    texts,
    ...(job.selection.sizes && { sizes: job.selection.sizes }),
    ...(attributes > 0 && { attributes }),
    ...(owners && { owners }),
  }
}

/** Whether these two roots were brought together before. */
export function isSamePair(pair: Pair | undefined, left: SourceEnd, right: TargetEnd): pair is Pair {
  return pair !== undefined && pair.sourceId === left.facts.rootId && pair.targetId === right.facts.rootId
}

/** Whether both roots are still the pair that the last run left behind, problems aside. */
export function isUnchanged(job: Job, pair: Pair | undefined, left: SourceEnd, right: TargetEnd, seen: Seen): boolean {
  if (!isSamePair(pair, left, right)) return false
  const expected = settledTarget(job, pair, left.facts.rootId, seen)
  return seen.right !== undefined && expected !== undefined && equalBytes(expected, seen.right.fingerprint)
}

/**
 * The fingerprint with which the target of a pair has nothing to be done to it, as far as the source and the rules say;
 * undefined where there may be something, or something has to be tried again.
 */
export function settledTarget(
  job: Job,
  pair: Pair,
  sourceId: string,
  seen: Pick<Seen, 'scan' | 'view' | 'viewId' | 'left'>,
): Uint8Array | undefined {
  if (job.checksum || pair.sourceId !== sourceId || !isUnderRules(pair, job, seen)) return undefined
  if (pair.problems.length > 0 || seen.scan.problems.length > 0 || pair.sourceFingerprint === undefined)
    return undefined
  return equalBytes(pair.sourceFingerprint, seen.left.fingerprint) ? pair.targetFingerprint : undefined
}

/** Whether they are the rules of the last run, whatever the target makes of names. */
function isUnderRules(pair: Pair, job: Job, { view, viewId }: Pick<Seen, 'view' | 'viewId'>): boolean {
  return isSameView(pair.viewId, rulesId(job, { view, viewId }))
}
