// Versions and what two of them agree on.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { agreeVersion, MIN_WIRE_VERSION, WIRE_VERSION, wireHistory } from './version.ts'

test('the history ends with the version spoken and has no gaps', () => {
  assert.deepEqual(
    wireHistory.map((note) => note.version),
    Array.from({ length: WIRE_VERSION }, (_, index) => index + 1),
  )
  assert.ok(MIN_WIRE_VERSION >= 1 && MIN_WIRE_VERSION <= WIRE_VERSION)
})

test('agreeVersion finds the highest version both know, from either side', () => {
  const cases: readonly (readonly [number, number, number, number, number | undefined])[] = [
    // our version, our minimum, their version, their minimum, agreed
    [1, 1, 1, 1, 1],
    [3, 1, 2, 1, 2],
    [3, 2, 2, 2, 2],
    [3, 3, 2, 1, undefined],
    [2, 1, 5, 3, undefined],
    [0, 0, 1, 1, undefined],
    [1, 1, 2 ** 32, 2 ** 32, undefined],
  ]
  for (const [wireVersion, minWireVersion, theirVersion, theirMinimum, agreed] of cases) {
    const ours = { wireVersion, minWireVersion }
    const theirs = { wireVersion: theirVersion, minWireVersion: theirMinimum }
    assert.equal(agreeVersion(ours, theirs), agreed)
    assert.equal(agreeVersion(theirs, ours), agreed)
  }
})
