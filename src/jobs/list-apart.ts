// What two ends hold of the same directories, as far as it may differ: whole listings, or of long ones the parts in which
// their outlines differ. A directory of a million entries that differs in one name travels as a page or two.

import { differingRanges, type NameRange, readOutline, wholeRange } from '../core/outline.ts'
import type { DirectoryListing, OutlinedListing } from '../disk/told-listings.ts'
import type { End } from './endpoint.ts'
import type { Place } from './places.ts'

/** Undefined where an end can't list the directory. */
export type Both = {
  readonly left: DirectoryListing | undefined
  readonly right: DirectoryListing | undefined
  /** Where the listings are parts: the names they are of. Outside of these both ends have the same. */
  readonly ranges?: readonly NameRange[]
}

/** Whole listings, in the order of the places; one round trip. */
export async function listWhole(left: End, right: End, places: readonly Place[]): Promise<Both[]> {
  const [lefts, rights] = await Promise.all([
    left.listings(places.map(({ path }) => path)),
    right.listings(places.map(({ origin }) => origin)),
  ])
  return places.map((_, i) => ({ left: lefts[i], right: rights[i] }))
}

/** What may differ; a round trip, and one more for each long listing. Not for who has to see what is equal, too. */
export async function listApart(left: End, right: End, places: readonly Place[]): Promise<Both[]> {
  // What moved is looked at whole: whether it came along is seen by what is equal.
  if (places.some(({ path, origin }) => path !== origin)) return await listWhole(left, right, places)
  const paths = places.map(({ path }) => path)
  const [lefts, rights] = await Promise.all([left.outlines(paths), right.outlines(paths)])
  const both: Both[] = []
  for (const [i, place] of places.entries()) both.push(await partsOf(left, right, place, lefts[i], rights[i]))
  return both
}

async function partsOf(
  leftEnd: End,
  rightEnd: End,
  { path }: Place,
  left: OutlinedListing | undefined,
  right: OutlinedListing | undefined,
): Promise<Both> {
  if (left === undefined || (left.outline === undefined && right?.outline === undefined)) return { left, right }
  const ranges =
    left.outline === undefined || right?.outline === undefined
      ? [wholeRange]
      : differingRanges(readOutline(left.outline), readOutline(right.outline))
  const part = async (end: End, listing: OutlinedListing): Promise<DirectoryListing> =>
    listing.outline === undefined ? listing : { ...listing, bytes: await end.listingPart(path, ranges) }
  const [leftPart, rightPart] = await Promise.all([part(leftEnd, left), right && part(rightEnd, right)])
  return { left: leftPart, right: rightPart, ranges }
}
