// What was damaged on a disk, with real processes: `--verify` finds it on the target and the next run mends it, pushed,
// pulled and between two folders here; `--checksum` finds it on the source and never brings it to the target.

import assert from 'node:assert/strict'
import { chmodSync, rmSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Direction, newEnds, put, textAt } from '../world/both-ways.ts'
import { assertSameTree, chanceOf, growTree } from '../world/disk-trees.ts'
import { type Machine, type Pair, pairedMachines, type Synced } from '../world/machines.ts'
import { flipByte, rot } from '../world/rot.ts'

function told(run: Synced): string[] {
  return run.problems.map(({ code, path }) => `${code} ${path}`)
}

function verified(run: Synced): unknown {
  return run.lines.find(({ type }) => type === 'run-end')?.verified
}

describe('verify', () => {
  let pair: Pair
  before(async () => {
    pair = await pairedMachines()
  })
  after(() => pair?.world.close())
  const holderOf = (direction: Direction): Machine => (direction === 'push' ? pair.nas : pair.laptop)
  const otherOf = (direction: Direction): Machine => (direction === 'pull' ? pair.nas : pair.laptop)

  for (const direction of ['push', 'pull', 'local'] as const) {
    it(`finds damage on the target, and the next run mends it, ${direction}`, async () => {
      const { source, target, sync } = await newEnds(pair, direction)
      put(source, 'a', 'first')
      put(source, 'd/b', 'x'.repeat(3_000_000))
      put(source, 'd/empty', '')
      const first = await sync('--verify')
      assert.deepEqual([first.code, verified(first)], [0, { files: 3, bytes: 3_000_005, unproven: 0 }])
      const { mtimeMs } = statSync(join(target, 'd/b'))
      rot(holderOf(direction), target, 'd/b')
      assert.equal((await sync()).outcome, 'unchanged', 'sizes and times alone do not tell')
      const found = await sync('--verify')
      assert.deepEqual([found.code, told(found)], [3, ['damaged-on-disk d/b']])
      assert.deepEqual(verified(found), { files: 2, bytes: 5, unproven: 0 })
      const mended = await sync('--verify')
      assert.deepEqual([mended.code, told(mended), mended.changes.map(({ path }) => path)], [0, [], ['d/b']])
      assertSameTree(target, source)
      assert.equal(statSync(join(target, 'd/b')).mtimeMs, mtimeMs)
      assert.equal((await sync()).outcome, 'unchanged')
    })

    it(`--checksum tells of damage on the source and brings none of it, ${direction}`, async () => {
      const { source, target, sync } = await newEnds(pair, direction)
      put(source, 'a', 'first')
      put(source, 'b', 'other')
      await sync('--checksum')
      assert.equal((await sync('--checksum')).code, 0)
      rot(otherOf(direction), source, 'a')
      const run = await sync('--checksum')
      assert.deepEqual([run.code, told(run), run.changes], [3, ['damaged-on-disk a'], []])
      assert.equal(textAt(target, 'a'), 'first')
      const forced = await sync('--checksum', '--release')
      assert.deepEqual([told(forced), textAt(target, 'a')], [['damaged-on-disk a'], 'first'])
    })

    it(`holds what nobody knew against the source, ${direction}`, async () => {
      const { source, target, sync } = await newEnds(pair, direction)
      for (const name of ['same', 'other']) {
        put(source, name, name)
        put(target, name, name)
      }
      put(target, 'other', 'OTHER')
      put(target, 'kept', 'target only')
      const run = await sync('--mode', 'update', '--verify')
      assert.deepEqual([run.code, told(run)], [3, ['same-time other']], 'an update can not tell which is right')
      assert.deepEqual(verified(run), { files: 1, bytes: 4, unproven: 1 })
      const again = await sync('--mode', 'update', '--verify')
      assert.deepEqual([told(again), textAt(target, 'other')], [['same-time other'], 'OTHER'])
      const mirrored = await sync('--release', '--verify')
      const released = mirrored.outcome === 'halted' ? await sync('--release', '--verify') : mirrored
      assert.deepEqual([released.code, textAt(target, 'other')], [0, 'other'])
    })

    it(`an update mends what is damaged, and only that, ${direction}`, async () => {
      const { source, target, sync } = await newEnds(pair, direction)
      const update = ['--mode', 'update', '--verify'] as const
      for (const name of ['a', 'newer']) put(source, name, name)
      await sync(...update)
      put(target, 'newer', 'other', 1_800_000_000)
      assert.equal((await sync(...update)).code, 0)
      for (const name of ['a', 'newer']) rot(holderOf(direction), target, name)
      const found = await sync(...update)
      assert.deepEqual([found.code, told(found)], [3, ['damaged-on-disk a', 'damaged-on-disk newer']])
      const mended = await sync(...update)
      assert.deepEqual(told(mended), ['damaged-on-disk newer'], 'the source has an older one: nothing to mend it from')
      assert.deepEqual(
        mended.changes.map(({ path }) => path),
        ['a'],
      )
      assert.equal(textAt(target, 'a'), 'a')
    })
  }

  it('finds what moved the ctime too, whoever looks first', async () => {
    const { source, target, sync } = await newEnds(pair, 'push')
    put(source, 'a', 'first')
    await sync()
    flipByte(join(target, 'a'))
    const run = await sync('--verify')
    assert.deepEqual([run.code, run.changes.map(({ path }) => path)], [0, ['a']], 'the scan saw a suspect')
    assert.equal(textAt(target, 'a'), 'first')
  })

  it('without it, other content under another mode is found, of files that no run has read', async () => {
    const { source, target, sync } = await newEnds(pair, 'push')
    for (const folder of [source, target]) {
      for (const name of ['a', 'b']) {
        put(folder, name, 'equal')
        utimesSync(join(folder, name), 1_600_000_000, 1_600_000_000)
      }
    }
    assert.deepEqual((await sync('--release')).changes, [])
    put(source, 'a', 'other')
    for (const name of ['a', 'b']) chmodSync(join(source, name), 0o600)
    utimesSync(join(source, 'a'), 1_600_000_000, 1_600_000_000)
    const run = await sync('--release')
    assert.deepEqual(
      run.changes.map(({ action, path }) => [action, path]),
      [
        ['replace-file', 'a'],
        ['attributes', 'b'],
      ],
    )
    assert.equal(textAt(target, 'a'), 'other')
    await sync()
    assert.equal((await sync()).outcome, 'unchanged')
  })

  it('reads everything that the view shows, and nothing else', async () => {
    const { source, target, sync } = await newEnds(pair, 'push')
    growTree(chanceOf(8), source, 300)
    for (let i = 0; i < 1200; i++) put(source, `many/${i}`, `${i}`)
    put(source, 'hidden/x', 'x')
    put(source, '.nightferryignore', 'hidden\n')
    put(target, 'hidden/y', 'y')
    const run = await sync('--verify', '--release')
    assert.equal(run.code, 0, run.stdout)
    const { files } = verified(run) as { files: number }
    const links = run.changes.filter(({ action }) => action === 'create-symlink').length
    const end = run.lines.find(({ type }) => type === 'run-end')
    assert.equal(files, (end?.files as number) - links)
    rmSync(join(target, 'many/7'))
    const next = await sync('--verify')
    assert.deepEqual([next.code, verified(next)], [0, verified(run)])
  })

  it('is refused where nothing is left to read', async () => {
    const { sync } = await newEnds(pair, 'push')
    const { code, stdout } = await sync('--verify', '--dry-run')
    assert.equal(code, 2)
    assert.match(stdout, /--verify .* a dry run leaves nothing/)
  })
})
