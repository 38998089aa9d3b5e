// Files of one content that are new in one run go over once: what the source has sent it names, and the target copies what
// it has verified. Nothing is believed for that: what is not found is asked for, and what changed meanwhile is sent.

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { assertSameTree, contentOf, writeTree } from '../world/disk-trees.ts'
import { type Pair, pairedMachines } from '../world/machines.ts'

describe('equal new files', () => {
  let pair: Pair
  before(async () => {
    pair = await pairedMachines()
  })
  after(async () => await pair?.world.close())

  for (const way of ['push', 'pull'] as const) {
    it(`go over once, ${way}: many of a pack, large ones, and in many folders`, async () => {
      const { world, laptop, nas } = pair
      const [here, there] = [world.folder(`here ${way}`), world.folder(`there ${way}`)]
      await nas.must('share', 'add', way, there)
      const [source, target, ...ends] =
        way === 'push' ? [here, there, here, `nas:${way}`] : [there, here, `nas:${way}`, here]
      const [small, large, alike] = [
        contentOf('small', 300_000),
        contentOf('large', 20_000_000),
        contentOf('x', 20_000_000),
      ]
      for (let i = 0; i < 20; i++) writeTree(source, { [`d${i % 4}/${i}`]: small })
      for (let i = 0; i < 3; i++) writeTree(source, { [`large ${i}`]: large })
      // Begins like the others, and is none of them.
      alike.set(large.subarray(0, 100_000))
      writeTree(source, { 'large 3': alike })
      // Nothing here shrinks, and buffers in which nothing is yet are squeezed too.
      const first = await laptop.mustSync('done', ...ends, ...(way === 'pull' ? ['--compress', '3'] : []))
      assertSameTree(target, source)
      const once = small.length + 2 * large.length
      assert.ok(first.wireBytes > once && first.wireBytes < once + 200_000, `${first.wireBytes} for ${once} bytes`)
      assert.equal(first.counts['copied'], 21)
      await laptop.mustSync('unchanged', ...ends)
      // In the next run the target knows them by the tree.
      writeTree(source, { 'again/1': small, 'again/2': small })
      const second = await laptop.mustSync('done', ...ends)
      assertSameTree(target, source)
      assert.ok(second.wireBytes < 20_000, `${second.wireBytes} bytes`)
    })
  }

  it('between two folders here are copied from each other, and no other content is taken for one', async () => {
    const { world, laptop } = pair
    const [source, target] = [world.folder('local'), world.folder('local target')]
    const content = contentOf('local', 100_000)
    const other = Uint8Array.from(content)
    other[99_999] = (other[99_999] as number) ^ 1
    mkdirSync(join(source, 'd'))
    for (const [name, bytes] of [
      ['a', content],
      ['b', other],
      ['d/c', content],
      ['d/d', other],
    ] as const)
      writeFileSync(join(source, name), bytes)
    const run = await laptop.mustSync('done', source, target)
    assert.equal(run.counts['copied'], 2)
    assertSameTree(target, source)
    assert.deepEqual(readFileSync(join(target, 'd/d')), Buffer.from(other))
  })
})
