// Packs wait their turn under a rate, and nobody waits any more once the run is over.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { slabBytes } from '../disk/pack.ts'
import { type Clock, systemClock } from '../std/clock.ts'
import { freeFlow, Outflow } from './outflow.ts'

/** A clock whose sleeps end at once and pass. */
function quickClock(): Clock & { slept: number[] } {
  let nowMs = 0
  const slept: number[] = []
  const sleep = async (ms: number): Promise<void> => {
    slept.push(ms)
    nowMs += ms
  }
  return { ...systemClock, monotonicMs: () => nowMs, sleep, slept }
}

test('without a limit nothing waits and packs are whole', () => {
  const flow = new Outflow(freeFlow, systemClock)
  assert.equal(flow.packBytes, slabBytes)
  for (let i = 0; i < 100; i++) assert.equal(flow.pace(slabBytes), undefined)
})

test('under a limit packs are small and leave at its rate', async () => {
  const clock = quickClock()
  const flow = new Outflow({ ...freeFlow, rateBytes: 1_000_000 }, clock)
  assert.equal(flow.packBytes, 50_000)
  for (let sent = 0; sent < 5_000_000; sent += flow.packBytes) await flow.pace(flow.packBytes)
  assert.ok(Math.abs(clock.monotonicMs() - 4950) < 1, `${clock.monotonicMs()}`)
})

test('when the run is over nobody waits', async () => {
  const flow = new Outflow({ ...freeFlow, rateBytes: 1000 }, systemClock)
  const waiting = [flow.pace(1_000_000), flow.pace(1_000_000)]
  flow.stop()
  await Promise.all(waiting)
  assert.equal(flow.pace(1_000_000), undefined)
})
