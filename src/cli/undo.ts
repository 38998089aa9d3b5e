// `nightferry undo RUN`: reverses a whole run, or says why it does not. Ctrl-C stops it where the target is whole.

import { type UndoEvent, type UndoResult, undoExitCode, undoRun } from '../jobs/undo.ts'
import { escapeControls } from '../std/log.ts'
import { type GlobalOptions, openMachine } from './machine.ts'
import { changeLine, problemText, safeText, showCount } from './print.ts'
import { StatusLine } from './status-line.ts'
import { tell } from './versions.ts'

export type UndoOptions = GlobalOptions & {
  readonly side?: string
  readonly dryRun?: true
  readonly remoteCommand?: string
  readonly json?: true
  readonly verbose?: true
}

const reasons: Readonly<Record<string, string>> = {
  changed: 'was changed since',
  gone: 'is not there any more',
  'no-version': 'has no old version any more',
  occupied: 'is taken by something that came since',
}

export async function undo(prefix: string, options: UndoOptions): Promise<number> {
  const stop = new AbortController()
  const status = new StatusLine(!options.json)
  let isChanging = false
  const interrupt = (): void => {
    stop.abort()
    if (!isChanging || options.json) return
    status.clear()
    process.stderr.write('stopping where the target is whole ...\n')
  }
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  const machine = openMachine(options, 'sync')
  const isListed = options.json || options.dryRun || options.verbose
  const listen = (event: UndoEvent): void => {
    if (event.type === 'progress') isChanging = true
    if (event.type === 'change' && isListed) showChange(event, status, options)
    status.drawWhenDue(() => progressText(event))
  }
  try {
    const ways = { remoteCommand: options.remoteCommand, tell }
    const request = { prefix, side: options.side, dryRun: options.dryRun ?? false, ways }
    const result = await undoRun(machine.workshop, machine.reach, request, listen, stop.signal)
    const exitCode = undoExitCode(result)
    status.clear()
    if (options.json) {
      const { run, ...rest } = result
      showJson({ type: 'undo-end', undoes: run.runId, target: run.target, exitCode, ...rest })
    } else show(result)
    return exitCode
  } finally {
    status.clear()
    process.removeListener('SIGINT', interrupt)
    process.removeListener('SIGTERM', interrupt)
    await machine.close()
  }
}

function showJson(value: object): void {
  process.stdout.write(`${escapeControls(JSON.stringify({ schema: 1, ...value }))}\n`)
}

function showChange(event: UndoEvent & { type: 'change' }, status: StatusLine, { json }: UndoOptions): void {
  if (json) return showJson(event)
  status.clear()
  process.stdout.write(`${changeLine(event)}\n`)
}

function progressText(event: UndoEvent): string {
  if (event.type === 'look') return `looking at what the run did: ${showCount(event.names, 'name')} ...`
  if (event.type === 'change') return `undoing: ${safeText(event.path)}`
  const { phase, steps, stepsTotal } = event
  const percent = stepsTotal === 0 ? 100 : Math.floor((steps / stepsTotal) * 100)
  return `${phase === 'stage' ? 'making ready' : 'undoing'} ${percent} %  ${showCount(steps, 'change')} of ${showCount(stepsTotal, '').trimEnd()}`
}

function show(result: UndoResult): void {
  const { run, outcome, conflicts, conflictCount, problems } = result
  if (outcome === 'refused') {
    process.stderr.write(
      `the run ${run.runId} can't be undone as a whole, so nothing was changed in ${safeText(run.target)}:\n`,
    )
    for (const { path, why } of conflicts.slice(0, 20))
      process.stderr.write(`  ${safeText(path === '' ? '.' : path)} ${reasons[why] ?? safeText(why)}\n`)
    if (conflictCount > 20) process.stderr.write(`  ... and ${conflictCount - 20} more\n`)
    process.stderr.write(
      'Undo the later runs first, put those paths back, or bring single paths back with nightferry undelete.\n',
    )
    return
  }
  for (const problem of problems.slice(0, 20)) process.stderr.write(`problem: ${problemText(problem)}\n`)
  process.stdout.write(`${sentence(result)}\n`)
  if (outcome === 'stopped') {
    process.stdout.write(`nightferry undo ${run.runId} goes on from there.\n`)
    process.stdout.write(`What was done is a run itself: nightferry undo ${result.runId} takes it back.\n`)
  } else if (outcome === 'done' || outcome === 'partial')
    process.stdout.write(`It is a run itself: nightferry undo ${result.runId} brings back what was there before it.\n`)
  else return
  const next =
    run.driver === undefined ? 'The next run of these two folders' : `The next run of ${safeText(run.driver)}`
  process.stdout.write(`${next} would do the same again; it is held until a person lets it.\n`)
}

function sentence(result: UndoResult): string {
  const { run, outcome, already, problems } = result
  if (outcome === 'nothing') return `nothing to undo: all is as it was before the run ${run.runId}`
  if (outcome === 'planned') {
    const rest = already === 0 ? '' : ` (${already} as they were already)`
    return `the run ${run.runId} can be undone; nothing was changed${rest}`
  }
  const counted = problems.length === 0 ? '' : `; ${showCount(problems.length, 'problem')}`
  const what = outcome === 'stopped' ? 'stopped: part of the run' : 'undone: the run'
  return `${what} ${run.runId}${outcome === 'stopped' ? ' is undone' : ''} (${doneText(result)})${counted}`
}

function doneText({ counts, already }: UndoResult): string {
  const { created, replaced, attributes, renamed, deleted } = counts
  const parts: readonly (readonly [number, string])[] = [
    [created, 'brought back'],
    [replaced, 'put back to what they were'],
    [attributes, 'adjusted'],
    [renamed, 'renamed back'],
    [deleted, 'taken away again'],
    [already, 'as they were already'],
  ]
  return parts
    .filter(([count]) => count > 0)
    .map(([count, what]) => `${count} ${what}`)
    .join(', ')
}
