// What a person may write as an address to listen on, or to pair with.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAddress } from './serve.ts'

const defaults = { host: '0.0.0.0', port: 5001 }

test('an address is host:port, either alone, or nothing; digits alone are a port', () => {
  for (const [text, host, port] of [
    ['', '0.0.0.0', 5001],
    ['127.0.0.1:999', '127.0.0.1', 999],
    ['127.0.0.1', '127.0.0.1', 5001],
    ['nas.local', 'nas.local', 5001],
    ['nas7:0', 'nas7', 0],
    [':999', '0.0.0.0', 999],
    ['999', '0.0.0.0', 999],
    ['0', '0.0.0.0', 0],
    ['[::1]', '::1', 5001],
    ['[fe80::1%eth0]:65535', 'fe80::1%eth0', 65_535],
  ] as const)
    assert.deepEqual(parseAddress(text, defaults), { host, port }, text)
})

test('what is no address is named, with how one is written', () => {
  for (const text of [
    '65536',
    '127.0.0.1:65536',
    '99999999999',
    'a:b:c',
    '::1',
    '[::1',
    'nas:',
    'nas:x',
    ':-1',
    '1:2:3',
  ])
    assert.throws(
      () => parseAddress(text, defaults),
      (error: Error & { code?: string; hint?: string }) =>
        error.code === 'bad-usage' && error.message.includes(text) && error.hint?.includes('0.0.0.0:5001') === true,
      text,
    )
})
