// Identifiers of our own texts: jobs, views, guarded sets. SHA-256 from the system, so that a process which only compares
// never loads the content hash. Content and listings are named by BLAKE3 (digest.ts), never by this.

import { hash } from 'node:crypto'

/** 32 bytes; equal texts of two domains differ. */
export function textDigest(domain: string, text: string): Uint8Array {
  return new Uint8Array(hash('sha256', `${domain.length}:${domain}:${text}`, 'buffer'))
}

/** The first half of `textDigest` in hex. */
export function textId(domain: string, text: string): string {
  return hash('sha256', `${domain.length}:${domain}:${text}`, 'hex').slice(0, 32)
}
