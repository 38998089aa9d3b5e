// CPace: two sides that share a short code agree on a strong key, and each try of a wrong code costs an attacker one
// whole conversation. CPACE-RISTR255-SHA512 of draft-irtf-cfrg-cpace, initiator and responder, over @noble/curves.
// The side that opened the connection is the initiator (A). Keys are used once: a run is made, finished and dropped.
// Says nothing about whether the other side had the right code: that is what the confirmation tags are for, which must
// be compared before anything is believed. K itself never leaves this file.

import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { ristretto255, ristretto255_hasher } from '@noble/curves/ed25519.js'
import { assert, present } from '../std/assert.ts'
import { concatBytes, utf8 } from '../std/bytes.ts'
import { randomBytes } from '../std/random.ts'

export const shareBytes = 32
export const tagBytes = 64

type CpaceInputs = {
  /** What both people typed: the short secret. */
  readonly code: Uint8Array
  /** Who speaks with whom over what: both sides must hold the same. */
  readonly channel: Uint8Array
  /** Unique to this conversation. */
  readonly session: Uint8Array
}

/** One side's half of a run, between sending its share and receiving the other's. */
export type CpaceRun = {
  /** What the other side is sent. */
  readonly share: Uint8Array
  /** The key material, or undefined where the other share is no point of the group or the neutral one: then abort. */
  finish(role: 'initiator' | 'responder', otherShare: Uint8Array): Uint8Array | undefined
}

const domain = utf8('CPaceRistretto255')
const keyDomain = utf8('CPaceRistretto255_ISK')
const hashBlockBytes = 128
const { Point } = ristretto255
const elementOf = present(ristretto255_hasher.deriveToCurve, 'ristretto255 derives elements from 64 bytes')

/** The length in LEB128, then the bytes. */
function withLength(part: Uint8Array): Uint8Array {
  const head: number[] = []
  let rest = part.length
  while (rest >= 0x80) {
    head.push((rest & 0x7f) | 0x80)
    rest >>= 7
  }
  return concatBytes([Uint8Array.of(...head, rest), part])
}

/** The parts, each with its length: no two lists of parts give the same bytes. */
export function lengthValue(...parts: readonly Uint8Array[]): Uint8Array {
  return concatBytes(parts.map(withLength))
}

function sha512(bytes: Uint8Array): Uint8Array {
  return createHash('sha512').update(bytes).digest()
}

/** The string that the generator is derived from; the code fills whole hash blocks, so its length does not show. */
export function generatorString({ code, channel, session }: CpaceInputs): Uint8Array {
  const used = withLength(code).length + withLength(domain).length
  const padding = new Uint8Array(Math.max(0, hashBlockBytes - 1 - used))
  return lengthValue(domain, code, padding, channel, session)
}

/** A number below 2^252, little endian: uniform, and below the group's order. */
function randomScalar(): bigint {
  const bytes = randomBytes(32)
  bytes[31] = (bytes[31] ?? 0) & 0x0f
  return scalarOf(bytes)
}

function scalarOf(littleEndian: Uint8Array): bigint {
  let value = 0n
  for (const byte of littleEndian.toReversed()) value = (value << 8n) | BigInt(byte)
  return value
}

/**
 * Starts a run. `adA` and `adB` are bound into the key with the shares; both sides pass the same pair. `scalar` is for
 * test vectors only.
 */
export function startCpace(
  inputs: CpaceInputs,
  associated: { readonly adA: Uint8Array; readonly adB: Uint8Array },
  scalar?: Uint8Array,
): CpaceRun {
  const generator = elementOf(sha512(generatorString(inputs)))
  const secret = scalar === undefined ? randomScalar() : scalarOf(scalar)
  assert(secret !== 0n, 'a scalar is not zero')
  const share = generator.multiply(secret).toBytes()
  return {
    share,
    finish(role, otherShare) {
      const secretPoint = multiplyChecked(secret, otherShare)
      if (secretPoint === undefined) return undefined
      const [shareA, shareB] = role === 'initiator' ? [share, otherShare] : [otherShare, share]
      const transcript = concatBytes([lengthValue(shareA, associated.adA), lengthValue(shareB, associated.adB)])
      return sha512(concatBytes([lengthValue(keyDomain, inputs.session, secretPoint), transcript]))
    },
  }
}

/** `scalar * point`, or undefined where `encoded` is not a canonical point or the result is the neutral element. */
function multiplyChecked(scalar: bigint, encoded: Uint8Array): Uint8Array | undefined {
  try {
    const point = Point.fromBytes(encoded)
    if (point.is0()) return undefined
    const product = point.multiply(scalar)
    return product.is0() ? undefined : product.toBytes()
  } catch {
    return undefined
  }
}

/** The tag by which one side shows that it has the key: over what that side sent. */
export function confirmationTag(
  key: Uint8Array,
  session: Uint8Array,
  share: Uint8Array,
  associated: Uint8Array,
): Uint8Array {
  const macKey = sha512(concatBytes([utf8('CPaceMac'), session, key]))
  return createHmac('sha512', macKey).update(lengthValue(share, associated)).digest()
}

/** Whether two tags are equal, in a time that says nothing about where they differ. */
export function sameTag(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
