// Entries: names that are not text and how they come back, and which of two times is earlier.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { check, entryOf, file } from '../../test/world/trees.ts'
import { concatBytes, decodeName, utf8 } from '../std/bytes.ts'
import { compareTimes, type Entry, isCopied, type Kind, showName } from './entry.ts'

function at(seconds: number, ns: number): Entry {
  return { ...entryOf('a', file('x')), mtimeSeconds: seconds, mtimeNs: ns }
}

/** What is done to a name before a terminal gets it. */
function escapedControls(text: string): string {
  const escaped = text.replace(/[\u0085\u202e]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return escaped.replaceAll('\x1b', '\\x1b')
}

/** What a person who knows the rules reads. */
function meant(shown: string): Uint8Array {
  const parts: Uint8Array[] = []
  for (const [one, code, unit] of shown.matchAll(/\\\\|\\x(..)|\\u(....)|./gsu)) {
    const byte = code === undefined ? undefined : Number.parseInt(code, 16)
    if (byte !== undefined) parts.push(Uint8Array.of(byte))
    else if (unit !== undefined) parts.push(utf8(String.fromCharCode(Number.parseInt(unit, 16))))
    else parts.push(utf8(one === '\\\\' ? '\\' : one))
  }
  return concatBytes(parts)
}

describe('entry', () => {
  it('shows no two names alike', () => {
    const part = fc.constantFrom('\\', 'x', 'u', 'ff', '202e', 'a', '\x1b', '\u202e', '\u0085', 'ÿ')
    const some = fc
      .array(fc.oneof(part.map(utf8), fc.uint8Array({ minLength: 1, maxLength: 2 })), { maxLength: 6 })
      .map(concatBytes)
    check(
      fc.property(some, (bytes) => {
        const shown = escapedControls(showName(decodeName(bytes)))
        assert.ok(shown.isWellFormed())
        assert.deepEqual(meant(shown), bytes)
      }),
    )
  })

  it('shows to a person, byte by byte, what is no text', () => {
    for (const [bytes, shown] of [
      [[0x61, 0xff], 'a\\xff'],
      [[0x80, 0x62], '\\x80b'],
      [[0xc3, 0xa4], 'ä'],
      [[0xc3, 0x41], '\\xc3A'],
      [utf8('\\xff'), '\\\\xff'],
      [utf8('a\\b\\'), 'a\\b\\'],
      [[], ''],
    ] as const) {
      assert.equal(showName(decodeName(Uint8Array.from(bytes))), shown)
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
