// Chance, from the system's generator, and the only place that asks for it.

/** The generator gives no more at a time. */
const askMax = 65_536

/** `count` unpredictable bytes. */
export function randomBytes(count: number): Uint8Array {
  // The global, which is loaded with its first use: every start has this file, and node:crypto costs some milliseconds.
  const bytes = new Uint8Array(count)
  for (let at = 0; at < count; at += askMax) crypto.getRandomValues(bytes.subarray(at, at + askMax))
  return bytes
}

const nameAlphabet = 'abcdefghijkmnpqrstuvwxyz23456789'

/** A short unpredictable name, safe on every file system: 5 bits a character. */
export function randomName(chars = 12): string {
  let name = ''
  for (const byte of randomBytes(chars)) name += nameAlphabet[byte & 31]
  return name
}
