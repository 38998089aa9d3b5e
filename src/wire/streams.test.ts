// A peer played by hand, which breaks the rules of frames, requests, streams and credit one at a time.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HandMadePeer, memoryLinks, rejectsWith, sessionOptions, testClock, until } from '../../test/world/links.ts'
import { utf8 } from '../std/bytes.ts'
import { Failure, type FailureCode } from '../std/failure.ts'
import { frameHeader, frameKind, maxBulkBytes, optionalFlag } from './frame.ts'
import { encodeName } from './named.ts'
import { openSession, type SessionEvent, type SessionOptions } from './session.ts'
import type { WireStream } from './stream.ts'

const empty = new Uint8Array(0)

const echo: SessionOptions['onRequest'] = (name, body) =>
  name === 'echo' ? Promise.resolve(body.toReversed()) : undefined

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
    ['a refusal that cannot be read', 'protocol-broken', /message/, [frame(2, frameKind.refusal, Uint8Array.of(1))]],
    ['a refusal of nothing', 'protocol-broken', /no request/, [frame(4, frameKind.refusal, Uint8Array.of(1))]],
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
