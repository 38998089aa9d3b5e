// Portions and entries come back as they were put; whatever else a peer says is refused or bounded.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { check, mutated } from '../../test/world/trees.ts'
import { Failure } from '../std/failure.ts'
import { decodePortions, EntryReader, encodePortions, type Portion, putEntry, type Range } from './portions.ts'

const ranges: fc.Arbitrary<Range[]> = fc
  .array(fc.tuple(fc.nat(1_000_000), fc.integer({ min: 1, max: 2 ** 40 })), { minLength: 1, maxLength: 5 })
  .map((gaps) => {
    let end = 0
    return gaps.map(([gap, length]) => {
      const at = end + gap
      end = at + length
      return { at, length }
    })
  })
const portions: fc.Arbitrary<Portion[]> = fc
  .array(
    fc.tuple(fc.constantFrom('outline', 'detail', 'content', 'blocks'), fc.integer({ min: 17, max: 20 }), ranges),
    {
      maxLength: 5,
    },
  )
  .map((list) =>
    list.map(([level, grain, of], i) => ({ want: 3 * i, level, grain, ranges: level === 'outline' ? [] : of })),
  )

describe('portions', () => {
  it('come back as they were put', () => {
    check(fc.property(portions, (list) => assert.deepEqual(decodePortions(encodePortions(list)), list)))
    assert.deepEqual(decodePortions(new Uint8Array(0)), [])
  })

  it('are bounded, whatever a peer makes of them', () => {
    check(
      fc.property(mutated(portions.map(encodePortions)), (bytes) => {
        try {
          for (const { ranges: of } of decodePortions(bytes)) {
            let end = 0
            for (const { at, length } of of) {
              assert.ok(at >= end && length > 0)
              end = at + length
            }
            assert.ok(end <= 2 ** 52)
          }
        } catch (error) {
          assert.ok(error instanceof Failure, String(error))
        }
      }),
    )
  })

  const refused: readonly (readonly [string, Portion[]])[] = [
    ['an unknown grain', [{ want: 0, level: 'outline', grain: 13, ranges: [] }]],
    ['an outline of ranges', [{ want: 0, level: 'outline', grain: 17, ranges: [{ at: 0, length: 1 }] }]],
    ['no ranges of content', [{ want: 0, level: 'content', grain: 17, ranges: [] }]],
    ['a range of nothing', [{ want: 0, level: 'detail', grain: 17, ranges: [{ at: 5, length: 0 }] }]],
    ['a range beyond any size', [{ want: 0, level: 'detail', grain: 17, ranges: [{ at: 2 ** 52, length: 1 }] }]],
    [
      'a want twice',
      [
        { want: 1, level: 'outline', grain: 17, ranges: [] },
        { want: 1, level: 'outline', grain: 17, ranges: [] },
      ],
    ],
  ]
  for (const [what, list] of refused) {
    it(`refuse ${what}`, () => assert.throws(() => decodePortions(encodePortions(list)), Failure))
  }
})

describe('entries', () => {
  it('come back as they were put, and none is longer than it may be', () => {
    const entry = fc.tuple(fc.integer({ min: 1, max: 2 ** 32 - 1 }), fc.uint32Array({ minLength: 4, maxLength: 4 }))
    check(
      fc.property(fc.array(entry, { maxLength: 20 }), (entries) => {
        const bytes = new Uint8Array(21 * entries.length)
        let end = 0
        for (const [length, id] of entries) end = putEntry(bytes, end, length, id, 0)
        const reader = new EntryReader(bytes.subarray(0, end), 2 ** 32)
        for (const [length, id] of entries) {
          assert.ok(reader.next())
          assert.deepEqual([reader.length, [...reader.id]], [length, [...id]])
        }
        assert.ok(!reader.next())
      }),
    )
    for (const length of [0, 101]) {
      const bytes = new Uint8Array(21)
      const end = putEntry(bytes, 0, length, new Uint32Array(4), 0)
      assert.throws(() => new EntryReader(bytes.subarray(0, end), 100).next(), Failure)
    }
    assert.throws(() => new EntryReader(new Uint8Array(9).fill(1), 100).next(), Failure)
  })
})
