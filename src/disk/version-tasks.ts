// What the threads of a crew do about old versions; part of the table in tasks.ts. Each is synchronous, and looks at or
// changes one target whose lock its caller holds.

import type { RelPath } from '../core/path.ts'
import type { Problem } from '../core/problem.ts'
import type { Keep } from '../core/retention.ts'
import { systemClock } from '../std/clock.ts'
import { dropDisplaced, isStuck, Kept } from './aside.ts'
import { decodeDisplaced } from './displaced.ts'
import { clearJournal, writeJournal } from './journal.ts'
import type { TargetHandles } from './landing.ts'
import { writePart } from './manifest.ts'
import { listVersions, type Sought, type Version } from './past.ts'
import { restoreTasks } from './restore-tasks.ts'
import { systemSys } from './system.ts'
import { undoTasks } from './undo-tasks.ts'
import {
  clearGone,
  type KeptFacts,
  type RunPlace,
  readRun,
  removeRuns,
  runsIn,
  type Stamped,
  type Store,
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

  /** Writes a part of a run's manifest, and syncs it where it is told durably. Zero or a negative errno. */
  writePart(input: { place: RunPlace; number: number; lines: readonly Uint8Array[]; durably: boolean }): number {
    return writePart(sys, input.place.handle, input.number, input.lines, input.durably)
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

  ...restoreTasks,
  ...undoTasks,
}
