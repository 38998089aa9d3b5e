// What a job's two roots were when its last run ended, and what holds it back. The pair answers "did anything change?"
// without a look at any listing; it is begun, with no fingerprints, before the first apply, so that a crash leaves the
// trace that Nightferry wrote there. A hold is a guard's halt that a person has not answered yet. What of these is not
// sound is as good as not there: the next run then compares everything, under the guards of a first run.

import type { Problem } from '../core/problem.ts'
import type { State } from './open.ts'
import { bytesIn, isUnsound, numberIn, optionalIn, problemsIn, problemsText, stringsIn, textIn } from './row.ts'

export type Pair = {
  readonly job: string
  /** The identities of the roots; a pair of other roots says nothing. */
  readonly sourceId: string
  readonly targetId: string
  /** The view of both fingerprints; it covers the job's rules. */
  readonly viewId: string
  /** Undefined while the pair is only begun. */
  readonly sourceFingerprint: Uint8Array | undefined
  readonly targetFingerprint: Uint8Array | undefined
  /** All of the last run, to be tried again. */
  readonly problems: readonly Problem[]
  readonly runId: string
  /** Wall time, for people. */
  readonly atMs: number
}

export type Hold = {
  readonly job: string
  /** Of the guarded set: a release covers exactly this. */
  readonly digest: Uint8Array
  readonly reason: string
  readonly deletes: number
  readonly replaces: number
  /** Some of the paths, for people. */
  readonly sample: readonly string[]
  readonly atMs: number
  /** When a person was told, once; undefined before. */
  readonly toldMs: number | undefined
}

/** The pair of a job, or undefined where none was begun or what is stored is not sound. */
export function loadPair(state: State, job: string): Pair | undefined {
  return sound(() =>
    state.read(() => {
      const row = state.prepare('SELECT * FROM pairs WHERE job = ?').get(job)
      if (row === undefined) return undefined
      return {
        job,
        sourceId: textIn(row, 'source_id'),
        targetId: textIn(row, 'target_id'),
        viewId: textIn(row, 'view_id'),
        sourceFingerprint: optionalIn(row, 'source_fingerprint', bytesIn),
        targetFingerprint: optionalIn(row, 'target_fingerprint', bytesIn),
        problems: problemsIn(row, 'problems'),
        runId: textIn(row, 'run_id'),
        atMs: numberIn(row, 'at_ms'),
      }
    }),
  )
}

/** Puts the pair of a job in the place of the one before. */
export function savePair(state: State, pair: Pair): void {
  state.write(() => {
    const { job, sourceId, targetId, viewId, sourceFingerprint, targetFingerprint, problems, runId, atMs } = pair
    const fingerprints = [sourceFingerprint ?? null, targetFingerprint ?? null] as const
    state
      .prepare(`
        INSERT OR REPLACE INTO pairs
          (job, source_id, target_id, view_id, source_fingerprint, target_fingerprint, problems, run_id, at_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
      `)
      .run(job, sourceId, targetId, viewId, ...fingerprints, problemsText(problems), runId, atMs)
  })
}

/** What holds a job back, or undefined. */
export function loadHold(state: State, job: string): Hold | undefined {
  return sound(() =>
    state.read(() => {
      const row = state.prepare('SELECT * FROM holds WHERE job = ?').get(job)
      if (row === undefined) return undefined
      return {
        job,
        digest: bytesIn(row, 'digest'),
        reason: textIn(row, 'reason'),
        deletes: numberIn(row, 'deletes'),
        replaces: numberIn(row, 'replaces'),
        sample: stringsIn(row, 'sample'),
        atMs: numberIn(row, 'at_ms'),
        toldMs: optionalIn(row, 'told_ms', numberIn),
      }
    }),
  )
}

/** Puts the hold of a job in the place of the one before. */
export function saveHold(state: State, hold: Hold): void {
  state.write(() => {
    const { job, digest, reason, deletes, replaces, sample, atMs, toldMs } = hold
    state
      .prepare(`
        INSERT OR REPLACE INTO holds (job, digest, reason, deletes, replaces, sample, at_ms, told_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
      `)
      .run(job, digest, reason, deletes, replaces, JSON.stringify(sample), atMs, toldMs ?? null)
  })
}

/** Nothing holds the job back any more. */
export function clearHold(state: State, job: string): void {
  state.write(() => state.prepare('DELETE FROM holds WHERE job = ?').run(job))
}

function sound<Value>(read: () => Value | undefined): Value | undefined {
  try {
    return read()
  } catch (error) {
    if (!isUnsound(error)) throw error
    return undefined
  }
}
