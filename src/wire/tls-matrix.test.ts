// Certificates of every kind against both sides of the door: what decides is the key at the other end, and nothing else that
// a certificate says; a key that is not paired gets in by no certificate. And what TLS has besides: older versions, resumed
// sessions, early data, renegotiation. Certificates are made by openssl, where there is one.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { type ConnectionOptions, connect, createServer } from 'node:tls'
import { listenOnLoopback, testHome, until } from '../../test/world/links.ts'
import { systemClock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { sessionProtocol } from './credentials.ts'
import { dial } from './dial.ts'
import type { LinkEvent } from './notes.ts'

const home = testHome()
after(() => home.remove())
const [ann, bee, eve] = [home.identity('ann'), home.identity('bee'), home.identity('eve')]
const host = '127.0.0.1'
const hasOpenssl = spawnSync('openssl', ['version']).status === 0
const skip = hasOpenssl ? false : 'no openssl'

function openssl(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('openssl', args, { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return stdout
}

/** A file below the home of this test, and its path. */
function file(name: string, text: string): string {
  const path = join(home.directory, name)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

/** A self-signed certificate of a key, as openssl makes them. */
function certificate(keyPem: string, ...options: readonly string[]): string {
  return openssl('req', '-x509', '-key', file('key.pem', keyPem), '-subj', '/CN=nightferry', ...options)
}

/** A certificate of a key that another one has signed, and that other one's. */
function signedBy(keyPem: string, issuerKey: string, issuer: string): string {
  const request = openssl('req', '-new', '-key', file('key.pem', keyPem), '-subj', '/CN=leaf')
  const ca = ['-CA', file('ca.pem', issuer), '-CAkey', file('ca-key.pem', issuerKey), '-CAcreateserial']
  return openssl('x509', '-req', '-in', file('leaf.csr', request), ...ca, '-days', '2')
}

function newKey(...kind: readonly string[]): string {
  return openssl('genpkey', '-algorithm', ...kind)
}

type Case = { readonly key: string; readonly cert: string; readonly isIn: boolean }

/** Ann's key is paired; every other is not. */
function cases(): Record<string, Case> {
  const [key, other] = [ann.privateKeyPem, eve.privateKeyPem]
  const dates = (from: string, to: string): string[] => ['-not_before', from, '-not_after', to]
  const hasDates = spawnSync('openssl', ['req', '-help'], { encoding: 'utf8' }).stderr.includes('-not_before')
  const dated = (from: string, to: string): string => (hasDates ? certificate(key, ...dates(from, to)) : '')
  const old = dated('19990101000000Z', '20000101000000Z')
  const early = dated('20900101000000Z', '20990101000000Z')
  const strange = (keyPem: string): Case => ({ key: keyPem, cert: certificate(keyPem), isIn: false })
  return {
    'its own certificate': { key, cert: ann.certificatePem, isIn: true },
    'another certificate of the same key': { key, cert: certificate(key), isIn: true },
    ...(hasDates
      ? {
          'one that has expired': { key, cert: old, isIn: true },
          'one that is not yet valid': { key, cert: early, isIn: true },
        }
      : {}),
    'one that expires today': { key, cert: certificate(key, '-days', '1'), isIn: true },
    'one for servers only': { key, cert: certificate(key, '-addext', 'extendedKeyUsage=serverAuth'), isIn: true },
    'one for clients only': { key, cert: certificate(key, '-addext', 'extendedKeyUsage=clientAuth'), isIn: true },
    'one that may sign others': {
      key,
      cert: certificate(key, '-addext', 'basicConstraints=critical,CA:TRUE'),
      isIn: true,
    },
    'one that somebody else has signed': { key, cert: signedBy(key, other, certificate(other)), isIn: true },
    'the names of a paired machine and another key': { key: other, cert: certificate(other), isIn: false },
    'another key, signed by the paired one': { key: other, cert: signedBy(other, key, certificate(key)), isIn: false },
    'another key, and the paired certificate behind it': {
      key: other,
      cert: `${certificate(other)}${ann.certificatePem}`,
      isIn: false,
    },
    'another key, and fifty certificates behind it': {
      key: other,
      cert: certificate(other) + ann.certificatePem.repeat(50),
      isIn: false,
    },
    'an RSA key': strange(newKey('RSA', '-pkeyopt', 'rsa_keygen_bits:2048')),
    'an EC key': strange(newKey('EC', '-pkeyopt', 'ec_paramgen_curve:P-256')),
    'an Ed448 key': strange(newKey('ED448')),
  }
}

const all = hasOpenssl ? cases() : {}

describe('a certificate at the door', { skip }, () => {
  for (const [name, { key, cert, isIn }] of Object.entries(all)) {
    test(`${isIn ? 'gets in' : 'is refused'}: ${name}`, async () => {
      const events: LinkEvent[] = []
      const machines: string[] = []
      const listener = await listenOnLoopback(bee, {
        authorise: (peerId) => (peerId === ann.peerId ? 'ann' : undefined),
        onLink: (link) => machines.push(link.machine),
        note: (event) => events.push(event),
      })
      const socket = bareClient(listener.port, { key, cert })
      await until(() => machines.length + events.length > 0, 'a verdict')
      assert.deepEqual([machines, events.map(({ reason }) => reason)], isIn ? [['ann'], []] : [[], ['not-paired']])
      socket.destroy()
      listener.close()
    })
  }
})

function bareClient(port: number, options: ConnectionOptions): ReturnType<typeof connect> {
  const socket = connect({
    host,
    port,
    rejectUnauthorized: false,
    ALPNProtocols: [sessionProtocol],
    checkServerIdentity: () => undefined,
    ...options,
  })
  socket.on('error', () => {})
  socket.resume()
  return socket
}

describe('a certificate of whom we call', { skip }, () => {
  for (const [name, { key, cert, isIn }] of Object.entries(all)) {
    test(`${isIn ? 'is believed' : 'is not'}: ${name}`, async () => {
      const server = createServer({
        key,
        cert,
        ALPNProtocols: [sessionProtocol],
        requestCert: true,
        rejectUnauthorized: false,
      })
      server.on('tlsClientError', () => {})
      server.on('secureConnection', (socket) => socket.on('error', () => {}).resume())
      await new Promise<void>((resolve) => server.listen(0, host, resolve))
      const address = server.address()
      assert.ok(typeof address === 'object' && address !== null)
      const options = {
        host,
        port: address.port,
        identity: bee,
        peerId: ann.peerId,
        machine: 'ann',
        clock: systemClock,
      }
      const called = await dial(options).then(
        (link) => {
          link.destroy()
          return 'in'
        },
        (error: unknown) => (error instanceof Failure ? error.code : error),
      )
      assert.equal(called, isIn ? 'in' : 'wrong-peer')
      server.close()
    })
  }
})

test('a certificate without its key is of no use to anybody', () => {
  const { certificatePem: cert } = ann
  assert.throws(
    () =>
      connect({
        host,
        port: 1,
        cert,
        key: createPrivateKey(eve.privateKeyPem).export({ type: 'pkcs8', format: 'pem' }),
      }),
    {
      code: 'ERR_OSSL_X509_KEY_VALUES_MISMATCH',
    },
  )
})

type Said = { readonly code: number | null; readonly text: string }

/** What openssl's client sees at the door, with ann's key, and how many links came of it. */
async function asked(input: string, ...options: readonly string[]): Promise<Said & { links: number }> {
  let links = 0
  const listener = await listenOnLoopback(bee, {
    authorise: () => 'ann',
    onLink: (link) => {
      links++
      link.onData(() => {})
    },
  })
  const identity = ['-cert', file('ann.pem', ann.certificatePem), '-key', file('ann-key.pem', ann.privateKeyPem)]
  const alpn = ['-alpn', sessionProtocol]
  const child = spawn('openssl', ['s_client', '-connect', `${host}:${listener.port}`, ...identity, ...alpn, ...options])
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (more: string) => (text += more))
  child.stdin.on('error', () => {})
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  // Once the handshake is done, or has failed, what is to be said is said.
  await Promise.race([ended, until(() => /Verify return code|alert/.test(text), 'the handshake')])
  for (const part of input) child.stdin.write(part)
  await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, input === '' ? 0 : 300))])
  child.stdin.end('Q\n')
  const code = await ended
  listener.close()
  return { code, text, links }
}

describe('TLS besides', { skip }, () => {
  for (const version of ['-tls1', '-tls1_1', '-tls1_2']) {
    test(`an older version is refused: ${version}`, async () => {
      const { text, links } = await asked('', version, '-cipher', 'ALL:@SECLEVEL=0')
      assert.equal(links, 0)
      assert.doesNotMatch(text, /Cipher is (?!\(NONE\))\w/)
    })
  }

  test('what OpenSSL agrees on is TLS 1.3 with a cipher of ours', async () => {
    const { text, links } = await asked('')
    assert.equal(links, 1)
    assert.match(text, /TLSv1\.3, Cipher is TLS_(AES_256_GCM_SHA384|AES_128_GCM_SHA256|CHACHA20_POLY1305_SHA256)/)
    assert.match(text, new RegExp(`ALPN protocol: ${sessionProtocol}`))
  })

  test('a session that OpenSSL keeps is of no use at its next call, and takes no early data', async () => {
    const kept = join(home.directory, 'kept')
    await asked('\n', '-sess_out', kept)
    assert.ok(existsSync(kept), 'there is a session to come back with')
    const early = file('early', 'a request that must not be read')
    const { text, links } = await asked('', '-sess_in', kept, '-early_data', early)
    assert.equal(links, 1)
    assert.match(text, /^New, TLSv1\.3/m)
    assert.doesNotMatch(text, /^Reused, |Early data was accepted/m)
  })

  test('a flood of key updates costs the link at most, and the door stays open', async () => {
    const { links } = await asked('K\n'.repeat(200))
    assert.equal(links, 1)
    assert.equal((await asked('')).links, 1)
  })

  test('a cipher that is none of ours is refused', async () => {
    assert.equal((await asked('', '-ciphersuites', 'TLS_AES_128_CCM_SHA256')).links, 0)
  })

  test('nothing is negotiated anew on an open link', async () => {
    const listener = await listenOnLoopback(bee, { authorise: () => 'ann', onLink: (link) => link.onData(() => {}) })
    const socket = bareClient(listener.port, { key: ann.privateKeyPem, cert: ann.certificatePem })
    await new Promise<void>((resolve) => socket.once('secureConnect', () => resolve()))
    const refused = await new Promise<Error | null>((resolve) => {
      socket.renegotiate({ rejectUnauthorized: false }, resolve)
    })
    assert.ok(refused instanceof Error)
    socket.destroy()
    listener.close()
  })
})
