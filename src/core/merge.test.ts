// Modes and attributes where both sides may have changed them: the same for both, whoever is left.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { check, directory, entryOf, file } from '../../test/world/trees.ts'
import { AttributeWriter } from './attributes.ts'
import type { Entry } from './entry.ts'
import { attributesFrom, mergedMode } from './merge.ts'

const withMode = (mode: number): Entry => entryOf('n', file('x', { mode }))
const someMode = fc.integer({ min: 0, max: 0o777 }).map(withMode)

describe('modes of both sides', () => {
  const rows: readonly [left: number, right: number, base: number | undefined, merged: number][] = [
    [0o755, 0o644, 0o644, 0o755],
    [0o600, 0o644, 0o644, 0o600],
    [0o755, 0o600, 0o644, 0o711],
    [0o640, 0o604, 0o644, 0o600],
    [0o664, 0o664, 0o644, 0o664],
    [0o644, 0o644, 0o600, 0o644],
    [0o755, 0o644, undefined, 0o644],
    [0o770, 0o707, undefined, 0o700],
  ]
  for (const [left, right, base, merged] of rows) {
    const text = base === undefined ? 'no base' : `base ${base.toString(8)}`
    it(`${left.toString(8)} and ${right.toString(8)}, ${text}, become ${merged.toString(8)}`, () => {
      const known = base === undefined ? undefined : withMode(base)
      assert.equal(mergedMode(withMode(left), withMode(right), known), merged)
    })
  }

  it('are not merged with those of another kind', () => {
    assert.equal(mergedMode(withMode(0o755), withMode(0o644), entryOf('n', directory({}, 0o700))), 0o644)
  })

  it('keep what only one side changed, mean nothing by left and right, and change no more once they are equal', () => {
    check(
      fc.property(someMode, someMode, someMode, (left, right, base) => {
        const merged = mergedMode(left, right, base)
        assert.equal(mergedMode(right, left, base), merged)
        assert.equal(mergedMode(left, base, base), left.mode)
        assert.equal(mergedMode(base, right, base), right.mode)
        assert.equal(mergedMode(withMode(merged), withMode(merged), base), merged)
        assert.equal(mergedMode(left, right, undefined) & ~(left.mode & right.mode), 0)
      }),
    )
  })
})

describe('attributes of both sides', () => {
  const owned = (uid: number, digest?: Uint8Array | 'unknown'): Entry => {
    const writer = new AttributeWriter()
    writer.owner(uid, 1)
    if (digest !== undefined) writer.extended(digest === 'unknown' ? undefined : digest)
    return { ...withMode(0o644), attributes: writer.take() }
  }
  const none = withMode(0o644)
  const [one, two] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]

  const rows: readonly [what: string, left: Entry, right: Entry, base: Entry | undefined, from: string | undefined][] =
    [
      ['are the same', owned(1), owned(1), owned(2), undefined],
      ['were not read on one side', owned(1, 'unknown'), owned(1, one), owned(1), undefined],
      ['were changed on the left', owned(2), owned(1), owned(1), 'left'],
      ['were changed on the left, to smaller ones', owned(0), owned(1), owned(1), 'left'],
      ['were taken away on the left', none, owned(1), owned(1), 'left'],
      ['were changed on both', owned(3), owned(2), owned(1), 'left'],
      ['differ, and no base knows', owned(1, two), owned(1, one), undefined, 'left'],
      ['are there on one side, and no base knows', owned(1), none, undefined, 'left'],
    ]
  for (const [what, left, right, base, from] of rows) {
    it(`that ${what}: ${from === undefined ? 'each keeps its own' : 'those of the left'}`, () => {
      assert.equal(attributesFrom(left, right, base), from)
      assert.equal(attributesFrom(right, left, base), from === undefined ? undefined : 'right')
    })
  }
})
