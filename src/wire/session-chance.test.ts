// Chance: two sides that keep the rules may act in any order, over a line that delays and cuts, and never break them; a
// side that does anything at all costs itself the session, and nothing else. Seeds are fixed; a failure names its run.

import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { HandMadePeer, memoryLinks, sessionOptions, testClock } from '../../test/world/links.ts'
import { Bug } from '../std/assert.ts'
import { Failure } from '../std/failure.ts'
import { frameKind } from './frame.ts'
import { linkOver } from './link.ts'
import { encodeName } from './named.ts'
import { openSession, type Session, type SessionOptions } from './session.ts'
import type { WireStream } from './stream.ts'

type Chance = (below: number) => number

function chanceOf(seed: number): Chance {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Two ends of a line on which things take a while and arrive in pieces. */
function slowPair(chance: Chance): [Duplex, Duplex] {
  const ends: Duplex[] = []
  const make = (other: () => Duplex | undefined): Duplex =>
    new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, taken) {
        const deliver = (): void => {
          const cut = chance(chunk.length + 1)
          if (other()?.destroyed === false) {
            other()?.push(Buffer.from(chunk.subarray(0, cut)))
            other()?.push(Buffer.from(chunk.subarray(cut)))
          }
          taken()
        }
        if (chance(3) === 0) setTimeout(deliver, chance(3))
        else setImmediate(deliver)
      },
      final(done) {
        other()?.push(null)
        done()
      },
    })
  const a = make(() => ends[1])
  const b = make(() => ends[0])
  ends.push(a, b)
  return [a, b]
}

/** What one run holds: streams, frames not yet released, and everything that must settle. */
class Run {
  readonly chance: Chance
  readonly streams: WireStream[] = []
  readonly held: (() => void)[] = []
  readonly pending: Promise<unknown>[] = []

  constructor(seed: number) {
    this.chance = chanceOf(seed)
  }

  watch(promise: Promise<unknown>): void {
    promise.catch(() => {})
    this.pending.push(promise)
  }

  take(stream: WireStream): void {
    this.streams.push(stream)
    this.watch(stream.done)
    if (this.chance(8) === 0) return
    stream.onFrame((_payload, release) => {
      if (this.chance(20) === 0) throw new Failure('disk-error', 'the taker failed')
      if (this.chance(2) === 0) this.held.push(release)
      else release()
    })
    stream.onEnd(() => {
      if (this.chance(2) === 0) stream.end()
    })
  }

  handlers(): Partial<SessionOptions> {
    const { chance } = this
    return {
      onRequest: (name, body) => {
        if (name === 'unheard-of') return undefined
        return chance(2) === 0 ? Promise.resolve(body) : Promise.reject(new Failure('disk-error', 'no'))
      },
      onStream: (_name, _header, stream) => {
        this.take(stream)
        if (chance(9) === 0) stream.cancel(new Failure('cancelled', 'at once'))
        return chance(12) > 0
      },
    }
  }

  /** One act of one side, allowed by the rules. */
  act(session: Session): void {
    const { chance, streams } = this
    const stream = streams[chance(Math.max(1, streams.length))]
    const kind = chance(11)
    if (kind === 0) {
      const options = chance(2) === 0 ? {} : { timeoutMs: 5 }
      this.watch(session.request(chance(5) === 0 ? 'unheard-of' : 'x', new Uint8Array(chance(5000)), options))
    } else if (kind <= 2) this.open(session)
    else if (kind <= 6 && stream !== undefined) this.send(stream)
    else if (kind === 7) stream?.end()
    else if (kind === 8) stream?.cancel(new Failure('cancelled', 'by chance'))
    else if (kind === 9) for (const release of this.held.splice(0, chance(10))) release()
  }

  open(session: Session): void {
    try {
      this.take(session.openStream('y', new Uint8Array(3)))
    } catch (error) {
      // The other side takes no more streams, or the session is over.
      if (!(error instanceof Failure)) throw error
    }
  }

  send(stream: WireStream): void {
    try {
      this.watch(stream.send(new Uint8Array(1 + this.chance(this.chance(4) === 0 ? 3_000_000 : 3000))))
    } catch (error) {
      // A test may send after the end; the program must not.
      if (!(error instanceof Bug)) throw error
    }
  }

  async settled(): Promise<void> {
    for (const one of await Promise.allSettled(this.pending)) {
      if (one.status === 'rejected') assert.ok(one.reason instanceof Failure, String(one.reason))
    }
  }
}

test('two sides that keep the rules, in any order', { timeout: 60_000 }, async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const run = new Run(seed)
    const clock = testClock()
    const [rawA, rawB] = slowPair(run.chance)
    const facts = { peerId: undefined, remoteAddress: '', machine: 'x' }
    const [a, b] = await Promise.all([
      openSession(linkOver(rawA, facts, clock), sessionOptions('dialer', { clock, ...run.handlers() })),
      openSession(linkOver(rawB, facts, clock), sessionOptions('listener', { clock, ...run.handlers() })),
    ])
    const ends: unknown[] = []
    for (const session of [a, b]) void session.closed.then((failure) => ends.push(failure))
    for (let count = 0; count < 150; count++) {
      run.act(run.chance(2) === 0 ? a : b)
      if (run.chance(10) === 0) clock.advance(run.chance(20))
      if (run.chance(3) === 0) await turn()
    }
    for (const stream of run.streams) stream.cancel(new Failure('cancelled', 'the end'))
    for (const release of run.held.splice(0)) release()
    for (let count = 0; !(a.isIdle && b.isIdle); count++) {
      assert.ok(count < 2000, `run ${seed} does not come to rest`)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    assert.deepEqual(ends, [], `run ${seed}`)
    await a.request('x', new Uint8Array(1)).catch(() => {})
    a.close()
    assert.equal(await b.closed, undefined, `run ${seed}`)
    await run.settled()
  }
})

function anyFrame(chance: Chance, nextId: number): { id: number; kind: number; payload: Uint8Array } {
  const { request, open, notice, ping, data, end, cancel, credit, answer, refusal, abandon } = frameKind
  const kinds = [request, open, data, data, data, end, cancel, credit, answer, refusal, abandon, notice, ping]
  const kind = chance(12) === 0 ? chance(256) : (kinds[chance(kinds.length)] ?? 0)
  const isNew = kind === request || kind === open
  const near = chance(3) === 0 ? 2 * chance(6) : Math.max(1, nextId - 2 * (1 + chance(4)))
  const id = isNew ? nextId : kind === notice || kind === ping ? 0 : chance(60) === 0 ? chance(2 ** 32) : near
  if (chance(40) === 0) return { id, kind, payload: new Uint8Array(chance(300)).map(() => chance(256)) }
  if (isNew || kind === notice)
    return { id, kind, payload: Buffer.concat([encodeName('abc'), Buffer.alloc(chance(50))]) }
  if (kind === data) return { id, kind, payload: new Uint8Array(1 + chance(chance(10) === 0 ? 2_000_000 : 1000)) }
  if (kind === credit) return { id, kind, payload: Uint8Array.of(chance(256), chance(2), 0, 0) }
  return { id, kind, payload: new Uint8Array(0) }
}

test('a side that does anything at all', { timeout: 60_000 }, async () => {
  for (let seed = 1; seed <= 200; seed++) {
    const run = new Run(seed)
    const clock = testClock()
    const links = memoryLinks(clock)
    const opening = openSession(links.b, sessionOptions('listener', { clock, ...run.handlers() }))
    const peer = new HandMadePeer(links.rawA)
    peer.hello()
    const session = await opening
    let nextId = 1
    for (let count = 0; count < 60 && !links.b.isClosed; count++) {
      if (run.chance(3) === 0) run.act(session)
      const { id, kind, payload } = anyFrame(run.chance, nextId)
      if (id === nextId) nextId += 2
      peer.frame(id, kind, run.chance(5) === 0 ? 1 : 0, payload)
      if (run.chance(4) === 0) await turn()
    }
    links.rawA.destroy()
    await session.closed
    clock.advance(10_000)
    assert.equal(clock.timers, 0, `run ${seed}`)
    await run.settled()
  }
})
