// What came of landing a batch: counts, problems, what has to be looked at again, what lies displaced.

import type { RelPath } from '../core/path.ts'
import type { Problem } from '../core/problem.ts'
import type { StoredPage } from '../core/tree.ts'
import type { Aside } from './aside.ts'
import { LearnedWriter } from './learned.ts'

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
  readonly built: StoredPage[]
  /** Digests of what landed in other directories. */
  readonly learned: LearnedWriter
  /** Whole directories that are gone. */
  readonly removed: RelPath[]
  /** What lies displaced in the staging directory. */
  readonly displaced: Displaced[]
  /** Inodes of several names of which one was displaced. */
  readonly shared: readonly string[]
}

/** Something that lies in the staging directory until it is dropped. */
export type Displaced = Aside

export function nothingLanded(): Landed {
  return {
    counts: { created: 0, replaced: 0, attributes: 0, deleted: 0 },
    problems: [],
    touched: new Set(),
    built: [],
    learned: new LearnedWriter(),
    removed: [],
    displaced: [],
    shared: [],
  }
}
