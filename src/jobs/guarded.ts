// What of a plan a guard may ask a person about: what is deleted or replaced, a line each. A person who lets it go on lets
// exactly this set go on, by its digest.

import { textDigest } from '../chunk/identifier.ts'
import type { Entry } from '../core/entry.ts'
import type { RelPath } from '../core/path.ts'
import type { Plan } from '../core/plan.ts'

const sampleMax = 20

/** The line of something that is there: what happens to it, and what it is. */
export function guardLine(what: string, path: RelPath, right: Entry): string {
  const content = right.summary === undefined ? '' : Buffer.from(right.summary.fingerprint).toString('hex')
  return `${path}\0${what}\0${right.kind}\0${right.sizeBytes}\0${right.mtimeSeconds}\0${right.mtimeNs}\0${content}`
}

/** The lines of a plan, in any order, as it holds them. */
export function guardedBy(lines: readonly string[]): Pick<Plan, 'guarded' | 'guardedDigest' | 'guardedSample'> {
  const guarded = [...lines].sort()
  return {
    guarded,
    guardedDigest: textDigest('guarded 1', guarded.join('\n')),
    guardedSample: guarded.slice(0, sampleMax).map((line) => line.slice(0, line.indexOf('\0'))),
  }
}
