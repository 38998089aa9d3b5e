// `nightferry conflicts`: the two values of each name that both sides of a two-way job changed, and which of them stays.

import { ignoreScope } from '../core/ignore.ts'
import { type Choice, chooseFor, copyPath, type OpenConflict, openConflicts, type Value } from '../jobs/conflicts.ts'
import { isoTime } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { escapeControls } from '../std/log.ts'
import { sentence, showWhen } from './desk.ts'
import { type GlobalOptions, openMachine } from './machine.ts'
import { problemText, safeText, showBytes, showCount } from './print.ts'

export type ConflictsOptions = GlobalOptions & {
  readonly keep?: string
  readonly json?: true
}

/** `patterns` are those of ignore files; all conflicts where there is none. */
export async function conflicts(patterns: readonly string[], options: ConflictsOptions): Promise<number> {
  const { keep, json = false } = options
  if (keep !== undefined && keep !== 'left' && keep !== 'right' && keep !== 'both')
    throw new Failure('bad-usage', `--keep takes left, right or both, not ${JSON.stringify(keep)}`)
  if (keep !== undefined && patterns.length === 0)
    throw new Failure('bad-usage', '--keep says what becomes of some: name them', {
      hint: "by patterns of ignore files: notes.txt, '*.log', /folder/, or '*' for all",
    })
  const text = { directory: '', label: 'command line', text: `${patterns.join('\n')}\n` }
  const rules = patterns.length === 0 ? undefined : ignoreScope([], { overrides: [text] })
  const stop = new AbortController()
  const interrupt = (): void => stop.abort()
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  const machine = openMachine(options, 'sync')
  try {
    const open = openConflicts(machine.workshop.state, rules)
    if (keep === undefined) return list(open, json)
    return await choose(open, keep, json, (choice) => chooseFor(machine.workshop, open, choice, stop.signal))
  } finally {
    process.removeListener('SIGINT', interrupt)
    process.removeListener('SIGTERM', interrupt)
    await machine.close()
  }
}

function list(open: readonly OpenConflict[], json: boolean): number {
  if (json) {
    const all = open.map((conflict) => ({ ...conflict, copyPath: copyPath(conflict) }))
    process.stdout.write(`${escapeControls(JSON.stringify({ schema: 1, conflicts: all }))}\n`)
    return 0
  }
  const write = (line: string): void => void process.stdout.write(`${line}\n`)
  if (open.length === 0) write('no conflicts are open')
  for (const [, some] of Map.groupBy(open, ({ job }) => job)) {
    const [{ left, right }] = some as [OpenConflict]
    write(`${safeText(left)} <-> ${safeText(right)}`)
    for (const conflict of some) for (const line of linesOf(conflict)) write(line)
  }
  if (open.length > 0) write('One of each stays with nightferry conflicts NAME --keep left, right or both.')
  return 0
}

function linesOf({ path, copy, kept, baseSeconds, atMs, values }: OpenConflict): string[] {
  const lost = kept === 'left' ? 'right' : 'left'
  const facts = (value: Value | undefined): string => (value === undefined ? '' : `  ${valueText(value)}`)
  return [
    `  ${safeText(path)}  both changed it, found ${showWhen(atMs)}; ${baseText(baseSeconds)}`,
    `    ${kept.padEnd(5)}  has the name${facts(values?.named)}`,
    `    ${lost.padEnd(5)}  is ${safeText(copy)}${facts(values?.copy)}`,
  ]
}

function baseText(seconds: number | undefined): string {
  return seconds === undefined ? 'it was never agreed on' : `what was agreed on is of ${timeText(seconds)}`
}

function valueText({ kind, sizeBytes, mtimeSeconds }: Value): string {
  return `${kind === 'file' ? showBytes(sizeBytes) : kind}, of ${timeText(mtimeSeconds)}`
}

function timeText(seconds: number): string {
  const when = isoTime(seconds * 1000)
  return `${when.slice(0, 19).replace('T', ' ')} UTC`
}

async function choose(
  open: readonly OpenConflict[],
  keep: Choice,
  json: boolean,
  carryOut: (choice: Choice) => ReturnType<typeof chooseFor>,
): Promise<number> {
  if (open.length === 0)
    throw new Failure('bad-usage', 'no open conflict is called that', { hint: 'see nightferry conflicts' })
  const { settled, problems } = await carryOut(keep)
  const code = problems.length > 0 ? 3 : 0
  if (json) {
    process.stdout.write(`${escapeControls(JSON.stringify({ schema: 1, settled, problems, exitCode: code }))}\n`)
    return code
  }
  for (const problem of problems) process.stderr.write(`problem: ${sentence(problemText(problem))}\n`)
  const next = keep === 'both' ? 'both stay' : 'the next run brings that to the other side'
  process.stdout.write(`${showCount(settled, 'conflict')} settled; ${next}\n`)
  return code
}
