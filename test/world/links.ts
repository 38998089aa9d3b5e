// For tests only: links that need no network, links over real TLS on loopback, identities in a temporary folder, and a
// clock that moves when told to. Nothing of the product imports this.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Duplex, duplexPair } from 'node:stream'
import { present } from '../../src/std/assert.ts'
import { type Clock, systemClock } from '../../src/std/clock.ts'
import { Failure, type FailureCode } from '../../src/std/failure.ts'
import { dial } from '../../src/wire/dial.ts'
import { frameHeader, frameKind } from '../../src/wire/frame.ts'
import { encodeHello } from '../../src/wire/hello.ts'
import { type Identity, openIdentity } from '../../src/wire/identity.ts'
import { type Link, linkOver } from '../../src/wire/link.ts'
import { type Listener, type ListenOptions, listen } from '../../src/wire/listen.ts'
import { openSession, type Session, type SessionOptions } from '../../src/wire/session.ts'

/** A clock whose time stands still until `advance`. */
export type TestClock = Clock & { advance(ms: number): void; readonly timers: number }

export function testClock(): TestClock {
  let now = 0
  const timers = new Set<{ readonly dueMs: number; fire(): void }>()
  return {
    nowMs: () => 1_700_000_000_000 + now,
    monotonicMs: () => now,
    sleep: () => Promise.resolve(),
    timer(ms, fire) {
      const timer = { dueMs: now + ms, fire }
      timers.add(timer)
      return { cancel: () => void timers.delete(timer) }
    },
    advance(ms) {
      const end = now + ms
      for (;;) {
        const due = [...timers].filter((one) => one.dueMs <= end).sort((a, b) => a.dueMs - b.dueMs)[0]
        if (due === undefined) break
        now = Math.max(now, due.dueMs)
        timers.delete(due)
        due.fire()
      }
      now = end
    },
    get timers() {
      return timers.size
    },
  }
}

/** Two ends of one link without a network: `a` calls the other `bee`, and the other way round. */
export function memoryLinks(clock: Clock = systemClock): { a: Link; b: Link; rawA: Duplex; rawB: Duplex } {
  const [rawA, rawB] = duplexPair()
  const facts = { peerId: undefined, remoteAddress: 'memory' }
  return {
    a: linkOver(rawA, { ...facts, machine: 'bee' }, clock),
    b: linkOver(rawB, { ...facts, machine: 'ann' }, clock),
    rawA,
    rawB,
  }
}

/** Session options for a test: nothing known, nothing wanted, unless changed. */
export function sessionOptions(side: 'dialer' | 'listener', change: Partial<SessionOptions> = {}): SessionOptions {
  return {
    side,
    hello: { machine: side === 'dialer' ? 'ann' : 'bee', productVersion: '0.0.0' },
    clock: systemClock,
    onRequest: () => undefined,
    onStream: () => false,
    ...change,
  }
}

/** An open session, both ends, over the given links: `a` has dialled. */
export async function openBoth(
  links: { a: Link; b: Link },
  a: Partial<SessionOptions> = {},
  b: Partial<SessionOptions> = {},
): Promise<{ a: Session; b: Session }> {
  const [one, two] = await Promise.all([
    openSession(links.a, sessionOptions('dialer', a)),
    openSession(links.b, sessionOptions('listener', b)),
  ])
  return { a: one, b: two }
}

/** Identities in a folder of their own; `remove` when done. */
export function testHome(): { directory: string; identity(name: string): Identity; remove(): void } {
  const directory = mkdtempSync(join(tmpdir(), 'nf-wire-'))
  return {
    directory,
    identity: (name) => openIdentity(join(directory, name)),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}

/** A listener on a free port of loopback. */
export function listenOnLoopback(
  identity: Identity,
  change: Partial<ListenOptions> & Pick<ListenOptions, 'authorise' | 'onLink'>,
): Promise<Listener> {
  return listen({ host: '127.0.0.1', port: 0, identity, clock: systemClock, note: () => {}, ...change })
}

/** Both ends of a real TLS link on loopback. */
export async function tlsLinks(ann: Identity, bee: Identity): Promise<{ a: Link; b: Link; listener: Listener }> {
  const accepted = Promise.withResolvers<Link>()
  const listener = await listenOnLoopback(bee, {
    authorise: (peerId) => (peerId === ann.peerId ? 'ann' : undefined),
    onLink: accepted.resolve,
  })
  const { port } = listener
  const a = await dial({
    host: '127.0.0.1',
    port,
    identity: ann,
    peerId: bee.peerId,
    machine: 'bee',
    clock: systemClock,
  })
  return { a, b: await accepted.promise, listener }
}

/** Waits until `isTrue`, looking again after each turn of the event loop; fails when that takes seconds. */
export async function until(isTrue: () => boolean, what: string): Promise<void> {
  const start = performance.now()
  while (!isTrue()) {
    if (performance.now() - start > 20_000) throw new Error(`waited in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** The frames that raw bytes begin with: for tests that play a peer by hand. */
export function payloadsOf(bytes: Uint8Array): { stream: number; kind: number; flags: number; payload: Uint8Array }[] {
  const view = Buffer.from(bytes)
  const frames = []
  for (let at = 0; at + 12 <= view.length; ) {
    const length = view.readUInt32LE(at + 8)
    const payload = view.subarray(at + 12, at + 12 + length)
    frames.push({
      stream: view.readUInt32LE(at),
      kind: present(view[at + 4], 'a kind'),
      flags: present(view[at + 5], 'flags'),
      payload,
    })
    at += 12 + length
  }
  return frames
}

/** Plays the other side by hand, over the raw end of a memory link. */
export class HandMadePeer {
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

/** Passes when `promise` rejects with a Failure of this code, and a message that matches. */
export async function rejectsWith(promise: Promise<unknown>, code: FailureCode, message?: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof Failure, String(error))
    assert.equal(error.code, code, error.message)
    if (message !== undefined) assert.match(error.message, message)
    return true
  })
}
