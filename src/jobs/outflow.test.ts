// Packs wait their turn under a rate, and nobody waits any more once the run is over; and they are squeezed where the line
// is what everything waits for.

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
  assert.equal(flow.packBytes, 500_000)
  for (let sent = 0; sent < 5_000_000; sent += 50_000) await flow.pace(50_000)
  assert.ok(Math.abs(clock.monotonicMs() - 5000) < 1, `${clock.monotonicMs()}`)
})

test('a line keeps its limit itself', () => {
  const flow = new Outflow({ ...freeFlow, rateBytes: 1000 }, systemClock, { writingMs: 0 })
  assert.equal(flow.pace(1_000_000), undefined)
})

test('when the run is over nobody waits', async () => {
  const flow = new Outflow({ ...freeFlow, rateBytes: 1000 }, systemClock)
  const waiting = [flow.pace(1_000_000), flow.pace(1_000_000)]
  flow.stop()
  await Promise.all(waiting)
  assert.equal(flow.pace(1_000_000), undefined)
})

const mega = 1_000_000

/** Sends packs of half a megabyte; the levels that were asked for. `link` and `squeeze` in MB/s; `left` of each byte. */
function levelsOf(
  flow: Outflow,
  packs: number,
  line: { write(ms: number): void; link: number; left: number },
): number[] {
  const levels: number[] = []
  for (let i = 0; i < packs; i++) {
    const level = flow.nextLevel()
    levels.push(level)
    const length = level === 0 ? mega / 2 : (mega / 2) * line.left
    if (level > 0) flow.squeezed(mega / 2, length, 500 / 300)
    line.write(length / 1000 / line.link)
    flow.left(length)
  }
  return levels
}

function autoFlow(rateBytes?: number): { flow: Outflow; write: (ms: number) => void } {
  const line = { writingMs: 0 }
  const flow = new Outflow({ rateBytes, compress: 'auto' }, systemClock, line)
  return { flow, write: (ms) => void (line.writingMs += ms) }
}

const squeezedOf = (levels: readonly number[]): number => levels.filter((level) => level > 0).length

test('auto leaves a fast link alone', () => {
  const { flow, write } = autoFlow()
  assert.deepEqual(squeezedOf(levelsOf(flow, 128, { write, link: 1000, left: 0.3 }).slice(1)), 0)
})

test('auto squeezes two packs, and waits with the third until it knows the link', async () => {
  const { flow, write } = autoFlow()
  assert.deepEqual([flow.ready(), flow.nextLevel(), flow.ready(), flow.nextLevel()], [undefined, 3, undefined, 3])
  const waiting = flow.ready()
  assert.ok(waiting !== undefined)
  write(100)
  flow.left(mega / 2)
  await waiting
  assert.deepEqual([flow.ready(), flow.nextLevel()], [undefined, 3])
})

test('nobody waits to know a link whose run is over', async () => {
  const { flow } = autoFlow()
  flow.nextLevel()
  flow.nextLevel()
  const waiting = flow.ready()
  flow.stop()
  await waiting
})

test('auto squeezes for a slow link, and for a limit', () => {
  const slow = autoFlow()
  assert.equal(squeezedOf(levelsOf(slow.flow, 128, { write: slow.write, link: 5, left: 0.5 })), 128)
  const limited = autoFlow(2 * mega)
  assert.equal(squeezedOf(levelsOf(limited.flow, 128, { write: limited.write, link: 1000, left: 0.5 })), 128)
})

test('auto gives up on content that does not shrink, and takes it up again when it does', () => {
  const { flow, write } = autoFlow()
  const noise = levelsOf(flow, 256, { write, link: 5, left: 1 })
  assert.equal(squeezedOf(noise.slice(8)), 7)
  const text = levelsOf(flow, 2048, { write, link: 5, left: 0.2 })
  assert.deepEqual(text.slice(-100), new Array(100).fill(3))
})

test('auto follows a link that becomes slow', () => {
  const { flow, write } = autoFlow()
  levelsOf(flow, 200, { write, link: 2000, left: 0.4 })
  assert.deepEqual(levelsOf(flow, 300, { write, link: 4, left: 0.4 }).slice(-100), new Array(100).fill(3))
})

/** A flow over a link that takes so many MB/s, on two processors of which so many are idle; the packs that were squeezed, of 400. */
function squeezedWhere(link: number, idle: number): number {
  const line = { writingMs: 0 }
  let nowMs = 0
  const clock = { ...systemClock, monotonicMs: () => nowMs }
  const processors = () => ({ count: 2, idleMs: nowMs * idle, allMs: nowMs * 2 })
  const flow = new Outflow({ rateBytes: undefined, compress: 'auto' }, clock, line, processors)
  const write = (ms: number): void => {
    line.writingMs += ms
    nowMs += ms
  }
  return squeezedOf(levelsOf(flow, 400, { write, link, left: 0.3 }))
}

test('auto leaves a link alone that is slow for want of processors, and no other', () => {
  const [early, busy] = [40, squeezedWhere(45, 0.05)]
  assert.ok(busy < early, `${busy} of 400 packs were squeezed`)
  assert.equal(squeezedWhere(45, 1), 400)
  assert.equal(squeezedWhere(8, 0), 400)
})

test('what a person chose is done', () => {
  assert.equal(new Outflow({ rateBytes: undefined, compress: 19 }, systemClock).nextLevel(), 19)
  assert.equal(new Outflow({ rateBytes: 1000, compress: 'off' }, systemClock).nextLevel(), 0)
})
