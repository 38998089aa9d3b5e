// Lands a written batch: gives every staged thing its name, and takes away what goes. Each change looks at what is there
// immediately before and after: a name that is not as the scan saw it is left as it is, or put back, and reported.
// A path holds the complete old or the complete new version at every instant. What was displaced stays in the staging
// directory until the caller has synced, and is removed by `dropDisplaced`, which removes only what the scan saw.

import { joinPath, nameOf, parentOf, type RelPath } from '../core/path.ts'
import type { Section } from '../core/plan.ts'
import type { Problem, ProblemCode } from '../core/problem.ts'
import type { Own } from '../core/record.ts'
import { isAsSeen, isCtimeForgotten, sameFile, statMode, statWidth, typeDirectory, typeMask } from '../core/stat.ts'
import type { StoredDirectory } from '../core/tree.ts'
import { utf8 } from '../std/bytes.ts'
import { randomName } from '../std/random.ts'
import { builtDirectory } from './built.ts'
import type { Displacement } from './journal.ts'
import { type Landing, refusalCode, type SeenDirectory, type StagedSection, type StagedStep, type TargetHandles } from './landing.ts'
import { LearnedWriter } from './learned.ts'
import { ownFacts } from './own.ts'
import { EntryTable, errno, errnoName, type Sys } from './sys.ts'

export type LandCounts = {
  created: number
  replaced: number
  attributes: number
  deleted: number
}

export type Landed = {
  readonly counts: LandCounts
  readonly problems: Problem[]
  /** Directories whose entries changed; to be looked at again, and synced in a small run. */
  readonly touched: Set<RelPath>
  /** Directories that landed whole, as they are now. */
  readonly built: StoredDirectory[]
  /** Digests of what landed in other directories. */
  readonly learned: LearnedWriter
  /** Whole directories that are gone. */
  readonly removed: RelPath[]
  /** What lies displaced in the staging directory. */
  readonly displaced: Displaced[]
}

/** Something that lies in the staging directory, by what the scan saw of it. */
export type Displaced = {
  readonly slot: string
  readonly path: RelPath
  readonly below: readonly SeenDirectory[] | undefined
}

/** A batch that is written and waits for its sync. `displacements` must be in the journal before `land` is called. */
export class Apply {
  readonly displacements: Displacement[] = []
  readonly #sys: Sys
  readonly #handles: TargetHandles
  readonly #landing: Landing
  readonly #slots = new Map<number, string>()
  readonly #row = new Uint32Array(statWidth)
  readonly #nowMs: () => number
  readonly #landed: Landed = {
    counts: { created: 0, replaced: 0, attributes: 0, deleted: 0 },
    problems: [],
    touched: new Set(),
    built: [],
    learned: new LearnedWriter(),
    removed: [],
    displaced: [],
  }

  constructor(sys: Sys, handles: TargetHandles, landing: Landing, nowMs: () => number) {
    this.#nowMs = nowMs
    this.#sys = sys
    this.#handles = handles
    this.#landing = landing
    for (let number = 0; number < landing.steps.length; number++) this.#planDisplacement(number)
  }

  #planDisplacement(number: number): void {
    const staged = this.#landing.steps[number] as StagedStep
    const { action } = staged.step
    const expected = staged.note?.expected
    if (staged.problem !== undefined || expected === undefined) return
    if (action !== 'replace' && action !== 'retype' && action !== 'delete') return
    const exchanges = action === 'replace' && this.#sys.exactRenames && staged.staged !== undefined
    const slot = exchanges ? new TextDecoder().decode(staged.staged) : `d${randomName()}`
    this.#slots.set(number, slot)
    this.displacements.push({
      slot,
      path: this.#pathOf(staged),
      expected: [...expected],
      staged: exchanges ? [...this.#landing.rows.subarray(number * statWidth, (number + 1) * statWidth)] : undefined,
    })
  }

  #pathOf(staged: StagedStep): RelPath {
    const section = this.#landing.sections[staged.section] as StagedSection
    return joinPath(section.head.path, staged.step.entry.name)
  }

  /** Gives names and takes names away. */
  land(): Landed {
    for (const section of this.#landing.sections) this.#landSection(section)
    this.#landed.problems.push(...this.#landing.problems())
    return this.#landed
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
    const build = made === 'merge' ? this.#sys.openDirectory(this.#handles.staging, section.build as Uint8Array) : -1
    for (let number = section.firstStep; number < section.endStep; number++) {
      this.#landStep(number, directory, build >= 0 ? build : this.#handles.staging)
    }
    if (build >= 0) {
      this.#sys.close(build)
      this.#sys.removeDirectory(this.#handles.staging, section.build as Uint8Array)
    }
    this.#sys.close(directory)
    if (section.endStep > section.firstStep) this.#landed.touched.add(head.path)
  }

  #failSteps(section: StagedSection, code: number): void {
    const problem = { code: refusalCode(code), detail: errnoName(code) } as const
    if (section.firstStep === section.endStep) this.#landed.problems.push({ path: section.head.path, ...problem })
    for (let number = section.firstStep; number < section.endStep; number++) {
      const staged = this.#landing.steps[number] as StagedStep
      staged.problem ??= problem
    }
  }

  /** Lands a new directory: whole with its files where nothing is in the way, else it is merged into what is there. */
  #landDirectory(section: StagedSection): 'whole' | 'merge' | 'present' | 'refused' {
    const { head } = section
    const sys = this.#sys
    const parent = sys.openDirectory(this.#handles.root, utf8(parentOf(head.path)))
    if (parent < 0) {
      this.#failSteps(section, parent)
      return 'refused'
    }
    const name = utf8(nameOf(head.path))
    try {
      const own = section.build === undefined ? undefined : this.#dress(section.build, head)
      const landed =
        section.build === undefined
          ? sys.makeDirectory(parent, name, head.mode | 0o700)
          : sys.renameNoReplace(this.#handles.staging, section.build, parent, name)
      this.#landed.touched.add(parentOf(head.path))
      if (landed === 0 && own !== undefined) {
        this.#countBuilt(section, own)
        return 'whole'
      }
      if (landed === 0) {
        this.#landed.counts.created++
        this.#landed.touched.add(head.path)
        return 'present'
      }
      // Someone made it meanwhile (a merge), or this file system or mount wants its files one by one.
      const there = landed === -errno.EEXIST ? landed : sys.makeDirectory(parent, name, head.mode | 0o700)
      if (there < 0 && there !== -errno.EEXIST) {
        this.#failSteps(section, there)
        return 'refused'
      }
      return section.build === undefined ? 'present' : 'merge'
    } finally {
      sys.close(parent)
    }
  }

  /** A built directory gets its mode and time before its name; one that others will be put into gets them again at the end. */
  #dress(build: Uint8Array, head: Section): Own | undefined {
    const handle = this.#sys.openDirectory(this.#handles.staging, build)
    if (handle < 0) return undefined
    if ((head.mode & 0o300) === 0o300) this.#sys.setMode(handle, head.mode)
    this.#sys.setTimes(handle, head.mtimeSeconds, head.mtimeNs)
    const own = ownFacts(this.#sys, handle)
    if (this.#landing.syncEach) this.#sys.syncHandle(handle)
    this.#sys.close(handle)
    return own
  }

  #countBuilt(section: StagedSection, own: Own): void {
    this.#landed.counts.created++
    this.#landed.built.push(builtDirectory(this.#landing, section, own, this.#nowMs()))
    for (let number = section.firstStep; number < section.endStep; number++) {
      if ((this.#landing.steps[number] as StagedStep).staged !== undefined) this.#landed.counts.created++
    }
  }

  #landStep(number: number, directory: number, from: number): void {
    const staged = this.#landing.steps[number] as StagedStep
    if (staged.problem !== undefined) return
    const name = utf8(staged.step.entry.name)
    this.#act(number, staged, directory, name, from)
    if (staged.problem === undefined && staged.digest !== undefined) this.#learn(staged, name, staged.digest)
  }

  #learn(staged: StagedStep, name: Uint8Array, digest: Uint8Array): void {
    const section = this.#landing.sections[staged.section] as StagedSection
    const stats = this.#landing.rows.subarray(staged.number * statWidth, (staged.number + 1) * statWidth)
    this.#landed.learned.add({ directory: section.head.path, name, stats, digest })
  }

  #act(number: number, staged: StagedStep, directory: number, name: Uint8Array, from: number): void {
    switch (staged.step.action) {
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

  #refuse(staged: StagedStep, code: ProblemCode, detail = ''): void {
    staged.problem = { code, detail }
  }

  #create(staged: StagedStep, directory: number, name: Uint8Array, from: number): void {
    if (staged.staged === undefined) return this.#refuse(staged, 'changing')
    const code = this.#sys.renameNoReplace(from, staged.staged, directory, name)
    if (code === 0) {
      this.#landed.counts.created++
      return
    }
    this.#sys.unlink(from, staged.staged)
    if (code === -errno.EEXIST) this.#refuse(staged, 'target-changed', 'appeared')
    else this.#refuse(staged, refusalCode(code), errnoName(code))
  }

  /** Whether `name` is, to the last bit of its signature, what the scan saw. */
  #isAsSeen(staged: StagedStep, directory: number, name: Uint8Array): boolean {
    const expected = staged.note?.expected
    if (expected === undefined || this.#sys.stat(directory, name, this.#row, 0) < 0) return false
    if (((expected[statMode] as number) & typeMask) === typeDirectory) return sameDirectory(this.#row, expected)
    return isAsSeen(this.#row, 0, expected, 0)
  }

  #replace(number: number, staged: StagedStep, directory: number, name: Uint8Array, from: number): void {
    const slot = this.#slots.get(number)
    const stagedName = staged.staged
    if (slot === undefined || stagedName === undefined) return this.#refuse(staged, 'changing')
    if (!this.#isAsSeen(staged, directory, name)) return this.#refuse(staged, 'target-changed')
    const code = this.#sys.exactRenames
      ? this.#sys.exchange(from, stagedName, directory, name)
      : this.#replaceByLink(staged, stagedName, directory, name, from, utf8(slot))
    if (code < 0) {
      if (code === -errno.EAGAIN) return this.#refuse(staged, 'target-changed')
      return this.#refuse(staged, refusalCode(code), errnoName(code))
    }
    // RACE: what was displaced may be newer than the look above. It is in our hands now: look again.
    if (!this.#displacedAsSeen(staged, utf8(slot))) {
      if (this.#sys.exactRenames) this.#sys.exchange(from, stagedName, directory, name)
      return this.#refuse(staged, 'target-changed')
    }
    this.#landed.displaced.push({ slot, path: this.#pathOf(staged), below: undefined })
    this.#landed.counts.replaced++
  }

  /** Without EXCHANGE: a second name keeps the old version, then the new one is renamed over. Threats.md names the window. */
  #replaceByLink(staged: StagedStep, stagedName: Uint8Array, directory: number, name: Uint8Array, from: number, slot: Uint8Array): number {
    const linked = this.#sys.link(directory, name, this.#handles.staging, slot)
    if (linked < 0) return linked
    if (!this.#displacedAsSeen(staged, slot)) {
      this.#sys.unlink(this.#handles.staging, slot)
      return -errno.EAGAIN
    }
    return this.#sys.renameOver(from, stagedName, directory, name)
  }

  #displacedAsSeen(staged: StagedStep, slot: Uint8Array): boolean {
    const expected = staged.note?.expected
    if (expected === undefined || this.#sys.stat(this.#handles.staging, slot, this.#row, 0) < 0) return false
    if (((expected[statMode] as number) & typeMask) === typeDirectory) return sameDirectory(this.#row, expected)
    return sameFile(this.#row, 0, expected, 0)
  }

  /** Moves `name` aside after looking at it, looks at what was moved, and puts back what is not what the scan saw. */
  #moveAside(number: number, staged: StagedStep, directory: number, name: Uint8Array): boolean {
    const slot = this.#slots.get(number)
    if (slot === undefined || !this.#isAsSeen(staged, directory, name)) {
      this.#refuse(staged, 'target-changed')
      return false
    }
    const slotName = utf8(slot)
    const code = this.#sys.renameNoReplace(directory, name, this.#handles.staging, slotName)
    if (code < 0) {
      this.#refuse(staged, refusalCode(code), errnoName(code))
      return false
    }
    if (!this.#displacedAsSeen(staged, slotName)) {
      this.#sys.renameNoReplace(this.#handles.staging, slotName, directory, name)
      this.#refuse(staged, 'target-changed')
      return false
    }
    this.#landed.displaced.push({ slot, path: this.#pathOf(staged), below: staged.note?.below })
    if (staged.note?.below !== undefined) this.#landed.removed.push(this.#pathOf(staged))
    return true
  }

  #retype(number: number, staged: StagedStep, directory: number, name: Uint8Array, from: number): void {
    const { kind } = staged.step.entry
    if (kind !== 'directory' && staged.staged === undefined) return this.#refuse(staged, 'changing')
    if (!this.#moveAside(number, staged, directory, name)) return
    const code =
      kind === 'directory'
        ? this.#sys.makeDirectory(directory, name, staged.step.entry.mode | 0o700)
        : this.#sys.renameNoReplace(from, staged.staged as Uint8Array, directory, name)
    if (code === 0) {
      this.#landed.counts.replaced++
      return
    }
    // What was there goes back, unless someone took the name meanwhile; then it stays aside until dropDisplaced looks.
    const displaced = this.#landed.displaced.pop()
    if (displaced !== undefined) this.#sys.renameNoReplace(this.#handles.staging, utf8(displaced.slot), directory, name)
    this.#refuse(staged, refusalCode(code), errnoName(code))
  }

  #delete(number: number, staged: StagedStep, directory: number, name: Uint8Array): void {
    if (!this.#moveAside(number, staged, directory, name)) return
    // The old name of a file that moved is no deletion.
    if (!isCtimeForgotten(staged.note?.expected)) this.#landed.counts.deleted++
  }

  #setAttributes(staged: StagedStep, directory: number, name: Uint8Array): void {
    if (!this.#isAsSeen(staged, directory, name)) return this.#refuse(staged, 'target-changed')
    const { entry } = staged.step
    const sys = this.#sys
    let code: number
    if (entry.kind === 'symlink') code = sys.setTimesAt(directory, name, entry.mtimeSeconds, entry.mtimeNs)
    else {
      const handle = entry.kind === 'directory' ? sys.openDirectory(directory, name) : sys.openFile(directory, name)
      code = handle
      if (handle >= 0) {
        code = sys.setMode(handle, entry.mode)
        if (code === 0 && entry.kind === 'file') code = sys.setTimes(handle, entry.mtimeSeconds, entry.mtimeNs)
        sys.close(handle)
      }
    }
    if (code < 0) this.#refuse(staged, refusalCode(code), errnoName(code))
    else this.#landed.counts.attributes++
  }
}

/** A directory's times change with its entries; its identity is its inode. What is in it is looked at when it is dropped. */
function sameDirectory(row: Uint32Array, expected: Uint32Array): boolean {
  const isDirectory = ((row[statMode] as number) & typeMask) === typeDirectory
  return isDirectory && row[1] === expected[1] && row[2] === expected[2]
}

/** Renames a directory within the root. The new name must be free; the directory must be the one that was seen. */
export function renameDirectory(sys: Sys, root: number, from: RelPath, to: RelPath, seen: Uint32Array): ProblemCode | undefined {
  const fromParent = sys.openDirectory(root, utf8(parentOf(from)))
  const toParent = sys.openDirectory(root, utf8(parentOf(to)))
  const row = new Uint32Array(statWidth)
  try {
    if (fromParent < 0 || toParent < 0) return 'target-changed'
    if (sys.stat(fromParent, utf8(nameOf(from)), row, 0) < 0 || !sameDirectory(row, seen)) return 'target-changed'
    const code = sys.renameNoReplace(fromParent, utf8(nameOf(from)), toParent, utf8(nameOf(to)))
    if (code === -errno.EEXIST) return 'target-changed'
    return code < 0 ? refusalCode(code) : undefined
  } finally {
    if (fromParent >= 0) sys.close(fromParent)
    if (toParent >= 0) sys.close(toParent)
  }
}

/** Sets a directory's own mode and time; for after everything in it is done. */
export function finishDirectory(sys: Sys, root: number, head: Omit<Section, 'steps'>): void {
  const handle = sys.openDirectory(root, utf8(head.path))
  if (handle < 0) return
  if (head.state !== 'present') sys.setMode(handle, head.mode)
  // A courtesy: a directory's time is never compared.
  sys.setTimes(handle, head.mtimeSeconds, head.mtimeNs)
  sys.close(handle)
}

/**
 * Removes what was displaced, now that what replaced it is on disk. In a displaced directory only what the scan saw is
 * removed; everything else (written meanwhile, ignored by the rules, never shown) goes back to where it was.
 */
export function dropDisplaced(sys: Sys, handles: TargetHandles, displaced: readonly Displaced[]): Problem[] {
  const problems: Problem[] = []
  for (const { slot, path, below } of displaced) {
    const name = utf8(slot)
    if (below === undefined) {
      sys.unlink(handles.staging, name)
      continue
    }
    for (const directory of [...below].reverse()) removeSeen(sys, handles.staging, joinSlot(slot, directory.path, path), directory)
    const removed = sys.removeDirectory(handles.staging, name)
    if (removed === 0 || removed === -errno.ENOENT) continue
    putBack(sys, handles, slot, path)
    problems.push({ path, code: 'not-empty', detail: '' })
  }
  return problems
}

function joinSlot(slot: string, path: RelPath, base: RelPath): string {
  return path === base ? slot : `${slot}/${path.slice(base.length + 1)}`
}

const table = new EntryTable()

/** Removes, in one displaced directory, the entries that are as they were seen, and sub-directories that are empty. */
function removeSeen(sys: Sys, staging: number, place: string, seen: SeenDirectory): void {
  const handle = sys.openDirectory(staging, utf8(place))
  if (handle < 0) return
  const row = new Uint32Array(statWidth)
  for (let i = 0; i < seen.names.length; i++) {
    const name = seen.names[i] as Uint8Array
    if (sys.stat(handle, name, row, 0) < 0) continue
    if (((row[statMode] as number) & typeMask) === typeDirectory) sys.removeDirectory(handle, name)
    else if (isAsSeen(row, 0, seen.rows, i * statWidth)) sys.unlink(handle, name)
  }
  sys.close(handle)
}

/** What is left of a displaced directory goes back: the whole of it where its name is free, else entry by entry. */
function putBack(sys: Sys, handles: TargetHandles, slot: string, path: RelPath): void {
  const parent = sys.openDirectory(handles.root, utf8(parentOf(path)))
  if (parent < 0) return
  const name = utf8(nameOf(path))
  if (sys.renameNoReplace(handles.staging, utf8(slot), parent, name) < 0) {
    const from = sys.openDirectory(handles.staging, utf8(slot))
    const to = sys.openDirectory(parent, name)
    if (from >= 0 && to >= 0 && sys.list(from, table) >= 0) {
      for (let i = 0; i < table.count; i++) sys.renameNoReplace(from, table.name(i), to, table.name(i))
    }
    if (from >= 0) sys.close(from)
    if (to >= 0) sys.close(to)
  }
  sys.close(parent)
}

