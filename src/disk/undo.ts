// Carries an undo out: everything that comes back is staged and verified first, then journalled, told in the manifest of
// the undo's own run, and landed like any other batch, so that an undo can be undone. All or nothing up to the first
// name that is given; from there on a path that someone changes in between is left alone and told. What the undone run
// had put there goes into the versions of the undo, whatever the policy is.

import { joinPath, type RelPath } from '../core/path.ts'
import {
  compareSections,
  cutBatches,
  encodeBatch,
  type PackedSection,
  packSection,
  type SectionHead,
  type Step,
  stepsOf,
} from '../core/plan.ts'
import type { Problem } from '../core/problem.ts'
import { sameFile, statWidth } from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { Apply, type LandCounts } from './apply.ts'
import { type Aside, dropDisplaced, isStuck, Kept } from './aside.ts'
import { finishDirectory, makeParents, renameDirectory, unlockDirectory } from './directories.ts'
import { sizeKept } from './holdings.ts'
import { intentsOf, refusedOf } from './intents.ts'
import { clearJournal, createJournal, type Displacement, encodeDisplacements, writeJournal } from './journal.ts'
import { Landing, type TargetHandles } from './landing.ts'
import { type Change, encodeChanges, writePart } from './manifest.ts'
import type { StepNote } from './staged.ts'
import { errnoName, type Sys } from './sys.ts'
import type { UndoMove, UndoPlan } from './undo-steps.ts'
import type { RunPlace } from './versions.ts'

export type Undone = {
  readonly counts: LandCounts & { renamed: number }
  readonly problems: readonly Problem[]
  /** Bytes that the undo's own run keeps. */
  readonly sizeBytes: number
}

/**
 * Undoes what was planned. `undone` is the place of the run that is reversed, `place` that of the undo itself. Throws
 * `target-full`, `target-not-writable` or `sync-failed` before anything got a name.
 */
export function carryOutUndo(
  sys: Sys,
  handles: TargetHandles & { readonly own: number },
  plan: UndoPlan,
  options: { undone: RunPlace; place: RunPlace; modeMask: number; umask: number; nowMs: () => number },
): Undone {
  const { place, undone } = options
  const landings = stageAll(sys, handles, plan, options)
  const applies = landings.map((landing) => new Apply(sys, handles, landing, options.nowMs))
  const displacements = applies.flatMap((apply) => apply.displacements)
  if (displacements.length > 0) journal(sys, handles.own, displacements, place.run)
  const intents = [...landings.flatMap(({ batch }) => intentsOf(batch)), ...moveIntents(plan)]
  mustSync(writePart(sys, place.handle, 0, [encodeChanges(intents)]))
  mustSync(sys.syncFileSystem(handles.staging))
  const counts = { created: 0, replaced: 0, attributes: 0, deleted: 0, renamed: 0 }
  const problems: Problem[] = []
  const displaced: Aside[] = []
  const refused: Change[] = []
  const moveAll = (): void => {
    for (const { move, problem } of moveBack(sys, handles.root, plan, counts)) {
      problems.push(problem)
      refused.push({ a: 'refused', path: move.from, movedTo: move.to })
    }
  }
  if (plan.movesFirst) moveAll()
  for (const apply of applies) {
    const landed = apply.land()
    for (const key of ['created', 'replaced', 'attributes', 'deleted'] as const) counts[key] += landed.counts[key]
    problems.push(...landed.problems)
    displaced.push(...landed.displaced)
  }
  finishHeads(sys, handles.root, plan)
  mustSync(sys.syncFileSystem(handles.root))
  const dropped = dropDisplaced(sys, handles, displaced, new Kept(place.files))
  problems.push(...dropped)
  dropDonated(sys, handles.root, undone.files, plan)
  refused.push(...refusedOf(problems.flatMap(({ path, detail }) => (detail === 'rename' ? [] : [path]))))
  if (!plan.movesFirst) moveAll()
  for (const path of plan.emptied) removeEmpty(sys, handles.root, path)
  if (refused.length > 0) writePart(sys, place.handle, 1, [encodeChanges(refused)])
  mustSync(sys.syncFileSystem(handles.root))
  if (!dropped.some(isStuck)) clearJournal(sys, handles.own)
  return { counts, problems, sizeBytes: intents.reduce((sum, change) => sum + sizeKept(change), 0) }
}

function journal(sys: Sys, own: number, displacements: readonly Displacement[], run: string): void {
  const handle = createJournal(sys, own)
  mustSync(handle)
  const end = writeJournal(sys, { handle, own, at: 0 }, encodeDisplacements(displacements), run)
  sys.close(handle)
  mustSync(end)
}

function mustSync(code: number): void {
  if (code >= 0) return
  throw new Failure('sync-failed', `the target's disk could not be written or synced (${errnoName(code)})`, {
    hint: 'look at the disk, then undo again: what was done already is seen',
  })
}

/** Writes everything that comes back aside. Throws where something can't be had: then nothing was changed. */
function stageAll(
  sys: Sys,
  handles: TargetHandles,
  plan: UndoPlan,
  options: { modeMask: number; umask: number },
): Landing[] {
  const landings: Landing[] = []
  for (const sections of [...batchesOf(plan.sections), ...batchesOf(plan.deletions)]) {
    const notes = notesOf(plan, sections)
    const order = {
      batch: landings.length,
      bytes: encodeBatch(sections),
      wanted: new Uint8Array(sections.reduce((sum, section) => sum + section.stepCount, 0)),
      notes,
      modeMask: options.modeMask,
      syncEach: false,
    }
    const landing = new Landing(sys, handles, order, options.umask)
    landing.begin()
    const missing = landing.finishWriting()
    const [problem] = landing.problems()
    if (problem?.code === 'no-space') {
      throw new Failure('target-full', 'there is no space on the target for what would come back', {
        hint: 'nothing was changed; free some space, then undo again',
      })
    }
    if (problem !== undefined || missing.length > 0) {
      const path = problem?.path ?? landing.namesOf(missing)[0]?.names[0] ?? ''
      throw new Failure('target-not-writable', `${path} can't be brought back (${problem?.detail ?? 'not readable'})`, {
        hint: 'nothing was changed',
      })
    }
    landings.push(landing)
  }
  return landings
}

type Sections = ReadonlyMap<RelPath, { head: SectionHead; steps: Step[] }>

function batchesOf(sections: Sections): PackedSection[][] {
  const packed = [...sections.values()].map(({ head, steps }) => packSection(head, steps))
  return [...cutBatches(packed.sort(compareSections))]
}

function notesOf(plan: UndoPlan, sections: readonly PackedSection[]): Map<number, StepNote> {
  const notes = new Map<number, StepNote>()
  let number = 0
  for (const section of sections) {
    for (const step of stepsOf(section)) {
      const note = plan.notes.get(joinPath(section.path, step.entry.name))
      if (note !== undefined) notes.set(number, note)
      number++
    }
  }
  return notes
}

function moveIntents(plan: UndoPlan): Change[] {
  return plan.moves.map(({ from, to, seen, goes, comes }) => {
    const parents = comes.map(({ path }) => path)
    const move = { a: 'moved-directory', path: from, movedTo: to, before: [...seen], parents, above: goes } as const
    return plan.movesFirst ? move : { ...move, isLast: true }
  })
}

/** Directories that came back get their mode and time once all is in them, deepest first. */
function finishHeads(sys: Sys, root: number, plan: UndoPlan): void {
  const heads = [...plan.sections.values()].map(({ head }) => head).filter(({ state }) => state !== 'present')
  for (const head of heads.sort((a, b) => b.path.length - a.path.length)) finishDirectory(sys, root, head)
}

/** A version that is a file of the root again is no version any more: whoever writes to one would write to both. */
function dropDonated(sys: Sys, root: number, files: number, plan: UndoPlan): void {
  const [version, live] = [new Uint32Array(statWidth), new Uint32Array(statWidth)]
  for (const donated of plan.donated) {
    const [from, to] = [openParent(sys, files, donated.version), openParent(sys, root, donated.path)]
    const [name, liveName] = [lastOf(donated.version), lastOf(donated.path)]
    const isThere =
      from >= 0 && to >= 0 && sys.stat(from, name, version, 0) === 0 && sys.stat(to, liveName, live, 0) === 0
    if (isThere && sameFile(version, 0, live, 0)) sys.unlink(from, name)
    if (from >= 0) sys.close(from)
    if (to >= 0) sys.close(to)
  }
}

function openParent(sys: Sys, base: number, path: RelPath): number {
  return sys.openDirectory(base, utf8(path.slice(0, Math.max(0, path.lastIndexOf('/')))))
}

function lastOf(path: RelPath): Uint8Array {
  return utf8(path.slice(path.lastIndexOf('/') + 1))
}

function moveBack(
  sys: Sys,
  root: number,
  plan: UndoPlan,
  counts: { renamed: number },
): { move: UndoMove; problem: Problem }[] {
  const refused: { move: UndoMove; problem: Problem }[] = []
  for (const move of plan.moves) {
    const { from, to, seen, goes, comes } = move
    const made = makeParents(sys, root, to)
    const code = typeof made === 'string' ? made : renameDirectory(sys, root, from, to, seen)
    if (code === undefined) counts.renamed++
    else refused.push({ move, problem: { path: from, code, detail: 'rename' } })
    for (const { path } of [...goes].reverse()) removeEmpty(sys, root, path)
    for (const { path, mode } of comes) setMode(sys, root, path, mode)
  }
  return refused
}

/** Only where nothing is in it. */
function removeEmpty(sys: Sys, root: number, path: RelPath): void {
  const parent = openParent(sys, root, path)
  if (parent < 0) return
  const lock = unlockDirectory(sys, parent)
  sys.removeDirectory(parent, lastOf(path))
  lock?.()
  sys.close(parent)
}

function setMode(sys: Sys, root: number, path: RelPath, mode: number): void {
  const handle = sys.openDirectory(root, utf8(path))
  if (handle < 0) return
  sys.setMode(handle, mode)
  sys.close(handle)
}
