// `nightferry log [RUN]`: the last runs as a table, or all that is known of one.

import { arrowOf, endedWell, endsOf, outcomeOf, outcomeText, type RunOutcome } from '../core/outcome.ts'
import { adviceOn, haltRemedy, remedyOf } from '../core/remedy.ts'
import { placeOfPath } from '../disk/inspect.ts'
import { changesOf, type LoggedChange } from '../jobs/logged.ts'
import { findRuns, listRuns, type Run } from '../state/history.ts'
import { loadHold } from '../state/pairs.ts'
import { isAlive } from '../std/alive.ts'
import { Failure } from '../std/failure.ts'
import { escapeControls } from '../std/log.ts'
import { atDesk, type Desk, sentence, showMoment, showTable, showWhen } from './desk.ts'
import type { GlobalOptions } from './machine.ts'
import { problemText, safeText, showBytes, showCount, showDuration } from './print.ts'
import { oneRun } from './why.ts'

export type LogOptions = GlobalOptions & {
  readonly failed?: true
  readonly job?: string
  readonly limit?: string
  readonly json?: true
}

const runsShown = 20
const pageOfRuns = 200
const changesShown = 20

export function log(run: string | undefined, options: LogOptions): Promise<number> {
  return atDesk(options, (desk) =>
    run === undefined ? listed(desk, options) : shown(desk, oneRun(desk, run), options),
  )
}

function limitOf({ limit }: LogOptions, usual: number): number {
  if (limit === undefined) return usual
  if (!/^[1-9]\d{0,8}$/.test(limit))
    throw new Failure('bad-usage', `--limit takes a number from 1 on, not ${JSON.stringify(limit)}`)
  return Number(limit)
}

function stateOf(run: Run): RunOutcome {
  return outcomeOf(run, isAlive(run.process))
}

// ---- the table --------------------------------------------------------------------------------------------------

function listed(desk: Desk, options: LogOptions): number {
  const isWanted = options.job === undefined ? () => true : jobFilter(options.job)
  const limit = limitOf(options, runsShown)
  const runs: Run[] = []
  // With filters a few may be far back; without, the first page has them all.
  for (let skip = 0; runs.length < limit; skip += pageOfRuns) {
    const page = listRuns(desk.state, { limit: pageOfRuns, skip })
    if (page.length === 0) break
    runs.push(...page.filter((run) => isWanted(run) && (options.failed !== true || isFailed(stateOf(run)))))
  }
  runs.splice(limit)
  if (options.json) {
    process.stdout.write(`${escapeControls(JSON.stringify({ schema: 1, runs: runs.map((run) => asJson(run)) }))}\n`)
    return 0
  }
  if (runs.length === 0) {
    process.stdout.write(
      options.failed || options.job ? 'no run is like that\n' : 'no run yet; see nightferry help sync\n',
    )
    return 0
  }
  const head = ['RUN', 'BEGAN', 'TOOK', 'OUTCOME', 'CODE', 'CHANGES', 'PROBLEMS', 'ENDS']
  process.stdout.write(showTable([head, ...runs.map(rowOf)]))
  return 0
}

/** What a person looks for after a bad night: all that is not as it should be. */
function isFailed(state: RunOutcome): boolean {
  return ['failed', 'halted', 'partial', 'cut-off', 'open'].includes(state)
}

/** A job by the beginning of its id, or by one of its ends. */
function jobFilter(text: string): (run: Run) => boolean {
  const end = text.replace(/(?<=.)\/+$/, '')
  const place = placeOfPath(text)
  return (run) =>
    [run.source, run.target].some((one) => one !== '' && (one === end || one === place)) ||
    (text.length >= 4 && run.job.startsWith(text))
}

function rowOf(run: Run): string[] {
  const { source, target } = endsOf(run)
  const state = stateOf(run)
  const took = run.endedMs === undefined ? '' : showDuration(run.endedMs - run.startedMs)
  const code = run.failure === undefined ? String(run.exitCode ?? '') : `${run.exitCode} ${run.failure.code}`
  const dry = run.options?.dryRun === true && state !== 'planned' ? `${state}, dry run` : state
  const driver = run.driver === undefined ? '' : `by ${run.driver}`
  const what = [run.mode === 'undo' ? 'an undo' : '', driver].filter((text) => text !== '').join(', ')
  const by = what === '' ? '' : ` (${what})`
  return [
    run.runId,
    showMoment(run.startedMs),
    took,
    dry,
    code,
    changesText(run),
    run.problemCount === 0 ? '' : String(run.problemCount),
    `${safeText(source)} ${arrowOf(run)} ${safeText(target)}${by}`,
  ]
}

const countSigns: readonly (readonly [string, string])[] = [
  ['created', '+'],
  ['replaced', '>'],
  ['attributes', '~'],
  ['renamed', 'r'],
  ['deleted', '-'],
]

/** `+12 >3 -1`, in the signs of a dry run. */
function changesText({ counts }: Run): string {
  return countSigns
    .filter(([name]) => (counts[name] ?? 0) !== 0)
    .map(([name, sign]) => `${sign}${counts[name]}`)
    .join(' ')
}

function asJson(run: Run): object {
  const { process: _, driver, endedMs, exitCode, failure, halt, options, ...rest } = run
  return {
    ...rest,
    state: stateOf(run),
    driver: driver ?? null,
    endedMs: endedMs ?? null,
    exitCode: exitCode ?? null,
    failure: failure === undefined ? null : { ...failure, remedy: remedyOf(failure.code) },
    halt: halt ?? null,
    options: options ?? null,
    problems: run.problems.map((problem) => ({ ...problem, remedy: remedyOf(problem.code) })),
  }
}

// ---- one run ----------------------------------------------------------------------------------------------------

function shown(desk: Desk, runId: string, options: LogOptions): number {
  const [run] = findRuns(desk.state, runId)
  if (run === undefined) throw new Failure('bad-usage', `no run is called ${runId}`)
  const limit = limitOf(options, changesShown)
  const changes = changesOf(desk.places.logs, run)
  if (options.json) {
    const list = changes.slice(0, options.limit === undefined ? undefined : limit)
    const hold = holdOf(desk, run) !== undefined
    process.stdout.write(
      `${escapeControls(JSON.stringify({ schema: 1, run: { ...asJson(run), isHeldNow: hold }, changes: list }))}\n`,
    )
    return 0
  }
  const lines = [...factLines(run), ...failureLines(run), ...haltLines(desk, run), ...problemLines(run, limit)]
  lines.push(...changeLines(changes, limit))
  process.stdout.write(`${lines.join('\n')}\n`)
  return 0
}

function factLines(run: Run): string[] {
  const { source, target } = endsOf(run)
  const { options, totals } = run
  const state = stateOf(run)
  const lines = [
    `run       ${run.runId}${run.driver === undefined ? '' : `, driven by ${run.driver}`}`,
    `${run.mode === 'two-way' ? 'left   ' : 'source '}   ${safeText(source)}`,
    `${run.mode === 'two-way' ? 'right  ' : 'target '}   ${safeText(target)}`,
    `began     ${showWhen(run.startedMs)}`,
  ]
  if (run.mode === 'undo') lines.push('what      an undo of an earlier run')
  if (run.endedMs !== undefined) lines.push(`took      ${showDuration(run.endedMs - run.startedMs)}`)
  lines.push(`outcome   ${outcomeText(state)}${run.exitCode === undefined ? '' : ` (code ${run.exitCode})`}`)
  if (run.epoch !== 0) lines.push(`epoch     ${run.epoch}`)
  if (options !== undefined) lines.push(`options   ${optionsText(run)}`)
  else if (run.driver !== undefined && run.mode !== 'undo')
    lines.push(`options   those of ${run.driver}: see nightferry log ${run.runId} there`)
  for (const { label, text } of options?.rules ?? [])
    lines.push(`rules     ${safeText(label)}: ${text.trimEnd().split('\n').map(safeText).join('  ')}`)
  if (totals.files !== undefined)
    lines.push(`size      ${showCount(totals.files, 'file')}, ${showBytes(totals.sizeBytes ?? 0)}`)
  if (totals.contentBytes)
    lines.push(
      `read      ${showBytes(totals.contentBytes)} of content was read${run.mode === 'two-way' ? '' : ' from the source'}`,
    )
  const counts = Object.entries(run.counts).filter(([, count]) => count !== 0)
  if (counts.length > 0) lines.push(`changes   ${counts.map(([name, count]) => `${count} ${name}`).join(', ')}`)
  return lines
}

function optionsText({ options, mode }: Run): string {
  if (options === undefined) return ''
  const parts = [`mode ${mode}`, `limit ${options.limit}`, `ignore files ${options.ignoreFiles.join(', ') || 'none'}`]
  for (const name of ['dryRun', 'checksum', 'release', 'newTarget'] as const)
    if (options[name]) parts.push(optionNames[name])
  parts.push(...options.narrowed, ...options.asked.map(safeText))
  if (options.remoteCommand !== undefined) parts.push(`--remote-command ${safeText(options.remoteCommand)}`)
  if (options.rules === undefined) parts.push('rules of the command line, too long to be kept')
  return parts.join('; ')
}

const optionNames = { dryRun: '--dry-run', checksum: '--checksum', release: '--release', newTarget: '--new-target' }

function failureLines({ failure }: Run): string[] {
  if (failure === undefined) return []
  const { told, remedy } = adviceOn(failure)
  return [`failure   ${failure.code}: ${safeText(told)}`, `          What to do: ${sentence(safeText(remedy))}`]
}

/** The hold that this very run left, where it still holds the job. */
function holdOf({ state }: Desk, run: Run): object | undefined {
  const hold = run.driver === undefined && run.halt !== undefined ? loadHold(state, run.job) : undefined
  return hold !== undefined && Buffer.from(hold.digest).toString('hex') === run.halt?.digest ? hold : undefined
}

function haltLines(desk: Desk, run: Run): string[] {
  const { halt } = run
  if (halt === undefined) return []
  const lines = [
    `halt      ${safeText(halt.reason)}: ${halt.deletes} to delete, ${halt.replaces} to replace; among them`,
    ...halt.sample.map((path) => `            ${safeText(path)}`),
  ]
  const isHeld = holdOf(desk, run) !== undefined
  if (endedWell(stateOf(run))) return [...lines, '          It was released.']
  return [...lines, isHeld ? `          Still held: ${haltRemedy}.` : '          It is held no more.']
}

function problemLines({ problems, problemCount }: Run, limit: number): string[] {
  if (problemCount === 0) return []
  const lines = [`problems  ${problemCount}`]
  const codes = new Map<string, number>()
  for (const problem of problems.slice(0, limit)) lines.push(`            ${problemText(problem)}`)
  for (const { code } of problems) codes.set(code, (codes.get(code) ?? 0) + 1)
  if (problemCount > limit) lines.push(`            ... and ${problemCount - limit} more; --limit shows more`)
  for (const [code, count] of codes) lines.push(`          ${code} (${count}): ${remedyOf(code)}`)
  return lines
}

// ---- what it changed --------------------------------------------------------------------------------------------

function changeLines(changes: readonly LoggedChange[], limit: number): string[] {
  if (changes.length === 0) return []
  const lines = changes.slice(0, limit).map(({ action, path, from, of, side }) => {
    const moved = from === undefined ? '' : `${safeText(from)} -> `
    const further = of === undefined ? '' : ` = ${safeText(of)}`
    const where = side === undefined ? '' : side === 'left' ? '<- ' : '-> '
    return `            ${where}${action.padEnd(18)} ${moved}${safeText(path)}${further}`
  })
  const isUnsure = changes.some(({ action }) => action.endsWith('?'))
  if (changes.length > limit) lines.push(`            ... and ${changes.length - limit} more; --limit shows more`)
  if (isUnsure) lines.push("          With ?: to be done when the run broke; the target's log knows whether it was.")
  return ['log', ...lines]
}
