// `nightferry undelete PATH`: brings old versions back, and overwrites nothing. Ctrl-C stops it; what came stays.

import { undelete as bringBack, type Undeleted, type UndeleteEvent, undeleteExitCode } from '../jobs/recall.ts'
import { type GlobalOptions, openMachine } from './machine.ts'
import { problemText, safeText, showBytes, showCount } from './print.ts'
import { StatusLine } from './status-line.ts'
import { tell } from './versions.ts'

export type UndeleteOptions = GlobalOptions & {
  readonly run?: string
  readonly to?: string
  readonly remoteCommand?: string
  readonly json?: true
}

export async function undelete(path: string, options: UndeleteOptions): Promise<number> {
  const stop = new AbortController()
  const status = new StatusLine(!options.json)
  const interrupt = (): void => stop.abort()
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  const machine = openMachine(options, 'sync')
  const listen = (event: UndeleteEvent): void => status.drawWhenDue(() => progressText(event))
  try {
    const { run, to, remoteCommand } = options
    const wish = { run, to, ways: { remoteCommand, tell } }
    const result = await bringBack(machine.workshop, machine.reach, path, wish, listen, stop.signal)
    const exitCode = undeleteExitCode(result)
    status.clear()
    if (options.json) process.stdout.write(`${JSON.stringify({ schema: 1, path, exitCode, ...result })}\n`)
    else show(result)
    return exitCode
  } finally {
    status.clear()
    process.removeListener('SIGINT', interrupt)
    process.removeListener('SIGTERM', interrupt)
    await machine.close()
  }
}

function progressText({ restored, sizeBytes, path }: UndeleteEvent): string {
  return `bringing back: ${showCount(restored, 'version')}, ${showBytes(sizeBytes)}  ${safeText(path)}`
}

function show(result: Undeleted): void {
  const { restored, sizeBytes, existing, existingCount, problems, problemCount, to, isInTarget, isStopped } = result
  for (const problem of problems.slice(0, 20)) process.stderr.write(`problem: ${problemText(problem)}\n`)
  for (const path of existing.slice(0, 20)) process.stderr.write(`is there, and was left alone: ${safeText(path)}\n`)
  if (existingCount > 20) process.stderr.write(`... and ${existingCount - 20} more that are there\n`)
  if (existingCount > 0)
    process.stderr.write('Nothing is overwritten: move it away first, or bring the version elsewhere with --to DIR.\n')
  const counted = problemCount === 0 ? '' : `; ${showCount(problemCount, 'problem')}`
  const where = to === undefined || restored === 0 ? '' : `, to ${safeText(to)}`
  const stopText = isStopped ? 'stopped: ' : ''
  process.stdout.write(
    `${stopText}brought back ${showCount(restored, 'version')}, ${showBytes(sizeBytes)}${where}${counted}\n`,
  )
  if (isStopped) process.stdout.write('The same undelete again brings the rest.\n')
  if (restored > 0 && isInTarget)
    process.stdout.write('The next mirror to that target deletes it again, unless the source has it too.\n')
}
