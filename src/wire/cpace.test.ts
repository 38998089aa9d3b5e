// The draft's own vectors, and what must not give a key.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ristretto255 } from '@noble/curves/ed25519.js'
import { hex, utf8 } from '../std/bytes.ts'
import { confirmationTag, generatorString, lengthValue, sameTag, startCpace } from './cpace.ts'

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replace(/\s/g, ''), 'hex'))
}

// draft-irtf-cfrg-cpace, appendix "Test vector for CPace using group ristretto255 and hash SHA-512".
const inputs = {
  code: utf8('Password'),
  channel: lengthValue(utf8('A_initiator'), utf8('B_responder')),
  session: bytesOf('7e4b4791d6a8ef019b936c79fb7f2c57'),
}
const associated = { adA: utf8('ADa'), adB: utf8('ADb') }
const scalarA = bytesOf('da3d23700a9e5699258aef94dc060dfda5ebb61f02a5ea77fad53f4ff0976d08')
const scalarB = bytesOf('d2316b454718c35362d83d69df6320f38578ed5984651435e2949762d900b80d')
const shareA = 'd6bac480f2c386c394efc7c47adb9925dcd2630b64f240c50f8d0eec482b9157'
const shareB = '3ea7e0b19560d7c0b0f5734f63b955286dfa8232b5ebe63324e2d9e7433f7258'
const key =
  'b69effbf61b51d56401c0f65601abe428de8206feaaf0e32198896dcae7b35cd' +
  '2b38950a39dfd5d4a79164614c2984f7daa460b588c1e80c3fa2068af7900447'

test('lengths are LEB128', () => {
  assert.equal(hex(lengthValue(utf8('1234'), utf8('5'), utf8(''), utf8('678'))), '043132333401350003363738')
  assert.equal(hex(lengthValue(new Uint8Array(128)).subarray(0, 3)), '800100')
  assert.equal(hex(inputs.channel), '0b415f696e69746961746f720b425f726573706f6e646572')
})

test("the draft's generator string", () => {
  assert.equal(
    hex(generatorString({ ...inputs, channel: inputs.channel })),
    `11435061636552697374726574746f3235350850617373776f7264${'64'}${'00'.repeat(100)}180b415f696e69746961746f720b425f72` +
      '6573706f6e646572107e4b4791d6a8ef019b936c79fb7f2c57',
  )
})

test("the draft's shares and key, from both sides", () => {
  const a = startCpace(inputs, associated, scalarA)
  const b = startCpace(inputs, associated, scalarB)
  assert.equal(hex(a.share), shareA)
  assert.equal(hex(b.share), shareB)
  assert.equal(hex(a.finish('initiator', b.share) ?? new Uint8Array()), key)
  assert.equal(hex(b.finish('responder', a.share) ?? new Uint8Array()), key)
})

test("the draft's product of a valid point", () => {
  // G.scalar_mult_vfy of the draft, seen through the key: the same K gives the same key.
  const scalar = bytesOf('7cd0e075fa7955ba52c02759a6c90dbbfc10e6d40aea8d283e407d88cf538a05')
  const point = bytesOf('2c3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c')
  const value = BigInt(`0x${hex(scalar.toReversed())}`)
  assert.equal(
    hex(ristretto255.Point.fromBytes(point).multiply(value).toBytes()),
    '7c13645fe790a468f62c39beb7388e541d8405d1ade69d1778c5fe3e7f6b600e',
  )
  assert.ok(startCpace(inputs, associated, scalar).finish('initiator', point))
})

test('no key comes of an encoding that is not a point, nor of the neutral element', () => {
  const run = startCpace(inputs, associated)
  const refused = [
    '2b3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c',
    '00'.repeat(32),
    'ff'.repeat(32),
    // The field's prime: a second way to write the neutral element.
    `ed${'ff'.repeat(30)}7f`,
    `01${'00'.repeat(31)}`,
    '00',
    '',
    '00'.repeat(33),
  ]
  for (const encoded of refused) {
    assert.equal(run.finish('initiator', bytesOf(encoded)), undefined, encoded)
    assert.equal(run.finish('responder', bytesOf(encoded)), undefined, encoded)
  }
})

test('keys agree when everything agrees, and differ when anything differs', () => {
  const run = (change: Partial<typeof inputs>, ad: Partial<typeof associated> = {}) =>
    startCpace({ ...inputs, ...change }, { ...associated, ...ad })
  const a = run({})
  const same = run({})
  assert.deepEqual(a.finish('initiator', same.share), same.finish('responder', a.share))
  assert.notDeepEqual(a.share, same.share)
  for (const other of [
    run({ code: utf8('password') }),
    run({ channel: lengthValue(utf8('B_responder'), utf8('A_initiator')) }),
    run({ session: new Uint8Array(16) }),
    run({}, { adB: utf8('x') }),
    run({}, { adA: utf8('x') }),
  ]) {
    const ours = a.finish('initiator', other.share)
    const theirs = other.finish('responder', a.share)
    assert.ok(ours && theirs)
    assert.notDeepEqual(ours, theirs)
  }
  const mirrored = a.finish('initiator', same.share)
  assert.notDeepEqual(mirrored, a.finish('responder', same.share))
})

test('tags show the key, and a reflected tag is not the expected one', () => {
  const a = startCpace(inputs, associated)
  const b = startCpace(inputs, associated)
  const keyA = a.finish('initiator', b.share)
  const keyB = b.finish('responder', a.share)
  assert.ok(keyA && keyB)
  const tagA = confirmationTag(keyA, inputs.session, a.share, associated.adA)
  assert.equal(tagA.length, 64)
  assert.ok(sameTag(tagA, confirmationTag(keyB, inputs.session, a.share, associated.adA)))
  const tagB = confirmationTag(keyB, inputs.session, b.share, associated.adB)
  assert.ok(!sameTag(tagA, tagB))
  assert.ok(!sameTag(tagA, tagA.subarray(1)))
})
