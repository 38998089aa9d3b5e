// Conflicts of two-way jobs that left two values beside each other, until a person has chosen. Only what a run found is
// kept here; whether both values are still there, the disk knows. May be lost: the copies are files like any other.

import { parseRelPath, type RelPath } from '../core/path.ts'
import type { Side } from '../core/two-way.ts'
import type { State } from './open.ts'
import { isUnsound, numberIn, optionalIn, pathIn, pathText, type Row, textIn } from './row.ts'

export type KnownConflict = {
  readonly job: string
  /** The two ends, as the run named them. */
  readonly left: string
  readonly right: string
  readonly path: RelPath
  /** What the other value is called, in the same directory. */
  readonly copy: string
  /** Whose value has the name. */
  readonly kept: Side
  /** The time of what both last agreed on, in seconds; undefined where that is nothing. */
  readonly baseSeconds: number | undefined
  readonly runId: string
  readonly atMs: number
}

/** So many are kept of a job, the newest: more than a person goes through. */
const keptPerJob = 10_000

/** Adds what a run found, with the transaction of the caller. */
export function saveConflicts(state: State, conflicts: readonly KnownConflict[]): void {
  const [first] = conflicts
  if (first === undefined) return
  state.write(() => {
    const insert = state.prepare(`
      INSERT OR REPLACE INTO conflicts (job, left_end, right_end, path, copy, kept, base_seconds, run_id, at_ms)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    `)
    for (const { job, left, right, path, copy, kept, baseSeconds = null, runId, atMs } of conflicts)
      insert.run(job, left, right, pathText(path), pathText(copy), kept, baseSeconds, runId, atMs)
    state
      .prepare(`
        DELETE FROM conflicts WHERE job = ?1
        AND id NOT IN (SELECT id FROM conflicts WHERE job = ?1 ORDER BY id DESC LIMIT ${keptPerJob})
      `)
      .run(first.job)
  })
}

/** All of them, job by job, in the order of paths. What is not sound is passed over. */
export function loadConflicts(state: State): KnownConflict[] {
  const rows = state.read(() => state.prepare('SELECT * FROM conflicts ORDER BY job, path, copy').all())
  return rows.flatMap((row) => soundOne(row))
}

function soundOne(row: Row): KnownConflict[] {
  try {
    const [path, kept] = [parseRelPath(pathIn(row, 'path')), textIn(row, 'kept')]
    if (path === undefined || (kept !== 'left' && kept !== 'right')) return []
    const ends = { job: textIn(row, 'job'), left: textIn(row, 'left_end'), right: textIn(row, 'right_end') }
    const what = { path, copy: pathIn(row, 'copy'), kept } as const
    const baseSeconds = optionalIn(row, 'base_seconds', numberIn)
    return [{ ...ends, ...what, baseSeconds, runId: textIn(row, 'run_id'), atMs: numberIn(row, 'at_ms') }]
  } catch (error) {
    if (!isUnsound(error)) throw error
    return []
  }
}

/** These are settled. */
export function forgetConflicts(
  state: State,
  conflicts: readonly Pick<KnownConflict, 'job' | 'path' | 'copy'>[],
): void {
  if (conflicts.length === 0) return
  state.write(() => {
    const forget = state.prepare('DELETE FROM conflicts WHERE job = ? AND path = ? AND copy = ?')
    for (const { job, path, copy } of conflicts) forget.run(job, pathText(path), pathText(copy))
  })
}
