// What a control message may hold: a small set of bounded kinds, over CBOR. Decoding follows the schema token by token,
// so depth, counts and lengths are the schema's, never the sender's; fields that the schema does not know are skipped
// (a newer program may send them), fields sent twice, indefinite lengths, floats, tags and non-minimal numbers are
// refused. A refusal names the field and the kind of fault, never what was sent. Values that decode are plain: numbers,
// bigints, strings, byte arrays, arrays, and objects whose keys are only those of the schema.

import { encode, Tokenizer, Type } from 'cborg'
import { assert } from '../std/assert.ts'
import { decodeName, fromUtf8, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'

/** How a value of type `Value` is written, read back and described. Made by the functions below. */
export interface Schema<Value> {
  /** Stable text: two schemas with the same text read the same bytes in the same way. */
  readonly text: string
  /** What cborg is given to encode. Throws Failure('limit-exceeded') for a value out of bounds. */
  plain(value: Value, field: string): unknown
  read(tokens: Tokens, field: string): Value
}

/** A field that may be missing. */
type Optional<Value> = { readonly optional: Schema<Value> }

type Field = Schema<unknown> | Optional<unknown>
type Fields = Readonly<Record<string, Field>>
type FieldValue<Of> = Of extends Optional<infer Value> ? Value : Of extends Schema<infer Value> ? Value : never
type RequiredKeys<Of extends Fields> = { [Key in keyof Of]: Of[Key] extends Optional<unknown> ? never : Key }[keyof Of]
type OptionalKeys<Of extends Fields> = { [Key in keyof Of]: Of[Key] extends Optional<unknown> ? Key : never }[keyof Of]
type Flat<Value> = { [Key in keyof Value]: Value[Key] }

/** The type of the values of a record with these fields. */
type RecordOf<Of extends Fields> = Flat<
  { readonly [Key in RequiredKeys<Of>]: FieldValue<Of[Key]> } & {
    readonly [Key in OptionalKeys<Of>]?: FieldValue<Of[Key]>
  }
>

/** The type of the values of a schema: `type Hello = Of<typeof hello>`. */
export type Of<Some> = Some extends Schema<infer Value> ? Value : never

function broken(field: string, fault: string): Failure {
  return new Failure('protocol-broken', `a message's field ${field} ${fault}`)
}

function tooLarge(field: string, bound: number): Failure {
  return new Failure('limit-exceeded', `a message's field ${field} is above its bound of ${bound}`)
}

type Token = { readonly type: Type; readonly value: unknown; readonly byteValue?: Uint8Array | undefined }

/** The tokens of one message, from bytes that a peer chose. */
class Tokens {
  readonly #tokens: Tokenizer

  constructor(bytes: Uint8Array) {
    // A Buffer's own `slice` is a view; cborg expects a copy, as a plain Uint8Array gives.
    const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#tokens = new Tokenizer(plain, {
      strict: true,
      allowIndefinite: false,
      allowUndefined: false,
      allowNaN: false,
      allowInfinity: false,
      allowBigInt: true,
      retainStringBytes: true,
    })
  }

  next(field: string): Token {
    if (this.#tokens.done()) throw broken(field, 'is cut off')
    try {
      return this.#tokens.next()
    } catch {
      throw broken(field, 'is not well-formed')
    }
  }

  /** Steps over one value of any kind. Counts instead of recursing: nesting costs nothing. */
  skip(field: string): void {
    let left = 1
    while (left > 0) {
      const { type, value } = this.next(field)
      left -= 1
      if (type === Type.array) left += Number(value)
      else if (type === Type.map) left += 2 * Number(value)
      else if (type === Type.tag) left += 1
    }
  }

  end(): void {
    if (!this.#tokens.done()) throw broken('(whole)', 'has bytes after its end')
  }
}

function textOf(token: Token, maxBytes: number, field: string): string {
  if (token.type !== Type.string) throw broken(field, 'is not a text')
  const bytes = token.byteValue ?? utf8(String(token.value))
  if (bytes.length > maxBytes) throw broken(field, `is longer than ${maxBytes} bytes`)
  const text = fromUtf8(bytes)
  if (text === undefined) throw broken(field, 'is not UTF-8')
  return text
}

/** A whole number from 0 to `max`, at most 2^53 - 1. */
export function uint(max: number): Schema<number> {
  assert(Number.isSafeInteger(max) && max >= 0, 'the bound of a uint is a safe integer')
  return {
    text: `uint(${max})`,
    plain(value, field) {
      assert(Number.isSafeInteger(value) && value >= 0, `${field} is a whole number`)
      if (value > max) throw tooLarge(field, max)
      return value
    },
    read(tokens, field) {
      const { type, value } = tokens.next(field)
      if (type !== Type.uint || typeof value !== 'number') throw broken(field, 'is not a whole number')
      if (value > max) throw broken(field, `is above ${max}`)
      return value
    },
  }
}

const int64Min = -(2n ** 63n)
const int64Max = 2n ** 63n - 1n

/** A signed 64-bit number, such as a time in ns. */
export const int64: Schema<bigint> = {
  text: 'int64',
  plain(value, field) {
    assert(value >= int64Min && value <= int64Max, `${field} fits into 64 bits`)
    return value
  },
  read(tokens, field) {
    const { type, value } = tokens.next(field)
    if (type !== Type.uint && type !== Type.negint) throw broken(field, 'is not a number')
    if (typeof value !== 'number' && typeof value !== 'bigint') throw broken(field, 'is not a number')
    const exact = BigInt(value)
    if (exact < int64Min || exact > int64Max) throw broken(field, 'does not fit into 64 bits')
    return exact
  },
}

/** At most `max` bytes; what is read is a copy. */
export function bytes(max: number): Schema<Uint8Array> {
  return {
    text: `bytes(${max})`,
    plain(value, field) {
      if (value.length > max) throw tooLarge(field, max)
      return value
    },
    read(tokens, field) {
      const { type, value } = tokens.next(field)
      if (type !== Type.bytes || !(value instanceof Uint8Array)) throw broken(field, 'is not bytes')
      if (value.length > max) throw broken(field, `is longer than ${max} bytes`)
      return value
    },
  }
}

/** Well-formed text of at most `maxBytes` bytes in UTF-8. */
export function text(maxBytes: number): Schema<string> {
  return {
    text: `text(${maxBytes})`,
    plain(value, field) {
      if (utf8(value).length > maxBytes) throw tooLarge(field, maxBytes)
      assert(value.isWellFormed(), `${field} has no lone surrogate`)
      return value
    },
    read: (tokens, field) => textOf(tokens.next(field), maxBytes, field),
  }
}

/**
 * A name or a path of at most `maxBytes` bytes, as `decodeName` gives it: text where its bytes are UTF-8, else the bytes.
 * Whoever uses it parses it.
 */
export function path(maxBytes: number): Schema<string> {
  return {
    text: `path(${maxBytes})`,
    plain(value, field) {
      const encoded = utf8(value)
      if (encoded.length > maxBytes) throw tooLarge(field, maxBytes)
      return value.isWellFormed() ? value : encoded
    },
    read(tokens, field) {
      const token = tokens.next(field)
      if (token.type !== Type.bytes || !(token.value instanceof Uint8Array)) return textOf(token, maxBytes, field)
      if (token.value.length > maxBytes) throw broken(field, `is longer than ${maxBytes} bytes`)
      const name = decodeName(token.value)
      if (name.isWellFormed()) throw broken(field, 'is text that is sent as bytes')
      return name
    },
  }
}

/** true or false. */
export const flag: Schema<boolean> = {
  text: 'flag',
  plain: (value) => value,
  read(tokens, field) {
    const { type, value } = tokens.next(field)
    if ((type !== Type.true && type !== Type.false) || typeof value !== 'boolean') throw broken(field, 'is not a flag')
    return value
  },
}

/** At most `max` values of one kind. */
export function list<Value>(of: Schema<Value>, max: number): Schema<readonly Value[]> {
  return {
    text: `list(${of.text},${max})`,
    plain(values, field) {
      if (values.length > max) throw tooLarge(field, max)
      return values.map((value) => of.plain(value, `${field}[]`))
    },
    read(tokens, field) {
      const { type, value } = tokens.next(field)
      if (type !== Type.array || typeof value !== 'number') throw broken(field, 'is not a list')
      if (value > max) throw broken(field, `has more than ${max} values`)
      const values: Value[] = []
      for (let index = 0; index < value; index++) values.push(of.read(tokens, `${field}[]`))
      return values
    },
  }
}

/** One of a few fixed words. */
export function choice<const Words extends readonly [string, ...string[]]>(...words: Words): Schema<Words[number]> {
  const maxBytes = Math.max(...words.map((word) => utf8(word).length))
  const known = new Map<string, Words[number]>(words.map((word) => [word, word]))
  return {
    text: `choice(${[...words].sort().join('|')})`,
    plain(value, field) {
      assert(known.has(value), `${field} is one of its words`)
      return value
    },
    read(tokens, field) {
      const word = known.get(textOf(tokens.next(field), maxBytes, field))
      if (word === undefined) throw broken(field, 'is not one of its words')
      return word
    },
  }
}

/** Marks a field of a record that may be missing. */
export function optional<Value>(of: Schema<Value>): Optional<Value> {
  return { optional: of }
}

const maxSkippedFields = 64
const maxKeyBytes = 64

/** Named fields. Unknown ones are skipped on reading, at most 64 of them. */
export function record<const Of extends Fields>(fields: Of): Schema<RecordOf<Of>> {
  const known = new Map<string, { schema: Schema<unknown>; required: boolean }>()
  for (const [name, field] of Object.entries<Field>(fields)) {
    assert(utf8(name).length <= maxKeyBytes, `the field name ${name} is short`)
    const required = !('optional' in field)
    known.set(name, { schema: (required ? field : field.optional) as Schema<unknown>, required })
  }
  const describe = ([name, { schema, required }]: [string, { schema: Schema<unknown>; required: boolean }]): string =>
    `${name}${required ? '' : '?'}:${schema.text}`
  return {
    text: `record{${[...known]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(describe)
      .join(',')}}`,
    plain(value, field) {
      const given = new Map(Object.entries(value))
      const written = new Map<string, unknown>()
      for (const [name, { schema, required }] of known) {
        const one = given.get(name)
        if (one !== undefined) written.set(name, schema.plain(one, `${field}.${name}`))
        else assert(!required, `${field}.${name} is given`)
      }
      return written
    },
    read(tokens, field) {
      const { type, value: count } = tokens.next(field)
      if (type !== Type.map || typeof count !== 'number') throw broken(field, 'is not a record')
      if (count > known.size + maxSkippedFields) throw broken(field, 'has too many fields')
      const values = new Map<string, unknown>()
      for (let index = 0; index < count; index++) {
        const name = textOf(tokens.next(field), maxKeyBytes, field)
        const one = known.get(name)
        if (one === undefined) tokens.skip(field)
        else if (values.has(name)) throw broken(`${field}.${name}`, 'is there twice')
        else values.set(name, one.schema.read(tokens, `${field}.${name}`))
      }
      for (const [name, { required }] of known) {
        if (required && !values.has(name)) throw broken(`${field}.${name}`, 'is missing')
      }
      return Object.fromEntries(values) as RecordOf<Of>
    },
  }
}

/** The bytes of a message. Deterministic: equal values give equal bytes. */
export function encodeMessage<Value>(schema: Schema<Value>, value: Value): Uint8Array {
  return encode(schema.plain(value, 'message'))
}

/** The value in `bytes`, all of which must be used. Throws Failure('protocol-broken') that names the field at fault. */
export function decodeMessage<Value>(schema: Schema<Value>, bytes: Uint8Array): Value {
  const tokens = new Tokens(bytes)
  const value = schema.read(tokens, 'message')
  tokens.end()
  return value
}

/** The schema as stable text, for the test that guards the wire's version. */
export function describeSchema<Value>(schema: Schema<Value>): string {
  return schema.text
}
