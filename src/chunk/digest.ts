// BLAKE3-256: what content is called. One form for whole buffers, one for content that comes in pieces, one that says
// what it is a digest of, so that a listing can never pass for a file. Where the native binary does not load, WASM gives
// the same digests (slower); a test holds the two against each other.

import { createRequire } from 'node:module'
import type { IHasher } from 'hash-wasm'
import { present } from '../std/assert.ts'
import { concatBytes, utf8 } from '../std/bytes.ts'

/** Content that comes in pieces. `finish` ends it. */
export interface Digester {
  update(bytes: Uint8Array): void
  finish(): Uint8Array
}

export type DigestForm = { digestOf(bytes: Uint8Array): Uint8Array; openDigester(): Digester }

type NativeHasher = { update(data: Uint8Array): NativeHasher; digestBuffer(): Uint8Array }
type Native = { blake3UrlSafeBase64(data: Uint8Array): string; Blake3Hasher: new () => NativeHasher }

/**
 * The binary. Its package asks for a whole report of the process to find out which C library this is, which takes 30 ms
 * in every thread; so where the usual one is installed it is loaded by its own name.
 */
function loadNative(): Native {
  const load = createRequire(import.meta.url)
  try {
    return load(`@napi-rs/blake-hash-${process.platform}-${process.arch}-gnu`) as Native
  } catch {
    return load('@napi-rs/blake-hash') as Native
  }
}

/** Throws where this platform has no prebuilt binary. */
export function nativeDigests(): DigestForm {
  const native = loadNative()
  return {
    // As text: a buffer that the binary makes needs a finaliser, which costs more than hashing a small file.
    digestOf: (bytes) => fromBase64(native.blake3UrlSafeBase64(bytes)),
    openDigester() {
      const hasher = new native.Blake3Hasher()
      return { update: (bytes) => void hasher.update(bytes), finish: () => hasher.digestBuffer() }
    },
  }
}

const sextets = new Uint8Array(128)
for (const [value, letter] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'].entries()) {
  sextets[letter.charCodeAt(0)] = value
}

/** The 32 bytes of 43 letters; in memory of their own, since digests are kept and posted to other threads one by one. */
function fromBase64(text: string): Uint8Array {
  const bytes = new Uint8Array(32)
  let bits = 0
  let held = 0
  let at = 0
  for (let i = 0; i < 43; i++) {
    bits = (bits << 6) | (sextets[text.charCodeAt(i)] as number)
    held += 6
    if (held < 8) continue
    held -= 8
    bytes[at++] = bits >> held
  }
  return bytes
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

/** Why the native binary is not used; '' where it is. */
let wasmBecause = ''
let form: DigestForm | undefined = native()

function native(): DigestForm | undefined {
  try {
    return nativeDigests()
  } catch (error) {
    wasmBecause = error instanceof Error ? error.message : String(error)
    return undefined
  }
}

/** Resolves when digests can be taken: at once where the binary loads. A thread takes none before. */
export async function readyDigests(): Promise<void> {
  form ??= await wasmDigests()
}

function chosen(): DigestForm {
  return present(form, 'a thread waits for its digests')
}

/** Which form hashes here, and why it is the slower one; '' where it is not. */
export function digestForm(): { readonly form: 'native' | 'wasm'; readonly because: string } {
  return { form: wasmBecause === '' ? 'native' : 'wasm', because: wasmBecause }
}

/** The digest of a whole content. */
export function digestOf(bytes: Uint8Array): Uint8Array {
  return chosen().digestOf(bytes)
}

export function openDigester(): Digester {
  return chosen().openDigester()
}

/** The digest of `bytes` as a `domain`: equal bytes in two domains have different digests. */
export function domainDigest(domain: string, bytes: Uint8Array): Uint8Array {
  return chosen().digestOf(concatBytes([labelOf(domain), bytes]))
}

/** The same for bytes that come in pieces. */
export function openDomainDigester(domain: string): Digester {
  const digester = chosen().openDigester()
  digester.update(labelOf(domain))
  return digester
}

function labelOf(domain: string): Uint8Array {
  const label = utf8(domain)
  return concatBytes([new Uint8Array([label.length]), label])
}
