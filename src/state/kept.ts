// An index of what is kept on the targets of this machine: which runs' versions, how large, of which directories, and
// what those runs renamed. The disk is the truth: the index is believed only while the store is as it was when the index
// was last brought up to date, and what it names is looked for in the store. It may be deleted; it is made again.

import type { KeptRun } from '../core/retention.ts'
import type { State } from './open.ts'
import { numberIn, pathIn, pathText, type Row, textIn } from './row.ts'

/** A directory of which entries are kept; with `isWhole` the directory itself went, with all that was below it. */
type Place = { readonly path: string; readonly isWhole: boolean }

export type IndexedRun = KeptRun & {
  /** What is known holds while the run's place in the store has this stamp. */
  readonly stamp: string
  readonly holdings: {
    readonly places: readonly Place[]
    readonly moves: readonly { readonly from: string; readonly to: string }[]
  }
}

/** What said that the index was up to date; undefined where nothing is known, or nothing for sure. */
export function indexedSignature(state: State, root: string): string | undefined {
  return state.read(() => {
    const row = state.prepare('SELECT signature FROM kept_stores WHERE root = ?').get(root)
    return row === undefined ? undefined : textIn(row, 'signature')
  })
}

/** The index is up to date with a store that says `signature` of itself; undefined: nobody knows. */
export function signIndex(state: State, root: string, signature: string | undefined): void {
  state.write(() => {
    if (signature === undefined) state.prepare('DELETE FROM kept_stores WHERE root = ?').run(root)
    else state.prepare('INSERT OR REPLACE INTO kept_stores (root, signature) VALUES (?, ?)').run(root, signature)
  })
}

/** Of these runs, those that the index does not know as they are; and the runs that it knows beyond them. */
export function compareIndex(
  state: State,
  root: string,
  runs: readonly { readonly run: string; readonly stamp: string }[],
): { unknown: string[]; gone: string[] } {
  const rows = state.read(() => state.prepare('SELECT run, stamp FROM kept_runs WHERE root = ?').all(root))
  const known = new Map(rows.map((row) => [textIn(row, 'run'), textIn(row, 'stamp')]))
  const there = new Set(runs.map(({ run }) => run))
  return {
    unknown: runs.filter(({ run, stamp }) => known.get(run) !== stamp).map(({ run }) => run),
    gone: [...known.keys()].filter((run) => !there.has(run)),
  }
}

/** Takes runs in, in the place of what was known of them. */
export function indexRuns(state: State, root: string, runs: readonly IndexedRun[]): void {
  state.write(() => {
    for (const { run, atMs, sizeBytes, stamp, holdings } of runs) {
      forget(state, root, run)
      const { lastInsertRowid: id } = state
        .prepare('INSERT INTO kept_runs (root, run, at_ms, size_bytes, stamp) VALUES (?, ?, ?, ?, ?)')
        .run(root, run, atMs, sizeBytes, stamp)
      const place = state.prepare('INSERT OR IGNORE INTO kept_places (root, path, whole, run) VALUES (?, ?, ?, ?)')
      for (const { path, isWhole } of holdings.places) place.run(root, pathText(path), isWhole ? 1 : 0, id)
      const move = state.prepare('INSERT INTO kept_moves (root, new_path, old_path, run) VALUES (?, ?, ?, ?)')
      for (const { from, to } of holdings.moves) move.run(root, pathText(to), pathText(from), id)
    }
  })
}

export function unindexRuns(state: State, root: string, runs: readonly string[]): void {
  if (runs.length === 0) return
  state.write(() => {
    for (const run of runs) forget(state, root, run)
  })
}

function forget(state: State, root: string, run: string): void {
  const row = state.prepare('SELECT id FROM kept_runs WHERE root = ? AND run = ?').get(root, run)
  if (row === undefined) return
  const id = numberIn(row, 'id')
  state.prepare('DELETE FROM kept_places WHERE run = ?').run(id)
  state.prepare('DELETE FROM kept_moves WHERE run = ?').run(id)
  state.prepare('DELETE FROM kept_runs WHERE id = ?').run(id)
}

/** What all runs but one keep, and when the newest of them began; calls `work` with them, oldest first, as far as it asks. */
export function withKeptRuns<Value>(
  state: State,
  root: string,
  spare: string | undefined,
  work: (kept: { sizeBytes: number; newestMs: number; oldestFirst: Iterable<KeptRun> }) => Value,
): Value {
  const but = spare ?? ''
  return state.read(() => {
    const sums = state
      .prepare('SELECT total(size_bytes) AS size, max(at_ms) AS newest FROM kept_runs WHERE root = ? AND run != ?')
      .get(root, but) as Row
    const oldestFirst = state
      .prepare('SELECT run, at_ms, size_bytes FROM kept_runs WHERE root = ? AND run != ? ORDER BY at_ms, run')
      .iterate(root, but)
    return work({
      sizeBytes: numberIn(sums, 'size'),
      newestMs: sums['newest'] === null ? 0 : numberIn(sums, 'newest'),
      oldestFirst: keptRuns(oldestFirst),
    })
  })
}

function* keptRuns(rows: Iterable<Row>): Generator<KeptRun> {
  for (const row of rows)
    yield { run: textIn(row, 'run'), atMs: numberIn(row, 'at_ms'), sizeBytes: numberIn(row, 'size_bytes') }
}

export type FoundRun = { readonly run: string; readonly atMs: number }

/** The runs until `untilMs` that may keep `path`, or something below it, newest first. */
export function runsKeeping(state: State, root: string, of: string, untilMs: number): FoundRun[] {
  const path = pathText(of)
  const { first, last } = below(path)
  // At the path or below it; in its directory; or with a directory at or above it that went whole.
  const { parents, above } = linesOf(path)
  const isTop = path === ''
  return state.read(() => {
    const ids = new Set<number>()
    const add = (rows: readonly Row[]): void => rows.forEach((row) => void ids.add(numberIn(row, 'run')))
    if (isTop) add(state.prepare('SELECT DISTINCT run FROM kept_places WHERE root = ?').all(root))
    else {
      add(state.prepare('SELECT run FROM kept_places WHERE root = ? AND path = ?').all(root, path))
      add(state.prepare('SELECT run FROM kept_places WHERE root = ? AND path >= ? AND path < ?').all(root, first, last))
      const at = state.prepare('SELECT run FROM kept_places WHERE root = ? AND path = ? AND whole = ?')
      add(at.all(root, parents, 0))
      for (const one of above) add(at.all(root, one, 1))
    }
    const facts = state.prepare('SELECT run, at_ms FROM kept_runs WHERE id = ? AND at_ms <= ?')
    const runs = [...ids].map((id) => facts.get(id, untilMs)).filter((row) => row !== undefined)
    return runs
      .map((row) => ({ run: textIn(row, 'run'), atMs: numberIn(row, 'at_ms') }))
      .sort((a, b) => b.atMs - a.atMs || (a.run < b.run ? 1 : -1))
  })
}

export type FoundMove = { readonly from: string; readonly to: string; readonly atMs: number }

/** What came to lie at `path`, above it or below it until `untilMs`, at most so many of each, newest first. */
export function movesTo(state: State, root: string, of: string, untilMs: number, max: number): FoundMove[] {
  const path = pathText(of)
  const { first, last } = below(path)
  const { above } = linesOf(path)
  const columns = 'SELECT m.old_path, m.new_path, r.at_ms FROM kept_moves m JOIN kept_runs r ON r.id = m.run'
  const newest = 'AND r.at_ms <= ? ORDER BY r.at_ms DESC, m.rowid DESC LIMIT ?'
  return state.read(() => {
    const at = state.prepare(`${columns} WHERE m.root = ? AND m.new_path = ? ${newest}`)
    const found = above.filter((one) => one !== '').flatMap((one) => at.all(root, one, untilMs, max))
    const within = state.prepare(`${columns} WHERE m.root = ? AND m.new_path >= ? AND m.new_path < ? ${newest}`)
    // Below the top is everything, under its old name too.
    if (path !== '') found.push(...within.all(root, first, last, untilMs, max))
    return found.map((row) => ({
      from: pathIn(row, 'old_path'),
      to: pathIn(row, 'new_path'),
      atMs: numberIn(row, 'at_ms'),
    }))
  })
}

/** Between which texts the paths below one stand: '0' follows '/'. */
function below(path: string): { first: string; last: string } {
  return { first: `${path}/`, last: `${path}0` }
}

/** The directory of a path, and all that it lies in, itself and the top included. */
function linesOf(path: string): { parents: string; above: string[] } {
  const above = ['']
  for (let at = path; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) above.push(at)
  return { parents: path.slice(0, Math.max(0, path.lastIndexOf('/'))), above }
}
