// The policy of versions, as tables.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  decideKeep,
  isExpired,
  type Keep,
  type KeptRun,
  type KeptRuns,
  keepNotices,
  keepText,
  longerKeep,
  type Pruning,
  parseKeep,
  showKeep,
  toPrune,
} from './retention.ts'

const day = 86_400_000
const now = 1_800_000_000_000
const roomy = { totalBytes: 1e12, freeBytes: 5e11, neededBytes: 0 }
const days = (count: number): Keep => ({ kind: 'days', days: count })

/** A run of so many days ago, of this size. */
const run = (name: string, ageDays: number, sizeBytes = 1): { run: string; atMs: number; sizeBytes: number } => ({
  run: name,
  atMs: now - ageDays * day,
  sizeBytes,
})

function kept(runs: readonly KeptRun[]): KeptRuns {
  const oldestFirst = runs.toSorted((a, b) => a.atMs - b.atMs || (a.run < b.run ? -1 : 1))
  const sizeBytes = runs.reduce((sum, run) => sum + run.sizeBytes, 0)
  return { oldestFirst, sizeBytes, newestMs: oldestFirst.at(-1)?.atMs ?? 0 }
}

describe('retention', () => {
  const cases: readonly (readonly [string, readonly KeptRun[], Keep, Parameters<typeof toPrune>[2], Pruning])[] = [
    ['nothing kept', [], days(30), roomy, { expired: [], early: [] }],
    ['young ones stay', [run('a', 29), run('b', 0)], days(30), roomy, { expired: [], early: [] }],
    ['old ones go', [run('b', 3), run('a', 31)], days(30), roomy, { expired: ['a'], early: [] }],
    ['exactly as old stays', [run('a', 30)], days(30), roomy, { expired: [], early: [] }],
    ['other days', [run('a', 3), run('b', 1)], days(2), roomy, { expired: ['a'], early: [] }],
    ['none keeps the old ones', [run('a', 31), run('b', 29)], { kind: 'none' }, roomy, { expired: ['a'], early: [] }],
    ['forever', [run('a', 9999, 9e11)], { kind: 'forever' }, { ...roomy, freeBytes: 0 }, { expired: [], early: [] }],
    [
      'at most a tenth of the volume, oldest first',
      [run('a', 3, 6e10), run('b', 2, 6e10), run('c', 1, 3e10)],
      days(30),
      roomy,
      { expired: [], early: ['a'] },
    ],
    [
      'what expired makes room first',
      [run('a', 40, 6e10), run('b', 2, 6e10), run('c', 1, 3e10)],
      days(30),
      roomy,
      { expired: ['a'], early: [] },
    ],
    [
      'a twentieth stays free',
      [run('a', 3, 1e10), run('b', 2, 2e10), run('c', 1, 1e10)],
      days(30),
      { ...roomy, freeBytes: 2.5e10 },
      { expired: [], early: ['a', 'b'] },
    ],
    [
      'room that is needed at once',
      [run('a', 3, 1e10), run('b', 2, 1e10)],
      days(30),
      { totalBytes: 1e12, freeBytes: 6e10, neededBytes: 6.5e10 },
      { expired: [], early: ['a'] },
    ],
    [
      'what takes no space makes none',
      [run('a', 3, 0), run('b', 2, 1e10)],
      days(30),
      { ...roomy, freeBytes: 4.5e10 },
      { expired: [], early: ['b'] },
    ],
    [
      'a clock that went back removes nothing by age',
      [run('a', 31), run('b', -2)],
      days(30),
      roomy,
      { expired: [], early: [] },
    ],
  ]
  for (const [name, runs, keep, volume, wanted] of cases) {
    it(name, () => assert.deepEqual(toPrune(kept(runs), keep, volume, now), wanted))
  }

  it('reads what a person writes', () => {
    for (const [text, keep] of [
      ['30', days(30)],
      ['7d', days(7)],
      ['1', days(1)],
      ['forever', { kind: 'forever' }],
      ['none', { kind: 'none' }],
    ] as const) {
      assert.deepEqual(parseKeep(text), keep)
      assert.deepEqual(parseKeep(keepText(keep)), keep)
    }
    for (const text of ['', '0', '-1', '1.5', '36501', 'ever', '30 days', 'd', '999999']) {
      assert.equal(parseKeep(text), undefined, text)
    }
    assert.deepEqual([days(1), days(2), { kind: 'none' } as Keep, { kind: 'forever' } as Keep].map(showKeep), [
      'a day',
      '2 days',
      'no time at all',
      'ever',
    ])
  })

  it('never lets a request keep less than the floor', () => {
    const order: readonly Keep[] = [{ kind: 'none' }, days(1), days(30), { kind: 'forever' }]
    for (const [i, a] of order.entries())
      for (const [j, b] of order.entries()) assert.deepEqual(longerKeep(a, b), order[Math.max(i, j)])
  })

  it('asks the run, then the target, then the default, and obeys the floor', () => {
    const none: Keep = { kind: 'none' }
    for (const [asked, remembered, floor, wanted] of [
      [undefined, undefined, undefined, days(30)],
      [undefined, days(90), undefined, days(90)],
      [days(7), days(90), undefined, days(7)],
      [none, undefined, undefined, none],
      [none, undefined, days(30), days(30)],
      [days(60), undefined, days(30), days(60)],
      [undefined, days(7), none, days(7)],
    ] as const) {
      assert.deepEqual(decideKeep(asked, remembered, floor), wanted)
    }
  })

  it('tells of a policy that is not as asked, and of lost protection', () => {
    assert.deepEqual(keepNotices(undefined, days(30), 0), [])
    assert.deepEqual(keepNotices(days(30), days(30), 0), [])
    assert.match(
      String(keepNotices({ kind: 'none' }, days(30), 0)),
      /keeps old versions for 30 days.*not no time at all/,
    )
    assert.match(String(keepNotices(undefined, days(30), 1)), /^lost protection: .* of one earlier run /)
    assert.match(String(keepNotices(undefined, days(30), 2)), /^lost protection: .* of 2 earlier runs /)
  })

  it('knows what is old', () => {
    assert.equal(isExpired(now - 31 * day, days(30), now), true)
    assert.equal(isExpired(now - 29 * day, days(30), now), false)
    assert.equal(isExpired(now + day, days(30), now), false)
    assert.equal(isExpired(0, { kind: 'forever' }, now), false)
    assert.equal(isExpired(now - 31 * day, { kind: 'none' }, now), true)
  })
})
