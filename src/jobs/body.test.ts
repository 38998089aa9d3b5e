// Bodies of calls: what comes, in whatever pieces, is what is held, and no more than about twice of it.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { concatBytes } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { Allowance, Body } from './body.ts'

const tooMuch = (error: unknown): boolean => error instanceof Failure && error.code === 'limit-exceeded'

it('a body is what came, in whatever pieces', () => {
  for (const sizes of [[], [5], [1, 1, 1], [3, 70, 2, 900, 1]]) {
    const pieces = sizes.map((size, i) => new Uint8Array(size).fill(i + 1))
    const body = new Body(10_000)
    for (const piece of pieces) {
      body.add(piece)
      piece.fill(0xee)
    }
    const whole = sizes.map((size, i) => new Uint8Array(size).fill(i + 1))
    assert.deepEqual(body.take(), concatBytes(whole))
  }
})

it('a body ends at its bound', () => {
  const body = new Body(10)
  body.add(new Uint8Array(10))
  assert.throws(() => body.add(new Uint8Array(1)), tooMuch)
})

it('bodies share an allowance, which counts what is held and not what came', () => {
  const allowance = new Allowance(100)
  const [one, other] = [new Body(1000, allowance), new Body(1000, allowance)]
  // Bytes one by one: never more than twice as much is held, so these fit.
  for (let i = 0; i < 50; i++) one.add(Uint8Array.of(i))
  other.add(new Uint8Array(30))
  assert.throws(() => other.add(new Uint8Array(60)), tooMuch)
  assert.deepEqual(other.take().length, 30)
  // Given away, it counts until its call is over.
  assert.equal(allowance.take(60), false)
  other.release()
  one.release()
  one.release()
  assert.equal(allowance.take(100), true)
  assert.equal(allowance.take(1), false)
})
