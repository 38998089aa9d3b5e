// Names in front of bodies.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { decodeNamed, encodeName } from './named.ts'

test('a name and a body', () => {
  const payload = concatBytes([encodeName('fetch-listing'), Uint8Array.of(1, 2)])
  const { name, body } = decodeNamed(payload)
  assert.equal(name, 'fetch-listing')
  assert.deepEqual(body, Uint8Array.of(1, 2))
  assert.equal(encodeName('x'), encodeName('x'))
})

test('our own names are proper', () => {
  for (const bad of ['', 'A', '1', 'a b', 'ä', 'a'.repeat(49)])
    assert.throws(() => encodeName(bad), /name for the wire/)
})

test('a payload without a proper name is refused', () => {
  for (const bytes of [[], [0], [1], [2, 97], [1, 65], [1, 0], [255, ...Array(255).fill(97)], [2, 97, 0xe4]]) {
    assert.throws(
      () => decodeNamed(Uint8Array.from(bytes)),
      (error) => error instanceof Failure && error.code === 'protocol-broken',
    )
  }
})
