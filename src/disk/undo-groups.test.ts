// Groups of an undo: as a table, and as a property over random batches.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RelPath } from '../core/path.ts'
import { groupEnds, type Portion } from './undo-groups.ts'

const batch = (steps: number, gives = '', takes = ''): Portion => ({
  steps,
  gives: gives.split('').map((path) => path as RelPath),
  takes: takes.split('').map((path) => path as RelPath),
})

describe('groups of an undo', () => {
  it('are as small as they may be', () => {
    const cases: readonly (readonly [readonly Portion[], number, readonly number[]])[] = [
      [[], 1, []],
      [[batch(1)], 5, [1]],
      [[batch(1), batch(1), batch(1)], 1, [1, 2, 3]],
      [[batch(1), batch(1), batch(1)], 2, [2, 3]],
      [[batch(9), batch(1), batch(1)], 5, [1, 3]],
      // A file with its two names in the first and the third batch.
      [[batch(1, 'a'), batch(1), batch(1, '', 'a'), batch(1)], 1, [3, 4]],
      [[batch(1, '', 'a'), batch(1), batch(1, 'a'), batch(1)], 1, [3, 4]],
      [[batch(1, 'a', 'a'), batch(1)], 1, [1, 2]],
      [[batch(1, 'a'), batch(1, 'b', 'a'), batch(1, '', 'b'), batch(1)], 1, [3, 4]],
      // What came back already has no batch.
      [[batch(1, '', 'z'), batch(1)], 1, [1, 2]],
    ]
    for (const [batches, stepsMin, ends] of cases) assert.deepEqual(groupEnds(batches, stepsMin), ends)
  })

  it('never part the two names of a file, and leave nothing out', () => {
    let seed = 7
    const chance = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
      return Math.floor((seed / 2 ** 32) * below)
    }
    for (let round = 0; round < 500; round++) {
      const count = 1 + chance(12)
      const gives = Array.from({ length: count }, () => [] as RelPath[])
      const takes = Array.from({ length: count }, () => [] as RelPath[])
      const pairs = Array.from({ length: chance(4) }, (_, i) => [chance(count), chance(count), `p${i}`] as const)
      for (const [give, take, path] of pairs) {
        gives[give]?.push(path as RelPath)
        takes[take]?.push(path as RelPath)
      }
      const batches = gives.map((paths, i) => ({ steps: chance(3), gives: paths, takes: takes[i] ?? [] }))
      const ends = groupEnds(batches, chance(4))
      assert.equal(ends.at(-1), count)
      assert.deepEqual(
        ends,
        ends.toSorted((a, b) => a - b),
      )
      const groupOf = (number: number): number => ends.findIndex((end) => number < end)
      for (const [give, take] of pairs) assert.equal(groupOf(give), groupOf(take))
    }
  })
})
