// The clock: waiting, and what cancels it.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { blockMs, dayOf, isoTime, systemClock } from './clock.ts'

describe('clock', () => {
  it('sleeps at least as long as asked, or until it is woken', async () => {
    const start = systemClock.monotonicMs()
    await systemClock.sleep(15)
    // Timers have a grain of 1 ms.
    assert.ok(systemClock.monotonicMs() - start >= 14)
    const stop = new AbortController()
    const asleep = systemClock.sleep(1_000_000, stop.signal)
    stop.abort()
    await asleep
    await systemClock.sleep(1_000_000, stop.signal)
  })

  it('fires a timer once, or never when it was cancelled', async () => {
    let fired = 0
    const cancelled = systemClock.timer(1, () => assert.fail('a cancelled timer fires'))
    cancelled.cancel()
    systemClock.timer(1, () => void fired++)
    while (fired === 0) await systemClock.sleep(2)
    await systemClock.sleep(5)
    assert.equal(fired, 1)
  })

  it('blocks a thread for as long as asked, and not at all for nothing', () => {
    const start = systemClock.monotonicMs()
    blockMs(0)
    blockMs(-5)
    blockMs(12)
    assert.ok(systemClock.monotonicMs() - start >= 11)
  })

  it('names days and times in UTC', () => {
    assert.equal(dayOf(Date.UTC(2026, 10, 21, 23, 59, 59, 999)), '2026-11-21')
    assert.equal(dayOf(0), '1970-01-01')
    assert.equal(isoTime(Date.UTC(2026, 10, 21, 9, 12, 44, 120)), '2026-11-21T09:12:44.120Z')
    assert.ok(Math.abs(systemClock.nowMs() - Date.now()) < 1000)
  })
})
