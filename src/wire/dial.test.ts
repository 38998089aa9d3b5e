// Calling what does not answer as it should.

import assert from 'node:assert/strict'
import { createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { after, test } from 'node:test'
import { createServer } from 'node:tls'
import { rejectsWith, testHome } from '../../test/world/links.ts'
import { systemClock } from '../std/clock.ts'
import { dial } from './dial.ts'
import type { Link } from './link.ts'

const home = testHome()
after(() => home.remove())
const ann = home.identity('ann')
const bee = home.identity('bee')
const eve = home.identity('eve')
const clock = systemClock
const host = '127.0.0.1'

const dialBee = (port: number): Promise<Link> =>
  dial({ host, port, identity: ann, peerId: bee.peerId, machine: 'bee', clock })

/** A server of another kind. */
async function otherServer(serve: (socket: Socket) => void): Promise<{ port: number; server: Server }> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {})
    serve(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return { port: address.port, server }
}

test('what goes wrong has a name', async () => {
  const http = await otherServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  const closing = await otherServer((socket) => socket.destroy())
  await rejectsWith(dialBee(http.port), 'wrong-peer', /is not Nightferry/)
  await rejectsWith(dialBee(closing.port), 'unreachable')
  await rejectsWith(dialBee(1), 'unreachable', /ECONNREFUSED/)
  const nowhere = dial({
    host: 'no-such-host.invalid',
    port: 1,
    identity: ann,
    peerId: bee.peerId,
    machine: 'bee',
    clock,
  })
  await rejectsWith(nowhere, 'unreachable')
  http.server.close()
  closing.server.close()
})

test('a TLS server that is none of ours', async () => {
  for (const [protocols, code] of [
    [['h2'], 'version-mismatch'],
    [undefined, 'wrong-peer'],
  ] as const) {
    const own = { key: eve.privateKeyPem, cert: eve.certificatePem }
    const server = createServer({ ...own, ...(protocols === undefined ? {} : { ALPNProtocols: [...protocols] }) })
    server.on('tlsClientError', () => {})
    server.on('secureConnection', (socket) => socket.on('error', () => {}))
    await new Promise<void>((resolve) => server.listen(0, host, resolve))
    const address = server.address()
    assert.ok(typeof address === 'object' && address !== null)
    await rejectsWith(dialBee(address.port), code)
    server.close()
  }
})

test('a server that resumes nothing and speaks only TLS 1.2 is refused', async () => {
  const server = createServer({ key: bee.privateKeyPem, cert: bee.certificatePem, maxVersion: 'TLSv1.2' })
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  await rejectsWith(dialBee(address.port), 'wrong-peer')
  server.close()
})

test('a server that says nothing, and one who changes their mind', async () => {
  const held: Socket[] = []
  const { port, server } = await otherServer((socket) => held.push(socket))
  const options = { host, port, identity: ann, peerId: bee.peerId, machine: 'bee', clock }
  await rejectsWith(dial({ ...options, timeoutMs: 100 }), 'timed-out', /did not answer within 100 ms/)
  const stop = new AbortController()
  const calling = dial({ ...options, signal: stop.signal })
  stop.abort()
  await rejectsWith(calling, 'cancelled')
  await rejectsWith(dial({ ...options, signal: stop.signal }), 'cancelled')
  for (const socket of held) socket.destroy()
  server.close()
})
