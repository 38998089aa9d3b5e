// Files that change while they are read, by a process that never stops: rewritten in place, replaced, removed, grown, cut off,
// turned into directories and symlinks and back. Whatever a run comes upon, each file of the target is one version of it as a
// whole, what did not come is told as changing or vanished, never as damage, and once all is still the next run completes it.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Direction, newEnds } from '../world/both-ways.ts'
import { assertSameTree } from '../world/disk-trees.ts'
import { type Pair, pairedMachines } from '../world/machines.ts'
import { assertWhole, Restless } from '../world/restless.ts'

describe('files that change while they are read', () => {
  let pair: Pair
  before(async () => {
    pair = await pairedMachines()
  })
  after(() => pair?.world.close())

  for (const direction of ['push', 'pull', 'local'] satisfies Direction[])
    it(`come as one of their versions, or are told, and the rest comes, ${direction}`, async (t) => {
      const { source, target, sync } = await newEnds(pair, direction)
      const restless = await Restless.in(source, `${source}-aside`)
      const came = new Set<string>()
      const told = new Map<string, number>()
      try {
        for (let round = 1; round <= 6; round++) {
          const run = await sync('--max-delete', '100%')
          const where = `run ${round}: ${run.stdout.slice(-1500)}${run.stderr}`
          assert.ok(run.code === 0 || run.code === 3, where)
          for (const { path, code } of run.problems) {
            // What is of another kind than a moment ago may be told as what it was then, which nobody can read.
            const isTrue =
              code === 'changing' || code === 'vanished' || (code === 'unreadable' && path.endsWith('/kind'))
            assert.ok(isTrue, `${path} ${code}: ${where}`)
            told.set(code, (told.get(code) ?? 0) + 1)
          }
          for (const [path, version] of assertWhole(target, where)) came.add(`${path} ${version}`)
        }
      } finally {
        const changes = await restless.end()
        t.diagnostic(`${changes} changes, ${came.size} versions came, told: ${JSON.stringify([...told])}`)
      }
      const last = await sync('--max-delete', '100%')
      assert.equal(last.code, 0, last.stdout + last.stderr)
      assertSameTree(target, source)
      assertWhole(join(target), 'in the end')
      assert.equal((await sync()).outcome, 'unchanged')
    })
})
