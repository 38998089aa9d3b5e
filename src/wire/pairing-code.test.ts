// Codes that people read out and type.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newPairingCode, parsePairingCode } from './pairing-code.ts'

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

test('codes differ, are well-formed, and are read back however they are typed', () => {
  const codes = new Set(Array.from({ length: 200 }, newPairingCode))
  assert.equal(codes.size, 200)
  for (const code of codes) {
    assert.match(code, /^[0-9A-HJKMNP-TV-Z]{3}-[0-9A-HJKMNP-TV-Z]{3}-[0-9A-HJKMNP-TV-Z]{3}$/)
    const lookAlike = code.toLowerCase().replaceAll('-', '').replaceAll('0', 'o').replaceAll('1', 'l')
    for (const typed of [code, lookAlike, ` ${code.replaceAll('-', ' ')}\n`, code.replaceAll('1', 'i')]) {
      assert.equal(parsePairingCode(typed), code)
    }
  }
  assert.equal(new Set([...codes].join('').replaceAll('-', '')).size, 32)
})

test('every single wrong character and every swap of neighbours is found', () => {
  const chars = [...newPairingCode().replaceAll('-', '')]
  for (const [at, right] of chars.entries()) {
    for (const wrong of alphabet) {
      if (wrong !== right) assert.equal(parsePairingCode(chars.with(at, wrong).join('')), undefined)
    }
    const next = chars[at + 1]
    if (next !== undefined && next !== right) {
      assert.equal(
        parsePairingCode(
          chars
            .with(at, next)
            .with(at + 1, right)
            .join(''),
        ),
        undefined,
      )
    }
  }
})

test('what is no code is refused', () => {
  for (const typed of ['', '-', 'ABC-DEF', '12345678901', 'UUUUUUUUU', '!!!-!!!-!!!', '0'.repeat(1000)]) {
    assert.equal(parsePairingCode(typed), undefined)
  }
})
