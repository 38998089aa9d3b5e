// Which options a two-way run takes, and which it refuses by name.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Failure } from '../std/failure.ts'
import { requestOf, type SyncOptions } from './request.ts'

const ends = { source: '/a', target: '/b' }

describe('what a two-way run is asked for', () => {
  it('is what becomes of conflicts, for all and for some', () => {
    const request = requestOf({ ...ends, mode: 'two-way', conflict: 'newest', conflictFor: ['*.txt=keep-both'] })
    assert.deepEqual(request.conflicts, [
      { pattern: undefined, policy: 'newest' },
      { pattern: '*.txt', policy: 'keep-both' },
    ])
    assert.deepEqual(requestOf({ ...ends, mode: 'two-way' }).conflicts, [])
  })

  it('is refused by name where it does not go with it', () => {
    const rows: readonly (readonly [Partial<SyncOptions>, RegExp])[] = [
      [{ mode: 'two-way', existing: true }, /^--existing does not go with --mode two-way$/],
      [{ mode: 'two-way', sizeOnly: true }, /^--size-only /],
      [{ mode: 'two-way', verify: true }, /^--verify /],
      [{ mode: 'two-way', owner: true }, /^--owner /],
      [{ mode: 'two-way', hardLinks: true }, /^--hard-links /],
      [{ mode: 'two-way', versions: '/v' }, /^--versions /],
      [{ mode: 'two-way', conflict: 'oldest' as 'newest' }, /^--conflict takes keep-both, newest,.*not "oldest"$/],
      [{ mode: 'two-way', conflictFor: ['x'] }, /^--conflict-for takes GLOB=POLICY, not "x"$/],
      [{ conflict: 'newest' }, /give --mode two-way/],
      [{ mode: 'update', conflictFor: ['x=newest'] }, /give --mode two-way/],
    ]
    for (const [options, text] of rows) {
      assert.throws(
        () => requestOf({ ...ends, ...options }),
        (error) => error instanceof Failure && error.code === 'bad-usage' && text.test(error.message),
        JSON.stringify(options),
      )
    }
  })
})
