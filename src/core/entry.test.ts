// Entries: names that are not text and how they come back, and which of two times is earlier.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { check, entryOf, file } from '../../test/world/trees.ts'
import { badNameBytes, badNameText, compareTimes, type Entry, isCopied, type Kind, showName } from './entry.ts'

function at(seconds: number, ns: number): Entry {
  return { ...entryOf('a', file('x')), mtimeSeconds: seconds, mtimeNs: ns }
}

describe('entry', () => {
  it('keeps every byte of a bad name, in a text that no real name has', () => {
    check(
      fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => {
        const text = badNameText(bytes)
        assert.deepEqual(badNameBytes(text), bytes)
        const isAscii = bytes.every((byte) => byte < 0x80)
        assert.equal(text.isWellFormed(), isAscii)
        if (bytes.includes(0x5c)) return
        const shown = showName(text).replace(/\\x(..)/g, (_, digits) =>
          String.fromCharCode(Number.parseInt(digits, 16)),
        )
        assert.deepEqual(Uint8Array.from(Buffer.from(shown, 'latin1')), bytes)
      }),
    )
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    assert.deepEqual(badNameBytes(badNameText(all)), all)
  })

  it('shows a bad name to a person byte by byte', () => {
    for (const [bytes, shown] of [
      [[0x61, 0xff], 'a\\xff'],
      [[0x80, 0x62], '\\x80b'],
      [[0xc3, 0xa4], '\\xc3\\xa4'],
      [[], ''],
    ] as const) {
      assert.equal(showName(badNameText(Uint8Array.from(bytes))), shown)
    }
    assert.equal(showName('ä \u{1f600}'), 'ä \u{1f600}')
  })

  it('copies three kinds and no other', () => {
    const kinds: readonly Kind[] = ['directory', 'file', 'symlink', 'special', 'unreadable', 'bad-name']
    assert.deepEqual(kinds.filter(isCopied), ['directory', 'file', 'symlink'])
  })

  const times: [a: [number, number], b: [number, number], grainNs: number, order: number][] = [
    [[5, 0], [5, 0], 1, 0],
    [[5, 1], [5, 0], 1, 1],
    [[5, 0], [5, 1], 1, -1],
    [[5, 1], [5, 0], 0, 1],
    [[5, 999], [5, 0], 1000, 0],
    [[5, 1000], [5, 0], 1000, 1],
    [[6, 0], [5, 999_999_999], 1, 1],
    [[6, 0], [5, 999_999_999], 2, 0],
    [[-1, 999_999_999], [0, 0], 2, 0],
    [[-1, 0], [0, 0], 1000, -1],
    [[2, 0], [0, 0], 2_000_000_000, 1],
    [[1, 999_999_999], [0, 0], 2_000_000_000, 0],
    [[2 ** 49, 0], [-(2 ** 49), 0], 2_000_000_000, 1],
    [[31_536_000, 0], [0, 1], 1, 1],
    [[31_536_001, 0], [0, 0], 1, 1],
  ]

  it('compares times: less than a grain apart is equal', () => {
    for (const [a, b, grainNs, order] of times) {
      assert.equal(compareTimes(at(...a), at(...b), grainNs), order, JSON.stringify([a, b, grainNs]))
      assert.equal(compareTimes(at(...b), at(...a), grainNs), order === 0 ? 0 : -order)
    }
  })

  it('compares times as whole nanoseconds would', () => {
    const seconds = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.integer({ min: -(2 ** 49), max: 2 ** 49 }))
    const ns = fc.integer({ min: 0, max: 999_999_999 })
    const grain = fc.constantFrom(0, 1, 100, 1000, 1_000_000, 1_000_000_000, 2_000_000_000)
    check(
      fc.property(seconds, ns, seconds, ns, grain, (aSeconds, aNs, bSeconds, bNs, grainNs) => {
        const whole = (s: number, n: number): bigint => BigInt(s) * 1_000_000_000n + BigInt(n)
        const difference = whole(aSeconds, aNs) - whole(bSeconds, bNs)
        const size = difference < 0n ? -difference : difference
        const order = size < BigInt(Math.max(1, grainNs)) ? 0 : difference < 0n ? -1 : 1
        assert.equal(compareTimes(at(aSeconds, aNs), at(bSeconds, bNs), grainNs), order)
      }),
    )
  })
})
