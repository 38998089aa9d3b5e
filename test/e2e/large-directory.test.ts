// A directory of many thousand names, pushed and pulled: of what changed in it only the pages travel that differ, files come, go
// and are renamed as in any other directory, what is special in it is told each time, and another view or --checksum looks
// at all of it.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { newEnds } from '../world/both-ways.ts'
import { assertSameTree } from '../world/disk-trees.ts'
import { noticesOf, type Pair, pairedMachines, type Synced } from '../world/machines.ts'

const count = 5_000
const nameOf = (i: number): string => `file-${String(i).padStart(6, '0')}`

function changed(run: Synced): string[] {
  return run.changes.map(({ action, path }) => `${action} ${path}`).sort()
}

describe('a large directory', () => {
  let pair: Pair
  before(async () => {
    pair = await pairedMachines()
  })
  after(() => pair?.world.close())

  for (const direction of ['push', 'pull'] as const)
    it(`sends what changed in it, ${direction}`, async () => {
      const { source, target, sync } = await newEnds(pair, direction)
      for (let i = 0; i < count; i++) writeFileSync(join(source, nameOf(i)), `${i}`)
      const first = await sync()
      assert.equal(first.counts['created'], count)
      assert.equal((await sync()).outcome, 'unchanged')

      writeFileSync(join(source, nameOf(17)), 'changed')
      writeFileSync(join(source, `${nameOf(2500)}-new`), 'new')
      renameSync(join(source, nameOf(4000)), join(source, 'moved'))
      rmSync(join(source, nameOf(4_999)))
      const edited = await sync()
      assert.deepEqual(changed(edited), [
        `create-file ${nameOf(2500)}-new`,
        `delete-file ${nameOf(4_999)}`,
        `rename moved`,
        `replace-file ${nameOf(17)}`,
      ])
      assertSameTree(target, source)
      // The whole listing is some 150 kB; four pages are 60.
      assert.ok(edited.wireBytes < 100_000, `${edited.wireBytes} bytes`)
      assert.equal((await sync()).outcome, 'unchanged')

      // Changed behind the program's back, with size and time as they were: only who reads everything sees it.
      rmSync(join(target, nameOf(3)))
      assert.deepEqual(changed(await sync()), [`create-file ${nameOf(3)}`])
      assert.equal(spawnSync('mkfifo', [join(source, 'pipe')]).status, 0)
      for (let round = 0; round < 2; round++) {
        const told = await sync()
        const pipes = noticesOf(told).filter((text) => text.endsWith(': pipe'))
        assert.deepEqual([told.changes, told.problems, pipes.length], [[], [], 1])
      }
      rmSync(join(source, 'pipe'))
      assert.equal((await sync('--checksum')).changes.length, 0)
      assertSameTree(target, source)
    })

  it('is looked at as a whole by --checksum', async () => {
    const { source, target, sync } = await newEnds(pair, 'push')
    for (let i = 0; i < count; i++) writeFileSync(join(source, nameOf(i)), 'before')
    await sync()
    // Changed on both sides of the wire in another way, and made to look alike: no listing tells them apart.
    for (const [end, text] of [
      [source, 'here..'],
      [target, 'there.'],
    ] as const) {
      writeFileSync(join(end, nameOf(5)), text)
      utimesSync(join(end, nameOf(5)), 1_000_000_000, 1_000_000_000)
    }
    assert.deepEqual(changed(await sync('--checksum', '--release')), [`replace-file ${nameOf(5)}`])
    assertSameTree(target, source)
  })

  it('empties into one that is small, and grows from it', async () => {
    const { source, target, sync } = await newEnds(pair, 'push')
    for (let i = 0; i < count; i++) writeFileSync(join(source, nameOf(i)), '')
    await sync()
    for (let i = 0; i < count; i++) if (i % 10 > 0) rmSync(join(source, nameOf(i)))
    const gone = await sync('--max-delete', '100%')
    assert.equal(gone.counts['deleted'], (count / 10) * 9)
    assertSameTree(target, source)
    for (let i = 0; i < count; i++) writeFileSync(join(source, nameOf(i)), '')
    assert.equal((await sync()).counts['created'], (count / 10) * 9)
    assertSameTree(target, source)
  })
})
