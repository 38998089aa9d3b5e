// A run, as a list of calls: scan both ends, compare, judge, carry out, remember. Each decision lies in a pure function
// of core; each deed in an end. This file stays a screen or two of named calls.

import { wantsExtended, wantsHardLinks, wantsTop } from '../core/attributes.ts'
import type { Summary } from '../core/entry.ts'
import { type GuardFacts, inspect } from '../core/guard.ts'
import { isExact } from '../core/naming.ts'
import { isEmptyPlan, type PackedSection, type Plan, weightOf } from '../core/plan.ts'
import { type Problem, uniqueProblems } from '../core/problem.ts'
import type { Rules } from '../core/reconcile.ts'
import { underPolicy } from '../core/selection.ts'
import { encodeTop, type Top } from '../core/top.ts'
import type { View } from '../core/view.ts'
import type { ScanReport } from '../disk/scan.ts'
import { loadPair, type Pair, savePair } from '../state/pairs.ts'
import { equalBytes } from '../std/bytes.ts'
import type { Clock } from '../std/clock.ts'
import { Failure, systemHint } from '../std/failure.ts'
import { type Brought, bringAll } from './bring.ts'
import { planChanges, sectionChanges } from './changes.ts'
import { compare } from './compare.ts'
import { agreed } from './dress.ts'
import type { ApplyCounts, Begun, PlanTotals, SourceEnd, TargetEnd } from './endpoint.ts'
import { FoundLinks, linkBatches, planLinks } from './hard-links.ts'
import type { Found, OneWayJob as Job, Outcome, RunContext, RunEnd } from './job.ts'
import { haltOf, judge } from './judged.ts'
import { tellKept, tellRecovered, tellSpecials } from './notices.ts'
import { agreeOwners } from './owners.ts'
import { provesBase, rulesId, viewIdOf } from './rules-id.ts'
import { isSamePair, isUnchanged, type Seen, scanRules, viewOf } from './settled.ts'
import { checkClocks } from './skew.ts'
import { Spellings, spelledSource } from './spellings.ts'
import { batchesAsFound, planBatches, type TransferTotals, transfer, workOf } from './transfer.ts'

const foundNothing: Found = { clearsHold: false }

/** Brings the right to what the left is, or as far as the mode says. The ends are the caller's to close. */
export async function runCycle(given: Job, left: SourceEnd, right: TargetEnd, context: RunContext): Promise<RunEnd> {
  // The owner of a target has the last word on links.
  const job = { ...given, selection: underPolicy(given.selection, right.facts.links) }
  const { listen, state, signal } = context
  checkClocks(job.mode, [left, right], context.clock)
  tellRecovered(right, listen)
  listen({ type: 'phase', phase: 'scan' })
  const seen = await scanBoth(job, left, right, context.clock)
  const pair = loadPair(state, job.id)
  if (isUnchanged(job, pair, left, right, seen)) {
    tellSpecials(seen, undefined, listen)
    return endRun('unchanged', [], seen, foundNothing)
  }
  signal.throwIfAborted()
  // After an undo not even this goes on by itself: it may have been the undo that emptied it.
  if (hasNothingToLose(right, seen) && right.facts.undone === undefined)
    return await bringToEmpty(job, left, right, context, seen, pair)

  listen({ type: 'phase', phase: 'compare' })
  const spellings = new Spellings()
  const source = spelledSource(left, spellings)
  const rules = rulesOf(job, right, seen.view)
  const compared = await compare(source, right, rules, seen.scan.moves, spellings)
  const plan =
    carried(seen, wantsHardLinks) !== 0 ? await planLinks(compared, source, right, rules, spellings) : compared
  tellSpecials(seen, plan, listen)
  const problems = uniqueProblems([...seen.scan.problems, ...plan.problems])
  if (context.listsChanges) for (const change of planChanges(plan)) listen(change)
  const base = baseOf(job, pair, left, right, seen)
  const undone = right.facts.undone !== undefined && !isEmptyPlan(plan)
  const facts = { ...guardFacts(plan, seen, base), undone }
  const verdict = judge(job, plan, haltOf(inspect(facts, job.limit)), context)
  if (typeof verdict === 'object') return endRun('halted', problems, seen, { hold: verdict, clearsHold: false })
  if (job.dryRun) return endRun('planned', problems, seen, foundNothing)

  if (isEmptyPlan(plan)) return remember(job, left, right, context, seen, undefined, problems, nothingSent)
  context.planned(plan, verdict === 'released')
  listen({ type: 'phase', phase: 'transfer' })
  const work = workOf(plan.sections)
  const totals = { ...facts, steps: weightOf(plan), bringsBytes: work.contentBytes, released: verdict === 'released' }
  const announced = announce(job, right, totals)
  const begun = announced.then(() => saveBegun(job, left, right, seen, context))
  if (plan.moves.length > 0) {
    await begun
    problems.push(...(await right.moveDirectories(plan.moves)))
  }
  if (plan.top !== undefined) right.giveTop(encodeTop(plan.top))
  const how = { begun, looks: carried(seen, wantsExtended) }
  const sent = await transfer(source, right, planBatches(plan, source, right, problems), work, listen, signal, how)
  listen({ type: 'phase', phase: 'apply' })
  const applied = await right.finish()
  tellKept(job, await announced, applied, listen)
  problems.push(...applied.problems)
  return remember(job, left, right, context, seen, applied, problems, sent)
}

/** Whether the target holds nothing at all: then nothing has to be compared, and no guard has anything to judge. */
function hasNothingToLose(right: TargetEnd, seen: Seen): boolean {
  return right.facts.empty && (seen.right === undefined || entriesOf(seen.right) === 0)
}

/** A run into an empty target: content travels while the rest of the source is still being listed. */
async function bringToEmpty(
  job: Job,
  left: SourceEnd,
  right: TargetEnd,
  context: RunContext,
  seen: Seen,
  pair: Pair | undefined,
): Promise<RunEnd> {
  const { listen, signal } = context
  tellSpecials(seen, undefined, listen)
  const problems: Problem[] = [...seen.scan.problems]
  const work = { files: seen.left.files, contentBytes: seen.left.sizeBytes }
  const [leftEntries, base] = [entriesOf(seen.left), baseOf(job, pair, left, right, seen)]
  const facts: GuardFacts = { leftEntries, rightEntries: 0, deletes: 0, replaces: 0, ...base }
  const found = (section: PackedSection): void => {
    if (context.listsChanges) for (const change of sectionChanges(section, new Set())) listen(change)
    context.found(section)
  }
  const giveTop = (top: Top): void => (job.dryRun ? undefined : right.giveTop(encodeTop(top)))
  const brought: Brought = { problems, giveTop }
  const links = new FoundLinks(carried(seen, wantsHardLinks) !== 0 ? await left.linkedFiles() : [])
  const sections = links.without(bringAll(left, rulesOf(job, right, seen.view), brought))
  if (job.dryRun) {
    for await (const section of sections) found(section)
    links.sections().forEach(found)
    return endRun('planned', problems, seen, foundNothing)
  }
  if (leftEntries === 0 && carried(seen, wantsTop) === 0)
    return remember(job, left, right, context, seen, undefined, problems, nothingSent)
  listen({ type: 'phase', phase: 'transfer' })
  const announced = announce(job, right, { ...facts, steps: leftEntries, released: false })
  const begun = announced.then(() => saveBegun(job, left, right, seen, context))
  const batches = batchesAsFound(sections, found, () => linkBatches(left, links.sections(), found))
  const how = { begun, looks: carried(seen, wantsExtended) }
  const sent = await transfer(left, right, batches, work, listen, signal, how)
  listen({ type: 'phase', phase: 'apply' })
  const applied = await right.finish()
  tellKept(job, await announced, applied, listen)
  return remember(job, left, right, context, seen, applied, [...problems, ...applied.problems], sent)
}

/** Tells the target what is to come, and for how long versions are to be kept. */
async function announce(
  job: Job,
  right: TargetEnd,
  plan: GuardFacts & Pick<PlanTotals, 'steps' | 'released'> & Partial<Pick<PlanTotals, 'bringsBytes'>>,
): Promise<Begun> {
  const { limit, keep, durability } = job
  return await right.begin({ ...plan, limit, keep, durability })
}

/** Begun, not before the target let it in: a plan that it refused has left no base. Nothing lands before this is noted. */
function saveBegun(job: Job, left: SourceEnd, right: TargetEnd, seen: Seen, context: RunContext): void {
  savePair(context.state, { ...pairOf(job, left, right, seen, context), targetFingerprint: undefined })
}

/** What of these a run carries: a mask of core's attributes. */
function carried({ view }: Seen, mask: number): number {
  return (view.attributes ?? 0) & mask
}

/** Both ends are scanned at the same time; the left's ignore files then complete the view. */
async function scanBoth(job: Job, left: SourceEnd, right: TargetEnd, clock: Clock): Promise<Seen> {
  const startMs = clock.monotonicMs()
  const rules = scanRules(job, left.facts.traits, right.facts.traits)
  const [scan] = await Promise.all([left.scan(rules.left), right.scan(rules.right)])
  const [one, other] = [left.facts.traits, right.facts.traits]
  const owners = job.ownersByName
    ? await agreeOwners(left, right, agreed(job.attributes, one, other).attributes)
    : undefined
  const view = viewOf(job, one, other, scan.texts, owners)
  const viewId = viewIdOf(view)
  // The target's owners are what they are.
  const { owners: _, ...theirs } = view
  const [leftSummary, rightSummary] = await Promise.all([left.view(view, viewId), right.view(theirs, viewId)])
  if (leftSummary === undefined) throw unreadable(left.facts.path, scan)
  const scanMs = Math.round(clock.monotonicMs() - startMs)
  const { naming } = right.facts.traits
  return { scan, view, viewId, ...(naming && { naming }), left: leftSummary, right: rightSummary, scanMs }
}

function unreadable(path: string, { problems }: ScanReport): Failure {
  const word = problems.find((problem) => problem.path === '')?.detail ?? ''
  const text = `the folder ${path} could not be read${word === '' ? '' : ` (${word})`}`
  return new Failure('source-unreadable', text, { hint: systemHint(word) })
}

function rulesOf(job: Job, { facts }: TargetEnd, view: View): Rules {
  const { naming, times } = facts.traits
  const { mode, checksum } = job
  const rules = { ...job.selection, mode, timeGrainNs: view.timeGrainNs, ...(times && { times }), checksum }
  return naming === undefined || isExact(naming) ? rules : { ...rules, naming }
}

/** A base counts only under the rules that made it: what other rules hid was never agreed on. */
function baseOf(
  job: Job,
  pair: Pair | undefined,
  left: SourceEnd,
  right: TargetEnd,
  seen: Seen,
): { hasBase: boolean; rulesChanged: boolean } {
  const isSame = isSamePair(pair, left, right)
  const sameRules = isSame && provesBase(pair.viewId, rulesId(job, seen))
  return { hasBase: sameRules, rulesChanged: isSame && !sameRules }
}

function guardFacts(plan: Plan, seen: Seen, base: { hasBase: boolean; rulesChanged: boolean }): GuardFacts {
  return {
    leftEntries: entriesOf(seen.left),
    rightEntries: seen.right === undefined ? 0 : entriesOf(seen.right),
    deletes: plan.deletes,
    replaces: plan.replaces,
    ...base,
  }
}

function entriesOf(summary: Summary): number {
  return summary.files + summary.directories
}

function pairOf(job: Job, left: SourceEnd, right: TargetEnd, seen: Seen, context: RunContext): Pair {
  return {
    job: job.id,
    sourceId: left.facts.rootId,
    targetId: right.facts.rootId,
    viewId: rulesId(job, seen),
    sourceFingerprint: seen.left.fingerprint,
    targetFingerprint: seen.right?.fingerprint,
    problems: [],
    runId: context.runId,
    atMs: context.clock.nowMs(),
  }
}

/**
 * What both roots are now, to be recorded; the base never runs ahead of the disk. A target that was changed and is not what
 * the source is may hold what somebody did there meanwhile: it is compared once more before it counts as agreed.
 */
function remember(
  job: Job,
  left: SourceEnd,
  right: TargetEnd,
  context: RunContext,
  seen: Seen,
  applied: { summary: Summary; counts: ApplyCounts } | undefined,
  problems: readonly Problem[],
  sent: TransferTotals,
): RunEnd {
  const pair = pairOf(job, left, right, seen, context)
  const unique = uniqueProblems(problems)
  const now = applied === undefined ? seen.right : applied.summary
  const isKnown = applied === undefined || equalBytes(applied.summary.fingerprint, seen.left.fingerprint)
  const targetFingerprint = isKnown ? now?.fingerprint : undefined
  const found: Found = { pair: { ...pair, targetFingerprint, problems: unique }, clearsHold: true }
  const outcome = unique.length > 0 ? 'partial' : applied === undefined ? 'unchanged' : 'done'
  return endRun(outcome, unique, seen, found, applied?.counts, sent)
}

function endRun(
  outcome: Outcome,
  problems: readonly Problem[],
  seen: Seen,
  found: Found,
  counts: ApplyCounts = noCounts(),
  sent: TransferTotals = nothingSent,
): RunEnd {
  const { supplied, contentBytes, sentBytes } = sent
  return {
    outcome,
    counts,
    problems,
    summary: seen.left,
    supplied,
    contentBytes,
    sentBytes,
    scanMs: seen.scanMs,
    found,
  }
}

const nothingSent: TransferTotals = { wanted: 0, supplied: 0, contentBytes: 0, sentBytes: 0, next: 0 }

function noCounts(): ApplyCounts {
  return { created: 0, replaced: 0, attributes: 0, renamed: 0, deleted: 0, copied: 0 }
}
