// Refusals are told once, not a thousand times.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testClock } from '../../test/world/links.ts'
import { type LinkEvent, quietNotes } from './notes.ts'

test('the same refusal is told once a minute, with a count of the others', () => {
  const clock = testClock()
  const told: LinkEvent[] = []
  const note = quietNotes((event) => told.push(event), clock)
  const knock: LinkEvent = { kind: 'refused', reason: 'not-paired', address: '10.0.0.1' }
  for (let count = 0; count < 1000; count++) note(knock)
  note({ ...knock, address: '10.0.0.2' })
  note({ ...knock, reason: 'too-slow' })
  assert.equal(told.length, 3)
  clock.advance(60_000)
  note(knock)
  note(knock)
  assert.deepEqual(told.at(-1), { ...knock, untold: 999 })
  assert.equal(told.length, 4)
})

test('a thousand addresses are not remembered, and told as one', () => {
  const clock = testClock()
  const told: LinkEvent[] = []
  const note = quietNotes((event) => told.push(event), clock)
  for (let count = 0; count < 5000; count++) {
    note({ kind: 'refused', reason: 'not-paired', address: `10.0.${count >> 8}.${count & 255}` })
  }
  assert.equal(told.length, 257)
  clock.advance(60_000)
  note({ kind: 'refused', reason: 'not-paired', address: '192.168.0.1' })
  assert.equal(told.length, 258)
  assert.equal(told.at(-1)?.untold, undefined)
})
