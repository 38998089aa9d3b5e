// Digests side by side in one buffer, as they travel: 32 bytes each; all zero where one is not known, all ones where the
// content is not what it was although nothing says that anyone wrote to it.

import { digestBytes } from './page.ts'

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

/** Digests by number, some of them not known: an object for each would weigh several times its 32 bytes. */
export class DigestTable {
  readonly #bytes: Uint8Array
  readonly #known: Uint8Array

  constructor(count: number) {
    this.#bytes = new Uint8Array(count * digestBytes)
    this.#known = new Uint8Array(count)
  }

  set(number: number, digest: Uint8Array): void {
    this.#bytes.set(digest, number * digestBytes)
    this.#known[number] = 1
  }

  /** A view, or undefined where it is not known. */
  get(number: number): Uint8Array | undefined {
    const start = number * digestBytes
    return this.#known[number] === 1 ? this.#bytes.subarray(start, start + digestBytes) : undefined
  }
}
