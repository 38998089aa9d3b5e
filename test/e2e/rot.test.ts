// Damage that nothing tells of, on a real disk: a byte of an ext4 image is changed while it is not mounted. As root, where
// loop devices are to be had; verify.test.ts shows the same anywhere, by changing what the program remembers.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { lstatSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { put } from '../world/both-ways.ts'
import { LoopDisks } from '../world/loop-disk.ts'
import { type Machine, World } from '../world/machines.ts'

describe('a disk that forgets', () => {
  let world: World
  let machine: Machine
  const disks = new LoopDisks()
  before(() => {
    world = new World()
    machine = world.machine('one')
  })
  after(async () => {
    disks.unmount()
    await world?.close()
  })

  it('as the target is found by --verify, and mended by the next run', async (t) => {
    const disk = disks.make(t, world.directory, 'target')
    if (disk === undefined) return
    const source = world.folder('source')
    const content = randomBytes(20_000)
    put(source, 'd/a', content)
    put(source, 'b', 'other')
    const ends = [source, join(disk.path, 'copy')] as const
    await machine.mustSync('done', ...ends)
    const file = join(disk.path, 'copy/d/a')
    const { ctimeMs } = lstatSync(file)
    disk.damage(content.subarray(0, 4000))
    assert.equal(lstatSync(file).ctimeMs, ctimeMs)
    assert.notDeepEqual(readFileSync(file), content)
    await machine.mustSync('unchanged', ...ends)
    const found = await machine.sync(...ends, '--verify')
    assert.deepEqual(
      [found.code, found.problems.map(({ code, path }) => `${code} ${path}`)],
      [3, ['damaged-on-disk d/a']],
    )
    const mended = await machine.mustSync('done', ...ends, '--verify')
    assert.deepEqual(
      mended.changes.map(({ path }) => path),
      ['d/a'],
    )
    assert.deepEqual(readFileSync(file), content)
  })

  it('as the source is told by --checksum, and what it forgot is not brought over', async (t) => {
    const disk = disks.make(t, world.directory, 'origin')
    if (disk === undefined) return
    const target = world.folder('safe')
    const content = randomBytes(20_000)
    put(disk.path, 'files/a', content)
    const ends = [join(disk.path, 'files'), target] as const
    await machine.mustSync('done', ...ends)
    disk.damage(content.subarray(0, 4000))
    for (const options of [['--checksum'], ['--checksum', '--release']]) {
      const run = await machine.sync(...ends, ...options)
      assert.deepEqual(
        [run.code, run.problems.map(({ code, path }) => `${code} ${path}`), run.changes],
        [3, ['damaged-on-disk a'], []],
      )
      assert.deepEqual(readFileSync(join(target, 'a')), content)
    }
  })
})
