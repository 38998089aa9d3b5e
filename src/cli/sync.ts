// `nightferry sync SOURCE TARGET`: one run, in this process, or with --repeat one after the other.

import { parseGuardLimit } from '../core/guard.ts'
import type { IgnoreText } from '../core/ignore.ts'
import type { Mode } from '../core/reconcile.ts'
import type { RunListener } from '../jobs/endpoint.ts'
import { exitCodeOf, type RunRequest, runOnce } from '../jobs/run.ts'
import { fromUtf8 } from '../std/bytes.ts'
import { systemClock } from '../std/clock.ts'
import { asFailure, Failure } from '../std/failure.ts'
import { readOwnFile } from '../std/files.ts'
import { type GlobalOptions, type OpenMachine, openMachine } from './machine.ts'
import { RunPrinter, type Style, showFailure } from './print.ts'
import { type Ended, repeatRuns, sameNews } from './repeat.ts'
import { flowOf, type NarrowOptions, type PaceOptions, repeatOf, selectionOf } from './sync-options.ts'

export type SyncOptions = GlobalOptions &
  NarrowOptions &
  PaceOptions & {
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

/** Runs once, or again and again, and returns the exit code. Failures are shown here. */
export async function sync(source: string, target: string, options: SyncOptions): Promise<number> {
  const { json = false, quiet = false, verbose = false, dryRun: list = false } = options
  const style = { json, quiet, verbose, list }
  const stop = new AbortController()
  const interrupt = (): void => stop.abort()
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  const machine = openMachine(options, 'sync')
  const show = new Shown(machine, style, stop.signal)
  try {
    const request = requestOf(source, target, options)
    const everyMs = repeatOf(options)
    if (everyMs === undefined) return codeOf(await show.once(request))
    return await repeatRuns(everyMs, systemClock, stop.signal, request, (next) => show.once(next))
  } catch (error) {
    const failure = asFailure(error, 'disk-error')
    showFailure(failure, json)
    return failure.exitCode
  } finally {
    process.removeListener('SIGINT', interrupt)
    process.removeListener('SIGTERM', interrupt)
    await machine.close()
  }
}

/** Runs and shows; what it showed of the run before is not shown again where only a person reads it. */
class Shown {
  readonly #machine: OpenMachine
  readonly #style: Style
  readonly #signal: AbortSignal
  #told: string | undefined

  constructor(machine: OpenMachine, style: Style, signal: AbortSignal) {
    this.#machine = machine
    this.#style = style
    this.#signal = signal
  }

  async once(request: RunRequest): Promise<Ended> {
    const { workshop, reach } = this.#machine
    const printer = new RunPrinter(this.#style)
    let halt: string | undefined
    const listen: RunListener = (event) => {
      if (event.type === 'halt') halt = event.digest
      if (event.type !== 'halt' || `halted ${halt}` !== this.#told) printer.listen(event)
    }
    let ended: Ended
    try {
      ended = { run: await runOnce(workshop, reach, request, listen, this.#signal) }
    } catch (error) {
      ended = { failure: asFailure(error, 'disk-error') }
    }
    const news = sameNews(ended, halt)
    const isKnown = news !== undefined && news === this.#told && !this.#style.json
    this.#told = news
    if (isKnown) printer.hush()
    else if (ended.failure !== undefined) printer.failed(ended.failure)
    else printer.end(ended.run, exitCodeOf(ended.run))
    return ended
  }
}

function codeOf(ended: Ended): number {
  return ended.failure === undefined ? exitCodeOf(ended.run) : ended.failure.exitCode
}

function requestOf(source: string, target: string, options: SyncOptions): RunRequest {
  const { json = false, quiet = false, verbose = false, dryRun = false } = options
  return {
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
    flow: flowOf(options),
    verify: verifyOf(options),
    newTarget: options.newTarget ?? false,
    listsChanges: dryRun || verbose || (json && !quiet),
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
