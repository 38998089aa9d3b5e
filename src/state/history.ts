// Runs as they are read back, for people who ask what was done and why: `nightferry log`, `why` and `status`. What a run
// found is told as it was written; nothing here decides what a later run does. A row that is not sound is left out: the
// others are still worth reading.

import type { Problem } from '../core/problem.ts'
import type { State } from './open.ts'
import {
  broken,
  countsIn,
  isUnsound,
  jsonIn,
  numberIn,
  optionalIn,
  problemsIn,
  type Row,
  stringsIn,
  textIn,
} from './row.ts'

/** What a run was told to do, as far as it decides what the run does. */
export type RunOptions = {
  readonly dryRun: boolean
  readonly checksum: boolean
  readonly release: boolean
  readonly newTarget: boolean
  /** `default`, `N` or `P%`. */
  readonly limit: string
  /** Names of ignore files that counted. */
  readonly ignoreFiles: readonly string[]
  /** What narrowed the run, as options. */
  readonly narrowed: readonly string[]
  /** How Nightferry was started on a machine that was reached by ssh, where that was said. */
  readonly remoteCommand?: string | undefined
  /** What else it was asked for that is not as usual, as options: pace, versions, a verification. */
  readonly asked: readonly string[]
  /** Rules of the command line; undefined where they were too long to be kept. */
  readonly rules: readonly RunRules[] | undefined
}

export type RunRules = { readonly label: string; readonly text: string }
export type RunFailure = { readonly code: string; readonly message: string; readonly hint: string }

/** What a guard said, and about what. */
export type RunHalt = {
  readonly reason: string
  readonly deletes: number
  readonly replaces: number
  readonly sample: readonly string[]
  readonly digest: string
}

/** A run of this machine's, or one of a peer that works on a folder here, as the history has it. */
export type Run = {
  readonly runId: string
  readonly job: string
  /** An absolute path here, or `machine:share[/sub]`; '' for the end that a peer keeps to itself. */
  readonly source: string
  readonly target: string
  readonly mode: string
  readonly driver: string | undefined
  readonly process: string
  readonly epoch: number
  readonly options: RunOptions | undefined
  readonly startedMs: number
  /** Undefined while it runs, and for ever when its process died. */
  readonly endedMs: number | undefined
  /** One of `Outcome`; `interrupted` for a run that another of its job found open; undefined while it runs. */
  readonly outcome: string | undefined
  readonly exitCode: number | undefined
  readonly counts: Readonly<Record<string, number>>
  /** Sizes and traffic. */
  readonly totals: Readonly<Record<string, number>>
  /** At most 1,000 of them. */
  readonly problems: readonly Problem[]
  /** How many there were. */
  readonly problemCount: number
  readonly failure: RunFailure | undefined
  readonly halt: RunHalt | undefined
}

/** Runs of all jobs, the last begun first, `skip` of them left out. */
export function listRuns(state: State, options: { limit: number; skip?: number }): Run[] {
  const { limit, skip = 0 } = options
  return state.read(() =>
    readAll(state.prepare('SELECT * FROM runs ORDER BY id DESC LIMIT ? OFFSET ?').all(limit, skip)),
  )
}

/** Runs whose id begins with, or holds after its time, this text; at most ten. */
export function findRuns(state: State, text: string): Run[] {
  return state.read(() =>
    readAll(
      state
        .prepare(`
          SELECT * FROM runs WHERE substr(run_id, 1, length(?1)) = ?1 OR substr(run_id, 21, length(?1)) = ?1
          ORDER BY id DESC LIMIT 10
        `)
        .all(text),
    ),
  )
}

/** The last run of each job and driver, the last begun first. */
export function latestRuns(state: State): Run[] {
  return state.read(() =>
    readAll(
      state
        .prepare(`
          SELECT * FROM runs WHERE id IN (SELECT max(id) FROM runs GROUP BY job, driver) ORDER BY id DESC LIMIT 10000
        `)
        .all(),
    ),
  )
}

/** Runs of one job and driver, the last begun first. */
export function runsOfJob(state: State, job: string, driver: string | undefined): Run[] {
  return state.read(() =>
    readAll(
      state.prepare('SELECT * FROM runs WHERE job = ? AND driver IS ? ORDER BY id DESC').all(job, driver ?? null),
    ),
  )
}

/**
 * Runs of one job and driver back to the last that brought both ends together (all, where none did), the last begun
 * first: what tells how the job stands. Dry runs are not among them.
 */
export function runsSinceGood(state: State, job: string, driver: string | undefined): Run[] {
  const real = "job = ?1 AND driver IS ?2 AND json_extract(options, '$.dryRun') IS NOT 1"
  return state.read(() =>
    readAll(
      state
        .prepare(`
          SELECT * FROM runs WHERE ${real} AND id >= coalesce(
            (SELECT max(id) FROM runs WHERE ${real} AND outcome IN ('unchanged', 'done', 'partial')), 0)
          ORDER BY id DESC
        `)
        .all(job, driver ?? null),
    ),
  )
}

function readAll(rows: readonly Row[]): Run[] {
  return rows.flatMap((row) => {
    try {
      return [readRun(row)]
    } catch (error) {
      if (!isUnsound(error)) throw error
      return []
    }
  })
}

function readRun(row: Row): Run {
  return {
    runId: textIn(row, 'run_id'),
    job: textIn(row, 'job'),
    source: textIn(row, 'source'),
    target: textIn(row, 'target'),
    mode: textIn(row, 'mode'),
    driver: optionalIn(row, 'driver', textIn),
    process: textIn(row, 'process'),
    epoch: numberIn(row, 'epoch'),
    options: optionsIn(row),
    startedMs: numberIn(row, 'started_ms'),
    endedMs: optionalIn(row, 'ended_ms', numberIn),
    outcome: optionalIn(row, 'outcome', textIn),
    exitCode: optionalIn(row, 'exit_code', numberIn),
    counts: countsIn(row, 'counts'),
    totals: countsIn(row, 'totals'),
    problems: problemsIn(row, 'problems'),
    problemCount: numberIn(row, 'problem_count'),
    failure: optionalIn(row, 'failure', failureIn),
    halt: optionalIn(row, 'halt', haltIn),
  }
}

/** A JSON object whose fields are read as if they were columns. */
function fieldsIn(row: Row, column: string): Record<string, unknown> {
  const value = jsonIn(row, column)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw broken(column)
  return value as Record<string, unknown>
}

/** Undefined for runs that kept none: those of peers, and of versions before. */
function optionsIn(row: Row): RunOptions | undefined {
  const fields = fieldsIn(row, 'options')
  if (fields.limit === undefined) return undefined
  const flag = (name: string): boolean => fields[name] === true
  const { limit, ignoreFiles, narrowed, asked, rules, remoteCommand } = fields
  if (remoteCommand !== undefined && typeof remoteCommand !== 'string') throw broken('options')
  if (typeof limit !== 'string') throw broken('options')
  return {
    dryRun: flag('dryRun'),
    checksum: flag('checksum'),
    release: flag('release'),
    newTarget: flag('newTarget'),
    limit,
    ignoreFiles: stringsIn({ ignoreFiles: JSON.stringify(ignoreFiles) }, 'ignoreFiles'),
    // Runs of versions before kept none.
    narrowed: narrowed === undefined ? [] : stringsIn({ narrowed: JSON.stringify(narrowed) }, 'narrowed'),
    asked: asked === undefined ? [] : stringsIn({ asked: JSON.stringify(asked) }, 'asked'),
    rules: rules === undefined ? undefined : rulesIn(rules),
    ...(remoteCommand !== undefined && { remoteCommand }),
  }
}

function rulesIn(value: unknown): RunRules[] {
  if (!Array.isArray(value)) throw broken('options')
  return value.map((item: unknown) => {
    const { label, text } = (item ?? {}) as { label?: unknown; text?: unknown }
    if (typeof label !== 'string' || typeof text !== 'string') throw broken('options')
    return { label, text }
  })
}

function failureIn(row: Row, column: string): RunFailure {
  const { code, message, hint } = fieldsIn(row, column)
  if (typeof code !== 'string' || typeof message !== 'string' || typeof hint !== 'string') throw broken(column)
  return { code, message, hint }
}

function haltIn(row: Row, column: string): RunHalt {
  const { reason, deletes, replaces, sample, digest } = fieldsIn(row, column)
  const isSound =
    typeof reason === 'string' &&
    typeof deletes === 'number' &&
    typeof replaces === 'number' &&
    typeof digest === 'string' &&
    Array.isArray(sample) &&
    sample.every((path: unknown) => typeof path === 'string')
  if (!isSound) throw broken(column)
  return { reason, deletes, replaces, sample: sample as string[], digest }
}
