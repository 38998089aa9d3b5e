// The list of paired machines and the memory of their addresses.

import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { systemClock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { peerIdOfKey } from './peer-id.ts'
import { freeName, isMachineName, openPeers } from './peers.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-peers-'))
after(() => rmSync(home, { recursive: true, force: true }))

let made = 0
function freshDirectory(): string {
  made += 1
  return join(home, `config-${made}`)
}

let nowMs = 1_000_000
const clock = { ...systemClock, nowMs: () => nowMs }
const [nasId, laptopId, otherId] = [1, 2, 3].map((byte) => peerIdOfKey(Uint8Array.of(byte)))
assert.ok(nasId && laptopId && otherId)

function failsWith(code: string, call: () => unknown, message: RegExp): void {
  assert.throws(call, (error) => {
    assert.ok(error instanceof Failure, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, message)
    return true
  })
}

test('machines are added, found, renamed and removed, and other readers see it at once', () => {
  const directory = freshDirectory()
  const peers = openPeers(directory, clock)
  const elsewhere = openPeers(directory, clock)
  assert.deepEqual(peers.list(), [])
  nowMs = 5_000
  const nas = peers.add({ name: 'nas', peerId: nasId, address: { host: '192.168.1.5', port: 7420 } })
  assert.deepEqual(nas, {
    name: 'nas',
    peerId: nasId,
    addresses: [{ host: '192.168.1.5', port: 7420, firstSeenMs: 5_000, usedMs: 5_000, toldMs: 0 }],
    pairedMs: 5_000,
  })
  peers.add({ name: 'laptop.home_1-x', peerId: laptopId })
  assert.deepEqual(
    elsewhere.list().map((one) => one.name),
    ['nas', 'laptop.home_1-x'],
  )
  assert.deepEqual(elsewhere.byId(nasId), nas)
  assert.deepEqual(elsewhere.byName('nas'), nas)
  assert.equal(elsewhere.byName('NAS'), undefined)
  assert.equal(elsewhere.rename('nas', 'store').name, 'store')
  assert.equal(peers.byId(nasId)?.name, 'store')
  failsWith('unknown-machine', () => peers.rename('nas', 'x'), /"nas"/)
  assert.equal(peers.remove('nas'), undefined)
  assert.equal(peers.remove('store')?.peerId, nasId)
  assert.equal(elsewhere.byId(nasId), undefined)
  assert.equal(statSync(join(directory, 'machines.json')).mode & 0o777, 0o600)
})

test('a name belongs to one machine, in any case; pairing again renames', () => {
  const peers = openPeers(freshDirectory(), clock)
  peers.add({ name: 'nas', peerId: nasId })
  failsWith('bad-usage', () => peers.add({ name: 'NAS', peerId: laptopId }), /paired already/)
  peers.add({ name: 'laptop', peerId: laptopId })
  failsWith('bad-usage', () => peers.rename('laptop', 'Nas'), /paired already/)
  nowMs += 10
  const again = peers.add({ name: 'Nas', peerId: nasId })
  assert.equal(again.pairedMs, nowMs - 10)
  assert.equal(peers.list().length, 2)
  assert.equal(freeName('nas', peers.list(), otherId), 'nas-2')
  assert.equal(freeName('nas', peers.list(), nasId), 'nas')
  const long = 'n'.repeat(63)
  peers.add({ name: long, peerId: otherId })
  assert.equal(freeName(long, peers.list(), nasId), `${'n'.repeat(61)}-2`)
})

test('names', () => {
  for (const good of ['a', 'A1', 'nas', '9', 'a.b-c_d', 'n'.repeat(63)]) assert.ok(isMachineName(good), good)
  for (const bad of ['', '-a', '.a', 'a b', 'a:b', 'a/b', 'ä', 'a\n', 'n'.repeat(64), '..']) {
    assert.ok(!isMachineName(bad), bad)
    failsWith('bad-usage', () => openPeers(freshDirectory(), clock).add({ name: bad, peerId: nasId }), /cannot name/)
  }
})

test('addresses are noted apart, latest first, a few each, and never bring a removed machine back', () => {
  const directory = freshDirectory()
  const peers = openPeers(directory, clock)
  peers.add({ name: 'nas', peerId: nasId, address: { host: 'nas.local', port: 1 } })
  const machines = readFileSync(join(directory, 'machines.json'), 'utf8')
  for (let port = 10; port < 30; port++) {
    nowMs += 1
    peers.noteAddress(nasId, { host: 'fe80::1%eth0', port })
  }
  const addresses = peers.byId(nasId)?.addresses ?? []
  assert.deepEqual(
    addresses.map((one) => one.port),
    [29, 28, 27, 26, 25, 24, 23, 22],
  )
  assert.equal(addresses[0]?.usedMs, nowMs)
  assert.equal(readFileSync(join(directory, 'machines.json'), 'utf8'), machines)
  peers.noteAddress(laptopId, { host: 'x', port: 1 })
  peers.noteAddress(nasId, { host: 'bad host', port: 1 })
  peers.noteAddress(nasId, { host: 'x', port: 70_000 })
  assert.deepEqual(peers.byId(nasId)?.addresses, addresses)
  peers.remove('nas')
  peers.noteAddress(nasId, { host: 'x', port: 1 })
  assert.deepEqual(peers.list(), [])
})

test('the address just noted is not written again for an hour', () => {
  const directory = freshDirectory()
  const peers = openPeers(directory, clock)
  peers.add({ name: 'nas', peerId: nasId })
  const path = join(directory, 'addresses.json')
  peers.noteAddress(nasId, { host: 'a', port: 1 })
  const first = readFileSync(path, 'utf8')
  nowMs += 1000
  peers.noteAddress(nasId, { host: 'a', port: 1 })
  assert.equal(readFileSync(path, 'utf8'), first)
  nowMs += 3_600_000
  peers.noteAddress(nasId, { host: 'a', port: 1 })
  assert.equal(peers.byId(nasId)?.addresses[0]?.usedMs, nowMs)
})

test('what a machine tells is kept beside where it was reached, and its move is noticed', () => {
  const directory = freshDirectory()
  const peers = openPeers(directory, clock)
  peers.add({ name: 'nas', peerId: nasId })
  const [old, young] = [
    { host: '10.0.0.1', port: 5 },
    { host: '10.0.0.2', port: 5 },
  ]
  peers.noteAddress(nasId, old)
  assert.equal(peers.noteTold(nasId, [old]), false, 'the first time is no move')
  assert.equal(peers.noteTold(nasId, [old]), false)
  nowMs += 1000
  assert.equal(peers.noteTold(nasId, [young]), true)
  assert.equal(peers.noteTold(laptopId, [young]), false, 'a machine that is not paired')
  const known = openPeers(directory, clock).byName('nas')?.addresses ?? []
  assert.deepEqual(
    known.map(({ host, usedMs, toldMs }) => [host, usedMs > 0, toldMs === nowMs]),
    [
      ['10.0.0.1', true, false],
      ['10.0.0.2', false, true],
    ],
  )
})

test('a memory of version 1 is read, and written anew as version 2', () => {
  const directory = freshDirectory()
  const peers = openPeers(directory, clock)
  peers.add({ name: 'nas', peerId: nasId })
  const path = join(directory, 'addresses.json')
  const old = { version: 1, seen: [{ peerId: nasId, addresses: [{ host: 'a', port: 1, lastSeenMs: 7 }] }] }
  writeFileSync(path, JSON.stringify(old))
  const a = { host: 'a', port: 1, firstSeenMs: 7, usedMs: 7, toldMs: 0 }
  assert.deepEqual(peers.byName('nas')?.addresses, [a])
  peers.noteTold(nasId, [{ host: '10.0.0.2', port: 5 }])
  assert.equal(JSON.parse(readFileSync(path, 'utf8')).version, 2)
  assert.deepEqual(peers.byName('nas')?.addresses[0], a)
})

test('a damaged memory of addresses is forgotten, one of a newer program is left alone', () => {
  const directory = freshDirectory()
  const peers = openPeers(directory, clock)
  peers.add({ name: 'nas', peerId: nasId })
  const path = join(directory, 'addresses.json')
  writeFileSync(path, '{"version":1,"seen":[{}]}')
  assert.deepEqual(peers.byName('nas')?.addresses, [])
  peers.noteAddress(nasId, { host: 'a', port: 1 })
  assert.equal(peers.byName('nas')?.addresses.length, 1)
  const newer = '{"version":3}'
  writeFileSync(path, newer)
  peers.noteAddress(nasId, { host: 'b', port: 1 })
  assert.equal(readFileSync(path, 'utf8'), newer)
  assert.deepEqual(peers.byName('nas')?.addresses, [])
})

test('a file that is not exactly right is refused with the place, and left as it is', () => {
  const good = { name: 'nas', peerId: nasId, addresses: [{ host: 'a', port: 1, lastSeenMs: 1 }], pairedMs: 1 }
  const cases: readonly (readonly [unknown, RegExp, string?])[] = [
    ['', /not JSON/],
    ['{', /not JSON/],
    ['[]', /version is not 1/],
    ['null', /version is not 1/],
    [{ machines: [] }, /version is not 1/],
    [{ version: '1', machines: [] }, /version is not 1/],
    [{ version: 0, machines: [] }, /version is not 1/],
    [{ version: 2, machines: [], more: 1 }, /newer Nightferry/, 'format-too-new'],
    [{ version: 1 }, /has no machines/],
    [{ version: 1, machines: {} }, /machines is not a list/],
    [{ version: 1, machines: [], more: 1 }, /unknown field/],
    [{ version: 1, machines: [1] }, /machines\[0\] is not an object/],
    [{ version: 1, machines: [{ ...good, name: 'a b' }] }, /machines\[0\]\.name/],
    [{ version: 1, machines: [{ ...good, name: undefined }] }, /has no name/],
    [{ version: 1, machines: [{ ...good, peerId: nasId.replace(/.$/, '!') }] }, /not a peer id/],
    [{ version: 1, machines: [{ ...good, pairedMs: '1' }] }, /pairedMs is not a time/],
    [{ version: 1, machines: [{ ...good, addresses: [{ host: 'a', port: 0, lastSeenMs: 1 }] }] }, /not an address/],
    [{ version: 1, machines: [{ ...good, addresses: [{ host: 'a b', port: 1, lastSeenMs: 1 }] }] }, /not an address/],
    [{ version: 1, machines: [good, { ...good, name: 'x' }] }, /machines\[1\]\.peerId is there twice/],
    [
      { version: 1, machines: [good, { ...good, name: 'NAS', peerId: laptopId }] },
      /machines\[1\]\.name is there twice/,
    ],
    [{ version: 1, machines: [{ ...good, extra: 1 }] }, /unknown field/],
  ]
  for (const [content, message, code = 'bad-config'] of cases) {
    const directory = freshDirectory()
    openPeers(directory, clock).add({ name: 'x', peerId: otherId })
    const path = join(directory, 'machines.json')
    const text = typeof content === 'string' ? content : JSON.stringify(content)
    writeFileSync(path, text)
    const peers = openPeers(directory, clock)
    failsWith(code, () => peers.list(), message)
    failsWith(code, () => peers.add({ name: 'y', peerId: laptopId }), message)
    failsWith(code, () => peers.remove('x'), message)
    failsWith(code, () => peers.noteAddress(otherId, { host: 'a', port: 1 }), message)
    assert.equal(readFileSync(path, 'utf8'), text)
  }
})

test('a list of trusted machines that others can change is refused', () => {
  const directory = freshDirectory()
  const peers = openPeers(directory, clock)
  peers.add({ name: 'nas', peerId: nasId })
  chmodSync(join(directory, 'machines.json'), 0o620)
  failsWith('bad-config', () => peers.list(), /changed by other users/)
  chmodSync(join(directory, 'machines.json'), 0o644)
  assert.equal(peers.list().length, 1)
})
