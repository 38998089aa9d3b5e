// A machine's key: made at the first start, kept in `identity.pem` (0600) in the configuration directory together with
// the certificate that TLS wants. Whoever holds this file is this machine to its peers, so a file that others can read
// is refused, never quietly repaired. The key never leaves the file but into TLS, and never into a message or a log.

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { fromUtf8, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { createOwnFile, ensureOwnDirectory, ownFileMode, readOwnFile } from '../std/files.ts'
import { selfSigned, toPem } from './certificate.ts'
import { type PeerId, peerIdOfKey } from './peer-id.ts'

export type Identity = {
  readonly peerId: PeerId
  readonly certificatePem: string
  /** A secret. */
  readonly privateKeyPem: string
}

const fileName = 'identity.pem'
const maxFileBytes = 16 * 1024

/**
 * This machine's identity, made where there is none yet. Throws Failure('bad-config') when the file is damaged or can
 * be read by others.
 */
export function openIdentity(configDirectory: string): Identity {
  const path = join(configDirectory, fileName)
  const kept = readIdentity(path)
  if (kept !== undefined) return kept
  ensureOwnDirectory(configDirectory, 0o700)
  // Of two first starts at once, both take the key of the one that came first.
  createOwnFile(path, utf8(newIdentity()), { mode: 0o600 })
  const written = readIdentity(path)
  if (written === undefined) throw new Failure('bad-config', `${path} vanished while it was being made`)
  return written
}

/** The peer id of a certificate's key, or undefined where the key cannot be read. Nothing else in it is believed. */
export function peerIdOfCertificate(certificate: X509Certificate): PeerId | undefined {
  try {
    return peerIdOfKey(spkiOf(certificate.publicKey))
  } catch {
    return undefined
  }
}

function spkiOf(publicKey: KeyObject): Uint8Array {
  return publicKey.export({ type: 'spki', format: 'der' })
}

function newIdentity(): string {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return key + toPem('CERTIFICATE', selfSigned(publicKey, privateKey))
}

function readIdentity(path: string): Identity | undefined {
  const mode = ownFileMode(path)
  if (mode === undefined) return undefined
  if ((mode & 0o077) !== 0) {
    const octal = mode.toString(8).padStart(3, '0')
    throw new Failure('bad-config', `${path} can be read or changed by other users (mode ${octal})`, {
      hint:
        'It holds the secret key of this machine. If nobody else can have copied it, run chmod 600 on it; ' +
        'else delete it and pair this machine again.',
    })
  }
  const bytes = readOwnFile(path, { maxBytes: maxFileBytes })
  if (bytes === undefined) return undefined
  const identity = parseIdentity(fromUtf8(bytes) ?? '')
  if (identity === undefined) {
    throw new Failure('bad-config', `${path} is damaged`, {
      hint: 'Put it back from a backup; or delete it, and pair this machine again with the others.',
    })
  }
  return identity
}

function parseIdentity(text: string): Identity | undefined {
  const privateKeyPem = pemBlock(text, 'PRIVATE KEY')
  const certificatePem = pemBlock(text, 'CERTIFICATE')
  if (privateKeyPem === undefined || certificatePem === undefined) return undefined
  try {
    const privateKey = createPrivateKey(privateKeyPem)
    const certificate = new X509Certificate(certificatePem)
    if (privateKey.asymmetricKeyType !== 'ed25519' || !certificate.checkPrivateKey(privateKey)) return undefined
    if (!certificate.verify(certificate.publicKey)) return undefined
    const peerId = peerIdOfKey(spkiOf(createPublicKey(privateKey)))
    return { peerId, certificatePem, privateKeyPem }
  } catch {
    return undefined
  }
}

function pemBlock(text: string, label: string): string | undefined {
  return text.match(new RegExp(`-----BEGIN ${label}-----\n[A-Za-z0-9+/=\n]+-----END ${label}-----\n`))?.[0]
}
