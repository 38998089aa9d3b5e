// Digests side by side in one buffer, as they travel: 32 bytes each, all zero where one is not known.

import { digestBytes } from './record.ts'

export function splitDigests(bytes: Uint8Array): (Uint8Array | undefined)[] {
  const digests: (Uint8Array | undefined)[] = []
  for (let at = 0; at + digestBytes <= bytes.length; at += digestBytes) {
    const digest = bytes.subarray(at, at + digestBytes)
    digests.push(digest.every((byte) => byte === 0) ? undefined : digest)
  }
  return digests
}

export function joinDigests(digests: readonly (Uint8Array | undefined)[]): Uint8Array {
  const joined = new Uint8Array(digests.length * digestBytes)
  digests.forEach((digest, i) => {
    if (digest !== undefined) joined.set(digest, i * digestBytes)
  })
  return joined
}
