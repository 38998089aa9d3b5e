// How a session begins and how it ends.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import {
  memoryLinks,
  openBoth,
  rejectsWith,
  sessionOptions,
  testClock,
  testHome,
  until,
} from '../../test/world/links.ts'
import { systemClock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { dial } from './dial.ts'
import { frameHeader, frameKind } from './frame.ts'
import { encodeHello } from './hello.ts'
import { encodeName } from './named.ts'
import { defaultSessionLimits, openSession } from './session.ts'
import type { WireStream } from './stream.ts'
import { WIRE_VERSION } from './version.ts'

const home = testHome()
after(() => home.remove())

const empty = new Uint8Array(0)

describe('hello', () => {
  test('both sides learn of each other, and of what both know', async () => {
    const { a, b } = await openBoth(
      memoryLinks(),
      { hello: { machine: 'ann', productVersion: '1.2.3', features: ['x', 'y'] } },
      { hello: { machine: 'b\u001b[31me', productVersion: '2.0.0', features: ['y', 'z'] } },
    )
    assert.equal(a.peer.machine, 'b [31me')
    assert.equal(b.peer.machine, 'ann')
    assert.equal(b.peer.productVersion, '1.2.3')
    assert.deepEqual([a.features, b.features], [['y'], ['y']])
    assert.equal(a.wireVersion, WIRE_VERSION)
    assert.ok(Math.abs(a.peer.heardMs - a.peer.wallMs) < 60_000)
    a.close()
    assert.equal(await a.closed, undefined)
    assert.equal(await b.closed, undefined)
  })

  test('versions without an overlap: both sides refuse and name both', async () => {
    const links = memoryLinks()
    const versions = (wireVersion: number, minWireVersion: number) => ({ wireVersion, minWireVersion })
    const old = { machine: 'ann', productVersion: '0.1.0', versions: versions(1, 1) }
    const young = { machine: 'bee', productVersion: '9.0.0', versions: versions(7, 3) }
    const opening = [
      openSession(links.a, sessionOptions('dialer', { hello: old })),
      openSession(links.b, sessionOptions('listener', { hello: young })),
    ]
    for (const one of opening) {
      await rejectsWith(one, 'version-mismatch', /wire version 2 .*0\.1\.0.*|wire version 3 to 7 .*9\.0\.0/)
      await one.catch((error) => {
        assert.match(error.message, /0\.1\.0/)
        assert.match(error.message, /9\.0\.0/)
      })
    }
    await until(() => links.a.isClosed && links.b.isClosed, 'both links to close')
  })

  test('versions that overlap speak the highest that both know', async () => {
    const hello = { machine: 'x', productVersion: '1', versions: { wireVersion: 90, minWireVersion: 1 } }
    const { a, b } = await openBoth(memoryLinks(), { hello })
    assert.deepEqual([a.wireVersion, b.wireVersion], [WIRE_VERSION, WIRE_VERSION])
    a.close()
  })

  test('no hello in time', async () => {
    const clock = testClock()
    const links = memoryLinks(clock)
    const opening = openSession(links.a, sessionOptions('dialer', { clock }))
    clock.advance(defaultSessionLimits.helloMs)
    await rejectsWith(opening, 'timed-out', /no hello/)
    await until(() => links.b.isClosed || links.rawB.readableEnded || links.rawA.writableEnded, 'the end')
  })

  test('a line that is closed before the hello', async () => {
    const links = memoryLinks()
    const opening = openSession(links.a, sessionOptions('dialer'))
    links.rawB.end()
    await rejectsWith(opening, 'connection-lost')
    const late = openSession(links.a, sessionOptions('dialer'))
    await rejectsWith(late, 'connection-lost')
  })
})

describe('the end', () => {
  test('a goodbye with a reason reaches the other side; a plain one is no failure', async () => {
    const first = await openBoth(memoryLinks())
    first.a.fail(new Failure('cancelled', 'the program ends'))
    assert.equal((await first.b.closed)?.message, 'the program ends')
    const second = await openBoth(memoryLinks())
    const pending = second.b.request('x', empty)
    second.a.close()
    second.a.close()
    await rejectsWith(pending, 'connection-lost', /ann closed the connection/)
    assert.equal(await second.b.closed, undefined)
    await rejectsWith(second.a.request('x', empty), 'connection-lost')
    assert.throws(() => second.a.openStream('x', empty), Failure)
  })

  test('what was sent before a goodbye still arrives', async () => {
    const got = Promise.withResolvers<number>()
    const { a } = await openBoth(
      memoryLinks(),
      {},
      {
        onStream: (_name, _header, stream) => {
          let sum = 0
          stream.onFrame((payload, release) => {
            sum += payload.length
            release()
          })
          stream.done.catch(() => got.resolve(sum))
          return true
        },
      },
    )
    const stream = a.openStream('x', empty)
    await Promise.all(Array.from({ length: 6 }, () => stream.send(new Uint8Array(1024 * 1024))))
    a.close()
    assert.equal(await got.promise, 6 * 1024 * 1024)
  })

  test('a line that breaks in mid-stream rejects everything on both sides and leaves no timer', async () => {
    const clock = testClock()
    const links = memoryLinks(clock)
    const opened = Promise.withResolvers<WireStream>()
    const signals: AbortSignal[] = []
    const { a, b } = await openBoth(
      links,
      { clock },
      {
        clock,
        onRequest: (_name, _body, signal) => {
          signals.push(signal)
          return new Promise(() => {})
        },
        onStream: (_name, _header, stream) => {
          stream.onFrame(() => {})
          opened.resolve(stream)
          return true
        },
      },
    )
    const stream = a.openStream('x', empty)
    const sends = Array.from({ length: 30 }, () => stream.send(new Uint8Array(1024 * 1024)))
    const calls = Array.from({ length: 100 }, () => a.request('x', empty, { timeoutMs: 60_000 }))
    const taken = await opened.promise
    await sends[0]
    await until(() => signals.length === 64, 'the requests')
    links.rawA.destroy(new Error('cable pulled'))
    for (const call of calls) await rejectsWith(call, 'connection-lost')
    const outcomes = await Promise.allSettled(sends)
    assert.ok(outcomes.some((one) => one.status === 'rejected'))
    for (const one of outcomes) if (one.status === 'rejected') assert.equal(one.reason.code, 'connection-lost')
    await rejectsWith(stream.done, 'connection-lost')
    await rejectsWith(taken.done, 'connection-lost')
    assert.equal((await a.closed)?.code, 'connection-lost')
    assert.equal((await b.closed)?.code, 'connection-lost')
    assert.ok(signals.every((signal) => signal.aborted))
    clock.advance(10_000)
    assert.equal(clock.timers, 0)
  })

  test('a peer process that is killed in mid-stream rejects everything', async () => {
    const bee = home.identity('bee')
    const ann = home.identity('ann')
    const here = (name: string) => JSON.stringify(import.meta.resolve(name))
    const script = `
      import { listenOnLoopback, sessionOptions } from ${here('../../test/world/links.ts')}
      import { openIdentity } from ${here('./identity.ts')}
      import { openSession } from ${here('./session.ts')}
      const listener = await listenOnLoopback(openIdentity(process.argv[1]), {
        authorise: () => 'ann',
        onLink: (link) => void openSession(link, sessionOptions('listener', {
          onRequest: () => new Promise(() => {}),
          onStream: (name, header, stream) => {
            stream.onFrame((payload, release) => release())
            return true
          },
        })),
      })
      console.log(listener.port)`
    const child = spawn(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        '--input-type=module-typescript',
        '-e',
        script,
        join(home.directory, 'bee'),
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    after(() => void child.kill('SIGKILL'))
    const [line] = await once(child.stdout, 'data')
    const link = await dial({
      host: '127.0.0.1',
      port: Number(String(line)),
      identity: ann,
      peerId: bee.peerId,
      machine: 'bee',
      clock: systemClock,
    })
    const session = await openSession(link, sessionOptions('dialer'))
    const stream = session.openStream('x', empty)
    const calls = Array.from({ length: 70 }, () => session.request('x', empty))
    const payload = new Uint8Array(1024 * 1024)
    let sent = 0
    const sending = (async () => {
      for (;;) {
        await stream.send(payload)
        sent += 1
      }
    })()
    await until(() => sent >= 20, 'data to flow')
    child.kill('SIGKILL')
    await rejectsWith(sending, 'connection-lost')
    await rejectsWith(stream.done, 'connection-lost')
    for (const call of calls) await rejectsWith(call, 'connection-lost')
    assert.equal((await session.closed)?.code, 'connection-lost')
  })

  test('a flood of requests whose answers are not read ends the session, not the process', async () => {
    const links = memoryLinks()
    const opening = openSession(
      links.b,
      sessionOptions('listener', {
        limits: { waitingBytes: 8 * 1024 * 1024 },
        onRequest: () => Promise.resolve(new Uint8Array(1024 * 1024)),
      }),
    )
    const limits = { streams: 64, requests: 64, streamWindowBytes: 8 << 20, sessionWindowBytes: 64 << 20 }
    const said = encodeHello({ machine: 'x', productVersion: '1', features: [], wallMs: 0, ...limits })
    links.rawA.on('error', () => {})
    links.rawA.write(Buffer.concat([frameHeader(0, frameKind.hello, 0, said.length), said]))
    const session = await opening
    for (let count = 0; count < 40; count++) {
      const body = encodeName('big')
      links.rawA.write(Buffer.concat([frameHeader(2 * count + 1, frameKind.request, 0, body.length), body]))
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.match((await session.closed)?.message ?? '', /does not read/)
    assert.ok(links.b.isClosed)
  })
})
