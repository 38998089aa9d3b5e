// Compares two ends and makes the plan. Only directories whose fingerprints differ are listed, a level a round trip; then
// what the left alone has is looked at, after directories that moved were taken out of it: what changed in them is planned
// where they then lie. Single files that moved are proven by digests. The result holds every step, encoded, and what the guard has to judge.

import { sameAttributes } from '../core/attributes.ts'
import type { Entry } from '../core/entry.ts'
import { mayMove } from '../core/links.ts'
import { listingEntries, readListing } from '../core/listing.ts'
import { joinPath, parentOf, type RelPath, rootPath } from '../core/path.ts'
import {
  compareSections,
  type PackedSection,
  type Plan,
  packSection,
  type SectionHead,
  type Step,
} from '../core/plan.ts'
import type { Problem, ProblemCode } from '../core/problem.ts'
import { type Decision, type Rules, settleDigests } from '../core/reconcile.ts'
import {
  type DirectoryMatch,
  type DirectoryMove,
  doubtfulDirectories,
  type FoundDirectory,
  type FoundFile,
  isAlike,
  Lineage,
  type LostDirectory,
  type LostFile,
  lostAbove,
  matchDirectories,
  proposeFileMoves,
} from '../core/renames.ts'
import { type Specials, withSpecial } from '../core/specials.ts'
import type { Top } from '../core/top.ts'
import type { DirectoryListing } from '../disk/tasks.ts'
import { equalBytes } from '../std/bytes.ts'
import { AgreedNames } from './agreed-names.ts'
import type { End } from './endpoint.ts'
import { guardedBy, guardLine } from './guarded.ts'
import { type Both, listApart, listWhole } from './list-apart.ts'
import { below, chunks, digestsOf, emptyListing, headOf, type Place, placeIn, stepOf, timeOf } from './places.ts'
import { spareOutside } from './spare.ts'
import type { Spellings } from './spellings.ts'
import { topFor } from './top.ts'

/**
 * Compares `left` with `right`; both were scanned and have the same view. The left is asked by the right's names: what it
 * calls otherwise is put into `spellings`.
 */
export async function compare(
  left: End,
  right: End,
  rules: Rules,
  moves: readonly DirectoryMove[],
  spellings: Spellings,
): Promise<Plan> {
  const comparison = new Comparison(left, right, rules, moves, spellings)
  await comparison.compareBoth()
  await comparison.exploreNew()
  await comparison.proveMoves()
  await comparison.proveEqual()
  await comparison.spareOutside()
  return comparison.plan()
}

type Pair = Place & { readonly head?: SectionHead }
type Draft = { readonly head: SectionHead; readonly steps: Step[]; readonly deletions: Step[] }
type Fresh = FoundDirectory & { readonly entry: Entry; readonly state: 'new' | 'retype' }
type Doubt = Place & { readonly left: Entry; readonly right: Entry }

class Comparison {
  readonly #left: End
  readonly #right: End
  readonly #rules: Rules
  readonly #lineage: Lineage
  readonly #drafts = new Map<RelPath, Draft>()
  readonly #packed: PackedSection[] = []
  readonly #moves: DirectoryMove[] = []
  readonly #made: RelPath[] = []
  /** Directories that are there once the moves are done: moved ones, and parents that are made for them. */
  readonly #arrived = new Set<RelPath>()
  readonly #problems: Problem[] = []
  /** What is deleted or replaced, by path. */
  readonly #guarded = new Map<RelPath, string>()
  /** Deletions that turned out to be moves of whole directories, or of ones that stay for what lies in them. */
  readonly #movedAway = new Set<RelPath>()
  /** Directories that go, where some of what lies in them may have to stay; and files that only moved. */
  readonly #goes: Place[] = []
  readonly #movedFiles = new Set<RelPath>()
  /** Where the step of a file that comes stands, for those that may be moves. */
  readonly #places = new Map<RelPath, { readonly steps: Step[]; readonly at: number }>()
  readonly #doubts: Doubt[] = []
  readonly #freshFiles: FoundFile[] = []
  readonly #lostFiles: LostFile[] = []
  #fresh: Fresh[] = []
  #lost: LostDirectory[] = []
  readonly #names: AgreedNames
  #specials: Specials | undefined
  #top: Top | undefined
  #deletes = 0
  #replaces = 0

  constructor(left: End, right: End, rules: Rules, moves: readonly DirectoryMove[], spellings: Spellings) {
    this.#names = new AgreedNames(spellings)
    this.#left = left
    this.#right = right
    this.#rules = rules
    this.#lineage = new Lineage(moves)
  }

  /** Walks the directories that both ends have and that differ. */
  async compareBoth(): Promise<void> {
    await this.#comparePairs([{ path: rootPath, origin: rootPath }])
  }

  async #comparePairs(pairs: readonly Pair[]): Promise<void> {
    for (let level = pairs; level.length > 0; ) {
      const next: Pair[] = []
      for (const some of chunks(level)) {
        const both = await (this.#rules.checksum || this.#rules.naming !== undefined ? listWhole : listApart)(
          this.#left,
          this.#right,
          some,
        )
        for (const [i, pair] of some.entries()) this.#compareDirectory(pair, both[i] as Both, next)
      }
      level = next
    }
  }

  #compareDirectory(pair: Pair, { left, right, ranges }: Both, next: Pair[]): void {
    const { path, origin } = pair
    if (left === undefined) return this.#problem(path, 'unreadable')
    if (path === rootPath) this.#top = topFor(left, right, this.#rules)
    const draft = this.#draft(pair.head ?? { ...timeOf(left), path, state: 'present', mode: 0 })
    const hasMoved = path !== origin
    // What did not come along with its directory is another one: only content tells whether its files are the same.
    const rules = hasMoved && this.#lineage.from(path) !== origin ? { ...this.#rules, checksum: true } : this.#rules
    const theirs = right?.bytes ?? emptyListing
    const found = { moves: this.#moves, problems: this.#problems }
    for (const decision of this.#names.decide(pair, { left: left.bytes, right: theirs, ranges }, rules, found))
      this.#take(pair, draft, decision, next)
    if (!hasMoved || rules.checksum) return
    const move = { from: origin, to: path }
    for (const name of doubtfulDirectories(move, readListing(left.bytes), readListing(theirs), this.#lineage))
      next.push(placeIn(pair, name))
  }

  #draft(head: SectionHead): Draft {
    const draft: Draft = { head, steps: [], deletions: [] }
    this.#drafts.set(head.path, draft)
    return draft
  }

  #problem(path: string, code: ProblemCode): void {
    this.#problems.push({ path, code, detail: '' })
  }

  #take(place: Place, draft: Draft, decision: Decision, next: Pair[]): void {
    const { path } = place
    switch (decision.kind) {
      case 'problem':
        return this.#problem(path === '' ? decision.name : `${path}/${decision.name}`, decision.code)
      case 'skip':
        if (decision.side === 'right') this.#specials = withSpecial(this.#specials, joinPath(path, decision.name))
        return
      case 'create':
        return this.#takeCreate(path, draft, decision.left)
      case 'enter':
        next.push(this.#names.placeIn(place, decision.left.name))
        return
      case 'replace':
      case 'attributes':
        return this.#takeChange(path, draft, decision)
      case 'retype':
        return this.#takeRetype(path, draft, decision.left, decision.right)
      case 'delete':
        return this.#takeDelete(place, draft, decision.right)
      case 'digests':
        this.#doubts.push({ ...place, left: decision.left, right: decision.right })
        return
    }
  }

  #takeCreate(path: RelPath, draft: Draft, left: Entry): void {
    const at = joinPath(path, left.name)
    if (left.kind === 'directory') {
      if (left.summary !== undefined) this.#fresh.push({ path: at, entry: left, summary: left.summary, state: 'new' })
      return
    }
    draft.steps.push(stepOf('create', left))
    if (left.kind !== 'file' || this.#rules.mode !== 'mirror') return
    this.#freshFiles.push({ path: at, entry: left })
    this.#places.set(at, { steps: draft.steps, at: draft.steps.length - 1 })
  }

  #takeChange(path: RelPath, draft: Draft, decision: Decision & { kind: 'replace' | 'attributes' }): void {
    draft.steps.push(stepOf(decision.kind, decision.left))
    if (decision.kind !== 'replace') return
    this.#replaces++
    this.#guard('replace', joinPath(path, decision.right.name), decision.right)
  }

  #takeRetype(path: RelPath, draft: Draft, left: Entry, right: Entry): void {
    const at = joinPath(path, left.name)
    draft.steps.push(stepOf('retype', left))
    this.#replaces++
    this.#deletes += below(right)
    this.#guard('retype', at, right)
    if (left.kind === 'directory' && left.summary !== undefined) {
      this.#fresh.push({ path: at, entry: left, summary: left.summary, state: 'retype' })
    }
  }

  #takeDelete(place: Place, draft: Draft, right: Entry): void {
    draft.deletions.push(stepOf('delete', right))
    this.#deletes += 1 + below(right)
    this.#guard('delete', joinPath(place.path, right.name), right)
    if (right.kind === 'directory' && this.#rules.sizes !== undefined) this.#goes.push(placeIn(place, right.name))
    this.#takeLost(place, right)
  }

  #guard(what: string, path: RelPath, right: Entry): void {
    this.#guarded.set(path, guardLine(what, path, right))
  }

  /** Looks at what the left alone has, top down; takes out what only moved at each level. */
  async exploreNew(): Promise<void> {
    while (this.#fresh.length > 0) {
      // What moved out of a directory that moved itself is found once that one is compared.
      while (this.#lost.length > 0 && this.#rules.mode === 'mirror' && (await this.#matchMoved()));
      const fresh = this.#fresh
      this.#fresh = []
      for (const directories of chunks(fresh)) {
        const listings = await this.#left.listings(directories.map((directory) => directory.path))
        directories.forEach((directory, i) => this.#exploreDirectory(directory, listings[i]))
      }
      await this.#exploreLost()
    }
  }

  /** Takes what only moved out of what is new at this level, if there is any. What differs in it is planned where it then lies. */
  async #matchMoved(): Promise<boolean> {
    for (let above = this.#lostAbove(); above.size > 0; above = this.#lostAbove()) await this.#lookInto(above)
    const fresh = new Map(this.#fresh.map((directory) => [directory.path, directory]))
    const matched = matchDirectories(this.#lost, this.#movable(), this.#lineage)
    const pairs: (Pair & { readonly match: DirectoryMatch })[] = []
    for (const some of chunks(matched)) {
      const places = some.map(({ to, lost }) => ({ path: to, origin: lost.origin }))
      const both = await listWhole(this.#left, this.#right, places)
      some.forEach((match, i) => {
        const entry = fresh.get(match.to)?.entry
        const { left, right } = both[i] as Both
        if (left === undefined || right === undefined || entry === undefined) return
        if (!mayMove(this.#rules.links, { from: match.lost.path, to: match.to })) return
        if (!match.isSame && !isAlike(readListing(left.bytes), readListing(right.bytes))) return
        // Its own mode and time are set when everything is done.
        const head = headOf(match.to, 'retype', left, entry)
        pairs.push({ path: match.to, origin: match.lost.origin, head, match })
      })
    }
    const gone = new Set(pairs.map(({ match }) => match.lost))
    this.#lost = this.#lost.filter((directory) => !gone.has(directory))
    const come = new Set(pairs.map(({ path }) => path))
    this.#fresh = this.#fresh.filter(({ path }) => !come.has(path))
    for (const { match, head } of pairs) this.#planMove(match, head as SectionHead)
    await this.#comparePairs(pairs.filter(({ match }) => !match.isSame || this.#rules.checksum))
    return pairs.length > 0
  }

  #lostAbove(): Set<LostDirectory> {
    return lostAbove(this.#lost, this.#movable(), this.#lineage)
  }

  /** What is new, and whose parent is there before anything else is done, or can be made. */
  #movable(): Fresh[] {
    return this.#fresh.filter(({ path, state }) => state === 'new' && this.#canHold(parentOf(path)))
  }

  #canHold(path: RelPath): boolean {
    const state = this.#drafts.get(path)?.head.state
    if (state === 'new') return this.#canHold(parentOf(path))
    return state === 'present' || this.#arrived.has(path)
  }

  #planMove({ lost, to }: DirectoryMatch, head: SectionHead): void {
    this.#unplanDelete(lost)
    const made: RelPath[] = []
    for (let at = parentOf(to); ; at = parentOf(at)) {
      const draft = this.#drafts.get(at)
      if (draft?.head.state !== 'new') break
      this.#drafts.set(at, { ...draft, head: { ...draft.head, state: 'retype' } })
      this.#arrived.add(at)
      made.push(at)
    }
    this.#made.push(...made.reverse())
    this.#moves.push({ from: lost.path, to })
    this.#arrived.add(to)
    this.#draft(head)
  }

  #unplanDelete(directory: LostDirectory): void {
    this.#movedAway.add(directory.path)
    this.#deletes -= 1 + directory.summary.files + directory.summary.directories
    this.#guarded.delete(directory.path)
  }

  #exploreDirectory(directory: Fresh, listing: DirectoryListing | undefined): void {
    if (listing === undefined) return this.#problem(directory.path, 'unreadable')
    const head = headOf(directory.path, directory.state, listing, directory.entry)
    const draft = this.#draft(head)
    const place: Place = { path: directory.path, origin: directory.path }
    const found = { moves: this.#moves, problems: this.#problems }
    const listings = { left: listing.bytes, right: emptyListing }
    for (const decision of this.#names.decide(place, listings, this.#rules, found))
      this.#take(place, draft, decision, [])
    // Nothing was lost, so nothing here can be a rename: what is planned is final and needs no objects any more.
    if (this.#lostFiles.length === 0 && this.#lost.length === 0) {
      this.#drafts.delete(directory.path)
      this.#packed.push(packSection(head, draft.steps))
      this.#freshFiles.length = 0
      this.#places.clear()
    }
  }

  /** Files of directories that go may be what files that come were. */
  async #exploreLost(): Promise<void> {
    if (this.#rules.mode !== 'mirror' || (this.#freshFiles.length === 0 && this.#fresh.length === 0)) return
    // What moved as a whole is looked for first, as long as its new place may still be found.
    const waits = (directory: LostDirectory): boolean =>
      this.#fresh.length > 0 && this.#lineage.hasLeft(directory.origin)
    await this.#lookInto(new Set(this.#lost.filter((directory) => !waits(directory))))
  }

  async #lookInto(directories: ReadonlySet<LostDirectory>): Promise<void> {
    this.#lost = this.#lost.filter((directory) => !directories.has(directory))
    for (const some of chunks([...directories])) {
      const listings = await this.#right.listings(some.map(({ origin }) => origin))
      some.forEach((directory, i) => {
        for (const entry of listingEntries(listings[i]?.bytes ?? emptyListing)) this.#takeLost(directory, entry)
      })
    }
  }

  #takeLost(directory: Place, entry: Entry): void {
    const place = placeIn(directory, entry.name)
    if (entry.kind === 'directory' && entry.summary !== undefined) this.#lost.push({ ...place, summary: entry.summary })
    else if (entry.kind === 'file') this.#lostFiles.push({ ...place, entry })
  }

  /** Proves by digests which files only moved; those are no deletions. */
  async proveMoves(): Promise<void> {
    // What is left of lost directories may hold more of what moved.
    while (this.#lost.length > 0 && this.#freshFiles.length > 0) await this.#exploreLost()
    const proposed = proposeFileMoves(this.#lostFiles, this.#freshFiles)
    if (proposed.length === 0) return
    const [lefts, rights] = await digestsOf(
      this.#left,
      this.#right,
      this.#rules.checksum,
      proposed.map((move) => move.to.path),
      proposed.map((move) => move.from.origin),
    )
    proposed.forEach((move, i) => {
      const digest = lefts[i]
      const other = rights[i]
      if (digest === undefined || other === undefined || !equalBytes(digest, other)) return
      // What would have to be dressed anew is copied, so that what it was stays as a version.
      if (!sameAttributes(move.from.entry.attributes, move.to.entry.attributes)) return
      const place = this.#places.get(move.to.path)
      if (place === undefined) return
      place.steps[place.at] = { ...stepOf('create', move.to.entry), from: move.from.path, digest }
      this.#deletes--
      this.#guarded.delete(move.from.path)
      this.#movedFiles.add(move.from.path)
    })
  }

  /** Directories that hold files of sizes that are left out stay; what else is in them goes name by name. */
  async spareOutside(): Promise<void> {
    const goes = this.#goes.filter(({ path }) => !this.#movedAway.has(path))
    const { spared, sparings } = await spareOutside(this.#right, goes, this.#rules, (path) => this.#movedAway.has(path))
    // They were counted, and guarded, as the wholes that they were in.
    const deletes = this.#deletes - spared.entries
    for (const path of spared.directories) {
      this.#movedAway.add(path)
      this.#guarded.delete(path)
    }
    for (const { place, listing, decisions } of sparings) {
      const draft = this.#draft({ ...timeOf(listing), path: place.path, state: 'present', mode: 0 })
      for (const decision of decisions) this.#take(place, draft, decision, [])
    }
    this.#deletes = deletes
    for (const path of this.#movedFiles) this.#guarded.delete(path)
  }

  /** Settles the pairs that only their content can tell apart. */
  async proveEqual(): Promise<void> {
    const [lefts, rights] = await digestsOf(
      this.#left,
      this.#right,
      this.#rules.checksum,
      this.#doubts.map(({ path, left }) => joinPath(path, left.name)),
      this.#doubts.map((doubt) => this.#names.placeIn(doubt, doubt.left.name).origin),
    )
    this.#doubts.forEach((doubt, i) => {
      const decision = settleDigests(doubt.left, doubt.right, { left: lefts[i], right: rights[i] }, this.#rules)
      const draft = this.#drafts.get(doubt.path)
      if (decision !== undefined && draft !== undefined) this.#take(doubt, draft, decision, [])
    })
  }

  plan(): Plan {
    const sections = this.#packed
    const deletions: PackedSection[] = []
    for (const { head, steps, deletions: goes } of this.#drafts.values()) {
      if (steps.length > 0 || head.state !== 'present') sections.push(packSection(head, steps))
      const kept = goes.filter((step) => !this.#movedAway.has(joinPath(head.path, step.entry.name)))
      if (kept.length > 0) deletions.push(packSection({ ...head, state: 'present' }, kept))
    }
    sections.sort(compareSections)
    deletions.sort(compareSections)
    return {
      moves: this.#moves,
      made: this.#made,
      sections,
      deletions,
      problems: this.#problems,
      top: this.#top,
      specials: this.#specials,
      deletes: this.#deletes,
      replaces: this.#replaces,
      ...guardedBy([...this.#guarded.values()]),
    }
  }
}
