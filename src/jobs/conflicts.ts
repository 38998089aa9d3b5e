// Conflicts that left two values beside each other: which of them are still open, and how a person's choice is carried out.
// It is a change on the side that lies here, like one made by hand, and the next run brings it to the other: under the
// folder's lock, written aside, held to what was seen, and with what is replaced or deleted kept as a version.

import type { Entry } from '../core/entry.ts'
import { explainIgnore, type IgnoreScope } from '../core/ignore.ts'
import { listingEntries } from '../core/listing.ts'
import { joinPath, nameOf, parentOf, type RelPath } from '../core/path.ts'
import { type PackedSection, packSection, type SectionHead, type Step, weightOf } from '../core/plan.ts'
import type { Problem } from '../core/problem.ts'
import { mtimeSecondsOf, sizeOf } from '../core/stat.ts'
import type { Side } from '../core/two-way.ts'
import { lookBelow } from '../disk/inspect.ts'
import { openTarget, targetId } from '../disk/root.ts'
import { systemSys } from '../disk/system.ts'
import type { WantedDirectory } from '../disk/wants.ts'
import { forgetConflicts, type KnownConflict, loadConflicts } from '../state/conflicts.ts'
import type { State } from '../state/open.ts'
import { loadPair } from '../state/pairs.ts'
import { newRunId } from '../state/runs.ts'
import { Failure } from '../std/failure.ts'
import type { SourceEnd } from './endpoint.ts'
import { treeKeyOf, type Workshop } from './local.ts'
import { asFiles, stepOf, timeOf } from './places.ts'
import { viewIdOf } from './rules-id.ts'
import { LocalTarget } from './target.ts'
import { planBatches, transfer } from './transfer.ts'

/** One of the two values, as it lies here. */
export type Value = {
  readonly kind: 'file' | 'symlink' | 'directory'
  readonly sizeBytes: number
  readonly mtimeSeconds: number
}

export type OpenConflict = KnownConflict & {
  /** The folder of the side that lies here; undefined where neither does. */
  readonly here: string | undefined
  /** The value that has the name, and the copy; undefined where nobody here can look. */
  readonly values: { readonly named: Value; readonly copy: Value } | undefined
}

/** Those that nobody has settled; one of which a value is gone was settled by hand, and is forgotten. */
export function openConflicts(state: State, rules: IgnoreScope | undefined): OpenConflict[] {
  const open: OpenConflict[] = []
  const settled: KnownConflict[] = []
  for (const conflict of loadConflicts(state)) {
    if (rules !== undefined && !explainIgnore(rules, conflict.path, false, () => []).ignored) continue
    const here = [conflict.left, conflict.right].find((end) => end.startsWith('/'))
    if (here === undefined) open.push({ ...conflict, here, values: undefined })
    else {
      const [named, copy] = [valueAt(here, conflict.path), valueAt(here, copyPath(conflict))]
      // Where the folder is not there, nothing is known of it.
      if (named === 'unknown' || copy === 'unknown') open.push({ ...conflict, here, values: undefined })
      else if (named === undefined || copy === undefined) settled.push(conflict)
      else open.push({ ...conflict, here, values: { named, copy } })
    }
  }
  forgetConflicts(state, settled)
  return open
}

export function copyPath({ path, copy }: Pick<KnownConflict, 'path' | 'copy'>): RelPath {
  return joinPath(parentOf(path), copy)
}

function valueAt(root: string, path: RelPath): Value | 'unknown' | undefined {
  const { kind, row } = lookBelow(systemSys(), root, path)
  if (kind === 'missing') return undefined
  if (row === undefined || (kind !== 'file' && kind !== 'symlink' && kind !== 'directory')) return 'unknown'
  return { kind, sizeBytes: kind === 'file' ? sizeOf(row, 0) : 0, mtimeSeconds: mtimeSecondsOf(row, 0) }
}

/** What a choice came to. */
export type Chosen = { readonly settled: number; readonly problems: readonly Problem[] }

/** Whose value is to have the name, or that both stay as they are. */
export type Choice = Side | 'both'

/** Carries a choice out for these conflicts. Throws where a side is to be chosen and neither lies here, and what opening a target does. */
export async function chooseFor(
  workshop: Workshop,
  conflicts: readonly OpenConflict[],
  choice: Choice,
  signal: AbortSignal,
): Promise<Chosen> {
  if (choice === 'both') {
    forgetConflicts(workshop.state, conflicts)
    return { settled: conflicts.length, problems: [] }
  }
  const away = conflicts.find(({ values }) => values === undefined)
  if (away !== undefined) {
    throw new Failure('bad-usage', `${away.path}: neither ${away.left} nor ${away.right} can be looked at here`, {
      hint: 'choose where one of the two lies: delete or rename one of the two files there; the next run brings that over',
    })
  }
  const problems: Problem[] = []
  for (const [here, some] of Map.groupBy(conflicts, (conflict) => conflict.here ?? ''))
    problems.push(...(await chooseIn(workshop, here, some, choice, signal)))
  const failed = new Set(problems.map(({ path }) => path))
  const settled = conflicts.filter((conflict) => !failed.has(conflict.path) && !failed.has(copyPath(conflict)))
  forgetConflicts(workshop.state, settled)
  return { settled: settled.length, problems }
}

async function chooseIn(
  workshop: Workshop,
  here: string,
  conflicts: readonly OpenConflict[],
  choice: Side,
  signal: AbortSignal,
): Promise<readonly Problem[]> {
  const { machine, state, clock } = workshop
  const [job, runId] = [conflicts[0]?.job ?? '', newRunId(clock)]
  mustBeEnd(state, job, here)
  const root = openTarget(systemSys(), here, { create: true, machine, expectedId: undefined, mustExist: true })
  const versions = { asked: undefined, floor: undefined, directory: undefined }
  const end = new LocalTarget(workshop, root, {
    treeKey: treeKeyOf('target', here, job),
    isApart: false,
    // By another name: what holds the job's next run (an undo) is no business of a choice, and stays.
    job: `choice ${job}`,
    runId,
    versions,
  })
  let save = false
  try {
    await end.scan({ overrides: [], ignoreFiles: [] })
    const { timeGrainNs, modeMask } = root.traits
    const view = { timeGrainNs, modeMask, overrides: [], texts: [] }
    await end.view(view, viewIdOf(view))
    const problems: Problem[] = []
    const plan = await planOf(end, conflicts, choice, problems)
    const whole = { ...plan, moves: [], made: [], problems, guarded: [], guardedDigest: noBytes, guardedSample: [] }
    const totals = { deletes: plan.deletes, replaces: plan.replaces, steps: weightOf(whole) }
    const limit = { kind: 'count', entries: plan.deletes + plan.replaces } as const
    const entries = Math.max(1, conflicts.length)
    await end.begin({
      ...totals,
      hasBase: true,
      leftEntries: entries,
      limit,
      released: true,
      keep: undefined,
      durability: 'group',
    })
    const how = { begun: Promise.resolve() }
    const work = { files: 0, contentBytes: 0 }
    await transfer(nothingThere, end, planBatches(whole, nothingThere, end, problems), work, () => {}, signal, how)
    problems.push(...(await end.finish()).problems)
    save = true
    for (const { path, copy } of conflicts)
      workshop.log.note('conflict-settled', { runId, path, copy, choice, root: here })
    return problems
  } finally {
    await end.close(save)
  }
}

/** What lies there may be another disk, or a folder that took the place of the one that the job knows. */
function mustBeEnd(state: State, job: string, here: string): void {
  const pair = loadPair(state, job)
  const id = targetId(here)
  if (pair !== undefined && id !== '' && (id === pair.sourceId || id === pair.targetId)) return
  throw new Failure('root-replaced', `${here} is not the folder that the last run wrote to`, {
    hint: 'Is its disk mounted? If the folder was replaced on purpose, run the two-way sync once with --new-target.',
  })
}

const noBytes = new Uint8Array(0)

/** What a choice asks of the folder, with what it takes away; what can't be chosen by a command is a problem. */
async function planOf(
  end: LocalTarget,
  conflicts: readonly OpenConflict[],
  choice: Side,
  problems: Problem[],
): Promise<{ sections: PackedSection[]; deletions: PackedSection[]; deletes: number; replaces: number }> {
  const [sections, deletions]: [PackedSection[], PackedSection[]] = [[], []]
  let [deletes, replaces] = [0, 0]
  for (const [directory, some] of Map.groupBy(conflicts, ({ path }) => parentOf(path))) {
    const [listing] = await end.listings([directory])
    if (listing === undefined) continue
    const entries = new Map([...listingEntries(listing.bytes)].map((entry) => [entry.name, entry]))
    const digests = await end.digests(asFiles(some.map(copyPath)), false)
    const head: SectionHead = { path: directory, state: 'present', mode: 0, ...timeOf(listing) }
    const [steps, goes]: [Step[], Step[]] = [[], []]
    for (const [i, conflict] of some.entries()) {
      const [named, copy] = [entries.get(nameOf(conflict.path)), entries.get(conflict.copy)]
      if (named === undefined || copy === undefined || copy.kind === 'directory') continue
      if (choice !== conflict.kept) {
        if (named.kind === 'directory') {
          problems.push({ path: conflict.path, code: 'type-clash', detail: '' })
          continue
        }
        steps.push(takesName(conflict, named, copy, digests[i]))
        replaces++
      }
      goes.push(stepOf('delete', copy))
      deletes++
    }
    if (steps.length > 0) sections.push(packSection(head, steps))
    if (goes.length > 0) deletions.push(packSection(head, goes))
  }
  return { sections, deletions, deletes, replaces }
}

/** The copy gets the name; its content lies there and is not brought. */
function takesName(conflict: OpenConflict, named: Entry, copy: Entry, digest: Uint8Array | undefined): Step {
  const step = stepOf(named.kind === copy.kind ? 'replace' : 'retype', { ...copy, name: named.name })
  return copy.kind === 'file' && digest !== undefined ? { ...step, from: copyPath(conflict), digest } : step
}

/** All content that is needed lies in the folder: what would have to come from elsewhere was changed since. */
const nothingThere = {
  supply: () =>
    Promise.reject(
      new Failure('disk-error', 'a value was changed while it was chosen', { hint: 'look at both, and choose again' }),
    ),
  digests: (files: readonly WantedDirectory[]) =>
    Promise.resolve(files.flatMap(({ names }) => names.map(() => undefined))),
} as unknown as SourceEnd
