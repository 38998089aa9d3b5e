// A plan under limits of size: directories that go are looked into before they are told as going, since files that are left
// out stay, with the directories above them. What goes from within those is planned name by name; so a plan lists and counts
// what will happen, and nothing is left to be found out when it is carried out. Asks the right for listings, a level a round
// trip; costs nothing without such limits.

import type { Entry } from '../core/entry.ts'
import { listingEntries } from '../core/listing.ts'
import { joinPath, type RelPath } from '../core/path.ts'
import { type Decision, type Rules, reconcile } from '../core/reconcile.ts'
import { isOutside } from '../core/selection.ts'
import { type Spared, sparedOf } from '../core/spared.ts'
import type { DirectoryListing } from '../disk/told-listings.ts'
import type { End } from './endpoint.ts'
import { chunks, type Place, placeIn } from './places.ts'

/** A directory that stays, and what of it goes or is a problem. */
export type Sparing = {
  readonly place: Place
  readonly listing: DirectoryListing
  readonly decisions: readonly Decision[]
}

/**
 * What stays of `goes`, and what goes from within. `hasMoved` says of a directory that it lies elsewhere already, with all
 * that is in it.
 */
export async function spareOutside(
  right: End,
  goes: readonly Place[],
  rules: Rules,
  hasMoved: (path: RelPath) => boolean,
): Promise<{ readonly spared: Spared; readonly sparings: readonly Sparing[] }> {
  const outside = new Map<RelPath, number>()
  await walk(right, goes, (place, listing) => {
    const entries = [...listingEntries(listing.bytes)]
    const count = entries.filter((one) => one.kind === 'file' && isOutside(one.sizeBytes, rules.sizes)).length
    if (count > 0) outside.set(place.path, count)
    return directoriesIn(place, entries).filter(({ path }) => !hasMoved(path))
  })
  const spared = sparedOf(new Set(goes.map(({ path }) => path)), outside)
  const sparings: Sparing[] = []
  if (spared.directories.size === 0) return { spared, sparings }
  const isSpared = ({ path }: Place): boolean => spared.directories.has(path)
  await walk(right, goes.filter(isSpared), (place, listing) => {
    const entries = [...listingEntries(listing.bytes)]
    const decisions = [...reconcile([], entries, rules)].filter((one) => {
      if (one.kind !== 'delete') return true
      const path = joinPath(place.path, one.right.name)
      return !spared.directories.has(path) && !hasMoved(path)
    })
    sparings.push({ place, listing, decisions })
    return directoriesIn(place, entries).filter(isSpared)
  })
  return { spared, sparings }
}

function directoriesIn(place: Place, entries: readonly Entry[]): Place[] {
  return entries.filter(({ kind }) => kind === 'directory').map(({ name }) => placeIn(place, name))
}

/** Looks at directories of the right, parents first; `look` answers which ones come next. */
async function walk(
  right: End,
  places: readonly Place[],
  look: (place: Place, listing: DirectoryListing) => readonly Place[],
): Promise<void> {
  for (let level = places; level.length > 0; ) {
    const next: Place[] = []
    for (const some of chunks(level)) {
      const listings = await right.listings(some.map(({ origin }) => origin))
      some.forEach((place, i) => {
        const listing = listings[i]
        if (listing !== undefined) next.push(...look(place, listing))
      })
    }
    level = next
  }
}
