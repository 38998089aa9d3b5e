// What the threads of a crew do about old versions; part of the table in tasks.ts. Each is synchronous, and looks at or
// changes one target whose lock its caller holds.

import { exceedsLimit, type GuardLimit, guardLimitText } from '../core/guard.ts'
import { ownDirectory, type RelPath } from '../core/path.ts'
import type { Problem } from '../core/problem.ts'
import type { Keep } from '../core/retention.ts'
import { statMode, statWidth, typeDirectory, typeMask } from '../core/stat.ts'
import { fromUtf8 } from '../std/bytes.ts'
import { systemClock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { dropDisplaced, isStuck, Kept } from './aside.ts'
import { decodeDisplaced } from './displaced.ts'
import { clearJournal, writeJournal } from './journal.ts'
import type { TargetHandles } from './landing.ts'
import { readManifest, writePart } from './manifest.ts'
import { listVersions, type Restored, restoreVersions, type Sought, type Version } from './past.ts'
import type { Traits } from './root.ts'
import { EntryTable, errnoName } from './sys.ts'
import { systemSys } from './system.ts'
import { carryOutUndo, type Undone } from './undo.ts'
import { planUndo } from './undo-plan.ts'
import type { UndoPlan } from './undo-steps.ts'
import {
  clearGone,
  closeRunPlace,
  dropRunPlace,
  type KeptFacts,
  makeRunPlace,
  type RunPlace,
  readRun,
  removeRuns,
  runsIn,
  type Stamped,
  type Store,
  writeRunFacts,
} from './versions.ts'

const sys = systemSys()
const nowMs = systemClock.nowMs

export const versionTasks = {
  /** Adds a group to a journal and syncs it: where that ends, or a negative errno. */
  writeJournal(input: {
    journal: { handle: number; own: number; at: number }
    displacements: readonly Uint8Array[]
    run: string | undefined
  }): number {
    return writeJournal(sys, input.journal, input.displacements, input.run)
  },

  /** Writes and syncs a part of a run's manifest. Zero or a negative errno. */
  writePart(input: { place: RunPlace; number: number; lines: readonly Uint8Array[] }): number {
    return writePart(sys, input.place.handle, input.number, input.lines)
  },

  /** Takes away what was displaced, makes that durable, and only then forgets the journal. `back`: deleted, and there again. */
  dropDisplaced(input: {
    handles: TargetHandles
    own: number
    displaced: readonly Uint8Array[]
    place: RunPlace | undefined
  }): { problems: Problem[]; back: RelPath[]; code: number } {
    const { handles, own, displaced, place } = input
    const kept = new Kept(place?.files ?? -1)
    const problems: Problem[] = []
    const back: RelPath[] = []
    for (const bytes of displaced) {
      for (const aside of decodeDisplaced(bytes)) {
        const [problem] = dropDisplaced(sys, handles, [aside], kept)
        if (problem === undefined) continue
        problems.push(problem)
        if (aside.isDeleted && problem.code === 'not-empty') back.push(aside.path)
      }
    }
    const code = kept.sync(sys)
    if (code === 0 && !problems.some(isStuck)) clearJournal(sys, own)
    return { problems, back, code }
  },

  /** The runs that a store holds. Whoever has the target's lock removes what is left of runs that went. */
  listKept(input: { store: Store; isOwner: boolean }): Stamped[] {
    if (input.isOwner) clearGone(sys, input.store)
    return runsIn(sys, input.store)
  },

  readKept(input: { store: Store; runs: readonly string[] }): KeptFacts[] {
    return input.runs.flatMap((run) => readRun(sys, input.store, run) ?? [])
  },

  removeRuns(input: { store: Store; own: number; runs: readonly string[]; keep: Keep }): void {
    removeRuns(sys, input.store, input.own, { ...input, nowMs: nowMs() })
  },

  listVersions(input: { store: Store; sought: readonly Sought[]; max: number }): {
    versions: Version[]
    more: boolean
  } {
    return listVersions(sys, input.store, input.sought, input.max)
  },

  restoreVersions(input: {
    store: Store
    target: number
    staging: number
    sought: readonly Sought[]
    path: RelPath
    as: RelPath
  }): Restored {
    return restoreVersions(sys, input.store, input, input)
  },

  /** What undoing a run comes to; with `place` it is done, where nothing stands against it. */
  undo(input: {
    handles: TargetHandles & { readonly own: number }
    undone: RunPlace
    traits: Traits
    /** What the owner of a share lets anything take away from it. */
    limit: { readonly share: string; readonly limit: GuardLimit } | undefined
    /** Makes the place of the undo, once it is known that there is something to undo. */
    as: { readonly store: Store; readonly run: string; readonly atMs: number } | undefined
  }): UndoReport {
    const { handles, undone, traits, limit, as } = input
    const manifest = readManifest(sys, undone.handle)
    if (typeof manifest === 'number') {
      throw new Failure('disk-error', `what the run did can't be read (${errnoName(manifest)})`)
    }
    const plan = planUndo(sys, handles.root, undone.files, manifest, traits)
    if (limit !== undefined) checkLimit(handles.root, plan, limit)
    const steps = [...plan.sections.values(), ...plan.deletions.values()]
    const isEmpty = plan.moves.length + plan.emptied.length + steps.length === 0
    const facts = { conflicts: plan.conflicts, already: plan.already, isEmpty, done: undefined }
    if (as === undefined || isEmpty || plan.conflicts.length > 0) return facts
    const place = makeRunPlace(sys, as.store, as.run, { atMs: as.atMs })
    const options = { undone, place, modeMask: traits.modeMask, umask: process.umask(), nowMs }
    try {
      const done = carryOutUndo(sys, handles, plan, options)
      writeRunFacts(sys, place, { atMs: as.atMs, sizeBytes: done.sizeBytes })
      closeRunPlace(sys, place)
      return { ...facts, done }
    } catch (error) {
      // Nothing was told, so nothing was done.
      const told = readManifest(sys, place.handle)
      if (typeof told !== 'number' && told.changes.size + told.moves.length === 0) dropRunPlace(sys, as.store, place)
      else closeRunPlace(sys, place)
      throw error
    }
  },
}

/** An undo deletes and replaces like any run: no peer gets past the owner's limit by it. */
function checkLimit(root: number, plan: UndoPlan, owner: { readonly share: string; readonly limit: GuardLimit }): void {
  let guarded = 0
  for (const { steps } of [...plan.sections.values(), ...plan.deletions.values()]) {
    for (const { action } of steps) if (action !== 'create' && action !== 'attributes') guarded++
  }
  for (const { below = [] } of plan.notes.values()) for (const { names } of below) guarded += names.length
  const entries = countEntries(root)
  if (!exceedsLimit(guarded, entries, owner.limit)) return
  const limit = guardLimitText(owner.limit)
  throw new Failure(
    'root-held',
    `the share ${owner.share} lets a run delete and replace ${limit} of its ${entries} entries at most, not ${guarded}`,
    { hint: `nothing was changed; only its owner can lift that there: nightferry share limit ${owner.share} none` },
  )
}

function countEntries(directory: number): number {
  const table = new EntryTable()
  let count = Math.max(0, sys.list(directory, table))
  for (let row = 0; row < table.count; row++) {
    const isDirectory = ((table.stats[row * statWidth + statMode] as number) & typeMask) === typeDirectory
    if (!isDirectory || fromUtf8(table.name(row)) === ownDirectory) continue
    const below = sys.openDirectory(directory, table.name(row))
    if (below >= 0) {
      count += countEntries(below)
      sys.close(below)
    }
  }
  return count
}

export type UndoReport = {
  /** Paths that someone changed since; with one of them nothing was done. */
  readonly conflicts: UndoPlan['conflicts']
  readonly already: number
  readonly isEmpty: boolean
  readonly done: Undone | undefined
}
