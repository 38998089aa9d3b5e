// Digests side by side in one buffer, as they travel: 32 bytes each; all zero where one is not known, all ones where the
// content is not what it was although nothing says that anyone wrote to it.

import { digestBytes } from './record.ts'

/** Stands for a content that was damaged on disk. Equal to no digest of anything that was ever read. */
export const damagedDigest: Uint8Array = new Uint8Array(digestBytes).fill(0xff)

export function isDamaged(digest: Uint8Array | undefined): boolean {
  return digest?.every((byte) => byte === 0xff) === true
}

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
