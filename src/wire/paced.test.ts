// A link under a limit, against a clock that a test moves: how many bytes have left at every moment, whatever is written
// and in whatever pieces; that all of it arrives in order; and that nothing is lost or held for ever when the link ends.

import assert from 'node:assert/strict'
import { PassThrough, Writable } from 'node:stream'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { type TestClock, testClock } from '../../test/world/links.ts'
import { linkOver } from './link.ts'
import { lineBytes, type PacedLink, pacedLink } from './paced.ts'

type Measured = {
  readonly clock: TestClock
  readonly link: PacedLink
  readonly sent: { readonly atMs: number; readonly bytes: number }[]
  arrived(): Buffer
}

/** A link whose socket takes everything at once, and what it took when. */
function measuredLink(): Measured {
  const clock = testClock()
  const sent: { atMs: number; bytes: number }[] = []
  const pieces: Buffer[] = []
  const take = (piece: Buffer, done: () => void): void => {
    pieces.push(Buffer.from(piece))
    sent.push({ atMs: clock.monotonicMs(), bytes: lineBytes(piece.length) })
    done()
  }
  const output = new Writable({
    write: (piece: Buffer, _, done) => take(piece, done),
    writev: (all, done) => take(Buffer.concat(all.map(({ chunk }) => chunk as Buffer)), done),
  })
  const facts = { peerId: undefined, machine: 'bee', remoteAddress: 'memory' }
  const inner = linkOver({ input: new PassThrough(), output }, facts, clock)
  return { clock, link: pacedLink(inner, clock), sent, arrived: () => Buffer.concat(pieces) }
}

/** Writes pieces in turns for as long as the link takes them, as the outlet of a session does, until so much was written. */
async function pour(
  { clock, link }: Measured,
  sizes: readonly number[],
  forMs: number,
): Promise<{ readonly written: Buffer; readonly taken: number }> {
  const written: Buffer[] = []
  let taken = 0
  const write = (): void => {
    while (!link.isFull && clock.monotonicMs() < forMs) {
      const size = sizes[written.length % sizes.length] as number
      const piece = Buffer.alloc(size, written.length)
      written.push(piece)
      link.write([piece.subarray(0, 12), piece.subarray(12)], () => taken++)
    }
  }
  link.onDrain(write)
  write()
  while (clock.monotonicMs() < forMs * 3 && taken < written.length) {
    clock.advance(5)
    await turn()
    write()
  }
  return { written: Buffer.concat(written), taken: written.length - taken }
}

const loads: readonly [title: string, sizes: (rate: number) => readonly number[]][] = [
  ['small files in packs of half a second', (rate) => [rate / 2]],
  ['small answers only', () => [200]],
  ['packs with questions in between', (rate) => [rate / 2, 60, 60, 4000]],
  ['streams that take turns', (rate) => [rate / 2, 65_536, rate / 3]],
]

describe('a link under a limit', () => {
  for (const rate of [100_000, 1_000_000, 10_000_000]) {
    for (const [title, sizes] of loads) {
      if (title === 'small answers only' && rate > 100_000) continue
      it(`keeps ${rate / 1000} kB/s: ${title}`, async () => {
        const measured = measuredLink()
        measured.link.limit(rate)
        const { written, taken } = await pour(measured, sizes(rate), 6000)
        assert.equal(taken, 0, 'every write was told to be taken')
        assert.ok(written.equals(measured.arrived()), 'all of it arrived, in order')
        const passed = (fromMs: number, toMs: number): number =>
          measured.sent.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).reduce((sum, { bytes }) => sum + bytes, 0)
        const first = passed(0, 1000)
        assert.ok(first <= rate * 1.01 && first >= rate * 0.95, `the first second: ${first}`)
        for (let at = 0; at <= 4000; at += 250) {
          const second = passed(at, at + 1000)
          assert.ok(second <= rate * 1.05 && second >= rate * 0.95, `the second from ${at} on: ${second}`)
        }
        const all = passed(0, 5000)
        assert.ok(all <= rate * 5 * 1.01 && all >= rate * 5 * 0.97, `five seconds: ${all}`)
      })
    }
  }

  it('saves nothing up: after a pause a twentieth of a second may go at once', async () => {
    const measured = measuredLink()
    measured.link.limit(100_000)
    measured.clock.advance(60_000)
    measured.link.write([Buffer.alloc(50_000)])
    await turn()
    const atOnce = measured.sent.reduce((sum, { bytes }) => sum + bytes, 0)
    assert.ok(atOnce > 0 && atOnce <= 5000, `${atOnce}`)
  })

  it('is the link itself until a limit is set', async () => {
    const { link, arrived } = measuredLink()
    assert.equal(link.write([Buffer.alloc(1000)]), true)
    assert.equal(link.frameBytes, undefined)
    assert.equal(arrived().length, 1000)
  })

  it('sends frames that are over within half a second, and never tiny ones', () => {
    const { link } = measuredLink()
    for (const [rate, bytes] of [
      [1000, 4096],
      [100_000, 50_000],
      [1_000_000, 500_000],
    ] as const) {
      link.limit(rate)
      assert.equal(link.frameBytes, bytes)
    }
  })

  it('holds nothing back when it ends: what was begun goes out whole', async () => {
    const { link, arrived } = measuredLink()
    link.limit(1000)
    const told: (Error | null | undefined)[] = []
    link.write([Buffer.alloc(5000, 1)], (error) => told.push(error))
    link.write([Buffer.from('goodbye')], (error) => told.push(error))
    assert.equal(arrived().length, 0)
    link.end()
    await turn()
    assert.equal(arrived().length, 5007)
    assert.deepEqual(
      told.map((error) => error ?? 'taken'),
      ['taken', 'taken'],
    )
  })

  it('is not held up by what is empty', async () => {
    const { link, clock, arrived } = measuredLink()
    link.limit(4000)
    let taken = 0
    for (let i = 0; i < 10; i++) link.write([Buffer.alloc(100), Buffer.alloc(0)], () => taken++)
    link.write([Buffer.alloc(0)], () => taken++)
    clock.advance(1000)
    await turn()
    assert.deepEqual([taken, arrived().length], [11, 1000])
  })

  it('tells whoever waits when it is cut', async () => {
    const { link, clock } = measuredLink()
    link.limit(1000)
    const told: (Error | null | undefined)[] = []
    link.write([Buffer.alloc(5000)], (error) => told.push(error))
    assert.equal(link.waitingBytes, 5000)
    link.destroy()
    await turn()
    assert.ok(told.length === 1 && told[0] instanceof Error, 'the write failed')
    assert.deepEqual([link.waitingBytes, clock.timers], [0, 0])
  })
})
