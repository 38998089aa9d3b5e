// The name of a key: what people compare and what machines pin. SHA-256 of the public key (its SubjectPublicKeyInfo),
// in base32, in four runs of thirteen characters with a check character each, shown in groups of seven:
// `ABCDEFG-HIJKLMN-...`, 8 groups. The check character is a weighted sum over GF(32) whose weights are the powers of a
// primitive element, so that any single wrong character and any swap of neighbours is found.

import { createHash } from 'node:crypto'
import { assert } from '../std/assert.ts'

declare const peerIdBrand: unique symbol

/** A peer id in its one canonical form. Only `peerIdOfKey` and `parsePeerId` make one. */
export type PeerId = string & { readonly [peerIdBrand]: true }

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const digestBytes = 32
const dataChars = 52
const runChars = 13
const groupChars = 7

const charValues = new Map([...alphabet].map((char, value) => [char, value]))
// What people read for each other; none of these is in the alphabet.
charValues.set('0', charValues.get('O') ?? 0)
charValues.set('1', charValues.get('I') ?? 0)
charValues.set('8', charValues.get('B') ?? 0)

/** The product with a primitive element of GF(32) = GF(2)[x] / (x^5 + x^2 + 1). */
function timesPrimitive(value: number): number {
  return ((value << 1) ^ (value & 0x10 ? 0b100101 : 0)) & 0x1f
}

function checkValue(run: readonly number[]): number {
  let sum = 0
  for (const value of run) sum = timesPrimitive(sum ^ value)
  return sum
}

function toValues(digest: Uint8Array): number[] {
  const values: number[] = []
  let bits = 0
  let held = 0
  for (const byte of digest) {
    held = (held << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      values.push((held >> bits) & 0x1f)
    }
    held &= 0xff
  }
  values.push((held << (5 - bits)) & 0x1f)
  return values
}

function canonical(data: readonly number[]): PeerId {
  let text = ''
  for (let start = 0; start < dataChars; start += runChars) {
    const run = data.slice(start, start + runChars)
    for (const value of [...run, checkValue(run)]) text += alphabet[value]
  }
  return (text.match(new RegExp(`.{${groupChars}}`, 'g')) ?? []).join('-') as PeerId
}

/** The id of the key whose SubjectPublicKeyInfo (DER) is given. */
export function peerIdOfKey(spki: Uint8Array): PeerId {
  return canonical(toValues(createHash('sha256').update(spki).digest()))
}

/** The id in canonical form, or undefined where the text is not one. Case, dashes and spaces do not matter. */
export function parsePeerId(text: string): PeerId | undefined {
  if (text.length > 200) return undefined
  const chars = text.toUpperCase().replace(/[-\s]/g, '')
  if (chars.length !== dataChars + dataChars / runChars) return undefined
  const data: number[] = []
  for (let start = 0; start < chars.length; start += runChars + 1) {
    const run: number[] = []
    for (const char of chars.slice(start, start + runChars + 1)) {
      const value = charValues.get(char)
      if (value === undefined) return undefined
      run.push(value)
    }
    if (run.pop() !== checkValue(run)) return undefined
    data.push(...run)
  }
  // 52 characters hold 260 bits: the last four are zero, or two texts would name one key.
  return ((data.at(-1) ?? 0) & 0xf) === 0 ? canonical(data) : undefined
}

/** The first group: enough to tell a handful of machines apart on a screen, never to trust one. */
export function shortPeerId(peerId: PeerId): string {
  return peerId.slice(0, groupChars)
}

/** The SHA-256 digest that the id stands for. */
export function digestOfPeerId(peerId: PeerId): Uint8Array {
  const values = [...peerId.replaceAll('-', '')].map((char) => charValues.get(char) ?? 0)
  const digest = new Uint8Array(digestBytes)
  let bits = 0
  let held = 0
  let at = 0
  for (const [index, value] of values.entries()) {
    if (index % (runChars + 1) === runChars) continue
    held = ((held << 5) | value) & 0xfff
    bits += 5
    if (bits >= 8 && at < digestBytes) {
      bits -= 8
      digest[at] = (held >> bits) & 0xff
      at += 1
    }
  }
  assert(at === digestBytes, 'a peer id holds a whole digest')
  return digest
}
