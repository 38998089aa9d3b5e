// Who has got past the door and means to wear the session down: floods of frames that cost nothing to send. The session
// lives or ends by a rule, and holds no more than before. And who stands before the door by the thousand.

import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { after, describe, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  HandMadePeer,
  listenOnLoopback,
  memoryLinks,
  sessionOptions,
  testClock,
  testHome,
  until,
} from '../../test/world/links.ts'
import { systemClock } from '../std/clock.ts'
import { dial } from './dial.ts'
import { frameHeader, frameKind } from './frame.ts'
import { encodeName } from './named.ts'
import { openSession } from './session.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** What is held once all that can go has gone. */
function heldBytes(): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

function frame(stream: number, kind: number, payload: Uint8Array, flags = 0): Uint8Array {
  return Buffer.concat([frameHeader(stream, kind, flags, payload.length), payload])
}

const none = new Uint8Array(0)
const call = Buffer.concat([encodeName('call'), Buffer.from('nothing')])
const notice = Buffer.concat([encodeName('gossip'), Buffer.alloc(200)])
let number = 1

/** A stream that is over as soon as it began. */
function opened(): Uint8Array {
  number += 2
  const cancel = frame(number, frameKind.cancel, none)
  return Buffer.concat([frame(number, frameKind.open, call), cancel, cancel])
}

const floods: Readonly<Record<string, () => Uint8Array>> = {
  pings: () => frame(0, frameKind.ping, none),
  'notices that nobody knows': () => frame(0, frameKind.notice, notice, 1),
  'frames that may be skipped': () => frame(7, 99, notice, 1),
  'streams that are cancelled at once': opened,
  'requests that are abandoned at once': () => {
    number += 2
    return Buffer.concat([frame(number, frameKind.request, call), frame(number, frameKind.abandon, none)])
  },
  'credit for streams that are over': () =>
    number === 1 ? opened() : frame(number, frameKind.credit, Buffer.from([1, 0, 0, 0])),
}

describe('a session under a flood', () => {
  for (const [what, make] of Object.entries(floods)) {
    test(`of ${what} lives, and holds no more than before`, async () => {
      const clock = testClock()
      const links = memoryLinks(clock)
      const opening = openSession(links.b, sessionOptions('listener', { clock, onStream: () => false }))
      const peer = new HandMadePeer(links.rawA)
      links.rawA.removeAllListeners('data')
      links.rawA.resume()
      peer.hello()
      const session = await opening
      number = 1
      peer.raw(make())
      await turn()
      const before = heldBytes()
      // So many at once as there may be requests.
      for (let count = 0; count < 600; count++) {
        const many: Uint8Array[] = []
        for (let i = 0; i < 50; i++) many.push(make())
        peer.raw(Buffer.concat(many))
        await turn()
      }
      for (let turns = 0; turns < 20; turns++) await turn()
      assert.equal(links.b.isClosed, false)
      const grown = heldBytes() - before
      assert.ok(grown < 4 * 1024 * 1024, `${grown} bytes more are held`)
      assert.ok(session.isIdle)
      session.close()
      clock.advance(10_000)
      assert.equal(clock.timers, 0)
    })
  }
})

describe('the door', () => {
  const home = testHome()
  after(() => home.remove())
  const [ann, bee] = [home.identity('ann'), home.identity('bee')]
  const host = '127.0.0.1'

  /** So many callers who say this and then nothing more, some hundred at a time. */
  async function crowd(port: number, count: number, says: (caller: number) => Uint8Array): Promise<void> {
    for (let made = 0; made < count; made += 250) {
      const callers: Socket[] = []
      for (let i = 0; i < 250; i++) {
        const socket = connect({ host, port })
        socket.on('error', () => {})
        socket.resume()
        const words = says(made + i)
        if (words.length > 0) socket.write(words)
        callers.push(socket)
      }
      await until(() => callers.filter((one) => one.connecting).length === 0, 'the callers to be through')
      for (const socket of callers) socket.destroy()
    }
  }

  test('stands against thousands of half-open calls, and lets a good machine in among them', async () => {
    let links = 0
    const listener = await listenOnLoopback(bee, {
      authorise: (peerId) => (peerId === ann.peerId ? 'ann' : undefined),
      onLink: () => links++,
    })
    const { port } = listener
    // A hello that says it is as long as TLS can say, the beginning of one, an empty record, and silence.
    const long = Buffer.concat([Buffer.from([0x16, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff, 3, 3]), Buffer.alloc(3000)])
    const words = [long, long.subarray(0, 7), Buffer.from([0x16, 3, 1, 0, 0]), Buffer.alloc(0)]
    await crowd(port, 500, (caller) => words[caller % words.length] as Uint8Array)
    const before = heldBytes()
    const good = async (): Promise<void> => {
      const wanted = links + 1
      const link = await dial({ host, port, identity: ann, peerId: bee.peerId, machine: 'bee', clock: systemClock })
      await until(() => links === wanted, 'the link')
      link.destroy()
    }
    await Promise.all([crowd(port, 2_000, (caller) => words[caller % words.length] as Uint8Array), good()])
    await good()
    for (let turns = 0; turns < 50; turns++) await turn()
    const grown = heldBytes() - before
    assert.ok(grown < 16 * 1024 * 1024, `${grown} bytes more are held`)
    listener.close()
  })

  test('waits for the end of an oversized greeting no longer than for any other', async () => {
    const reasons: string[] = []
    const listener = await listenOnLoopback(bee, {
      authorise: () => 'ann',
      onLink: () => assert.fail('nobody is to get in'),
      limits: { handshakeMs: 400 },
      note: ({ reason }) => reasons.push(reason),
    })
    const socket = connect({ host, port: listener.port })
    socket.on('error', () => {})
    socket.resume()
    let isClosed = false
    socket.on('close', () => {
      isClosed = true
    })
    const record = Buffer.concat([Buffer.from([0x16, 3, 1, 0x40, 0]), Buffer.alloc(0x4000, 1)])
    Buffer.from([1, 0xff, 0xff, 0xff, 3, 3]).copy(record, 5)
    for (let sent = 0; !isClosed && sent < 2000; sent++) {
      socket.write(sent === 0 ? record : record.subarray(0, 1 + (sent % 7)))
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    await until(() => isClosed && reasons.length > 0, 'the end')
    assert.ok(
      reasons.every((reason) => reason === 'handshake-failed' || reason === 'too-slow'),
      reasons.join(),
    )
    listener.close()
  })
})
