// Values of extended attributes and ACLs on their way: listings tell digests, and a batch brings the sets behind those that it
// names, each once. Asked of the source by path, known at the target by digest: what changed meanwhile, or was left out for
// its size, is missing there, is told, and comes with the next run.

import { extendedOf } from '../core/attributes.ts'
import { extendedBatchMaxBytes, joinSets } from '../core/extended.ts'
import { joinPath, type RelPath } from '../core/path.ts'
import { type PackedSection, stepsOf } from '../core/plan.ts'
import { hex } from '../std/bytes.ts'
import type { SourceEnd } from './endpoint.ts'
import { asFiles } from './places.ts'

/** One path of the source for each set of attributes that these sections name. */
function setPlaces(sections: readonly PackedSection[]): RelPath[] {
  const places = new Map<string, RelPath>()
  const add = (path: RelPath, block: Uint8Array | undefined): void => {
    const digest = extendedOf(block)
    if (typeof digest !== 'string' && path !== '') places.set(hex(digest), path)
  }
  for (const section of sections) {
    add(section.path, section.attributes)
    for (const { action, entry } of stepsOf(section)) {
      if (action !== 'delete') add(joinPath(section.path, entry.name), entry.attributes)
    }
  }
  return [...places.values()]
}

/** The sets that a batch needs, as `joinSets`; undefined where it needs none. */
export async function setsFor(source: SourceEnd, sections: readonly PackedSection[]): Promise<Uint8Array | undefined> {
  const places = setPlaces(sections)
  if (places.length === 0) return undefined
  const fitting: Uint8Array[] = []
  let bytes = 0
  for (const set of await source.attributes(asFiles(places))) {
    bytes += set.length
    if (bytes > extendedBatchMaxBytes) break
    if (set.length > 0) fitting.push(set)
  }
  return joinSets(fitting)
}
