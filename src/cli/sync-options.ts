// The options of `sync` that narrow what a run looks at and say how it goes about it: their help, and the wait between
// runs. What the other values mean is the library's to say.

import { type Command, Option } from 'commander'
import { conflictPolicies } from '../core/conflict.ts'
import { durabilities } from '../core/durability.ts'
import { linkPolicies } from '../core/links.ts'
import { parseSeconds } from '../core/quantity.ts'
import { Failure } from '../std/failure.ts'

/** Adds what becomes of conflicts in a two-way run. */
export function addConflictOptions(command: Command): Command {
  const collect = (text: string, all: readonly string[]): readonly string[] => [...all, text]
  return command
    .addOption(
      new Option(
        '--conflict <policy>',
        'two-way: what both sides changed; keep-both (default), newest, larger, prefer-left or prefer-right',
      )
        .choices([...conflictPolicies])
        .argParser((text: string) => text),
    )
    .option('--conflict-for <glob=policy>', 'the same for what matches (may be repeated; the last wins)', collect, [])
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
    .addOption(linksOption('symlinks that are made'))
}

/** What of symlinks is made: of a run, and of a share. */
export function linksOption(what: string): Option {
  const option = new Option(
    '--links <policy>',
    `${what}: opaque (all, as text; default) or portable (that stay within)`,
  )
  // The choices are for completion and help; the library says what is wrong with any other value.
  return option.choices([...linkPolicies]).argParser((text: string) => text)
}

/** Adds the options that say what is carried besides content, permissions and times. */
export function addDressOptions(command: Command): Command {
  return command
    .option('--owner', 'carry owner and group: between machines by name where both know it, else by number')
    .option('--numeric-ids', 'with --owner: by number only')
    .option('--set-id', 'carry set-user-id, set-group-id and sticky bits')
    .addOption(
      new Option('--xattrs [which]', 'carry extended attributes: user (default), or all that root may set').choices(
        which,
      ),
    )
    .option('--acls', 'carry POSIX ACLs')
    .option('--hard-links', 'names that are one file at the source are one file at the target')
}

const which: readonly string[] = ['user', 'all']

/** Arguments in which `--xattrs` takes no more than is its own: what follows it may be a folder. */
export function withWhich(args: readonly string[]): string[] {
  const end = args.indexOf('--')
  return args.map((arg, i) => {
    const isBare = arg === '--xattrs' && (end < 0 || i < end) && !which.includes(args[i + 1] ?? '')
    return isBare ? '--xattrs=user' : arg
  })
}

/** Adds the options that say how often and how fast. */
export function addPaceOptions(command: Command): Command {
  return command
    .option('--bwlimit <rate>', 'send no faster than so many bytes a second, all counted (300K, 2M, 1.5MB)')
    .addOption(
      new Option(
        '--compress <level>',
        'squeeze content on its way: auto (where the line is slow), off, or a zstd level',
      )
        .choices(['auto', 'off', ...Array.from({ length: 19 }, (_, i) => `${i + 1}`)])
        // For completion and help; the library says what is wrong with any other value.
        .argParser((text: string) => text)
        .default('auto'),
    )
    .option('--repeat <seconds>', 'after each run wait so long and run again, until ctrl-C')
}

/** What is synced. */
export function durabilityOption(): Option {
  return new Option(
    '--durability <level>',
    'group: all is on disk before it is reported; none: nothing new is synced, and after a power cut the next run mends',
  )
    .choices([...durabilities])
    .argParser((text: string) => text)
    .default('group')
}

/** For every verb that may reach a machine by ssh. */
export function sshOption(): Option {
  return new Option('--remote-command <command>', 'how an ssh:// end starts Nightferry there (default: nightferry)')
}

const repeatMaxSeconds = 7 * 86_400
const repeatMinMs = 100

/** The wait between runs in ms; undefined where there is only one. */
export function repeatOf({
  repeat,
  dryRun,
}: {
  readonly repeat?: string
  readonly dryRun?: boolean
}): number | undefined {
  if (repeat === undefined) return undefined
  const ms = (parseSeconds(repeat, repeatMaxSeconds) ?? 0) / 1e6
  if (ms < repeatMinMs) {
    throw new Failure('bad-usage', `--repeat takes seconds from 0.1 to a week, not ${JSON.stringify(repeat)}`)
  }
  if (dryRun === true) throw new Failure('bad-usage', '--repeat would repeat a dry run, which changes nothing')
  return ms
}
