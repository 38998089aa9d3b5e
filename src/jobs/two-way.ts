// A two-way run, as a list of calls: scan both sides, compare them with each other and with what they last agreed on, judge
// both plans, put conflict copies aside, carry both plans out, and remember what is equal now. Each side's plan is a plan
// like a mirror's, and its target holds it to its own guard. What breaks off midway leaves names that are equal on both
// sides or not, and the base as it was: the next run takes equal names for agreed on, and decides the others again.

import { domainDigest } from '../chunk/digest.ts'
import { conflictPolicy } from '../core/conflict-rules.ts'
import type { Summary } from '../core/entry.ts'
import { type GuardFacts, inspect, sideHaltText } from '../core/guard.ts'
import type { IgnoreText } from '../core/ignore.ts'
import { listingEntries } from '../core/listing.ts'
import { isExact } from '../core/naming.ts'
import { joinPath } from '../core/path.ts'
import { cutBatches, isEmptyPlan, type Plan, weightOf } from '../core/plan.ts'
import { type Problem, uniqueProblems } from '../core/problem.ts'
import { underPolicy } from '../core/selection.ts'
import { specialsText } from '../core/specials.ts'
import { otherSide, type Side, type TwoWayRules } from '../core/two-way.ts'
import type { View } from '../core/view.ts'
import type { ScanReport } from '../disk/scan.ts'
import { type BaseOf, loadBases } from '../state/bases.ts'
import { type Hold, loadPair, type Pair, savePair } from '../state/pairs.ts'
import { equalBytes } from '../std/bytes.ts'
import { Failure, systemHint } from '../std/failure.ts'
import { type Agreement, findAgreement } from './agreement.ts'
import { planChanges } from './changes.ts'
import { type Divergence, findDivergence, type KnownBase } from './divergence.ts'
import type { ApplyCounts, ApplyResult, Begun, BothEnd } from './endpoint.ts'
import { guardedBy } from './guarded.ts'
import { landFirst } from './hard-links.ts'
import type { Found, Outcome, RunContext, RunEnd, TwoWayJob } from './job.ts'
import { type Held, judge } from './judged.ts'
import { tellKept, tellRecovered } from './notices.ts'
import { chunks, emptyListing } from './places.ts'
import { viewIdOf } from './rules-id.ts'
import { scanRules, viewOf } from './settled.ts'
import { type BatchOrder, planBatches, type TransferTotals, transfer, workOf } from './transfer.ts'

type Sides<Value> = Readonly<Record<Side, Value>>
const sides: readonly Side[] = ['left', 'right']

/** What looking at both sides came to. */
type Seen = {
  readonly scans: Sides<ScanReport>
  readonly roots: Sides<Summary>
  readonly view: View
  readonly viewId: string
  readonly scanMs: number
}

/** Makes both sides equal, as far as they can be. The ends are the caller's to close. */
export async function runTwoWay(job: TwoWayJob, left: BothEnd, right: BothEnd, context: RunContext): Promise<RunEnd> {
  const { listen, signal } = context
  const ends = { left, right }
  for (const side of sides) {
    mustTakeNames(ends[side])
    tellRecovered(ends[side], listen)
  }
  listen({ type: 'phase', phase: 'scan' })
  const seen = await scanBoth(job, ends, context)
  const pair = pairOf(job, ends, context)
  tellLeftOut(seen, context)
  if (isUnchanged(job, pair, seen)) return endRun('unchanged', [], seen, { clearsHold: false })
  signal.throwIfAborted()

  listen({ type: 'phase', phase: 'compare' })
  const base = baseOf(job, ends, context)
  const rules = rulesOf(job, ends, seen)
  const found = await findDivergence(ends, base, rules)
  const problems = uniqueProblems([...seen.scans.left.problems, ...seen.scans.right.problems, ...found.problems])
  tellChanges(found, context)
  const verdict = judgeBoth(job, ends, found, seen, pair !== undefined, context)
  if (typeof verdict === 'object') return endRun('halted', problems, seen, { hold: verdict, clearsHold: false })
  if (job.dryRun) return endRun('planned', problems, seen, { clearsHold: false })

  const done = await carryOut(job, ends, found, seen, verdict === 'released', pair !== undefined, context)
  problems.push(...done.problems)
  const agreed = await findAgreement(ends, done.roots, base, { proven: found.proven, problems }, rules)
  return remember(job, ends, seen, done, agreed, problems, context)
}

/** A disk that folds or refuses names makes others of them, and no name here is ever taken for another one. */
function mustTakeNames({ facts }: BothEnd): void {
  const { naming } = facts.traits
  if (naming === undefined || isExact(naming)) return
  throw new Failure('bad-usage', `the disk of ${facts.path} does not take every name as it is`, {
    hint: 'a two-way run needs case-sensitive disks that take all names on both sides; mirror to it instead',
  })
}

/** Both sides are scanned at the same time; what the ignore files of either one hide is hidden on both. */
async function scanBoth(job: TwoWayJob, { left, right }: Sides<BothEnd>, { clock }: RunContext): Promise<Seen> {
  const startMs = clock.monotonicMs()
  const rules = scanRules(job).left
  const [one, other] = await Promise.all([left.scan(rules), right.scan(rules)])
  const view = viewOf(job, left.facts.traits, right.facts.traits, joinTexts(one.texts, other.texts))
  const viewId = viewIdOf(view)
  const [leftRoot, rightRoot] = await Promise.all([left.view(view, viewId), right.view(view, viewId)])
  const roots = { left: leftRoot ?? unread(left, one), right: rightRoot ?? emptyOrUnread(job, right, other) }
  return { scans: { left: one, right: other }, roots, view, viewId, scanMs: Math.round(clock.monotonicMs() - startMs) }
}

function unread({ facts }: BothEnd, { problems }: ScanReport): never {
  const word = problems.find((problem) => problem.path === '')?.detail ?? ''
  const text = `the folder ${facts.path} could not be read${word === '' ? '' : ` (${word})`}`
  throw new Failure('source-unreadable', text, { hint: systemHint(word) })
}

/** A dry run's right side may not be there yet. */
function emptyOrUnread(job: TwoWayJob, end: BothEnd, scan: ScanReport): Summary {
  if (!job.dryRun || !end.facts.empty) return unread(end, scan)
  return { fingerprint: new Uint8Array(0), files: 0, directories: 0, sizeBytes: 0 }
}

/** The ignore files of both sides, in the order of their directories; one that both have alike counts once. */
function joinTexts(left: readonly IgnoreText[], right: readonly IgnoreText[]): IgnoreText[] {
  const isSame = (a: IgnoreText, b: IgnoreText): boolean =>
    a.directory === b.directory && a.label === b.label && a.text === b.text
  const more = right.filter((text) => !left.some((known) => isSame(known, text)))
  return [...left, ...more].sort((a, b) => (a.directory < b.directory ? -1 : a.directory > b.directory ? 1 : 0))
}

/** What the last run between just these two folders left, with its left as this run's. */
function pairOf(
  { id, isSwapped }: TwoWayJob,
  { left, right }: Sides<BothEnd>,
  { state }: RunContext,
): Pair | undefined {
  const pair = loadPair(state, id)
  if (pair === undefined) return undefined
  const [one, other] = isSwapped ? [right, left] : [left, right]
  if (pair.sourceId !== one.facts.rootId || pair.targetId !== other.facts.rootId) return undefined
  if (!isSwapped) return pair
  const { sourceFingerprint, targetFingerprint } = pair
  return { ...pair, sourceFingerprint: targetFingerprint, targetFingerprint: sourceFingerprint }
}

function isUnchanged(job: TwoWayJob, pair: Pair | undefined, { scans, roots, viewId }: Seen): boolean {
  if (pair === undefined || job.checksum || pair.viewId !== viewId || pair.problems.length > 0) return false
  if (scans.left.problems.length > 0 || scans.right.problems.length > 0) return false
  const { sourceFingerprint: left, targetFingerprint: right } = pair
  if (left === undefined || right === undefined) return false
  return equalBytes(left, roots.left.fingerprint) && equalBytes(right, roots.right.fingerprint)
}

function tellLeftOut({ scans }: Seen, { listen }: RunContext): void {
  const text = specialsText(scans.left.specials, scans.right.specials)
  if (text !== undefined) listen({ type: 'notice', text })
}

/** What was agreed on by just these two folders: they name it, whichever of them comes first. */
function baseName({ id, isSwapped }: TwoWayJob, { left, right }: Sides<BothEnd>): BaseOf {
  const [one, other] = isSwapped ? [right, left] : [left, right]
  return { job: id, leftId: one.facts.rootId, rightId: other.facts.rootId }
}

function baseOf(job: TwoWayJob, ends: Sides<BothEnd>, { state }: RunContext): KnownBase {
  const of = baseName(job, ends)
  return { load: (paths) => loadBases(state, of, paths) }
}

function rulesOf(job: TwoWayJob, { left, right }: Sides<BothEnd>, { view }: Seen): TwoWayRules {
  const { only: _, ...selection } = underPolicy(underPolicy(job.selection, left.facts.links), right.facts.links)
  const times = rangeOf(left.facts.traits.times, right.facts.traits.times)
  return {
    ...selection,
    timeGrainNs: view.timeGrainNs,
    ...(times && { times }),
    checksum: job.checksum,
    machines: { left: left.facts.machine, right: right.facts.machine },
    policyFor: conflictPolicy(job.conflicts),
    linkDigest: (text) => domainDigest('symlink text 1', text),
  }
}

type Times = NonNullable<TwoWayRules['times']>

/** The times that both hold. */
function rangeOf(one: Times | undefined, other: Times | undefined): Times | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return { min: Math.max(one.min, other.min), max: Math.min(one.max, other.max) }
}

function tellChanges(
  { conflicts, restored, plans, left, right }: Divergence,
  { listen, listsChanges }: RunContext,
): void {
  for (const { path, loser, copyAs, baseSeconds } of conflicts) {
    const more = { ...(copyAs !== undefined && { copy: copyAs }), ...(baseSeconds !== undefined && { baseSeconds }) }
    listen({ type: 'conflict', path, kept: otherSide(loser), ...more })
  }
  const [first] = restored
  if (first !== undefined) {
    const more = restored.length === 1 ? '' : ` and ${restored.length - 1} more`
    listen({ type: 'notice', text: `${first}${more} was deleted on one side and changed on the other: it comes back` })
  }
  if (!listsChanges) return
  const asides = { left: left.asides(), right: right.asides() }
  for (const to of sides) {
    const first: Plan = { ...plans[to], ...asides[to] }
    for (const change of planChanges(first)) listen({ ...change, to })
    for (const change of planChanges(plans[to])) listen({ ...change, to })
  }
}

/** Holds both plans where either side's guard says so: half of what was agreed would be no agreement. */
function judgeBoth(
  job: TwoWayJob,
  ends: Sides<BothEnd>,
  { plans }: Divergence,
  seen: Seen,
  hasBase: boolean,
  context: RunContext,
): 'free' | 'released' | Hold {
  const held: NonNullable<Held>[] = []
  // What was undone on one side is about to be brought to the other, or done again.
  const wasUndone = sides.some((side) => ends[side].facts.undone !== undefined)
  for (const side of sides) {
    const undone = wasUndone && !isEmptyPlan(plans[side])
    const halt = inspect({ ...guardFacts(plans[side], seen, side, hasBase), undone }, job.limit)
    if (halt !== undefined) held.push({ ...halt, text: `${ends[side].facts.path}: ${sideHaltText(halt.reason)}` })
  }
  const guarded = guardedBy(sides.flatMap((side) => plans[side].guarded.map((line) => sidedLine(line, side))))
  const first = held[0]
  if (first === undefined) return judge(job, guarded, undefined, context)
  const sum = (what: 'deletes' | 'replaces'): number => plans.left[what] + plans.right[what]
  const text = held.map((one) => one.text).join('; ')
  return judge(job, guarded, { ...first, text, deletes: sum('deletes'), replaces: sum('replaces') }, context)
}

/** A line of what is guarded, with the side on which it lies. The path comes first, for people. */
function sidedLine(line: string, side: Side): string {
  return `${line}\0${side}`
}

function guardFacts(plan: Plan, { roots }: Seen, side: Side, hasBase: boolean): GuardFacts {
  return {
    leftEntries: entriesOf(roots[otherSide(side)]),
    rightEntries: entriesOf(roots[side]),
    deletes: plan.deletes,
    replaces: plan.replaces,
    hasBase,
  }
}

function entriesOf({ files, directories }: Summary): number {
  return files + directories
}

/** What a run did, and what both sides are then. */
type Done = {
  readonly roots: Sides<Summary>
  readonly counts: ApplyCounts
  readonly problems: readonly Problem[]
  readonly sent: TransferTotals
  readonly isIdle: boolean
}

async function carryOut(
  job: TwoWayJob,
  ends: Sides<BothEnd>,
  found: Divergence,
  seen: Seen,
  released: boolean,
  hasBase: boolean,
  context: RunContext,
): Promise<Done> {
  const { listen, signal } = context
  const { plans } = found
  const busy = sides.filter((side) => !isEmptyPlan(plans[side]) || found[side].hasAsides)
  const nothing = { counts: noCounts, problems: [], sent: nothingSent }
  if (busy.length === 0) return { roots: seen.roots, ...nothing, isIdle: true }
  tellPlanned(ends, plans, released, context)
  listen({ type: 'phase', phase: 'transfer' })
  const begun = new Map<Side, Begun>()
  for (const side of busy) {
    const facts = guardFacts(plans[side], seen, side, hasBase)
    const bringsBytes = workOf(plans[side].sections).contentBytes
    const asides = found[side].asides()
    const steps = weightOf(plans[side]) + weightOf({ ...plans[side], ...asides })
    const { limit, keep, durability } = job
    begun.set(side, await ends[side].begin({ ...facts, steps, bringsBytes, released, limit, keep, durability }))
  }
  // Not before both let it in: nothing lands before this is noted.
  savePair(context.state, pairWith(job, ends, seen, undefined, [], context))
  const next = new Map<Side, number>()
  for (const side of busy) next.set(side, await putAside(found, ends, side, context))
  const problems: Problem[] = []
  const sent = { ...nothingSent }
  for (const side of busy) {
    const source = ends[otherSide(side)]
    const how = { begun: Promise.resolve(), first: next.get(side) ?? 0, goesOn: true }
    const plan = await planNow(found, ends, side, problems)
    const went = await transfer(
      source,
      ends[side],
      planBatches(plan, source, ends[side], problems),
      workOf(plan.sections),
      listen,
      signal,
      how,
    )
    for (const what of ['wanted', 'supplied', 'contentBytes', 'sentBytes'] as const) sent[what] += went[what]
  }
  listen({ type: 'phase', phase: 'apply' })
  const roots = { ...seen.roots }
  const counts = { ...noCounts }
  for (const side of busy) {
    const applied = await ends[side].finish()
    roots[side] = applied.summary
    problems.push(...applied.problems)
    for (const what of Object.keys(counts) as (keyof ApplyCounts)[]) counts[what] += applied.counts[what]
    tellKeptAt(job, begun.get(side), applied, context)
  }
  return { roots, counts, problems, sent, isIdle: false }
}

function tellKeptAt(job: TwoWayJob, begun: Begun | undefined, applied: ApplyResult, { listen }: RunContext): void {
  if (begun !== undefined) tellKept(job, begun, applied, listen)
}

/** The plan of the side that keeps no log here, where one is on another machine; an end there has no epoch yet. */
function tellPlanned({ left }: Sides<BothEnd>, plans: Sides<Plan>, released: boolean, { planned }: RunContext): void {
  const side = left.facts.epoch === 0 ? 'left' : 'right'
  planned(plans[side], released, side)
}

/** Gives the losers of conflicts their names, all of them, before anything comes in their places. */
async function putAside(found: Divergence, ends: Sides<BothEnd>, side: Side, context: RunContext): Promise<number> {
  if (!found[side].hasAsides) return 0
  const { sections, deletions } = found[side].asides()
  const batches = (): BatchOrder[] => [...cutBatches(sections), ...cutBatches(deletions), landFirst]
  const how = { begun: Promise.resolve(), goesOn: true }
  const source = ends[otherSide(side)]
  const { next } = await transfer(source, ends[side], batches(), noWork, context.listen, context.signal, how)
  return next
}

/**
 * The plan of a side once its conflict copies have their names. The target has looked at their directories again, and what
 * somebody did there since the scan is neither replaced nor deleted.
 */
async function planNow(found: Divergence, ends: Sides<BothEnd>, side: Side, problems: Problem[]): Promise<Plan> {
  const [plan, directories] = [found[side], found[side].asideDirectories]
  let isSpared = false
  for (const some of chunks(directories)) {
    const listings = await ends[side].listings(some)
    some.forEach((path, i) => {
      const changed = plan.spareChanged(path, listingEntries(listings[i]?.bytes ?? emptyListing))
      for (const name of changed) problems.push({ path: joinPath(path, name), code: 'target-changed', detail: '' })
      isSpared ||= changed.length > 0
    })
  }
  return isSpared ? plan.plan(found.problems) : found.plans[side]
}

const noWork = { files: 0, contentBytes: 0 }

/** What both roots are now: recorded as settled only where they are the same, since what differs has to be looked at again. */
function remember(
  job: TwoWayJob,
  ends: Sides<BothEnd>,
  seen: Seen,
  done: Done,
  { changes, isSettled }: Agreement,
  problems: readonly Problem[],
  context: RunContext,
): RunEnd {
  const unique = uniqueProblems(problems)
  const pair = pairWith(job, ends, seen, isSettled ? done.roots : undefined, unique, context)
  const base = { of: baseName(job, ends), changes }
  const outcome = unique.length > 0 ? 'partial' : done.isIdle ? 'unchanged' : 'done'
  return endRun(outcome, unique, seen, { pair, base, clearsHold: true }, done)
}

function pairWith(
  job: TwoWayJob,
  { left, right }: Sides<BothEnd>,
  { viewId }: Seen,
  roots: Sides<Summary> | undefined,
  problems: readonly Problem[],
  { runId, clock }: RunContext,
): Pair {
  const ids = { left: left.facts.rootId, right: right.facts.rootId }
  const [one, other]: readonly Side[] = job.isSwapped ? ['right', 'left'] : ['left', 'right']
  return {
    job: job.id,
    sourceId: ids[one as Side],
    targetId: ids[other as Side],
    viewId,
    sourceFingerprint: roots?.[one as Side].fingerprint,
    targetFingerprint: roots?.[other as Side].fingerprint,
    problems,
    runId,
    atMs: clock.nowMs(),
  }
}

function endRun(
  outcome: Outcome,
  problems: readonly Problem[],
  seen: Seen,
  found: Found,
  done: Pick<Done, 'counts' | 'sent' | 'roots'> = { counts: noCounts, sent: nothingSent, roots: seen.roots },
): RunEnd {
  const { counts, sent, roots } = done
  const { scanMs } = seen
  const { supplied, contentBytes, sentBytes } = sent
  return { outcome, counts, problems, summary: roots.left, supplied, contentBytes, sentBytes, scanMs, found }
}

const nothingSent: TransferTotals = { wanted: 0, supplied: 0, contentBytes: 0, sentBytes: 0, next: 0 }
const noCounts: ApplyCounts = { created: 0, replaced: 0, attributes: 0, renamed: 0, deleted: 0, copied: 0 }
