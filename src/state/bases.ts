// What the two roots of a job last agreed on, a directory to a row (core/base.ts), for two-way jobs. A base is that of two
// roots: another root in the place of one of them has no base, and nothing is deleted there because it lacks something. A
// row that is not sound is as good as not there: what is in that directory is then new on both sides.

import { baseEntries } from '../core/base.ts'
import { type RelPath, rootPath } from '../core/path.ts'
import type { State } from './open.ts'
import { bytesIn, isUnsound, numberIn, pathText, textIn } from './row.ts'

/** Whose base: that of a job and of the identities of its two roots. */
export type BaseOf = { readonly job: string; readonly leftId: string; readonly rightId: string }

export type BaseChanges = {
  /** Directories and what `encodeBase` or `advance` made of them. */
  readonly put: Iterable<{ readonly path: RelPath; readonly bytes: Uint8Array }>
  /** Directories that have no base any more, nor what is below them. They go before anything is put. */
  readonly removed: Iterable<RelPath>
}

/** The base of one directory, as `baseEntries` reads it, or undefined where there is none. */
export function loadBase(state: State, of: BaseOf, path: RelPath): Uint8Array | undefined {
  return loadBases(state, of, [path]).get(path)
}

/** The bases of those among these directories that have one. */
export function loadBases(state: State, of: BaseOf, paths: Iterable<RelPath>): Map<RelPath, Uint8Array> {
  const found = new Map<RelPath, Uint8Array>()
  state.read(() => {
    const id = baseId(state, of)
    if (id === undefined) return
    const select = state.prepare('SELECT body FROM base_directories WHERE base = ? AND path = ?')
    for (const path of paths) {
      const row = select.get(id, pathText(path))
      const body = row === undefined ? undefined : bytesIn(row, 'body')
      if (body !== undefined && isSound(body)) found.set(path, body)
    }
  })
  return found
}

function isSound(body: Uint8Array): boolean {
  try {
    for (const _ of baseEntries(body));
    return true
  } catch (error) {
    if (!isUnsound(error)) throw error
    return false
  }
}

/** Saves what changed, with the transaction of the caller where there is one. What was there of other roots goes. */
export function saveBases(state: State, of: BaseOf, { put, removed }: BaseChanges): void {
  state.write(() => {
    const id = baseId(state, of) ?? startBase(state, of)
    const forget = state.prepare(`
      DELETE FROM base_directories WHERE base = ?1 AND (path = ?2 OR (path >= ?2 || '/' AND path < ?2 || '0'))
    `)
    for (const path of removed) {
      if (path === rootPath) state.prepare('DELETE FROM base_directories WHERE base = ?').run(id)
      else forget.run(id, pathText(path))
    }
    const insert = state.prepare('INSERT OR REPLACE INTO base_directories (base, path, body) VALUES (?, ?, ?)')
    for (const { path, bytes } of put) insert.run(id, pathText(path), bytes)
  })
}

/** The job has no base any more: nothing is deleted or replaced by what both roots once had. */
export function forgetBase(state: State, job: string): void {
  state.write(() => {
    state.prepare('DELETE FROM base_directories WHERE base IN (SELECT id FROM bases WHERE job = ?)').run(job)
    state.prepare('DELETE FROM bases WHERE job = ?').run(job)
  })
}

function baseId(state: State, { job, leftId, rightId }: BaseOf): number | undefined {
  const row = state.prepare('SELECT id, left_id, right_id FROM bases WHERE job = ?').get(job)
  if (row === undefined || textIn(row, 'left_id') !== leftId || textIn(row, 'right_id') !== rightId) return undefined
  return numberIn(row, 'id')
}

function startBase(state: State, { job, leftId, rightId }: BaseOf): number {
  forgetBase(state, job)
  const insert = state.prepare('INSERT INTO bases (job, left_id, right_id) VALUES (?, ?, ?) RETURNING id')
  return numberIn(insert.get(job, leftId, rightId) ?? {}, 'id')
}
