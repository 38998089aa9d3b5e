// Ends of served runs that can't be written down are written later, in their order, each once.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LateEnds } from './visit.ts'

test('an end that could not be written is written with a later one, or when it is asked for', () => {
  const ends = new LateEnds()
  const written: number[] = []
  let isFull = true
  const end = (number: number) => (): void => {
    if (isFull) throw new Error('full')
    written.push(number)
  }
  assert.throws(() => ends.write(end(1)), /full/)
  assert.throws(() => ends.write(end(2)), /full/)
  assert.throws(() => ends.settle(), /full/)
  isFull = false
  ends.write(end(3))
  assert.deepEqual(written, [1, 2, 3])
  isFull = true
  assert.throws(() => ends.write(end(4)), /full/)
  isFull = false
  ends.settle()
  ends.settle()
  assert.deepEqual(written, [1, 2, 3, 4])
})
