// Recipes are kept by content, verified when they are loaded, and bounded in all.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { encodeRecipe, type Recipe, recipeOf } from '../chunk/recipe.ts'
import { cuttable } from '../chunk/split.ts'
import { openState, type State } from './open.ts'
import { knownRecipes, loadRecipes, saveRecipes, touchRecipes } from './recipes.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-recipes-'))
after(() => rmSync(home, { recursive: true, force: true }))

let made = 0
let nowMs = 1_795_000_000_000
function open(directory = join(home, `state-${++made}`)): { state: State; directory: string } {
  const clock = { nowMs: () => nowMs, monotonicMs: () => 0, sleep: async () => {}, timer: () => ({ cancel() {} }) }
  return { state: openState({ directory, clock }), directory }
}

function recipe(fill: number, grain = 17): Recipe {
  const memory = cuttable(200_000)
  for (let i = 0; i < 200_000; i++) memory.bytes[i] = (i * i * fill) >>> 5
  return recipeOf(memory, 200_000, grain)
}

/** A recipe of chunks that nobody cut: 20,088 bytes. */
function large(mark: number): Recipe {
  const lengths = new Uint32Array(1000).fill(8192)
  const ids = new Uint32Array(4000)
  return { grain: 17, sizeBytes: 8_192_000, digest: new Uint8Array(32).fill(mark), lengths, ids }
}

test('a recipe comes back by the digest of its content, one a grain', () => {
  const { state } = open()
  const [fine, coarse, other] = [recipe(7), recipe(7, 19), recipe(11)].map(encodeRecipe) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ]
  saveRecipes(state, [fine, coarse, other])
  saveRecipes(state, [fine])
  const found = loadRecipes(state, recipe(7).digest)
  assert.deepEqual(
    found.map((body) => Buffer.from(body)),
    [fine, coarse].map((body) => Buffer.from(body)),
  )
  assert.deepEqual(loadRecipes(state, new Uint8Array(32)), [])
  assert.equal(knownRecipes(state).length, 2)
  state[Symbol.dispose]()
})

test('one flipped bit, or a recipe under another digest, and it is not there', () => {
  const { state, directory } = open()
  const body = encodeRecipe(recipe(7))
  saveRecipes(state, [body])
  state[Symbol.dispose]()
  for (const at of [0, 5, 17, 30, 60, 100, body.length - 1]) {
    const database = new DatabaseSync(join(directory, 'state.db'))
    const bad = body.slice()
    bad[at] = (bad[at] as number) ^ 4
    database.prepare('UPDATE recipes SET body = ?').run(bad)
    database.close()
    const again = open(directory).state
    assert.deepEqual(loadRecipes(again, recipe(7).digest), [], `byte ${at}`)
    again[Symbol.dispose]()
  }
  const database = new DatabaseSync(join(directory, 'state.db'))
  database.prepare('UPDATE recipes SET body = ?').run(encodeRecipe(recipe(11)))
  database.close()
  const again = open(directory).state
  assert.deepEqual(loadRecipes(again, recipe(7).digest), [])
  again[Symbol.dispose]()
})

test('too many recipes: the longest unused go; what is no recipe is not kept', () => {
  const { state } = open()
  saveRecipes(state, [new Uint8Array(100)])
  assert.deepEqual(knownRecipes(state), [])
  for (let mark = 1; mark <= 15; mark++) {
    nowMs += 1000
    saveRecipes(state, [encodeRecipe(large(mark))], 13 * 20_088)
    nowMs += 1000
    touchRecipes(state, [new Uint8Array(32).fill(1)])
  }
  const known = knownRecipes(state).map(({ digest }) => digest[0])
  assert.deepEqual(known, [1, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4])
  state[Symbol.dispose]()
})
