// Amounts as a person writes them, and what is none.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesText, parseBytes, parseSeconds } from './quantity.ts'

const sizes: readonly [text: string, bytes: number | undefined][] = [
  ['0', 0],
  ['17', 17],
  ['17b', 17],
  ['1K', 1024],
  ['1k', 1024],
  ['1KiB', 1024],
  ['1kib', 1024],
  ['1KB', 1000],
  ['1kb', 1000],
  ['1.5K', 1536],
  ['1.5KB', 1500],
  ['0.0001K', 0],
  ['2M', 2 * 1024 ** 2],
  ['2MB', 2_000_000],
  ['3G', 3 * 1024 ** 3],
  ['3GiB', 3 * 1024 ** 3],
  ['1T', 1024 ** 4],
  ['1PB', 1e15],
  [' 1K ', 1024],
  ['1M-1', 1024 ** 2 - 1],
  ['1.5mb-1', 1_499_999],
  ['10+1', 11],
  ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ['9007199254740992', undefined],
  ['8P', undefined],
  ['0-1', undefined],
  ['1K+2', undefined],
  ['', undefined],
  ['K', undefined],
  ['-1', undefined],
  ['1e3', undefined],
  ['1.K', undefined],
  ['.5K', undefined],
  ['1 K', undefined],
  ['1KK', undefined],
  ['1iB', undefined],
  ['0x10', undefined],
  ['Infinity', undefined],
  ['1E', undefined],
]

for (const [text, bytes] of sizes) {
  test(`${JSON.stringify(text)} is ${bytes ?? 'no size'}`, () => assert.equal(parseBytes(text), bytes))
}

const seconds: readonly [text: string, ns: number | undefined][] = [
  ['0', 0],
  ['2', 2e9],
  ['0.5', 5e8],
  ['1.000000001', 1_000_000_001],
  ['86400', 86_400e9],
  ['86400.000000001', undefined],
  ['86401', undefined],
  ['1.0000000001', undefined],
  ['-1', undefined],
  ['1.', undefined],
  ['.5', undefined],
  ['1s', undefined],
  ['', undefined],
]

for (const [text, ns] of seconds) {
  test(`${JSON.stringify(text)} is ${ns ?? 'no time of at most a day'}`, () =>
    assert.equal(parseSeconds(text, 86_400), ns))
}

test('an amount that is written reads as just this one', () => {
  for (const [bytes, text] of [
    [0, '0'],
    [17, '17'],
    [1024, '1K'],
    [1536, '1536'],
    [1000, '1KB'],
    [5 * 1024 ** 2, '5M'],
    [2e12, '2TB'],
    [3 * 1024 ** 4, '3T'],
    [1024 ** 5, '1P'],
    [1e12 + 1, '1000000000001'],
    [Number.MAX_SAFE_INTEGER, '9007199254740991'],
  ] as const) {
    assert.equal(bytesText(bytes), text)
    assert.equal(parseBytes(text), bytes)
  }
})
