// Links over TLS and without a network: bytes, fullness and every way to end.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { duplexPair, PassThrough } from 'node:stream'
import { after, test } from 'node:test'
import { memoryLinks, testClock, testHome, tlsLinks, until } from '../../test/world/links.ts'
import { utf8 } from '../std/bytes.ts'
import { systemClock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { type Link, linkOver } from './link.ts'

const home = testHome()
after(() => home.remove())

function collect(link: Link): { bytes(): Buffer; chunks: Uint8Array[] } {
  const chunks: Uint8Array[] = []
  link.onData((chunk) => chunks.push(Uint8Array.from(chunk)))
  return { bytes: () => Buffer.concat(chunks), chunks }
}

test('over TLS: bytes both ways, the peer known, key material equal at both ends', async () => {
  const [ann, bee] = [home.identity('ann'), home.identity('bee')]
  const { a, b, listener } = await tlsLinks(ann, bee)
  assert.deepEqual([a.peerId, b.peerId], [bee.peerId, ann.peerId])
  assert.deepEqual([a.machine, b.machine], ['bee', 'ann'])
  assert.equal(b.remoteAddress, '127.0.0.1')
  const [atA, atB] = [collect(a), collect(b)]
  const big = new Uint8Array(3_000_000).map((_, index) => index * 7)
  a.write([utf8('head'), big])
  b.write([utf8('back')])
  await until(() => atB.bytes().length === big.length + 4 && atA.bytes().length === 4, 'the bytes')
  assert.ok(atB.bytes().subarray(4).equals(big))
  assert.equal(atA.bytes().toString(), 'back')
  assert.deepEqual([a.bytesWritten, b.bytesRead, b.bytesWritten, a.bytesRead], [big.length + 4, big.length + 4, 4, 4])
  const context = utf8('context')
  assert.deepEqual(a.exportKey('EXPORTER-x', context, 32), b.exportKey('EXPORTER-x', context, 32))
  assert.notDeepEqual(a.exportKey('EXPORTER-x', context, 32), a.exportKey('EXPORTER-y', context, 32))
  a.end()
  await new Promise<void>((resolve) => b.onClose(() => resolve()))
  await until(() => a.isClosed, 'the near end')
  listener.close()
})

test('both ends of a TLS link read into one buffer: the inner parts of this Node are as expected', async () => {
  const { a, b, listener } = await tlsLinks(home.identity('ann'), home.identity('bee'))
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    const buffers = new Set<ArrayBufferLike>()
    let count = 0
    to.onData((chunk) => {
      count += chunk.length
      if (chunk.length > 1000) buffers.add(chunk.buffer)
    })
    const piece = new Uint8Array(2_000_000)
    from.write([piece])
    await until(() => count === piece.length, 'the bytes')
    assert.ok(buffers.size <= 2, `${buffers.size} buffers`)
  }
  a.destroy()
  listener.close()
})

test('what came before somebody reads is not lost', async () => {
  const { a, b, listener } = await tlsLinks(home.identity('ann'), home.identity('bee'))
  a.write([utf8('early')])
  await new Promise((resolve) => setTimeout(resolve, 50))
  const atB = collect(b)
  a.write([utf8(' late')])
  await until(() => atB.bytes().toString() === 'early late', 'both')
  a.destroy()
  listener.close()
})

test('shared memory can be sent', async () => {
  const { a, b, listener } = await tlsLinks(home.identity('ann'), home.identity('bee'))
  const slab = new Uint8Array(new SharedArrayBuffer(100_000)).fill(9)
  const atB = collect(b)
  const taken = Promise.withResolvers<unknown>()
  a.write([utf8('x'), slab.subarray(1, 90_001)], taken.resolve)
  assert.equal((await taken.promise) ?? undefined, undefined)
  await until(() => atB.bytes().length === 90_001, 'the bytes')
  assert.ok(atB.bytes().subarray(1).equals(new Uint8Array(90_000).fill(9)))
  a.destroy()
  listener.close()
})

test('a failure of the reader closes the link with that failure, once, to all who ask', async () => {
  const { a, b } = memoryLinks()
  const failure = new Failure('protocol-broken', 'no')
  const told: unknown[] = []
  b.onClose((reason) => told.push(reason))
  b.onData(() => {
    throw failure
  })
  a.write([utf8('x')])
  a.write([utf8('y')])
  await until(() => told.length > 0, 'the close')
  b.onClose((reason) => told.push(reason))
  b.destroy(new Failure('cancelled', 'later'))
  assert.deepEqual(told, [failure, failure])
  assert.ok(b.isClosed)
})

test('a full link says so, and drains', async () => {
  const [rawA, rawB] = duplexPair()
  const a = linkOver(rawA, { peerId: undefined, machine: 'b', remoteAddress: '' }, systemClock)
  let drained = 0
  a.onDrain(() => (drained += 1))
  assert.ok(a.write([new Uint8Array(500_000)]))
  assert.ok(!a.isFull)
  assert.ok(!a.write([new Uint8Array(600_000)]))
  assert.ok(a.isFull)
  assert.ok(a.waitingBytes >= 1024 * 1024)
  rawB.resume()
  await until(() => drained > 0 && a.waitingBytes === 0, 'the drain')
  a.destroy()
})

test('whatever way it ends, every write is settled, and writing afterwards is harmless', async () => {
  const ways: readonly ((ends: ReturnType<typeof memoryLinks>) => void)[] = [
    ({ a }) => a.destroy(),
    ({ a }) => a.destroy(new Failure('cancelled', 'x')),
    ({ rawA }) => rawA.destroy(new Error('broken')),
    ({ rawB }) => rawB.end(),
  ]
  for (const way of ways) {
    const ends = memoryLinks()
    const { a } = ends
    a.onData(() => {})
    const outcomes: unknown[] = []
    for (let count = 0; count < 5; count++) a.write([new Uint8Array(100_000)], (error) => outcomes.push(error))
    way(ends)
    await until(() => outcomes.length === 5, 'all writes to be settled')
    assert.ok(outcomes.every((error) => error instanceof Error || error === null || error === undefined))
    assert.ok(outcomes.some((error) => error instanceof Error))
    const late = Promise.withResolvers<unknown>()
    assert.equal(a.write([utf8('x')], late.resolve), false)
    assert.ok((await late.promise) instanceof Failure)
    a.write([utf8('x')])
    a.end()
    a.destroy()
  }
})

test('an end that does not get through becomes a break', async () => {
  const clock = testClock()
  const { a, rawA } = memoryLinks(clock)
  a.write([new Uint8Array(1_000_000)])
  let closed = false
  a.onClose(() => (closed = true))
  a.end()
  a.end()
  clock.advance(4_999)
  assert.equal(closed, false)
  clock.advance(1)
  assert.ok(closed)
  assert.ok(rawA.destroyed)
  assert.equal(clock.timers, 0)
})

/** A link over two streams that go one way each, as the stdio of a process does. */
function pairOfPipes(whyEnded?: () => Promise<Failure | undefined>): {
  link: Link
  input: PassThrough
  output: PassThrough
  ends: (Failure | undefined)[]
  clock: ReturnType<typeof testClock>
} {
  const [input, output, clock] = [new PassThrough(), new PassThrough(), testClock()]
  const pipes = whyEnded === undefined ? { input, output } : { input, output, whyEnded }
  const link = linkOver(pipes, { peerId: undefined, machine: 'bee', remoteAddress: '' }, clock)
  const ends: (Failure | undefined)[] = []
  link.onClose((failure) => ends.push(failure))
  return { link, input, output, ends, clock }
}

test('over two pipes: bytes both ways, also where reading had stood still before', async () => {
  const { link, input, output } = pairOfPipes()
  input.pause()
  input.write('waiting')
  const got = collect(link)
  input.write(' more')
  link.write([utf8('one'), utf8('two')])
  await until(() => got.bytes().toString() === 'waiting more', 'the bytes')
  assert.equal(`${output.read()}${output.read()}`, 'onetwo')
  assert.throws(() => link.exportKey('EXPORTER-x', utf8(''), 32), /key material/)
})

test('over the stdio of a process: read into one buffer, however much comes', async () => {
  const child = spawn('cat', { stdio: ['pipe', 'pipe', 'ignore'] })
  const facts = { peerId: undefined, machine: 'cat', remoteAddress: '' }
  const link = linkOver({ input: child.stdout, output: child.stdin }, facts, systemClock)
  const buffers = new Set<ArrayBufferLike>()
  let count = 0
  link.onData((chunk) => {
    count += chunk.length
    buffers.add(chunk.buffer)
  })
  link.write([new Uint8Array(5_000_000)])
  await until(() => count === 5_000_000, 'the bytes')
  assert.equal(buffers.size, 1)
  link.end()
  await until(() => link.isClosed && child.exitCode === 0, 'the end')
})

test('over two pipes: why they ended is asked once, and told; without a reason it is a clean end', async () => {
  for (const why of [new Failure('connection-lost', 'ssh ended'), undefined]) {
    let asked = 0
    const { link, input, output, ends } = pairOfPipes(() => {
      asked += 1
      return Promise.resolve(why)
    })
    collect(link)
    input.end()
    await until(() => ends.length === 1, 'the end')
    assert.deepEqual([ends[0], asked, output.destroyed], [why, 1, true])
  }
})

test('over two pipes: when nothing is taken any more, what comes is read a moment longer', async () => {
  const { link, input, output, ends, clock } = pairOfPipes()
  const got = collect(link)
  output.destroy(Object.assign(new Error('broken pipe'), { code: 'EPIPE' }))
  await until(() => clock.timers > 0, 'the broken pipe')
  input.write('last words')
  await until(() => got.bytes().toString() === 'last words', 'the last words')
  assert.equal(ends.length, 0)
  clock.advance(1000)
  assert.equal(ends[0]?.code, 'connection-lost')
  assert.ok(input.destroyed)
})
