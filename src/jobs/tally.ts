// What a run has done to a target so far: what it counts, what it could not do, which folders have to be looked at again,
// and what lies displaced and has to go in the end. Tells each act to the run's log. Does nothing itself.

import { parentOf, type RelPath, rootPath } from '../core/path.ts'
import type { Problem } from '../core/problem.ts'
import type { DirectoryMove } from '../core/renames.ts'
import { furtherFields } from '../core/trail.ts'
import type { LandReport } from '../disk/batch-tasks.ts'
import type { Log } from '../std/log.ts'
import type { ApplyCounts } from './endpoint.ts'

const sharedMax = 10_000

export class Tally {
  readonly counts: ApplyCounts = { created: 0, replaced: 0, attributes: 0, renamed: 0, deleted: 0, copied: 0 }
  readonly problems: Problem[] = []
  readonly touched: Set<RelPath> = new Set()
  readonly removed: RelPath[] = []
  readonly displaced: Uint8Array[] = []
  /** Inodes of several names of which one was displaced lately: what is told to every batch is bounded. */
  readonly shared: string[] = []
  readonly #log: Log

  constructor(log: Log) {
    this.#log = log
  }

  /** Folders that took another name, and those made for it; `respelled` are new names that the disk takes for the old ones. */
  addMoves(
    { moved, made }: { readonly moved: readonly DirectoryMove[]; readonly made: readonly RelPath[] },
    respelled: { has(path: RelPath): boolean },
  ): void {
    this.counts.created += made.length
    for (const path of made) {
      this.touched.add(path).add(parentOf(path))
      this.#log.note('created-directory', { directory: path })
    }
    for (const { from, to } of moved) {
      this.counts.renamed++
      this.touched.add(parentOf(from)).add(parentOf(to))
      this.#log.note('renamed', { from, to, reason: respelled.has(to) ? 'same-name' : 'same-directory' })
    }
  }

  /** A batch that has landed. */
  addLanded(report: LandReport): void {
    const { counts } = this
    for (const key of ['created', 'replaced', 'attributes', 'deleted'] as const) counts[key] += report.counts[key]
    counts.copied += report.copied
    counts.renamed += report.moved
    counts.created -= report.moved
    this.problems.push(...report.problems)
    for (const path of report.touched) this.touched.add(path)
    this.removed.push(...report.removed)
    if (report.shared.length > 0) this.shared.splice(0, this.shared.push(...report.shared) - sharedMax)
    if (report.displaced.length > 0) this.displaced.push(report.displaced)
    for (const { names, from, of, ...line } of report.done) {
      const moved = from === undefined ? {} : { from, reason: 'same-content' }
      const further = of === undefined ? {} : furtherFields(names, of)
      this.#log.note(line.action, { ...line, names: names.join('/'), count: names.length, ...moved, ...further })
    }
  }

  /** The top folder, which was to become another one. */
  addTop({ problems, count }: { readonly problems: readonly Problem[]; readonly count: number }): void {
    this.problems.push(...problems)
    this.counts.attributes += count
    this.touched.add(rootPath)
    if (count > 0) this.#log.note('attributes-set', { directory: '' })
  }

  /** What was displaced is gone, but for these: `problems` of what was kept aside, `back` what has its name again. */
  addDropped(problems: readonly Problem[], back: readonly string[]): void {
    this.problems.push(...problems)
    // What went back was not deleted. What was kept aside has lost its name all the same.
    this.counts.deleted -= back.length
    for (const { path } of problems) this.touched.add(parentOf(path as RelPath))
    for (const path of back) this.#log.note('put-back', { path, code: 'not-empty' })
  }
}
