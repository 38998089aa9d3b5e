// The rate holds over ten seconds to well within 5 %, whatever the pieces, the waits and the number of those who take.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TokenBucket } from './limit.ts'

const cases: readonly [title: string, perSecond: number, pieces: readonly number[], takers: number, lateMs: number][] =
  [
    ['small pieces', 1_000_000, [1000], 1, 0],
    ['pieces of a twentieth', 1_000_000, [50_000], 1, 0],
    ['mixed pieces', 1_000_000, [100, 50_000, 3, 20_000], 1, 0],
    ['a slow rate', 10_000, [500], 1, 0],
    ['several takers', 1_000_000, [50_000, 10_000], 8, 0],
    ['waits that end late', 1_000_000, [20_000], 1, 7],
  ]

for (const [title, perSecond, pieces, takers, lateMs] of cases) {
  test(title, () => {
    const bucket = new TokenBucket(perSecond, perSecond / 20, 0)
    // Each taker sends a piece when its wait is over, and takes the next one then.
    const dueMs = new Array<number>(takers).fill(0)
    let sent = 0
    let turn = 0
    for (;;) {
      const taker = dueMs.indexOf(Math.min(...dueMs))
      const nowMs = dueMs[taker] as number
      if (nowMs > 10_000) break
      const amount = pieces[turn++ % pieces.length] as number
      const wait = bucket.take(amount, nowMs)
      if (nowMs + wait <= 10_000) sent += amount
      dueMs[taker] = nowMs + (wait === 0 ? 0 : wait + lateMs)
    }
    const expected = perSecond * 10
    assert.ok(Math.abs(sent - expected) <= expected * 0.05, `${sent} of ${expected}`)
  })
}

test('a pause earns no more than a burst', () => {
  const bucket = new TokenBucket(1000, 100, 0)
  assert.equal(bucket.take(100, 0), 0)
  assert.equal(bucket.take(100, 60_000), 0)
  assert.equal(bucket.take(100, 60_000), 100)
  assert.equal(bucket.take(50, 60_000), 150)
})

test('a piece larger than the burst goes when it was earned', () => {
  const bucket = new TokenBucket(1000, 100, 0)
  assert.equal(bucket.take(600, 0), 500)
  assert.equal(bucket.take(0, 500), 0)
})
