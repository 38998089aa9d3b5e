// Guards the wire: a change of any message without a new WIRE_VERSION fails here. Also that bounds are really there.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { Failure } from '../std/failure.ts'
import { calls, messagesText } from './messages.ts'
import { decodeMessage, encodeMessage } from './schema.ts'
import { WIRE_VERSION } from './version.ts'

/** The digest of all messages, by the wire version that has them. Add a line with each new version; never change one. */
const known = new Map([
  [1, 'ae9af158c5b6581fdc317b8ce914373cdcd56982cced8631c96a7790855a6fac'],
  [2, 'ec9956948aa9d282cc92c316b5eeec425af4262d58c187ebe32b9c07487b3640'],
])

test('the messages are those of this wire version', () => {
  const digest = createHash('sha256').update(messagesText()).digest('hex')
  assert.equal(digest, known.get(WIRE_VERSION), 'a message changed: raise WIRE_VERSION and note it in version.ts')
})

test('a message that is too large is refused in both directions', () => {
  const [request] = calls.open
  const fine = { share: 's', sub: '', role: 'source', job: new Uint8Array(16), run: new Uint8Array(14), create: false }
  assert.deepEqual(decodeMessage(request, encodeMessage(request, fine)), fine)
  assert.throws(() => encodeMessage(request, { ...fine, share: 's'.repeat(64) }), Failure)
  const forged = encodeMessage(request, fine)
  assert.throws(() => decodeMessage(request, forged.subarray(0, forged.length - 1)), Failure)
})
