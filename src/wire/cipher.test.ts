// Which cipher comes first.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { getCiphers } from 'node:tls'
import { systemClock } from '../std/clock.ts'
import { cipherOrder, preferredCiphers } from './cipher.ts'

test('AES comes first unless it is much slower, and then we insist', () => {
  assert.match(cipherOrder(1, 1.4).ciphers, /^TLS_AES_128/)
  assert.equal(cipherOrder(1.9, 1).insists, false)
  assert.match(cipherOrder(5, 1).ciphers, /^TLS_CHACHA20/)
  assert.equal(cipherOrder(5, 1).insists, true)
})

test('the order is measured once and holds the ciphers of TLS 1.3 only', () => {
  const order = preferredCiphers(systemClock)
  assert.equal(preferredCiphers(systemClock), order)
  const names = order.ciphers.split(':')
  assert.equal(new Set(names).size, 3)
  for (const name of names) assert.ok(getCiphers().includes(name.toLowerCase()), name)
})
