// Undoing a run of this machine's history, wherever its target lies: a run of its own, with its own id, its own versions
// and its own entry in the history, so that it can be undone too. All or nothing: one path that was changed since, and
// nothing is undone. Whoever stops it gets a target that is whole, and an undo that goes on the next time. The target
// remembers it, so that the next run of the job does not simply do the same again.

import type { Problem } from '../core/problem.ts'
import { realPath } from '../disk/root.ts'
import type { UndoFound } from '../disk/undo-tasks.ts'
import { findRuns, type Run } from '../state/history.ts'
import { endRun, newRunId, type RunEnd, startRun } from '../state/runs.ts'
import { processMark } from '../std/alive.ts'
import { asFailure, Failure, failureCodes } from '../std/failure.ts'
import { sectionChanges } from './changes.ts'
import type { ApplyCounts, RunEvent } from './endpoint.ts'
import { parseEnd } from './ends.ts'
import type { Workshop } from './local.ts'
import { checkSshOnly, connectTo, type Reach } from './run.ts'
import type { SshWays } from './ssh.ts'
import { LocalUndo, RemoteUndo, type UndoEnd, type UndoEnded, type UndoPart } from './undo-end.ts'

/** What an undo came to. */
export type UndoResult = {
  /** The run that was (or would be) undone. */
  readonly run: Run
  /** The undo's own id; '' where nothing was done. */
  readonly runId: string
  /**
   * `refused`: paths stand against it, and nothing was done. `stopped`: as asked; the next undo of the same run goes on.
   * `nothing`: all is as it was before the run. `planned`: a dry run.
   */
  readonly outcome: 'done' | 'partial' | 'nothing' | 'refused' | 'planned' | 'stopped'
  /** Up to 1,000 paths that stand against it, and how many there are. */
  readonly conflicts: readonly { readonly path: string; readonly why: string }[]
  readonly conflictCount: number
  /** Paths that were as before already. */
  readonly already: number
  readonly counts: ApplyCounts
  readonly problems: readonly Problem[]
}

/**
 * What happens during an undo: `look` while it looks at names; a `change` for each path, in a dry run what would be done,
 * else what is done; `progress` in steps, first of what is made ready, then of what gets its name.
 */
export type UndoEvent =
  | { readonly type: 'look'; readonly names: number }
  | {
      readonly type: 'progress'
      readonly phase: 'stage' | 'apply'
      readonly steps: number
      readonly stepsTotal: number
    }
  | (RunEvent & { readonly type: 'change' })

export type UndoListener = (event: UndoEvent) => void

/** What the command line ends with. */
export function undoExitCode({ outcome, problems }: Pick<UndoResult, 'outcome' | 'problems'>): number {
  if (outcome === 'refused') return failureCodes['root-held'].exit
  if (outcome === 'stopped') return failureCodes.cancelled.exit
  return problems.length > 0 ? 3 : 0
}

const undoMode = 'undo'

/** The one run whose id begins like this. Throws `bad-usage` where there is none, or more than one. */
function findRun(workshop: Workshop, prefix: string): Run {
  const [run, other] = prefix === '' ? [] : findRuns(workshop.state, prefix)
  if (run === undefined) {
    throw new Failure('bad-usage', `no run of this machine is called ${JSON.stringify(prefix)}`, {
      hint: 'nightferry versions PATH shows runs; a run is undone on the machine where it was started',
    })
  }
  if (other !== undefined)
    throw new Failure('bad-usage', `more than one run begins with ${prefix}`, { hint: 'write more of it' })
  if (run.target === '') {
    throw new Failure('bad-usage', `the run ${run.runId} wrote to a folder of ${run.driver}, not to one here`, {
      hint: 'undo it there',
    })
  }
  return run
}

/**
 * The run as what is undone of it: of one that went both ways, what it did on one side. That is a change there like any
 * other, which the next run is held for, and carries to the other side once it is let go on. Throws `bad-usage`.
 */
function sided(run: Run, side: string | undefined): Run {
  if (run.mode !== 'two-way') {
    if (side === undefined) return run
    throw new Failure('bad-usage', `the run ${run.runId} went one way: it has no sides`)
  }
  if (side === 'right') return run
  if (side === 'left') return { ...run, source: run.target, target: run.source }
  const what = side === undefined ? 'which side of it is to be undone?' : `${JSON.stringify(side)} is no side`
  throw new Failure('bad-usage', `the run ${run.runId} went both ways: ${what}`, {
    hint: `--side left is ${run.source}, --side right is ${run.target}`,
  })
}

/** Undoes a run, or says what that would come to. Throws `cancelled` where it is stopped before it changed anything. */
export async function undoRun(
  workshop: Workshop,
  reach: Reach,
  request: {
    readonly prefix: string
    readonly side?: string | undefined
    readonly dryRun: boolean
    readonly ways: SshWays
  },
  listen: UndoListener,
  signal: AbortSignal,
): Promise<UndoResult> {
  const run = sided(findRun(workshop, request.prefix), request.side)
  const end = await openEnd(workshop, reach, { run, ways: request.ways }, signal)
  try {
    const { steps, isEmpty, ...found } = await lookAtAll(end, listen, signal)
    const told = { run, runId: '', counts: noCounts, problems: [], ...found }
    // What can't be undone is no run in the history.
    if (found.conflictCount > 0) return { ...told, outcome: 'refused' }
    if (isEmpty) return { ...told, outcome: 'nothing' }
    if (!request.dryRun) return { ...told, ...(await carryOut(workshop, end, run, steps, listen, signal)) }
    await listAll(end, listen, signal)
    return { ...told, outcome: 'planned' }
  } finally {
    await end.close()
  }
}

async function openEnd(
  workshop: Workshop,
  reach: Reach,
  { run, ways }: { readonly run: Run; readonly ways: SshWays },
  signal: AbortSignal,
): Promise<UndoEnd> {
  const request = { run: run.runId, job: run.job, by: workshop.machine }
  const name = run.target.startsWith('/') ? undefined : parseEnd(run.target, reach.isMachine)
  if (name?.kind !== 'remote') {
    checkSshOnly(ways.remoteCommand)
    return await LocalUndo.open(workshop, realPath(run.target), request)
  }
  const remoteCommand = ways.remoteCommand ?? run.options?.remoteCommand
  const session = await connectTo(reach, name, { ...ways, remoteCommand }, signal)
  try {
    return await RemoteUndo.open(session, workshop, { share: name.share, sub: name.sub }, request)
  } catch (error) {
    session.close()
    throw error
  }
}

async function lookAtAll(end: UndoEnd, listen: UndoListener, signal: AbortSignal): Promise<UndoFound> {
  for (let names = 0; ; ) {
    mustGoOn(signal)
    const { names: more, found } = await end.look()
    names += more
    listen({ type: 'look', names })
    if (found !== undefined) return found
  }
}

function mustGoOn(signal: AbortSignal): void {
  if (signal.aborted) throw stoppedEarly()
}

async function listAll(end: UndoEnd, listen: UndoListener, signal: AbortSignal): Promise<void> {
  for (;;) {
    mustGoOn(signal)
    const part = await end.list()
    if (part === undefined) return
    tellChanges(part, listen)
  }
}

function tellChanges({ moves, sections }: UndoPart, listen: UndoListener): void {
  for (const { from, to } of moves) listen({ type: 'change', action: 'rename', path: to, from })
  for (const section of sections) for (const change of sectionChanges(section, new Set())) listen(change)
}

/** The undo itself, with its place in the history of the very job, so that whoever asks how that stands is told. */
async function carryOut(
  workshop: Workshop,
  end: UndoEnd,
  run: Run,
  stepsTotal: number,
  listen: UndoListener,
  signal: AbortSignal,
): Promise<Pick<UndoResult, 'runId' | 'outcome' | 'counts' | 'problems'>> {
  mustGoOn(signal)
  const { job, source, target } = run
  const runId = newRunId(workshop.clock)
  startRun(workshop.state, { runId, job, source, target, mode: undoMode, process: processMark() })
  try {
    await end.begin(runId)
    const ended = await carryAll(end, stepsTotal, listen, signal)
    if (!ended.isBegun) throw stoppedEarly()
    endRun(workshop.state, runId, undoEnd(ended))
    const outcome = ended.isStopped ? 'stopped' : ended.problemCount > 0 ? 'partial' : 'done'
    return { runId, outcome, counts: ended.counts, problems: ended.problems }
  } catch (error) {
    const { code, message, hint, exitCode } = asFailure(error, 'disk-error')
    const failure = { code, message, hint }
    endRun(workshop.state, runId, { outcome: 'failed', exitCode, counts: {}, problems: [], failure })
    throw error
  }
}

function stoppedEarly(): Failure {
  return new Failure('cancelled', 'the undo was stopped', { hint: 'nothing was changed' })
}

async function carryAll(
  end: UndoEnd,
  stepsTotal: number,
  listen: UndoListener,
  signal: AbortSignal,
): Promise<UndoEnded> {
  const done = { stage: 0, apply: 0 }
  for (;;) {
    const { phase, steps, part, ended } = await end.carry(signal.aborted)
    tellChanges(part, listen)
    if (ended !== undefined) return ended
    done[phase] += steps
    listen({ type: 'progress', phase, steps: done[phase], stepsTotal })
  }
}

/** How an undo that changed something ended, for the history of either machine. */
export function undoEnd({ counts, problems, problemCount, isStopped }: UndoEnded): RunEnd {
  if (!isStopped) {
    const outcome = problemCount > 0 ? 'partial' : 'done'
    return { outcome, exitCode: problemCount > 0 ? 3 : 0, counts, problems }
  }
  const failure = {
    code: 'cancelled',
    message: 'the undo was stopped where the target is whole',
    hint: 'undo the same run again: it goes on from there; or undo this undo, which takes back what it did',
  }
  return { outcome: 'failed', exitCode: failureCodes.cancelled.exit, counts, problems, failure }
}

const noCounts: ApplyCounts = { created: 0, replaced: 0, attributes: 0, renamed: 0, deleted: 0, copied: 0 }
