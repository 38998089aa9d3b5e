// Damage by chance: bytes and texts that were good are cut, doubled, spliced and bent at the places where readers go wrong
// (lengths, counts, ends). The same seed makes the same damage. For tests only.

import type { Chance } from '../world/disk-trees.ts'

/** Numbers that lengths and counts are bent to. */
export const edgeNumbers: readonly number[] = [
  ...[0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x1_0000],
  ...[2 ** 20, 2 ** 24 - 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 49, 2 ** 53 - 1],
]

export function pick<Item>(chance: Chance, items: readonly Item[]): Item {
  return items[chance(items.length)] as Item
}

function varint(value: number): number[] {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest]
    bytes.push((rest % 128) | 128)
  }
}

/** A number in one of the forms in which our encodings write them. */
function numberBytes(chance: Chance, value: number): number[] {
  const form = chance(4)
  if (form === 0) return varint(value)
  const width = form === 1 ? 2 : form === 2 ? 4 : 8
  return Array.from({ length: width }, (_, i) => Math.floor(value / 2 ** (8 * i)) % 256)
}

function splice(bytes: Buffer, at: number, gone: number, put: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(Math.min(bytes.length, at + gone))])
}

const longest = 256 * 1024

/** One to eight pieces of damage to `good`; some of it is taken from `others`. */
export function mutate(good: Uint8Array, others: readonly Uint8Array[], chance: Chance): Uint8Array {
  let bytes: Buffer = Buffer.from(good)
  for (let left = 1 + chance(chance(3) === 0 ? 8 : 2); left > 0; left--) {
    const at = chance(bytes.length + 1)
    const kind = chance(9)
    if (kind === 0 && at < bytes.length) bytes[at] = (bytes[at] as number) ^ (1 << chance(8))
    else if (kind === 1 && at < bytes.length) bytes[at] = pick(chance, [0, 1, 0x7f, 0x80, 0xff, chance(256)])
    else if (kind === 2) bytes = bytes.subarray(0, at)
    else if (kind === 3) bytes = splice(bytes, at, 1 + chance(16), new Uint8Array(0))
    else if (kind === 4) bytes = splice(bytes, at, 0, bytes.subarray(chance(bytes.length + 1)).subarray(0, chance(200)))
    else if (kind === 5) {
      const value = pick(chance, edgeNumbers) + (chance(3) === 0 ? chance(3) : 0)
      bytes = splice(bytes, at, chance(5), Uint8Array.from(numberBytes(chance, value)))
    } else if (kind === 6) {
      const other = pick(chance, others)
      const from = chance(other.length + 1)
      bytes = splice(bytes, at, chance(3) === 0 ? bytes.length : chance(40), other.subarray(from, from + chance(400)))
    } else if (kind === 7) {
      const unit = bytes.subarray(at, at + 1 + chance(24))
      const times = 1 + chance(chance(10) === 0 ? 2000 : 20)
      bytes = splice(bytes, at, 0, Buffer.concat(Array.from({ length: times }, () => unit)))
    } else
      bytes = splice(
        bytes,
        at,
        chance(4),
        Uint8Array.from({ length: chance(8) }, () => chance(256)),
      )
    if (bytes.length > longest) bytes = bytes.subarray(0, longest)
  }
  return new Uint8Array(bytes)
}

/** Characters that texts go wrong at. */
const oddTexts: readonly string[] = [
  ...[
    '\0',
    '\n',
    '\r\n',
    '/',
    '//',
    '..',
    '../',
    '.',
    '\\',
    '\\\\?\\',
    'C:',
    ':',
    '*',
    '**',
    '**/',
    '?',
    '[',
    '[!',
    '[]',
    '[a-',
  ],
  ...[
    '[[:alpha:]',
    '!',
    '#',
    '$',
    ' ',
    '\t',
    '\ufeff',
    '\u202e',
    '\u009b',
    '\ud800',
    '\udfff',
    'ß',
    'İ',
    'K',
    'é',
    'e\u0301',
  ],
  ...[
    '😀',
    '__proto__',
    'constructor',
    '.nightferry',
    '.NIGHTFERRY',
    '-1',
    '1e400',
    '0x10',
    '{',
    '}',
    '"',
    '[[[[[[[[',
    '[1,',
  ],
]

/** The same for text, by characters. */
export function mutateText(good: string, others: readonly string[], chance: Chance): string {
  let text = good
  for (let left = 1 + chance(chance(3) === 0 ? 8 : 2); left > 0; left--) {
    const at = chance(text.length + 1)
    const kind = chance(6)
    const put = (gone: number, more: string): string => text.slice(0, at) + more + text.slice(at + gone)
    if (kind === 0) text = put(1 + chance(8), '')
    else if (kind === 1) text = put(chance(3), pick(chance, oddTexts))
    else if (kind === 2) text = text.slice(0, at)
    else if (kind === 3)
      text = put(0, text.slice(at, at + 1 + chance(20)).repeat(1 + chance(chance(10) === 0 ? 500 : 8)))
    else if (kind === 4) text = put(chance(30), pick(chance, others).slice(chance(20), 20 + chance(60)))
    else text = put(1, String.fromCharCode(chance(4) === 0 ? chance(0x1_0000) : chance(0x80)))
    if (text.length > longest / 4) text = text.slice(0, longest / 4)
  }
  return text
}

const oddValues: readonly unknown[] = [
  ...[
    null,
    true,
    false,
    0,
    -1,
    1.5,
    1e308,
    2 ** 53,
    2 ** 31,
    -(2 ** 63),
    '',
    '..',
    '../x',
    '/etc',
    'a\0b',
    '\ud800',
    '__proto__',
  ],
  ...[
    'x'.repeat(5000),
    [],
    [[]],
    {},
    { length: 1e9 },
    { __proto__: null, version: 1 },
    '1',
    99,
    'forever',
    '.nightferry',
  ],
]

/** Damage to the values of lines of JSON; other text stays as it is. */
export function mutateJson(good: string, chance: Chance): string {
  const lines = good.split('\n')
  const at = chance(lines.length)
  try {
    lines[at] = JSON.stringify(bendValue(JSON.parse(lines[at] as string), chance))
  } catch {
    return good
  }
  return lines.join('\n')
}

function bendValue(value: unknown, chance: Chance): unknown {
  if (typeof value !== 'object' || value === null || chance(8) === 0) {
    if (typeof value === 'string' && chance(2) === 0) return mutateText(value, [value], chance)
    return pick(chance, oddValues)
  }
  if (Array.isArray(value)) {
    const copy: unknown[] = [...value]
    const at = chance(copy.length + 1)
    const kind = chance(5)
    if (kind === 0) copy.splice(at, 1)
    else if (kind === 1) copy.splice(at, 0, pick(chance, oddValues))
    else if (at < copy.length) copy[at] = bendValue(copy[at], chance)
    return copy
  }
  const fields = Object.entries(value)
  const [name = 'x', inner] = fields[chance(fields.length + 1)] ?? []
  if (chance(5) === 0) return Object.fromEntries(fields.filter(([one]) => one !== name))
  return Object.fromEntries([...fields, [chance(10) === 0 ? `${name}x` : name, bendValue(inner, chance)]])
}
