// Targets that need a line: a whole session fed with what a peer says, before its hello and after, as either side; and the
// messages of a pairing. However it ends: every promise settles, no timer stays, and nobody gets further than the rules let
// them. For tests only.

import assert from 'node:assert/strict'
import { duplexPair } from 'node:stream'
import type { CallHandlers } from '../../src/jobs/bulk.ts'
import { answerCall } from '../../src/jobs/bulk.ts'
import { concatBytes } from '../../src/std/bytes.ts'
import { Failure } from '../../src/std/failure.ts'
import { startCpace } from '../../src/wire/cpace.ts'
import { frameHeader, frameKind } from '../../src/wire/frame.ts'
import { type Link, linkOver } from '../../src/wire/link.ts'
import { calls } from '../../src/wire/messages.ts'
import { offerPairing } from '../../src/wire/pairing.ts'
import { peerIdOfKey } from '../../src/wire/peer-id.ts'
import type { Peers } from '../../src/wire/peers.ts'
import { openSession } from '../../src/wire/session.ts'
import { sessionOptions, type TestClock, testClock } from '../world/links.ts'
import type { Target } from './targets.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const [stranger, ourselves] = [peerIdOfKey(new Uint8Array([1])), peerIdOfKey(new Uint8Array([2]))]

type Line = { readonly link: Link; readonly clock: TestClock; say(bytes: Uint8Array): void; hangUp(): void }

function line(): Line {
  const clock = testClock()
  const [raw, other] = duplexPair()
  other.resume().on('error', () => {})
  const facts = { peerId: stranger, remoteAddress: '192.0.2.9', machine: 'ann' }
  const link = linkOver(raw, facts, clock)
  return { link, clock, say: (bytes) => void other.write(bytes), hangUp: () => void other.destroy() }
}

/** Calls of any name are let through to here, decoded. */
const refusing = Object.fromEntries(
  Object.keys(calls).map((name) => [name, () => Promise.reject(new Failure('unknown-share', 'no'))]),
) as unknown as CallHandlers

function sessionTarget(side: 'dialer' | 'listener', corpus: readonly Uint8Array[]): Target {
  return {
    name: `session of a ${side}`,
    corpus,
    weight: 4,
    async run(bytes) {
      const { link, clock, say, hangUp } = line()
      let failure: Failure | undefined
      const opening = openSession(link, {
        ...sessionOptions(side, { clock }),
        onRequest: (_, body) => Promise.resolve(body.slice(0, 10)),
        onStream: (name, header, stream) => answerCall(name, header, stream, refusing),
        onNotice: () => {},
        note: (event) => {
          failure = event.failure
        },
      })
      const opened = opening.then(
        (session) => session.closed,
        (error: unknown) => error,
      )
      // In pieces, so that headers and payloads are cut anywhere.
      const cut = bytes.length % 97
      say(bytes.slice(0, cut))
      await turn()
      say(bytes.slice(cut))
      for (let turns = 0; turns < 4; turns++) await turn()
      hangUp()
      for (let turns = 0; turns < 3; turns++) await turn()
      link.destroy()
      const end = await opened
      assert.ok(end === undefined || end instanceof Failure, String(end))
      clock.advance(10_000)
      assert.equal(clock.timers, 0, 'no timer outlives its session')
      if (failure !== undefined) throw failure
    },
  }
}

const nobody: Peers = {
  list: () => [],
  byName: () => undefined,
  byId: () => undefined,
  add: () => assert.fail('a stranger without the code was paired'),
} as unknown as Peers

/** What a stranger says to a machine that has a code open. Without the code nobody is paired, whatever they say. */
function pairingTarget(): Target {
  const session = new Uint8Array(32).fill(7)
  const { share } = startCpace(
    { code: new Uint8Array(8), channel: new Uint8Array(8), session },
    { adA: new Uint8Array(0), adB: new Uint8Array(0) },
    new Uint8Array(32).fill(3),
  )
  const message = concatBytes([Uint8Array.of(1), share, new Uint8Array(64 + 66)])
  return {
    name: 'pairing',
    weight: 10,
    corpus: [message, message.slice(0, 33), message.slice(0, 97)],
    async run(bytes) {
      const { link, clock, say, hangUp } = line()
      const withKey = Object.create(link, { exportKey: { value: () => session } }) as Link
      const identity = { peerId: ourselves } as Parameters<typeof offerPairing>[0]['identity']
      const offer = offerPairing({ identity, machine: 'bee', port: 0, peers: nobody, clock })
      offer.answer(withKey)
      say(bytes)
      for (let turns = 0; turns < 4; turns++) await turn()
      hangUp()
      for (let turns = 0; turns < 3; turns++) await turn()
      link.destroy()
      assert.ok(offer.state === 'open' || offer.state === 'spoiled', offer.state)
      offer.withdraw()
      await turn()
      clock.advance(10_000)
      assert.equal(clock.timers, 0, 'no timer outlives its pairing')
    },
  }
}

/** `of` gives the corpus of a name. */
export function wireTargets(of: (name: string) => readonly Uint8Array[]): Target[] {
  const [hello = new Uint8Array(0)] = of('hello')
  const first = concatBytes([frameHeader(0, frameKind.hello, 0, hello.length), hello])
  return [
    sessionTarget('listener', [...of('session request'), first]),
    sessionTarget('dialer', [...of('session answer'), first]),
    pairingTarget(),
  ]
}
