// The options of `sync` that narrow what a run looks at and say how it goes about it: their help, and what their texts
// mean. A wrong value is refused by value, with what would be right.

import type { Command } from 'commander'
import { type Flow, parseCompress } from '../core/flow.ts'
import { parseBytes, parseSeconds } from '../core/quantity.ts'
import type { Mode } from '../core/reconcile.ts'
import { type Selection, type SizeLimits, selectionProblem } from '../core/selection.ts'
import { Failure } from '../std/failure.ts'

export type NarrowOptions = {
  readonly existing?: true
  readonly ignoreExisting?: true
  readonly sizeOnly?: true
  readonly modifyWindow?: string
  readonly minSize?: string
  readonly maxSize?: string
}

export type PaceOptions = {
  readonly repeat?: string
  readonly bwlimit?: string
  readonly compress: string
  readonly dryRun?: true
}

/** Adds the options that narrow a run. */
export function addNarrowOptions(command: Command): Command {
  return command
    .option('--existing', 'bring nothing new: only update what the target has')
    .option('--ignore-existing', 'only bring what the target lacks; what is there stays as it is')
    .option('--size-only', 'files of equal size are equal, whatever their times say')
    .option('--modify-window <seconds>', 'times that differ by no more are equal (fractions allowed)')
    .option('--min-size <size>', 'leave out smaller files (500, 10K, 1.5MiB, 2GB)')
    .option('--max-size <size>', 'leave out larger files')
}

/** Adds the options that say how often and how fast. */
export function addPaceOptions(command: Command): Command {
  return command
    .option('--bwlimit <rate>', 'send content no faster than so many bytes a second (300K, 2M, 1.5MB)')
    .option(
      '--compress <level>',
      'squeeze content on its way: auto (where the line is slow), off, or a level from 1 to 19',
      'auto',
    )
    .option('--repeat <seconds>', 'after each run wait so long and run again, until ctrl-C')
}

/** A slower rate than this is a mistake: a pack of the smallest size would take seconds. */
const rateMin = 1000

/** How packs leave. */
export function flowOf({ bwlimit, compress }: PaceOptions): Flow {
  const parsed = parseCompress(compress)
  if (parsed === undefined)
    throw new Failure(
      'bad-usage',
      `--compress takes auto, off or a level from 1 to 19, not ${JSON.stringify(compress)}`,
    )
  return { rateBytes: bwlimit === undefined ? undefined : rateOf(bwlimit), compress: parsed }
}

function rateOf(text: string): number | undefined {
  const rate = parseBytes(text)
  if (rate === 0) return undefined
  if (rate === undefined || rate < rateMin) {
    throw new Failure('bad-usage', `--bwlimit takes at least 1000 bytes a second, not ${JSON.stringify(text)}`, {
      hint: 'write bytes a second, or a number with K, M, G (by 1024) or KB, MB, GB (by 1000); 0 is no limit',
    })
  }
  return rate
}

const repeatMaxSeconds = 7 * 86_400
const repeatMinMs = 100

/** The wait between runs in ms; undefined where there is only one. */
export function repeatOf({ repeat, dryRun }: PaceOptions): number | undefined {
  if (repeat === undefined) return undefined
  const ms = (parseSeconds(repeat, repeatMaxSeconds) ?? 0) / 1e6
  if (ms < repeatMinMs) {
    throw new Failure('bad-usage', `--repeat takes seconds from 0.1 to a week, not ${JSON.stringify(repeat)}`)
  }
  if (dryRun === true) throw new Failure('bad-usage', '--repeat would repeat a dry run, which changes nothing')
  return ms
}

const windowMaxSeconds = 86_400

/** The selection that the options make. Throws `bad-usage` for a wrong value and for options that do not go together. */
export function selectionOf(options: NarrowOptions & { readonly mode: Mode; readonly checksum?: true }): Selection {
  const { existing = false, ignoreExisting = false, sizeOnly } = options
  const only = existing ? ('existing' as const) : ignoreExisting ? ('lacking' as const) : undefined
  const selection: Selection = { only, sizeOnly, windowNs: windowOf(options.modifyWindow), sizes: sizesOf(options) }
  const problem = selectionProblem({ ...selection, existing, ignoreExisting }, options.mode, options.checksum ?? false)
  if (problem !== undefined) throw new Failure('bad-usage', problem)
  return selection
}

function windowOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const ns = parseSeconds(text, windowMaxSeconds)
  if (ns === undefined) {
    throw new Failure('bad-usage', `--modify-window takes seconds from 0 to a day, not ${JSON.stringify(text)}`, {
      hint: 'write 2 or 0.5',
    })
  }
  return ns
}

function sizesOf({ minSize, maxSize }: NarrowOptions): SizeLimits | undefined {
  if (minSize === undefined && maxSize === undefined) return undefined
  return {
    minBytes: minSize === undefined ? 0 : sizeOf('--min-size', minSize),
    maxBytes: maxSize === undefined ? Number.MAX_SAFE_INTEGER : sizeOf('--max-size', maxSize),
  }
}

function sizeOf(option: string, text: string): number {
  const bytes = parseBytes(text)
  if (bytes === undefined) {
    throw new Failure('bad-usage', `${option} takes a size, not ${JSON.stringify(text)}`, {
      hint: 'write bytes, or a number with K, M, G (by 1024; KiB is the same) or KB, MB, GB (by 1000)',
    })
  }
  return bytes
}
