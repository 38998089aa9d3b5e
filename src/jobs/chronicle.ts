// What a run of this machine leaves behind for people who look back: its row in the history, with what it was told, what a
// guard said and how it failed, and its lines in the log. Where the target is on another machine, which logs what landed
// there, the driver logs the changes of the plan too, once the target said that they landed; so `nightferry why` answers
// on either machine. Costs O(changes), and nothing is decided by it.

import { conflictOptions } from '../core/conflict-rules.ts'
import { guardLimitText } from '../core/guard.ts'
import type { IgnoreText } from '../core/ignore.ts'
import type { RelPath } from '../core/path.ts'
import type { PackedSection, Plan } from '../core/plan.ts'
import type { Problem } from '../core/problem.ts'
import { keepText } from '../core/retention.ts'
import { selectionOptions } from '../core/selection.ts'
import { furtherFields } from '../core/trail.ts'
import type { KnownConflict } from '../state/conflicts.ts'
import type { RunHalt, RunOptions } from '../state/history.ts'
import { commitRun, failRun, newRunId, type RunStart, startRun } from '../state/runs.ts'
import { processMark } from '../std/alive.ts'
import { Failure } from '../std/failure.ts'
import { type Log, logWith } from '../std/log.ts'
import { dressOptions } from './dress.ts'
import type { RunEvent, RunListener, TargetEnd } from './endpoint.ts'
import type { RunEnd, RunRequest } from './job.ts'
import type { TakenTree, Workshop } from './local.ts'
import { type PlannedChanges, planLines } from './plan-lines.ts'

export class Chronicle {
  readonly runId: string
  readonly #workshop: Workshop
  readonly #start: RunStart
  readonly #startedMs: number
  readonly #log: Log
  readonly #targetIsRemote: boolean
  #halt: RunHalt | undefined
  #plan: PlannedChanges | undefined
  /** Of a two-way run: the side that the plan is for. */
  #side: 'left' | 'right' | undefined
  readonly #found: PackedSection[] = []
  /** Those of which both values stay. */
  readonly #conflicts: Pick<KnownConflict, 'path' | 'kept' | 'copy' | 'baseSeconds'>[] = []
  #target: TargetEnd | undefined

  constructor(
    workshop: Workshop,
    run: { job: string; source: string; target: string; targetIsRemote: boolean },
    request: RunRequest,
  ) {
    const { job, source, target } = run
    this.#workshop = workshop
    this.#targetIsRemote = run.targetIsRemote
    this.#startedMs = workshop.clock.nowMs()
    this.runId = newRunId(workshop.clock)
    this.#start = { runId: this.runId, job, source, target, mode: request.mode, options: optionsOf(request) }
    this.#log = logWith(workshop.log, { runId: this.runId })
  }

  /** Both ends are open, and locked. A target on another machine tells its epoch later, when it lets a plan in. */
  begin(target: TargetEnd): void {
    this.#target = target
    const { epoch } = target.facts
    const { interrupted } = startRun(this.#workshop.state, { ...this.#start, process: processMark(), epoch })
    for (const runId of interrupted) this.#log.note('found-cut-off', { other: runId })
    const { source, mode, options } = this.#start
    this.#log.note('run-start', { source, target: this.#start.target, mode, dryRun: options?.dryRun })
  }

  /** Hears what the run tells, and passes it on. */
  listener(listen: RunListener): RunListener {
    return (event) => {
      if (event.type === 'halt') this.#held(event)
      if (event.type === 'conflict') this.#conflicted(event)
      listen(event)
    }
  }

  #held({ type: _, ...halt }: RunEvent & { type: 'halt' }): void {
    this.#halt = halt
    const { sample, ...facts } = halt
    const action = this.#start.options?.dryRun === true ? 'would-halt' : 'halted'
    this.#log.note(action, { ...facts, sample: sample.join('\n') })
  }

  #conflicted({ path, kept, copy = '', baseSeconds }: RunEvent & { type: 'conflict' }): void {
    if (this.#start.options?.dryRun === true) return
    this.#log.note('conflict', { path, kept, copy })
    if (copy !== '') this.#conflicts.push({ path: path as RelPath, kept, copy, baseSeconds })
  }

  /** The plan was let through, and what it says is about to be done. */
  readonly planned = (plan: Plan, released: boolean, side?: 'left' | 'right'): void => {
    this.#plan = plan
    this.#side = side
    if (released) this.#log.note('released', { deletes: plan.deletes, replaces: plan.replaces })
  }

  /** A part of a run into an empty target is about to travel. Of new directories only their names are kept. */
  readonly found = (section: PackedSection): void => {
    if (!this.#targetIsRemote || this.#start.options?.dryRun === true) return
    this.#found.push(section.state === 'present' ? section : { ...section, stepBytes: new Uint8Array(0), stepCount: 0 })
    this.#plan = { made: [], moves: [], sections: this.#found, deletions: [] }
  }

  /** The end of the run, what it found, and the trees of both roots land in one transaction. */
  ended(end: RunEnd, exitCode: number, trees: readonly TakenTree[]): void {
    const { outcome, counts, problems, supplied, contentBytes, sentBytes, summary, scanMs, found } = end
    const { files, directories, sizeBytes } = summary
    this.#tellChanges(problems, 'landed')
    const totals = { files, directories, sizeBytes, requested: supplied, contentBytes, scanMs }
    const { halt, epoch } = this.#told()
    commitRun(this.#workshop.state, {
      runId: this.runId,
      end: { outcome, exitCode, counts, problems, totals, halt, epoch, hold: found.hold },
      pair: found.pair,
      base: found.base,
      conflicts: found.base === undefined ? [] : this.#knownConflicts(),
      trees,
      clearHold: found.clearsHold,
    })
    for (const { path, code, detail } of problems.slice(0, 1000)) this.#log.note('problem', { path, code, detail })
    const facts = { requested: supplied, contentBytes, sentBytes, problems: problems.length }
    const verified =
      end.verified === undefined ? {} : { verified: end.verified.files, verifiedBytes: end.verified.bytes }
    this.#log.note('run-end', { outcome, exitCode, ...counts, ...facts, ...verified })
  }

  #knownConflicts(): KnownConflict[] {
    const { job, source: left, target: right } = this.#start
    const of = { job, left, right, runId: this.runId, atMs: this.#workshop.clock.nowMs() }
    return this.#conflicts.map((conflict) => ({ ...of, ...conflict }))
  }

  /** The run broke, or came to nothing. Never throws: the failure is what counts. */
  failed(failure: Failure): void {
    const { code, message, hint, exitCode } = failure
    const { source, target } = this.#start
    this.#tellChanges([], 'unknown')
    this.#log.note('run-failed', { source, target, code, message })
    try {
      failRun(
        this.#workshop.state,
        { ...this.#start, startedMs: this.#startedMs },
        { outcome: 'failed', exitCode, counts: {}, problems: [], failure: { code, message, hint }, ...this.#told() },
      )
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      this.#log.note('not-recorded', { code: error.code })
    }
  }

  #told(): { halt: RunHalt | undefined; epoch: number } {
    return { halt: this.#halt, epoch: this.#target?.facts.epoch ?? 0 }
  }

  /** What a remote target was told to do. `unknown`: the run broke, and the target alone knows how far it came. */
  #tellChanges(problems: readonly Problem[], known: 'landed' | 'unknown'): void {
    const plan = this.#plan
    this.#plan = undefined
    if (plan === undefined || !this.#targetIsRemote) return
    const { epoch } = this.#told()
    const side = this.#side === undefined ? {} : { side: this.#side }
    for (const { action, names, of, ...line } of planLines(plan, problems)) {
      const further = of === undefined ? {} : furtherFields(names, of)
      const fields = { epoch, ...side, ...line, names: names.join('/'), count: names.length, ...further }
      if (known === 'landed') this.#log.note(action, fields)
      else this.#log.note('begun', { what: action, ...fields })
    }
  }
}

/** Rules above this are not kept with each run. */
const rulesCharsMax = 64 * 1024

function optionsOf(request: RunRequest): RunOptions {
  const { dryRun, checksum, release, newTarget, limit, ignoreFiles, overrides, remoteCommand } = request
  const narrowed = selectionOptions(request.selection ?? {})
  const flags = {
    dryRun,
    checksum,
    release,
    newTarget,
    limit: guardLimitText(limit),
    narrowed,
    ...(remoteCommand !== undefined && { remoteCommand }),
  }
  return { ...flags, asked: askedOptions(request), ignoreFiles, rules: rulesOf(overrides) }
}

/** What shaped the run besides: as a person would write it, an option each; none where all is as usual. */
function askedOptions(request: RunRequest): string[] {
  const { verify, flow, keep, durability, versions, attributes = 0, numericIds = false } = request
  const options: string[] = [...dressOptions(attributes), ...conflictOptions(request.conflicts ?? [])]
  if (numericIds) options.push('--numeric-ids')
  if (verify === true) options.push('--verify')
  if (flow?.rateBytes !== undefined) options.push(`--bwlimit ${flow.rateBytes}`)
  if (flow !== undefined && flow.compress !== 'auto') options.push(`--compress ${flow.compress}`)
  if (keep !== undefined) options.push(`--keep-versions ${keepText(keep)}`)
  if (durability === 'none') options.push('--durability none')
  if (versions !== undefined) options.push(`--versions ${versions}`)
  return options
}

function rulesOf(overrides: readonly IgnoreText[]): RunOptions['rules'] {
  if (overrides.reduce((sum, { text }) => sum + text.length, 0) > rulesCharsMax) return undefined
  return overrides.map(({ label, text }) => ({ label, text }))
}
