// The steps of a batch on their way into a target, and what is known of each: what was seen at its name, whether it is
// written, what went wrong. Held by number, not as objects: tens of thousands wait for their names at a time. A step is
// shown as a `StagedStep`, which is made when it is asked for and holds nothing.

import { wantsHardLinks } from '../core/attributes.ts'
import { BatchIndex } from '../core/batch-index.ts'
import { DigestTable } from '../core/digests.ts'
import type { Entry, Kind } from '../core/entry.ts'
import { joinPath, type RelPath } from '../core/path.ts'
import { type Action, bringsContent, type SectionHead, type Step } from '../core/plan.ts'
import type { Problem, ProblemCode } from '../core/problem.ts'
import { statWidth } from '../core/stat.ts'
import { present } from '../std/assert.ts'
import { utf8 } from '../std/bytes.ts'
import { randomName } from '../std/random.ts'
import type { WantedDirectory } from './wants.ts'

/** A file of the target that has a wanted content. */
export type Donor = {
  readonly directory: RelPath
  readonly name: Uint8Array
  readonly stats: Uint32Array
  /** The file itself moves here: its inode is taken, and its old name goes later. */
  readonly moves: boolean
  /** The same, but its old name stays: this is a further one. */
  readonly links?: true
  /** The content's digest, by the source's word. */
  readonly digest: Uint8Array | undefined
  /** The handle that `directory` is below, where that is not the root: an old version. Its content is taken as it is. */
  readonly store?: number
}

/** What the tree knows about a step that touches something that is there, or takes content that is there. */
export type StepNote = {
  /** What the scan saw at this name. */
  readonly expected?: Uint32Array
  readonly donor?: Donor
  /** For a directory that goes: what the scan saw below it, as far as the rules show it. */
  readonly below?: readonly SeenDirectory[]
  /** The file only moved: its new name, which must have landed before the old one goes. */
  readonly movedTo?: RelPath
  /** Attributes are set although the file has so many names: the rules show them all. */
  readonly together?: number
  /** What is there has the content that comes, and stays where it can't become a further name of another file. */
  readonly isEqual?: true
  /** It was to become a further name of a file, and gets one of its own. */
  readonly isUnlinked?: true
  /** Nothing is done: the name is not as the driver thinks (`target-changed`), or it may not be. */
  readonly refused?: ProblemCode
}

export type SeenDirectory = {
  readonly path: RelPath
  readonly names: readonly Uint8Array[]
  readonly rows: Uint32Array
  /** For files that only moved, their new names. */
  readonly movedTo?: readonly (RelPath | undefined)[]
}

/** A staged batch as the writing worker gets it. Steps are numbered through all sections. */
export type LandingOrder = {
  readonly batch: number
  /** As `decodeBatch` let it pass. */
  readonly bytes: Uint8Array
  /** One byte a step: 1 where its content comes from the source. Wants are numbered in this order. */
  readonly wanted: Uint8Array
  readonly notes: ReadonlyMap<number, StepNote>
  readonly modeMask: number
  /** What is set besides modes and times, as a mask of core's attributes; and values for it, as `joinSets`. */
  readonly attributes?: number
  readonly extended?: Uint8Array
  /** Sync each file as it is written: for small runs. */
  readonly syncEach: boolean
  /** Names that are one file stay one. */
  readonly linksFiles?: boolean
  /** No file may have grown since the plan: what comes is counted. */
  readonly holdsSizes?: boolean
}

export type StagedSection = {
  readonly head: SectionHead
  /** Built aside under this name, to be renamed whole. */
  readonly build: Uint8Array | undefined
  readonly firstStep: number
  readonly endStep: number
}

type StepProblem = { readonly code: ProblemCode; readonly detail: string }

export class StagedBatch {
  readonly sections: readonly StagedSection[]
  readonly count: number
  /** The stat row of each step's inode as it was written. */
  readonly rows: Uint32Array
  /** Of the content that was written, by step; none for what has none. */
  readonly digests: DigestTable
  /** What the tree looks at of each entry, where none of that is set: as a mask of core's attributes. */
  readonly looked: number
  readonly #index: BatchIndex
  readonly #modeMask: number
  readonly #notes: ReadonlyMap<number, StepNote>
  /** Steps whose donor turned out to be none. */
  readonly #donorless = new Set<number>()
  readonly #problems = new Map<number, StepProblem>()
  /** What went wrong with steps that were done all the same, by path. */
  readonly #remarks = new Map<RelPath, StepProblem>()
  readonly #isWritten: Uint8Array
  /** What the names of its files in the staging directory begin with. */
  readonly #stem: string = `f${randomName()}`

  constructor({ bytes, notes, modeMask, linksFiles }: LandingOrder) {
    const index = new BatchIndex(bytes)
    this.#index = index
    this.#modeMask = modeMask
    this.looked = linksFiles === true ? wantsHardLinks : 0
    this.#notes = notes
    this.count = index.stepCount
    this.sections = index.sections.map(({ head, firstStep, endStep }) => ({
      head: { ...head, mode: head.mode & modeMask },
      build: head.state === 'new' ? utf8(`s${randomName()}`) : undefined,
      firstStep,
      endStep,
    }))
    this.rows = new Uint32Array(this.count * statWidth)
    this.digests = new DigestTable(this.count)
    this.#isWritten = new Uint8Array(this.count)
  }

  step(number: number): StagedStep {
    return new StagedStep(this, this.#index, number)
  }

  /** The steps of a section, or all, one by one. */
  *steps(from = 0, end: number = this.count): Generator<StagedStep, void, undefined> {
    for (let number = from; number < end; number++) yield this.step(number)
  }

  /** The section of a step; for steps in their order, the caller knows better. */
  sectionOf(number: number): StagedSection {
    let low = 0
    for (let high = this.sections.length - 1; low < high; ) {
      const middle = (low + high) >> 1
      if ((this.sections[middle] as StagedSection).endStep > number) high = middle
      else low = middle + 1
    }
    return this.sections[low] as StagedSection
  }

  /** Modes as far as the job carries them: no peer sets a bit that this root was not asked to hold. */
  masked(entry: Entry): Entry {
    const mode = entry.mode & this.#modeMask
    return mode === entry.mode ? entry : { ...entry, mode }
  }

  isWritten(number: number): boolean {
    return this.#isWritten[number] === 1
  }

  setWritten(number: number, isWritten: boolean): void {
    this.#isWritten[number] = isWritten ? 1 : 0
  }

  problem(number: number): StepProblem | undefined {
    return this.#problems.get(number)
  }

  setProblem(number: number, problem: StepProblem | undefined): void {
    if (problem === undefined) this.#problems.delete(number)
    else this.#problems.set(number, problem)
  }

  /** Notes what is missing of something that is brought all the same. */
  remark(path: RelPath, problem: StepProblem): void {
    this.#remarks.set(path, problem)
  }

  /** The named steps as wants, in their order. */
  namesOf(numbers: readonly number[]): WantedDirectory[] {
    const directories: { path: RelPath; names: string[] }[] = []
    for (const number of numbers) {
      const { section, name } = this.step(number)
      const { path } = section.head
      const last = directories.at(-1)
      if (last?.path === path) last.names.push(name)
      else directories.push({ path, names: [name] })
    }
    return directories
  }

  /** What went wrong: a path has one problem, that of its step before what is missing of it. */
  problems(): Problem[] {
    const failed = this.failed().map(({ path, problem }) => ({ path, ...present(problem, 'a failed step says why') }))
    const known = new Set<string>(failed.map(({ path }) => path))
    for (const [path, problem] of this.#remarks) if (!known.has(path)) failed.push({ path, ...problem })
    return failed
  }

  /** The steps that something went wrong with, in their order. */
  failed(): StagedStep[] {
    return [...this.#problems.keys()].sort((a, b) => a - b).map((number) => this.step(number))
  }

  note(number: number): StepNote | undefined {
    const note = this.#notes.get(number)
    if (note === undefined || !this.#donorless.has(number)) return note
    const { donor: _, ...rest } = note
    return rest
  }

  /** The steps whose file is a second name of one that moved, or of a version that comes back. */
  moved(): StagedStep[] {
    const isMoved = (donor: Donor | undefined): boolean => donor?.moves === true && donor.links !== true
    const numbers = [...this.#notes].flatMap(([number, { donor }]) => (isMoved(donor) ? [number] : []))
    return numbers.map((number) => this.step(number)).filter(({ kind, isWritten }) => kind === 'file' && isWritten)
  }

  dropDonor(number: number): void {
    this.#donorless.add(number)
  }

  /** The name in the staging directory of a step whose section is not built whole. */
  stagingName(number: number): string {
    return `${this.#stem}${number}`
  }
}

/** One step, as long as somebody looks at it. */
export class StagedStep {
  /** Its number through all sections, and that of its row in `rows`. */
  readonly number: number
  readonly #batch: StagedBatch
  readonly #index: BatchIndex
  #decoded: Step | undefined

  constructor(batch: StagedBatch, index: BatchIndex, number: number) {
    this.number = number
    this.#batch = batch
    this.#index = index
  }

  get action(): Action {
    return this.#index.action(this.number)
  }

  /** The kind of its entry. */
  get kind(): Kind {
    return this.#index.kind(this.number)
  }

  /** Whether it may need content. */
  get bringsContent(): boolean {
    return bringsContent(this.action, this.kind)
  }

  get name(): string {
    return this.#index.name(this.number)
  }

  /** The same as bytes: a view. */
  get nameBytes(): Uint8Array {
    return this.#index.nameBytes(this.number)
  }

  /** The entry as it shall be. */
  get entry(): Entry {
    return this.step.entry
  }

  get step(): Step {
    if (this.#decoded === undefined) {
      const step = this.#index.step(this.number)
      this.#decoded = { ...step, entry: this.#batch.masked(step.entry) }
    }
    return this.#decoded
  }

  get section(): StagedSection {
    return this.#batch.sectionOf(this.number)
  }

  get path(): RelPath {
    return joinPath(this.section.head.path, this.name)
  }

  get note(): StepNote | undefined {
    return this.#batch.note(this.number)
  }

  /** Its name in the staging directory (or its own name in a built directory), once written and verified. */
  get staged(): Uint8Array | undefined {
    return this.#batch.isWritten(this.number) ? this.stagingName : undefined
  }

  /** The name that it is written under. */
  get stagingName(): Uint8Array {
    return this.section.build === undefined ? utf8(this.#batch.stagingName(this.number)) : this.nameBytes.slice()
  }

  get isWritten(): boolean {
    return this.#batch.isWritten(this.number)
  }

  set isWritten(isWritten: boolean) {
    this.#batch.setWritten(this.number, isWritten)
  }

  get problem(): StepProblem | undefined {
    return this.#batch.problem(this.number)
  }

  set problem(problem: StepProblem | undefined) {
    this.#batch.setProblem(this.number, problem)
  }

  /** What was taken for its content is not: it has to come from the source. */
  dropDonor(): void {
    this.#batch.dropDonor(this.number)
  }
}
