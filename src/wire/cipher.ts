// Which cipher to prefer. AES-GCM wins wherever the processor has instructions for it (measured on such a machine:
// AES-128-GCM 3.7 GB/s in OpenSSL, whole TLS transfers a third faster than with ChaCha20); without them it is several
// times slower than ChaCha20-Poly1305, and a NAS or a small board is often the slow end. So it is measured, once a
// process, in about a millisecond. Either way only the three ciphers of TLS 1.3 are offered.

import { createCipheriv } from 'node:crypto'
import type { Clock } from '../std/clock.ts'

type CipherOrder = {
  /** For the `ciphers` option: the best first. */
  readonly ciphers: string
  /** Whether this machine has reason to insist on its order when it is the listening side. */
  readonly insists: boolean
}

const aes128 = 'TLS_AES_128_GCM_SHA256'
const aes256 = 'TLS_AES_256_GCM_SHA384'
const chacha = 'TLS_CHACHA20_POLY1305_SHA256'

/** The order for a machine on which sealing the same bytes takes this long with each. */
export function cipherOrder(aesMs: number, chachaMs: number): CipherOrder {
  // A busy moment must not turn the order of a machine that has AES: there the two are less than a factor of 1.5 apart.
  const insists = aesMs > 2 * chachaMs
  return { ciphers: (insists ? [chacha, aes128, aes256] : [aes128, aes256, chacha]).join(':'), insists }
}

const sampleBytes = 64 * 1024
const rounds = 4

type Seal = { update(bytes: Uint8Array): unknown; final(): unknown }

// The keys are zero and seal nothing but zeros: this is a stop watch, not a secret.
const nonce = new Uint8Array(12)
const makeAes = (): Seal => createCipheriv('aes-128-gcm', new Uint8Array(16), nonce, { authTagLength: 16 })
const makeChacha = (): Seal => createCipheriv('chacha20-poly1305', new Uint8Array(32), nonce, { authTagLength: 16 })

/** The fastest of a few rounds of sealing 64 KiB, so that one interruption does not count. */
function sealingMs(makeSeal: () => Seal, clock: Clock): number {
  const sample = new Uint8Array(sampleBytes)
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round++) {
    const start = clock.monotonicMs()
    const seal = makeSeal()
    seal.update(sample)
    seal.final()
    best = Math.min(best, clock.monotonicMs() - start)
  }
  return best
}

let measured: CipherOrder | undefined

/** The order for this machine, measured at the first call. */
export function preferredCiphers(clock: Clock): CipherOrder {
  measured ??= cipherOrder(sealingMs(makeAes, clock), sealingMs(makeChacha, clock))
  return measured
}
