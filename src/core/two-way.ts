// Decides, for one directory, what both sides of a two-way job need to become the same, from what they have and what they
// last agreed on (the base).

import type { BaseEntry } from './base.ts'
import type { ConflictPolicy } from './conflict.ts'
import type { Entry } from './entry.ts'
import type { RelPath } from './path.ts'
import type { ProblemCode } from './problem.ts'
import type { TimeRange } from './reconcile.ts'
import type { Selection } from './selection.ts'

export type Side = 'left' | 'right'

export type TwoWayRules = Omit<Selection, 'only'> & {
  /** The coarser grain of both ends: times that differ by less are equal. */
  readonly timeGrainNs: number
  /** The times that both sides can hold, in seconds; undefined where that is every time that travels. */
  readonly times?: TimeRange
  /** Compare content wherever sizes are equal, whatever the times say. */
  readonly checksum: boolean
  readonly machines: { readonly left: string; readonly right: string }
  policyFor(path: RelPath): ConflictPolicy
  /** The digest that stands for a symlink's text: of it, under a domain, so that it is none of a content. */
  linkDigest(text: Uint8Array): Uint8Array
}

/** What the three listings have of one name; never nothing at all. */
export type Names = {
  readonly left: Entry | undefined
  readonly right: Entry | undefined
  readonly base: BaseEntry | undefined
}

export type TwoWay =
  /** Equal on both sides, and the base does not say so yet. */
  | { readonly kind: 'agree'; readonly entry: Entry }
  /**
   * A side becomes `entry`. `there` is what it has now. A directory that is created or retyped comes with all below.
   * `restores`: it was deleted there, and comes back because the other side changed it.
   */
  | {
      readonly kind: 'bring'
      readonly to: Side
      readonly action: 'create' | 'replace' | 'retype' | 'attributes'
      readonly entry: Entry
      readonly there: Entry | undefined
      readonly restores: boolean
    }
  /** Deleted on the other side, unchanged on this one. */
  | { readonly kind: 'delete'; readonly on: Side; readonly there: Entry }
  /** Directories on both sides; something below differs, or the base does not say all that is there. */
  | { readonly kind: 'enter'; readonly left: Entry; readonly right: Entry; readonly base: BaseEntry | undefined }
  /**
   * Deleted on the other side, and not known to be unchanged below on this one (`on`). What is below is decided against
   * nothing; if none of it comes back to the other side, the whole directory goes.
   */
  | { readonly kind: 'enter-deleted'; readonly on: Side; readonly there: Entry; readonly base: BaseEntry }
  /** Only the digests of the files among `left` and `right` can tell; `settleTwoWay` decides then. */
  | { readonly kind: 'digests'; readonly names: Names }
  /**
   * Changed to different values on both sides. With `copyAs` the loser gets this name on its own side, and nothing else
   * happens at the name until then; without, the `bring` that follows replaces it.
   */
  | { readonly kind: 'conflict'; readonly names: Names; readonly loser: Side; readonly copyAs: string | undefined }
  | { readonly kind: 'problem'; readonly name: string; readonly code: ProblemCode }
  /** A special that stands in nobody's way. */
  | { readonly kind: 'skip'; readonly name: string; readonly side: Side }
  /** Gone on both sides: the base may forget it. */
  | { readonly kind: 'forget'; readonly name: string }

/** Whether a name is in use in the directory on either side. Asked only where a conflict copy needs a name. */
export type IsTaken = (name: string) => boolean

/**
 * The decisions for one directory (`path`), in the order of names. A name without one needs nothing. The listings are gone
 * through once, side by side, and nothing of them is kept.
 */
export function* reconcileTwoWay(
  left: Iterable<Entry>,
  right: Iterable<Entry>,
  base: Iterable<BaseEntry>,
  path: RelPath,
  rules: TwoWayRules,
  isTaken: IsTaken,
): Generator<TwoWay, void, undefined> {
  yield* []
  throw new Error(String([left, right, base, path, rules, isTaken]))
}

/**
 * Decides a name whose digests were asked for: of each side that is a file. One is undefined where it could not be taken
 * (the file kept changing, or is gone): such a name is left alone until the next run. `path` is that of the directory.
 */
export function settleTwoWay(
  names: Names,
  digests: { readonly left: Uint8Array | undefined; readonly right: Uint8Array | undefined },
  path: RelPath,
  rules: TwoWayRules,
  isTaken: IsTaken,
): TwoWay[] {
  throw new Error(String([names, digests, path, rules, isTaken]))
}
