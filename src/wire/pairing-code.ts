// The code that one person reads out and another types: 40 random bits in eight characters of Crockford's base32, and a
// check character that finds any single wrong one and any swap of neighbours before a try is spent: `7K2-M9Q-XT5`.

import { randomBytes } from '../std/random.ts'

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const dataChars = 8
const dataBytes = 5

const charValues = new Map([...alphabet].map((char, value) => [char, value]))
charValues.set('O', 0)
charValues.set('I', 1)
charValues.set('L', 1)

/** The sum over GF(32) with the powers of a primitive element as weights. */
function checkValue(values: readonly number[]): number {
  let sum = 0
  for (const value of values) {
    const mixed = sum ^ value
    sum = ((mixed << 1) ^ (mixed & 0x10 ? 0b100101 : 0)) & 0x1f
  }
  return sum
}

function shown(values: readonly number[]): string {
  const text = [...values, checkValue(values)].map((value) => alphabet[value]).join('')
  return `${text.slice(0, 3)}-${text.slice(3, 6)}-${text.slice(6)}`
}

/** A new code, as it is shown. */
export function newPairingCode(): string {
  let bits = 0n
  for (const byte of randomBytes(dataBytes)) bits = (bits << 8n) | BigInt(byte)
  const values = Array.from({ length: dataChars }, (_, index) => Number((bits >> BigInt(5 * index)) & 0x1fn))
  return shown(values)
}

/** The code that was typed, as it is shown; undefined where it has a typing error. Case, dashes and spaces are free. */
export function parsePairingCode(text: string): string | undefined {
  if (text.length > 100) return undefined
  const values = [...text.toUpperCase().replace(/[-\s]/g, '')].map((char) => charValues.get(char))
  if (values.length !== dataChars + 1) return undefined
  const known: number[] = []
  for (const value of values) {
    if (value === undefined) return undefined
    known.push(value)
  }
  return known.pop() === checkValue(known) ? shown(known) : undefined
}
