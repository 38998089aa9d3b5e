// The options that narrow a run, with real processes, pushed and pulled: what comes, what stays, and that a run under
// other options takes nothing for granted that an earlier one left.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { newEnds, put, textAt } from '../world/both-ways.ts'
import { type Pair, pairedMachines, type Synced } from '../world/machines.ts'

function changed(run: Synced): string[] {
  return run.changes.map(({ action, path }) => `${action} ${path}`).sort()
}

describe('narrowed runs', () => {
  let pair: Pair
  before(async () => {
    pair = await pairedMachines()
  })
  after(() => pair?.world.close())

  for (const direction of ['push', 'pull'] as const) {
    it(`--existing brings nothing new, ${direction}`, async () => {
      const { source, target, sync } = await newEnds(pair, direction)
      put(source, 'a', 'one')
      assert.equal((await sync()).outcome, 'done')
      put(source, 'a', 'three')
      put(source, 'new/b', 'new')
      put(source, 'c', 'new')
      const run = await sync('--existing', '--mode', 'update')
      assert.deepEqual([run.code, changed(run)], [3, []], 'equal times: an update can not tell')
      const mirrored = await sync('--existing', '--release')
      assert.equal(mirrored.outcome, 'halted', 'other rules, and something would be replaced')
      const released = await sync('--existing', '--release')
      assert.deepEqual(changed(released), ['replace-file a'])
      assert.deepEqual(readdirSync(target).sort(), ['.nightferry', 'a'])
      assert.equal((await sync('--existing')).outcome, 'unchanged')
      const whole = await sync()
      assert.deepEqual(changed(whole), ['create-directory new', 'create-file c', 'create-file new/b'])
    })

    it(`why and log tell of what narrowed a run, and claim nothing of what it left out, ${direction}`, async () => {
      const { source, target, ends, laptop } = await newEnds(pair, direction)
      put(source, 'large', 'x'.repeat(2000))
      await laptop.must('sync', ...ends, '--max-size', '1K', '--existing')
      const [end, other] = direction === 'push' ? [source, ends[1]] : [target, ends[0]]
      for (const path of [join(end, 'large'), `${other}/large`]) {
        const told = await laptop.must('why', path)
        assert.doesNotMatch(told, /had it equal|next run puts it there/, told)
      }
      assert.match(
        await laptop.must('why', join(end, 'large')),
        direction === 'push' ? /with --existing --max-size 1024, which/ : /large/,
      )
      const { runs } = JSON.parse(await laptop.must('log', '--json', '--limit', '1')) as { runs: { runId: string }[] }
      assert.match(await laptop.must('log', String(runs[0]?.runId)), /options .*; --existing; --max-size 1024/)
    })

    it(`only a whole mirror says that two folders are in sync, ${direction}`, async () => {
      const { source, ends, laptop } = await newEnds(pair, direction)
      put(source, 'a', 'one')
      for (const options of [['--existing'], ['--min-size', '1M'], ['--ignore-existing'], ['--mode', 'update']]) {
        const told = await laptop.must('sync', ...ends, ...options)
        assert.match(told, /^done: /, `${options[0]}: ${told}`)
      }
      assert.match(await laptop.must('sync', ...ends), /^in sync: nothing changed/)
    })

    it(`--ignore-existing leaves alone what is there, ${direction}`, async () => {
      const { source, target, sync } = await newEnds(pair, direction)
      put(source, 'd/a', 'one')
      await sync()
      put(source, 'd/a', 'three', 1_800_000_000)
      put(source, 'd/b', 'new')
      const run = await sync('--ignore-existing', '--mode', 'update')
      assert.deepEqual([run.code, changed(run)], [0, ['create-file d/b']])
      assert.equal(textAt(target, 'd/a'), 'one')
      assert.deepEqual(changed(await sync('--ignore-existing', '--mode', 'update')), [])
      assert.deepEqual(changed(await sync('--mode', 'update', '--dry-run')), ['replace-file d/a'])
    })

    it(`--size-only looks at no times, and leaves them, ${direction}`, async () => {
      const { source, target, sync } = await newEnds(pair, direction)
      put(source, 'a', 'same')
      put(source, 'b', 'same')
      await sync()
      put(source, 'a', 'SAME', 1_800_000_000)
      put(source, 'b', 'longer', 1_800_000_000)
      const run = await sync('--size-only', '--dry-run')
      assert.deepEqual(changed(run), ['replace-file b'])
      await sync('--size-only')
      await sync('--size-only', '--release')
      assert.deepEqual([textAt(target, 'a'), textAt(target, 'b')], ['same', 'longer'])
      assert.equal(statSync(join(target, 'a')).mtimeMs, 1_700_000_000_000)
      assert.deepEqual(changed(await sync('--dry-run')), ['replace-file a'], 'an ordinary run looks at content')
    })

    it(`--modify-window takes near times for equal, ${direction}`, async () => {
      const { source, target, sync } = await newEnds(pair, direction)
      put(source, 'a', 'same', 1_700_000_000)
      await sync()
      put(source, 'a', 'SAME', 1_700_000_001.5)
      assert.deepEqual(changed(await sync('--modify-window', '1.5')), [])
      assert.equal(textAt(target, 'a'), 'same')
      assert.deepEqual(changed(await sync('--modify-window', '1.4', '--dry-run')), ['replace-file a'])
    })

    it(`--min-size and --max-size hide files, and never cost any, ${direction}`, async () => {
      const { source, target, sync } = await newEnds(pair, direction)
      const big = 'x'.repeat(2000)
      put(source, 'small', 'x')
      put(source, 'fits', 'x'.repeat(500))
      put(source, 'big', big)
      put(source, 'gone/big', big)
      put(source, 'gone/fits', 'x'.repeat(500))
      const limits = ['--min-size', '10', '--max-size', '1KiB'] as const
      const first = await sync(...limits)
      assert.deepEqual(changed(first), ['create-directory gone', 'create-file fits', 'create-file gone/fits'])
      put(target, 'big', `${big}!`)
      put(target, 'gone/big', big)
      put(target, 'other', big)
      const { rmSync } = await import('node:fs')
      rmSync(join(source, 'gone'), { recursive: true })
      rmSync(join(source, 'big'))
      const second = await sync(...limits)
      assert.deepEqual([second.code, second.outcome, changed(second)], [0, 'done', ['delete-file gone/fits']])
      assert.deepEqual(
        [textAt(target, 'big'), textAt(target, 'gone/big'), textAt(target, 'other')],
        [`${big}!`, big, big],
      )
      assert.equal(existsSync(join(target, 'gone/fits')), false)
      assert.equal((await sync(...limits)).outcome, 'unchanged')
      put(source, 'other', 'x'.repeat(600))
      assert.deepEqual(changed(await sync(...limits)), ['replace-file other'])
    })
  }

  it('a folder that goes keeps what a size leaves out, at any depth, and is counted and shown as it will be', async () => {
    const { source, target, sync } = await newEnds(pair, 'push')
    const big = 'x'.repeat(2000)
    const files = ['stays', 'x/a', 'x/b/c', 'x/b/d/e', 'x/whole/f', 'x/whole/g/h', 'x/moved']
    for (const path of files) put(source, path, path)
    put(source, 'y/all', 'all')
    assert.equal((await sync()).outcome, 'done')
    for (const path of ['x/b/d/big', 'x/b/big']) put(target, path, big)
    const { renameSync, rmSync } = await import('node:fs')
    renameSync(join(source, 'x/moved'), join(source, 'moved'))
    for (const name of ['x', 'y']) rmSync(join(source, name), { recursive: true })
    // Six files, two directories within x, and y with its file; not the two big ones, nor the three directories above them.
    const limits = ['--max-size', '1K', '--max-delete', '9'] as const
    const expected = [
      'delete-directory x/whole',
      'delete-directory y',
      'delete-file x/a',
      'delete-file x/b/c',
      'delete-file x/b/d/e',
      'rename moved',
    ]
    assert.equal((await sync(...limits)).outcome, 'halted', 'other rules than before')
    const shown = await sync(...limits, '--dry-run')
    assert.deepEqual([shown.halt?.deletes, changed(shown)], [9, expected])
    const run = await sync(...limits, '--release')
    assert.deepEqual([run.outcome, run.code, run.problems, changed(run)], ['done', 0, [], expected])
    assert.deepEqual(readdirSync(target).sort(), ['.nightferry', 'moved', 'stays', 'x'])
    assert.deepEqual(readdirSync(join(target, 'x'), { recursive: true }).sort(), ['b', 'b/big', 'b/d', 'b/d/big'])
    assert.equal((await sync(...limits)).outcome, 'unchanged')
    put(source, 'new', 'new')
    assert.deepEqual(changed(await sync(...limits)), ['create-file new'])
    assert.equal((await sync('--max-size', '1K', '--checksum')).outcome, 'unchanged')
  })

  it('refuses wrong values and what does not go together, by value', async () => {
    const { sync } = await newEnds(pair, 'push')
    const wrong: readonly [options: readonly string[], said: RegExp][] = [
      [['--min-size', '10X'], /--min-size takes a size, not "10X"/],
      [['--max-size', '-1'], /--max-size/],
      [['--max-size', ''], /--max-size takes a size, not ""/],
      [['--modify-window', '1,5'], /--modify-window takes seconds from 0 to a day, not "1,5"/],
      [['--modify-window', '86401'], /not "86401"/],
      [['--min-size', '2K', '--max-size', '2KB'], /--min-size \(2048 bytes\) is above --max-size \(2000 bytes\)/],
      [['--existing', '--ignore-existing'], /--existing .* --ignore-existing/],
      [['--size-only', '--checksum'], /--size-only .* --checksum/],
    ]
    for (const [options, said] of wrong) {
      const { code, stdout, stderr } = await sync(...options)
      assert.equal(code, 2, options.join(' '))
      assert.match(
        stdout + stderr,
        said.source.includes('"') ? new RegExp(said.source.replaceAll('"', '\\\\?"')) : said,
      )
    }
  })
})
