// What both ends of a TLS connection of ours have in common: TLS 1.3 only, both show a certificate, the key in it is
// the identity and nothing else in it is looked at (its dates and names are the same for all machines), sessions are
// never resumed (a resumed one shows no certificate), and ALPN says what is spoken.

import { constants } from 'node:crypto'
import type { SecureVersion, TLSSocket } from 'node:tls'
import type { Clock } from '../std/clock.ts'
import { preferredCiphers } from './cipher.ts'
import { type Identity, peerIdOfCertificate } from './identity.ts'
import type { PeerId } from './peer-id.ts'

/** What is spoken on a connection, as ALPN has it. */
export const sessionProtocol = 'nightferry/1'
export const pairingProtocol = 'nightferry-pair/1'

type Credentials = {
  readonly key: string
  readonly cert: string
  readonly minVersion: SecureVersion
  readonly maxVersion: SecureVersion
  readonly ciphers: string
  readonly secureOptions: number
  /** Node's own check is of authorities and names, of which there are none: `peerIdOf` is the check. */
  readonly rejectUnauthorized: false
}

export function credentialsOf(identity: Identity, clock: Clock): Credentials {
  return {
    key: identity.privateKeyPem,
    cert: identity.certificatePem,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: preferredCiphers(clock).ciphers,
    secureOptions: constants.SSL_OP_NO_TICKET,
    rejectUnauthorized: false,
  }
}

/**
 * Whose key the other end of a finished handshake has proved to hold; undefined where it showed none, which is to be
 * refused. TLS itself has checked the proof; this reads the key.
 */
export function peerIdOf(socket: TLSSocket): PeerId | undefined {
  if (socket.isSessionReused() || socket.getProtocol() !== 'TLSv1.3') return undefined
  const certificate = socket.getPeerX509Certificate()
  return certificate === undefined ? undefined : peerIdOfCertificate(certificate)
}
