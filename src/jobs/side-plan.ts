// What one side of a two-way run gets, while it is found: a section a directory, what goes, and the copies that conflicts
// leave. Becomes a plan like a mirror's, judged and carried out like one. Counts at the end, so that what turns out
// otherwise (a directory that goes as a whole) needs no counting back.

import type { Entry } from '../core/entry.ts'
import { compareNames } from '../core/listing.ts'
import { joinPath, type RelPath } from '../core/path.ts'
import {
  compareSections,
  type PackedSection,
  type Plan,
  packSection,
  type SectionHead,
  type Step,
} from '../core/plan.ts'
import type { Problem } from '../core/problem.ts'
import { guardedBy, guardLine } from './guarded.ts'
import { below, isStill, stepOf } from './places.ts'

type Change = 'create' | 'replace' | 'retype' | 'attributes'
type Draft = { head: SectionHead; readonly steps: Step[]; readonly there: Map<string, Entry>; readonly goes: Entry[] }

/** A conflict's loser, which gets another name on its own side. */
export type Aside = {
  readonly path: RelPath
  readonly entry: Entry
  readonly copyAs: string
  /** Of its content; undefined for a symlink. */
  readonly digest: Uint8Array | undefined
}

export class SidePlan {
  readonly #drafts = new Map<RelPath, Draft>()
  /** Directories that are new as a whole, of which all is known: their bytes, and no objects. */
  readonly #sealed = new Map<RelPath, PackedSection>()
  readonly #asides: Aside[] = []
  readonly #dressed: { readonly path: RelPath; readonly entry: Entry }[] = []

  /** A directory of this side in which something is to be done, or which is to be made. */
  open(head: SectionHead): void {
    const known = this.#drafts.get(head.path)
    if (known === undefined) this.#drafts.set(head.path, { head, steps: [], there: new Map(), goes: [] })
    else if (head.state !== 'present') known.head = head
  }

  /** What `there` is now becomes `entry`. The directory was opened. */
  bring(directory: RelPath, action: Change, entry: Entry, there: Entry | undefined): void {
    const draft = this.#draft(directory)
    draft.steps.push(stepOf(action, entry))
    if (there !== undefined) draft.there.set(entry.name, there)
  }

  delete(directory: RelPath, there: Entry): void {
    this.#draft(directory).goes.push(there)
  }

  /** All that was planned in a directory is not done. */
  drop(directory: RelPath): void {
    this.#drafts.delete(directory)
  }

  /** Nothing more is planned in a directory that is made: what was is held as its bytes. */
  seal(directory: RelPath): void {
    const { head, steps } = this.#draft(directory)
    this.#sealed.set(directory, packSection(head, steps))
    this.#drafts.delete(directory)
  }

  aside(aside: Aside): void {
    this.#asides.push(aside)
  }

  /** Only the mode and such of a file that then goes to the other side: with its content goes what it has by then. */
  dressFirst(directory: RelPath, entry: Entry): void {
    this.#dressed.push({ path: directory, entry })
  }

  #draft(directory: RelPath): Draft {
    const draft = this.#drafts.get(directory)
    if (draft === undefined) throw new Error(`the directory ${directory} was not opened`)
    return draft
  }

  /** The directories in which something comes before all else. */
  get asideDirectories(): RelPath[] {
    return [...new Set([...this.#asides, ...this.#dressed].map(({ path }) => path))]
  }

  /**
   * Takes out what would change a name that is not as it was when this was planned, given what lies in a directory now;
   * the names. A target that looked at the directory again would take what somebody did meanwhile for what was seen.
   */
  spareChanged(directory: RelPath, now: Iterable<Entry>): string[] {
    const draft = this.#draft(directory)
    const found = new Map<string, Entry>()
    for (const entry of now) found.set(entry.name, entry)
    const changed = [...draft.there.values(), ...draft.goes].filter((entry) => !isStill(entry, found.get(entry.name)))
    const names = new Set(changed.map(({ name }) => name))
    if (names.size === 0) return []
    this.#drafts.set(directory, {
      ...draft,
      steps: draft.steps.filter(({ entry }) => !names.has(entry.name)),
      goes: draft.goes.filter(({ name }) => !names.has(name)),
    })
    for (const name of names) this.#dropWithin(joinPath(directory, name))
    return [...names]
  }

  /** What would be made there, and in it. */
  #dropWithin(path: RelPath): void {
    for (const drafts of [this.#drafts, this.#sealed])
      for (const one of drafts.keys()) if (one === path || one.startsWith(`${path}/`)) drafts.delete(one)
  }

  /** What comes before all else: conflict copies get their names, and the old ones go; what is dressed first. */
  asides(): { readonly sections: PackedSection[]; readonly deletions: PackedSection[] } {
    const sections = this.#sectionsOf([
      ...this.#asides.map((aside) => ({ path: aside.path, step: asideStep(aside) })),
      ...this.#dressed.map(({ path, entry }) => ({ path, step: stepOf('attributes', entry) })),
    ])
    const deletions = this.#sectionsOf(this.#asides.map(({ path, entry }) => ({ path, step: stepOf('delete', entry) })))
    return { sections, deletions }
  }

  #sectionsOf(steps: readonly { readonly path: RelPath; readonly step: Step }[]): PackedSection[] {
    const sections = [...Map.groupBy(steps, ({ path }) => path)].map(([path, some]) => {
      const { head } = this.#draft(path)
      return packSection(
        head,
        some.map(({ step }) => step),
      )
    })
    return sections.sort(compareSections)
  }

  plan(problems: readonly Problem[]): Plan {
    const [sections, deletions]: [PackedSection[], PackedSection[]] = [[...this.#sealed.values()], []]
    const guarded: string[] = []
    let [deletes, replaces] = [0, 0]
    for (const { head, steps, there, goes } of this.#drafts.values()) {
      // What is built aside is listed as it is written, and what content decided was found last.
      if (head.state !== 'present') steps.sort((a, b) => compareNames(a.entry, b.entry))
      if (steps.length > 0 || head.state !== 'present') sections.push(packSection(head, steps))
      for (const { action, entry } of steps) {
        const old = there.get(entry.name)
        if (old === undefined || (action !== 'replace' && action !== 'retype')) continue
        replaces++
        if (action === 'retype') deletes += below(old)
        guarded.push(guardLine(action, joinPath(head.path, entry.name), old))
      }
      if (goes.length === 0) continue
      const going = goes.map((entry) => stepOf('delete', entry))
      deletions.push(packSection({ ...head, state: 'present' }, going))
      for (const entry of goes) {
        deletes += 1 + below(entry)
        guarded.push(guardLine('delete', joinPath(head.path, entry.name), entry))
      }
    }
    // A file that is moved aside is none that goes; a symlink or an empty file is made anew, and the old one goes.
    deletes += this.#asides.filter((aside) => !movesAside(aside)).length
    sections.sort(compareSections)
    deletions.sort(compareSections)
    const whole = { moves: [], made: [], sections, deletions, problems, deletes, replaces }
    return { ...whole, ...guardedBy(guarded) }
  }

  get hasAsides(): boolean {
    return this.#asides.length > 0 || this.#dressed.length > 0
  }
}

/** Content is given another name; where there is none, nothing is moved. */
function movesAside({ entry, digest }: Aside): boolean {
  return digest !== undefined && entry.sizeBytes > 0
}

function asideStep(aside: Aside): Step {
  const { path, entry, copyAs, digest } = aside
  const step = stepOf('create', { ...entry, name: copyAs })
  return movesAside(aside) ? { ...step, from: joinPath(path, entry.name), digest } : step
}
