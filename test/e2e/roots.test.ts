// Whose folder is it: targets that were copied, moved or lie within each other, seen from whole runs on both machines.

import assert from 'node:assert/strict'
import { chmodSync, cpSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { assertSameTree, readTree, writeTree } from '../world/disk-trees.ts'
import { type Pair, pairedMachines, type Synced } from '../world/machines.ts'

function permissions(path: string): number {
  return statSync(path).mode & 0o7777
}

describe('roots', () => {
  let pair: Pair
  let source: string
  let number = 0
  before(async () => {
    pair = await pairedMachines()
    source = pair.world.folder('source')
    writeTree(source, { 'a.txt': 'a', 'sub/b.txt': 'b' })
  })
  after(() => pair?.world.close())
  beforeEach(() => {
    number += 1
  })

  function notices(run: Synced): string[] {
    return run.lines.filter(({ type }) => type === 'notice').map(({ text }) => String(text))
  }

  /** A target here or on the other machine: how it is written, and where it lies. */
  for (const where of ['here', 'there'] as const) {
    const place = (name: string): { end: string; path: string } => {
      const path = join(where === 'here' ? pair.world.directory : pair.shared, `${name}-${number}`)
      return { end: where === 'here' ? path : `nas:data/${name}-${number}`, path }
    }

    async function refused(end: string, code: string, exit: number, ...options: readonly string[]): Promise<Synced> {
      const run = await pair.laptop.sync(source, end, ...options)
      assert.deepEqual([run.failure?.code, run.code], [code, exit], run.stdout + run.stderr)
      assert.ok(where === 'here' || !run.stdout.includes(pair.shared), 'where a share lies is not told')
      return run
    }

    it(`a target that is made ${where} is open to nobody to whom the source is not; one that is there keeps its own`, async () => {
      const [made, there] = [place('made'), place('there')]
      chmodSync(source, 0o2710)
      mkdirSync(there.path, 0o755)
      try {
        for (const { end, path } of [made, there]) {
          await pair.laptop.mustSync('done', source, end)
          assert.equal(permissions(path), path === made.path ? 0o710 : 0o755)
        }
        chmodSync(made.path, 0o700)
        await pair.laptop.mustSync('unchanged', source, made.end)
        assert.equal(permissions(made.path), 0o700)
      } finally {
        chmodSync(source, 0o755)
      }
    })

    it(`a copied target ${where} is refused as long as the first one is there`, async () => {
      const [first, second] = [place('first'), place('second')]
      await pair.laptop.mustSync('done', source, first.end)
      cpSync(first.path, second.path, { recursive: true })
      writeTree(second.path, { 'mine.txt': 'mine' })
      const before = readTree(second.path)
      for (const options of [[], ['--dry-run'], ['--release']]) {
        const { failure } = await refused(second.end, 'root-replaced', 15, ...options)
        assert.match(failure?.message ?? '', /copy of another target/)
        assert.match(failure?.hint ?? '', /--new-target/)
      }
      assert.deepEqual(readTree(second.path), before)
      await pair.laptop.mustSync('unchanged', source, first.end)
      // A person says that it is another one. It still holds what no run put there.
      const own = await pair.laptop.sync(source, second.end, '--new-target')
      assert.equal(own.outcome, 'halted')
      rmSync(join(second.path, 'mine.txt'))
      const run = await pair.laptop.sync(source, second.end)
      assert.equal(run.code, 0, run.stdout)
      assert.deepEqual(notices(run), [])
    })

    it(`a moved target ${where} is told of once`, async () => {
      const [first, second] = [place('was'), place('is')]
      await pair.laptop.mustSync('done', source, first.end)
      renameSync(first.path, second.path)
      const run = await pair.laptop.sync(source, second.end)
      assert.equal(run.code, 0, run.stdout)
      assert.deepEqual(notices(run).length, 1)
      assert.match(notices(run)[0] ?? '', /target was moved/)
      assert.deepEqual(notices(await pair.laptop.sync(source, second.end)), [])
    })

    it(`targets within each other ${where} are refused from both sides`, async () => {
      const [outer, inner] = [place('outer'), place('outer')]
      const [innerEnd, innerPath] = [`${inner.end}/docs`, join(inner.path, 'docs')]
      await pair.laptop.mustSync('done', source, outer.end)
      for (const options of [['--dry-run'], []]) {
        const { failure } = await refused(innerEnd, 'nested-ends', 2, ...options)
        assert.match(failure?.message ?? '', /lies inside another target, the folder above it$/)
      }
      assertSameTree(outer.path, source)
      await pair.laptop.mustSync('done', source, innerEnd, '--new-target')
      await pair.laptop.mustSync('unchanged', source, innerEnd)
      const before = readTree(outer.path)
      for (const options of [['--dry-run'], [], ['--release']]) {
        const { failure } = await refused(outer.end, 'nested-ends', 2, ...options)
        assert.match(failure?.message ?? '', /^docs, inside the target/)
      }
      assert.deepEqual(readTree(outer.path), before)
      // Left out of the outer one, both live side by side.
      const apart = await pair.laptop.sync(source, outer.end, '--exclude', '/docs')
      assert.equal(apart.code, 0, apart.stdout)
      assertSameTree(innerPath, source)
      rmSync(join(innerPath, '.nightferry'), { recursive: true })
      assert.equal((await pair.laptop.sync(source, outer.end)).outcome, 'halted')
    })
  }

  it('a pull that makes its target does so too, and its owner can always work in it', async () => {
    const here = join(pair.world.directory, 'pulled')
    writeTree(join(pair.shared, 'closed'), { 'a.txt': 'a' })
    chmodSync(join(pair.shared, 'closed'), 0o570)
    await pair.laptop.mustSync('done', 'nas:data/closed', here)
    assert.equal(permissions(here), 0o770)
  })

  it('a way back is told, and is done: a push after a pull is no mistake by itself', async () => {
    const [here, there] = [pair.world.folder('here'), 'nas:data/back']
    writeTree(join(pair.shared, 'back'), { 'a.txt': 'a' })
    await pair.laptop.mustSync('done', there, here)
    writeTree(here, { 'b.txt': 'b' })
    const back = await pair.laptop.mustSync('done', here, there)
    assert.match(notices(back).join(), /other way/)
    assert.deepEqual(notices(await pair.laptop.mustSync('unchanged', here, there)), [])
  })
})
