// Names that are one file at the source become one file at the target: a pass over a plan that was made without looking at
// that. Content comes to one name of a file, its leader; the other names are made further names of it once that has landed,
// and only where the digest at the source is that at the target. What of a plan needs none of this is left as it is.

import type { Entry } from '../core/entry.ts'
import { decideLinks, type Happens, type LinkDecision, type Member, MovedPaths } from '../core/link-plan.ts'
import type { LinkedFile } from '../core/link-table.ts'
import { listingEntries } from '../core/listing.ts'
import { joinPath, nameOf, parentOf, type RelPath } from '../core/path.ts'
import {
  cutBatches,
  type PackedSection,
  type Plan,
  packSection,
  type SectionHead,
  type Step,
  stepsOf,
} from '../core/plan.ts'
import type { Rules } from '../core/reconcile.ts'
import { equalBytes } from '../std/bytes.ts'
import type { End, SourceEnd } from './endpoint.ts'
import { guardedBy, guardLine } from './guarded.ts'
import { asFiles, chunks, digestsPerRequest, stepOf, timeOf } from './places.ts'
import type { Spellings } from './spellings.ts'

/** Stands between batches: what was sent before has to land before the next one is. */
export const landFirst = 'land first'

/** The batches of further names, each section told to `found`. Digests that nobody knew come from reading what was just sent, and cost nothing. */
export async function* linkBatches(
  source: SourceEnd,
  sections: readonly PackedSection[],
  found?: (section: PackedSection) => void,
): AsyncGenerator<PackedSection[] | typeof landFirst> {
  if (sections.length === 0) return
  if (found !== undefined) sections.forEach(found)
  yield landFirst
  const leaders = new Set<RelPath>()
  const all = sections.map((section) => ({ section, steps: [...stepsOf(section)] }))
  for (const { steps } of all)
    for (const { from, digest } of steps) if (from !== undefined && digest === undefined) leaders.add(from)
  const digests = await digestsAt(source, [...leaders])
  yield* cutBatches(
    all.map(({ section, steps }) =>
      packSection(
        section,
        steps.map((step) => ({ ...step, digest: step.digest ?? digests.get(step.from as RelPath) })),
      ),
    ),
  )
}

async function digestsAt(end: End, paths: readonly RelPath[]): Promise<Map<RelPath, Uint8Array>> {
  const found = new Map<RelPath, Uint8Array>()
  for (let at = 0; at < paths.length; at += digestsPerRequest) {
    const some = paths.slice(at, at + digestsPerRequest)
    const digests = await end.digests(asFiles(some), false)
    some.forEach((path, i) => {
      const digest = digests[i]
      if (digest !== undefined) found.set(path, digest)
    })
  }
  return found
}

/** Steps that make further names, a section a directory. */
class LinkSections {
  readonly #steps = new Map<RelPath, Step[]>()
  readonly #heads = new Map<RelPath, SectionHead>()

  add(directory: RelPath, step: Step): void {
    this.#steps.getOrInsertComputed(directory, () => []).push(step)
  }

  /** Directories get their time again when everything is done. */
  know({ path, mode, mtimeSeconds, mtimeNs }: SectionHead): void {
    this.#heads.set(path, { path, state: 'present', mode, mtimeSeconds, mtimeNs })
  }

  get directories(): RelPath[] {
    return [...this.#steps.keys()].filter((path) => !this.#heads.has(path))
  }

  take(): PackedSection[] {
    const paths = [...this.#steps.keys()].sort()
    return paths.flatMap((path) => {
      const head = this.#heads.get(path)
      return head === undefined ? [] : [packSection(head, this.#steps.get(path) as Step[])]
    })
  }
}

/** Further names of a run into an empty target: whichever name of a file is found first gets the content. */
export class FoundLinks {
  readonly #groupOf = new Map<RelPath, number>()
  readonly #leaders = new Map<number, RelPath>()
  readonly #links = new LinkSections()

  constructor(files: readonly LinkedFile[]) {
    for (const [group, { paths }] of files.entries())
      if (paths.length > 1) for (const path of paths) this.#groupOf.set(path, group)
  }

  /** The sections without what becomes a further name. */
  async *without(sections: AsyncIterable<PackedSection>): AsyncGenerator<PackedSection> {
    for await (const section of sections) {
      const rest = this.#take(section)
      if (rest !== undefined) yield rest
    }
  }

  #take(section: PackedSection): PackedSection | undefined {
    if (this.#groupOf.size === 0) return section
    const rest: Step[] = []
    for (const step of stepsOf(section)) {
      const path = joinPath(section.path, step.entry.name)
      const group = step.entry.kind === 'file' ? this.#groupOf.get(path) : undefined
      const leader = group === undefined ? path : this.#leaders.getOrInsert(group, path)
      if (leader === path) rest.push(step)
      else this.#links.add(section.path, { ...step, from: leader, links: true })
    }
    this.#links.know(section)
    if (rest.length === section.stepCount) return section
    return rest.length === 0 && section.state === 'present' ? undefined : packSection(section, rest)
  }

  sections(): PackedSection[] {
    return this.#links.take()
  }
}

/** Plans further names into a plan. `left` is asked by the target's names; what it lists has its own, which `spellings` knows. */
export async function planLinks(
  plan: Plan,
  left: SourceEnd,
  right: End,
  rules: Rules,
  spellings: Spellings,
): Promise<Plan> {
  const [lefts, rights] = await Promise.all([left.linkedFiles(), right.linkedFiles()])
  const groups = lefts.flatMap(({ paths }) => (paths.length > 1 ? [paths] : []))
  if (groups.length === 0 && rights.length === 0) return plan
  return await new Linking(plan, { left, right, spellings }, rules, groups, rights).plan()
}

type Placed = { readonly step: Step; readonly head: SectionHead }

class Linking {
  readonly #plan: Plan
  readonly #left: SourceEnd
  readonly #right: End
  readonly #spellings: Spellings
  readonly #relinks: boolean
  readonly #moves: MovedPaths
  readonly #groups: readonly (readonly RelPath[])[]
  readonly #files: readonly (readonly RelPath[])[]
  /** How many names of each file are none of these, or go and leave a version. */
  readonly #hidden: readonly number[]
  /** Names of the target as they are once directories were renamed. */
  readonly #fileAt = new Map<RelPath, number>()
  readonly #groupAt = new Map<RelPath, number>()
  /** Steps at names of these files. */
  readonly #steps = new Map<RelPath, Placed>()
  /** What goes, or stops being a directory. */
  readonly #gone = new Map<RelPath, Entry>()
  /** How many names of each file of the target stay, those that move counted where they lie then. */
  readonly #stays: RelPath[][]
  readonly #proven = new Map<RelPath, 'equal' | 'other' | 'unknown'>()
  readonly #digests = new Map<RelPath, Uint8Array>()
  /** What becomes of the steps that there are: gone, or another one. */
  readonly #changed = new Map<RelPath, Step | undefined>()
  /** Steps at names that had none. */
  readonly #added = new Map<RelPath, Happens>()
  readonly #links = new LinkSections()
  readonly #guarded: string[] = []
  #deletes = 0
  #replaces = 0

  constructor(
    plan: Plan,
    { left, right, spellings }: { readonly left: SourceEnd; readonly right: End; readonly spellings: Spellings },
    rules: Rules,
    groups: readonly (readonly RelPath[])[],
    rights: readonly LinkedFile[],
  ) {
    this.#plan = plan
    this.#left = left
    this.#right = right
    this.#spellings = spellings
    this.#relinks = rules.mode === 'mirror' && rules.only !== 'lacking'
    this.#moves = new MovedPaths(plan.moves)
    this.#groups = groups
    groups.forEach((paths, group) => {
      for (const path of paths) this.#groupAt.set(path, group)
    })
    this.#files = rights.map(({ paths }) => paths.map((path) => this.#moves.after(path)))
    this.#files.forEach((paths, file) => {
      for (const path of paths) this.#fileAt.set(path, file)
    })
    this.#readSteps()
    this.#stays = this.#files.map((paths) => paths.filter((path) => this.#staysAt(path)))
    const moved = new Set([...this.#steps.values()].map(({ step }) => step.from))
    this.#hidden = this.#files.map((paths, file) => {
      const kept = paths.filter((path) => !moved.has(path) && !this.#staysAt(path))
      return (rights[file] as LinkedFile).names - paths.length + kept.length
    })
    for (const [path, { step }] of this.#steps) {
      const file = this.#movedFile(step)
      if (file !== undefined) this.#stays[file]?.push(path)
    }
  }

  #readSteps(): void {
    for (const section of this.#plan.sections) {
      this.#links.know(section)
      for (const step of stepsOf(section)) {
        const path = joinPath(section.path, step.entry.name)
        const isOurs = this.#groupAt.has(path) || this.#fileAt.has(path) || this.#movedFile(step) !== undefined
        if (isOurs) this.#steps.set(path, { step, head: section })
        if (step.action === 'retype') this.#gone.set(path, step.entry)
      }
    }
    for (const section of this.#plan.deletions) {
      this.#links.know(section)
      for (const { entry } of stepsOf(section)) this.#gone.set(joinPath(section.path, entry.name), entry)
    }
  }

  #movedFile({ from }: Step): number | undefined {
    return from === undefined ? undefined : this.#fileAt.get(from)
  }

  /** Whether a name keeps the file that it has. */
  #staysAt(path: RelPath): boolean {
    const step = this.#steps.get(path)?.step
    if (step !== undefined && step.action !== 'attributes') return false
    for (let at = path; at !== ''; at = parentOf(at)) if (this.#gone.has(at)) return false
    return true
  }

  async plan(): Promise<Plan> {
    let decisions = this.#decideAll()
    // What a content turned out to be may make another name the leader, of which nobody knows more either.
    while (decisions.some(({ decision: { doubts } }) => doubts.length > 0)) {
      await this.#prove(decisions.map(({ group, decision: { doubts } }) => ({ group, doubts })))
      decisions = this.#decideAll()
    }
    for (const { decision } of decisions) this.#take(decision)
    if (this.#relinks) this.#partSingles(new Set(decisions.flatMap(({ decision: { keeps } }) => keeps ?? [])))
    await this.#addSteps()
    return this.#planned()
  }

  #decideAll(): { readonly group: readonly RelPath[]; readonly decision: LinkDecision }[] {
    const taken = new Set<number>()
    return this.#groups.flatMap((group) => {
      const members = group.flatMap((path) => this.#member(path))
      const fileOf = (file: number) => {
        const own = members.filter((one) => one.file === file).length
        const others = (this.#stays[file]?.length ?? 0) - own
        return { others, hidden: this.#hidden[file] ?? 0, isTaken: taken.has(file) }
      }
      const decision = members.length < 2 ? undefined : decideLinks(members, fileOf, this.#relinks)
      if (decision?.keeps !== undefined) taken.add(decision.keeps)
      return decision === undefined ? [] : [{ group, decision }]
    })
  }

  #member(path: RelPath): Member[] {
    const step = this.#steps.get(path)?.step
    const known = this.#proven.get(path)
    if (known === 'unknown' || (known === 'other' && !this.#relinks)) return []
    if (step === undefined && !this.#staysAt(path)) return []
    const happens = known === 'other' ? 'replace' : happensBy(step)
    const file = isContent(happens) ? undefined : step === undefined ? this.#fileAt.get(path) : this.#fileBy(path, step)
    return [{ path, happens, file, isProven: known === 'equal' }]
  }

  #fileBy(path: RelPath, step: Step): number | undefined {
    return step.from === undefined ? this.#fileAt.get(path) : this.#movedFile(step)
  }

  /** Asks both ends for the digests of names that nobody compared. */
  async #prove(
    doubted: readonly { readonly group: readonly RelPath[]; readonly doubts: readonly RelPath[] }[],
  ): Promise<void> {
    const asked = doubted.filter(({ doubts }) => doubts.length > 0)
    const sources = asked.map(({ group }) => group[0] as RelPath)
    const theirs = asked.flatMap(({ doubts }) => doubts)
    const [lefts, rights] = await Promise.all([
      digestsAt(this.#left, sources),
      digestsAt(
        this.#right,
        theirs.map((path) => this.#moves.before(path)),
      ),
    ])
    for (const { group, doubts } of asked) {
      const ours = lefts.get(group[0] as RelPath)
      for (const path of doubts) {
        const other = rights.get(this.#moves.before(path))
        const isKnown = ours !== undefined && other !== undefined
        this.#proven.set(path, !isKnown ? 'unknown' : equalBytes(ours, other) ? 'equal' : 'other')
        if (ours !== undefined) this.#digests.set(path, ours)
      }
    }
  }

  #take({ leader, unmoves, parts, together, follow, links }: LinkDecision): void {
    const led = this.#steps.get(leader)?.step
    if (this.#proven.get(leader) === 'other') this.#bringAnew(leader)
    if (unmoves) this.#unmove(leader)
    if (parts && led === undefined) this.#added.set(leader, 'attributes')
    if (together && led !== undefined) this.#changed.set(leader, { ...led, links: true })
    for (const path of follow) this.#changed.set(path, undefined)
    for (const { path, action } of links) {
      const step = this.#steps.get(path)?.step
      if (step?.from !== undefined) this.#countDeleted(step.from)
      if (this.#proven.get(path) === 'other') this.#countReplaced(path)
      if (step !== undefined) this.#changed.set(path, undefined)
      const digest = this.#digests.get(leader) ?? (unmoves ? undefined : led?.digest)
      const further = { action, from: leader, digest, links: true } as const
      if (step !== undefined) this.#links.add(parentOf(path), { ...further, entry: step.entry })
      else this.#further.set(path, further)
    }
  }

  /** Further names whose entry is still to be asked for. */
  readonly #further = new Map<RelPath, Omit<Step, 'entry'>>()

  /** Size and time of a name are right, and its content is not. */
  #bringAnew(path: RelPath): void {
    this.#countReplaced(path)
    const step = this.#steps.get(path)?.step
    if (step === undefined) this.#added.set(path, 'replace')
    else this.#changed.set(path, { ...step, action: 'replace' })
  }

  #unmove(path: RelPath): void {
    const step = this.#steps.get(path)?.step
    if (step?.from === undefined) return
    this.#countDeleted(step.from)
    this.#changed.set(path, stepOf('create', step.entry))
  }

  #countReplaced(path: RelPath): void {
    this.#replaces++
    const entry = this.#steps.get(path)?.step.entry
    this.#guarded.push(entry === undefined ? `${path}\0replace` : guardLine('replace', path, entry))
  }

  #countDeleted(path: RelPath): void {
    this.#deletes++
    const entry = this.#gone.get(path)
    this.#guarded.push(entry === undefined ? `${path}\0delete` : guardLine('delete', path, entry))
  }

  /** Names of one file that are several files at the source: one keeps it, where no group does. */
  #partSingles(taken: ReadonlySet<number>): void {
    this.#stays.forEach((paths, file) => {
      let isKept = taken.has(file)
      for (const path of paths) {
        if (this.#groupAt.has(path)) continue
        const step = this.#steps.get(path)?.step
        if (!isKept) isKept = true
        else if (step?.from !== undefined) this.#unmove(path)
        // What is set on a name of several gives it a file of its own.
        else if (step === undefined) this.#added.set(path, 'attributes')
      }
    })
  }

  /** Steps for names that need none but for this: what they shall be, the source's listings say. */
  async #addSteps(): Promise<void> {
    const wanted = new Map<RelPath, RelPath[]>()
    for (const path of [...this.#added.keys(), ...this.#further.keys()])
      wanted.getOrInsertComputed(parentOf(path), () => []).push(path)
    const paths = [...new Set([...wanted.keys(), ...this.#links.directories])]
    for (const some of chunks(paths)) {
      const listings = await this.#left.listings(some)
      some.forEach((path, i) => {
        const listing = listings[i]
        if (listing === undefined) return
        this.#links.know({ ...timeOf(listing), path, state: 'present', mode: 0 })
        const names = new Set((wanted.get(path) ?? []).map(nameOf))
        if (names.size === 0) return
        for (const told of listingEntries(listing.bytes)) {
          const name = this.#spellings.placeOf(path, told.name)
          if (name === undefined || !names.has(name) || told.kind !== 'file') continue
          this.#addStep(path, { ...told, name }, timeOf(listing))
        }
      })
    }
  }

  readonly #more = new Map<RelPath, { readonly head: SectionHead; readonly steps: Step[] }>()

  #addStep(directory: RelPath, entry: Entry, time: ReturnType<typeof timeOf>): void {
    const path = joinPath(directory, entry.name)
    const further = this.#further.get(path)
    if (further !== undefined) this.#links.add(directory, { ...further, entry })
    const happens = this.#added.get(path)
    if (happens !== 'attributes' && happens !== 'replace') return
    const head: SectionHead = { ...time, path: directory, state: 'present', mode: 0 }
    this.#more.getOrInsertComputed(directory, () => ({ head, steps: [] })).steps.push(stepOf(happens, entry))
  }

  #planned(): Plan {
    const links = this.#links.take()
    const plan = this.#plan
    if (links.length === 0 && this.#changed.size === 0 && this.#more.size === 0) return plan
    const directories = new Set([...this.#changed.keys()].map(parentOf))
    const sections = plan.sections.flatMap((section) => {
      const more = this.#more.get(section.path)
      this.#more.delete(section.path)
      if (!directories.has(section.path) && more === undefined) return [section]
      const steps = [...stepsOf(section), ...(more?.steps ?? [])].flatMap((step) => {
        const path = joinPath(section.path, step.entry.name)
        const changed = this.#changed.has(path) ? this.#changed.get(path) : step
        return changed === undefined ? [] : [changed]
      })
      return steps.length === 0 && section.state === 'present' ? [] : [packSection(section, steps)]
    })
    for (const { head, steps } of this.#more.values()) sections.push(packSection(head, steps))
    const guarded = this.#guarded.length === 0 ? plan : guardedBy([...plan.guarded, ...this.#guarded])
    const { deletes, replaces } = { deletes: plan.deletes + this.#deletes, replaces: plan.replaces + this.#replaces }
    return { ...plan, sections, links, deletes, replaces, ...guardedOf(guarded) }
  }
}

function guardedOf({
  guarded,
  guardedDigest,
  guardedSample,
}: Pick<Plan, 'guarded' | 'guardedDigest' | 'guardedSample'>) {
  return { guarded, guardedDigest, guardedSample }
}

function isContent(happens: Happens): boolean {
  return happens === 'create' || happens === 'replace' || happens === 'retype'
}

function happensBy(step: Step | undefined): Happens {
  if (step === undefined) return 'nothing'
  if (step.from !== undefined) return 'move'
  return step.action === 'delete' ? 'nothing' : step.action
}
