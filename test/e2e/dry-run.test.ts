// A dry run lists exactly what the real run then does: on random trees with seeds, over rounds of random edits on both
// sides, pushed and pulled. After each real run the trees are equal and the next run has nothing to do. An update never
// takes anything away.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { assertSameTree, chanceOf, editTree, growTree, readTree } from '../world/disk-trees.ts'
import { type Pair, pairedMachines } from '../world/machines.ts'

const entries = 60
const rounds = 3

describe('dry run', () => {
  let pair: Pair
  before(async () => {
    pair = await pairedMachines()
  })
  after(() => pair?.world.close())

  for (const [seed, direction] of [
    [1, 'push'],
    [2, 'pull'],
    [3, 'push'],
  ] as const) {
    it(`lists what the real run then does, seed ${seed}, ${direction}`, async () => {
      const { world, laptop, nas } = pair
      const chance = chanceOf(seed)
      const here = world.folder(`here-${seed}`)
      const there = world.folder(`there-${seed}`)
      await nas.must('share', 'add', `s${seed}`, there)
      const [source, target] = direction === 'push' ? [here, there] : [there, here]
      const ends = direction === 'push' ? [here, `nas:s${seed}`] : [`nas:s${seed}`, here]
      growTree(chance, source, entries)
      for (let round = 0; round < rounds; round++) {
        const before = readTree(target)
        const planned = await laptop.mustSync('planned', ...ends, '--dry-run')
        assert.deepEqual(readTree(target), before, 'a dry run changes nothing')
        const real = await laptop.mustSync('done', ...ends, '--max-delete', '100%')
        assert.deepEqual(real.changes, planned.changes)
        assertSameTree(target, source)
        // Where the target can't be all that the source is, it is compared once more before that counts as agreed.
        await laptop.mustSync('unchanged', ...ends)
        const next = await laptop.mustSync('unchanged', ...ends)
        assert.ok(next.wireBytes < 1024, `${next.wireBytes} bytes for nothing`)
        editTree(chance, source, 12)
        editTree(chance, target, round === 1 ? 6 : 0)
      }
    })
  }

  it('of an update lists what it then does, and an update takes nothing away', async () => {
    const { world, laptop, shared } = pair
    const chance = chanceOf(4)
    const source = world.folder('update')
    growTree(chance, source, entries)
    await laptop.mustSync('done', source, 'nas:data', '--mode', 'update')
    for (let round = 0; round < rounds; round++) {
      editTree(chance, source, 15)
      editTree(chance, shared, 10)
      const before = pathsOf(shared)
      const planned = await laptop.sync(source, 'nas:data', '--mode', 'update', '--dry-run')
      const real = await laptop.sync(source, 'nas:data', '--mode', 'update', '--max-delete', '100%')
      assert.ok(['done', 'partial', 'unchanged'].includes(real.outcome), real.stdout + real.stderr)
      assert.deepEqual(real.changes, planned.changes)
      const bad = real.changes.filter(({ action }) => !/^(create-|replace-(file|symlink)$|attributes$)/.test(action))
      assert.deepEqual(bad, [])
      const remaining = new Set(pathsOf(shared))
      assert.deepEqual(
        before.filter((path) => !remaining.has(path)),
        [],
      )
    }
  })
})

/** Each entry's path and kind. */
function pathsOf(directory: string): string[] {
  return readTree(directory).map((line) => /^.* (directory|file|symlink) /s.exec(line)?.[0] ?? line)
}
