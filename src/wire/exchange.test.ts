// Fixed-size messages with somebody who may be anybody.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryLinks, testClock } from '../../test/world/links.ts'
import { Failure } from '../std/failure.ts'
import { Exchange } from './exchange.ts'

function failsWith(code: string): (error: unknown) => boolean {
  return (error) => error instanceof Failure && error.code === code
}

test('messages of the size that is asked for, however they are cut', async () => {
  const { a, rawB } = memoryLinks()
  const exchange = new Exchange(a, testClock(), 1_000)
  rawB.write(Uint8Array.of(1, 2, 3, 4, 5))
  assert.deepEqual([...(await exchange.read(2))], [1, 2])
  const later = exchange.read(4)
  rawB.write(Uint8Array.of(6))
  assert.deepEqual([...(await later)], [3, 4, 5, 6])
  exchange.write(Uint8Array.of(7), Uint8Array.of(8))
  rawB.write(Uint8Array.of(9))
  rawB.end()
  assert.deepEqual([...(await exchange.read(1))], [9])
  await assert.rejects(exchange.read(1), failsWith('connection-lost'))
  exchange.end()
})

test('the deadline counts for the whole conversation', async () => {
  const clock = testClock()
  const { a, rawB } = memoryLinks(clock)
  const exchange = new Exchange(a, clock, 1_000)
  rawB.write(Uint8Array.of(1))
  clock.advance(600)
  await exchange.read(1)
  const reading = exchange.read(1)
  clock.advance(400)
  await assert.rejects(reading, failsWith('timed-out'))
  assert.ok(a.isClosed)
  assert.equal(clock.timers, 0)
})

test('more than a few hundred bytes ahead end it', async () => {
  const { a, rawB } = memoryLinks()
  const exchange = new Exchange(a, testClock(), 1_000)
  rawB.write(new Uint8Array(600))
  const reading = exchange.read(10)
  await assert.rejects(reading, failsWith('protocol-broken'))
})
