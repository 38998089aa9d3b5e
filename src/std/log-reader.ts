// Reads the log back, the newest line first, over all its dated files, and no more than a bound: for people who ask what
// happened. A line that is none (cut off by a crash, edited by hand) is passed over. Never writes.

import { join } from 'node:path'
import { listOwnDirectory, ownFileSize, readOwnRange } from './files.ts'
import { escapeControls } from './log.ts'

export type LogEntry = {
  readonly time: string
  readonly action: string
  readonly [field: string]: unknown
}

export type LogQuery = {
  /** Looks at a line's text before it is taken apart. */
  readonly mayMatch: (line: string) => boolean
  /** Days to look at, such as 2026-11-21; both included. */
  readonly days?: { readonly from: string; readonly to: string }
  /** Stops when this much was read. */
  readonly maxBytes: number
}

export type LogSearch = {
  readonly entries: Generator<LogEntry>
  /** The earliest day that was looked at so far; undefined before the first. Days before it may hold more. */
  readonly reached: string | undefined
  /** Whether the bound ended it. */
  readonly isCut: boolean
}

const fileName = /^(\d{4}-\d\d-\d\d)-[a-z]+\.jsonl$/
const pieceBytes = 1024 * 1024
const newline = 0x0a

/** How a name looks inside a line, to look for it there. */
export function nameInLog(name: string): string {
  return escapeControls(JSON.stringify(name)).slice(1, -1)
}

/** Searches the log of a directory, from its end. */
export function searchLog(directory: string, query: LogQuery): LogSearch {
  const progress = { reached: undefined as string | undefined, isCut: false, leftBytes: query.maxBytes }
  return {
    entries: entriesOf(directory, query, progress),
    get reached() {
      return progress.reached
    },
    get isCut() {
      return progress.isCut
    },
  }
}

type Progress = { reached: string | undefined; isCut: boolean; leftBytes: number }

function* entriesOf(directory: string, query: LogQuery, progress: Progress): Generator<LogEntry> {
  const byDay = new Map<string, string[]>()
  for (const name of listOwnDirectory(directory)) {
    const day = fileName.exec(name)?.[1]
    if (day !== undefined) byDay.getOrInsert(day, []).push(join(directory, name))
  }
  const { from = '', to = '9' } = query.days ?? {}
  for (const day of [...byDay.keys()].sort().reverse()) {
    if (day < from || day > to) continue
    if (progress.leftBytes <= 0) {
      progress.isCut = true
      return
    }
    progress.reached = day
    yield* merged((byDay.get(day) ?? []).map((path) => fileEntries(path, query, progress)))
  }
}

/** The sides' lines of one day as one sequence, the latest first. */
function* merged(files: Generator<LogEntry>[]): Generator<LogEntry> {
  const heads = files.map((file) => ({ file, next: file.next() }))
  for (;;) {
    let latest: (typeof heads)[number] | undefined
    for (const head of heads) {
      if (head.next.done === true) continue
      if (latest === undefined || latest.next.done === true || head.next.value.time > latest.next.value.time)
        latest = head
    }
    if (latest === undefined || latest.next.done === true) return
    yield latest.next.value
    latest.next = latest.file.next()
  }
}

/** The lines of one file from its end. */
function* fileEntries(path: string, { mayMatch }: LogQuery, progress: Progress): Generator<LogEntry> {
  let end = ownFileSize(path) ?? 0
  let tail: Uint8Array = new Uint8Array(0)
  while (end > 0) {
    if (progress.leftBytes <= 0) {
      progress.isCut = true
      return
    }
    const start = Math.max(0, end - pieceBytes)
    const piece = readOwnRange(path, start, end) ?? new Uint8Array(0)
    progress.leftBytes -= end - start
    end = start
    const bytes = Buffer.concat([piece, tail])
    // What stands before the first line end belongs to a line that begins further up.
    const first = start === 0 ? -1 : bytes.indexOf(newline)
    tail = start === 0 ? new Uint8Array(0) : bytes.subarray(0, first < 0 ? bytes.length : first + 1)
    if (start > 0 && first < 0) continue
    const lines = bytes
      .subarray(first + 1)
      .toString('utf8')
      .split('\n')
    for (let at = lines.length - 1; at >= 0; at--) {
      const line = lines[at] as string
      if (line === '' || !mayMatch(line)) continue
      const entry = entryOf(line)
      if (entry !== undefined) yield entry
    }
  }
}

function entryOf(line: string): LogEntry | undefined {
  try {
    const entry = JSON.parse(line) as Partial<LogEntry> | null
    if (typeof entry?.time !== 'string' || typeof entry.action !== 'string') return undefined
    return entry as LogEntry
  } catch {
    return undefined
  }
}
