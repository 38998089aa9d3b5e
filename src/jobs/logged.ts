// What the log of this machine says that one run changed: for people and programs that look back. Reads a bounded part of
// the log, its end first; nothing is decided by what is found.

import { leaderOf } from '../core/trail.ts'
import type { Run } from '../state/history.ts'
import { dayOf, systemClock } from '../std/clock.ts'
import { type LogEntry, nameInLog, searchLog } from '../std/log-reader.ts'

/** One thing that a run did. With `?` behind the action: it was to be done when the run broke, and may not have been. */
export type LoggedChange = {
  readonly time: string
  readonly action: string
  readonly path: string
  /** Where it was before. */
  readonly from?: string
  /** Of a two-way run: where it happened. */
  readonly side?: 'left' | 'right'
  /** Of a further name: one that its file had before. */
  readonly of?: string
}

const toldActions: readonly string[] = [
  'created',
  'created-directory',
  'linked',
  'hard-linked',
  'replaced',
  'file-received',
  'copied-locally',
  'attributes-set',
  'renamed',
  'deleted',
  'put-back',
  'recovered',
  'begun',
  'conflict',
]

const logBytesMax = 512 * 1024 * 1024
const changesMax = 100_000

/** What the log says that this run changed, in the order in which it was done. */
export function changesOf(logs: string, run: Run): LoggedChange[] {
  const needle = nameInLog(run.runId)
  const endMs = run.endedMs ?? systemClock.nowMs()
  const days = { from: dayOf(run.startedMs - 60_000), to: dayOf(endMs + 60_000) }
  const search = searchLog(logs, { mayMatch: (line) => line.includes(needle), days, maxBytes: logBytesMax })
  const changes: LoggedChange[] = []
  for (const entry of search.entries) {
    if (entry.runId !== run.runId || !toldActions.includes(entry.action)) continue
    changes.push(...changesIn(entry).reverse())
    if (changes.length >= changesMax) break
  }
  return changes.reverse()
}

function changesIn(entry: LogEntry): LoggedChange[] {
  const { time, directory, names, from, to, path, what, replaced, side } = entry
  const isPlanned = entry.action === 'begun' && typeof what === 'string'
  // What became a further name did so whatever stood there.
  const isReplaced = replaced === true && entry.action !== 'hard-linked'
  const action = isPlanned ? `${what}?` : isReplaced ? 'replaced' : entry.action
  const change = (text: string, of?: string): LoggedChange => ({
    time,
    action,
    path: text,
    ...(typeof from === 'string' ? { from } : {}),
    ...(side === 'left' || side === 'right' ? { side } : {}),
    ...(of !== undefined && { of }),
  })
  if (typeof to === 'string') return [change(to)]
  if (typeof path === 'string') return [change(path)]
  if (typeof directory !== 'string') return []
  if (typeof names !== 'string' || names === '') return [change(directory === '' ? '.' : directory)]
  return names.split('/').map((name, i) => change(directory === '' ? name : `${directory}/${name}`, leaderOf(entry, i)))
}
