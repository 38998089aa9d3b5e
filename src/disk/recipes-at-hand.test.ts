// What is known of files on their way: by name and signature, bounded, and forgotten with their source.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Recipe } from '../chunk/recipe.ts'
import { statSizeLow, statWidth } from '../core/stat.ts'
import { RecipesAtHand } from './recipes-at-hand.ts'

function stats(size: number): Uint32Array {
  const row = new Uint32Array(statWidth)
  row[statSizeLow] = size
  return row
}

function recipe(chunks: number): Recipe {
  const lengths = new Uint32Array(chunks).fill(1)
  return { grain: 13, sizeBytes: chunks, digest: new Uint8Array(32), lengths, ids: new Uint32Array(4 * chunks) }
}

describe('recipes at hand', () => {
  it('are found by name, signature and grain, and by nothing else', () => {
    const atHand = new RecipesAtHand()
    const one = recipe(1)
    atHand.put('1\0a', stats(5), one)
    assert.equal(atHand.get('1\0a', stats(5), 13), one)
    assert.equal(atHand.get('1\0a', stats(6), 13), undefined)
    assert.equal(atHand.get('1\0a', stats(5), 14), undefined)
    assert.equal(atHand.get('1\0b', stats(5), 13), undefined)
  })

  it('are forgotten with their source', () => {
    const atHand = new RecipesAtHand()
    atHand.put('1\0a', stats(5), recipe(1))
    atHand.put('11\0a', stats(5), recipe(1))
    atHand.forget('1\0')
    assert.equal(atHand.get('1\0a', stats(5), 13), undefined)
    assert.notEqual(atHand.get('11\0a', stats(5), 13), undefined)
  })

  it('are bounded: the oldest go, the newest stays however large it is', () => {
    const atHand = new RecipesAtHand(100 * 16)
    for (const name of ['a', 'b', 'c']) atHand.put(name, stats(5), recipe(40))
    assert.deepEqual(
      ['a', 'b', 'c'].map((name) => atHand.get(name, stats(5), 13) !== undefined),
      [false, true, true],
    )
    atHand.put('c', stats(5), recipe(30))
    assert.notEqual(atHand.get('b', stats(5), 13), undefined)
    atHand.put('d', stats(5), recipe(200))
    assert.deepEqual(
      ['b', 'c', 'd'].map((name) => atHand.get(name, stats(5), 13) !== undefined),
      [false, false, true],
    )
  })
})
