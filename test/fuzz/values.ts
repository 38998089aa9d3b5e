// Values of a message, made from the text of its schema: within its bounds, or wild. Fields that mean something (paths,
// batches) are asked of whoever knows the place; all else is chance. For tests only.

import assert from 'node:assert/strict'
import { encode } from 'cborg'
import { decodeName } from '../../src/std/bytes.ts'
import type { Chance } from '../world/disk-trees.ts'
import { edgeNumbers, pick } from './mutate.ts'

type Shape =
  | { readonly kind: 'uint' | 'bytes' | 'text' | 'path'; readonly max: number }
  | { readonly kind: 'int64' | 'flag' }
  | { readonly kind: 'choice'; readonly words: readonly string[] }
  | { readonly kind: 'list'; readonly of: Shape; readonly max: number }
  | {
      readonly kind: 'record'
      readonly fields: ReadonlyMap<string, { readonly shape: Shape; readonly optional: boolean }>
    }

/** A value for a field, by its name and what it may be, or undefined where chance is good enough. */
export type Hint = (field: string, chance: Chance) => unknown

/** Reads what `describeSchema` says. */
export function shapeOf(text: string): Shape {
  let at = 0
  const take = (pattern: RegExp): string => {
    const sticky = new RegExp(pattern.source, 'y')
    sticky.lastIndex = at
    const found = sticky.exec(text)?.[0] ?? assert.fail(`${pattern} at ${text.slice(at, at + 40)}`)
    at += found.length
    return found
  }
  const shape = (): Shape => {
    const kind = take(/[a-z]+(?:64)?/)
    if (kind === 'int64' || kind === 'flag') return { kind }
    if (kind === 'choice')
      return {
        kind,
        words: take(/\([^)]*\)/)
          .slice(1, -1)
          .split('|'),
      }
    if (kind === 'uint' || kind === 'bytes' || kind === 'text' || kind === 'path')
      return { kind, max: Number(take(/\(\d+\)/).slice(1, -1)) }
    if (kind === 'list') {
      take(/\(/)
      const of = shape()
      return { kind, of, max: Number(take(/,\d+\)/).slice(1, -1)) }
    }
    take(/\{/)
    const fields = new Map<string, { shape: Shape; optional: boolean }>()
    while (text[at] !== '}') {
      const name = take(/,?\w+\??:/).replace(/^,|:$/g, '')
      fields.set(name.replace('?', ''), { shape: shape(), optional: name.endsWith('?') })
    }
    take(/\}/)
    return { kind: 'record', fields }
  }
  const whole = shape()
  assert.equal(at, text.length)
  return whole
}

function anyText(chance: Chance, max: number): string {
  const length = Math.min(max, chance(5) === 0 ? chance(300) : chance(12))
  return Array.from({ length }, () => String.fromCodePoint(0x20 + chance(0x5f))).join('')
}

function anyName(chance: Chance, max: number): string {
  return decodeName(Uint8Array.from({ length: Math.min(max, chance(12)) }, () => chance(256)))
}

/** A value within the bounds of its schema. */
export function anyValue(shape: Shape, chance: Chance, hint: Hint, field = ''): unknown {
  const hinted = chance(20) === 0 && field !== 'sub' ? undefined : hint(field, chance)
  if (hinted !== undefined) return hinted
  switch (shape.kind) {
    case 'uint':
      return Math.min(shape.max, chance(2) === 0 ? chance(10) : pick(chance, edgeNumbers))
    case 'int64':
      return pick(chance, [0n, 1n, -1n, 1_600_000_000n, 2n ** 63n - 1n, -(2n ** 63n), BigInt(chance(2 ** 31))])
    case 'flag':
      return chance(2) === 0
    case 'bytes': {
      const length = Math.min(shape.max, pick(chance, [0, 1, 14, 16, 32, 64, chance(200)]))
      return Uint8Array.from({ length }, () => chance(256))
    }
    case 'text':
      return anyText(chance, shape.max)
    case 'path':
      return chance(3) === 0 ? anyName(chance, shape.max) : anyText(chance, shape.max)
    case 'choice':
      return pick(chance, shape.words)
    case 'list':
      return Array.from({ length: Math.min(shape.max, chance(4)) }, () =>
        anyValue(shape.of, chance, hint, `${field}[]`),
      )
    case 'record': {
      const fields = [...shape.fields].filter(([, { optional }]) => !optional || chance(6) === 0)
      return Object.fromEntries(fields.map(([name, one]) => [name, anyValue(one.shape, chance, hint, name)]))
    }
  }
}

/** Nesting, counts and kinds that no message of ours has. */
export function wildBytes(chance: Chance): Uint8Array {
  const heads = [0x9b, 0xbb, 0x5b, 0x7b].map((head) => [head, ...Array.from({ length: 8 }, () => chance(256))])
  const deep = pick(chance, [0x81, 0xa1, 0xc1, 0x9f, 0xbf])
  return pick(chance, [
    () => Uint8Array.from(pick(chance, heads)),
    () => new Uint8Array(1 + chance(100_000)).fill(deep),
    () => encode(pick(chance, [null, true, [], {}, -1, '', [[[[]]]], { a: { b: { c: 1 } } }])),
    () => encode(Object.fromEntries(Array.from({ length: chance(200) }, (_, i) => [`f${i}`, i]))),
    () => Uint8Array.from({ length: chance(60) }, () => chance(256)),
  ])()
}
