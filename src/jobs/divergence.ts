// Compares both sides of a two-way run with each other and with what they last agreed on, and draws up what each of them
// gets. Only directories that differ are listed, a level a round trip; what only content can tell is settled by digests.
// Every decision is core's (core/two-way.ts); here they are gathered, and what they lead to is gone into.

import { baseEntries, isSameLink, type Names } from '../core/base.ts'
import { conflictName } from '../core/conflict.ts'
import type { Entry } from '../core/entry.ts'
import { listingEntries } from '../core/listing.ts'
import { joinPath, type RelPath, rootPath } from '../core/path.ts'
import type { Plan, SectionHead } from '../core/plan.ts'
import type { Problem, ProblemCode } from '../core/problem.ts'
import { otherSide, reconcileTwoWay, type Side, settleTwoWay, type TwoWay, type TwoWayRules } from '../core/two-way.ts'
import type { DirectoryListing } from '../disk/told-listings.ts'
import { equalBytes } from '../std/bytes.ts'
import type { End } from './endpoint.ts'
import { asFiles, chunks, digestsPerRequest, emptyListing } from './places.ts'
import { type Aside, SidePlan } from './side-plan.ts'

/** What was last agreed on, directory by directory. */
export interface KnownBase {
  /** Directories of which something is known, as core's base.ts encodes them. */
  load(paths: readonly RelPath[]): ReadonlyMap<RelPath, Uint8Array>
}

/** Both sides changed one name. */
export type Conflict = {
  readonly path: RelPath
  readonly loser: Side
  /** The loser's new name; undefined where it is replaced. */
  readonly copyAs: string | undefined
  /** The time of what both last agreed on. */
  readonly baseSeconds: number | undefined
}

export type Divergence = {
  /** What each side gets. */
  readonly left: SidePlan
  readonly right: SidePlan
  readonly plans: { readonly left: Plan; readonly right: Plan }
  readonly conflicts: readonly Conflict[]
  readonly problems: readonly Problem[]
  /** Names that one side deleted, and that come back because the other changed them. */
  readonly restored: readonly RelPath[]
  /** Files of which both digests are known, or will be: the base is to learn them. */
  readonly proven: ReadonlySet<RelPath>
}

type Ends = { readonly left: End; readonly right: End }

/** Looks at all that differs, or that the base does not know to be equal. */
export async function findDivergence(ends: Ends, base: KnownBase, rules: TwoWayRules): Promise<Divergence> {
  const comparison = new Comparison(ends, base, rules)
  await comparison.walk()
  return comparison.result()
}

/** A directory that one side deleted and the other still has: it goes as a whole unless something in it comes back. */
type Deleted = {
  readonly directory: RelPath
  readonly path: RelPath
  readonly on: Side
  readonly there: Entry
  readonly above: Deleted | undefined
  comesBack: boolean
}

type Place = {
  readonly path: RelPath
  /** Which sides have it. */
  readonly has: Readonly<Record<Side, boolean>>
  readonly hasBase: boolean
  /** How the side that lacks it makes it, given the time of what it is made of. */
  readonly makes?: { readonly on: Side; readonly state: 'new' | 'retype'; readonly mode: number }
  readonly deleted?: Deleted
}

/** Of the files of a name, as far as they were asked for. */
type Digests = { readonly left?: Uint8Array | undefined; readonly right?: Uint8Array | undefined }

type Doubt = { readonly place: Place; readonly names: Names; readonly around: Around }

/** A conflict of which a run that was cut off may have named the copy, with the old name come back: only content can tell. */
type Copied = {
  readonly place: Place
  readonly decision: TwoWay & { kind: 'conflict' }
  readonly digests: Digests
  readonly copy: string
  /** The other side has it too. */
  readonly isBoth: boolean
}

const sides: readonly Side[] = ['left', 'right']
const noDigest = new Uint8Array(0)

class Comparison {
  readonly #ends: Ends
  readonly #base: KnownBase
  readonly #rules: TwoWayRules
  readonly #plans = { left: new SidePlan(), right: new SidePlan() }
  readonly #problems: Problem[] = []
  readonly #conflicts: Conflict[] = []
  readonly #proven = new Set<RelPath>()
  readonly #restored: RelPath[] = []
  /** Files whose content goes to the other side. */
  readonly #brought = new Set<RelPath>()
  readonly #deleted: Deleted[] = []
  #doubts: Doubt[] = []
  #copied: Copied[] = []
  #next: Place[] = []

  constructor(ends: Ends, base: KnownBase, rules: TwoWayRules) {
    this.#ends = ends
    this.#base = base
    this.#rules = rules
  }

  async walk(): Promise<void> {
    this.#next = [{ path: rootPath, has: { left: true, right: true }, hasBase: true }]
    while (this.#next.length > 0) {
      for (let level = this.#next; level.length > 0; level = this.#next) {
        this.#next = []
        for (const some of chunks(level)) await this.#lookAt(some)
      }
      // What content decides may lead further down.
      await this.#settle()
      await this.#settleCopied()
    }
    this.#endDeleted()
  }

  async #lookAt(places: readonly Place[]): Promise<void> {
    const [lefts, rights] = await Promise.all([this.#listings('left', places), this.#listings('right', places)])
    const bases = this.#base.load(places.flatMap(({ path, hasBase }) => (hasBase ? [path] : [])))
    places.forEach((place, i) => {
      this.#compare(place, { left: lefts[i], right: rights[i] }, bases.get(place.path))
    })
  }

  /** Side by side with the places; nothing for those that the side has not. */
  async #listings(side: Side, places: readonly Place[]): Promise<(DirectoryListing | undefined)[]> {
    const asked = places.filter(({ has }) => has[side])
    if (asked.length === 0) return places.map(() => undefined)
    const isDeep = asked.some(({ has }) => !has[otherSide(side)])
    const told = await this.#ends[side].listings(
      asked.map(({ path }) => path),
      isDeep,
    )
    let at = 0
    return places.map(({ has }) => (has[side] ? told[at++] : undefined))
  }

  #compare(
    place: Place,
    listings: Readonly<Record<Side, DirectoryListing | undefined>>,
    base: Uint8Array | undefined,
  ): void {
    const { path, has } = place
    const unread = sides.find((side) => has[side] && listings[side] === undefined)
    if (unread !== undefined) {
      this.#problem(path, 'unreadable')
      return this.#comesBack(place.deleted)
    }
    const bytes = (side: Side): Uint8Array => listings[side]?.bytes ?? emptyListing
    this.#open(place, listings)
    const around = new Around({ left: bytes('left'), right: bytes('right') }, base)
    const decisions = reconcileTwoWay(
      listingEntries(bytes('left')),
      listingEntries(bytes('right')),
      base === undefined ? [] : baseEntries(base),
      path,
      this.#rules,
      around.isTaken,
    )
    for (const decision of decisions) this.#take(place, decision, around)
    const { makes, deleted, hasBase } = place
    if (makes === undefined || deleted !== undefined || hasBase) return
    // Only one side has it, and nothing was ever agreed on in it: all of it comes, and no content has to decide.
    this.#plans[makes.on].seal(path)
    this.#plans[otherSide(makes.on)].drop(path)
  }

  /** The sections of a directory: of a side that has it, and of one that makes it. */
  #open({ path, makes }: Place, listings: Readonly<Record<Side, DirectoryListing | undefined>>): void {
    const time = laterOf(listings.left, listings.right)
    for (const side of sides) {
      if (makes?.on === side) this.#plans[side].open({ ...time, path, state: makes.state, mode: makes.mode })
      else if (listings[side] !== undefined) this.#plans[side].open({ ...time, path, state: 'present', mode: 0 })
    }
  }

  #problem(path: string, code: ProblemCode): void {
    this.#problems.push({ path, code, detail: '' })
  }

  #take(place: Place, decision: TwoWay, around: Around, digests: Digests = {}): void {
    const { path } = place
    switch (decision.kind) {
      case 'agree':
      case 'forget':
      // Told by the scans.
      case 'skip':
        return
      case 'problem':
        this.#problem(joinPath(path, decision.name), decision.code)
        return this.#comesBack(place.deleted)
      case 'digests':
        this.#doubts.push({ place, names: decision.names, around })
        return
      case 'bring':
        return this.#takeBring(place, decision)
      case 'delete':
        return this.#plans[decision.on].delete(path, decision.there)
      case 'enter': {
        const hasBase = decision.base !== undefined
        this.#next.push({ path: joinPath(path, decision.left.name), has: { left: true, right: true }, hasBase })
        return
      }
      case 'enter-deleted':
        return this.#takeDeleted(place, decision)
      case 'conflict':
        return this.#takeConflict(place, decision, around, digests)
    }
  }

  #takeBring(place: Place, decision: TwoWay & { kind: 'bring' }): void {
    const { path } = place
    const { to, action, entry, there } = decision
    this.#comesBack(place.deleted)
    const at = joinPath(path, entry.name)
    if (decision.restores) this.#restored.push(at)
    // The mode travels with the content, as it is when that is read: where both get another one, it has to be there before.
    if (action === 'attributes' && this.#brought.has(at)) return this.#plans[to].dressFirst(path, entry)
    const isMade = entry.kind === 'directory' && action !== 'attributes'
    if (action !== 'create' || entry.kind !== 'directory') this.#plans[to].bring(path, action, entry, there)
    if (entry.kind === 'file' && action !== 'attributes') {
      this.#proven.add(at)
      this.#brought.add(at)
    }
    if (isMade) this.#make(at, to, action === 'create' ? 'new' : 'retype', entry.mode)
  }

  /** A directory that only the other side has comes whole. */
  #make(path: RelPath, on: Side, state: 'new' | 'retype', mode: number): void {
    const has = { left: on !== 'left', right: on !== 'right' }
    this.#next.push({ path, has, hasBase: false, makes: { on, state, mode } })
  }

  #takeDeleted(place: Place, { on, there }: TwoWay & { kind: 'enter-deleted' }): void {
    const path = joinPath(place.path, there.name)
    const deleted: Deleted = { directory: place.path, path, on, there, above: place.deleted, comesBack: false }
    this.#deleted.push(deleted)
    const has = { left: on === 'left', right: on === 'right' }
    const makes = { on: otherSide(on), state: 'new' as const, mode: there.mode }
    this.#next.push({ path, has, hasBase: true, makes, deleted })
  }

  /** Something in it stays or comes, and so it does, with all above. */
  #comesBack(deleted: Deleted | undefined): void {
    for (let at = deleted; at !== undefined && !at.comesBack; at = at.above) at.comesBack = true
  }

  #takeConflict(place: Place, decision: TwoWay & { kind: 'conflict' }, around: Around, digests: Digests): void {
    const { names, loser, copyAs } = decision
    const lost = names[loser]
    this.#comesBack(place.deleted)
    if (copyAs === undefined) this.#found(place, decision, undefined)
    if (copyAs === undefined || lost === undefined) return
    const copy = this.#copyOf(lost, loser, around, digests[loser])
    if (copy === undefined) this.#putAside(place, decision, copyAs, digests)
    else if (lost.link !== undefined || lost.sizeBytes === 0) this.#leaveToCopy(place, decision, copy)
    else
      this.#copied.push({ place, decision, digests, copy, isBoth: around.entry(otherSide(loser), copy) !== undefined })
  }

  #found({ path }: Place, { names, loser }: { names: Names; loser: Side }, copyAs: string | undefined): void {
    this.#conflicts.push({ path: joinPath(path, nameIn(names)), loser, copyAs, baseSeconds: names.base?.mtimeSeconds })
  }

  /**
   * A name that the loser's copy would have, and under which something lies on its side that looks just like it. It is new,
   * and nothing else lies there on the other side, so that nobody takes it away.
   */
  #copyOf(lost: Entry, loser: Side, around: Around, digest: Uint8Array | undefined): string | undefined {
    const { machines, linkDigest } = this.#rules
    const ofValue = lost.link === undefined ? digest : linkDigest(lost.link)
    if (ofValue === undefined) return undefined
    return conflictName(lost.name, machines[loser], ofValue, (name) => {
      const [here, there] = [around.entry(loser, name), around.entry(otherSide(loser), name)]
      const isFit = looksLike(lost, here) && (there === undefined || looksLike(lost, there))
      return !isFit || around.isKnown(name)
    })
  }

  /** The loser gets its new name, and the winner comes in its place. */
  #putAside(place: Place, { names, loser }: TwoWay & { kind: 'conflict' }, copyAs: string, digests: Digests): void {
    const winner = otherSide(loser)
    const [kept, lost] = [names[winner], names[loser]]
    if (kept === undefined || lost === undefined) return
    this.#found(place, { names, loser }, copyAs)
    const aside: Aside = { path: place.path, entry: lost, copyAs, digest: digests[loser] }
    this.#plans[loser].aside(aside)
    // Its old name is free then, and the new one is new to the other side.
    this.#plans[winner].bring(place.path, 'create', { ...lost, name: copyAs }, undefined)
    this.#proven.add(joinPath(place.path, copyAs))
    this.#bringOver(place, loser, 'create', kept)
  }

  /** The loser lies under its new name already, from where it goes over like any other file: the winner takes its old one. */
  #leaveToCopy(place: Place, { names, loser }: TwoWay & { kind: 'conflict' }, copy: string): void {
    const [kept, there] = [names[otherSide(loser)], names[loser]]
    if (kept === undefined || there === undefined) return
    this.#found(place, { names, loser }, copy)
    this.#bringOver(place, loser, kept.kind === there.kind ? 'replace' : 'retype', kept, there)
  }

  /** What a conflict's loser gives up its name for. */
  #bringOver(place: Place, to: Side, action: 'create' | 'replace' | 'retype', entry: Entry, there?: Entry): void {
    this.#takeBring(place, { kind: 'bring', to, action, entry, there, restores: false })
  }

  /** Asks for the digests of what only content can tell, and takes what they decide. */
  async #settle(): Promise<void> {
    const doubts = this.#doubts
    this.#doubts = []
    for (let from = 0; from < doubts.length; from += digestsPerRequest) {
      const some = doubts.slice(from, from + digestsPerRequest)
      const [lefts, rights] = await Promise.all([this.#digests('left', some), this.#digests('right', some)])
      some.forEach(({ place, names, around }, i) => {
        const digests = { left: lefts[i], right: rights[i] }
        // Also where that decides nothing: the base is told by digests that both are equal, whatever their times say.
        this.#proven.add(joinPath(place.path, nameIn(names)))
        for (const decision of settleTwoWay(names, digests, place.path, this.#rules, around.isTaken))
          this.#take(place, decision, around, digests)
      })
    }
  }

  /** Takes conflicts whose copies may be there, by the digests of these. */
  async #settleCopied(): Promise<void> {
    const copied = this.#copied
    this.#copied = []
    const told = { left: new Map<RelPath, Uint8Array>(), right: new Map<RelPath, Uint8Array>() }
    for (const side of sides) {
      const asked = copied.filter(({ decision, isBoth }) => isBoth || decision.loser === side)
      const paths = asked.map(({ place, copy }) => joinPath(place.path, copy))
      for (let from = 0; from < paths.length; from += digestsPerRequest) {
        const some = paths.slice(from, from + digestsPerRequest)
        const digests = await this.#ends[side].digests(asFiles(some), this.#rules.checksum)
        some.forEach((path, i) => told[side].set(path, digests[i] ?? noDigest))
      }
    }
    for (const { place, decision, digests, copy, isBoth } of copied) {
      const wanted = digests[decision.loser] ?? noDigest
      const asked = isBoth ? sides : [decision.loser]
      const isThere = asked.every((side) => equalBytes(told[side].get(joinPath(place.path, copy)) ?? noDigest, wanted))
      if (isThere && wanted !== noDigest) this.#leaveToCopy(place, decision, copy)
      else this.#putAside(place, decision, decision.copyAs as string, digests)
    }
  }

  async #digests(side: Side, doubts: readonly Doubt[]): Promise<(Uint8Array | undefined)[]> {
    const asked = doubts.filter(({ names }) => names[side]?.kind === 'file')
    if (asked.length === 0) return doubts.map(() => undefined)
    const paths = asked.map(({ place, names }) => joinPath(place.path, nameIn(names)))
    const told = await this.#ends[side].digests(asFiles(paths), this.#rules.checksum)
    let at = 0
    return doubts.map(({ names }) => (names[side]?.kind === 'file' ? told[at++] : undefined))
  }

  /** Directories of which nothing comes back go as wholes, the outermost of them. */
  #endDeleted(): void {
    for (const { directory, path, on, there, above, comesBack } of this.#deleted) {
      if (comesBack) continue
      for (const side of sides) this.#plans[side].drop(path)
      if (above === undefined || above.comesBack) this.#plans[on].delete(directory, there)
    }
  }

  result(): Divergence {
    const { left, right } = this.#plans
    const plans = { left: left.plan(this.#problems), right: right.plan(this.#problems) }
    const told = { conflicts: this.#conflicts, problems: this.#problems, restored: this.#restored }
    return { left, right, plans, ...told, proven: this.#proven }
  }
}

function nameIn({ left, right, base }: Names): string {
  return (left ?? right ?? base)?.name ?? ''
}

/** What lies in a directory, by name; nothing is read before it is asked. */
class Around {
  readonly #bytes: Readonly<Record<Side, Uint8Array>>
  readonly #base: Uint8Array | undefined
  #known: Set<string> | undefined
  readonly #given = new Set<string>()
  readonly #entries = new Map<Side, Map<string, Entry>>()

  constructor(bytes: Readonly<Record<Side, Uint8Array>>, base: Uint8Array | undefined) {
    this.#bytes = bytes
    this.#base = base
  }

  /** Whether the base knows a name. */
  isKnown(name: string): boolean {
    if (this.#base === undefined) return false
    this.#known ??= new Set([...baseEntries(this.#base)].map((entry) => entry.name))
    return this.#known.has(name)
  }

  entry(side: Side, name: string): Entry | undefined {
    let entries = this.#entries.get(side)
    if (entries === undefined) {
      entries = new Map()
      for (const entry of listingEntries(this.#bytes[side])) entries.set(entry.name, entry)
      this.#entries.set(side, entries)
    }
    return entries.get(name)
  }

  /**
   * Whether a name is in use on either side, or was when both agreed: what is given a name that was deleted on the other side
   * would look as if it had been there then. A name that is called free is given away by that.
   */
  readonly isTaken = (name: string): boolean => {
    if (this.#given.has(name) || this.isKnown(name)) return true
    if (sides.some((side) => this.entry(side, name) !== undefined)) return true
    this.#given.add(name)
    return false
  }
}

/** Whether it may be the same value under another name. */
function looksLike(lost: Entry, other: Entry | undefined): boolean {
  if (other?.kind !== lost.kind || other.mode !== lost.mode || other.sizeBytes !== lost.sizeBytes) return false
  if (other.mtimeSeconds !== lost.mtimeSeconds || other.mtimeNs !== lost.mtimeNs) return false
  return lost.link === undefined || isSameLink(lost, other)
}

/** The later time of two directories: both get it, so that it is none of either side. */
function laterOf(
  left: DirectoryListing | undefined,
  right: DirectoryListing | undefined,
): Pick<SectionHead, 'mtimeSeconds' | 'mtimeNs'> {
  const [one, other] = [left ?? right, right ?? left]
  if (one === undefined || other === undefined) return { mtimeSeconds: 0, mtimeNs: 0 }
  const order = one.mtimeSeconds - other.mtimeSeconds || one.mtimeNs - other.mtimeNs
  const { mtimeSeconds, mtimeNs } = order >= 0 ? one : other
  return { mtimeSeconds, mtimeNs }
}
