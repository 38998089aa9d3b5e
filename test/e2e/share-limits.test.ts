// What the owner of a share lets a run take away from it holds on the owner's machine, whatever the other one plans,
// shows or releases: nothing is changed, code 15, and only the owner can lift it.

import assert from 'node:assert/strict'
import { readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { assertSameTree, readTree, writeTree } from '../world/disk-trees.ts'
import { type Pair, pairedMachines, type Synced } from '../world/machines.ts'

const files = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`f${i}`, `${i}\n`]))

describe('the limit of a share', () => {
  let pair: Pair
  let source: string
  let target: string

  before(async () => {
    pair = await pairedMachines()
    source = pair.world.folder('source')
    target = pair.world.folder('limited')
    writeTree(source, files)
    await pair.nas.must('share', 'add', 'limited', target, '--max-delete', '2')
    await pair.laptop.mustSync('done', source, 'nas:limited')
  })
  after(() => pair?.world.close())

  async function refused(...options: readonly string[]): Promise<Synced> {
    const before = readTree(target)
    const run = await pair.laptop.sync(source, 'nas:limited', ...options)
    assert.equal(run.code, 15, run.stdout + run.stderr)
    assert.equal(run.failure?.code, 'root-held')
    assert.match(run.failure?.message ?? '', /share limited lets a run delete and replace 2 of its 10 entries/)
    assert.match(run.failure?.hint ?? '', /nightferry share limit limited none/)
    assert.deepEqual(readTree(target), before)
    return run
  }

  it('is listed', async () => {
    assert.match(await pair.nas.must('share', 'list'), /^limited\t.*\ta run may delete and replace 2 at most$/m)
    const { shares } = JSON.parse(await pair.nas.must('share', 'list', '--json')) as {
      shares: { maxDelete?: string }[]
    }
    assert.deepEqual(
      shares.map(({ maxDelete }) => maxDelete),
      [undefined, '2'],
    )
  })

  it('holds what is within the limits of the driver, and what a person released there', async () => {
    for (const name of ['f0', 'f1']) rmSync(join(source, name))
    writeTree(source, { f2: 'other' })
    await refused()
    await refused('--max-delete', '100%')
    const held = await pair.laptop.sync(source, 'nas:limited', '--max-delete', '0')
    assert.equal(held.outcome, 'halted')
    await refused('--max-delete', '0', '--release')
  })

  it('lets go what stays within it', async () => {
    writeTree(source, { f0: '0\n' })
    // The times are new: content decides, and it is the same.
    await pair.laptop.mustSync('done', source, 'nas:limited')
    assertSameTree(target, source)
  })

  it('is lifted by its owner, and by nobody else', async () => {
    rmSync(join(source, 'f3'))
    writeTree(source, { f4: 'other', f5: 'other' })
    const run = await pair.laptop.sync(source, 'nas:limited')
    assert.equal(run.failure?.code, 'root-held')
    assert.match(await pair.nas.must('share', 'limit', 'limited', '50%'), /delete and replace 50% at most/)
    await pair.laptop.mustSync('done', source, 'nas:limited')
    assert.match(await pair.nas.must('share', 'limit', 'limited', 'none'), /no limit of its own/)
    assert.match(await pair.nas.must('share', 'list'), /^limited\t.*every paired machine$/m)
    for (const [args, code] of [
      [['share', 'limit', 'limited', '101%'], 2],
      [['share', 'limit', 'nothing', '1'], 12],
      [['share', 'add', 'x', target, '--max-delete', 'lots'], 2],
    ] as const) {
      assert.equal((await pair.nas.run(...args)).code, code, args.join(' '))
    }
  })

  it('leaves no base behind where it refused a first run', async () => {
    const other = pair.world.folder('other')
    writeTree(other, { a: 'a', b: 'b', c: 'c' })
    await pair.nas.must('share', 'add', 'other', other, '--max-delete', '0')
    const first = await pair.laptop.sync(source, 'nas:other')
    assert.equal(first.outcome, 'halted')
    const released = await pair.laptop.sync(source, 'nas:other', '--release')
    assert.equal(released.failure?.code, 'root-held')
    await pair.nas.must('share', 'limit', 'other', 'none')
    const again = await pair.laptop.sync(source, 'nas:other')
    assert.equal(again.outcome, 'halted', again.stdout)
    assert.match(String(again.halt?.reason), /never brought together/)
  })
})

describe('the limit in bytes of a share', () => {
  let pair: Pair
  let source: string
  let target: string

  before(async () => {
    pair = await pairedMachines()
    source = pair.world.folder('source')
    target = pair.world.folder('limited')
    writeTree(source, { a: 'x'.repeat(600), 'd/b': 'y'.repeat(300) })
    await pair.nas.must('share', 'add', 'limited', target, '--max-bytes', '1000B')
  })
  after(() => pair?.world.close())

  it('is listed, changed and lifted by its owner, beside that of what goes', async () => {
    assert.match(await pair.nas.must('share', 'list'), /^limited\t.*\ta run may bring 1KB at most$/m)
    const both = await pair.nas.must('share', 'limit', 'limited', '50%', '--max-bytes', '2K')
    assert.match(both, /^limited: a run may delete and replace 50% at most; a run may bring 2K at most, from the next/)
    assert.match(await pair.nas.must('share', 'limit', 'limited', 'none'), /^limited: a run may bring 2K at most,/)
    assert.match(await pair.nas.must('share', 'limit', 'limited', '--max-bytes', '1000'), /may bring 1KB at most,/)
    const { shares } = JSON.parse(await pair.nas.must('share', 'list', '--json')) as { shares: { maxBytes?: number }[] }
    assert.deepEqual(
      shares.map(({ maxBytes }) => maxBytes),
      [undefined, 1000],
    )
    for (const args of [
      ['limit', 'limited'],
      ['limit', 'limited', '--max-bytes', 'much'],
      ['add', 'x', target, '--max-bytes', 'none'],
    ])
      assert.equal((await pair.nas.run('share', ...args)).code, 2, args.join(' '))
  })

  it('holds what a run brings, and counts no file that only moves', async () => {
    await pair.laptop.mustSync('done', source, 'nas:limited')
    writeTree(source, { c: 'z'.repeat(1001) })
    const held = await pair.laptop.sync(source, 'nas:limited', '--release')
    assert.equal(held.code, 15, held.stdout + held.stderr)
    assert.match(held.failure?.message ?? '', /share limited lets a run bring 1KB at most, not 1001 bytes/)
    assert.match(held.failure?.hint ?? '', /^nothing was changed; .*nightferry share limit limited --max-bytes none$/)
    assert.ok(!readTree(target).some((line) => line.startsWith('c')))
    rmSync(join(source, 'c'))
    renameSync(join(source, 'a'), join(source, 'd/moved'))
    writeTree(source, { c: 'z'.repeat(1000) })
    await pair.laptop.mustSync('done', source, 'nas:limited')
    assertSameTree(target, source)
  })

  it('ends a first run where it has come to it', async () => {
    const other = pair.world.folder('other')
    await pair.nas.must('share', 'add', 'other', other, '--max-bytes', '1500')
    const run = await pair.laptop.sync(source, 'nas:other')
    assert.equal(run.code, 15, run.stdout + run.stderr)
    assert.match(run.failure?.hint ?? '', /^what was complete is in place; /)
    await pair.nas.must('share', 'limit', 'other', '--max-bytes', 'none')
    await pair.laptop.mustSync('done', source, 'nas:other')
    assertSameTree(other, source)
  })

  it('counts a file of holes by the size that it claims, and nobody reads it first', async () => {
    const [sparse, there] = [pair.world.folder('sparse'), pair.world.folder('claims')]
    await pair.nas.must('share', 'add', 'claims', there, '--max-bytes', '1M')
    writeTree(sparse, { small: 'small' })
    await pair.laptop.mustSync('done', sparse, 'nas:claims')
    // It has no content, and to hash it would take an hour.
    writeFileSync(join(sparse, 'huge'), '')
    truncateSync(join(sparse, 'huge'), 8 * 1024 ** 4)
    const held = await pair.laptop.sync(sparse, 'nas:claims', '--release')
    assert.equal(held.code, 15, held.stdout + held.stderr)
    assert.match(held.failure?.message ?? '', /share claims lets a run bring 1M at most, not 8796093022208 bytes/)
    assert.deepEqual(readdirSync(there).sort(), ['.nightferry', 'small'])
    // So it is where the target is empty, and content goes along with the plan.
    const fresh = pair.world.folder('fresh')
    await pair.nas.must('share', 'add', 'fresh', fresh, '--max-bytes', '1M')
    const first = await pair.laptop.sync(sparse, 'nas:fresh')
    assert.deepEqual([first.code, first.failure?.code], [15, 'root-held'], first.stdout + first.stderr)
    assert.ok(!readdirSync(fresh).includes('huge'))
    // Whoever drives a run themselves has no share to limit: what is larger than they take stays away.
    const mine = pair.world.folder('mine')
    await pair.nas.must('share', 'add', 'sparse', sparse, '--read-only')
    await pair.laptop.mustSync('done', 'nas:sparse', mine, '--max-size', '1M')
    assert.deepEqual(readdirSync(mine).sort(), ['.nightferry', 'small'])
  })
})
