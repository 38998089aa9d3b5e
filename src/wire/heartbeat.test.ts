// Silence and stalls, on a clock that is moved by hand.

import assert from 'node:assert/strict'
import type { Duplex } from 'node:stream'
import { test } from 'node:test'
import { HandMadePeer, memoryLinks, rejectsWith, sessionOptions, testClock } from '../../test/world/links.ts'
import { Failure } from '../std/failure.ts'
import { frameHeader, frameKind } from './frame.ts'
import { encodeHello } from './hello.ts'
import { openSession, type Session } from './session.ts'

const empty = new Uint8Array(0)

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
  for (let count = 0; count < 21; count++) {
    links.rawA.write(frameHeader(0, frameKind.ping, 0, 0))
    await turn()
    clock.advance(15_000)
  }
  assert.match((await session.closed)?.message ?? '', /takes no data any more/)
  assert.ok((await outcomes).every((one) => one.status === 'rejected' && one.reason instanceof Failure))
  clock.advance(10_000)
  assert.equal(clock.timers, 0)
})

test('a peer that sends a byte now and then, and never a whole frame, is given up', async () => {
  const clock = testClock()
  const { session, peer } = await hand(clock)
  peer.raw(frameHeader(1, frameKind.request, 0, 1_000_000))
  for (let count = 0; count < 21; count++) {
    peer.raw(Uint8Array.of(0))
    await turn()
    clock.advance(15_000)
  }
  assert.match((await session.closed)?.message ?? '', /does not finish what it began/)
})

test('a slow peer whose frames become whole lives', async () => {
  const clock = testClock()
  const { session, peer } = await hand(clock)
  for (let count = 0; count < 60; count++) {
    const frame = frameHeader(0, frameKind.ping, 0, 0)
    peer.raw(frame.subarray(0, 5))
    await turn()
    clock.advance(15_000)
    peer.raw(frame.subarray(5))
  }
  assert.equal(session.link.isClosed, false)
  session.close()
})
