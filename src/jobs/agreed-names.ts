// Names that both ends of a comparison can agree on, a directory at a time. Where the right takes every name as it is,
// each side's own; else they are paired first (core/naming.ts), and what comes of that is kept: what gets the left's
// spelling, what the left is to be asked for by another name, what the right can't have.

import type { Entry } from '../core/entry.ts'
import { depthOf } from '../core/links.ts'
import { listingEntries } from '../core/listing.ts'
import { pairNames } from '../core/naming.ts'
import { entriesWithin, type NameRange } from '../core/outline.ts'
import { joinPath, type RelPath } from '../core/path.ts'
import type { Problem } from '../core/problem.ts'
import { type Decision, type Rules, reconcile } from '../core/reconcile.ts'
import type { DirectoryMove } from '../core/renames.ts'
import type { Place } from './places.ts'
import type { Spellings } from './spellings.ts'

export class AgreedNames {
  readonly #spellings: Spellings
  /** What the right calls, until the moves are done, what shall be spelled like the left's, by path. */
  readonly #oldNames = new Map<RelPath, string>()

  constructor(spellings: Spellings) {
    this.#spellings = spellings
  }

  /** The decisions for one directory from its listings, or the `ranges` of them that may differ where names need no pairing; moves and problems that its names make are added to `into`. */
  decide(
    { path }: Place,
    listings: {
      readonly left: Uint8Array
      readonly right: Uint8Array
      readonly ranges?: readonly NameRange[] | undefined
    },
    rules: Rules,
    into: { readonly moves: DirectoryMove[]; readonly problems: Problem[] },
  ): Iterable<Decision> {
    const entriesIn = (bytes: Uint8Array): Iterable<Entry> =>
      listings.ranges === undefined ? listingEntries(bytes) : entriesWithin(bytes, listings.ranges)
    const [lefts, rights] = [entriesIn(listings.left), entriesIn(listings.right)]
    if (rules.naming === undefined) return reconcile(lefts, rights, rules, depthOf(path))
    const respells = rules.mode === 'mirror' && rules.only !== 'lacking'
    const paired = pairNames(lefts, rights, rules.naming, respells)
    for (const { name, code } of paired.problems) {
      into.problems.push({ path: joinPath(path, name), code, detail: '' })
      this.#spellings.leaveAway(path, name)
    }
    for (const alias of paired.aliases) this.#spellings.add(path, alias)
    for (const { from, to } of paired.respelled) {
      this.#oldNames.set(joinPath(path, to), from)
      into.moves.push({ from: joinPath(path, from), to: joinPath(path, to) })
    }
    return reconcile(paired.left, paired.right, rules, depthOf(path))
  }

  /** Where both ends have what has this name in a directory. */
  placeIn({ path, origin }: Place, name: string): Place {
    const at = joinPath(path, name)
    return { path: at, origin: joinPath(origin, this.#oldNames.get(at) ?? name) }
  }
}
