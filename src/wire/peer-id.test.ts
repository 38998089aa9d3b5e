// Ids of keys: their form, and the typing errors they find.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { digestOfPeerId, parsePeerId, peerIdOfKey, shortPeerId } from './peer-id.ts'

const key = fc.uint8Array({ minLength: 0, maxLength: 64 }).map((bytes) => new Uint8Array(bytes))
const id = peerIdOfKey(new Uint8Array(44))

test('an id is 8 groups of 7, and stands for the digest of the key', () => {
  assert.match(id, /^[A-Z2-7]{7}(-[A-Z2-7]{7}){7}$/)
  assert.equal(shortPeerId(id), id.slice(0, 7))
  fc.assert(
    fc.property(key, (spki) => {
      const one = peerIdOfKey(spki)
      assert.equal(parsePeerId(one), one)
      assert.deepEqual(Buffer.from(digestOfPeerId(one)), createHash('sha256').update(spki).digest())
    }),
    { seed: 1 },
  )
})

test('without its check characters it is plain base32 of the digest', () => {
  const data = [...id.replaceAll('-', '')].filter((_, index) => index % 14 !== 13).join('')
  let bits = ''
  for (const char of data) bits += 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(char).toString(2).padStart(5, '0')
  const digest = createHash('sha256').update(new Uint8Array(44)).digest()
  assert.equal(bits, `${[...digest].map((byte) => byte.toString(2).padStart(8, '0')).join('')}0000`)
})

test('case, dashes, spaces and look-alikes do not matter', () => {
  for (const text of [
    id.toLowerCase(),
    id.replaceAll('-', ''),
    id.replaceAll('-', ' '),
    `  ${id.toLowerCase().replaceAll('-', ' - ')}\n`,
    id.replaceAll('O', '0').replaceAll('I', '1').replaceAll('B', '8'),
  ]) {
    assert.equal(parsePeerId(text), id)
  }
})

test('every single wrong character and every swap of neighbours is found', () => {
  const chars = [...id.replaceAll('-', '')]
  for (const [at, right] of chars.entries()) {
    for (const wrong of 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567') {
      if (wrong === right) continue
      assert.equal(parsePeerId(chars.with(at, wrong).join('')), undefined, `${at} ${wrong}`)
    }
    const next = chars[at + 1]
    if (next !== undefined && next !== right) {
      assert.equal(
        parsePeerId(
          chars
            .with(at, next)
            .with(at + 1, right)
            .join(''),
        ),
        undefined,
        `swap at ${at}`,
      )
    }
  }
})

test('what is no id is refused', () => {
  for (const text of [
    '',
    'x',
    `${id}A`,
    id.slice(1),
    `${id.slice(0, -1)}!`,
    'A'.repeat(10_000),
    `${id.slice(0, -1)}ſ`,
  ]) {
    assert.equal(parsePeerId(text), undefined)
  }
})

test('the bits that a digest does not fill must be zero: one key has one id', () => {
  const chars = [...id.replaceAll('-', '')]
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const last = alphabet.indexOf(chars[54] ?? '')
  let accepted = 0
  for (let value = 0; value < 32; value++) {
    for (const check of alphabet) {
      const text = chars
        .with(54, alphabet[value] ?? '')
        .with(55, check)
        .join('')
      if (parsePeerId(text) !== undefined) accepted += 1
    }
  }
  assert.equal(last & 0xf, 0)
  assert.equal(accepted, 2)
})
