// Carries an undo out, in pieces: everything that comes back is staged and verified first; then group by group it is
// journalled, told in the manifest of the undo's own run, and landed like any other batch, so that an undo can be undone.
// All or nothing up to the first name that is given; from there on a path that someone changes in between is left alone
// and told, and whoever asks for it gets a stop between two groups, where the target is whole. What the undone run had put
// there goes into the versions of the undo, whatever the policy is.

import { joinPath, type RelPath } from '../core/path.ts'
import {
  batchFilesMax,
  compareSections,
  cutBatches,
  encodeBatch,
  type PackedSection,
  packSection,
  type SectionHead,
  SectionWriter,
  stepsOf,
  topSection,
} from '../core/plan.ts'
import { isShortOnly, type Problem, undoneBy } from '../core/problem.ts'
import type { DirectoryMove } from '../core/renames.ts'
import { sameFile, statWidth } from '../core/stat.ts'
import { Failure } from '../std/failure.ts'
import { Apply } from './apply.ts'
import { type Aside, clearStaging, dropDisplaced, isStuck, Kept } from './aside.ts'
import { finishDirectory } from './directories.ts'
import { sizeKept } from './holdings.ts'
import { intentsOf, type LookBack, lookBackAt, refusedOf } from './intents.ts'
import { clearJournal, createJournal, type Displacement, encodeDisplacements, writeJournal } from './journal.ts'
import type { LandCounts } from './landed.ts'
import { Landing, type TargetHandles } from './landing.ts'
import { type Change, encodeChanges, writePart } from './manifest.ts'
import type { StepNote } from './staged.ts'
import { errnoName, type Sys } from './sys.ts'
import { giveTop, ownRights, topChange, topRefused } from './top.ts'
import { undoDress } from './undo-dress.ts'
import { groupEnds, type Portion } from './undo-groups.ts'
import { lastOf, moveBack, moveIntents, openParent, removeEmpty } from './undo-renames.ts'
import { isOldName, type Sections, splitDeletions, toldDeletions, type UndoMove, type UndoPlan } from './undo-steps.ts'
import type { RunPlace } from './versions.ts'

export type Undone = {
  readonly counts: LandCounts & { renamed: number }
  readonly problems: readonly Problem[]
  /** Bytes that the undo's own run keeps. */
  readonly sizeBytes: number
  /** Something has got or lost a name. */
  readonly isBegun: boolean
  /** It was asked to stop, and something is left to be undone. */
  readonly isStopped: boolean
}

/** What was done since the piece before. */
export type UndoPiece = {
  readonly phase: 'stage' | 'apply'
  /** Of all that are planned, moves of directories among them. */
  readonly steps: number
  /** Whether it may stop here. */
  readonly isSafe: boolean
  /** What is done for good: directories that moved, and the sections of a group without what had a problem. */
  readonly moved?: readonly DirectoryMove[]
  readonly landed?: readonly PackedSection[]
}

export type UndoOptions = {
  /** The place of the run that is reversed, and that of the undo itself. */
  readonly undone: RunPlace
  readonly place: RunPlace
  readonly modeMask: number
  readonly umask: number
  readonly nowMs: () => number
  /** A group has so many steps at least. */
  readonly groupSteps: number
}

/** Steps of a group: fewer would cost syncs, more would make a person wait who stops it. */
export const undoGroupSteps = 5000
const pieceSteps = 1000

/**
 * Undoes what was planned, a piece a `next`; `next(true)` asks for a stop at the next safe point. Throws `target-full`,
 * `target-not-writable` or `sync-failed`; before anything got a name, nothing was changed.
 */
export function* carryOutUndo(
  sys: Sys,
  handles: TargetHandles & { readonly own: number },
  plan: UndoPlan,
  options: UndoOptions,
): Generator<UndoPiece, Undone, boolean> {
  return yield* new UndoRun(sys, handles, plan, options).run()
}

class UndoRun {
  readonly #sys: Sys
  readonly #handles: TargetHandles & { readonly own: number }
  readonly #plan: UndoPlan
  readonly #options: UndoOptions
  readonly #counts = { created: 0, replaced: 0, attributes: 0, deleted: 0, renamed: 0 }
  readonly #problems: Problem[] = []
  readonly #donated: Map<RelPath, RelPath>
  readonly #heads: SectionHead[] = []
  readonly #journal: { handle: number; readonly own: number; at: number }
  #parts = 0
  #sizeBytes = 0
  #isBegun = false
  /** What is displaced has to stay where it is, and the journal with it. */
  #isStuck = false

  constructor(sys: Sys, handles: TargetHandles & { readonly own: number }, plan: UndoPlan, options: UndoOptions) {
    this.#sys = sys
    this.#handles = handles
    this.#plan = plan
    this.#options = options
    this.#journal = { handle: -1, own: handles.own, at: 0 }
    this.#donated = new Map(plan.donated.map(({ version, path }) => [path, version]))
  }

  *run(): Generator<UndoPiece, Undone, boolean> {
    try {
      return yield* this.#carryOut()
    } finally {
      this.#closeJournal()
    }
  }

  *#carryOut(): Generator<UndoPiece, Undone, boolean> {
    const { movesFirst } = this.#plan
    // What came back before this undo has a name in the store, which has to go: by the names of now, and at the end by those
    // that directories have then.
    const back = this.#plan.donated.filter(({ isBack }) => isBack === true)
    yield* this.#dropBack(back.map(({ path, version }) => [path, version]))
    const landings = yield* this.#stageAll()
    if (landings === undefined) return this.#stopped()
    const isStopped = (movesFirst && (yield* this.#moveAll(landings.length > 0))) || (yield* this.#landAll(landings))
    if (isStopped || (!movesFirst && (yield* this.#moveAll(false)))) {
      this.#finishHeads()
      return this.#stopped()
    }
    for (const path of this.#plan.emptied) removeEmpty(this.#sys, this.#handles.root, path)
    yield* this.#dropBack(this.#donated)
    this.#finishHeads()
    if (this.#giveTop()) yield { phase: 'apply', steps: 1, isSafe: false, landed: [topSection] }
    return this.#end(false)
  }

  /** Directories that came back get their mode and time once all is in them, deepest first. */
  #finishHeads(): void {
    const { root } = this.#handles
    for (const head of this.#heads.sort((a, b) => b.path.length - a.path.length))
      finishDirectory(this.#sys, root, head, true)
    mustSync(this.#sys.syncFileSystem(root))
  }

  #giveTop(): boolean {
    const [sys, { root }, { top }] = [this.#sys, this.#handles, this.#plan]
    if (top === undefined) return false
    const change = topChange(sys, root, top.mode)
    this.#tell(change === undefined ? [] : [change])
    this.#isBegun = true
    this.#counts.attributes++
    this.#problems.push(...topRefused(giveTop(sys, root, top, ownRights).code))
    mustSync(sys.syncFileSystem(root))
    return true
  }

  /** What was written aside for later is second names of versions, and of files: they go. */
  #stopped(): Undone {
    if (!this.#isStuck) clearStaging(this.#sys, this.#handles.staging)
    return this.#end(true)
  }

  #end(isStopped: boolean): Undone {
    const [counts, problems, sizeBytes] = [this.#counts, this.#problems, this.#sizeBytes]
    return { counts, problems, sizeBytes, isBegun: this.#isBegun, isStopped }
  }

  /**
   * Writes everything that comes back aside; undefined where it was asked to stop. Throws where something can't be had:
   * then nothing was changed.
   */
  *#stageAll(): Generator<UndoPiece, Landing[] | undefined, boolean> {
    const landings: Landing[] = []
    for (const sections of batchesOf(this.#plan, this.#options.groupSteps)) {
      const notes = notesOf(this.#plan, sections)
      const steps = stepCount(sections)
      const order = {
        batch: landings.length,
        bytes: encodeBatch(sections),
        wanted: new Uint8Array(steps),
        notes,
        modeMask: this.#options.modeMask,
        ...undoDress(sections, this.#plan),
        syncEach: false,
      }
      const landing = new Landing(this.#sys, this.#handles, order, this.#options.umask)
      landing.begin()
      checkStaged(landing)
      landings.push(landing)
      if (yield { phase: 'stage', steps, isSafe: true }) return undefined
    }
    return landings
  }

  /** True where it was stopped. */
  *#landAll(landings: Landing[]): Generator<UndoPiece, boolean, boolean> {
    let from = 0
    for (const end of groupEnds(landings.map(portionOf), this.#options.groupSteps)) {
      const landed = yield* this.#landGroup(landings.slice(from, end))
      from = end
      const isStop = yield { phase: 'apply', steps: 0, isSafe: true, landed }
      if (isStop && (from < landings.length || (!this.#plan.movesFirst && this.#plan.moves.length > 0))) return true
    }
    return false
  }

  *#landGroup(group: readonly Landing[]): Generator<UndoPiece, PackedSection[], boolean> {
    const [sys, handles, { place, nowMs }] = [this.#sys, this.#handles, this.#options]
    // A second name is our own here: a version that is back has one in the store until the undo is over.
    const applies = group.map((landing) => new Apply(sys, handles, landing, nowMs, { parts: false }))
    this.#writeJournal(applies.flatMap(({ displacements }) => displacements))
    const lookBack = (mask: number): LookBack | undefined => lookBackAt(sys, handles.root, mask)
    this.#tell(group.flatMap(({ batch, wardrobe }) => intentsOf(batch, lookBack(wardrobe.mask))))
    mustSync(sys.syncFileSystem(handles.staging))
    const displaced: Aside[] = []
    const problems: Problem[] = []
    for (const [i, apply] of applies.entries()) {
      this.#isBegun = true
      const landed = apply.land()
      for (const key of ['created', 'replaced', 'attributes', 'deleted'] as const)
        this.#counts[key] += landed.counts[key]
      problems.push(...landed.problems)
      displaced.push(...landed.displaced)
      yield { phase: 'apply', steps: group[i]?.batch.count ?? 0, isSafe: false }
    }
    mustSync(sys.syncFileSystem(handles.root))
    const dropped: Problem[] = []
    const kept = new Kept(place.files)
    for (let at = 0; at < displaced.length; at += pieceSteps) {
      dropped.push(...dropDisplaced(sys, handles, displaced.slice(at, at + pieceSteps), kept))
      yield { phase: 'apply', steps: 0, isSafe: false }
    }
    problems.push(...dropped)
    for (const landing of group) this.#settle(landing)
    this.#tell(refusedOf(undoneBy(problems)))
    mustSync(sys.syncFileSystem(handles.root))
    this.#isStuck ||= dropped.some(isStuck)
    if (!this.#isStuck) this.#clearJournal()
    this.#problems.push(...problems)
    return landedOf(group, new Set(dropped.map(({ path }) => path)))
  }

  /** Versions that have their names back go from the store; directories are dressed when all is done. */
  #settle({ batch }: Landing): void {
    for (const { head } of batch.sections) if (head.state !== 'present') this.#heads.push(head)
    for (const { path } of batch.steps()) {
      const version = this.#donated.get(path)
      if (version === undefined) continue
      this.#dropDonated(path, version)
      this.#donated.delete(path)
    }
  }

  /** What is about to be displaced, added to what still has to stay. */
  #writeJournal(displacements: readonly Displacement[]): void {
    if (displacements.length === 0) return
    const journal = this.#journal
    if (journal.handle < 0) journal.handle = createJournal(this.#sys, journal.own)
    mustSync(journal.handle)
    const end = writeJournal(this.#sys, journal, encodeDisplacements(displacements), this.#options.place.run)
    mustSync(end)
    journal.at = end
  }

  /** Where it can't go, nothing it names is lost: it is added to. */
  #clearJournal(): void {
    if (clearJournal(this.#sys, this.#journal.own) === 0) this.#closeJournal()
  }

  #closeJournal(): void {
    if (this.#journal.handle >= 0) this.#sys.close(this.#journal.handle)
    this.#journal.handle = -1
    this.#journal.at = 0
  }

  /** Writes what is about to happen, or what did not, and syncs it. */
  #tell(changes: readonly Change[]): void {
    if (changes.length === 0) return
    for (const change of changes) this.#sizeBytes += sizeKept(change)
    mustSync(writePart(this.#sys, this.#options.place.handle, this.#parts++, [encodeChanges(changes)]))
  }

  *#dropBack(donated: Iterable<[path: RelPath, version: RelPath]>): Generator<UndoPiece, void, boolean> {
    let looked = 0
    for (const [path, version] of donated) {
      this.#dropDonated(path, version)
      if (++looked % pieceSteps === 0) yield { phase: 'apply', steps: 0, isSafe: false }
    }
  }

  /** A version that is a file of the root again is no version any more: whoever writes to one would write to both. */
  #dropDonated(path: RelPath, stored: RelPath): void {
    const sys = this.#sys
    const [version, live] = [new Uint32Array(statWidth), new Uint32Array(statWidth)]
    const [from, to] = [openParent(sys, this.#options.undone.files, stored), openParent(sys, this.#handles.root, path)]
    const [name, liveName] = [lastOf(stored), lastOf(path)]
    const isThere =
      from >= 0 && to >= 0 && sys.stat(from, name, version, 0) === 0 && sys.stat(to, liveName, live, 0) === 0
    if (isThere && sameFile(version, 0, live, 0)) sys.unlink(from, name)
    if (from >= 0) sys.close(from)
    if (to >= 0) sys.close(to)
  }

  /** Renames directories back, one after the other. True where it was stopped, and these are not all or more is left. */
  *#moveAll(hasMore: boolean): Generator<UndoPiece, boolean, boolean> {
    const { moves } = this.#plan
    this.#tell(moveIntents(this.#plan))
    const refused: UndoMove[] = []
    let end = moves.length
    let isStop = false
    for (let i = 0; i < end; i++) {
      const move = moves[i] as UndoMove
      const { from, to } = move
      this.#isBegun = true
      const code = moveBack(this.#sys, this.#handles.root, move)
      if (code === undefined) this.#counts.renamed++
      else {
        this.#problems.push({ path: from, code, detail: 'rename' })
        refused.push(move)
      }
      isStop = yield { phase: 'apply', steps: 1, isSafe: true, moved: code === undefined ? [{ from, to }] : [] }
      if (isStop) end = i + 1
    }
    refused.push(...moves.slice(end))
    this.#tell(refused.map(({ from, to }) => ({ a: 'refused', path: from, movedTo: to })))
    return isStop && (hasMore || end < moves.length)
  }
}

function mustSync(code: number): void {
  if (code >= 0) return
  throw new Failure('sync-failed', `the target's disk could not be written or synced (${errnoName(code)})`, {
    hint: 'look at the disk, then undo again: what was done already is seen',
  })
}

function checkStaged(landing: Landing): void {
  const missing = landing.finishWriting()
  const problem = landing.batch.problems().find((one) => !isShortOnly(one))
  if (problem?.code === 'no-space') {
    throw new Failure('target-full', 'there is no space on the target for what would come back', {
      hint: 'nothing was changed; free some space, then undo again',
    })
  }
  if (problem !== undefined || missing.length > 0) {
    const path = problem?.path ?? landing.batch.step(missing[0] as number).path
    throw new Failure('target-not-writable', `${path} can't be brought back (${problem?.detail ?? 'not readable'})`, {
      hint: 'nothing was changed',
    })
  }
}

/** What comes, then old names of what only moves, then what goes. Groups below a batch's size go by directories. */
function* batchesOf(plan: UndoPlan, groupSteps: number): Generator<PackedSection[]> {
  const { moved, rest } = splitDeletions(plan)
  for (const sections of [plan.sections, moved, rest])
    for (const batch of cutBatches(packed(sections)))
      yield* groupSteps < batchFilesMax ? batch.map((section) => [section]) : [batch]
}

function packed(sections: Sections): PackedSection[] {
  return [...sections.values()].map(({ head, steps }) => packSection(head, steps)).sort(compareSections)
}

/** What a plan comes to, for a person, some thousand steps a page. */
export type UndoPage = { readonly moves: readonly DirectoryMove[]; readonly sections: readonly PackedSection[] }

export function* undoPages(plan: UndoPlan): Generator<UndoPage> {
  for (let at = 0; at < plan.moves.length; at += pieceSteps) {
    const moves = plan.moves.slice(at, at + pieceSteps).map(({ from, to }) => ({ from, to }))
    yield { moves, sections: [] }
  }
  for (const sections of [plan.sections, toldDeletions(plan)])
    for (const batch of cutBatches(packed(sections))) yield { moves: [], sections: batch }
  if (plan.top !== undefined) yield { moves: [], sections: [topSection] }
}

function stepCount(sections: readonly PackedSection[]): number {
  return sections.reduce((sum, section) => sum + section.stepCount, 0)
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

function portionOf({ batch }: Landing): Portion {
  const gives: RelPath[] = []
  const takes: RelPath[] = []
  for (const { path, note } of batch.steps()) {
    if (note?.donor !== undefined && note.donor.store === undefined) gives.push(path)
    if (note?.movedTo !== undefined) takes.push(note.movedTo)
    for (const { movedTo = [] } of note?.below ?? []) for (const to of movedTo) if (to !== undefined) takes.push(to)
  }
  return { steps: batch.count, gives, takes }
}

/** What landed, without what had a problem and without old names of what only moved. */
function landedOf(group: readonly Landing[], dropped: ReadonlySet<string>): PackedSection[] {
  return group.flatMap(({ batch }) =>
    batch.sections.flatMap(({ head, firstStep, endStep }) => {
      const writer = new SectionWriter(head)
      for (const { step, path, action, note, problem } of batch.steps(firstStep, endStep)) {
        const isTold = problem === undefined && !dropped.has(path) && !(action === 'delete' && isOldName(note))
        if (isTold) writer.add(step)
      }
      return writer.stepCount === 0 && head.state === 'present' ? [] : [writer.take()]
    }),
  )
}
