// Who gets in, who does not, and who cannot wear the door down. Over real TLS on loopback.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { connect as connectTcp, type Socket } from 'node:net'
import { after, describe, test } from 'node:test'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { listenOnLoopback, rejectsWith, sessionOptions, testHome, until } from '../../test/world/links.ts'
import { systemClock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { selfSigned, toPem } from './certificate.ts'
import { sessionProtocol } from './credentials.ts'
import { dial } from './dial.ts'
import type { Identity } from './identity.ts'
import type { Link } from './link.ts'
import { type Listener, type ListenOptions, listen } from './listen.ts'
import type { LinkEvent } from './notes.ts'
import { peerIdOfKey } from './peer-id.ts'
import { openSession } from './session.ts'

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

const hasOpenssl = spawnSync('openssl', ['version']).status === 0

function opensslIdentity(kind: 'ec' | 'rsa'): { key: string; cert: string } {
  const algorithm = kind === 'ec' ? ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] : ['rsa:2048']
  const made = spawnSync('openssl', [
    'req',
    '-x509',
    '-newkey',
    ...algorithm,
    '-nodes',
    '-subj',
    '/CN=nightferry',
    '-keyout',
    '-',
  ])
  const text = made.stdout.toString()
  const at = text.indexOf('-----BEGIN CERTIFICATE')
  return { key: text.slice(0, at), cert: text.slice(at) }
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
    let received = 0
    const { listener } = await door({
      authorise: () => 'anyone',
      onLink: (link) => link.onData((chunk) => (received += chunk.length)),
    })
    await rejectsWith(dialBee(listener.port, ann, eve.peerId), 'wrong-peer', /another machine .* answers .*, not bee/)
    const right = await dialBee(listener.port)
    right.write([Uint8Array.of(1)])
    await until(() => received > 0, 'a byte of the right call')
    assert.equal(received, 1)
    right.destroy()
    listener.close()
  })

  const ed = generateKeyPairSync('ed25519')
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

  for (const kind of ['ec', 'rsa'] as const) {
    test(`refused: a key of another kind, ${kind}`, { skip: hasOpenssl ? false : 'no openssl' }, async () => {
      const { listener, links, events, reasons } = await door()
      const { closed } = bareClient(listener.port, opensslIdentity(kind))
      await closed
      await until(() => events.length > 0, 'the note')
      assert.deepEqual([reasons(), links], [['not-paired'], []])
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

/** A bare TCP connection that says `bytes` and nothing else. */
function bareSocket(port: number, bytes?: Uint8Array): { socket: Socket; isClosed(): boolean } {
  let isClosed = false
  const socket = connectTcp({ host, port })
  socket.on('error', () => {})
  socket.on('close', () => {
    isClosed = true
  })
  socket.resume()
  if (bytes !== undefined) socket.write(bytes)
  return { socket, isClosed: () => isClosed }
}

describe('who cannot wear the door down', () => {
  test('garbage and half a handshake', async () => {
    const { listener, links, events } = await door()
    const garbage = [
      Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
      Buffer.alloc(100_000, 0xff),
      Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
      Buffer.from([0x15, 3, 3, 0, 2, 2, 40]),
    ]
    const sockets = garbage.map((bytes) => bareSocket(listener.port, bytes))
    for (const { socket } of sockets) socket.end()
    await until(() => sockets.every((one) => one.isClosed()), 'all to be closed')
    const link = await dialBee(listener.port)
    await until(() => links.length === 1, 'a good machine')
    assert.ok(events.every((event) => event.reason === 'handshake-failed'))
    link.destroy()
    listener.close()
  })

  test('one who is silent, or sends a byte now and then, is cut at the deadline', async () => {
    const { listener, reasons, links } = await door({ limits: { handshakeMs: 300 } })
    const silent = bareSocket(listener.port)
    const slow = bareSocket(listener.port)
    const hello = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3])
    let sent = 0
    const drip = setInterval(() => slow.socket.write(Uint8Array.of(hello[sent++ % hello.length] ?? 0)), 20)
    await until(() => silent.isClosed() && slow.isClosed(), 'both to be cut')
    clearInterval(drip)
    await until(() => reasons().length > 0, 'a note')
    assert.ok(reasons().every((reason) => reason === 'too-slow' || reason === 'handshake-failed'))
    // A link that is let in outlives the deadline.
    const link = await dialBee(listener.port)
    await until(() => links.length === 1, 'the link')
    await new Promise((resolve) => setTimeout(resolve, 400))
    assert.equal(links[0]?.isClosed, false)
    link.destroy()
    listener.close()
  })

  test('a crowd of strangers: only so many are kept, and a good machine gets in all the same', async () => {
    const { listener, links, reasons } = await door({ limits: { strangers: 8 } })
    const crowd = Array.from({ length: 60 }, () => bareSocket(listener.port))
    await until(() => crowd.filter((one) => one.isClosed()).length >= 52, 'the crowd to shrink')
    const link = await dialBee(listener.port)
    await until(() => links.length === 1, 'a good machine')
    assert.ok(crowd.filter((one) => !one.isClosed()).length <= 8)
    assert.deepEqual(reasons(), ['crowded'])
    link.destroy()
    for (const { socket } of crowd) socket.destroy()
    listener.close()
  })

  test('a machine has a bounded number of links; one that ends makes room', async () => {
    const { listener, links, reasons } = await door({ limits: { linksPerPeer: 2 } })
    const [first, second] = [await dialBee(listener.port), await dialBee(listener.port)]
    await until(() => links.length === 2, 'two links')
    const third = await dialBee(listener.port)
    await rejectsWith(openSession(third, sessionOptions('dialer')), 'limit-exceeded', /too many connections/)
    assert.deepEqual(reasons(), ['too-many-links'])
    for (const link of links) link.onData(() => {})
    first.end()
    await until(() => links[0]?.isClosed === true, 'the first to end')
    const fourth = await dialBee(listener.port)
    await until(() => links.length === 3, 'a new link')
    for (const link of [second, fourth]) link.destroy()
    listener.close()
  })

  test('a machine that was removed loses its links at once and does not come back', async () => {
    const paired = new Set([ann.peerId, eve.peerId])
    const { listener, links } = await door({ authorise: (peerId) => (paired.has(peerId) ? 'x' : undefined) })
    const sessions = await Promise.all([dialBee(listener.port), dialBee(listener.port, eve)])
    await until(() => links.length === 2, 'both links')
    const open = Promise.all(sessions.map((link) => openSession(link, sessionOptions('dialer'))))
    const there = links.map((link) => openSession(link, sessionOptions('listener')))
    await Promise.all(there)
    const [atAnn, atEve] = await open
    assert.equal(listener.recheck(), 0)
    paired.delete(ann.peerId)
    assert.equal(listener.recheck(), 1)
    assert.equal((await atAnn?.closed)?.code, 'connection-lost')
    await rejectsWith(openSession(await dialBee(listener.port), sessionOptions('dialer')), 'not-paired')
    atEve?.close()
    listener.close()
  })
})

describe('the door itself', () => {
  test('a port that is taken, an address that is not ours', async () => {
    const { listener } = await door()
    const options = { identity: bee, clock, authorise: () => undefined, onLink: () => {}, note: () => {} }
    await rejectsWith(listen({ ...options, host, port: listener.port }), 'port-in-use', /is used by another program/)
    await rejectsWith(listen({ ...options, host: '192.0.2.1', port: 0 }), 'bad-config', /cannot listen/)
    listener.close()
  })

  test('closed, it lets nobody in, and links live on', async () => {
    const { listener, links } = await door()
    const link = await dialBee(listener.port)
    await until(() => links.length === 1, 'the link')
    listener.close()
    await rejectsWith(dialBee(listener.port), 'unreachable', /ECONNREFUSED/)
    let received = 0
    links[0]?.onData((chunk) => {
      received += chunk.length
    })
    link.write([Uint8Array.of(1)])
    await until(() => received === 1, 'a byte')
    link.destroy()
  })

  test('an IPv6 address, and an IPv4 caller at an IPv6 door', async () => {
    const { listener, links } = await door({ host: '::' })
    const four = await dialBee(listener.port)
    const six = await dial({
      host: '::1',
      port: listener.port,
      identity: ann,
      peerId: bee.peerId,
      machine: 'bee',
      clock,
    })
    await until(() => links.length === 2, 'both links')
    assert.deepEqual(links.map((link) => link.remoteAddress).sort(), ['127.0.0.1', '::1'])
    four.destroy()
    six.destroy()
    listener.close()
  })
})
