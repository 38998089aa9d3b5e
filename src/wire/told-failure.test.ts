// Failures on the wire.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '../std/failure.ts'
import { encodeMessage } from './schema.ts'
import { decodeFailure, encodeFailure, failureSchema, maxFailureBytes } from './told-failure.ts'

test('code, message and hint arrive; the retry class follows the code', () => {
  const told = decodeFailure(encodeFailure(new Failure('target-full', 'no space', { hint: 'free some' })))
  assert.deepEqual(
    [told.code, told.message, told.hint, told.retry],
    ['target-full', 'no space', 'free some', 'after-user'],
  )
})

test('long texts are cut between characters and fit the cap', () => {
  for (const unit of ['a', 'ä', '€', '😀', '\ud800']) {
    const bytes = encodeFailure(new Failure('disk-error', unit.repeat(4000), { hint: `x${unit.repeat(4000)}` }))
    assert.ok(bytes.length <= maxFailureBytes)
    const told = decodeFailure(bytes)
    assert.ok(told.message.length > 600)
    assert.ok(!told.hint.includes('\ufffd') || unit === '\ud800')
  }
})

test('what a peer tells can neither invent codes nor move a cursor', () => {
  const bytes = encodeMessage(failureSchema, {
    code: 'constructor',
    message: 'a\u001b[31mb\r\n\u202ec',
    hint: '\u0000\u2028',
  })
  const told = decodeFailure(bytes)
  assert.deepEqual([told.code, told.message, told.hint], ['peer-failed', 'a [31mb   c', '  '])
})
