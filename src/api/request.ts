// What a program or a person asks of a run, as the engine takes it: everything has a default, and what cannot be meant
// is refused by name.

import type { ConflictPolicy } from '../core/conflict.ts'
import { type Durability, durabilities, isDurability } from '../core/durability.ts'
import { type GuardLimit, parseGuardLimit } from '../core/guard.ts'
import type { IgnoreText } from '../core/ignore.ts'
import { type Keep, parseKeep } from '../core/retention.ts'
import type { JobMode, RunRequest } from '../jobs/job.ts'
import { type AllowedKind, allowedKinds, isAllowedKind } from '../jobs/shares.ts'
import { fromUtf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { readOwnFile } from '../std/files.ts'
import { attributesOf, type DressOptions, flowOf, type NarrowOptions, selectionOf } from './narrow.ts'
import { conflictsOf } from './two-way.ts'

/** What a run is to do. Only the two ends must be given; everything else is as `nightferry sync` without options. */
export type SyncOptions = NarrowOptions &
  DressOptions & {
    /** A folder here, `machine:share[/folder]` of a paired machine, or `ssh://[user@]host[:port]/path`. It is only read, but by a two-way run. */
    readonly source: string
    /** The other end, written the same way. At most one of the two is on another machine. */
    readonly target: string
    /** `mirror` (default): the target becomes the source. `update`: only missing and newer files go over. `two-way`: changes go both ways. */
    readonly mode?: JobMode
    /** Of a two-way run: what becomes of a name that both sides changed. Default: `'keep-both'`. */
    readonly conflict?: ConflictPolicy
    /** The same for what matches a pattern of ignore files: `'GLOB=POLICY'`; the last one that matches wins. */
    readonly conflictFor?: readonly string[]
    /** Tells what would be done, and does nothing. */
    readonly dryRun?: boolean
    /** Compares content wherever sizes are equal, whatever the times say. */
    readonly checksum?: boolean
    /** Gitignore rules, which win over ignore files; `!pattern` takes back in what an earlier one leaves out. */
    readonly exclude?: readonly string[]
    /** Files to read more such rules from. */
    readonly ignoreFile?: readonly string[]
    /** Obeys `.gitignore` files of the source too; `.nightferryignore` files always count. */
    readonly gitignore?: boolean
    /** false leaves out names that begin with a dot. */
    readonly dotfiles?: boolean
    /** The most entries that may be deleted or replaced before the run halts: a number, or `'P%'`. Default: over 50 % and at least 10, or over 10,000. */
    readonly maxDelete?: number | string
    /** Reads the target's content again afterwards, and holds it against what is known of it. Not with `dryRun`. */
    readonly verify?: boolean
    /** Lets a run go on that was halted, with exactly the changes that were shown. */
    readonly release?: boolean
    /** The target was replaced on purpose: forgets what the last run knew of it. */
    readonly newTarget?: boolean
    /** How long the target keeps what the run replaces and deletes: a number of days, `'forever'` or `'none'`. Default: as before, else 30. */
    readonly keepVersions?: number | string
    /** Keeps it in this folder, on the same disk; only for a target here. Default: where it was kept before, else in the target. */
    readonly versions?: string
    /** `'group'` (default): all that was written is on disk before it is reported. `'none'`: nothing that is new is synced; faster on slow disks, and after a power cut the next run brings what is gone. The owner of a share may not allow it. */
    readonly durability?: Durability
    /** How an `ssh://` end starts Nightferry there. Words as in a shell, of which none is more than a word. Default: `nightferry`. */
    readonly remoteCommand?: string
    /** false tells no `change` events, which saves time where a plan is large. */
    readonly listsChanges?: boolean
  }

/** The request for these options. Throws `bad-usage`. */
export function requestOf(options: SyncOptions): RunRequest {
  const { source, target, mode = 'mirror', checksum = false, dryRun = false, release = false } = options
  const { newTarget = false, listsChanges = true, gitignore = false, verify = false } = options
  if (mode !== 'mirror' && mode !== 'update' && mode !== 'two-way') {
    throw new Failure('bad-usage', `${JSON.stringify(mode)} is no mode: it is mirror, update or two-way`)
  }
  const conflicts = conflictsOf(options, mode)
  for (const end of [source, target]) {
    if (typeof end !== 'string') throw new Failure('bad-usage', 'a run needs a source and a target')
  }
  const ignoreFiles = gitignore ? ['.gitignore', '.nightferryignore'] : ['.nightferryignore']
  const limit: GuardLimit = options.maxDelete === undefined ? { kind: 'default' } : limitOf(options.maxDelete)
  if (verify && dryRun) throw new Failure('bad-usage', '--verify reads what a run left, and a dry run leaves nothing')
  const rules = {
    overrides: overridesOf(options),
    ignoreFiles,
    selection: selectionOf(options, mode === 'two-way' ? 'mirror' : mode, checksum),
    conflicts,
  }
  const flow = flowOf(options)
  const keep = options.keepVersions === undefined ? undefined : keepOf(options.keepVersions)
  const kept = { keep, versions: options.versions, durability: durabilityOf(options.durability) }
  const ends = { source, target, mode, checksum, dryRun }
  const { remoteCommand } = options
  const attributes = attributesOf(options)
  const { numericIds = false } = options
  const rest = { limit, release, newTarget, listsChanges, attributes, numericIds }
  return { ...ends, ...rules, ...kept, remoteCommand, flow, verify, ...rest }
}

/** `N` or `'P%'` as a limit. Throws `bad-usage`. */
export function limitOf(given: number | string): GuardLimit {
  const limit = parseGuardLimit(String(given))
  if (limit === undefined)
    throw new Failure('bad-usage', `--max-delete takes a number or a percentage, not ${JSON.stringify(given)}`)
  return limit
}

/** What a share allows; undefined for nothing, or `none` alone. Throws `bad-usage`. */
export function allowedOf(given: readonly string[]): AllowedKind[] | undefined {
  const kinds = [...new Set(given)]
  if (kinds.length === 0 || (kinds.length === 1 && kinds[0] === 'none')) return undefined
  return kinds.map((kind) => {
    if (isAllowedKind(kind)) return kind
    throw new Failure('bad-usage', `a share allows ${allowedKinds.join(', ')} or none, not ${JSON.stringify(kind)}`)
  })
}

/** A number of days, `forever` or `none`. Throws `bad-usage`. */
export function keepOf(given: number | string): Keep {
  const keep = parseKeep(String(given))
  if (keep === undefined) {
    throw new Failure(
      'bad-usage',
      `--keep-versions takes a number of days, forever or none, not ${JSON.stringify(given)}`,
    )
  }
  return keep
}

/** A level by its name. Throws `bad-usage`. */
function durabilityOf(given: string = 'group'): Durability {
  if (isDurability(given)) return given
  throw new Failure('bad-usage', `--durability takes ${durabilities.join(' or ')}, not ${JSON.stringify(given)}`)
}

/** Rules in the order in which they win: ignore files that were named, then dot files, then patterns. */
function overridesOf({ exclude = [], ignoreFile = [], dotfiles = true }: SyncOptions): IgnoreText[] {
  const texts: IgnoreText[] = []
  for (const path of ignoreFile) texts.push({ directory: '', label: path, text: readRules(path) })
  if (!dotfiles) texts.push({ directory: '', label: '--no-dotfiles', text: '.*\n' })
  // A pattern that is empty hides nothing, and makes no other rules of those that there are.
  if (exclude.some((pattern) => pattern.trim() !== ''))
    texts.push({ directory: '', label: 'command line', text: `${exclude.join('\n')}\n` })
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
