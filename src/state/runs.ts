// Runs as they are begun and ended, for people who look back (history.ts), and the epochs of the leases that runs take.
// `commitRun` ends a run in one transaction: what the run found, the new pair and both trees land together or not at
// all, so that nothing stored ever says more than what happened. Only wall times are kept here, and nothing is decided by
// them; the order of runs is the order in which they were begun.

import type { Problem } from '../core/problem.ts'
import { assert } from '../std/assert.ts'
import { fromUtf8, utf8 } from '../std/bytes.ts'
import { type Clock, isoTime } from '../std/clock.ts'
import { randomName } from '../std/random.ts'
import { type BaseChanges, type BaseOf, saveBases } from './bases.ts'
import { type KnownConflict, saveConflicts } from './conflicts.ts'
import type { RunFailure, RunHalt, RunOptions } from './history.ts'
import type { State } from './open.ts'
import { clearHold, type Hold, type Pair, saveHold, savePair } from './pairs.ts'
import { numberIn, problemsText, textIn } from './row.ts'
import { distrustTree, saveTree, type TreeChanges } from './trees.ts'

export type Outcome = 'unchanged' | 'done' | 'partial' | 'halted' | 'failed' | 'planned' | 'looked' | 'left'

export type RunStart = {
  readonly runId: string
  readonly job: string
  readonly source: string
  readonly target: string
  readonly mode: string
  /** The peer whose run works on a folder of this machine; undefined for a run of this machine. */
  readonly driver?: string
  /** `processMark()` of who runs it. */
  readonly process?: string
  /** Of the lease at the target. */
  readonly epoch?: number
  readonly options?: RunOptions
}

export type RunEnd = {
  readonly outcome: Outcome
  readonly exitCode: number
  readonly counts: Readonly<Record<string, number>>
  readonly problems: readonly Problem[]
  readonly totals?: Readonly<Record<string, number>>
  readonly failure?: RunFailure | undefined
  readonly halt?: RunHalt | undefined
  /** Where it was not known at the start. */
  readonly epoch?: number
  /** Where that was before it is written down. */
  readonly endedMs?: number
  /** Saved with the end of a run that was halted. */
  readonly hold?: Hold | undefined
}

const keptProblems = 1000
const keptRunsPerJob = 1000
/** A peer names its jobs as it likes, so what is kept of its runs is bounded besides. */
const keptRunsPerDriver = 5000

const runIdPattern = /^\d{8}T\d{9}Z-[a-z2-9]{8}$/

/** A name that no other run has. Run ids sort by their wall time. */
export function newRunId(clock: Clock): string {
  return `${isoTime(clock.nowMs()).replace(/[-:.]/g, '')}-${randomName(8)}`
}

/** A run id as it travels, in 14 bytes: an unchanged run says little more. Throws nothing for one that is ours. */
export function packRunId(runId: string): Uint8Array {
  const time = runId.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z.*$/, '$1-$2-$3T$4:$5:$6.$7Z')
  const bytes = new Uint8Array(14)
  const view = new DataView(bytes.buffer)
  const ms = Date.parse(time)
  view.setUint16(0, Math.floor(ms / 2 ** 32))
  view.setUint32(2, ms % 2 ** 32)
  bytes.set(utf8(runId.slice(-8)), 6)
  return bytes
}

/** What `packRunId` packed, or undefined for anything else. */
export function unpackRunId(bytes: Uint8Array): string | undefined {
  if (bytes.length !== 14) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const ms = view.getUint16(0) * 2 ** 32 + view.getUint32(2)
  const runId = `${isoTime(ms).replace(/[-:.]/g, '')}-${fromUtf8(bytes.subarray(6)) ?? ''}`
  return runIdPattern.test(runId) ? runId : undefined
}

/**
 * Notes that a run begins. The caller holds the locks of the job's roots: an earlier run of the job and driver that is
 * still open can't be alive, is marked `interrupted`, and named in the answer.
 */
export function startRun(state: State, run: RunStart): { interrupted: string[] } {
  return state.write(() => {
    const interrupted = state
      .prepare(`
        UPDATE runs SET outcome = 'interrupted'
        WHERE job = ? AND driver IS ? AND ended_ms IS NULL AND outcome IS NULL RETURNING run_id
      `)
      .all(run.job, run.driver ?? null)
      .map((row) => textIn(row, 'run_id'))
    insertRun(state, run, state.clock.nowMs())
    return { interrupted }
  })
}

/** Room is made first: the newest runs of each job are kept. A run id that is taken is a peer's mistake, and changes nothing. */
function insertRun(state: State, run: RunStart, startedMs: number): void {
  const { runId, job, source, target, mode, driver, process = '', epoch = 0, options } = run
  state
    .prepare(`
      DELETE FROM runs WHERE job = ?1 AND id <= (SELECT id FROM runs WHERE job = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)
    `)
    .run(job, keptRunsPerJob - 1)
  if (driver !== undefined) {
    state
      .prepare(`
        DELETE FROM runs WHERE driver = ?1
          AND id <= (SELECT id FROM runs WHERE driver = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)
      `)
      .run(driver, keptRunsPerDriver - 1)
  }
  const insert = state.prepare(`
    INSERT OR IGNORE INTO runs
      (run_id, job, source, target, mode, started_ms, counts, problems, problem_count, driver, process, epoch, options)
    VALUES (?, ?, ?, ?, ?, ?, '{}', '[]', 0, ?, ?, ?, ?)
  `)
  const optionsText = JSON.stringify(options ?? {})
  insert.run(runId, job, source, target, mode, startedMs, driver ?? null, process, epoch, optionsText)
}

/** Notes how a run ended, and what holds its job from now on. The first 1,000 problems are kept, and their number. */
export function endRun(state: State, runId: string, end: RunEnd): void {
  state.write(() => {
    const { hold } = end
    assert(putEnd(state, { runId }, end), 'a run that ends was begun')
    if (hold !== undefined) saveHold(state, hold)
  })
}

/** Notes how a run failed, whether it was begun or came to nothing before. One that has ended stays as it is. */
export function failRun(state: State, run: RunStart & { readonly startedMs: number }, end: RunEnd): void {
  state.write(() => {
    insertRun(state, run, run.startedMs)
    putEnd(state, run, end)
  })
}

/** Notes how a peer's run ended here. One that is not known, or has ended, stays as it is: its id is the peer's word. */
export function endServedRun(state: State, run: { runId: string; driver: string }, end: RunEnd): void {
  state.write(() => void putEnd(state, run, end))
}

/** False where no such run is open. */
function putEnd(state: State, run: { runId: string; driver?: string }, end: RunEnd): boolean {
  const { outcome, exitCode, counts, problems, totals = {}, failure, halt, epoch = 0 } = end
  const update = state.prepare(`
    UPDATE runs SET ended_ms = ?, outcome = ?, exit_code = ?, counts = ?, problems = ?, problem_count = ?, totals = ?,
      failure = ?, halt = ?, epoch = max(epoch, ?)
    WHERE run_id = ? AND driver IS ? AND ended_ms IS NULL
  `)
  const { changes } = update.run(
    end.endedMs ?? state.clock.nowMs(),
    outcome,
    exitCode,
    JSON.stringify(counts),
    problemsText(problems.slice(0, keptProblems)),
    problems.length,
    JSON.stringify(totals),
    failure === undefined ? null : JSON.stringify(failure),
    halt === undefined ? null : JSON.stringify(halt),
    epoch,
    run.runId,
    run.driver ?? null,
  )
  return changes === 1
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
    /** Of a two-way run: what is agreed on from now on. */
    base?: { readonly of: BaseOf; readonly changes: BaseChanges } | undefined
    conflicts?: readonly KnownConflict[]
    trees: readonly { treeKey: string; viewId: string; changes: TreeChanges }[]
    clearHold: boolean
  },
): void {
  const { runId, end, pair, base, trees } = commit
  assert(!(commit.clearHold && end.hold !== undefined), 'a run that is halted does not clear its hold')
  try {
    state.write(() => {
      endRun(state, runId, end)
      if (commit.clearHold) clearHold(state, jobOf(state, runId))
      if (pair !== undefined) savePair(state, pair)
      if (base !== undefined) saveBases(state, base.of, base.changes)
      saveConflicts(state, commit.conflicts ?? [])
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

/** Whether the last run between these two places went from `target` to `source`; the run that just began not counted. */
export function wentTheOtherWay(state: State, run: { runId: string; source: string; target: string }): boolean {
  return state.read(() => {
    const last = state
      .prepare(`
        SELECT source FROM runs
        WHERE ((source = ?1 AND target = ?2) OR (source = ?2 AND target = ?1)) AND run_id <> ?3
        ORDER BY id DESC LIMIT 1
      `)
      .get(run.source, run.target, run.runId)
    return last !== undefined && textIn(last, 'source') === run.target
  })
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
