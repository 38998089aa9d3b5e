// Lands a written batch: gives every staged thing its name, and takes away what goes. Each change looks at what is there
// immediately before and after: a name that is not as the scan saw it is left as it is, or put back, and reported.
// A path holds the complete old or the complete new version at every instant. What was displaced stays in the staging
// directory until the caller has synced, and is removed by `dropDisplaced` (aside.ts), which removes only what the scan saw.

import type { Own } from '../core/page.ts'
import { nameOf, parentOf } from '../core/path.ts'
import type { SectionHead } from '../core/plan.ts'
import type { ProblemCode } from '../core/problem.ts'
import { extraLinks, extraWidth, sameFile, statMode, statWidth, typeDirectory, typeMask } from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import { randomName } from '../std/random.ts'
import { hasLanded, holdsUnseen, keepAside, swapsNames } from './aside.ts'
import { builtDirectory } from './built.ts'
import { dressDirectory, renameAside, sameDirectory, setAttributes, unlockDirectory } from './directories.ts'
import type { Displacement } from './journal.ts'
import { type Landed, nothingLanded } from './landed.ts'
import type { Landing, TargetHandles } from './landing.ts'
import { setMovedModes } from './moved-mode.ts'
import { ownFacts } from './own.ts'
import { refusalCode } from './refusal.ts'
import { Parting, type Setter } from './second-names.ts'
import type { StagedSection, StagedStep } from './staged.ts'
import { cannotLink, errno, errnoName, type Sys } from './sys.ts'
import { type Inheritance, inherit, inheritanceOf } from './sys-inherit.ts'

/** A batch that is written and waits for its sync. `displacements` must be in the journal before `land` is called. */
export class Apply {
  readonly displacements: Displacement[] = []
  readonly #sys: Sys
  readonly #handles: TargetHandles
  readonly #landing: Landing
  readonly #slots = new Map<number, string>()
  readonly #row = new Uint32Array(statWidth)
  /** Of what was displaced last. */
  readonly #extras = new Uint32Array(extraWidth)
  readonly #nowMs: () => number
  #swaps: boolean | undefined
  readonly #parting: Parting
  /** What the directory that is worked in gives to new files. */
  #inheritance: Inheritance | undefined
  readonly #landed: Landed = nothingLanded()

  /** `parts`: a name that shares its inode is given one of its own before anything is set on it, a copy by `copying`. */
  constructor(
    sys: Sys,
    handles: TargetHandles,
    landing: Landing,
    nowMs: () => number,
    { parts = true, copying = sys }: { readonly parts?: boolean; readonly copying?: Sys } = {},
  ) {
    this.#nowMs = nowMs
    this.#sys = sys
    this.#parting = new Parting(sys, () => this.#swapsNames(), parts, copying)
    this.#handles = handles
    this.#landing = landing
    for (const staged of landing.batch.steps()) this.#planDisplacement(staged)
  }

  #planDisplacement(staged: StagedStep): void {
    const { action, number } = staged
    if (action !== 'replace' && action !== 'retype' && action !== 'delete') return
    const expected = staged.note?.expected
    if (staged.problem !== undefined || expected === undefined) return
    const exchanges = action === 'replace' && staged.isWritten && this.#swapsNames()
    const slot = exchanges ? new TextDecoder().decode(staged.staged) : `d${randomName()}`
    this.#slots.set(number, slot)
    this.displacements.push({
      slot,
      path: staged.path,
      expected: [...expected],
      staged: exchanges
        ? [...this.#landing.batch.rows.subarray(number * statWidth, (number + 1) * statWidth)]
        : undefined,
    })
  }

  #swapsNames(): boolean {
    this.#swaps ??= swapsNames(this.#sys, this.#handles.staging)
    return this.#swaps
  }

  /** Gives and takes names. `shared`: inodes that other batches took a name from. */
  land(shared: readonly string[] = []): Landed {
    const { batch, syncEach } = this.#landing
    this.#parting.learn(shared)
    setMovedModes(this.#sys, this.#handles.staging, batch, syncEach)
    for (const section of batch.sections) this.#landSection(section)
    this.#landed.problems.push(...this.#landing.batch.problems())
    return { ...this.#landed, shared: this.#parting.shared }
  }

  #landSection(section: StagedSection): void {
    const { head } = section
    const made = head.state === 'new' ? this.#landDirectory(section) : 'present'
    if (made === 'whole' || made === 'refused') return
    const directory = this.#sys.openDirectory(this.#handles.root, utf8(head.path))
    if (directory < 0) {
      this.#failSteps(section, directory)
      return
    }
    const name = section.build as Uint8Array
    const build = made === 'present' ? -1 : this.#sys.openDirectory(this.#handles.staging, name)
    const lock = unlockDirectory(this.#sys, directory)
    this.#inheritance =
      section.endStep > section.firstStep ? inheritanceOf(this.#sys, directory, this.#landing.wardrobe.mask) : undefined
    for (const staged of this.#stepsIn(section)) {
      this.#landStep(staged, directory, build >= 0 ? build : this.#handles.staging)
    }
    if (build >= 0) this.#sys.close(build)
    if (made !== 'present') this.#sys.removeDirectory(this.#handles.staging, name)
    lock?.()
    if (made === 'made' || (head.state === 'retype' && this.#landing.wardrobe.mask !== 0))
      this.#dressDirectory(directory, head)
    this.#sys.close(directory)
    if (section.endStep > section.firstStep) this.#landed.touched.add(head.path)
  }

  #failSteps(section: StagedSection, code: number): void {
    const problem = { code: refusalCode(code), detail: errnoName(code) } as const
    if (section.firstStep === section.endStep) this.#landed.problems.push({ path: section.head.path, ...problem })
    for (const staged of this.#stepsIn(section)) staged.problem ??= problem
  }

  #stepsIn({ firstStep, endStep }: StagedSection): Iterable<StagedStep> {
    return this.#landing.batch.steps(firstStep, endStep)
  }

  /** Lands a new directory: whole with its files where nothing is in the way, else it is merged into what is there. */
  #landDirectory(section: StagedSection): 'whole' | 'made' | 'merge' | 'refused' {
    const { head } = section
    const sys = this.#sys
    const parent = sys.openDirectory(this.#handles.root, utf8(parentOf(head.path)))
    if (parent < 0) {
      this.#failSteps(section, parent)
      return 'refused'
    }
    const name = utf8(nameOf(head.path))
    const lock = unlockDirectory(sys, parent)
    try {
      const build = section.build as Uint8Array
      const own = this.#dress(build, head)
      if (typeof own === 'number') {
        this.#failSteps(section, own)
        return 'refused'
      }
      // What was built elsewhere has not what this parent gives: there it is made in place.
      const gives = inheritanceOf(sys, parent, this.#landing.wardrobe.mask) !== undefined
      const landed = gives ? -errno.EXDEV : sys.renameNoReplace(this.#handles.staging, build, parent, name)
      this.#landed.touched.add(parentOf(head.path))
      if (landed === 0) {
        this.#countBuilt(section, own)
        return 'whole'
      }
      // Someone made it meanwhile (a merge), or this file system or mount wants its files one by one.
      const there = landed === -errno.EEXIST ? landed : sys.makeDirectory(parent, name, head.mode | 0o700)
      if (there < 0 && there !== -errno.EEXIST) {
        this.#failSteps(section, there)
        return 'refused'
      }
      if (there === 0) this.#landed.counts.created++
      return there === 0 ? 'made' : 'merge'
    } finally {
      lock?.()
      sys.close(parent)
    }
  }

  /** A built directory gets its mode and time before its name; one that others will be put into gets them again at the end. */
  #dress(build: Uint8Array, head: SectionHead): Own | number {
    const handle = this.#sys.openDirectory(this.#handles.staging, build)
    if (handle < 0) return handle
    this.#dressDirectory(handle, head)
    const own = ownFacts(this.#sys, handle)
    if (this.#landing.syncEach) this.#sys.syncHandle(handle)
    this.#sys.close(handle)
    return own
  }

  #dressDirectory(handle: number, head: SectionHead): void {
    this.#landing.lacks(head.path, dressDirectory(this.#sys, handle, head, this.#landing.wardrobe))
  }

  /** What landed whole needs no look, unless attributes count: what of these the file system took is read back. */
  #countBuilt(section: StagedSection, own: Own): void {
    const { batch, wardrobe } = this.#landing
    this.#landed.counts.created++
    if (wardrobe.mask === 0) this.#landed.built.push(...builtDirectory(batch, section, own, this.#nowMs()))
    else this.#landed.touched.add(section.head.path)
    for (const staged of this.#stepsIn(section)) {
      if (!staged.isWritten) continue
      this.#landed.counts.created++
      const digest = wardrobe.mask === 0 ? undefined : batch.digests.get(staged.number)
      if (digest !== undefined) this.#learn(staged, staged.nameBytes, digest)
    }
  }

  #landStep(staged: StagedStep, directory: number, from: number): void {
    if (staged.problem !== undefined) return
    const name = staged.nameBytes
    this.#act(staged.number, staged, directory, name, from)
    const digest = this.#landing.batch.digests.get(staged.number)
    if (staged.problem !== undefined) this.#discard(staged, from)
    else if (digest !== undefined) this.#learn(staged, name, digest)
  }

  /** Removes what was staged for a step that was refused, if it is still ours. */
  #discard(staged: StagedStep, from: number): void {
    const { staged: name } = staged
    if (name === undefined || this.#sys.stat(from, name, this.#row, 0) < 0) return
    if (this.#isOurs(staged)) this.#sys.unlink(from, name)
  }

  /** Whether the row just taken is of what we staged. */
  #isOurs(staged: StagedStep): boolean {
    return sameFile(this.#row, 0, this.#landing.batch.rows, staged.number * statWidth)
  }

  #learn(staged: StagedStep, name: Uint8Array, digest: Uint8Array): void {
    const { section } = staged
    const stats = this.#landing.batch.rows.subarray(staged.number * statWidth, (staged.number + 1) * statWidth)
    this.#landed.learned.add({ directory: section.head.path, name, stats, digest })
  }

  #act(number: number, staged: StagedStep, directory: number, name: Uint8Array, from: number): void {
    switch (staged.action) {
      case 'create':
        return this.#create(staged, directory, name, from)
      case 'replace':
        return this.#replace(number, staged, directory, name, from)
      case 'retype':
        return this.#retype(number, staged, directory, name, from)
      case 'attributes':
        return this.#setAttributes(staged, directory, name)
      case 'delete':
        return this.#delete(number, staged, directory, name)
    }
  }

  #refuse(staged: StagedStep, code: ProblemCode | number): void {
    staged.problem =
      typeof code === 'number' ? { code: refusalCode(code), detail: errnoName(code) } : { code, detail: '' }
  }

  #create(staged: StagedStep, directory: number, name: Uint8Array, from: number): void {
    const { staged: stagedName } = staged
    if (stagedName === undefined) return this.#refuse(staged, 'changing')
    this.#inherit(staged, from, stagedName)
    const code = this.#sys.renameNoReplace(from, stagedName, directory, name)
    if (code === 0) this.#landed.counts.created++
    else this.#refuse(staged, code)
  }

  /** A file made here would have had the directory's group and ACL; the one that was written aside is given them. */
  #inherit(staged: StagedStep, from: number, name: Uint8Array): void {
    if (this.#inheritance === undefined || staged.kind !== 'file' || staged.note?.donor?.moves === true) return
    const mode = this.#landing.batch.rows[staged.number * statWidth + statMode] as number
    inherit(this.#sys, from, name, this.#inheritance, { mode: mode & 0o7777, sync: this.#landing.syncEach })
  }

  /** Whether `name` is, to the last bit of its signature, what the scan saw. */
  #isAsSeen(staged: StagedStep, directory: number, name: Uint8Array): boolean {
    return this.#sys.stat(directory, name, this.#row, 0) === 0 && this.#rowAsSeen(staged)
  }

  #rowAsSeen(staged: StagedStep): boolean {
    const expected = staged.note?.expected
    if (expected === undefined) return false
    if (((expected[statMode] as number) & typeMask) === typeDirectory) return sameDirectory(this.#row, expected)
    return this.#parting.isAsSeen(this.#row, expected)
  }

  #replace(number: number, staged: StagedStep, directory: number, name: Uint8Array, from: number): void {
    const slot = this.#slots.get(number)
    const stagedName = staged.staged
    if (slot === undefined || stagedName === undefined) return this.#refuse(staged, 'changing')
    if (!this.#isAsSeen(staged, directory, name)) return this.#refuse(staged, 'target-changed')
    this.#inherit(staged, from, stagedName)
    const code = this.#swapsNames()
      ? this.#sys.exchange(from, stagedName, directory, name)
      : this.#replaceByLink(staged, stagedName, directory, name, from, utf8(slot))
    if (code < 0) return this.#refuse(staged, code)
    // RACE: what was displaced may be newer than the look above. It is in our hands now: look again.
    if (!this.#displacedAsSeen(staged, utf8(slot))) {
      this.#undoReplace(staged, stagedName, directory, name, from, utf8(slot))
      return this.#refuse(staged, 'target-changed')
    }
    this.#setAside(staged, slot)
    this.#landed.counts.replaced++
  }

  /** Without EXCHANGE: a second name keeps the old version, then the new one is renamed over. Threats.md names the window. */
  #replaceByLink(
    staged: StagedStep,
    stagedName: Uint8Array,
    directory: number,
    name: Uint8Array,
    from: number,
    slot: Uint8Array,
  ): number {
    const linked = this.#sys.link(directory, name, this.#handles.staging, slot)
    if (cannotLink(linked)) return this.#replaceByMove(staged, stagedName, directory, name, from, slot)
    if (linked < 0) return linked
    const code = this.#displacedAsSeen(staged, slot)
      ? this.#sys.renameOver(from, stagedName, directory, name)
      : -errno.EEXIST
    if (code < 0) this.#sys.unlink(this.#handles.staging, slot)
    return code
  }

  /** Without second names either: for a moment the name is free, and the journal knows what belongs there. */
  #replaceByMove(
    staged: StagedStep,
    stagedName: Uint8Array,
    directory: number,
    name: Uint8Array,
    from: number,
    slot: Uint8Array,
  ): number {
    const moved = this.#sys.renameNoReplace(directory, name, this.#handles.staging, slot)
    if (moved < 0) return moved
    const code = this.#displacedAsSeen(staged, slot)
      ? this.#sys.renameNoReplace(from, stagedName, directory, name)
      : -errno.EEXIST
    if (code < 0) this.#goBack(staged, slot, directory, name)
    return code
  }

  /** Puts the displaced version back in the place of ours. What is in the way then is a person's, and is kept. */
  #undoReplace(
    staged: StagedStep,
    stagedName: Uint8Array,
    directory: number,
    name: Uint8Array,
    from: number,
    slot: Uint8Array,
  ): void {
    const sys = this.#sys
    const { staging } = this.#handles
    if (this.#swapsNames()) sys.exchange(from, stagedName, directory, name)
    else if (sys.stat(directory, name, this.#row, 0) === 0 && this.#isOurs(staged)) {
      sys.renameOver(staging, slot, directory, name)
    }
    if (sys.stat(staging, slot, this.#row, 0) === 0 && !this.#isOurs(staged)) {
      keepAside(sys, staging, slot, staged.path)
    }
  }

  #displacedAsSeen(staged: StagedStep, slot: Uint8Array): boolean {
    const expected = staged.note?.expected
    const { staging } = this.#handles
    if (expected === undefined || this.#sys.stat(staging, slot, this.#row, 0, this.#extras) < 0) return false
    if (((expected[statMode] as number) & typeMask) === typeDirectory) return sameDirectory(this.#row, expected)
    return sameFile(this.#row, 0, expected, 0)
  }

  #setAside(staged: StagedStep, slot: string): void {
    const { expected = new Uint32Array(statWidth), below, movedTo } = staged.note ?? {}
    const isDeleted = staged.action === 'delete'
    this.#parting.leave(expected, below === undefined ? (this.#extras[extraLinks] as number) : 1)
    this.#landed.displaced.push({ slot, path: staged.path, expected, below, movedTo, isDeleted })
  }

  /** Moves `name` aside after looking at it, looks at what was moved, and puts back what is not what the scan saw. */
  #moveAside(slot: string, staged: StagedStep, directory: number, name: Uint8Array): boolean {
    if (!this.#isAsSeen(staged, directory, name)) {
      this.#refuse(staged, 'target-changed')
      return false
    }
    const { staging } = this.#handles
    const isDirectory = staged.note?.below !== undefined
    const code = renameAside(this.#sys, { directory, name, staging }, utf8(slot), isDirectory)
    if (code < 0) {
      this.#refuse(staged, code)
      return false
    }
    if (this.#displacedAsSeen(staged, utf8(slot))) return true
    this.#goBack(staged, utf8(slot), directory, name)
    this.#refuse(staged, 'target-changed')
    return false
  }

  /** What was moved aside gets its name back; where someone took that meanwhile, it is kept. */
  #goBack(staged: StagedStep, slot: Uint8Array, directory: number, name: Uint8Array): void {
    if (this.#sys.renameNoReplace(this.#handles.staging, slot, directory, name) === 0) return
    keepAside(this.#sys, this.#handles.staging, slot, staged.path)
  }

  #retype(number: number, staged: StagedStep, directory: number, name: Uint8Array, from: number): void {
    const { kind } = staged
    if (kind !== 'directory' && staged.staged === undefined) return this.#refuse(staged, 'changing')
    const slot = this.#slots.get(number)
    if (slot === undefined) return this.#refuse(staged, 'target-changed')
    if (!this.#moveAside(slot, staged, directory, name)) return
    const below = staged.note?.below
    this.#parting.forgive(below ?? [])
    // A directory whose name something else takes can't get back what was not seen in it: then it stays what it is.
    if (below !== undefined && holdsUnseen(this.#sys, this.#handles.staging, slot, staged.path, below)) {
      this.#goBack(staged, utf8(slot), directory, name)
      return this.#refuse(staged, 'not-empty')
    }
    const code =
      kind === 'directory'
        ? this.#sys.makeDirectory(directory, name, staged.entry.mode | 0o700)
        : this.#sys.renameNoReplace(from, staged.staged as Uint8Array, directory, name)
    if (code < 0) {
      this.#goBack(staged, utf8(slot), directory, name)
      return this.#refuse(staged, code)
    }
    this.#setAside(staged, slot)
    if (below !== undefined) this.#landed.removed.push(staged.path)
    this.#landed.counts.replaced++
  }

  #delete(number: number, staged: StagedStep, directory: number, name: Uint8Array): void {
    const { expected, movedTo } = staged.note ?? {}
    if (expected !== undefined && !hasLanded(this.#sys, this.#handles.root, movedTo, expected)) {
      return this.#refuse(staged, 'changing')
    }
    const slot = this.#slots.get(number)
    if (slot === undefined) return this.#refuse(staged, 'target-changed')
    if (!this.#moveAside(slot, staged, directory, name)) return
    this.#parting.forgive(staged.note?.below ?? [])
    this.#setAside(staged, slot)
    const isDirectory = staged.note?.below !== undefined
    if (isDirectory) this.#landed.removed.push(staged.path)
    // The old name of a file that moved is no deletion.
    if (isDirectory || movedTo === undefined) this.#landed.counts.deleted++
  }

  #setAttributes(staged: StagedStep, directory: number, name: Uint8Array): void {
    const [sys, { staging }, expected] = [this.#sys, this.#handles, staged.note?.expected]
    const { syncEach: sync, wardrobe } = this.#landing
    const lacks = (code: number): void => this.#landing.lacks(staged.path, code)
    const set: Setter = (isSeen) => setAttributes(sys, directory, name, staged.entry, isSeen, { sync, wardrobe, lacks })
    if (expected === undefined || !this.#isAsSeen(staged, directory, name))
      return this.#refuse(staged, 'target-changed')
    const code =
      staged.kind === 'file'
        ? this.#parting.set({ directory, name, staging }, expected, set, staged.note?.together)
        : set((handle) => sys.statHandle(handle, this.#row, 0) === 0 && this.#rowAsSeen(staged))
    if (code < 0) this.#refuse(staged, code)
    else this.#landed.counts.attributes++
  }
}
