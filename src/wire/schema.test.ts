// Messages that decode, and all the ways in which bytes do not.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encode, Token, Type } from 'cborg'
import fc from 'fast-check'
import { decodeName, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import {
  bytes,
  choice,
  decodeMessage,
  describeSchema,
  encodeMessage,
  flag,
  int64,
  list,
  type Of,
  optional,
  path,
  record,
  type Schema,
  text,
  uint,
} from './schema.ts'

const entry = record({ name: bytes(255), kind: choice('file', 'directory'), mtimeNs: int64 })
const sample = record({
  count: uint(1000),
  title: text(20),
  entries: list(entry, 100),
  open: flag,
  note: optional(text(10)),
})
type Sample = Of<typeof sample>

const value: Sample = {
  count: 3,
  title: 'ünï',
  entries: [{ name: Uint8Array.of(0xff, 0), kind: 'file', mtimeNs: 1_700_000_000_123_456_789n }],
  open: true,
}

function refusal(schema: Schema<unknown>, given: Uint8Array): Failure {
  try {
    decodeMessage(schema, given)
  } catch (error) {
    assert.ok(error instanceof Failure, String(error))
    return error
  }
  throw new Error('was accepted')
}

function hexBytes(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'))
}

test('what is written is read back, and the types follow', () => {
  const annotated: Schema<Sample> = sample
  assert.deepEqual(decodeMessage(annotated, encodeMessage(annotated, value)), value)
  // @ts-expect-error a field that may be missing is left out, not undefined; it is written as missing all the same
  const absent: Sample = { ...value, note: undefined }
  const noted: Sample = { ...value, note: 'x' }
  assert.deepEqual(decodeMessage(sample, encodeMessage(sample, noted)), noted)
  assert.deepEqual(decodeMessage(sample, encodeMessage(sample, absent)), value)
  // @ts-expect-error a required field
  const missing: Sample = { count: 1, title: '', entries: [] }
  assert.throws(() => encodeMessage(sample, missing), /message.open is given/)
})

test('a Buffer gives the same as its bytes, and bytes read do not alias it', () => {
  const encoded = Buffer.concat([Buffer.from('xx'), encodeMessage(bytes(5), Uint8Array.of(1, 2))]).subarray(2)
  const read = decodeMessage(bytes(5), encoded)
  encoded.fill(0)
  assert.deepEqual(read, Uint8Array.of(1, 2))
})

test('any value of the schema survives, and equal values give equal bytes', () => {
  const arbitrary = fc.record(
    {
      count: fc.integer({ min: 0, max: 1000 }),
      title: fc.string({ unit: 'binary', maxLength: 5 }),
      entries: fc.array(
        fc.record(
          {
            name: fc.uint8Array({ maxLength: 255 }).map((name) => new Uint8Array(name)),
            kind: fc.constantFrom('file' as const, 'directory' as const),
            mtimeNs: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
          },
          { noNullPrototype: true },
        ),
        { maxLength: 5 },
      ),
      open: fc.boolean(),
    },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(arbitrary, (one) => {
      const encoded = encodeMessage(sample, one)
      assert.deepEqual(decodeMessage(sample, encoded), one)
      const { count, title, entries, open } = one
      const turned: Sample = { open, entries, title, count }
      assert.deepEqual(encodeMessage(sample, turned), encoded)
    }),
    { seed: 1 },
  )
})

describe('refused, with the field named and nothing echoed', () => {
  const small = record({ a: uint(10), b: optional(text(4)) })
  const cases: readonly (readonly [string, Schema<unknown>, Uint8Array, RegExp])[] = [
    ['nothing', small, new Uint8Array(), /message is cut off/],
    ['missing', small, encode(new Map()), /message\.a is missing/],
    ['wrong kind', small, encode({ a: 'evil' }), /message\.a is not a whole number/],
    ['negative', small, encode({ a: -1 }), /message\.a is not a whole number/],
    ['float', small, encode({ a: 1.5 }), /message\.a is not a whole number/],
    ['above the bound', small, encode({ a: 11 }), /message\.a is above 10/],
    ['above 2^53', uint(Number.MAX_SAFE_INTEGER), encode(2n ** 60n), /not a whole number/],
    ['text too long', small, encode({ a: 1, b: 'secret' }), /message\.b is longer than 4 bytes/],
    ['twice', small, hexBytes('a2616101616102'), /message\.a is there twice/],
    ['cut off', small, encode({ a: 1, b: 'abc' }).subarray(0, 8), /message\.b is not well-formed/],
    ['bytes after the end', small, hexBytes('a161610100'), /has bytes after its end/],
    ['indefinite map', small, hexBytes('bf616101ff'), /message is not well-formed/],
    ['number not minimal', small, hexBytes('a161611801'), /message\.a is not well-formed/],
    ['not a record', small, encode([1]), /message is not a record/],
    ['key not a text', small, hexBytes('a10101'), /message is not a text/],
    ['tag', uint(10), hexBytes('c101'), /message is not a whole number/],
    ['undefined', flag, hexBytes('f7'), /message is not well-formed/],
    ['null', flag, hexBytes('f6'), /message is not a flag/],
    ['not UTF-8', text(4), hexBytes('62c328'), /message is not UTF-8/],
    ['a path that is not UTF-8, as text', path(4), hexBytes('62c328'), /message is not UTF-8/],
    ['a path that is text, as bytes', path(4), hexBytes('42c3a4'), /message is text that is sent as bytes/],
    ['a path that is too long', path(1), hexBytes('42c3ff'), /message is longer than 1 bytes/],
    ['a path that is a number', path(4), hexBytes('01'), /message is not a text/],
    ['surrogate in UTF-8', text(4), hexBytes('63eda080'), /message is not UTF-8/],
    ['bytes too long', bytes(1), encode(Uint8Array.of(1, 2)), /longer than 1 bytes/],
    ['list too long', list(uint(1), 2), encode([1, 1, 1]), /more than 2 values/],
    ['list length bomb', list(uint(1), 2 ** 31), hexBytes('9affffffff00'), /has more than|is cut off|not a list/],
    ['bytes length bomb', bytes(2 ** 40), hexBytes('5b000000ffffffffff00'), /is not well-formed/],
    ['map length bomb', small, hexBytes('bb001fffffffffffff'), /too many fields/],
    ['unknown word', choice('yes', 'no'), encode('maybe'), /longer than 3 bytes/],
    ['unknown short word', choice('yes', 'no'), encode('nay'), /is not one of its words/],
    ['too large for 64 bits', int64, encode(2n ** 63n), /does not fit into 64 bits/],
    ['too small for 64 bits', int64, hexBytes('3bffffffffffffffff'), /does not fit into 64 bits/],
  ]
  for (const [name, schema, given, message] of cases) {
    test(name, () => {
      const failure = refusal(schema, given)
      assert.equal(failure.code, 'protocol-broken')
      assert.match(failure.message, message)
      assert.doesNotMatch(failure.message, /evil|secret|maybe|nay/)
    })
  }
})

test('unknown fields of any depth are skipped, up to a bound, and never recursed into', () => {
  const small = record({ a: uint(10) })
  const deep = Buffer.concat([hexBytes('a2616101617a'), Buffer.alloc(200_000, 0x81), hexBytes('00')])
  assert.deepEqual(decodeMessage(small, deep), { a: 1 })
  assert.deepEqual(decodeMessage(small, encode({ a: 1, other: { list: [1, { b: 2n ** 60n }] }, tag: 'x' })), { a: 1 })
  const many = new Map<string, number>([['a', 1]])
  for (let index = 0; index < 70; index++) many.set(`f${index}`, index)
  assert.match(refusal(small, encode(many)).message, /too many fields/)
})

test('__proto__ and constructor are only names', () => {
  const small = record({ a: uint(10) })
  const read = decodeMessage(
    small,
    encode(
      new Map<string, unknown>([
        ['a', 1],
        ['__proto__', { a: 9, x: 1 }],
        ['constructor', 1],
      ]),
    ),
  )
  assert.deepEqual(Object.keys(read), ['a'])
  assert.equal(Object.getPrototypeOf(read), Object.prototype)
  assert.equal(Reflect.get(read, 'x'), undefined)
  const named = record({ ['__proto__']: uint(5) })
  assert.deepEqual(Object.entries(decodeMessage(named, encode(new Map([['__proto__', 3]])))), [['__proto__', 3]])
})

test('our own values out of bounds are refused before they are sent', () => {
  for (const send of [
    () => encodeMessage(uint(5), 6),
    () => encodeMessage(text(3), 'äö'),
    () => encodeMessage(bytes(1), new Uint8Array(2)),
    () => encodeMessage(list(flag, 1), [true, true]),
  ]) {
    assert.throws(send, (error) => error instanceof Failure && error.code === 'limit-exceeded')
  }
  assert.throws(() => encodeMessage(text(3), '\ud800'), /surrogate/)
})

test('a path is any bytes, there and back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), (given) => {
      const name = decodeName(given)
      const encoded = encodeMessage(path(20), name)
      assert.equal(decodeMessage(path(20), encoded), name)
      assert.deepEqual(utf8(name), given)
    }),
    { seed: 1 },
  )
  assert.throws(
    () => encodeMessage(path(1), '\udcff\udcff'),
    (error) => error instanceof Failure && error.code === 'limit-exceeded',
  )
})

test('random bytes never do anything but decode or refuse', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (given) => {
      try {
        decodeMessage(sample, given)
      } catch (error) {
        assert.ok(error instanceof Failure && error.code === 'protocol-broken', String(error))
      }
    }),
    { seed: 2, numRuns: 2000 },
  )
  fc.assert(
    fc.property(fc.nat(), fc.nat(255), (at, byte) => {
      const encoded = encodeMessage(sample, value)
      encoded[at % encoded.length] = byte
      try {
        decodeMessage(sample, encoded)
      } catch (error) {
        assert.ok(error instanceof Failure && error.code === 'protocol-broken', String(error))
      }
    }),
    { seed: 3, numRuns: 2000 },
  )
})

test('describeSchema is stable and independent of the order of fields', () => {
  assert.equal(
    describeSchema(sample),
    'record{count:uint(1000),entries:list(record{kind:choice(directory|file),mtimeNs:int64,name:bytes(255)},100),' +
      'note?:text(10),open:flag,title:text(20)}',
  )
  assert.equal(describeSchema(record({ b: flag, a: flag })), describeSchema(record({ a: flag, b: flag })))
})

test('cborg is used as expected: its token kinds are single objects', () => {
  assert.ok(new Token(Type.uint, 1, 1).type === Type.uint)
})
