// What a driver may ask of how content is sent.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { flowOf } from './asked.ts'

test('a driver names a rate that comes to an end some day, and a known way to squeeze', () => {
  assert.deepEqual(flowOf({}), { rateBytes: undefined, compress: 'off' })
  assert.deepEqual(flowOf({ rateBytes: 1000, compress: '3' }), { rateBytes: 1000, compress: 3 })
  for (const rateBytes of [0, 1, 999]) assert.throws(() => flowOf({ rateBytes }), { code: 'protocol-broken' })
  for (const compress of ['', '20', 'best']) assert.throws(() => flowOf({ compress }), { code: 'protocol-broken' })
})
