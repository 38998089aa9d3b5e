// Chance, from the system's generator, and the only place that asks for it.

import { randomBytes as systemRandomBytes } from 'node:crypto'

/** `count` unpredictable bytes. */
export function randomBytes(count: number): Uint8Array {
  return new Uint8Array(systemRandomBytes(count))
}

const nameAlphabet = 'abcdefghijkmnpqrstuvwxyz23456789'

/** A short unpredictable name, safe on every file system: 5 bits a character. */
export function randomName(chars = 12): string {
  let name = ''
  for (const byte of randomBytes(chars)) name += nameAlphabet[byte & 31]
  return name
}
