// Cuts: they lie where golden vectors say, within bounds, cover the content without a gap, do not depend on how the content
// lies in memory or what follows it, and an edit moves those beside it and no others.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { noise } from '../../test/world/noise.ts'
import { check } from '../../test/world/trees.ts'
import { hex } from '../std/bytes.ts'
import { recipeOf } from './recipe.ts'
import {
  type Cuttable,
  cuttable,
  fineGrain,
  grainFor,
  isGrain,
  longestChunk,
  Splitter,
  shortestChunk,
} from './split.ts'

type Golden = {
  readonly kind: string
  readonly seed: number
  readonly length: number
  readonly grain: number
  readonly cuts: readonly number[]
  /** Of the first chunks. */
  readonly ids: readonly string[]
}

const fixture = join(import.meta.dirname, '../../test/fixtures/cuts.json')
const golden = JSON.parse(readFileSync(fixture, 'utf8')) as Golden[]

/** The content of a golden vector: noise, zeros, a line again and again, or noise in which every third 4 KiB is zero. */
function contentOf({ kind, seed, length }: Pick<Golden, 'kind' | 'seed' | 'length'>): Uint8Array {
  if (kind === 'zeros') return new Uint8Array(length)
  if (kind === 'noise') return noise(seed, length)
  if (kind === 'mixed') return noise(seed, length).map((byte, at) => ((at >> 12) % 3 === 0 ? 0 : byte))
  const line = Buffer.from(`line ${seed} of a log that says the same again\n`)
  return Uint8Array.from({ length }, (_, at) => line[at % line.length] as number)
}

function memoryOf(content: Uint8Array, before = 0, after = 0): Cuttable {
  const memory = cuttable(before + content.length + after)
  memory.bytes.fill(0xa5)
  memory.bytes.set(content, before)
  return memory
}

/** Ends of chunks, counted from where the content starts. */
function cutsOf(memory: Cuttable, start: number, end: number, grain: number): number[] {
  const splitter = new Splitter(grain)
  const cuts: number[] = []
  for (let at = start; at < end; ) {
    at = splitter.cut(memory, at, end)
    cuts.push(at - start)
  }
  return cuts
}

function idsOf(ids: Uint32Array, count: number): string[] {
  const bytes = new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength)
  return Array.from({ length: count }, (_, i) => hex(bytes.subarray(16 * i, 16 * i + 16)))
}

describe('split', () => {
  for (const vector of golden) {
    const { kind, seed, length, grain, cuts, ids } = vector
    it(`cuts ${length} bytes of ${kind} ${seed} at grain ${grain} where it always did`, () => {
      const memory = memoryOf(contentOf(vector))
      assert.deepEqual(cutsOf(memory, 0, length, grain), cuts)
      assert.deepEqual(idsOf(recipeOf(memory, length, grain).ids, ids.length), ids)
    })
  }

  const contents = fc.oneof(
    fc.tuple(fc.nat(1_000_000), fc.integer({ min: 1, max: 1_500_000 })).map(([seed, length]) => noise(seed, length)),
    fc.uint8Array({ minLength: 1, maxLength: 200 }),
    fc
      .tuple(fc.nat(255), fc.integer({ min: 1, max: 1_500_000 }))
      .map(([byte, length]) => new Uint8Array(length).fill(byte)),
  )
  for (const grain of [fineGrain, 17]) {
    it(`covers every content within bounds at grain ${grain}, wherever it lies and whatever follows it`, () => {
      check(
        fc.property(
          contents,
          fc.integer({ min: 0, max: 9 }),
          fc.integer({ min: 0, max: 50 }),
          (bytes, before, after) => {
            const cuts = cutsOf(memoryOf(bytes), 0, bytes.length, grain)
            assert.equal(cuts.at(-1), bytes.length)
            for (let i = 0; i < cuts.length; i++) {
              const length = (cuts[i] as number) - (cuts[i - 1] ?? 0)
              assert.ok(length > 0 && length <= longestChunk(grain))
              assert.ok(i === cuts.length - 1 || length > shortestChunk(grain))
            }
            assert.deepEqual(cutsOf(memoryOf(bytes, before, after), before, before + bytes.length, grain), cuts)
          },
        ),
        60,
      )
    })
  }

  for (const [grain, freshMax] of [
    [fineGrain, 20],
    [17, 24],
  ] as const) {
    it(`an edit moves the cuts beside it and no others at grain ${grain}`, () => {
      const base = noise(77, 2 ** (grain + 8))
      const known = new Set(idsOf(recipeOf(memoryOf(base), base.length, grain).ids, 400))
      const edit = fc.record({
        at: fc.nat(base.length),
        removed: fc.nat(3000),
        added: fc.uint8Array({ maxLength: 3000 }),
      })
      check(
        fc.property(edit, ({ at, removed, added }) => {
          const bytes = Buffer.concat([base.subarray(0, at), added, base.subarray(at + removed)])
          const recipe = recipeOf(memoryOf(bytes), bytes.length, grain)
          const fresh = idsOf(recipe.ids, recipe.lengths.length).filter((id) => !known.has(id))
          // What is edited, the rest of its chunk, and the chunks until cuts meet again: one or two mostly, with a long tail.
          assert.ok(fresh.length <= freshMax, `${fresh.length} chunks are new`)
        }),
        20,
      )
    })
  }

  it('is as fine as the size allows', () => {
    const sizes = [0, 2 ** 29, 2 ** 29 + 1, 2 ** 32, 2 ** 35, 2 ** 35 + 1, 2 ** 50]
    assert.deepEqual(sizes.map(grainFor), [17, 17, 18, 18, 19, 20, 20])
    assert.deepEqual([13, 16, 17, 20, 21, 17.5, Number.NaN].map(isGrain), [
      false,
      false,
      true,
      true,
      false,
      false,
      false,
    ])
  })
})
