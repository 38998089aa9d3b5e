// Which addresses are told, and which are believed.

import assert from 'node:assert/strict'
import type { NetworkInterfaceInfo } from 'node:os'
import { test } from 'node:test'
import { Failure } from '../std/failure.ts'
import { decodePlaces, encodePlaces, type Interfaces, ownHosts, placesToTell, reachingOf } from './addresses.ts'
import { addressesNotice } from './messages.ts'
import { encodeMessage } from './schema.ts'

test('how far an address reaches', () => {
  const cases = {
    none: '0.0.0.0 0.1.2.3 224.0.0.1 239.1.1.1 255.255.255.255 240.0.0.1 :: ff02::1 ::ffff:10.0.0.1 ::ffff:7f00:1',
    loopback: '127.0.0.1 127.255.255.254 ::1',
    link: '169.254.0.1 169.254.169.254 fe80::1 febf::1',
    wide: '10.0.0.1 192.168.1.5 8.8.8.8 2001:db8::1 fd00::1 126.0.0.1 128.0.0.1 223.255.255.255',
  }
  for (const [reaching, hosts] of Object.entries(cases))
    for (const host of hosts.split(' ')) assert.equal(reachingOf(host), reaching, host)
  for (const host of ['', 'nas.local', 'localhost', '10.0.0', '010.0.0.1', '2130706433', '0x7f.0.0.1', 'fe80::1%eth0'])
    assert.equal(reachingOf(host), 'none', host)
})

function interfaces(...addresses: string[]): Interfaces {
  return { one: addresses.map((address) => ({ address }) as NetworkInterfaceInfo) }
}

test('what is told depends on where the daemon listens and how far the session came', () => {
  const all = interfaces('127.0.0.1', '::1', 'fe80::7', '169.254.1.1', '2001:db8::7', '192.168.1.5', '10.8.0.1')
  // bound to, session with, told
  const cases: readonly (readonly [string, string, string])[] = [
    ['0.0.0.0', '192.168.1.9', '192.168.1.5 10.8.0.1'],
    ['::', '192.168.1.9', '192.168.1.5 10.8.0.1 2001:db8::7'],
    ['::', 'fe80::9%eth0', '192.168.1.5 10.8.0.1 2001:db8::7 169.254.1.1'],
    ['0.0.0.0', '127.0.0.1', '192.168.1.5 10.8.0.1 169.254.1.1 127.0.0.1'],
    ['127.0.0.1', '127.0.0.1', '127.0.0.1'],
    ['127.0.0.1', '192.168.1.9', ''],
    ['192.168.1.5', '192.168.1.9', '192.168.1.5'],
    ['169.254.1.1', '169.254.1.9', '169.254.1.1'],
    ['169.254.1.1', '192.168.1.9', ''],
  ]
  for (const [address, remote, told] of cases) {
    const places = placesToTell({ address, port: 5001 }, all, remote)
    assert.equal(places.map(({ host }) => host).join(' '), told, `${address} to ${remote}`)
    assert.deepEqual(decodePlaces(encodePlaces(places), remote), places)
  }
  const many = interfaces(...Array.from({ length: 30 }, (_, index) => `10.0.0.${index + 1}`))
  assert.equal(placesToTell({ address: '0.0.0.0', port: 1 }, many, '10.0.0.99').length, 8)
  assert.equal(ownHosts('0.0.0.0', many).length, 30)
  assert.deepEqual(ownHosts('::', interfaces('fe80::1', '10.0.0.1', '::1')), ['10.0.0.1', '::1'])
})

test('what a peer tells is believed only as far as its session came', () => {
  const hosts = ['127.0.0.1', '169.254.169.254', '10.0.0.1', '10.0.0.1', 'nas.local', '::1', '0.0.0.0', 'fe80::1%eth0']
  const body = encodeMessage(addressesNotice, { hosts, port: 22 })
  const believed = (remote: string): string[] => decodePlaces(body, remote).map(({ host }) => host)
  assert.deepEqual(believed('192.168.1.9'), ['10.0.0.1'])
  assert.deepEqual(believed('169.254.3.3'), ['169.254.169.254', '10.0.0.1'])
  assert.deepEqual(believed('127.0.0.1'), ['127.0.0.1', '169.254.169.254', '10.0.0.1', '::1'])
  assert.deepEqual(decodePlaces(encodeMessage(addressesNotice, { hosts: ['10.0.0.1'], port: 0 }), '10.0.0.2'), [])
})

test('a notice out of its bounds is refused', () => {
  const nine = Array.from({ length: 9 }, (_, index) => `10.0.0.${index}`)
  assert.throws(() => encodeMessage(addressesNotice, { hosts: nine, port: 1 }), Failure)
  for (const bytes of [new Uint8Array(0), Uint8Array.of(0xa0), Uint8Array.of(0xff), new Uint8Array(99).fill(0x81)])
    assert.throws(() => decodePlaces(bytes, '10.0.0.1'), Failure)
})
