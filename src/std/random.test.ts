// Chance in any amount.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomBytes, randomName } from './random.ts'

test('as many bytes as were asked for are drawn, to the last of them', () => {
  for (const count of [0, 1, 32, 65_536, 65_537, 200_000]) {
    const bytes = randomBytes(count)
    assert.equal(bytes.length, count)
    if (count >= 32) assert.ok(bytes.subarray(-16).some((byte) => byte !== 0))
  }
})

test('names are of their alphabet, and differ', () => {
  const names = new Set(Array.from({ length: 100 }, () => randomName()))
  assert.equal(names.size, 100)
  for (const name of names) assert.match(name, /^[a-z2-9]{12}$/)
})
