// Deletions that come after the target looked at its folders again in mid-run (so that further names can be made of what
// landed): what somebody did there since the scan would pass for what was seen. Each is held against what lies there now.

import { listingEntries } from '../core/listing.ts'
import { joinPath } from '../core/path.ts'
import { type PackedSection, packSection, stepsOf } from '../core/plan.ts'
import type { Problem } from '../core/problem.ts'
import type { End } from './endpoint.ts'
import { chunks, emptyListing, isStill } from './places.ts'

/** Those of the deletions whose names are still what they were planned by; the others are added to `problems`. */
export async function* spareChanged(
  target: Pick<End, 'listings'>,
  deletions: readonly PackedSection[],
  problems: Problem[],
): AsyncGenerator<PackedSection> {
  for (const some of chunks(deletions)) {
    const listings = await target.listings(some.map(({ path }) => path))
    for (const [i, section] of some.entries()) {
      const now = new Map([...listingEntries(listings[i]?.bytes ?? emptyListing)].map((entry) => [entry.name, entry]))
      const steps = [...stepsOf(section)]
      const kept = steps.filter(({ entry }) => isStill(entry, now.get(entry.name)))
      for (const { entry } of steps) {
        if (isStill(entry, now.get(entry.name))) continue
        problems.push({ path: joinPath(section.path, entry.name), code: 'target-changed', detail: '' })
      }
      if (kept.length > 0) yield kept.length === steps.length ? section : packSection(section, kept)
    }
  }
}
