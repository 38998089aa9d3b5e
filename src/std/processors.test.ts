// How many processors were idle between two looks.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { idleProcessors, processorTimes } from './processors.ts'

const looks: readonly [what: string, count: number, idleMs: number, allMs: number, idle: number | undefined][] = [
  ['none', 4, 0, 400, 0],
  ['all', 4, 400, 400, 4],
  ['half of one', 2, 50, 200, 0.5],
  ['a clock that stood still', 2, 0, 0, undefined],
  ['a clock that went back', 2, -50, 200, 0],
  ['a processor that went away', 1, 50, 200, undefined],
]

for (const [what, count, idleMs, allMs, idle] of looks) {
  test(`${what}: ${idle}`, () => {
    const before = { count: what.endsWith('away') ? 2 : count, idleMs: 1000, allMs: 5000 }
    assert.equal(idleProcessors(before, { count, idleMs: 1000 + idleMs, allMs: 5000 + allMs }), idle)
  })
}

test('this machine has processors, and their clocks go on', () => {
  const first = processorTimes()
  assert.ok(first.count > 0 && first.idleMs >= 0 && first.allMs >= first.idleMs)
  assert.ok(processorTimes().allMs >= first.allMs)
})
