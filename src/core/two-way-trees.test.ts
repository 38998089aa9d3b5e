// What must hold of two-way runs over whole trees, by chance (test/world/two-way-triples.ts has what is asked). A failure names
// its seed and its number; with these in the environment it is asked alone. `npm run test:deep` asks many more.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { directory, file, itemAt, withItem } from '../../test/world/trees.ts'
import { agreedBase, runTwoWay } from '../../test/world/two-way-runs.ts'
import { checkTriples, questions } from '../../test/world/two-way-triples.ts'

const seed = Number(process.env.NIGHTFERRY_SEED ?? 20261127)
const triples = 4_000

describe('two-way runs', () => {
  for (const question of Object.keys(questions) as (keyof typeof questions)[]) {
    it(`end equal within three, keep what one side changed and all that was written, and ${question}: ${triples} triples of the seed ${seed}`, () =>
      checkTriples(seed, triples, question))
  }

  it('give a conflict copy no name of the base: the copy would pass for what the other side deleted', () => {
    const [copy, x] = ['a.conflict-ben-5dde8968', file('x')]
    const before = directory({ a: directory({ x }), [copy]: file('xx') })
    const left = withItem(withItem(before, copy, undefined), 'a/y', file('y'))
    const right = withItem(withItem(before, copy, undefined), 'a', file('xx'))
    const cut = runTwoWay({ left, right, base: agreedBase(before) }, undefined, { steps: 0 })
    const { scene } = runTwoWay(cut.scene)
    for (const root of [scene.left, scene.right]) {
      assert.deepEqual(itemAt(root, 'a.conflict-ben-5dde896887f6754c'), file('xx'))
      assert.deepEqual(itemAt(root, 'a/y'), file('y'))
    }
  })

  it('give two conflict copies of one directory two names', () => {
    const copy = 'a.conflict-nas-01234567'
    const left = directory({ a: file('x'), [copy]: file('x') })
    const right = directory({ a: file('y'), [copy]: file('y', { mode: 0o600 }) })
    const { scene, conflicts } = runTwoWay({ left, right, base: new Map() })
    assert.equal(conflicts, 2)
    assert.deepEqual([...scene.left.items.keys()].sort(), [
      'a',
      'a.conflict-anna-2d711642',
      'a.conflict-anna-2d711642b726b044',
      copy,
    ])
  })
})
