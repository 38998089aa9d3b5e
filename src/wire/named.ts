// A payload with a name in front: requests, notices and the openings of streams. One byte of length, the name, the body.

import { assert } from '../std/assert.ts'
import { concatBytes, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'

const namePattern = /^[a-z][a-z0-9-]{0,47}$/
const encoded = new Map<string, Uint8Array>()

/** What stands before the body. Names are ours, few and fixed: `fetch-listing`. */
export function encodeName(name: string): Uint8Array {
  const known = encoded.get(name)
  if (known !== undefined) return known
  assert(namePattern.test(name), `${name} is a name for the wire`)
  const bytes = concatBytes([Uint8Array.of(name.length), utf8(name)])
  encoded.set(name, bytes)
  return bytes
}

/** The parts of such a payload; the body is a view. Throws Failure('protocol-broken'). */
export function decodeNamed(payload: Uint8Array): { readonly name: string; readonly body: Uint8Array } {
  const length = payload[0] ?? 0
  const name = Buffer.from(payload.subarray(1, 1 + length)).toString('latin1')
  if (!namePattern.test(name) || name.length !== length) {
    throw new Failure('protocol-broken', 'a message has no proper name')
  }
  return { name, body: payload.subarray(1 + length) }
}
