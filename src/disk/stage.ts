// Decides, for a batch that was planned elsewhere, what the target has already and what it wants. Runs beside the tree,
// which knows every size and digest below the root. A content that may be here (a file of equal size) is asked for by
// digest first; what is here is copied, what only moved is renamed, the rest is wanted. Also says what the scan saw at
// each name that is to change, so that the writing worker can hold the plan against what is there.

import { chunkedFromBytes } from '../chunk/split.ts'
import { isCopied } from '../core/entry.ts'
import { isDirectoryHidden } from '../core/exposed.ts'
import type { IgnoreScope } from '../core/ignore.ts'
import { depthOf, type LinkPolicy, staysWithin } from '../core/links.ts'
import type { Naming } from '../core/naming.ts'
import { joinPath, nameOf, parentOf, type RelPath } from '../core/path.ts'
import { carriesContent, decodeBatch, type Section, type SectionHead, type Step } from '../core/plan.ts'
import type { DirectoryRecord } from '../core/record.ts'
import { type Place, SizeIndex } from '../core/sizes.ts'
import { forgetCtime, sizeOf, statWidth, typeDirectory, typeFile } from '../core/stat.ts'
import type { Tree } from '../core/tree.ts'
import { isHidden, isOutsideRow, kindOf } from '../core/view.ts'
import { decodeName, equalBytes, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { digestFile } from './content.ts'
import { type LargeWant, largeWants } from './large.ts'
import { type SharedName, SharedNames } from './shared-names.ts'
import { ShownNames } from './shown-names.ts'
import type { Donor, LandingOrder, SeenDirectory, StepNote } from './staged.ts'
import type { Sys } from './sys.ts'
import { encodeWants, type WantedDirectory } from './wants.ts'

/** Local files without a known digest are hashed for a content of at least this size; below, sending is cheaper. */
const hashUnknownMinBytes = 64 * 1024

export type Staged = {
  /** Files whose content has to come, as `encodeWants`. */
  readonly wants: Uint8Array
  readonly wantCount: number
  /** Files whose digest decides; answer with as many digests. Wants follow then. */
  readonly asks: Uint8Array
  readonly askCount: number
  /**
   * What the batch takes away, for the receiver's own guard: entries deleted, entries replaced. The old name of a file
   * that only moved is not counted: it goes only when the new one is there.
   */
  readonly deletes: number
  readonly replaces: number
  /** Sizes of the files whose content comes or is copied, in sum; the first time that a batch is told. */
  readonly bringsBytes: number
  /** Directories that get their mode and time once everything in them is done. */
  readonly heads: readonly SectionHead[]
  /** Directories that have another name of a file of which a name comes or goes: its ctime is another one then. */
  readonly touches: readonly RelPath[]
  /** Of the wants, the large ones; once nothing is asked. */
  readonly large: readonly LargeWant[]
  /** For the writing worker; complete once nothing is asked. */
  readonly order: LandingOrder
}

export type StageOptions = Pick<LandingOrder, 'modeMask' | 'attributes' | 'syncEach' | 'holdsSizes' | 'linksFiles'> & {
  /** Which symlinks are let in; every one unless said. */
  readonly links?: LinkPolicy | undefined
  /** What the root makes of names, where it does not show each as it was given. */
  readonly naming?: Naming | undefined
}

type Pending = {
  readonly sections: readonly Section[]
  readonly bytes: Uint8Array
  readonly wanted: Uint8Array
  readonly notes: Map<number, StepNote>
  readonly asked: number[]
  deletes: number
  replaces: number
  bringsBytes: number
  readonly touches: Set<RelPath>
}

export class Stager {
  readonly #sys: Sys
  readonly #root: number
  readonly #tree: Tree
  readonly #options: StageOptions
  readonly #spelling: ShownNames
  readonly #pending = new Map<number, Pending>()
  #sizes: SizeIndex | undefined
  /** The directory that was asked about last: steps come by directory. */
  #shown: { readonly directory: RelPath; readonly scope: IgnoreScope; readonly isShown: boolean } | undefined
  readonly #hashed = new Map<string, Uint8Array | undefined>()
  #lastFound: { readonly sizeBytes: number; readonly digest: Uint8Array; readonly donor: Donor | undefined } | undefined
  /** Files that get a second name, which moves their ctime; their old name goes later. */
  readonly #movedFrom = new Map<RelPath, RelPath>()

  /** Which names of the root are one file; none where nobody asks for that. */
  readonly #shared: SharedNames

  constructor(sys: Sys, root: number, tree: Tree, options: StageOptions) {
    this.#shared = new SharedNames(sys, root, tree, options.linksFiles === true)
    this.#sys = sys
    this.#root = root
    this.#tree = tree
    this.#options = options
    this.#spelling = new ShownNames(tree, options.naming)
  }

  /** Inodes of which names come or go. */
  get linked(): ReadonlySet<string> | undefined {
    return this.#shared.changed
  }

  /** All that was staged has landed, and the tree knows it. */
  beginLinks(): void {
    this.#sizes = undefined
    this.#shared.begin()
  }

  stage(batch: number, bytes: Uint8Array): Staged {
    const sections = decodeBatch(bytes)
    const count = sections.reduce((sum, section) => sum + section.steps.length, 0)
    const pending: Pending = {
      sections,
      bytes,
      wanted: new Uint8Array(count),
      notes: new Map(),
      asked: [],
      deletes: 0,
      replaces: 0,
      bringsBytes: 0,
      touches: new Set(),
    }
    let number = 0
    for (const section of sections) {
      const record = this.#tree.record(section.path)
      for (const step of section.steps) this.#stageStep(pending, section, step, number++, record)
    }
    if (pending.asked.length > 0) this.#pending.set(batch, pending)
    return this.#settle(batch, pending)
  }

  /** Takes the digests of the files that `stage` asked for; undefined where the source could not tell. */
  answer(batch: number, digests: readonly (Uint8Array | undefined)[]): Staged {
    const pending = this.#pending.get(batch)
    this.#pending.delete(batch)
    if (pending === undefined) throw new Failure('protocol-broken', 'a batch is answered that asked nothing')
    const steps = pending.sections.flatMap((section) => section.steps)
    pending.asked.forEach((number, i) => {
      const step = steps[number] as Step
      const digest = digests[i]
      const donor = digest === undefined ? undefined : this.#findContent(step.entry.sizeBytes, digest)
      if (donor === undefined) pending.wanted[number] = 1
      else this.#note(pending, number, { donor })
    })
    pending.asked.length = 0
    return this.#settle(batch, pending)
  }

  #note(pending: Pending, number: number, note: StepNote): void {
    pending.notes.set(number, { ...pending.notes.get(number), ...note })
  }

  #stageStep(
    pending: Pending,
    section: Section,
    step: Step,
    number: number,
    record: DirectoryRecord | undefined,
  ): void {
    if (this.#leadsOut(section.path, step)) {
      this.#note(pending, number, { refused: 'link-outside' })
      return
    }
    if (step.links === true && step.from !== undefined && !this.#shared.mayLink) throw tooSoon()
    const changes = step.action !== 'create'
    if (changes && !this.#noteExpected(pending, section, step, number, record)) {
      this.#note(pending, number, { refused: 'target-changed' })
      return
    }
    if (step.links === true && step.from !== undefined && this.#stageLink(pending, step, number)) return
    if (!carriesContent(step) || step.entry.sizeBytes === 0) return
    if (step.from !== undefined && step.links !== true) {
      const donor = this.#moved(step.from, step.entry.sizeBytes)
      if (donor !== undefined) {
        const name = this.#nameAt(step.from)
        if (name !== undefined) {
          this.#shared.touch(name, pending.touches)
          if (this.#shared.isShared(name)) forgetCtime(donor.stats, 0)
        }
        this.#movedFrom.set(step.from, joinPath(section.path, step.entry.name))
        this.#note(pending, number, { donor: { ...donor, moves: true, digest: step.digest } })
        return
      }
    }
    pending.bringsBytes += step.entry.sizeBytes
    if (this.#mayHave(section.path, step)) pending.asked.push(number)
    else pending.wanted[number] = 1
  }

  /** Whether this is all that is to be known of a further name: else its content has to come. */
  #stageLink(pending: Pending, { from: told, digest, entry }: Step, number: number): boolean {
    const from = told && this.#spelling.pathOf(told)
    const donor = from === undefined ? undefined : this.#moved(from, entry.sizeBytes)
    const name = from === undefined || donor === undefined ? undefined : this.#nameAt(from)
    const isFit = name !== undefined && digest !== undefined && this.#shared.holds(name, digest)
    if (donor !== undefined && name !== undefined && isFit === true) {
      this.#shared.touch(name, pending.touches)
      forgetCtime(donor.stats, 0)
      this.#note(pending, number, { donor: { ...donor, moves: true, links: true, digest } })
      return true
    }
    const isEqual = pending.notes.get(number)?.isEqual === true
    this.#note(pending, number, isEqual ? { refused: 'stays-apart' } : { isUnlinked: true })
    return isEqual
  }

  #nameAt(path: RelPath): SharedName | undefined {
    const directory = parentOf(path)
    const record = this.#tree.record(directory)
    const row = record?.find(utf8(nameOf(path))) ?? -1
    return record === undefined || row < 0 ? undefined : { directory, record, row }
  }

  /** A driver that keeps to the policy of this target plans no such step. */
  #leadsOut(directory: RelPath, { action, entry: { link } }: Step): boolean {
    if (this.#options.links !== 'portable' || link === undefined || action === 'delete') return false
    return !staysWithin(link, depthOf(directory))
  }

  /** Notes what the scan saw at the name of a step that changes or removes it; false where the tree has no such name. */
  #noteExpected(
    pending: Pending,
    section: Section,
    step: Step,
    number: number,
    record: DirectoryRecord | undefined,
  ): boolean {
    const row = record?.find(utf8(step.entry.name)) ?? -1
    if (record === undefined || row < 0 || !this.#isShown(section.path, record, row)) return false
    const at = record.at(row)
    const expected = record.stats(row).slice(at, at + statWidth)
    const movedTo = this.#movedFrom.get(joinPath(section.path, step.entry.name))
    if (movedTo !== undefined) forgetCtime(expected, 0)
    const name = { directory: section.path, record, row }
    const together = step.links === true && step.action === 'attributes' ? this.#shared.together(name) : undefined
    const isEqual =
      step.links === true &&
      step.action === 'replace' &&
      step.digest !== undefined &&
      record.type(row) === typeFile &&
      sizeOf(expected, 0) === step.entry.sizeBytes &&
      this.#shared.holds(name, step.digest)
    if (this.#shared.isShared(name)) {
      this.#shared.touch(name, pending.touches)
      forgetCtime(expected, 0)
      if (step.action !== 'attributes') this.#shared.leaves(name)
    }
    const goes = step.action === 'delete' || step.action === 'retype'
    if (goes && isOutsideRow(record, row, this.#tree.sizes)) return false
    const isDirectory = record.type(row) === typeDirectory
    const below =
      goes && isDirectory ? this.#seenBelow(joinPath(section.path, step.entry.name), pending.touches) : undefined
    const own = { ...(together !== undefined && { together }), ...(isEqual && { isEqual }) }
    this.#note(pending, number, {
      expected,
      ...(below && { below }),
      ...(movedTo !== undefined && { movedTo }),
      ...own,
    })
    const entries = 1 + (below ?? []).reduce((sum, directory) => sum + countLost(directory), 0)
    if (step.action === 'delete') pending.deletes += movedTo === undefined ? entries : 0
    else if (step.action === 'retype') {
      pending.replaces++
      pending.deletes += entries - 1
    } else if (step.action === 'replace' && !isEqual) pending.replaces++
    return true
  }

  /** Whether the rules show this entry and it is of a kind that is copied: all else is nobody's to change from afar. */
  #isShown(directory: RelPath, record: DirectoryRecord, row: number): boolean {
    if (this.#shown?.directory !== directory) {
      this.#shown = {
        directory,
        scope: this.#tree.scopeAt(directory),
        isShown: !isDirectoryHidden(this.#tree, directory),
      }
    }
    const { scope, isShown } = this.#shown
    return isShown && isCopied(kindOf(record, row)) && !isHidden(record, row, scope)
  }

  /**
   * What the scan saw at and below a directory, parents first; without what the rules hide, files of sizes that do not
   * count, what is never copied, and directories that could not be read: none of these is ever taken away.
   */
  #seenBelow(path: RelPath, touches: Set<RelPath>): SeenDirectory[] {
    const seen: SeenDirectory[] = []
    const stack: RelPath[] = [path]
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      const record = this.#tree.record(at)
      if (record === undefined) continue
      const scope = this.#tree.scopeAt(at)
      const names: Uint8Array[] = []
      const rows: number[] = []
      for (let row = 0; row < record.count; row++) {
        const name = record.name(row)
        if (isHidden(record, row, scope) || !isCopied(kindOf(record, row))) continue
        if (isOutsideRow(record, row, this.#tree.sizes)) continue
        const isDirectory = record.type(row) === typeDirectory
        if (isDirectory && this.#tree.record(joinPath(at, name)) === undefined) continue
        names.push(record.nameBytes(row).slice())
        rows.push(row)
        if (isDirectory) stack.push(joinPath(at, name))
      }
      const stats = new Uint32Array(rows.length * statWidth)
      rows.forEach((row, i) =>
        stats.set(record.stats(row).subarray(record.at(row), record.at(row) + statWidth), i * statWidth),
      )
      for (const [i, row] of rows.entries()) {
        if (!this.#shared.isShared({ directory: at, record, row })) continue
        this.#shared.touch({ directory: at, record, row }, touches)
        forgetCtime(stats, i * statWidth)
      }
      const movedTo = this.#movedFrom.size > 0 ? this.#forgetMoved(at, names, stats) : undefined
      seen.push({ path: at, names, rows: stats, ...(movedTo && { movedTo }) })
    }
    return seen
  }

  /** Where each of these files moved to, if it did. */
  #forgetMoved(directory: RelPath, names: readonly Uint8Array[], rows: Uint32Array): (RelPath | undefined)[] {
    return names.map((name, i) => {
      const movedTo = this.#movedFrom.get(joinPath(directory, decodeName(name)))
      if (movedTo !== undefined) forgetCtime(rows, i * statWidth)
      return movedTo
    })
  }

  #moved(from: RelPath, sizeBytes: number): Omit<Donor, 'moves' | 'digest'> | undefined {
    const directory = parentOf(from)
    const record = this.#tree.record(directory)
    const name = utf8(nameOf(from))
    const row = record?.find(name) ?? -1
    if (record === undefined || row < 0 || record.type(row) !== typeFile) return undefined
    if (sizeOf(record.stats(row), record.at(row)) !== sizeBytes || !this.#isShown(directory, record, row))
      return undefined
    return { directory, name, stats: record.stats(row).slice(record.at(row), record.at(row) + statWidth) }
  }

  /**
   * Whether a file may hold the content of a step. A large one that is replaced by as large a one is told anyway. What a
   * small one is replaced by is hardly ever what another one holds, but for a further name: it is not worth a round trip for
   * the whole batch.
   */
  #mayHave(path: RelPath, { action, links, entry: { sizeBytes, name } }: Step): boolean {
    if (action === 'replace' && links !== true && sizeBytes < hashUnknownMinBytes) return false
    if (this.#tree.directoryCount <= 1 && (this.#tree.record('' as RelPath)?.count ?? 0) === 0) return false
    this.#sizes ??= new SizeIndex(this.#tree)
    const isTold = action === 'replace' && sizeBytes >= chunkedFromBytes
    return this.#sizes.places(sizeBytes).some(({ directory, record, row }) => {
      if (isTold && directory === path && record.name(row) === name) return false
      return sizeBytes >= hashUnknownMinBytes || record.digest(row) !== undefined
    })
  }

  /** Many files may have one content: they share what is found, and each costs no search. */
  #findContent(sizeBytes: number, digest: Uint8Array): Donor | undefined {
    const last = this.#lastFound
    if (last?.sizeBytes === sizeBytes && equalBytes(last.digest, digest)) return last.donor
    const found = this.#searchContent(sizeBytes, digest)
    // A copy: the view would take the whole answer along.
    const own = digest.slice()
    const donor = found && { ...found, digest: own }
    this.#lastFound = { sizeBytes, digest: own, donor }
    return donor
  }

  #searchContent(sizeBytes: number, digest: Uint8Array): Omit<Donor, 'digest'> | undefined {
    this.#sizes ??= new SizeIndex(this.#tree)
    for (const place of this.#sizes.places(sizeBytes)) {
      const known = place.record.digest(place.row) ?? this.#digestOf(place, sizeBytes)
      if (known === undefined || !equalBytes(known, digest)) continue
      const at = place.record.at(place.row)
      return {
        directory: place.directory,
        name: place.record.nameBytes(place.row).slice(),
        stats: place.record.stats(place.row).slice(at, at + statWidth),
        moves: false,
      }
    }
    return undefined
  }

  /** The digest of a file that nobody read yet; taken once, since many contents may have its size. */
  #digestOf(place: Place, sizeBytes: number): Uint8Array | undefined {
    if (sizeBytes < hashUnknownMinBytes) return undefined
    const key = `${place.directory}/${place.row}`
    if (this.#hashed.has(key)) return this.#hashed.get(key)
    const directory = this.#sys.openDirectory(this.#root, utf8(place.directory))
    const digest =
      directory < 0 ? undefined : digestFile(this.#sys, directory, place.record.nameBytes(place.row), sizeBytes)
    if (directory >= 0) this.#sys.close(directory)
    this.#hashed.set(key, digest)
    return digest
  }

  #settle(batch: number, pending: Pending): Staged {
    const wants = namesOf(pending, (number) => pending.wanted[number] === 1)
    const { links: _, naming: __, ...options } = this.#options
    const asked = new Set(pending.asked)
    const asks = namesOf(pending, (number) => asked.has(number))
    return {
      wants: encodeWants(wants.directories),
      wantCount: wants.count,
      asks: encodeWants(asks.directories),
      askCount: asks.count,
      deletes: pending.deletes,
      replaces: pending.replaces,
      bringsBytes: pending.bringsBytes,
      large: asks.count > 0 ? [] : largeWants(this.#tree, pending.sections, pending.wanted),
      touches: [...pending.touches],
      heads: pending.sections.map(({ steps: _, ...head }) => ({ ...head, mode: head.mode & options.modeMask })),
      order: { batch, bytes: pending.bytes, wanted: pending.wanted, notes: pending.notes, ...options },
    }
  }
}

function tooSoon(): Failure {
  return new Failure('protocol-broken', 'further names are made of what has not landed')
}

function countLost({ names, movedTo }: SeenDirectory): number {
  return movedTo === undefined ? names.length : movedTo.filter((to) => to === undefined).length
}

function namesOf(
  pending: Pending,
  chosen: (number: number) => boolean,
): { directories: WantedDirectory[]; count: number } {
  const directories: WantedDirectory[] = []
  let number = 0
  let count = 0
  for (const section of pending.sections) {
    const names: string[] = []
    for (const step of section.steps) if (chosen(number++)) names.push(step.entry.name)
    if (names.length > 0) directories.push({ path: section.path, names })
    count += names.length
  }
  return { directories, count }
}
