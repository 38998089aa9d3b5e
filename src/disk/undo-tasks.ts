// What a seat does about an undo; part of the table in version-tasks.ts. An undo lives in one seat from its first look to
// its end, and goes on there a slice a task: what is known of it so far stays in the seat, so that it may be shown, stopped
// or left between any two. The caller holds the target's lock all the while.

import { checkOwnerLimit, type OwnerLimit } from '../core/owner-limit.ts'
import { ownDirectory } from '../core/path.ts'
import { encodeBatch } from '../core/plan.ts'
import type { DirectoryMove } from '../core/renames.ts'
import { statMode, statWidth, typeDirectory, typeMask } from '../core/stat.ts'
import { present } from '../std/assert.ts'
import { fromUtf8 } from '../std/bytes.ts'
import { systemClock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { clearStaging } from './aside.ts'
import type { TargetHandles } from './landing.ts'
import { readManifest } from './manifest.ts'
import { EntryTable, errnoName } from './sys.ts'
import { systemSys } from './system.ts'
import type { Traits } from './traits.ts'
import { carryOutUndo, type Undone, type UndoPage, type UndoPiece, undoGroupSteps, undoPages } from './undo.ts'
import { planUndo } from './undo-plan.ts'
import { takenBy, type UndoPlan } from './undo-steps.ts'
import { closeRunPlace, dropRunPlace, makeRunPlace, type RunPlace, type Store, writeRunFacts } from './versions.ts'

const sys = systemSys()

type OpenUndo = {
  readonly handles: TargetHandles & { readonly own: number }
  readonly undone: RunPlace
  readonly traits: Traits
  readonly limit: OwnerLimit | undefined
  planning: Generator<number, UndoPlan> | undefined
  plan: UndoPlan | undefined
  pages: Generator<UndoPage> | undefined
  carrying: Carrying | undefined
}

/** `atMs`: when the undo began. */
type Carrying = {
  readonly pieces: Generator<UndoPiece, Undone, boolean>
  readonly store: Store
  readonly place: RunPlace
  readonly atMs: number
}

const undos = new Map<number, OpenUndo>()

function undoOf(id: number): OpenUndo {
  return present(undos.get(id), 'an undo is open in its seat')
}

/** Names that are looked at in one task. */
const sliceNames = 4000
const conflictsMax = 1000

export const undoTasks = {
  /** Reads what a run did. */
  openUndo(input: {
    undo: number
    handles: TargetHandles & { readonly own: number }
    undone: RunPlace
    traits: Traits
    limit: OwnerLimit | undefined
  }): void {
    const { undo, handles, undone, traits, limit } = input
    const manifest = readManifest(sys, undone.handle)
    if (typeof manifest === 'number') {
      throw new Failure('disk-error', `what the run did can't be read (${errnoName(manifest)})`)
    }
    const planning = looks(handles.root, planUndo(sys, handles.root, undone.files, manifest, traits), limit)
    const begun = { planning, plan: undefined, pages: undefined, carrying: undefined }
    undos.set(undo, { handles, undone, traits, limit, ...begun })
  },

  /** Looks at some more names; what it comes to, once all were looked at. Changes nothing. */
  lookUndo(input: { undo: number }): { names: number; found: UndoFound | undefined } {
    const undo = undoOf(input.undo)
    let names = 0
    while (undo.planning !== undefined && names < sliceNames) {
      const next = undo.planning.next()
      if (next.done === true) {
        undo.planning = undefined
        undo.plan = next.value
        undo.pages = undoPages(next.value)
      } else names += next.value
    }
    return { names, found: undo.plan === undefined ? undefined : foundOf(undo.plan) }
  },

  /** The next part of what is to be done; undefined when that was all. */
  listUndo(input: { undo: number }): { moves: readonly DirectoryMove[]; sections: Uint8Array } | undefined {
    const next = present(undoOf(input.undo).pages, 'an undo is listed after it was planned').next()
    if (next.done === true) return undefined
    return { moves: next.value.moves, sections: encodeBatch(next.value.sections) }
  },

  /** Begins to carry it out, as a run of its own. */
  beginUndo(input: { undo: number; store: Store; run: string; atMs: number }): void {
    const { store, run, atMs } = input
    const undo = undoOf(input.undo)
    const plan = present(undo.plan, 'an undo is begun after it was planned')
    const place = makeRunPlace(sys, store, run, { atMs })
    const { undone, traits, handles } = undo
    // What comes back is this machine's own: whole, with set-id bits.
    const modeMask = traits.modeMask === 0 ? 0 : 0o7777
    const facts = { undone, place, modeMask, umask: process.umask() }
    const options = { ...facts, nowMs: systemClock.nowMs, groupSteps: undoGroupSteps }
    undo.carrying = { pieces: carryOutUndo(sys, handles, plan, options), store, place, atMs }
  },

  /** Does the next piece, or stops where it may. */
  carryUndo(input: { undo: number; stop: boolean }): UndoCarried {
    const undo = undoOf(input.undo)
    const carrying = present(undo.carrying, 'an undo is carried out after it was begun')
    try {
      const next = carrying.pieces.next(input.stop)
      if (next.done !== true) {
        const { landed = [], moved = [], phase, steps } = next.value
        const sections = landed.length === 0 ? undefined : encodeBatch(landed)
        return { phase, steps, moved, sections, done: undefined }
      }
      endCarrying(undo, carrying, next.value)
      return { phase: 'apply', steps: 0, moved: [], sections: undefined, done: next.value }
    } catch (error) {
      endCarrying(undo, carrying, undefined)
      throw error
    }
  },

  closeUndo(input: { undo: number }): void {
    undos.delete(input.undo)
  },
}

/** What nobody is told of was not done: then the undo leaves nothing behind. */
function endCarrying(undo: OpenUndo, { store, place, atMs }: Carrying, done: Undone | undefined): void {
  undo.carrying = undefined
  const told = readManifest(sys, place.handle)
  const isNothing = typeof told !== 'number' && told.changes.size + told.moves.length === 0
  if (isNothing) {
    clearStaging(sys, undo.handles.staging)
    dropRunPlace(sys, store, place)
    return
  }
  if (done !== undefined) writeRunFacts(sys, place, { atMs, sizeBytes: done.sizeBytes })
  closeRunPlace(sys, place)
}

function* looks(
  root: number,
  planning: Generator<number, UndoPlan>,
  limit: OwnerLimit | undefined,
): Generator<number, UndoPlan> {
  const plan = yield* planning
  if (limit?.takes !== undefined) yield* checkLimit(root, plan, limit)
  return plan
}

/** An undo deletes and replaces like any run: no peer gets past the owner's limit by it. */
function* checkLimit(root: number, plan: UndoPlan, owner: OwnerLimit): Generator<number> {
  checkOwnerLimit(owner, takenBy(plan), yield* countEntries(root))
}

function* countEntries(directory: number): Generator<number, number> {
  const table = new EntryTable()
  const listed = Math.max(0, sys.list(directory, table))
  yield listed
  let count = 0
  for (let row = 0; row < listed; row++) {
    if (fromUtf8(table.name(row)) === ownDirectory) continue
    count++
    if (((table.stats[row * statWidth + statMode] as number) & typeMask) !== typeDirectory) continue
    const below = sys.openDirectory(directory, table.name(row))
    if (below < 0) continue
    count += yield* countEntries(below)
    sys.close(below)
  }
  return count
}

function foundOf(plan: UndoPlan): UndoFound {
  const { conflicts, already, moves, emptied } = plan
  const sections = [...plan.sections.values(), ...plan.deletions.values()]
  const tops = plan.top === undefined ? 0 : 1
  const steps = sections.reduce((sum, section) => sum + section.steps.length, moves.length + tops)
  const isEmpty = moves.length + emptied.length + sections.length + tops === 0
  return { conflicts: conflicts.slice(0, conflictsMax), conflictCount: conflicts.length, already, steps, isEmpty }
}

/** What undoing a run comes to. */
export type UndoFound = {
  /** Up to 1,000 paths that stand against it; with one of them nothing may be done. */
  readonly conflicts: UndoPlan['conflicts']
  readonly conflictCount: number
  /** Names that are as they were before the run already. */
  readonly already: number
  readonly steps: number
  readonly isEmpty: boolean
}

export type UndoCarried = {
  readonly phase: UndoPiece['phase']
  readonly steps: number
  /** What is done for good since the slice before; sections as an encoded batch. */
  readonly moved: readonly DirectoryMove[]
  readonly sections: Uint8Array | undefined
  readonly done: Undone | undefined
}
