// A machine that can be called elsewhere than before tells everybody.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { NetworkInterfaceInfo } from 'node:os'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { memoryLinks, openBoth, testClock } from '../../test/world/links.ts'
import { present } from '../std/assert.ts'
import { Failure } from '../std/failure.ts'
import { decodePlaces } from '../wire/addresses.ts'
import { type PeerId, peerIdOfKey } from '../wire/peer-id.ts'
import type { Machine } from '../wire/peers.ts'
import type { Session } from '../wire/session.ts'
import { takeAddresses } from './addresses.ts'
import { Announcer } from './announce.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-announce-'))
after(() => rmSync(home, { recursive: true, force: true }))
const idOf = (byte: number): PeerId => present(peerIdOfKey(Uint8Array.of(byte)), 'a peer id')
const [nasId, tvId, muteId] = [idOf(1), idOf(2), idOf(3)]
const machine = (name: string, peerId: PeerId): Machine => {
  return { name, peerId, addresses: [{ host: 'x', port: 1, firstSeenMs: 1, usedMs: 1, toldMs: 0 }], pairedMs: 1 }
}
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((done) => setImmediate(done))
}

/** A daemon's announcer: its address is a variable, and the peers that are on answer. */
function world(directory: string) {
  const clock = testClock()
  const sleeps: { ms: number; wake: () => void }[] = []
  const stage = { address: '10.0.0.1', calls: [] as string[], on: new Set<string>(), sessions: new Set<Session>() }
  const lines: string[] = []
  const announcer = new Announcer({
    stateDirectory: directory,
    listening: { address: '0.0.0.0', port: 5001 },
    clock: {
      ...clock,
      sleep: (ms, signal) =>
        new Promise((wake) => {
          sleeps.push({ ms, wake })
          signal?.addEventListener('abort', () => wake())
        }),
    },
    log: { note: (action, fields) => void lines.push(`${action} ${fields?.machine ?? ''}`.trim()), flush() {} },
    sessions: stage.sessions,
    machines: () => [machine('nas', nasId), machine('tv', tvId), { ...machine('mute', muteId), addresses: [] }],
    async connect(name) {
      stage.calls.push(name)
      if (!stage.on.has(name)) throw new Failure('unreachable', 'off')
      return (await openBoth(memoryLinks())).a
    },
    interfaces: () => ({ eth0: [{ address: stage.address } as NetworkInterfaceInfo] }),
  })
  const sleep = async (): Promise<number> => {
    await settle()
    const next = sleeps.shift()
    next?.wake()
    await settle()
    return next?.ms ?? -1
  }
  return { clock, stage, lines, announcer, sleep }
}

describe('announcing', () => {
  test('who is on is told once, who is off is called again ever more seldom, also after a restart', async () => {
    const directory = mkdtempSync(join(home, 'a-'))
    const first = world(directory)
    first.stage.on.add('nas')
    first.announcer.start()
    assert.equal(await first.sleep(), 0)
    assert.deepEqual(first.stage.calls, ['nas', 'tv'])
    assert.equal(await first.sleep(), 60_000)
    assert.deepEqual(first.stage.calls, ['nas', 'tv', 'tv'])
    assert.equal(await first.sleep(), 300_000)
    assert.deepEqual(first.lines.slice(0, 2).sort(), ['address-not-told tv', 'address-told nas'])
    await first.announcer.close()

    const second = world(directory)
    second.stage.on.add('tv')
    second.announcer.start()
    assert.equal(await second.sleep(), 0)
    assert.deepEqual(second.stage.calls, ['tv'], 'who was told is not called again')
    assert.equal(await second.sleep(), -1)
    await second.announcer.close()

    const third = world(directory)
    third.announcer.start()
    assert.equal(await third.sleep(), -1, 'everybody knows')
    third.stage.address = '10.0.0.2'
    third.stage.on.add('nas').add('tv')
    third.clock.advance(30_000)
    assert.equal(await third.sleep(), 0)
    assert.deepEqual(third.stage.calls, ['nas', 'tv'])
    assert.equal(third.lines[0], 'own-address-changed')
    await third.announcer.close()
    assert.match(readFileSync(join(directory, 'announced.json'), 'utf8'), /10\.0\.0\.2 port 5001","untold":\[\]/)
  })

  test('who is on the line is told there', async () => {
    const directory = mkdtempSync(join(home, 'b-'))
    const { clock, stage, announcer } = world(directory)
    announcer.start()
    const told: string[] = []
    const { a } = await openBoth(
      memoryLinks(),
      {},
      { onNotice: (name, body) => void told.push(`${name} ${decodePlaces(body, '10.0.0.9')[0]?.host}`) },
    )
    Object.assign(a.link, { peerId: nasId, remoteAddress: '10.0.0.9' })
    stage.sessions.add(a)
    stage.address = '10.0.0.2'
    clock.advance(30_000)
    await settle()
    assert.deepEqual(told, ['addresses 10.0.0.2'])
    announcer.tell(a)
    await settle()
    assert.equal(told.length, 1, 'not again within the hour')
    assert.equal(announcer.isDue(nasId), false)
    const untold = (): string => readFileSync(join(directory, 'announced.json'), 'utf8')
    for (const _ of [1, 2]) assert.equal(announcer.isDue(tvId), true, 'whoever asks may not get through')
    assert.match(untold(), new RegExp(tvId))
    announcer.noteTold(tvId)
    assert.equal(announcer.isDue(tvId), false)
    assert.doesNotMatch(untold(), new RegExp(tvId))
    clock.advance(3_600_000)
    announcer.tell(a)
    await settle()
    assert.equal(told.length, 2)
    a.close()
    await announcer.close()
  })

  test('a damaged memory means telling everybody', async () => {
    const directory = mkdtempSync(join(home, 'c-'))
    writeFileSync(join(directory, 'announced.json'), '{"version":1,"hosts":7}')
    const { stage, announcer, sleep } = world(directory)
    announcer.start()
    await sleep()
    assert.deepEqual(stage.calls, ['nas', 'tv'])
    await announcer.close()
  })
})

test('a peer that tells all the time is written down a few times only', () => {
  const clock = testClock()
  let written = 0
  const peers = { noteTold: () => ++written > 0 } as never
  const take = takeAddresses(peers, { note() {}, flush() {} }, clock)
  const link = { peerId: nasId, machine: 'nas', remoteAddress: '10.0.0.9' } as never
  // {"hosts": [], "port": 1}
  const body = Buffer.from('a264706f727401 65686f73747380'.replace(' ', ''), 'hex')
  for (let count = 0; count < 100; count++) take(link, 'addresses', body)
  assert.equal(written, 5)
  clock.advance(60_000)
  for (let count = 0; count < 100; count++) take(link, 'addresses', body)
  assert.equal(written, 7)
  take(link, 'other', Buffer.from('ff', 'hex'))
  assert.throws(() => {
    clock.advance(60_000)
    take(link, 'addresses', Buffer.from('ff', 'hex'))
  }, Failure)
})
