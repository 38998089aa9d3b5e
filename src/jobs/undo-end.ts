// An undo where the target lies: looked at, listed, carried out in slices, and left between any two of them. It has two
// forms, a target on this machine and one behind the wire, so that whoever drives it never asks which it has. While it is
// open, the target's lock is held. However it is left (closed, or its session cut), what it began comes to the next point
// at which the target is whole, and its log and its note for the next run say what happened.

import type { OwnerLimit } from '../core/owner-limit.ts'
import { decodeBatch, type PackedSection, packSection } from '../core/plan.ts'
import type { Problem } from '../core/problem.ts'
import type { DirectoryMove } from '../core/renames.ts'
import { systemSys } from '../disk/system.ts'
import type { DiskTasks } from '../disk/tasks.ts'
import type { UndoCarried, UndoFound } from '../disk/undo-tasks.ts'
import { forgetUndo, noteUndone, settleUndo } from '../disk/undone.ts'
import { closeRunPlace, isRunId, openRunPlace, type RunPlace } from '../disk/versions.ts'
import { takeLease } from '../state/runs.ts'
import type { Seat } from '../std/crew.ts'
import { Failure } from '../std/failure.ts'
import type { Session } from '../wire/session.ts'
import { call } from './bulk.ts'
import type { ApplyCounts } from './endpoint.ts'
import { nextSeatId, type Workshop } from './local.ts'
import { type OpenTarget, openPast } from './past.ts'
import { checkedMoves, checkedProblems } from './remote.ts'
import { type UndoLine, undoLines } from './undo-lines.ts'

/** A part of what is to be done, or was. */
export type UndoPart = { readonly moves: readonly DirectoryMove[]; readonly sections: readonly PackedSection[] }

export type UndoEnded = {
  readonly counts: ApplyCounts
  /** Over the wire the first of them. */
  readonly problems: readonly Problem[]
  /** How many there were. */
  readonly problemCount: number
  readonly isBegun: boolean
  readonly isStopped: boolean
}

export type UndoSlice = {
  readonly phase: 'stage' | 'apply'
  readonly steps: number
  /** What is done for good since the slice before. */
  readonly part: UndoPart
  readonly ended: UndoEnded | undefined
}

export interface UndoEnd {
  /** Looks at some more names; what it comes to once all were looked at. */
  look(): Promise<{ readonly names: number; readonly found: UndoFound | undefined }>
  /** The next part of what is to be done; undefined when that was all. */
  list(): Promise<UndoPart | undefined>
  /** Begins to carry it out, as the run `as`. */
  begin(as: string): Promise<void>
  /** Does some more of it, or stops where it may. */
  carry(stop: boolean): Promise<UndoSlice>
  close(): Promise<void>
}

export type UndoRequest = {
  readonly run: string
  readonly job: string
  /** The machine where a person asked for it. */
  readonly by: string
  readonly limit?: OwnerLimit | undefined
}

export const toldProblems = 1000

/** An undo on a target of this machine. */
export class LocalUndo implements UndoEnd {
  readonly #workshop: Workshop
  readonly #request: UndoRequest
  readonly #target: OpenTarget
  readonly #undone: RunPlace
  readonly #held: number
  readonly #seat: Seat<DiskTasks>
  readonly #undo: number = nextSeatId()
  #found: UndoFound | undefined
  #as: string | undefined
  #last: Promise<unknown> = Promise.resolve()
  #ended: UndoEnded | undefined

  private constructor(workshop: Workshop, request: UndoRequest, target: OpenTarget, undone: RunPlace) {
    this.#workshop = workshop
    this.#request = request
    this.#target = target
    this.#undone = undone
    this.#held = workshop.crew.hold()
    this.#seat = workshop.crew.seats[this.#held] as Seat<DiskTasks>
  }

  /** Locks the target and reads what the run did there. Throws `no-versions`, and what opening a target may throw. */
  static async open(workshop: Workshop, rootPath: string, request: UndoRequest): Promise<LocalUndo> {
    const { run, limit } = request
    if (!isRunId(run)) throw new Failure('protocol-broken', 'the id of a run is none')
    const target = openPast(workshop, rootPath)
    let undo: LocalUndo | undefined
    try {
      const undone = openRunPlace(systemSys(), target.store, run)
      if (undone === undefined) throw nothingKept(run)
      undo = new LocalUndo(workshop, request, target, undone)
      const { root, staging, own } = target
      const handles = { root: root.handle, staging, own }
      await undo.#seat.run('openUndo', { undo: undo.#undo, handles, undone, traits: root.traits, limit })
      return undo
    } catch (error) {
      if (undo === undefined) target.close()
      else await undo.close()
      throw error
    }
  }

  /** One after the other: whoever closes it waits for what is at work. */
  #next<Result>(work: () => Promise<Result>): Promise<Result> {
    const next = this.#last.then(work)
    this.#last = next.catch(() => {})
    return next
  }

  look(): ReturnType<UndoEnd['look']> {
    return this.#next(async () => {
      const looked = await this.#seat.run('lookUndo', { undo: this.#undo })
      this.#found = looked.found
      return looked
    })
  }

  /** What all the looking came to. A peer may ask for things in any order. */
  #mustFound(): UndoFound {
    if (this.#found === undefined) throw new Failure('protocol-broken', 'an undo was not looked at to its end')
    return this.#found
  }

  list(): Promise<UndoPart | undefined> {
    return this.#next(async () => {
      this.#mustFound()
      const page = await this.#seat.run('listUndo', { undo: this.#undo })
      return page && { moves: page.moves, sections: sectionsOf(page.sections) }
    })
  }

  begin(as: string): Promise<void> {
    return this.#next(async () => {
      const { run, job, by } = this.#request
      const { conflictCount, isEmpty } = this.#mustFound()
      if (!isRunId(as) || this.#as !== undefined || conflictCount > 0 || isEmpty)
        throw new Failure('protocol-broken', 'the undo can not begin like this')
      // A run that has lost its lock without knowing it may not write any more.
      takeLease(this.#workshop.state, this.#target.root.id, job)
      const atMs = this.#workshop.clock.nowMs()
      const { store, place } = this.#target
      await this.#seat.run('beginUndo', { undo: this.#undo, store, run: as, atMs })
      this.#as = as
      noteUndone(place, job, { run, as, by, atMs })
    })
  }

  carry(stop: boolean): Promise<UndoSlice> {
    return this.#next(async () => {
      if (this.#as === undefined || this.#ended !== undefined)
        throw new Failure('protocol-broken', 'nothing is being undone')
      let carried: UndoCarried
      try {
        carried = await this.#seat.run('carryUndo', { undo: this.#undo, stop })
      } catch (error) {
        // How far it came, what it told says; that nothing was done is not known, so the note stays.
        this.#ended = nothingDone
        throw error
      }
      const { phase, steps, moved, sections, done } = carried
      const part = { moves: moved, sections: sections === undefined ? [] : sectionsOf(sections) }
      for (const line of undoLines(part)) this.#note(line)
      if (done === undefined) return { phase, steps, part, ended: undefined }
      const { problems, isBegun, isStopped } = done
      const counts = { ...done.counts, copied: 0 }
      const ended = { counts, problems, problemCount: problems.length, isBegun, isStopped }
      this.#ended = ended
      this.#settle(ended)
      return { phase, steps, part, ended }
    })
  }

  #note({ action, directory, names, from }: UndoLine): void {
    const fields = {
      runId: this.#as,
      undoes: this.#request.run,
      directory,
      names: names.join('/'),
      count: names.length,
    }
    this.#workshop.log.note(action, { ...fields, from })
  }

  #settle({ counts, problems, isBegun, isStopped }: UndoEnded): void {
    const { run, job, by } = this.#request
    const [as, { place }] = [this.#as ?? '', this.#target]
    if (!isBegun) forgetUndo(place, job, as)
    else if (!isStopped && problems.length === 0) settleUndo(place, job, { run, as })
    this.#workshop.log.note('undone', { runId: as, undoes: run, by, stopped: isStopped, ...counts })
  }

  /** What came of it so far; undefined where it was not begun, or has not ended. */
  get ended(): UndoEnded | undefined {
    return this.#ended
  }

  async close(): Promise<void> {
    await this.#last
    try {
      while (this.#as !== undefined && this.#ended === undefined) await this.carry(true)
    } finally {
      await this.#seat.run('closeUndo', { undo: this.#undo })
      this.#workshop.crew.release(this.#held)
      closeRunPlace(systemSys(), this.#undone)
      this.#target.close()
    }
  }
}

const nothingDone: UndoEnded = {
  counts: { created: 0, replaced: 0, attributes: 0, renamed: 0, deleted: 0, copied: 0 },
  problems: [],
  problemCount: 0,
  isBegun: true,
  isStopped: true,
}

function nothingKept(run: string): Failure {
  return new Failure('no-versions', `nothing is kept of the run ${run} there`, {
    hint: 'it changed nothing, kept no versions, or they are gone by their policy',
  })
}

/** The sections of a batch, which may be a peer's. */
function sectionsOf(batch: Uint8Array): PackedSection[] {
  return decodeBatch(batch).map((section) => packSection(section, section.steps))
}

/** An undo on a target behind the wire. The session is its caller's. */
export class RemoteUndo implements UndoEnd {
  readonly #session: Session
  readonly #workshop: Workshop
  readonly #run: string
  #as: string | undefined

  private constructor(session: Session, workshop: Workshop, run: string) {
    this.#session = session
    this.#workshop = workshop
    this.#run = run
  }

  static async open(
    session: Session,
    workshop: Workshop,
    place: { readonly share: string; readonly sub: string },
    { run, job }: UndoRequest,
  ): Promise<RemoteUndo> {
    await call(session, 'undo', { ...place, run, job: Buffer.from(job, 'hex') })
    return new RemoteUndo(session, workshop, run)
  }

  async look(): ReturnType<UndoEnd['look']> {
    const { names, found } = await call(this.#session, 'undoLook', {})
    return { names, found: found as UndoFound | undefined }
  }

  async list(): Promise<UndoPart | undefined> {
    const { page } = await call(this.#session, 'undoList', {})
    return page && { moves: checkedMoves(page.moves), sections: sectionsOf(page.sections) }
  }

  async begin(as: string): Promise<void> {
    await call(this.#session, 'undoBegin', { as })
    this.#as = as
  }

  async carry(stop: boolean): Promise<UndoSlice> {
    const { phase, steps, moved, sections, done } = await call(this.#session, 'undoCarry', { stop })
    const part = { moves: checkedMoves(moved), sections: sections === undefined ? [] : sectionsOf(sections) }
    // The other machine's log has it too; this one is asked here.
    for (const { action, directory, names, from } of undoLines(part)) {
      const fields = { runId: this.#as, undoes: this.#run, directory, names: names.join('/'), count: names.length }
      this.#workshop.log.note(action, { ...fields, from })
    }
    const known = phase === 'stage' ? 'stage' : 'apply'
    if (done === undefined) return { phase: known, steps, part, ended: undefined }
    const { problems, problemCount, isBegun, isStopped, ...counts } = done
    const ended = { problemCount, isBegun, isStopped, problems: checkedProblems(problems) }
    return { phase: known, steps, part, ended: { ...ended, counts: { ...counts, copied: 0 } } }
  }

  async close(): Promise<void> {
    this.#session.close()
  }
}
