// What the first frame says, and what it says to programs of other times.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '../std/failure.ts'
import { encodeHello, helloSchema, maxHelloBytes, ourVersions, readHello } from './hello.ts'
import { describeSchema, encodeMessage, flag, record, text, uint } from './schema.ts'
import { WIRE_VERSION } from './version.ts'

const said = {
  machine: 'ann',
  productVersion: '1.0',
  features: ['a'],
  wallMs: 5,
  streams: 1,
  requests: 2,
  streamWindowBytes: 3,
  sessionWindowBytes: 4,
}
const ours = { ...ourVersions, productVersion: '0.9' }

test('a hello is read back', () => {
  assert.deepEqual(readHello(encodeHello(said), 'bee', ours), {
    hello: { ...said, ...ourVersions },
    version: WIRE_VERSION,
  })
})

test('the largest hello fits its cap', () => {
  const largest = encodeHello({
    ...said,
    machine: 'm'.repeat(64),
    productVersion: 'v'.repeat(64),
    features: Array.from({ length: 64 }, (_, index) => `${index}`.padEnd(64, 'f')),
  })
  assert.ok(largest.length <= maxHelloBytes, `${largest.length}`)
})

test('a hello of any future version is understood as far as its version', () => {
  const future = record({ wireVersion: uint(100), minWireVersion: uint(100), productVersion: text(64), other: flag })
  const bytes = encodeMessage(future, {
    wireVersion: 90,
    minWireVersion: 80,
    productVersion: '9\u001b[2J',
    other: true,
  })
  assert.throws(
    () => readHello(bytes, 'bee', ours),
    (error) => {
      assert.ok(error instanceof Failure)
      assert.equal(error.code, 'version-mismatch')
      assert.equal(
        error.message,
        `this machine speaks wire version ${WIRE_VERSION} (Nightferry 0.9), bee speaks wire version 80 to 90 (Nightferry 9 [2J): ` +
          'they have no version in common',
      )
      assert.equal(error.hint, 'Update Nightferry on this machine.')
      return true
    },
  )
})

test('the hello is what it was: a change needs a new wire version, and its version part never changes', () => {
  assert.equal(
    describeSchema(helloSchema),
    'record{features:list(text(64),64),machine:text(64),minWireVersion:uint(2147483648),productVersion:text(64),' +
      'requests:uint(2147483648),sessionWindowBytes:uint(1099511627776),streamWindowBytes:uint(1099511627776),' +
      'streams:uint(2147483648),wallMs:uint(9007199254740991),wireVersion:uint(2147483648)}',
  )
})
