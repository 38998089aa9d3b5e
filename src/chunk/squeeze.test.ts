// Squeezed and whole again; what does not shrink is left alone; and nothing that a peer can say makes more than its word.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { Failure } from '../std/failure.ts'
import { contentLength, expand, squeeze } from './squeeze.ts'

const max = 512 * 1024
const text = new TextEncoder().encode('the same words again and again, '.repeat(40_000)).subarray(0, max)

/** In shared memory, as packs are. */
function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length))
  copy.set(bytes)
  return copy
}

for (const level of [1, 3, 19]) {
  for (const length of [1, 100, 5000, 64 * 1024, max]) {
    test(`${length} bytes at level ${level} come out as they were`, () => {
      const bytes = shared(text.subarray(0, length))
      const squeezed = squeeze(bytes, level)
      assert.ok(squeezed.word === 0 ? squeezed.length === length : squeezed.length < length)
      assert.ok(length < 100 || squeezed.word !== 0, 'text shrinks')
      assert.equal(contentLength(squeezed.word, squeezed.length), length)
      assert.deepEqual(
        Buffer.from(expand(bytes.subarray(0, squeezed.length), squeezed.word, max)),
        Buffer.from(text.subarray(0, length)),
      )
    })
  }
}

test('what comes out is no Buffer, whose slices would share its memory', () => {
  const bytes = shared(text.subarray(0, 5000))
  const { length, word } = squeeze(bytes, 1)
  const whole = expand(bytes.subarray(0, length), word, max)
  assert.equal(whole.constructor, Uint8Array)
  assert.notEqual(whole.slice(0, 8).buffer, whole.buffer)
})

test('what does not shrink stays as it is', () => {
  for (const length of [0, 1, 1000, 64 * 1024, max]) {
    const noise = randomBytes(length)
    const bytes = shared(noise)
    assert.deepEqual(squeeze(bytes, 3), { length, word: 0 })
    assert.deepEqual(Buffer.from(bytes), noise)
    assert.equal(expand(bytes, 0, max), bytes)
  }
})

test('a pack that begins with text and is noise is squeezed or left, and comes out as it was', () => {
  for (const at of [0, 4096, 100_000, 300_000]) {
    const mixed = Buffer.concat([text.subarray(0, at), randomBytes(max - at)])
    const bytes = shared(mixed)
    const { length, word } = squeeze(bytes, 3)
    assert.deepEqual(Buffer.from(expand(bytes.subarray(0, length), word, max)), mixed)
  }
})

/** A frame with one block as it is, whose head asks for the largest window of all. */
function farSighted(bytes: Uint8Array): Uint8Array {
  const head = [0x28, 0xb5, 0x2f, 0xfd, 0, (27 - 10) << 3]
  const block = (bytes.length << 3) | 1
  return Buffer.concat([Uint8Array.from([...head, block & 0xff, (block >> 8) & 0xff, block >> 16]), bytes])
}

test('what is not what its word says is refused, and never grows beyond it', () => {
  const word = (codec: number, length: number): number => codec * 2 ** 24 + length
  const bomb = zstdCompressSync(new Uint8Array(200 * 1024 * 1024))
  const small = zstdCompressSync(text.subarray(0, 1000))
  const cases: readonly [title: string, bytes: Uint8Array, word: number][] = [
    ['a bomb', bomb, word(1, max)],
    ['more than a pack', bomb, word(1, max + 1)],
    ['no codec', small, word(0, 1000)],
    ['an unknown codec', small, word(2, 1000)],
    ['the largest word', small, 0xffff_ffff],
    ['no length', small, word(1, 0)],
    ['too short a length', small, word(1, 999)],
    ['too long a length', small, word(1, 1001)],
    ['two frames', Buffer.concat([small, small]), word(1, 1000)],
    ['cut off', small.subarray(0, small.length - 4), word(1, 1000)],
    ['nothing', new Uint8Array(0), word(1, 1000)],
    ['noise', randomBytes(500), word(1, 1000)],
    ['one that wants 128 MiB to look back into', farSighted(text.subarray(0, 1000)), word(1, 1000)],
  ]
  assert.equal(zstdDecompressSync(farSighted(text.subarray(0, 1000))).length, 1000, 'it is a frame like others')
  for (const [title, bytes, said] of cases) {
    assert.throws(
      () => expand(bytes, said, max),
      (error: unknown) => error instanceof Failure && error.code === 'protocol-broken',
      title,
    )
  }
})
