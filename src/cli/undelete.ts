// `nightferry undelete PATH`: brings old versions back, and overwrites nothing.

import { undelete as bringBack, type Undeleted } from '../jobs/recall.ts'
import { type GlobalOptions, openMachine } from './machine.ts'
import { problemText, safeText, showBytes, showCount } from './print.ts'
import { tell } from './versions.ts'

export type UndeleteOptions = GlobalOptions & {
  readonly run?: string
  readonly to?: string
  readonly remoteCommand?: string
  readonly json?: true
}

export async function undelete(path: string, options: UndeleteOptions): Promise<number> {
  const machine = openMachine(options, 'sync')
  try {
    const { run, to, remoteCommand } = options
    const wish = { run, to, ways: { remoteCommand, tell } }
    const result = await bringBack(machine.workshop, machine.reach, path, wish)
    const isWhole = result.problemCount + result.existingCount === 0
    const exitCode = isWhole && result.restored > 0 ? 0 : 3
    if (options.json) process.stdout.write(`${JSON.stringify({ schema: 1, path, exitCode, ...result })}\n`)
    else show(result)
    return exitCode
  } finally {
    await machine.close()
  }
}

function show(result: Undeleted): void {
  const { restored, sizeBytes, existing, existingCount, problems, problemCount, to, isInTarget } = result
  for (const problem of problems.slice(0, 20)) process.stderr.write(`problem: ${problemText(problem)}\n`)
  for (const path of existing.slice(0, 20)) process.stderr.write(`is there, and was left alone: ${safeText(path)}\n`)
  if (existingCount > 20) process.stderr.write(`... and ${existingCount - 20} more that are there\n`)
  if (existingCount > 0)
    process.stderr.write('Nothing is overwritten: move it away first, or bring the version elsewhere with --to DIR.\n')
  const counted = problemCount === 0 ? '' : `; ${showCount(problemCount, 'problem')}`
  const where = to === undefined || restored === 0 ? '' : `, to ${safeText(to)}`
  process.stdout.write(`brought back ${showCount(restored, 'version')}, ${showBytes(sizeBytes)}${where}${counted}\n`)
  if (restored > 0 && isInTarget)
    process.stdout.write('The next mirror to that target deletes it again, unless the source has it too.\n')
}
