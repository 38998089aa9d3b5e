// Pairing over real TLS on loopback: right codes, wrong ones, and strangers.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { listenOnLoopback, rejectsWith, testClock, testHome, until } from '../../test/world/links.ts'
import { type Clock, systemClock } from '../std/clock.ts'
import { credentialsOf, pairingProtocol } from './credentials.ts'
import type { Identity } from './identity.ts'
import type { Listener } from './listen.ts'
import { declinePairing, joinPairing, offerPairing, type PairingEvent, type PairingOffer } from './pairing.ts'
import { newPairingCode } from './pairing-code.ts'
import { openPeers, type Peers } from './peers.ts'

const home = testHome()
after(() => home.remove())

let made = 0

type Side = { identity: Identity; machine: string; port: number; peers: Peers; clock: Clock }

function side(machine: string, port = 0): Side {
  made += 1
  const name = `${machine}-${made}`
  const peers = openPeers(join(home.directory, name), systemClock)
  return { identity: home.identity(name), machine, port, peers, clock: systemClock }
}

type Door = {
  bee: Side
  listener: Listener
  offer: PairingOffer
  events: PairingEvent[]
  join: (code: string, ann: Side) => ReturnType<typeof joinPairing>
}

/** A machine `bee` that listens and has one open code. */
async function doorWithOffer(clock: Clock = systemClock): Promise<Door> {
  const bee = { ...side('bee'), clock }
  const events: PairingEvent[] = []
  let offer: PairingOffer | undefined
  const listener = await listenOnLoopback(bee.identity, {
    authorise: () => undefined,
    onLink: () => assert.fail('a stranger got a session'),
    onPairingLink: (link) => offer?.answer(link),
  })
  offer = offerPairing({ ...bee, port: listener.port }, (event) => events.push(event))
  return {
    bee,
    listener,
    offer,
    events,
    join: (code, ann) => joinPairing({ ...ann, code, host: '127.0.0.1', remotePort: listener.port }),
  }
}

/** The pause between tries of one address, without waiting: an offer's clock that jumps a second at each look. */
function hastyClock(): Clock {
  let ms = 0
  return {
    ...systemClock,
    monotonicMs: () => {
      ms += 1_000
      return ms
    },
  }
}

test('the right code: both know each other afterwards, and the code is spent', async () => {
  const { bee, listener, offer, events, join } = await doorWithOffer()
  const ann = side('ann', 7420)
  assert.equal(offer.state, 'open')
  const machine = await join(offer.code.toLowerCase().replaceAll('-', ' '), ann)
  assert.deepEqual([machine.name, machine.peerId], ['bee', bee.identity.peerId])
  const atBee = await offer.paired
  assert.deepEqual([atBee.name, atBee.peerId], ['ann', ann.identity.peerId])
  assert.deepEqual(ann.peers.list(), [machine])
  assert.deepEqual(bee.peers.list(), [atBee])
  const places = [machine, atBee].map((one) => one.addresses.map(({ host, port }) => `${host}:${port}`))
  assert.deepEqual(places, [[`127.0.0.1:${listener.port}`], ['127.0.0.1:7420']])
  assert.equal(offer.state, 'used')
  await until(() => events.length > 0, 'the note')
  assert.deepEqual(events, [{ kind: 'pairing', address: '127.0.0.1', outcome: 'paired' }])
  await rejectsWith(join(offer.code, side('eve')), 'pairing-expired', /no code is open/)
  offer.withdraw()
  assert.equal(offer.state, 'used')
  assert.equal(bee.peers.list().length, 1)
  listener.close()
})

test('wrong codes: nothing is stored or told, and the third try spoils the code', async () => {
  const { bee, listener, offer, events, join } = await doorWithOffer(hastyClock())
  const eve = side('eve')
  for (let count = 0; count < 3; count++) {
    assert.equal(offer.state, 'open')
    await rejectsWith(join(newPairingCode(), eve), 'pairing-failed', /^the code is wrong$/)
  }
  assert.equal(offer.state, 'spoiled')
  await rejectsWith(offer.paired, 'pairing-failed', /wrong code came 3 times/)
  await rejectsWith(join(offer.code, side('ann')), 'pairing-expired', /void after 3 wrong tries/)
  assert.deepEqual([bee.peers.list(), eve.peers.list()], [[], []])
  await until(() => events.length === 4, 'the notes')
  assert.deepEqual(
    events.map((event) => event.outcome),
    ['wrong-code', 'wrong-code', 'wrong-code', 'no-code'],
  )
  listener.close()
})

test('many tries at once are still no more than three', async () => {
  const { listener, offer, join } = await doorWithOffer(hastyClock())
  const outcomes = await Promise.allSettled(Array.from({ length: 12 }, () => join(newPairingCode(), side('eve'))))
  const codes = outcomes.map((one) => (one.status === 'rejected' ? String(one.reason.message) : 'paired'))
  assert.equal(codes.filter((message) => /code is wrong/.test(message)).length, 3)
  assert.equal(codes.filter((message) => /void/.test(message)).length, 9)
  assert.equal(offer.state, 'spoiled')
  listener.close()
})

test('one address waits between two tries, and that costs no try', async () => {
  const { listener, offer, join } = await doorWithOffer({ ...systemClock, monotonicMs: () => 5 })
  const ann = side('ann')
  await rejectsWith(join(newPairingCode(), ann), 'pairing-failed', /code is wrong/)
  for (let count = 0; count < 4; count++) await rejectsWith(join(offer.code, ann), 'pairing-failed', /a moment ago/)
  assert.equal(offer.state, 'open')
  listener.close()
})

test('a typing error is found before anybody is called', async () => {
  const ann = side('ann')
  await rejectsWith(
    joinPairing({ ...ann, code: 'ABC-DEF-GHJ', host: '127.0.0.1', remotePort: 1 }),
    'pairing-failed',
    /typing/,
  )
})

test('a code expires after ten minutes, or is withdrawn', async () => {
  const clock = testClock()
  const self = { ...side('bee'), clock }
  const old = offerPairing(self)
  clock.advance(599_999)
  assert.equal(old.state, 'open')
  clock.advance(1)
  assert.equal(old.state, 'expired')
  await rejectsWith(old.paired, 'pairing-expired')
  const withdrawn = offerPairing(self)
  withdrawn.withdraw()
  assert.equal(withdrawn.state, 'withdrawn')
  await rejectsWith(withdrawn.paired, 'cancelled')
  assert.equal(clock.timers, 0)

  const { listener, offer, join } = await doorWithOffer()
  offer.withdraw()
  await rejectsWith(join(offer.code, side('ann')), 'pairing-expired', /no code is open/)
  listener.close()
})

test('no code at all is open', async () => {
  const bee = side('bee')
  const listener = await listenOnLoopback(bee.identity, {
    authorise: () => undefined,
    onLink: () => {},
    onPairingLink: (link) => declinePairing(link, systemClock),
  })
  const code = newPairingCode()
  await rejectsWith(
    joinPairing({ ...side('ann'), code, host: '127.0.0.1', remotePort: listener.port }),
    'pairing-expired',
  )
  listener.close()
})

test('a machine cannot be paired with itself, nor with somebody in between', async () => {
  const { bee, listener, offer, join } = await doorWithOffer()
  await rejectsWith(join(offer.code, bee), 'pairing-failed', /with itself/)
  assert.equal(offer.state, 'open')
  listener.close()

  // Mallory has a connection to both, carries every byte across, and both typed the right code.
  const real = await doorWithOffer()
  const mallory = home.identity('mallory')
  const between = await listenOnLoopback(mallory, {
    authorise: () => undefined,
    onLink: () => {},
    onPairingLink: (caller) => {
      const onward = stranger(real.listener.port, mallory)
      caller.onData((chunk) => onward.write(chunk))
      onward.on('data', (chunk: Uint8Array) => caller.write([Uint8Array.from(chunk)]))
      onward.on('close', () => caller.end())
    },
  })
  const ann = side('ann')
  const through = joinPairing({ ...ann, code: real.offer.code, host: '127.0.0.1', remotePort: between.port })
  await rejectsWith(through, 'pairing-failed', /code is wrong/)
  assert.deepEqual([ann.peers.list(), real.bee.peers.list()], [[], []])
  between.close()
  real.listener.close()
})

test('names: taken ones get a number, a machine known before keeps the name it has here', async () => {
  const first = await doorWithOffer()
  const ann = side('ann')
  ann.peers.add({ name: 'Bee', peerId: home.identity('another').peerId })
  assert.equal((await first.join(first.offer.code, ann)).name, 'bee-2')
  ann.peers.rename('bee-2', 'attic')
  await first.offer.paired
  const again = offerPairing({ ...first.bee, port: 1 })
  const listener = await listenOnLoopback(first.bee.identity, {
    authorise: () => undefined,
    onLink: () => {},
    onPairingLink: again.answer,
  })
  const machine = await joinPairing({ ...ann, code: again.code, host: '127.0.0.1', remotePort: listener.port })
  assert.equal(machine.name, 'attic')
  assert.equal(ann.peers.list().length, 2)
  assert.equal(machine.addresses.length, 2)
  listener.close()
  first.listener.close()
})

/** A bare TLS connection for pairing, which says what a test wants. */
function stranger(port: number, identity: Identity): TLSSocket {
  const socket = connect({
    ...credentialsOf(identity, systemClock),
    host: '127.0.0.1',
    port,
    ALPNProtocols: [pairingProtocol],
    checkServerIdentity: () => undefined,
  })
  socket.on('error', () => {})
  return socket
}

describe('a stranger who does not pair as one should', () => {
  const cases: readonly (readonly [string, Uint8Array, string])[] = [
    ['garbage', new Uint8Array(33).fill(7), 'other-version'],
    ['another version', Uint8Array.of(2, ...new Uint8Array(32)), 'other-version'],
    ['the neutral element', Uint8Array.of(1, ...new Uint8Array(32)), 'wrong-code'],
    ['no point', Uint8Array.of(1, ...new Uint8Array(32).fill(255)), 'wrong-code'],
    ['a flood', new Uint8Array(100_000).fill(1), 'broken'],
  ]
  for (const [name, bytes, outcome] of cases) {
    test(name, async () => {
      const { listener, offer, events, bee } = await doorWithOffer()
      const socket = stranger(listener.port, home.identity('eve'))
      const received: Buffer[] = []
      socket.on('data', (chunk: Buffer) => received.push(chunk))
      socket.write(bytes)
      await new Promise((resolve) => socket.on('close', resolve))
      await until(() => events.length > 0, 'the note')
      assert.deepEqual(
        events.map((event) => event.outcome),
        [outcome],
      )
      assert.ok(Buffer.concat(received).length <= 33)
      assert.equal(offer.state, 'open')
      assert.deepEqual(bee.peers.list(), [])
      listener.close()
    })
  }

  test('one who hangs up, or says nothing, before the proof spends no try and tells nothing', async () => {
    const { listener, offer, events } = await doorWithOffer()
    const socket = stranger(listener.port, home.identity('eve'))
    socket.on('secureConnect', () => socket.end(new Uint8Array(5)))
    await until(() => events.length === 1, 'the note')
    assert.equal(offer.state, 'open')
    listener.close()
  })
})
