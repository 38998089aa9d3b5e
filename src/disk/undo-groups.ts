// In which portions an undo lands what it has written aside. A portion is journalled, told, landed and settled as a whole;
// between two of them the target is as whole as after a run, and an undo may stop there. So a file that only gets its
// other name back has both names in one portion: between them it would have two. Pure.

import type { RelPath } from '../core/path.ts'

/** A batch, as far as it matters here. */
export type Portion = {
  readonly steps: number
  /** New names of files that only move, which this batch gives. */
  readonly gives: readonly RelPath[]
  /** The same new names, by the batch that takes the old ones away. */
  readonly takes: readonly RelPath[]
}

/** The numbers at which groups end (exclusive), in order: each of at least `stepsMin` steps where it can be. */
export function groupEnds(batches: readonly Portion[], stepsMin: number): number[] {
  const given = new Map<RelPath, number>()
  for (const [number, { gives }] of batches.entries()) for (const path of gives) given.set(path, number)
  // How many files have one name in a batch before, and the other in a later one.
  const opens = new Int32Array(batches.length + 1)
  for (const [number, { takes }] of batches.entries()) {
    for (const path of takes) {
      const other = given.get(path)
      if (other === undefined || other === number) continue
      const [first, last] = other < number ? [other, number] : [number, other]
      opens[first] = (opens[first] ?? 0) + 1
      opens[last] = (opens[last] ?? 0) - 1
    }
  }
  const ends: number[] = []
  let open = 0
  let steps = 0
  for (const [number, batch] of batches.entries()) {
    open += opens[number] ?? 0
    steps += batch.steps
    if (open > 0 || (steps < stepsMin && number + 1 < batches.length)) continue
    ends.push(number + 1)
    steps = 0
  }
  return ends
}
