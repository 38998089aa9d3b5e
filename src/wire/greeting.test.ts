// The greeting before a session over stdio: found behind any noise, never looked for without end, and nothing behind it lost.

import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { testClock } from '../../test/world/links.ts'
import { systemClock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { findGreeting, greeting, noiseMaxBytes, readGreeting } from './greeting.ts'

type Read = { rest: () => Buffer; noise: string; input: PassThrough; failure: Failure | undefined }

async function reading(pieces: readonly Uint8Array[], isEnded = false): Promise<Read> {
  const input = new PassThrough()
  let noise = ''
  const done = readGreeting(input, {
    peer: 'nas',
    clock: systemClock,
    timeoutMs: 10_000,
    noise: (bytes) => {
      noise = Buffer.from(bytes).toString('latin1')
    },
  }).then(
    () => undefined,
    (error: unknown) => error as Failure,
  )
  for (const piece of pieces) input.write(piece)
  if (isEnded) input.end()
  const failure = await done
  return { rest: () => (input.read() as Buffer | null) ?? Buffer.alloc(0), noise, input, failure }
}

test('what stands behind the greeting is left to be read, byte for byte', async () => {
  for (const noise of ['', 'Welcome!\n', '\0', '\0nightferry', '\0nightferry/x\n', 'x'.repeat(60_000)]) {
    const {
      rest,
      noise: told,
      failure,
    } = await reading([Buffer.concat([Buffer.from(noise), greeting, Buffer.from('rest')])])
    assert.equal(failure, undefined)
    assert.equal(told, noise)
    assert.equal(rest().toString(), 'rest')
  }
})

test('however it is cut', async () => {
  const all = Buffer.concat([Buffer.from('hi\n'), greeting])
  const { noise, failure } = await reading([...all].map((byte) => Uint8Array.of(byte)))
  assert.equal(failure, undefined)
  assert.equal(noise, 'hi\n')
})

test('noise without an end is given up after its bound', async () => {
  const { failure } = await reading(Array.from({ length: 70 }, () => Buffer.alloc(1024, 'y')))
  assert.equal(failure?.code, 'wrong-peer')
  assert.throws(() => findGreeting(Buffer.alloc(noiseMaxBytes), 'nas'), Failure)
  assert.equal(findGreeting(Buffer.alloc(noiseMaxBytes - 1), 'nas'), undefined)
})

test('another form of sessions is told as such', async () => {
  const { failure } = await reading([Buffer.from('\0nightferry/2 stdio\n')])
  assert.equal(failure?.code, 'version-mismatch')
})

test('an end before it is no greeting, and what was said is told', async () => {
  const { failure, noise } = await reading([Buffer.from('This account is not available.\n')], true)
  assert.equal(failure?.code, 'connection-lost')
  assert.match(noise, /not available/)
})

test('silence is waited out', async () => {
  const clock = testClock()
  const read = readGreeting(new PassThrough(), { peer: 'nas', clock, timeoutMs: 5000, noise: () => {} })
  clock.advance(5000)
  await assert.rejects(read, (error) => error instanceof Failure && error.code === 'timed-out')
  assert.equal(clock.timers, 0)
})
