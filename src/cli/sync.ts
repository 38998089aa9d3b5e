// `nightferry sync SOURCE TARGET`: one run, in this process.

import { parseGuardLimit } from '../core/guard.ts'
import type { IgnoreText } from '../core/ignore.ts'
import type { Mode } from '../core/reconcile.ts'
import { exitCodeOf, runOnce } from '../jobs/run.ts'
import { fromUtf8 } from '../std/bytes.ts'
import { asFailure, Failure } from '../std/failure.ts'
import { readOwnFile } from '../std/files.ts'
import { type GlobalOptions, openMachine } from './machine.ts'
import { RunPrinter } from './print.ts'
import { type NarrowOptions, selectionOf } from './sync-options.ts'

export type SyncOptions = GlobalOptions &
  NarrowOptions & {
    readonly mode: Mode
    readonly dryRun?: true
    readonly exclude: readonly string[]
    readonly ignoreFile: readonly string[]
    readonly gitignore?: true
    readonly dotfiles: boolean
    readonly checksum?: true
    readonly verify?: true
    readonly maxDelete?: string
    readonly release?: true
    readonly newTarget?: true
    readonly json?: true
    readonly quiet?: true
    readonly verbose?: true
  }

/** Runs once and returns the exit code. Failures are shown here. */
export async function sync(source: string, target: string, options: SyncOptions): Promise<number> {
  const { json = false, quiet = false, verbose = false, dryRun = false } = options
  const printer = new RunPrinter({ json, quiet, verbose, list: dryRun })
  const stop = new AbortController()
  const interrupt = (): void => stop.abort()
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  const machine = openMachine(options, 'sync')
  try {
    const request = {
      source,
      target,
      mode: options.mode,
      checksum: options.checksum ?? false,
      selection: selectionOf(options),
      dryRun,
      overrides: overridesOf(options),
      ignoreFiles: options.gitignore ? ['.gitignore', '.nightferryignore'] : ['.nightferryignore'],
      limit: limitOf(options.maxDelete),
      release: options.release ?? false,
      verify: verifyOf(options),
      newTarget: options.newTarget ?? false,
      listsChanges: dryRun || verbose || (json && !quiet),
    }
    const run = await runOnce(machine.workshop, machine.reach, request, printer.listen, stop.signal)
    const exitCode = exitCodeOf(run)
    printer.end(run, exitCode)
    return exitCode
  } catch (error) {
    const failure = asFailure(error, 'disk-error')
    printer.failed(failure)
    return failure.exitCode
  } finally {
    process.removeListener('SIGINT', interrupt)
    process.removeListener('SIGTERM', interrupt)
    await machine.close()
  }
}

function verifyOf(options: SyncOptions): boolean {
  const { verify, dryRun } = options
  if (verify && dryRun) throw new Failure('bad-usage', '--verify reads what a run left, and a dry run leaves nothing')
  return verify === true
}

function limitOf(text: string | undefined): ReturnType<typeof parseGuardLimit> & object {
  if (text === undefined) return { kind: 'default' }
  const limit = parseGuardLimit(text)
  if (limit === undefined)
    throw new Failure('bad-usage', `--max-delete takes a number or a percentage, not ${JSON.stringify(text)}`)
  return limit
}

/** The command line's rules, in the order in which they win: ignore files that were named, then dot files, then patterns. */
function overridesOf(options: SyncOptions): IgnoreText[] {
  const texts: IgnoreText[] = []
  for (const path of options.ignoreFile) texts.push({ directory: '', label: path, text: readRules(path) })
  if (!options.dotfiles) texts.push({ directory: '', label: '--no-dotfiles', text: '.*\n' })
  if (options.exclude.length > 0)
    texts.push({ directory: '', label: 'command line', text: `${options.exclude.join('\n')}\n` })
  return texts
}

const rulesMaxBytes = 1024 * 1024

function readRules(path: string): string {
  const bytes = readOwnFile(path, { maxBytes: rulesMaxBytes })
  if (bytes === undefined) throw new Failure('bad-usage', `there is no ignore file ${path}`)
  const text = fromUtf8(bytes)
  if (text === undefined) throw new Failure('bad-usage', `the ignore file ${path} is not UTF-8 text`)
  return text
}
