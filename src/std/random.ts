// Chance, from the system's generator, and the only place that asks for it.

/** `count` unpredictable bytes. */
export function randomBytes(count: number): Uint8Array {
  // Loaded with the first call: every start has this file, and node:crypto would cost it some milliseconds.
  return new Uint8Array(process.getBuiltinModule('node:crypto').randomBytes(count))
}

const nameAlphabet = 'abcdefghijkmnpqrstuvwxyz23456789'

/** A short unpredictable name, safe on every file system: 5 bits a character. */
export function randomName(chars = 12): string {
  let name = ''
  for (const byte of randomBytes(chars)) name += nameAlphabet[byte & 31]
  return name
}
