// The certificate that TLS wants around a machine's key, in DER written here: self-signed Ed25519, valid from 1970 to
// the end of 9999, the same for every machine but for its key, serial and signature. It vouches for nothing; peers pin
// the key. No machine name and no date is in it, for strangers are shown it too.

import { type KeyObject, sign } from 'node:crypto'
import { concatBytes, utf8 } from '../std/bytes.ts'
import { randomBytes } from '../std/random.ts'

const tag = { boolean: 0x01, integer: 0x02, bits: 0x03, octets: 0x04, oid: 0x06, utf8: 0x0c, utc: 0x17, time: 0x18 }
const sequenceTag = 0x30
const setTag = 0x31

function value(tagByte: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = concatBytes(parts)
  const { length } = content
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, (length >> 8) & 0xff, length & 0xff]
  return concatBytes([Uint8Array.of(tagByte, ...head), content])
}

const sequence = (...parts: readonly Uint8Array[]): Uint8Array => value(sequenceTag, ...parts)
const oid = (...bytes: readonly number[]): Uint8Array => value(tag.oid, Uint8Array.from(bytes))
/** A bit string; `unused` counts the bits of the last byte that are not part of it. */
const bits = (content: Uint8Array, unused = 0): Uint8Array => value(tag.bits, Uint8Array.of(unused), content)

const ed25519 = sequence(oid(0x2b, 0x65, 0x70))
const subjectName = oid(0x55, 0x04, 0x03)
const keyUsage = oid(0x55, 0x1d, 0x0f)
const basicConstraints = oid(0x55, 0x1d, 0x13)

const name = sequence(value(setTag, sequence(subjectName, value(tag.utf8, utf8('nightferry')))))
// RFC 5280: years up to 2049 are UTCTime (two digits), later ones GeneralizedTime, both to the second and in Z.
const validity = sequence(value(tag.utc, utf8('700101000000Z')), value(tag.time, utf8('99991231235959Z')))

function critical(id: Uint8Array, content: Uint8Array): Uint8Array {
  return sequence(id, value(tag.boolean, Uint8Array.of(0xff)), value(tag.octets, content))
}

const digitalSignature = bits(Uint8Array.of(0x80), 7)
const extensions = value(0xa3, sequence(critical(basicConstraints, sequence()), critical(keyUsage, digitalSignature)))

/** A positive number of 16 bytes in its shortest form. */
function serialNumber(): Uint8Array {
  const serial = randomBytes(16)
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  return value(tag.integer, serial)
}

/** The certificate (DER) of an Ed25519 key. */
export function selfSigned(publicKey: KeyObject, privateKey: KeyObject): Uint8Array {
  const version3 = value(0xa0, value(tag.integer, Uint8Array.of(2)))
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const body = sequence(version3, serialNumber(), ed25519, name, validity, name, spki, extensions)
  return sequence(body, ed25519, bits(sign(null, body, privateKey)))
}

/** DER as PEM. */
export function toPem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
