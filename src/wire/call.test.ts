// Requests and answers over whole sessions, on links without a network.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryLinks, openBoth, rejectsWith, testClock, until } from '../../test/world/links.ts'
import { utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import type { SessionOptions } from './session.ts'

const empty = new Uint8Array(0)

const echo: SessionOptions['onRequest'] = (name, body) =>
  name === 'echo' ? Promise.resolve(body.toReversed()) : undefined

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
