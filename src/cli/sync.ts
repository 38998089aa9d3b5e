// `nightferry sync SOURCE TARGET`: one run, in this process.

import { openMachine } from '../api/main.ts'
import type { SyncOptions as Wanted } from '../api/request.ts'
import { asFailure } from '../std/failure.ts'
import type { GlobalOptions } from './machine.ts'
import { RunPrinter } from './print.ts'

/** What the command line has given: all that a run may be asked for, and how it is shown. */
export type SyncOptions = GlobalOptions &
  Omit<Wanted, 'source' | 'target' | 'listsChanges'> & {
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
  const machine = openMachine(options.state === undefined ? {} : { stateDirectory: options.state })
  for (const notice of machine.notices) process.stderr.write(`${notice}\n`)
  try {
    const wanted = { ...options, source, target, listsChanges: dryRun || verbose || (json && !quiet) }
    const run = await machine.sync(wanted, { onEvent: printer.listen, signal: stop.signal })
    printer.end(run, run.exitCode)
    return run.exitCode
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
