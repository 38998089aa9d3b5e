// `nightferry undo RUN`: reverses a whole run, or says why it does not.

import { isProblemCode, problemCodes } from '../core/problem.ts'
import { type UndoResult, undoRun } from '../jobs/undo.ts'
import { escapeControls } from '../std/log.ts'
import { type GlobalOptions, openMachine } from './machine.ts'
import { safeText, showCount } from './print.ts'
import { tell } from './versions.ts'

export type UndoOptions = GlobalOptions & {
  readonly dryRun?: true
  readonly remoteCommand?: string
  readonly json?: true
}

const reasons: Readonly<Record<string, string>> = {
  changed: 'was changed since',
  gone: 'is not there any more',
  'no-version': 'has no old version any more',
  occupied: 'is taken by something that came since',
}

export async function undo(prefix: string, options: UndoOptions): Promise<number> {
  const stop = new AbortController()
  const interrupt = (): void => stop.abort()
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  const machine = openMachine(options, 'sync')
  try {
    const request = { prefix, dryRun: options.dryRun ?? false, ways: { remoteCommand: options.remoteCommand, tell } }
    const result = await undoRun(machine.workshop, machine.reach, request, stop.signal)
    const exitCode = result.outcome === 'refused' ? 15 : result.problems.length > 0 ? 3 : 0
    if (options.json) {
      const { run, ...rest } = result
      const text = JSON.stringify({ schema: 1, undoes: run.runId, target: run.target, exitCode, ...rest })
      process.stdout.write(`${escapeControls(text)}\n`)
    } else show(result)
    return exitCode
  } finally {
    process.removeListener('SIGINT', interrupt)
    process.removeListener('SIGTERM', interrupt)
    await machine.close()
  }
}

function show(result: UndoResult): void {
  const { run, outcome, conflicts, conflictCount, problems } = result
  if (outcome === 'refused') {
    process.stderr.write(
      `the run ${run.runId} can't be undone as a whole, so nothing was changed in ${safeText(run.target)}:\n`,
    )
    for (const { path, why } of conflicts.slice(0, 20))
      process.stderr.write(`  ${safeText(path)} ${reasons[why] ?? why}\n`)
    if (conflictCount > 20) process.stderr.write(`  ... and ${conflictCount - 20} more\n`)
    process.stderr.write(
      'Undo the later runs first, put those paths back, or bring single paths back with nightferry undelete.\n',
    )
    return
  }
  for (const { path, code, detail } of problems.slice(0, 20)) {
    const what = isProblemCode(code) ? problemCodes[code] : code
    process.stderr.write(`problem: ${safeText(path)} ${what}${detail === '' ? '' : ` (${detail})`}\n`)
  }
  process.stdout.write(`${sentence(result)}\n`)
  if (outcome === 'done' || outcome === 'partial') {
    process.stdout.write(`It is a run itself: nightferry undo ${result.runId} brings back what was there before it.\n`)
    // What a peer's run does next is decided where it is driven, and nobody there was told.
    process.stdout.write(
      run.driver === undefined
        ? 'The next mirror of these two folders would do the same again; it halts first where it deletes or replaces.\n'
        : `The next run of ${safeText(run.driver)} does the same again, and does not halt for it: have the source mended there, or undo it there.\n`,
    )
  }
}

function sentence({ run, outcome, counts, already, problems }: UndoResult): string {
  if (outcome === 'nothing') return `nothing to undo: all is as it was before the run ${run.runId}`
  if (outcome === 'planned') return `the run ${run.runId} can be undone; nothing was changed`
  const { created, replaced, attributes, renamed, deleted } = counts
  const parts: readonly (readonly [number, string])[] = [
    [created, 'brought back'],
    [replaced, 'put back to what they were'],
    [attributes, 'adjusted'],
    [renamed, 'renamed back'],
    [deleted, 'taken away again'],
    [already, 'as they were already'],
  ]
  const done = parts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`)
  const problemText = problems.length === 0 ? '' : `; ${showCount(problems.length, 'problem')}`
  return `undone: the run ${run.runId} (${done.join(', ')})${problemText}`
}
