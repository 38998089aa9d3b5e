// A machine's key and its certificate, made, kept and refused.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Failure } from '../std/failure.ts'
import { openIdentity, peerIdOfCertificate } from './identity.ts'
import { parsePeerId } from './peer-id.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-identity-'))
after(() => rmSync(home, { recursive: true, force: true }))

function badConfig(open: () => unknown, message: RegExp): void {
  assert.throws(open, (error) => {
    assert.ok(error instanceof Failure)
    assert.equal(error.code, 'bad-config')
    assert.match(error.message, message)
    assert.ok(error.hint.length > 0)
    assert.doesNotMatch(error.message + error.hint, /BEGIN|MC4C/)
    return true
  })
}

const hasOpenssl = spawnSync('openssl', ['version']).status === 0

test('the first start makes a key, later ones find it', () => {
  const directory = join(home, 'deep', 'config')
  const made = openIdentity(directory)
  assert.equal(parsePeerId(made.peerId), made.peerId)
  assert.deepEqual(openIdentity(directory), made)
  assert.equal(statSync(join(directory, 'identity.pem')).mode & 0o777, 0o600)
  assert.equal(statSync(directory).mode & 0o777, 0o700)
  assert.deepEqual(readdirSync(directory), ['identity.pem'])
  assert.notEqual(openIdentity(join(home, 'other')).peerId, made.peerId)
})

test('the certificate is one key, self-signed, valid from 1970 to 9999, and names nobody', () => {
  const identity = openIdentity(join(home, 'certificate'))
  const certificate = new X509Certificate(identity.certificatePem)
  assert.equal(peerIdOfCertificate(certificate), identity.peerId)
  assert.ok(certificate.verify(certificate.publicKey))
  assert.equal(certificate.subject, 'CN=nightferry')
  assert.equal(certificate.issuer, 'CN=nightferry')
  assert.equal(certificate.validFrom, 'Jan  1 00:00:00 1970 GMT')
  assert.equal(certificate.validTo, 'Dec 31 23:59:59 9999 GMT')
  assert.equal(certificate.ca, false)
  assert.equal(certificate.publicKey.asymmetricKeyType, 'ed25519')
  assert.match(certificate.serialNumber, /^[4-7][0-9A-F]{31}$/)
})

test('openssl takes the certificate, with its strict checks', { skip: hasOpenssl ? false : 'no openssl' }, () => {
  for (let count = 0; count < 5; count++) {
    const { certificatePem } = openIdentity(join(home, `openssl-${count}`))
    const path = join(home, `certificate-${count}.pem`)
    writeFileSync(path, certificatePem)
    for (const purpose of ['sslserver', 'sslclient']) {
      const run = spawnSync('openssl', ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', path, path])
      assert.equal(run.status, 0, run.stderr.toString())
    }
    const shown = spawnSync('openssl', ['x509', '-in', path, '-noout', '-text']).stdout.toString()
    assert.match(shown, /Not Before: Jan {2}1 00:00:00 1970 GMT/)
    assert.match(shown, /Not After : Dec 31 23:59:59 9999 GMT/)
    assert.match(shown, /Digital Signature/)
    assert.match(shown, /ED25519/)
    const times = spawnSync('openssl', ['asn1parse', '-in', path]).stdout.toString()
    assert.match(times, /UTCTIME {11}:700101000000Z/)
    assert.match(times, /GENERALIZEDTIME {3}:99991231235959Z/)
  }
})

test('a key that others can read or change is refused, and stays as it is', () => {
  const directory = join(home, 'open')
  openIdentity(directory)
  const path = join(directory, 'identity.pem')
  for (const mode of [0o640, 0o604, 0o620, 0o666, 0o610]) {
    chmodSync(path, mode)
    badConfig(() => openIdentity(directory), new RegExp(`mode ${mode.toString(8)}`))
    assert.equal(statSync(path).mode & 0o777, mode)
  }
  chmodSync(path, 0o400)
  openIdentity(directory)
})

test('a damaged key is refused, and never replaced by a new one', () => {
  const directory = join(home, 'damaged')
  openIdentity(directory)
  const path = join(directory, 'identity.pem')
  const good = readFileSync(path, 'utf8')
  const [key = '', certificate = ''] = good.split(/(?=-----BEGIN CERT)/)
  openIdentity(join(home, 'stranger'))
  const strange = readFileSync(join(home, 'stranger', 'identity.pem'), 'utf8').split(/(?=-----BEGIN CERT)/)[1] ?? ''
  const flipped = certificate.slice(0, -60) + (certificate.at(-60) === 'A' ? 'B' : 'A') + certificate.slice(-59)
  for (const text of ['', 'x', key, certificate, good.slice(0, 60), key + strange, key + flipped, '\xff\xfe']) {
    writeFileSync(path, text, { encoding: 'latin1' })
    badConfig(() => openIdentity(directory), /is damaged/)
    assert.equal(readFileSync(path, 'latin1'), text)
  }
  writeFileSync(path, certificate + key)
  openIdentity(directory)
})

test('a symbolic link is not followed', () => {
  const directory = join(home, 'linked')
  openIdentity(directory)
  const path = join(directory, 'identity.pem')
  rmSync(path)
  symlinkSync(join(home, 'open', 'identity.pem'), path)
  assert.throws(
    () => openIdentity(directory),
    (error) => error instanceof Failure && error.code === 'bad-config',
  )
})
