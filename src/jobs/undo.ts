// Undoing a run of this machine's history, wherever its target lies: a run of its own, with its own id, its own versions
// and its own entry in the history, so that it can be undone too. All or nothing: one path that was changed since, and
// nothing is undone. Afterwards the pair of the job says that its last run was undone, so that the next one does not
// simply do it again.

import type { Problem } from '../core/problem.ts'
import { realPath } from '../disk/root.ts'
import { findRuns, type Run } from '../state/history.ts'
import { loadPair, savePair, undoneView } from '../state/pairs.ts'
import { endRun, newRunId, startRun } from '../state/runs.ts'
import { processMark } from '../std/alive.ts'
import { asFailure, Failure } from '../std/failure.ts'
import { call } from './bulk.ts'
import type { ApplyCounts } from './endpoint.ts'
import { parseEnd } from './ends.ts'
import type { Workshop } from './local.ts'
import { undoAt } from './past.ts'
import { checkedProblems } from './remote.ts'
import { checkSshOnly, connectTo, type Reach } from './run.ts'
import type { SshWays } from './ssh.ts'

export type UndoResult = {
  /** The run that was (or would be) undone. */
  readonly run: Run
  /** The undo's own id; '' where nothing was done. */
  readonly runId: string
  readonly outcome: 'done' | 'partial' | 'nothing' | 'refused' | 'planned'
  /** Up to 1,000 paths that stand against it. */
  readonly conflicts: readonly { readonly path: string; readonly why: string }[]
  readonly conflictCount: number
  readonly already: number
  readonly counts: ApplyCounts
  readonly problems: readonly Problem[]
}

type Told = Omit<UndoResult, 'run' | 'runId' | 'outcome'> & { readonly isEmpty: boolean; readonly done: boolean }

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
  return run
}

/** Undoes a run, or says what that would come to. */
export async function undoRun(
  workshop: Workshop,
  reach: Reach,
  request: { readonly prefix: string; readonly dryRun: boolean; readonly ways: SshWays },
  signal: AbortSignal,
): Promise<UndoResult> {
  const run = findRun(workshop, request.prefix)
  // Looked at first, so that what can't be undone is no run in the history.
  const { ways } = request
  const planned = await ask(workshop, reach, { run, as: undefined, ways }, signal)
  const nothing = { run, runId: '', ...planned }
  if (planned.conflictCount > 0) return { ...nothing, outcome: 'refused' }
  if (planned.isEmpty) return { ...nothing, outcome: 'nothing' }
  if (request.dryRun) return { ...nothing, outcome: 'planned' }
  // In the history of the very job, so that whoever asks how that stands is told.
  const { job, source, target } = run
  const runId = newRunId(workshop.clock)
  startRun(workshop.state, { runId, job, source, target, mode: undoMode, process: processMark() })
  try {
    forgetPair(workshop, job)
    const told = await ask(workshop, reach, { run, as: runId, ways }, signal)
    const outcome = told.conflictCount > 0 ? 'refused' : told.problems.length > 0 ? 'partial' : 'done'
    const exitCode = outcome === 'refused' ? 15 : told.problems.length > 0 ? 3 : 0
    const { counts, problems } = told
    endRun(workshop.state, runId, { outcome: outcome === 'refused' ? 'halted' : outcome, exitCode, counts, problems })
    return { run, runId, outcome, ...told }
  } catch (error) {
    const { exitCode } = asFailure(error, 'disk-error')
    endRun(workshop.state, runId, { outcome: 'failed', exitCode, counts: {}, problems: [] })
    throw error
  }
}

/** Whatever comes of it, the pair of the job says no more that nothing changed. */
function forgetPair(workshop: Workshop, job: string): void {
  const pair = loadPair(workshop.state, job)
  if (pair === undefined) return
  savePair(workshop.state, { ...pair, viewId: undoneView, sourceFingerprint: undefined, targetFingerprint: undefined })
}

async function ask(
  workshop: Workshop,
  reach: Reach,
  { run, as, ways }: { run: Run; as: string | undefined; ways: SshWays },
  signal: AbortSignal,
): Promise<Told> {
  const { runId, job } = run
  const end = run.target.startsWith('/') ? undefined : parseEnd(run.target, reach.isMachine)
  if (end?.kind !== 'remote') {
    checkSshOnly(ways.remoteCommand)
    const { done, conflicts, ...rest } = await undoAt(workshop, realPath(run.target), { run: runId, as, job })
    const counts = countsOf(done?.counts)
    const problems = done?.problems ?? []
    return {
      ...rest,
      done: done !== undefined,
      conflicts: conflicts.slice(0, 1000),
      conflictCount: conflicts.length,
      counts,
      problems,
    }
  }
  const session = await connectTo(
    reach,
    end,
    { ...ways, remoteCommand: ways.remoteCommand ?? run.options?.remoteCommand },
    signal,
  )
  const abort = (): void => session.close()
  signal.addEventListener('abort', abort, { once: true })
  try {
    const { share, sub } = end
    const request = { share, sub, run: runId, job }
    const {
      problems,
      problemCount: _,
      created,
      replaced,
      attributes,
      renamed,
      deleted,
      ...rest
    } = await call(session, 'undo', as === undefined ? request : { ...request, as })
    const counts = countsOf({ created, replaced, attributes, renamed, deleted })
    return { ...rest, counts, problems: checkedProblems(problems) }
  } finally {
    signal.removeEventListener('abort', abort)
    session.close()
  }
}

function countsOf(counts: Omit<ApplyCounts, 'copied'> | undefined): ApplyCounts {
  return { created: 0, replaced: 0, attributes: 0, renamed: 0, deleted: 0, copied: 0, ...counts }
}
