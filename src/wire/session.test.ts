import assert from 'node:assert/strict'
import type { Duplex } from 'node:stream'
import { after, describe, test } from 'node:test'
import { utf8 } from '../std/bytes.ts'
import { Failure, type FailureCode } from '../std/failure.ts'
import { frameHeader, frameKind, maxBulkBytes, optionalFlag } from './frame.ts'
import { encodeHello } from './hello.ts'
import { encodeName } from './named.ts'
import { defaultSessionLimits, openSession, type Session, type SessionEvent, type SessionOptions } from './session.ts'
import type { WireStream } from './stream.ts'
import { memoryLinks, openBoth, payloadsOf, sessionOptions, testClock, testHome, tlsLinks, until } from './test-link.ts'

const home = testHome()
after(() => home.remove())

const empty = new Uint8Array(0)

async function rejectsWith(promise: Promise<unknown>, code: FailureCode, message?: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof Failure, String(error))
    assert.equal(error.code, code, error.message)
    if (message !== undefined) assert.match(error.message, message)
    return true
  })
}

const echo: SessionOptions['onRequest'] = (name, body) =>
  name === 'echo' ? Promise.resolve(body.toReversed()) : undefined

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
    assert.equal(a.wireVersion, 1)
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
      await rejectsWith(one, 'version-mismatch', /wire version 1 .*0\.1\.0.*|wire version 3 to 7 .*9\.0\.0/)
      await one.catch((error) => {
        assert.match(error.message, /0\.1\.0/)
        assert.match(error.message, /9\.0\.0/)
      })
    }
    await until(() => links.a.isClosed && links.b.isClosed, 'both links to close')
  })

  test('versions that overlap speak the highest that both know', async () => {
    const hello = { machine: 'x', productVersion: '1', versions: { wireVersion: 5, minWireVersion: 1 } }
    const { a, b } = await openBoth(memoryLinks(), { hello })
    assert.deepEqual([a.wireVersion, b.wireVersion], [1, 1])
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

describe('requests', () => {
  test('answers, many at once in both directions, in any order', async () => {
    const delays: (() => void)[] = []
    const onRequest: SessionOptions['onRequest'] = (_name, body) =>
      new Promise((resolve) => {
        delays.push(() => resolve(body))
        if (delays.length >= 50) for (const go of delays.splice(0).reverse()) go()
      })
    const { a, b } = await openBoth(memoryLinks(), { onRequest: echo }, { onRequest })
    const asked = Array.from({ length: 200 }, (_, index) => a.request('ask', utf8(`${index}`)))
    const back = Array.from({ length: 200 }, (_, index) => b.request('echo', Uint8Array.of(1, index)))
    const answers = await Promise.all(asked)
    assert.deepEqual(
      answers.map((bytes) => Buffer.from(bytes).toString()),
      answers.map((_, index) => `${index}`),
    )
    for (const [index, bytes] of (await Promise.all(back)).entries()) assert.deepEqual([...bytes], [index, 1])
    assert.ok(a.isIdle && b.isIdle)
    a.close()
  })

  test('no more than the other side takes are unanswered at a time', async () => {
    let running = 0
    let most = 0
    const waiting: (() => void)[] = []
    const { a } = await openBoth(
      memoryLinks(),
      {},
      {
        limits: { requests: 3 },
        onRequest: async () => {
          running += 1
          most = Math.max(most, running)
          await new Promise<void>((resolve) => waiting.push(resolve))
          running -= 1
          return empty
        },
      },
    )
    let answered = 0
    for (let count = 0; count < 10; count++) void a.request('x', empty).then(() => (answered += 1))
    while (answered < 10) {
      await until(() => waiting.length > 0 || answered === 10, 'a request')
      waiting.shift()?.()
    }
    assert.equal(most, 3)
    a.close()
  })

  test('a failure keeps its code, message and hint; anything else becomes peer-failed', async () => {
    const { a } = await openBoth(
      memoryLinks(),
      {},
      {
        onRequest: (name) => {
          if (name === 'sync') throw new Failure('share-read-only', 'no', { hint: 'ask\u0007 nicely' })
          if (name === 'long') return Promise.reject(new Failure('disk-error', 'ä'.repeat(5000)))
          if (name === 'plain') return Promise.reject(new Error('boom'))
          return name === 'big' ? Promise.resolve(new Uint8Array(1024 * 1024 + 1)) : undefined
        },
      },
    )
    await assert.rejects(
      a.request('sync', empty),
      (error) =>
        error instanceof Failure &&
        error.code === 'share-read-only' &&
        error.message === 'no' &&
        error.hint === 'ask  nicely' &&
        error.retry === 'after-user',
    )
    await rejectsWith(a.request('long', empty), 'disk-error', /^ä{1000}$/)
    await rejectsWith(a.request('plain', empty), 'peer-failed', /boom/)
    await rejectsWith(a.request('big', empty), 'limit-exceeded')
    await rejectsWith(a.request('unheard-of', empty), 'protocol-broken', /does not know/)
    await rejectsWith(a.request('echo', new Uint8Array(1024 * 1024)), 'limit-exceeded')
    assert.equal((await a.request('big', empty).catch((error) => error)).code, 'limit-exceeded')
    a.close()
  })

  test('the largest request and answer', async () => {
    const { a } = await openBoth(memoryLinks(), {}, { onRequest: echo })
    const body = new Uint8Array(1024 * 1024 - 5).fill(3)
    body[0] = 9
    const answer = await a.request('echo', body)
    assert.equal(answer.length, body.length)
    assert.equal(answer.at(-1), 9)
    a.close()
  })

  test('given up by time or by signal: the other side is told, the late answer is ignored', async () => {
    const clock = testClock()
    const seen: AbortSignal[] = []
    const go: (() => void)[] = []
    const { a } = await openBoth(
      memoryLinks(),
      { clock },
      {
        limits: { requests: 2 },
        onRequest: (name, body, signal) => {
          if (name === 'echo') return Promise.resolve(body)
          seen.push(signal)
          return new Promise((resolve) => go.push(() => resolve(empty)))
        },
      },
    )
    const stop = new AbortController()
    const timed = a.request('slow', empty, { timeoutMs: 1_000 })
    const stopped = a.request('slow', empty, { signal: stop.signal })
    const waiting = a.request('echo', utf8('later'))
    const neverSent = a.request('echo', empty, { timeoutMs: 500 })
    await until(() => seen.length === 2, 'both requests')
    clock.advance(1_000)
    await rejectsWith(timed, 'timed-out', /bee did not answer slow within 1000 ms/)
    await rejectsWith(neverSent, 'timed-out')
    stop.abort()
    await rejectsWith(stopped, 'cancelled')
    await until(() => seen.every((signal) => signal.aborted), 'the signals')
    assert.ok(!a.isIdle)
    for (const answer of go) answer()
    assert.deepEqual(await waiting, utf8('later'))
    await rejectsWith(a.request('echo', empty, { signal: AbortSignal.abort() }), 'cancelled')
    assert.ok(a.isIdle)
    a.close()
  })

  test('notices arrive; without a taker they are ignored', async () => {
    const heard: string[] = []
    const { a, b } = await openBoth(
      memoryLinks(),
      {},
      {
        onRequest: echo,
        onNotice: (name, body) => heard.push(`${name} ${Buffer.from(body).toString()}`),
      },
    )
    a.notify('address', utf8('here'))
    b.notify('ignored', empty)
    await a.request('echo', empty)
    assert.deepEqual(heard, ['address here'])
    a.close()
    a.notify('address', empty)
  })
})

function receiveAll(stream: WireStream): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const parts: Uint8Array[] = []
    stream.onFrame((payload, release) => {
      parts.push(Uint8Array.from(payload))
      release()
    })
    stream.onEnd(() => resolve(Buffer.concat(parts)))
    stream.done.catch(reject)
  })
}

/** Bytes that say where they stand, so that any loss, swap or repeat shows. */
function pattern(lengthBytes: number, seed: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(lengthBytes / 4))
  for (let index = 0; index < words.length; index++)
    words[index] = (Math.imul(index + seed, 2_654_435_761) ^ seed) >>> 0
  return new Uint8Array(words.buffer, 0, lengthBytes)
}

describe('streams', () => {
  test('bulk both ways at once over TLS, into shared memory on one side, verified', async () => {
    const { a: linkA, b: linkB, listener } = await tlsLinks(home.identity('ann'), home.identity('bee'))
    const toBee = pattern(40_000_000, 1)
    const toAnn = pattern(30_000_001, 2)
    const slab = new SharedArrayBuffer(defaultSessionLimits.streamWindowBytes)
    const atBee = Promise.withResolvers<Uint8Array>()
    const cut = async (stream: WireStream, bytes: Uint8Array): Promise<void> => {
      const sizes = [1, 100_000, 262_144, 1_048_577, 4_194_304, 3]
      const sends: Promise<void>[] = []
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const size = sizes[turn % sizes.length] ?? 1
        sends.push(stream.send(bytes.subarray(at, at + size)))
        at += size
        if (sends.length > 3) await sends.shift()
      }
      await Promise.all(sends)
      stream.end()
    }
    let slabAt = 0
    const { a, b } = await openBoth(
      { a: linkA, b: linkB },
      {},
      {
        onRequest: echo,
        onStream: (name, header, stream) => {
          assert.equal(name, 'mirror')
          assert.deepEqual(header, utf8('head'))
          stream.allocate = (length) => {
            if (slabAt + length > slab.byteLength) slabAt = 0
            slabAt += length
            return new Uint8Array(slab, slabAt - length, length)
          }
          receiveAll(stream).then(atBee.resolve, atBee.reject)
          void cut(stream, toAnn)
          return true
        },
      },
    )
    const stream = a.openStream('mirror', utf8('head'))
    const atAnn = receiveAll(stream)
    const sent = cut(stream, toBee)
    const answers = Array.from({ length: 20 }, () => a.request('echo', utf8('between')))
    await Promise.all([sent, stream.done, ...answers])
    assert.ok(Buffer.from(await atBee.promise).equals(toBee))
    assert.ok(Buffer.from(await atAnn).equals(toAnn))
    assert.ok(a.isIdle)
    await until(() => b.isIdle, 'the other side to have ended the stream')
    a.close()
    assert.equal(await b.closed, undefined)
    listener.close()
  })

  test('credit holds the sender back until the receiver releases, and no longer', async () => {
    const held: (() => void)[] = []
    let received = 0
    const { a } = await openBoth(
      memoryLinks(),
      {},
      {
        onStream: (_name, _header, stream) => {
          stream.onFrame((payload, release) => {
            received += payload.length
            held.push(release)
          })
          stream.onEnd(() => stream.end())
          return true
        },
      },
    )
    const stream = a.openStream('slow', empty)
    const payload = new Uint8Array(1024 * 1024)
    let sent = 0
    for (let count = 0; count < 30; count++) void stream.send(payload).then(() => (sent += 1))
    stream.end()
    const window = 7
    await until(() => sent === window, 'the window to fill')
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.deepEqual([sent, received], [window, window * payload.length])
    // One release is less than a quarter of the window: no credit goes back yet.
    held.shift()?.()
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.equal(sent, window)
    while (received < 30 * payload.length || held.length > 0) {
      await until(() => held.length > 0, 'more frames')
      held.shift()?.()
    }
    await stream.done
    assert.equal(sent, 30)
    a.close()
  })

  test('a stream whose receiver is stuck holds up neither another stream nor requests', async () => {
    const { a } = await openBoth(
      memoryLinks(),
      {},
      {
        onRequest: echo,
        onStream: (name, _header, stream) => {
          if (name === 'stuck') stream.onFrame(() => {})
          else void receiveAll(stream).then(() => stream.end())
          return true
        },
      },
    )
    const stuck = a.openStream('stuck', empty)
    const payload = new Uint8Array(1024 * 1024)
    const pending = Array.from({ length: 20 }, () => stuck.send(payload))
    const lively = a.openStream('lively', empty)
    for (let count = 0; count < 40; count++) await lively.send(payload)
    lively.end()
    await lively.done
    assert.deepEqual(await a.request('echo', Uint8Array.of(1, 2)), Uint8Array.of(2, 1))
    a.close()
    const outcomes = await Promise.allSettled(pending)
    assert.equal(outcomes.filter((one) => one.status === 'rejected').length, 13)
    await rejectsWith(stuck.done, 'connection-lost')
  })

  test('data that came before anybody takes it waits, and so does the end', async () => {
    const opened = Promise.withResolvers<WireStream>()
    const { a } = await openBoth(
      memoryLinks(),
      {},
      {
        onRequest: echo,
        onStream: (_name, _header, stream) => {
          opened.resolve(stream)
          return true
        },
      },
    )
    const stream = a.openStream('early', empty)
    await stream.send(Uint8Array.of(1))
    await stream.send(Uint8Array.of(2))
    stream.end()
    await a.request('echo', empty)
    const taken = await opened.promise
    const order: string[] = []
    taken.onEnd(() => order.push('end'))
    taken.onFrame((payload, release) => {
      order.push(`${payload[0]}`)
      release()
    })
    assert.deepEqual(order, ['1', '2', 'end'])
    taken.end()
    await Promise.all([stream.done, taken.done])
    a.close()
  })

  test('either side cancels, in the middle of data, and both get the failure', async () => {
    for (const canceller of ['sender', 'receiver'] as const) {
      const opened = Promise.withResolvers<WireStream>()
      const events: SessionEvent[] = []
      const held: (() => void)[] = []
      let isHolding = true
      const note = (event: SessionEvent) => void events.push(event)
      const { a, b } = await openBoth(
        memoryLinks(),
        { note },
        {
          note,
          onRequest: echo,
          onStream: (_name, _header, stream) => {
            stream.onFrame((_payload, release) => {
              if (isHolding) held.push(release)
              else release()
            })
            opened.resolve(stream)
            return true
          },
        },
      )
      const stream = a.openStream('x', empty)
      const payload = new Uint8Array(4 * 1024 * 1024)
      const sends = Array.from({ length: 20 }, () => stream.send(payload))
      const taken = await opened.promise
      await sends[0]
      const failure = new Failure('target-full', 'no space left', { hint: 'free some' })
      const [here, there] = canceller === 'sender' ? [stream, taken] : [taken, stream]
      here.cancel(failure)
      here.cancel(new Failure('cancelled', 'again'))
      here.end()
      await assert.rejects(here.done, failure)
      await rejectsWith(there.done, 'target-full', /^no space left$/)
      const outcomes = await Promise.allSettled(sends)
      const reasons = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []))
      assert.deepEqual([...new Set(reasons)], ['target-full'])
      await rejectsWith(stream.send(payload), 'target-full')
      // Held frames of a stream that is gone still give the session its credit back, once.
      isHolding = false
      for (const release of held) release()
      assert.throws(() => held[0]?.(), /released once/)
      // The session lives, with its whole window: as many streams again as it takes bytes.
      for (let count = 0; count < 5; count++) {
        const next = a.openStream('x', empty)
        for (let piece = 0; piece < 4; piece++) await next.send(payload)
        next.cancel(failure)
      }
      assert.deepEqual(await a.request('echo', empty), empty)
      await until(() => a.isIdle && b.isIdle, 'both sides to have forgotten the streams')
      assert.deepEqual(events, [])
      a.close()
    }
  })

  test('both cancel at once, and one cancels what the other has just ended', async () => {
    const opened: WireStream[] = []
    const { a, b } = await openBoth(
      memoryLinks(),
      {},
      {
        onRequest: echo,
        onStream: (_name, _header, stream) => {
          opened.push(stream)
          return true
        },
      },
    )
    for (let round = 0; round < 100; round++) {
      const crossing = a.openStream('crossing', empty)
      await a.request('echo', empty)
      crossing.cancel(new Failure('cancelled', 'a'))
      opened.pop()?.cancel(new Failure('disk-error', 'b'))
      const ended = a.openStream('ended', empty)
      ended.end()
      await a.request('echo', empty)
      opened.pop()?.end()
      ended.cancel(new Failure('cancelled', 'late'))
      const half = a.openStream('half', empty)
      await a.request('echo', empty)
      opened.pop()?.end()
      half.end()
      half.cancel(new Failure('cancelled', 'late'))
    }
    await a.request('echo', empty)
    assert.ok(a.isIdle && b.isIdle)
    // Nothing is left of the 300 streams: the other side takes 64 at a time.
    for (let count = 0; count < 64; count++) a.openStream('again', empty)
    assert.throws(
      () => a.openStream('again', empty),
      (error) => error instanceof Failure && error.code === 'limit-exceeded',
    )
    assert.deepEqual(await a.request('echo', empty), empty)
    a.close()
  })

  test('a name that is not known, a handler or a taker that fails: the stream ends, the session does not', async () => {
    const { a } = await openBoth(
      memoryLinks(),
      {},
      {
        onRequest: echo,
        onStream: (name, _header, stream) => {
          if (name === 'refused') throw new Failure('share-read-only', 'not here')
          stream.onFrame(() => {
            throw new Failure('disk-error', 'cannot write')
          })
          return name === 'known'
        },
      },
    )
    await rejectsWith(a.openStream('unheard-of', empty).done, 'protocol-broken', /does not know/)
    await rejectsWith(a.openStream('refused', empty).done, 'share-read-only')
    const known = a.openStream('known', empty)
    void known.send(Uint8Array.of(1)).catch(() => {})
    await rejectsWith(known.done, 'disk-error', /cannot write/)
    assert.deepEqual(await a.request('echo', empty), empty)
    a.close()
  })

  test('memory given for a payload is not written to after its stream was cancelled', async () => {
    const links = memoryLinks()
    const memory = new Uint8Array(1000)
    const opened = Promise.withResolvers<WireStream>()
    const opening = openSession(
      links.b,
      sessionOptions('listener', {
        onRequest: echo,
        onStream: (_name, _header, stream) => {
          stream.allocate = () => memory
          stream.onFrame(() => assert.fail('a frame of a cancelled stream was delivered'))
          opened.resolve(stream)
          return true
        },
      }),
    )
    const peer = new HandMadePeer(links.rawA)
    peer.hello()
    const session = await opening
    peer.frame(1, frameKind.open, 0, encodeName('bulk'))
    peer.raw(frameHeader(1, frameKind.data, 0, 1000))
    peer.raw(new Uint8Array(400).fill(1))
    const stream = await opened.promise
    await until(() => memory[399] === 1, 'the first part')
    stream.cancel(new Failure('cancelled', 'enough'))
    peer.raw(new Uint8Array(600).fill(2))
    peer.frame(1, frameKind.data, 0, new Uint8Array(50))
    peer.frame(1, frameKind.cancel, 0, empty)
    peer.frame(3, frameKind.request, 0, Buffer.concat([encodeName('echo'), Uint8Array.of(7)]))
    await until(() => peer.frames().some((frame) => frame.kind === frameKind.answer), 'an answer')
    assert.equal(memory[399], 1)
    assert.deepEqual(memory.subarray(400), new Uint8Array(600))
    session.close()
  })
})

/** Plays the other side by hand, over the raw end of a memory link. */
class HandMadePeer {
  readonly #duplex: Duplex
  readonly #received: Uint8Array[] = []
  ended = false

  constructor(duplex: Duplex) {
    this.#duplex = duplex
    duplex.on('data', (chunk: Uint8Array) => this.#received.push(chunk))
    duplex.on('end', () => {
      this.ended = true
    })
    duplex.on('error', () => {})
  }

  raw(bytes: Uint8Array): void {
    this.#duplex.write(bytes)
  }

  frame(stream: number, kind: number, flags: number, payload: Uint8Array): void {
    this.raw(Buffer.concat([frameHeader(stream, kind, flags, payload.length), payload]))
  }

  hello(change: Partial<Parameters<typeof encodeHello>[0]> = {}): void {
    const limits = { streams: 64, requests: 64, streamWindowBytes: 8 << 20, sessionWindowBytes: 64 << 20 }
    const said = { machine: 'ann', productVersion: '1', features: [], wallMs: 0, ...limits, ...change }
    this.frame(0, frameKind.hello, 0, encodeHello(said))
  }

  frames(): ReturnType<typeof payloadsOf> {
    return payloadsOf(Buffer.concat(this.#received))
  }
}

describe('a peer that breaks the rules costs itself the session', () => {
  const open = encodeName('bulk')
  const data = (stream: number, length: number) => (peer: HandMadePeer) =>
    peer.frame(stream, frameKind.data, 0, new Uint8Array(length))
  const frame =
    (stream: number, kind: number, payload: Uint8Array = empty, flags = 0) =>
    (peer: HandMadePeer): void =>
      peer.frame(stream, kind, flags, payload)
  const credit = (amount: number): Uint8Array => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(amount)
    return bytes
  }
  const header = (length: number, kind: number): Buffer => {
    const bytes = Buffer.from(frameHeader(1, kind, 0, 0))
    bytes.writeUInt32LE(length, 8)
    return bytes
  }
  type Act = (peer: HandMadePeer) => void
  const cases: readonly (readonly [string, FailureCode, RegExp, readonly Act[]])[] = [
    ['garbage', 'protocol-broken', /.*/, [(peer) => peer.raw(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))]],
    ['a second hello', 'protocol-broken', /kind/, [(peer) => peer.hello()]],
    ['an unknown kind', 'protocol-broken', /kind/, [frame(0, 99)]],
    ['a rejection after the hello', 'protocol-broken', /kind/, [frame(0, frameKind.rejected, Uint8Array.of(1))]],
    ['data to no stream', 'protocol-broken', /not open/, [data(1, 10)]],
    ['data to stream 0', 'protocol-broken', /not open/, [data(0, 10)]],
    ['a stream number of our side', 'protocol-broken', /not free/, [frame(2, frameKind.open, open)]],
    ['stream number 0', 'protocol-broken', /not free/, [frame(0, frameKind.open, open)]],
    ['a stream twice', 'protocol-broken', /not free/, [frame(3, frameKind.open, open), frame(3, frameKind.open, open)]],
    [
      'a number that goes back',
      'protocol-broken',
      /not free/,
      [frame(5, frameKind.open, open), frame(3, frameKind.request, open)],
    ],
    ['no name', 'protocol-broken', /no proper name/, [frame(1, frameKind.open, empty)]],
    ['a name cut off', 'protocol-broken', /no proper name/, [frame(1, frameKind.request, Uint8Array.of(5, 97))]],
    [
      'a name of strange letters',
      'protocol-broken',
      /no proper name/,
      [frame(1, frameKind.request, Uint8Array.of(2, 97, 0))],
    ],
    [
      'data after the end',
      'protocol-broken',
      /after its end/,
      [frame(1, frameKind.open, open), frame(1, frameKind.end), data(1, 1)],
    ],
    [
      'the end twice',
      'protocol-broken',
      /twice/,
      [frame(1, frameKind.open, open), frame(1, frameKind.end), frame(1, frameKind.end)],
    ],
    ['the end of no stream', 'protocol-broken', /not open/, [frame(1, frameKind.end)]],
    ['an empty piece of data', 'protocol-broken', /empty/, [frame(1, frameKind.open, open), frame(1, frameKind.data)]],
    ['an answer to nothing', 'protocol-broken', /no request/, [frame(4, frameKind.answer)]],
    ['a cancel of what never was', 'protocol-broken', /never was/, [frame(1, frameKind.cancel)]],
    ['credit for what never was', 'protocol-broken', /never was/, [frame(4, frameKind.credit, credit(1))]],
    ['credit above the window', 'protocol-broken', /more credit/, [frame(0, frameKind.credit, credit(1))]],
    ['credit of a wrong length', 'protocol-broken', /wrong length/, [frame(0, frameKind.credit, Uint8Array.of(1))]],
    ['a notice on a stream', 'protocol-broken', /on a stream/, [frame(1, frameKind.notice, open)]],
    ['a ping with a payload', 'limit-exceeded', /cap of 0/, [frame(0, frameKind.ping, open)]],
    [
      'a huge request',
      'limit-exceeded',
      /above its cap/,
      [(peer) => peer.raw(header(1024 * 1024 + 1, frameKind.request))],
    ],
    [
      'a huge piece of data',
      'limit-exceeded',
      /above its cap/,
      [frame(1, frameKind.open, open), (peer) => peer.raw(header(maxBulkBytes + 1, frameKind.data))],
    ],
    ['2^32 - 1 bytes', 'limit-exceeded', /above its cap/, [(peer) => peer.raw(header(2 ** 32 - 1, frameKind.request))]],
    ['a refusal that is none', 'protocol-broken', /no request/, [frame(4, frameKind.refusal, Uint8Array.of(1))]],
    [
      'a cancel that is none',
      'protocol-broken',
      /message/,
      [frame(1, frameKind.open, open), frame(1, frameKind.cancel, Uint8Array.of(1))],
    ],
    [
      'more than its credit',
      'limit-exceeded',
      /credit/,
      [frame(1, frameKind.open, open), ...Array.from({ length: 8 }, () => data(1, 1024 * 1024))],
    ],
    [
      'many small pieces beyond its credit',
      'limit-exceeded',
      /credit/,
      [frame(1, frameKind.open, open), ...Array.from({ length: 32_641 }, () => data(1, 1))],
    ],
    [
      'too many requests',
      'limit-exceeded',
      /64 requests/,
      Array.from({ length: 65 }, (_, index) => frame(2 * index + 1, frameKind.request, encodeName('wait'))),
    ],
    [
      'too many streams',
      'limit-exceeded',
      /64 streams/,
      Array.from({ length: 65 }, (_, index) => frame(2 * index + 1, frameKind.open, open)),
    ],
  ]
  for (const [name, code, message, acts] of cases) {
    test(name, async () => {
      const clock = testClock()
      const links = memoryLinks(clock)
      const events: SessionEvent[] = []
      const taken: WireStream[] = []
      const opening = openSession(
        links.b,
        sessionOptions('listener', {
          clock,
          note: (event) => events.push(event),
          onRequest: () => new Promise(() => {}),
          onStream: (_name, _header, stream) => {
            stream.onFrame(() => {})
            taken.push(stream)
            return true
          },
        }),
      )
      const peer = new HandMadePeer(links.rawA)
      peer.hello()
      const session = await opening
      const pending = session.request('pending', empty)
      const rejected = rejectsWith(pending, code, message)
      for (const act of acts) act(peer)
      const failure = await session.closed
      assert.equal(failure?.code, code, String(failure))
      assert.match(String(failure?.message), message)
      await rejected
      for (const stream of taken) await rejectsWith(stream.done, code)
      assert.deepEqual(
        events.map((event) => event.failure.code),
        [code],
      )
      await until(() => peer.ended, 'the line to be closed')
      const goodbye = peer.frames().at(-1)
      assert.equal(goodbye?.kind, frameKind.goodbye)
      assert.match(Buffer.from(goodbye?.payload ?? empty).toString(), new RegExp(code))
      await rejectsWith(session.request('later', empty), code)
      assert.throws(() => session.openStream('later', empty), Failure)
      clock.advance(10_000)
      assert.equal(clock.timers, 0)
    })
  }

  test('before the hello nothing else is let in', async () => {
    for (const [kind, payload] of [
      [frameKind.request, open],
      [frameKind.data, open],
      [frameKind.rejected, Uint8Array.of(1)],
      [99, empty],
    ] as const) {
      const links = memoryLinks()
      const opening = openSession(links.b, sessionOptions('listener'))
      const peer = new HandMadePeer(links.rawA)
      peer.frame(0, kind, optionalFlag, payload)
      await rejectsWith(opening, 'protocol-broken', /before the hello/)
      await until(() => peer.ended, 'the end')
      assert.equal(peer.frames().length, 1)
    }
  })

  test('a hello that is none, or with windows that cannot work', async () => {
    for (const act of [
      (peer: HandMadePeer) => peer.frame(0, frameKind.hello, 0, utf8('hello')),
      (peer: HandMadePeer) => peer.frame(0, frameKind.hello, 0, empty),
      (peer: HandMadePeer) => peer.hello({ streamWindowBytes: 1 << 20 }),
      (peer: HandMadePeer) => peer.hello({ sessionWindowBytes: 7 << 20 }),
    ]) {
      const links = memoryLinks()
      const opening = openSession(links.b, sessionOptions('listener'))
      act(new HandMadePeer(links.rawA))
      await rejectsWith(opening, 'protocol-broken')
    }
  })

  test('a rejection tells the dialling side why', async () => {
    for (const [payload, code] of [
      [Uint8Array.of(1), 'not-paired'],
      [Uint8Array.of(2), 'limit-exceeded'],
      [Uint8Array.of(77), 'protocol-broken'],
      [empty, 'protocol-broken'],
    ] as const) {
      const links = memoryLinks()
      const opening = openSession(links.a, sessionOptions('dialer'))
      new HandMadePeer(links.rawB).frame(0, frameKind.rejected, 0, payload)
      await rejectsWith(opening, code)
    }
  })

  test('kinds and notices that are marked optional are skipped', async () => {
    const links = memoryLinks()
    const opening = openSession(links.b, sessionOptions('listener', { onRequest: echo }))
    const peer = new HandMadePeer(links.rawA)
    peer.hello()
    const session = await opening
    peer.frame(77, 99, optionalFlag, new Uint8Array(1000))
    peer.frame(0, frameKind.notice, optionalFlag, encodeName('from-the-future'))
    peer.frame(1, frameKind.request, 0, Buffer.concat([encodeName('echo'), Uint8Array.of(1, 2)]))
    await until(() => peer.frames().some((one) => one.kind === frameKind.answer), 'an answer')
    session.close()
  })
})

describe('silence', () => {
  const hand = async (
    clock: ReturnType<typeof testClock>,
  ): Promise<{ session: Session; peer: HandMadePeer; rawA: Duplex }> => {
    const links = memoryLinks(clock)
    const opening = openSession(links.b, sessionOptions('listener', { clock }))
    const peer = new HandMadePeer(links.rawA)
    peer.hello()
    return { session: await opening, peer, rawA: links.rawA }
  }
  const pings = (peer: HandMadePeer) => peer.frames().filter((frame) => frame.kind === frameKind.ping).length
  const turn = () => new Promise((resolve) => setTimeout(resolve, 10))

  test('pings go out, and a peer not heard of is lost', async () => {
    const clock = testClock()
    const { session, peer } = await hand(clock)
    const pending = session.request('x', empty)
    const rejected = rejectsWith(pending, 'connection-lost', /not heard of for 45 s/)
    clock.advance(14_999)
    await turn()
    assert.equal(pings(peer), 0)
    clock.advance(1)
    await turn()
    assert.equal(pings(peer), 1)
    clock.advance(29_999)
    await turn()
    assert.equal(pings(peer), 2)
    assert.equal(session.link.isClosed, false)
    clock.advance(1_001)
    await rejected
    assert.equal((await session.closed)?.code, 'connection-lost')
    clock.advance(10_000)
    assert.equal(clock.timers, 0)
  })

  test('a peer that pings lives, and is pinged', async () => {
    const clock = testClock()
    const { session, peer } = await hand(clock)
    for (let count = 0; count < 20; count++) {
      clock.advance(15_000)
      peer.frame(0, frameKind.ping, 0, empty)
      await turn()
    }
    assert.equal(session.link.isClosed, false)
    assert.ok(pings(peer) >= 19)
    session.close()
  })

  test('after a sleep of this process, what has come meanwhile is read before anybody is given up', async () => {
    const clock = testClock()
    const { session, peer } = await hand(clock)
    // Timers fire before what lies in the socket is read.
    clock.advance(45_000)
    peer.frame(0, frameKind.ping, 0, empty)
    await turn()
    clock.advance(44_000)
    assert.equal(session.link.isClosed, false)
    session.close()
  })

  test('a peer that never reads is given up, pings or not', async () => {
    const clock = testClock()
    const links = memoryLinks(clock)
    const opening = openSession(links.b, sessionOptions('listener', { clock }))
    const limits = { streams: 64, requests: 64, streamWindowBytes: 8 << 20, sessionWindowBytes: 64 << 20 }
    const said = encodeHello({ machine: 'x', productVersion: '1', features: [], wallMs: 0, ...limits })
    links.rawA.write(Buffer.concat([frameHeader(0, frameKind.hello, 0, said.length), said]))
    const session = await opening
    const stream = session.openStream('x', empty)
    const sends = Array.from({ length: 4 }, () => stream.send(new Uint8Array(1024 * 1024)))
    const outcomes = Promise.allSettled(sends)
    for (let count = 0; count < 13; count++) {
      links.rawA.write(frameHeader(0, frameKind.ping, 0, 0))
      await turn()
      clock.advance(15_000)
    }
    assert.match((await session.closed)?.message ?? '', /takes no data any more/)
    assert.ok((await outcomes).every((one) => one.status === 'rejected' && one.reason instanceof Failure))
    clock.advance(10_000)
    assert.equal(clock.timers, 0)
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
