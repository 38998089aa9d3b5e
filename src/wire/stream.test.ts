// Streams over whole sessions: data both ways, credit, cancelling; on links without a network and over TLS.

import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import {
  HandMadePeer,
  memoryLinks,
  openBoth,
  rejectsWith,
  sessionOptions,
  testHome,
  tlsLinks,
  until,
} from '../../test/world/links.ts'
import { utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { frameHeader, frameKind } from './frame.ts'
import { encodeName } from './named.ts'
import { defaultSessionLimits, openSession, type SessionEvent, type SessionOptions } from './session.ts'
import type { WireStream } from './stream.ts'

const home = testHome()
after(() => home.remove())

const empty = new Uint8Array(0)

const echo: SessionOptions['onRequest'] = (name, body) =>
  name === 'echo' ? Promise.resolve(body.toReversed()) : undefined

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

  test('a receiver without room ends the session, one that cancels while it is asked keeps its memory', async () => {
    const memory = new Uint8Array(10)
    const { a, b } = await openBoth(
      memoryLinks(),
      {},
      {
        onRequest: echo,
        onStream: (name, _header, stream) => {
          stream.allocate = () => {
            if (name === 'full') return undefined
            stream.cancel(new Failure('cancelled', 'not now'))
            return memory
          }
          return true
        },
      },
    )
    const cancelled = a.openStream('cancelling', empty)
    void cancelled.send(new Uint8Array(10).fill(1)).catch(() => {})
    await rejectsWith(cancelled.done, 'cancelled')
    assert.deepEqual(await a.request('echo', empty), empty)
    assert.deepEqual(memory, new Uint8Array(10))
    const full = a.openStream('full', empty)
    void full.send(Uint8Array.of(1)).catch(() => {})
    await rejectsWith(full.done, 'limit-exceeded', /no room/)
    assert.equal((await b.closed)?.code, 'limit-exceeded')
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
