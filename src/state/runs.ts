// Runs, for people who look back, and the epochs of the leases that runs take. `commitRun` ends a run in one
// transaction: what the run found, the new pair and both trees land together or not at all, so that nothing stored ever
// says more than what happened. Only wall times are kept here, and nothing is decided by them; the order of runs is the
// order in which they were begun.

import type { Problem } from '../core/problem.ts'
import { assert } from '../std/assert.ts'
import { isoTime } from '../std/clock.ts'
import { randomName } from '../std/random.ts'
import type { State } from './open.ts'
import { clearHold, type Hold, type Pair, saveHold, savePair } from './pairs.ts'
import { countsIn, numberIn, optionalIn, problemsIn, problemsText, type Row, textIn } from './row.ts'
import { distrustTree, saveTree, type TreeChanges } from './trees.ts'

export type Outcome = 'unchanged' | 'done' | 'partial' | 'halted' | 'failed' | 'planned'

export type RunEnd = {
  readonly outcome: Outcome
  readonly exitCode: number
  readonly counts: Readonly<Record<string, number>>
  readonly problems: readonly Problem[]
  /** Saved with the end of a run that was halted. */
  readonly hold?: Hold | undefined
}

/** A run of this machine's, as its history has it. */
export type Run = {
  readonly runId: string
  readonly job: string
  readonly source: string
  readonly target: string
  readonly mode: string
  readonly startedMs: number
  /** Undefined while it runs, and for ever when its process died. */
  readonly endedMs: number | undefined
  /** One of `Outcome`; `interrupted` for a run that another of its job found open; undefined while it runs. */
  readonly outcome: string | undefined
  readonly exitCode: number | undefined
  readonly counts: Readonly<Record<string, number>>
  /** At most 1,000 of them. */
  readonly problems: readonly Problem[]
  /** How many there were. */
  readonly problemCount: number
}

const keptProblems = 1000
const keptRunsPerJob = 1000

/**
 * Notes that a run begins. Run ids sort by their wall time. The caller holds the locks of the job's roots: an earlier run
 * of the job that is still open can't be alive, is marked `interrupted`, and named in the answer.
 */
export function startRun(
  state: State,
  run: { job: string; source: string; target: string; mode: string },
): { runId: string; interrupted: string[] } {
  const startedMs = state.clock.nowMs()
  const runId = `${isoTime(startedMs).replace(/[-:.]/g, '')}-${randomName(8)}`
  return state.write(() => {
    const { job, source, target, mode } = run
    const interrupted = state
      .prepare(`
        UPDATE runs SET outcome = 'interrupted' WHERE job = ? AND ended_ms IS NULL AND outcome IS NULL RETURNING run_id
      `)
      .all(job)
      .map((row) => textIn(row, 'run_id'))
    state
      .prepare(`
        DELETE FROM runs WHERE job = ?1 AND id <= (SELECT id FROM runs WHERE job = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)
      `)
      .run(job, keptRunsPerJob - 1)
    state
      .prepare(`
        INSERT INTO runs (run_id, job, source, target, mode, started_ms, counts, problems, problem_count)
        VALUES (?, ?, ?, ?, ?, ?, '{}', '[]', 0)
      `)
      .run(runId, job, source, target, mode, startedMs)
    return { runId, interrupted }
  })
}

/** Notes how a run ended, and what holds its job from now on. The first 1,000 problems are kept, and their number. */
export function endRun(state: State, runId: string, end: RunEnd): void {
  state.write(() => {
    const { outcome, exitCode, counts, problems, hold } = end
    const { changes } = state
      .prepare(`
        UPDATE runs SET ended_ms = ?, outcome = ?, exit_code = ?, counts = ?, problems = ?, problem_count = ?
        WHERE run_id = ?
      `)
      .run(
        state.clock.nowMs(),
        outcome,
        exitCode,
        JSON.stringify(counts),
        problemsText(problems.slice(0, keptProblems)),
        problems.length,
        runId,
      )
    assert(changes === 1, 'a run that ends was begun')
    if (hold !== undefined) saveHold(state, hold)
  })
}

/**
 * Ends a run: all of this lands in one durable transaction, or none of it. Call it when what the run wrote to the disk is
 * durable. `clearHold` ends what held the run's job; it goes with no `end.hold`.
 */
export function commitRun(
  state: State,
  commit: {
    runId: string
    end: RunEnd
    pair: Pair | undefined
    trees: readonly { treeKey: string; viewId: string; changes: TreeChanges }[]
    clearHold: boolean
  },
): void {
  const { runId, end, pair, trees } = commit
  assert(!(commit.clearHold && end.hold !== undefined), 'a run that is halted does not clear its hold')
  try {
    state.write(() => {
      endRun(state, runId, end)
      if (commit.clearHold) clearHold(state, jobOf(state, runId))
      if (pair !== undefined) savePair(state, pair)
      for (const { treeKey, viewId, changes } of trees) saveTree(state, treeKey, viewId, changes)
    })
  } catch (error) {
    for (const { treeKey } of trees) distrustTree(state, treeKey)
    throw error
  }
}

function jobOf(state: State, runId: string): string {
  return textIn(state.prepare('SELECT job FROM runs WHERE run_id = ?').get(runId) ?? {}, 'job')
}

/** Runs of all jobs, the last begun first. */
export function listRuns(state: State, options: { limit: number }): Run[] {
  return state.read(() => state.prepare('SELECT * FROM runs ORDER BY id DESC LIMIT ?').all(options.limit).map(readRun))
}

function readRun(row: Row): Run {
  return {
    runId: textIn(row, 'run_id'),
    job: textIn(row, 'job'),
    source: textIn(row, 'source'),
    target: textIn(row, 'target'),
    mode: textIn(row, 'mode'),
    startedMs: numberIn(row, 'started_ms'),
    endedMs: optionalIn(row, 'ended_ms', numberIn),
    outcome: optionalIn(row, 'outcome', textIn),
    exitCode: optionalIn(row, 'exit_code', numberIn),
    counts: countsIn(row, 'counts'),
    problems: problemsIn(row, 'problems'),
    problemCount: numberIn(row, 'problem_count'),
  }
}

/**
 * Issues the next epoch for a root of this machine; whatever holds an older one is refused from now on. Epochs begin at
 * the wall time in ms and rise by one, far slower than time does, so that they go on rising when the database was deleted;
 * a clock that goes back meanwhile changes nothing.
 */
export function takeLease(state: State, rootId: string, job: string): number {
  const nowMs = Math.max(1, Math.floor(state.clock.nowMs()))
  return state.write(() => {
    const lease = state
      .prepare(`
        INSERT INTO leases (root_id, epoch, job, at_ms) VALUES (?1, ?2, ?3, ?2)
        ON CONFLICT (root_id) DO UPDATE SET epoch = epoch + 1, job = excluded.job, at_ms = excluded.at_ms
        RETURNING epoch
      `)
      .get(rootId, nowMs, job)
    return numberIn(lease ?? {}, 'epoch')
  })
}

/** The epoch issued last for a root; 0 where there was none. */
export function currentEpoch(state: State, rootId: string): number {
  return state.read(() => {
    const lease = state.prepare('SELECT epoch FROM leases WHERE root_id = ?').get(rootId)
    return lease === undefined ? 0 : numberIn(lease, 'epoch')
  })
}
