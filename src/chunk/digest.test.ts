// The digests: BLAKE3's own vector, and the native form held against the WASM form on contents of all kinds of sizes.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noise } from '../../test/world/noise.ts'
import { hex, utf8 } from '../std/bytes.ts'
import { digestOf, domainDigest, nativeDigests, openDigester, openDomainDigester, wasmDigests } from './digest.ts'

test('an empty content has the digest that BLAKE3 says', () => {
  assert.equal(hex(digestOf(new Uint8Array(0))), 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262')
})

test('native and WASM digests are equal, whole and in pieces', async () => {
  const [native, wasm] = [nativeDigests(), await wasmDigests()]
  for (const size of [0, 1, 63, 64, 65, 1023, 1024, 1025, 4096, 70_000]) {
    const content = noise(size + 1, size)
    const whole = hex(native.digestOf(content))
    assert.equal(hex(wasm.digestOf(content)), whole)
    for (const form of [native, wasm]) {
      const digester = form.openDigester()
      for (let at = 0; at < size; at += 1000) digester.update(content.subarray(at, at + 1000))
      assert.equal(hex(digester.finish()), whole, `${size} bytes in pieces`)
    }
  }
})

test('pieces that lie in shared memory count like any others', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(5000)).fill(7)
  const digester = openDigester()
  digester.update(shared.subarray(0, 3))
  digester.update(shared.subarray(3))
  assert.equal(hex(digester.finish()), hex(digestOf(shared.slice())))
})

test('a domain makes another digest', () => {
  assert.notEqual(hex(domainDigest('a', utf8('x'))), hex(domainDigest('b', utf8('x'))))
  assert.notEqual(hex(domainDigest('a', utf8('x'))), hex(digestOf(utf8('x'))))
  const pieces = openDomainDigester('a')
  for (const piece of ['x', '', 'yz']) pieces.update(utf8(piece))
  assert.equal(hex(pieces.finish()), hex(domainDigest('a', utf8('xyz'))), 'in pieces the same')
})
