// BLAKE3-256: what content is called. One form for whole buffers, one for content that comes in pieces, one that says
// what it is a digest of, so that a listing can never pass for a file. Where the native binary does not load, WASM gives
// the same digests (slower); a test holds the two against each other.

import { createRequire } from 'node:module'
import type { IHasher } from 'hash-wasm'
import { concatBytes, utf8 } from '../std/bytes.ts'

/** Content that comes in pieces. `finish` ends it. */
export interface Digester {
  update(bytes: Uint8Array): void
  finish(): Uint8Array
}

export type DigestForm = { digestOf(bytes: Uint8Array): Uint8Array; openDigester(): Digester }

type NativeHasher = { update(data: Uint8Array): NativeHasher; digestBuffer(): Uint8Array }
type Native = { blake3(data: Uint8Array): Uint8Array; Blake3Hasher: new () => NativeHasher }

/** Throws where this platform has no prebuilt binary. */
export function nativeDigests(): DigestForm {
  const native = createRequire(import.meta.url)('@napi-rs/blake-hash') as Native
  return {
    digestOf: (bytes) => native.blake3(bytes),
    openDigester() {
      const hasher = new native.Blake3Hasher()
      return { update: (bytes) => void hasher.update(bytes), finish: () => hasher.digestBuffer() }
    },
  }
}

export async function wasmDigests(): Promise<DigestForm> {
  const { createBLAKE3 } = await import('hash-wasm')
  const whole: IHasher = await createBLAKE3()
  const idle: IHasher[] = []
  // Hashers can't be made synchronously, so some are kept ready: content in pieces is bounded by a run's open files.
  for (let i = 0; i < 64; i++) idle.push(await createBLAKE3())
  return {
    digestOf: (bytes) => whole.init().update(bytes).digest('binary'),
    openDigester() {
      const hasher = idle.pop()
      if (hasher === undefined) throw new Error('too many digests are open at once')
      hasher.init()
      return {
        update: (bytes) => void hasher.update(bytes),
        finish() {
          idle.push(hasher)
          return hasher.digest('binary')
        },
      }
    },
  }
}

async function chooseForm(): Promise<DigestForm> {
  try {
    return nativeDigests()
  } catch {
    return await wasmDigests()
  }
}

const form: DigestForm = await chooseForm()

/** The digest of a whole content. */
export function digestOf(bytes: Uint8Array): Uint8Array {
  return form.digestOf(bytes)
}

export function openDigester(): Digester {
  return form.openDigester()
}

/** The digest of `bytes` as a `domain`: equal bytes in two domains have different digests. */
export function domainDigest(domain: string, bytes: Uint8Array): Uint8Array {
  const label = utf8(domain)
  return form.digestOf(concatBytes([new Uint8Array([label.length]), label, bytes]))
}
