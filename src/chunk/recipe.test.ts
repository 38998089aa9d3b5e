// Recipes: kept in a form of which no damaged bit passes.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { noise } from '../../test/world/noise.ts'
import { check } from '../../test/world/trees.ts'
import { IdMap } from './id-map.ts'
import { decodeRecipe, encodeRecipe, IdList, type Recipe, recipeOf } from './recipe.ts'
import { cuttable } from './split.ts'

function recipe(content: Uint8Array): Recipe {
  const memory = cuttable(content.length)
  memory.bytes.set(content)
  return recipeOf(memory, content.length, 17)
}

describe('recipes', () => {
  it('come back as they were kept, and damaged ones do not', () => {
    const kept = recipe(noise(3, 3_000_000))
    const bytes = encodeRecipe(kept)
    assert.deepEqual(decodeRecipe(bytes), kept)
    // In memory that is aligned to nothing.
    const moved = new Uint8Array(bytes.length + 3)
    moved.set(bytes, 3)
    assert.deepEqual(decodeRecipe(moved.subarray(3)), kept)
    check(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const bad = bytes.slice()
        bad[at] = (bad[at] as number) ^ change
        assert.equal(decodeRecipe(bad), undefined)
      }),
    )
    for (const end of [0, 10, 60, 100, bytes.length - 1]) assert.equal(decodeRecipe(bytes.subarray(0, end)), undefined)
  })

  it('ids are found again, and only those', () => {
    check(
      fc.property(fc.uniqueArray(fc.nat(5000), { maxLength: 300 }), fc.nat(5000), (values, other) => {
        const idOf = (value: number): Uint32Array => Uint32Array.of(value % 3, value % 7, value % 2, value)
        const map = new IdMap(1)
        for (const value of values) assert.ok(map.put(idOf(value), 0, value))
        for (const value of values) {
          assert.equal(map.get(idOf(value), 0), value)
          assert.ok(!map.put(idOf(value), 0, -5))
        }
        assert.equal(map.size, values.length)
        if (!values.includes(other)) assert.equal(map.get(idOf(other), 0), -1)
      }),
    )
  })

  it('a list grows', () => {
    const list = new IdList()
    for (let i = 0; i < 1000; i++) list.add(i + 1, Uint32Array.of(i, i, i, i), 0)
    assert.equal(list.sizeBytes, 500_500)
    assert.deepEqual([list.lengths[999], list.ids[3999]], [1000, 999])
  })
})
