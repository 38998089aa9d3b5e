// Bytes: order, names, and encodings that end where they should.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { check, mutated } from '../../test/world/trees.ts'
import { Bug } from './assert.ts'
import {
  ByteReader,
  ByteWriter,
  compareBytes,
  concatBytes,
  decodeName,
  equalBytes,
  fromUtf8,
  hex,
  isNameText,
  utf8,
} from './bytes.ts'
import { Failure } from './failure.ts'

const someBytes = fc.uint8Array({ maxLength: 40 })

function broken(call: () => unknown): void {
  assert.throws(call, (error) => error instanceof Failure && error.code === 'protocol-broken')
}

describe('bytes', () => {
  it('compare like memcmp, then by length', () => {
    check(
      fc.property(someBytes, someBytes, (a, b) => {
        const expected = Buffer.compare(Buffer.from(a), Buffer.from(b))
        assert.equal(Math.sign(compareBytes(a, b)), expected)
        assert.equal(equalBytes(a, b), expected === 0)
      }),
    )
    assert.ok(equalBytes(utf8('same'), utf8('same')))
    assert.ok(compareBytes(utf8('a'), utf8('ab')) < 0)
  })

  it('are joined, shown and decoded as they are', () => {
    check(
      fc.property(fc.array(someBytes), (parts) => {
        assert.equal(hex(concatBytes(parts)), Buffer.concat(parts).toString('hex'))
      }),
    )
    check(fc.property(fc.string({ unit: 'grapheme' }), (text) => assert.equal(fromUtf8(utf8(text)), text)))
    // A view in the middle of a buffer is shown alone.
    assert.equal(hex(utf8('abcd').subarray(1, 3)), '6263')
  })

  const part = fc.constantFrom('\xff', '\xc3', '\xa4', '\xed\xb3\xbf', '\xf4\x90', '\xf0\x9f\x98', '\xef\xbb\xbf', 'a')
  const pieces = fc.array(part, { maxLength: 8 }).map((parts) => new Uint8Array(Buffer.from(parts.join(''), 'latin1')))
  const anyBytes = fc.oneof(someBytes, pieces)

  it('are a name and back, whatever they are, and no two are one name', () => {
    check(
      fc.property(anyBytes, (bytes) => {
        const name = decodeName(bytes)
        assert.deepEqual(utf8(name), bytes)
        assert.ok(isNameText(name))
        if (fromUtf8(bytes) !== undefined) assert.equal(name, fromUtf8(bytes))
        else assert.ok(!name.isWellFormed())
        assert.deepEqual(name.replace(/[\udc80-\udcff]/g, '').match(/\p{Cs}/u), null)
      }),
    )
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    assert.deepEqual(utf8(decodeName(all)), all)
  })

  it('have one string: any other that would give them is none', () => {
    const unit = fc.constantFrom(
      'a',
      '\udcc3',
      '\udca4',
      '\udced',
      '\udcb3',
      '\udcbf',
      '\udcff',
      '\ud800',
      '\udc7f',
      'ä',
    )
    const text = fc.oneof(
      fc.array(unit, { maxLength: 6 }).map((units) => units.join('')),
      fc.string({ unit: 'binary' }),
    )
    check(
      fc.property(text, (name) => {
        assert.equal(isNameText(name), decodeName(utf8(name)) === name)
      }),
    )
    for (const name of ['\udcc3\udca4', '\ud800', 'a\udc00', '\udfff', 'x\udcf0\udc9f\udc98\udc80'])
      assert.ok(!isNameText(name), JSON.stringify(name))
    for (const name of ['\udcc3', '\udca4\udcc3', '\udced\udcb3\udcbf', 'ä\udcff', '']) assert.ok(isNameText(name))
  })

  it('decode as a name to the last byte and mark', () => {
    for (const [bad, name] of [
      ['\xff', '\udcff'],
      ['f\xff\xfe', 'f\udcff\udcfe'],
      ['\xc0\xaf', '\udcc0\udcaf'],
      ['\xed\xa0\x80', '\udced\udca0\udc80'],
      ['\xf4\x90\x80\x80', '\udcf4\udc90\udc80\udc80'],
      ['a\x80', 'a\udc80'],
      ['\xc3\xa4\xc3', 'ä\udcc3'],
      ['\xe2\x82A', '\udce2\udc82A'],
      ['\xff\xef\xbb\xbf', '\udcff\ufeff'],
    ] as const) {
      assert.equal(decodeName(new Uint8Array(Buffer.from(bad, 'latin1'))), name)
    }
    // A byte order mark is a character of the name like any other, and so is U+FFFD.
    for (const text of ['\ufeffa', '\ufffd', 'ä', 'a\0b'])
      assert.equal(decodeName(utf8(`x${text}y`), 1, utf8(text).length + 1), text)
  })
})

describe('writer and reader', () => {
  type Value = readonly [
    kind: 'u8' | 'u16' | 'u32' | 'varint' | 'u64' | 'i64' | 'block' | 'text',
    value: number | bigint | Uint8Array | string,
  ]
  const someValue: fc.Arbitrary<Value> = fc.oneof(
    fc.tuple(fc.constant('u8' as const), fc.nat(0xff)),
    fc.tuple(fc.constant('u16' as const), fc.nat(0xffff)),
    fc.tuple(fc.constant('u32' as const), fc.nat(0xffff_ffff)),
    fc.tuple(fc.constant('varint' as const), fc.maxSafeNat()),
    fc.tuple(fc.constant('u64' as const), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
    fc.tuple(fc.constant('i64' as const), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
    fc.tuple(fc.constant('block' as const), someBytes),
    fc.tuple(fc.constant('text' as const), fc.string({ unit: 'grapheme' })),
  )

  it('carry every value there and back, whatever the size of the first buffer', () => {
    check(
      fc.property(fc.array(someValue), fc.integer({ min: 1, max: 64 }), (values, capacity) => {
        const writer = new ByteWriter(capacity)
        for (const [kind, value] of values) (writer[kind] as (value: unknown) => void)(value)
        const { length } = writer
        const bytes = writer.take()
        assert.equal(bytes.length, length)
        assert.equal(writer.length, 0)
        const padded = concatBytes([utf8('xyz'), bytes, utf8('more')])
        const reader = new ByteReader(padded, 3, 3 + bytes.length)
        for (const [kind, value] of values) {
          const back =
            kind === 'block' ? reader.block(1000).slice() : kind === 'text' ? reader.text(4000) : reader[kind]()
          assert.deepEqual(back, value)
        }
        reader.end()
        assert.equal(reader.offset, 3 + bytes.length)
        broken(() => reader.u8())
      }),
    )
  })

  it('never write a number that is none', () => {
    for (const bad of [-1, 1.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY]) {
      assert.throws(() => new ByteWriter().varint(bad), Bug)
    }
  })

  it('refuse numbers that are too long, too large or not in their shortest form', () => {
    const varint = (...bytes: readonly number[]): ByteReader => new ByteReader(Uint8Array.from(bytes))
    assert.equal(varint(0).varint(), 0)
    assert.equal(varint(0x80, 1).varint(), 128)
    assert.equal(varint(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f).varint(), Number.MAX_SAFE_INTEGER)
    for (const bad of [
      [0x80],
      [0x80, 0],
      [0xff, 0x80, 0x00],
      [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x10],
      new Array<number>(9).fill(0x81),
    ]) {
      broken(() => varint(...bad).varint())
    }
    assert.equal(varint(10).varint(10), 10)
    broken(() => varint(11).varint(10))
  })

  it('refuse lengths beyond the end or the bound, before anything is taken', () => {
    const of = (write: (writer: ByteWriter) => void): ByteReader => {
      const writer = new ByteWriter()
      write(writer)
      return new ByteReader(writer.take())
    }
    broken(() => of((writer) => writer.varint(1000)).block(2000))
    broken(() => of((writer) => writer.varint(Number.MAX_SAFE_INTEGER)).block(Number.MAX_SAFE_INTEGER))
    broken(() => of((writer) => writer.block(new Uint8Array(11))).block(10))
    broken(() => of((writer) => writer.block(Uint8Array.from([0xff]))).text(10))
    broken(() => of((writer) => writer.u16(1)).u32())
    broken(() => of((writer) => writer.u32(1)).u64())
    broken(() => of((writer) => writer.u8(1)).end())
  })

  it('end in a value or a failure, whatever the bytes are', () => {
    const some = fc.array(someValue, { maxLength: 6 }).map((values) => {
      const writer = new ByteWriter()
      for (const [kind, value] of values) (writer[kind] as (value: unknown) => void)(value)
      return writer.take()
    })
    check(
      fc.property(mutated(some), fc.array(fc.nat(7), { maxLength: 10 }), (bytes, kinds) => {
        const reader = new ByteReader(bytes)
        try {
          for (const kind of kinds) {
            const calls = [
              () => reader.u8(),
              () => reader.u16(),
              () => reader.u32(),
              () => reader.u64(),
              () => reader.i64(),
              () => reader.varint(),
              () => reader.block(50),
              () => reader.text(50),
            ]
            calls[kind]?.()
            assert.ok(reader.offset <= bytes.length)
          }
        } catch (error) {
          assert.ok(error instanceof Failure && error.code === 'protocol-broken', String(error))
        }
      }),
    )
  })
})
