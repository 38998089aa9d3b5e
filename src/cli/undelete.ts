// `nightferry undelete PATH`: brings old versions back, and overwrites nothing.

import { resolve } from 'node:path'
import type { Engine } from '../api/engine.ts'
import { joinPath, nameOf, parseRelPath, type RelPath } from '../core/path.ts'
import { isProblemCode, problemCodes } from '../core/problem.ts'
import { findTyped } from '../disk/find-target.ts'
import { call } from '../jobs/bulk.ts'
import { remoteText } from '../jobs/ends.ts'
import { undeleteAt, undeleteInto } from '../jobs/past.ts'
import { checkSshOnly, connectTo } from '../jobs/run.ts'
import { Failure } from '../std/failure.ts'
import { type GlobalOptions, openMachine } from './machine.ts'
import { safeText, showBytes, showCount } from './print.ts'
import { placeOf, tell } from './versions.ts'

export type UndeleteOptions = GlobalOptions & {
  readonly run?: string
  readonly to?: string
  readonly remoteCommand?: string
  readonly json?: true
}

type Result = {
  readonly restored: number
  readonly sizeBytes: number
  readonly existing: readonly string[]
  readonly existingCount: number
  readonly problems: readonly { readonly path: string; readonly code: string; readonly detail: string }[]
  readonly problemCount: number
  /** The folder that `--to` came to mean. */
  readonly to?: string
  /** It lies in the target, as what comes back to its place does. */
  readonly isInTarget: boolean
}

export async function undelete(path: string, options: UndeleteOptions): Promise<number> {
  const machine = openMachine(options, 'sync')
  try {
    const result = await bringBack(machine, path, options)
    const isNothing = result.restored + result.existingCount + result.problemCount === 0
    if (isNothing) {
      const which = options.run === undefined ? '' : ` of the run ${options.run}`
      throw new Failure('no-versions', `no old version${which} is kept of ${path}`, {
        hint: 'nightferry versions PATH shows what is kept; a path above it shows more',
      })
    }
    const isWhole = result.problemCount + result.existingCount === 0
    const exitCode = isWhole && result.restored > 0 ? 0 : 3
    if (options.json) process.stdout.write(`${JSON.stringify({ schema: 1, path, exitCode, ...result })}\n`)
    else show(result)
    return exitCode
  } finally {
    await machine.close()
  }
}

function show(result: Result): void {
  const { restored, sizeBytes, existing, existingCount, problems, problemCount, to, isInTarget } = result
  for (const { path, code, detail } of problems.slice(0, 20)) {
    const what = isProblemCode(code) ? problemCodes[code] : code
    process.stderr.write(`problem: ${safeText(path)} ${what}${detail === '' ? '' : ` (${detail})`}\n`)
  }
  for (const path of existing.slice(0, 20)) process.stderr.write(`is there, and was left alone: ${safeText(path)}\n`)
  if (existingCount > 20) process.stderr.write(`... and ${existingCount - 20} more that are there\n`)
  if (existingCount > 0)
    process.stderr.write('Nothing is overwritten: move it away first, or bring the version elsewhere with --to DIR.\n')
  const problemText = problemCount === 0 ? '' : `; ${showCount(problemCount, 'problem')}`
  const where = to === undefined || restored === 0 ? '' : `, to ${safeText(to)}`
  process.stdout.write(
    `brought back ${showCount(restored, 'version')}, ${showBytes(sizeBytes)}${where}${problemText}\n`,
  )
  if (restored > 0 && isInTarget)
    process.stdout.write('The next mirror to that target deletes it again, unless the source has it too.\n')
}

async function bringBack(machine: Engine, text: string, options: UndeleteOptions): Promise<Result> {
  const { run, to, remoteCommand } = options
  const place = placeOf(machine, text)
  if (place.kind === 'local') {
    checkSshOnly(remoteCommand)
    const { workshop } = machine
    const { placed } = place
    const as = (placed.path === '' ? '' : nameOf(placed.path)) as RelPath
    const { existing, problems, ...rest } =
      to === undefined
        ? await undeleteAt(workshop, placed, { run, as: undefined })
        : await undeleteInto(workshop, placed, { run, directory: resolve(to), as })
    const counts = { existingCount: existing.length, problemCount: problems.length }
    const isInTarget = to === undefined || findTyped(to)?.rootPath === placed.rootPath
    return { ...rest, existing, problems, ...counts, ...(to !== undefined && { to: resolve(to) }), isInTarget }
  }
  const { end } = place
  const session = await connectTo(machine.reach, end, { remoteCommand, tell }, new AbortController().signal)
  try {
    const request = { share: end.share, sub: end.sub, ...(run !== undefined && { run }) }
    if (to === undefined) return { ...(await call(session, 'undelete', request)), isInTarget: true }
    const as = insideShare(to, end.sub)
    const folder =
      end.ssh === undefined
        ? `${end.machine}:${end.share}/${folderOf(to)}`
        : `${folderOf(to)} in the target that holds ${remoteText(end)}`
    return { ...(await call(session, 'undelete', { ...request, as })), to: folder, isInTarget: true }
  } finally {
    session.close()
  }
}

function folderOf(text: string): string {
  return text.replace(/^\/+|\/+$/g, '')
}

/** `--to` of another machine is a folder in the same target: no machine writes to another place of another machine. */
function insideShare(text: string, sub: RelPath): RelPath {
  const folder = parseRelPath(folderOf(text))
  if (folder === undefined || text.startsWith('~') || text.startsWith('.')) {
    throw new Failure('bad-usage', `--to takes a folder inside the target there, not ${JSON.stringify(text)}`, {
      hint: 'write it from the top of the target: --to recovered',
    })
  }
  return sub === '' ? folder : joinPath(folder, nameOf(sub))
}
