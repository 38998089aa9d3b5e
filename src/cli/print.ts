// What people read. Rules: on a terminal progress is one line that is redrawn and never scrolls; in a pipe everything is
// plain lines; with --json every line is one event. Results go to stdout, failures and progress to stderr. Names chosen
// by others are escaped before they reach a terminal. A summary says what happened in one sentence, with figures.

import { showName } from '../core/entry.ts'
import { isProblemCode, problemCodes } from '../core/problem.ts'
import type { RunEvent } from '../jobs/endpoint.ts'
import type { FinishedRun } from '../jobs/run.ts'
import { systemClock } from '../std/clock.ts'
import type { Failure } from '../std/failure.ts'
import { escapeControls } from '../std/log.ts'
import { StatusLine } from './status-line.ts'

export type Style = {
  readonly json: boolean
  readonly quiet: boolean
  readonly verbose: boolean
  /** Changes are always listed. */
  readonly list: boolean
}

/** Only a whole mirror leaves two folders in sync; an update, or a run that leaves things out by size or place, is done. */
export type Claim = 'in sync' | 'done'

/** Text from elsewhere, made safe for a terminal: C0, C1 and bidi controls become visible. */
export function safeText(text: string): string {
  return escapeControls(showName(text)).replace(
    /\p{Cc}/gu,
    (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}

/** What was wrong at one path, as a person reads it. */
export function problemText({ path, code, detail }: { path: string; code: string; detail: string }): string {
  const what = isProblemCode(code) ? problemCodes[code] : code
  return `${safeText(path) || 'the top folder'} ${what}${detail === '' ? '' : ` (${safeText(detail)})`}`
}

export function showBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  const units = ['kB', 'MB', 'GB', 'TB', 'PB']
  let value = bytes / 1000
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${units[unit]}`
}

/** `1,234,567`, without the start-up cost of the system's own formatting. */
function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',')
}

export function showCount(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`
}

export function showDuration(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(2)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 90) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 90 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

const marks: Readonly<Record<string, string>> = { rename: 'r', attributes: '~' }

/** One change, as a dry run lists it; README says what the marks mean. */
export function changeLine(event: RunEvent & { type: 'change' }): string {
  const side = event.to === undefined ? '' : event.to === 'right' ? '-> ' : '<- '
  return side + plainLine(event)
}

function plainLine(event: RunEvent & { type: 'change' }): string {
  const path = safeText(event.path) + (event.action.endsWith('directory') ? '/' : '')
  if (event.from !== undefined && event.action === 'link') return `= ${path} (${safeText(event.from)})`
  if (event.from !== undefined) return `r ${safeText(event.from)} -> ${path}`
  const mark =
    marks[event.action] ?? (event.action.startsWith('create') ? '+' : event.action.startsWith('delete') ? '-' : '>')
  return `${mark} ${path}`
}

const conflictsShown = 20

function conflictLine({ path, kept, copy }: RunEvent & { type: 'conflict' }): string {
  const other = kept === 'left' ? 'right' : 'left'
  const lost = copy === undefined ? `the ${other}'s is replaced` : `the ${other}'s is kept as ${safeText(copy)}`
  return `conflict: both sides changed ${safeText(path)}; the ${kept}'s keeps the name, ${lost}`
}

/** Shows a run's events in one style. `write` and `warn` are the two outputs. */
export class RunPrinter {
  readonly #style: Style
  readonly #claim: Claim
  readonly #status: StatusLine
  #runId = ''
  /** What was told before the run had a name. */
  readonly #early: RunEvent[] = []
  #phase = ''
  #conflicts = 0
  #startMs: number = systemClock.monotonicMs()

  /** `claim`: what a run that did all it was asked for may say of the two folders. */
  constructor(style: Style, claim: Claim = 'in sync') {
    this.#style = style
    this.#claim = claim
    this.#status = new StatusLine(!style.json && !style.quiet)
  }

  readonly listen = (event: RunEvent): void => {
    if (this.#style.json && event.type === 'notice' && this.#runId === '') {
      this.#early.push(event)
      return
    }
    if (event.type === 'run-start') this.#begun(event.runId)
    if (this.#style.json) {
      if (event.type === 'change' && this.#style.quiet) return
      if (event.type !== 'progress' || this.#status.isDue()) this.#json({ ...event })
      return
    }
    switch (event.type) {
      case 'phase':
        this.#phase = event.phase
        this.#status.draw(`${event.phase} ...`)
        return
      case 'progress':
        this.#status.drawWhenDue(() => this.#progressLine(event))
        return
      case 'change':
        if (this.#style.list || this.#style.verbose) this.#line(changeLine(event))
        return
      case 'run-start':
        return
      case 'conflict':
        this.#showConflict(event)
        return
      case 'halt':
        this.#showHalt(event)
        return
      case 'notice':
        if (!this.#style.quiet) this.#line(safeText(event.text))
        return
    }
  }

  #begun(runId: string): void {
    this.#runId = runId
    for (const event of this.#early.splice(0)) this.#json({ ...event })
  }

  #progressLine(event: RunEvent & { type: 'progress' }): string {
    const elapsedMs = systemClock.monotonicMs() - this.#startMs
    const rate = event.contentBytes / Math.max(0.001, elapsedMs / 1000)
    const left = rate > 0 ? (event.contentTotal - event.contentBytes) / rate : 0
    const percent = event.contentTotal === 0 ? 100 : Math.floor((event.contentBytes / event.contentTotal) * 100)
    const files = `${grouped(event.files)}/${grouped(event.filesTotal)} files`
    const small = event.sentBytes > 0 && event.sentBytes < 0.95 * event.contentBytes
    const bytes = showBytes(event.contentBytes) + (small ? ` as ${showBytes(event.sentBytes)}` : '')
    const facts = `${this.#phase} ${percent} %  ${files}  ${bytes}  ${showBytes(rate)}/s`
    return `${facts}  ${showDuration(left * 1000)} left  ${safeText(event.path)}`
  }

  #line(text: string): void {
    this.#status.clear()
    process.stdout.write(`${text}\n`)
  }

  #json(event: Record<string, unknown>): void {
    process.stdout.write(`${escapeControls(JSON.stringify({ schema: 1, runId: this.#runId, ...event }))}\n`)
  }

  /** The first of them, unless all are wanted. */
  #showConflict(event: RunEvent & { type: 'conflict' }): void {
    if (this.#style.quiet) return
    this.#conflicts++
    if (this.#style.verbose || this.#conflicts <= conflictsShown) this.#line(conflictLine(event))
  }

  #showHalt(event: RunEvent & { type: 'halt' }): void {
    this.#status.clear()
    const write = (text: string): void => void process.stderr.write(`${text}\n`)
    write(`${this.#style.list ? 'a run would be halted' : 'halted'}: ${event.reason}.`)
    const takes = `It would delete ${showCount(event.deletes, 'entry').replace('entrys', 'entries')} and replace ${grouped(event.replaces)}; nothing was changed.`
    write(event.sample.length === 0 ? takes : `${takes} Among them:`)
    for (const path of event.sample) write(`  ${safeText(path)}`)
    if (this.#style.list) return write('The run itself says so again, and changes nothing until it is released.')
    write('If this is what you want, run the same command once more with --release; it covers exactly this set.')
  }

  end(run: FinishedRun, exitCode: number): void {
    this.#status.clear()
    const elapsedMs = Math.round(systemClock.monotonicMs() - this.#startMs)
    if (this.#style.json) {
      for (const problem of run.problems) this.#json({ type: 'problem', ...problem })
      const { outcome, counts, problems, summary, contentBytes, sentBytes, wireBytesOut, wireBytesIn } = run
      const { files, sizeBytes } = summary
      this.#json({
        type: 'run-end',
        outcome,
        exitCode,
        counts: { ...counts, problems: problems.length },
        files,
        sizeBytes,
        contentBytes,
        sentBytes,
        wireBytesOut,
        wireBytesIn,
        elapsedMs,
        scanMs: run.scanMs,
        ...(run.verified && { verified: run.verified }),
      })
      return
    }
    if (this.#conflicts > conflictsShown && !this.#style.verbose && !this.#style.quiet)
      process.stdout.write(`... and ${this.#conflicts - conflictsShown} more conflicts; -v shows all\n`)
    for (const problem of run.problems.slice(0, this.#style.verbose ? undefined : 20))
      process.stderr.write(`problem: ${problemText(problem)}\n`)
    if (run.problems.length > 20 && !this.#style.verbose)
      process.stderr.write(`... and ${run.problems.length - 20} more; -v shows all\n`)
    if (!this.#style.quiet) process.stdout.write(`${summarySentence(run, elapsedMs, this.#claim)}\n`)
  }

  /** Ends without a word: it was said before. */
  hush(): void {
    this.#status.clear()
  }

  failed(failure: Failure): void {
    this.#status.clear()
    this.#begun(this.#runId)
    showFailure(failure, this.#style.json, this.#runId)
  }
}

/** What a run came to, in one sentence. */
function summarySentence(run: FinishedRun, elapsedMs: number, claim: Claim): string {
  const tree = `${showCount(run.summary.files, 'file')}, ${showBytes(run.summary.sizeBytes)}`
  const took = showDuration(elapsedMs)
  const { created, replaced, attributes, renamed, deleted, copied } = run.counts
  const parts: readonly (readonly [number, string])[] = [
    [created, 'created'],
    [replaced, 'replaced'],
    [attributes, 'adjusted'],
    [renamed, 'renamed'],
    [copied, 'of them copied from what was there'],
    [deleted, 'deleted'],
  ]
  const done = parts
    .filter(([count]) => count !== 0)
    .map(([count, what]) => `${grouped(count)} ${what}`)
    .join(', ')
  const problems =
    carriedText(run) +
    verifiedText(run) +
    (run.problems.length === 0 ? '' : `; ${showCount(run.problems.length, 'problem')}`)
  switch (run.outcome) {
    case 'unchanged':
      return `${claim}: nothing changed (${tree}) in ${took}${problems}`
    case 'planned':
      return `dry run: nothing was changed (${tree}) in ${took}${problems}`
    case 'halted':
      return `halted before anything was changed, after ${took}`
    default:
      return `${run.problems.length === 0 ? claim : 'done as far as possible'}: ${done === '' ? 'nothing to do' : done} (${tree}) in ${took}${problems}`
  }
}

/** What went over the line; nothing where there was none, or nothing to say. */
function carriedText({ contentBytes, sentBytes, wireBytesOut, wireBytesIn }: FinishedRun): string {
  if (sentBytes === 0 || wireBytesOut + wireBytesIn === 0) return ''
  return `; ${showBytes(contentBytes)} of content, ${showBytes(wireBytesOut + wireBytesIn)} on the wire`
}

function verifiedText({ verified }: FinishedRun): string {
  if (verified === undefined) return ''
  const rest = verified.unproven === 0 ? '' : `, ${grouped(verified.unproven)} seen for the first time`
  return `; verified ${showCount(verified.files, 'file')}, ${showBytes(verified.bytes)}${rest}`
}

/** A failure as a person needs it: what happened, what to do. */
export function showFailure(failure: Failure, json: boolean, runId = ''): void {
  if (json) {
    const { code, message, hint } = failure
    process.stdout.write(
      `${escapeControls(JSON.stringify({ schema: 1, runId, type: 'failure', code, message, hint }))}\n`,
    )
    return
  }
  process.stderr.write(`nightferry: ${safeText(failure.message)}\n`)
  if (failure.hint !== '') process.stderr.write(`${safeText(failure.hint)}\n`)
}
