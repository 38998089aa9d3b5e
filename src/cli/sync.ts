// `nightferry sync SOURCE TARGET`: one run, in this process, or with --repeat one after the other.

import { type Machine, openMachine } from '../api/main.ts'
import type { SyncOptions as Wanted } from '../api/request.ts'
import { systemClock } from '../std/clock.ts'
import { asFailure } from '../std/failure.ts'
import type { GlobalOptions } from './machine.ts'
import { type Claim, RunPrinter, type Style, showFailure } from './print.ts'
import { type Ended, repeatRuns, sameNews } from './repeat.ts'
import { repeatOf } from './sync-options.ts'

/** What the command line has given: all that a run may be asked for, how often, and how it is shown. */
export type SyncOptions = GlobalOptions &
  Omit<Wanted, 'source' | 'target' | 'listsChanges'> & {
    readonly repeat?: string
    readonly json?: true
    readonly quiet?: true
    readonly verbose?: true
  }

/** Runs once, or again and again, and returns the exit code. Failures are shown here. */
export async function sync(source: string, target: string, options: SyncOptions): Promise<number> {
  const { json = false, quiet = false, verbose = false, dryRun = false } = options
  const stop = new AbortController()
  const interrupt = (): void => stop.abort()
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  const machine = openMachine({
    ...(options.state !== undefined && { stateDirectory: options.state }),
    sshMayAsk: process.stdin.isTTY === true,
  })
  for (const notice of machine.notices) process.stderr.write(`${notice}\n`)
  const show = new Shown(machine, { json, quiet, verbose, list: dryRun }, stop.signal)
  try {
    const wanted = { ...options, source, target, listsChanges: dryRun || verbose || (json && !quiet) }
    const everyMs = repeatOf(options)
    if (everyMs !== undefined)
      return await repeatRuns(everyMs, systemClock, stop.signal, wanted, (next) => show.once(next))
    const { run, failure } = await show.once(wanted)
    return failure === undefined ? run.exitCode : failure.exitCode
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

function claimOf({ mode, existing, ignoreExisting, minSize, maxSize }: Wanted): Claim {
  const isWhole = mode !== 'update' && existing !== true && ignoreExisting !== true
  return isWhole && minSize === undefined && maxSize === undefined ? 'in sync' : 'done'
}

/** Runs and shows; what it showed of the run before is not shown again where only a person reads it. */
class Shown {
  readonly #machine: Machine
  readonly #style: Style
  readonly #signal: AbortSignal
  #told: string | undefined

  constructor(machine: Machine, style: Style, signal: AbortSignal) {
    this.#machine = machine
    this.#style = style
    this.#signal = signal
  }

  async once(wanted: Wanted): Promise<Ended> {
    const printer = new RunPrinter(this.#style, claimOf(wanted))
    let halt: string | undefined
    let ended: Ended
    try {
      const run = await this.#machine.sync(wanted, {
        onEvent: (event) => {
          if (event.type === 'halt') halt = event.digest
          if (event.type !== 'halt' || `halted ${halt}` !== this.#told) printer.listen(event)
        },
        signal: this.#signal,
      })
      ended = { run }
    } catch (error) {
      ended = { failure: asFailure(error, 'disk-error') }
    }
    const news = sameNews(ended, halt)
    const isKnown = news !== undefined && news === this.#told && !this.#style.json
    this.#told = news
    if (isKnown) printer.hush()
    else if (ended.failure !== undefined) printer.failed(ended.failure)
    else printer.end(ended.run, ended.run.exitCode)
    return ended
  }
}
