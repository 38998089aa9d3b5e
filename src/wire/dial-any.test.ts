// One machine, several addresses.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryLinks, rejectsWith, testClock } from '../../test/world/links.ts'
import { Failure } from '../std/failure.ts'
import { dialAny, headStartMs } from './dial-any.ts'
import type { Link } from './link.ts'

type Call = { readonly host: string; answer(link: Link): void; fail(failure: Failure): void; isHungUp(): boolean }

/** Calls `hosts` under a clock that stands still; `calls` are those made so far, to be answered by hand. */
function race(hosts: string) {
  const clock = testClock()
  const stop = new AbortController()
  const calls: Call[] = []
  const result = dialAny(
    hosts.split(' ').map((host) => ({ host, port: 1 })),
    {
      clock,
      signal: stop.signal,
      dialOne: ({ host }, signal) =>
        new Promise((answer, fail) => {
          calls.push({ host, answer, fail, isHungUp: () => signal.aborted })
        }),
    },
  )
  result.catch(() => {})
  const called = (): string => calls.map(({ host }) => host).join(' ')
  return { clock, stop, calls, called, result }
}

const settle = (): Promise<void> => new Promise((done) => setImmediate(done))

test('an address that says nothing costs its head start; the first that answers wins', async () => {
  const { clock, calls, called, result } = race('dead alive late')
  assert.equal(called(), 'dead')
  clock.advance(headStartMs - 1)
  assert.equal(called(), 'dead')
  clock.advance(1)
  assert.equal(called(), 'dead alive')
  const { a } = memoryLinks()
  calls[1]?.answer(a)
  const { link, place } = await result
  assert.equal(link, a)
  assert.deepEqual(place, { host: 'alive', port: 1 })
  clock.advance(60_000)
  assert.equal(called(), 'dead alive', 'nobody else is called')
  assert.ok(calls[0]?.isHungUp())
  const other = memoryLinks().a
  calls[0]?.answer(other)
  await settle()
  assert.ok(other.isClosed, 'a second one is hung up')
})

test('an address that fails lets the next one in at once, once', async () => {
  const { clock, calls, called, result } = race('a b c')
  calls[0]?.fail(new Failure('unreachable', 'no a'))
  await settle()
  assert.equal(called(), 'a b')
  clock.advance(headStartMs)
  assert.equal(called(), 'a b c')
  calls[1]?.fail(new Failure('wrong-peer', 'no b'))
  await settle()
  calls[2]?.fail(new Failure('timed-out', 'no c'))
  await rejectsWith(result, 'unreachable', /no a/)
  await result.catch((error) => assert.match(error.hint, /b:1 \(wrong-peer\), c:1 \(timed-out\)/))
})

test('one address fails as it does, and a caller who changes their mind is told so', async () => {
  const one = race('a')
  const failure = new Failure('wrong-peer', 'no a', { hint: 'x' })
  one.calls[0]?.fail(failure)
  await assert.rejects(one.result, failure)
  const two = race('a b')
  two.stop.abort()
  await rejectsWith(two.result, 'cancelled')
  assert.ok(two.calls[0]?.isHungUp())
  two.clock.advance(headStartMs)
  assert.equal(two.called(), 'a')
  assert.equal(two.clock.timers, 0)
})
