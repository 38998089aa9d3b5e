// Disks that come, go, fill up and turn read-only under a run, and file systems within folders. Each test has a mount
// namespace of its own, so nothing here is seen by the rest of the machine, and all of it ends with the test. Needs root
// and the right to mount; skipped without.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, statfsSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertSameTree, contentOf, readTree, writeTree } from '../world/disk-trees.ts'
import type { Machine } from '../world/machines.ts'
import { MountSpace, noMountSpace } from '../world/mount-space.ts'

describe('mounts', { skip: noMountSpace }, () => {
  let space: MountSpace
  let laptop: Machine
  let number = 0

  before(async () => {
    space = await MountSpace.open()
    laptop = space.world.machine('laptop')
  })
  after(() => space?.close())

  const inside = (path: string): string => space.inside(path)

  function fresh(files: Record<string, string | Uint8Array>): { source: string; target: string } {
    number += 1
    const source = space.world.folder(`source-${number}`)
    const target = space.world.folder(`target-${number}`)
    writeTree(source, files)
    return { source, target }
  }

  it('a disk without room for more names ends the run; what is complete stays, and the next run goes on', async () => {
    const many = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`d${i % 4}/f${i}`, `${i}`]))
    const { source, target } = fresh(many)
    space.mountSmall(target, 'size=4m,nr_inodes=40')
    const full = await laptop.run('sync', source, target)
    assert.equal(full.code, 1, full.stdout + full.stderr)
    assert.match(full.stderr, /no space/)
    const whole = new Set(readTree(source))
    for (const line of readTree(inside(target))) {
      if (!/ directory /.test(line)) assert.ok(whole.has(line), `${line} is not complete`)
    }
    space.must('mount', '-o', 'remount,nr_inodes=1000', target)
    await laptop.mustSync('done', source, target)
    assertSameTree(inside(target), source)
    assert.deepEqual(readdirSync(join(inside(target), '.nightferry/staging')), [])
  })

  it('a disk without room for more folders is told as full too', async () => {
    const { source, target } = fresh(Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`d${i}/f`, `${i}`])))
    space.mountSmall(target, 'size=4m,nr_inodes=40')
    const full = await laptop.sync(source, target)
    assert.equal(full.failure?.code, 'target-full', full.stdout)
    assert.match(full.failure?.hint ?? '', /free some space/)
    space.must('mount', '-o', 'remount,nr_inodes=1000', target)
    await laptop.mustSync('done', source, target)
    assertSameTree(inside(target), source)
  })

  it('a daemon whose own disk is full breaks the run and goes on serving', async () => {
    const { source, target } = fresh({ a: 'a' })
    const nas = space.world.machine('nas')
    space.mountSmall(nas.state, 'size=3m')
    const daemon = await nas.serve()
    await nas.must('share', 'add', 'full', target)
    await nas.pairWith(laptop)
    await laptop.mustSync('done', source, 'nas:full')
    writeTree(source, { b: contentOf('b', 3_000_000) })
    const running = laptop.start('sync', source, 'nas:full', '--bwlimit', '1M', '--json')
    await running.printed(/"type":"progress"/)
    space.tries('dd', 'if=/dev/zero', `of=${nas.state}/fill`, 'bs=1k')
    await running.ended
    // It could not write down how the run ended, and says that nobody knows: it is not running any more.
    const told = async (wanted: RegExp): Promise<void> => {
      for (let tries = 0; ; tries++) {
        const text = String(JSON.parse((await nas.run('status', '--json')).stdout).jobs[0]?.text)
        if (wanted.test(text)) return
        assert.ok(tries < 60, text)
        await sleep(500)
      }
    }
    await told(/^its end is not known$/)
    // Whatever the daemon can't write down: it answers, and once there is room the next run is whole.
    assert.notEqual((await laptop.sync(source, 'nas:full')).failure?.code, 'unreachable')
    space.must('rm', `${nas.state}/fill`)
    // What could not be written before is, without another run.
    await told(/failed|left before|nothing was/)
    assert.equal((await laptop.sync(source, 'nas:full')).code, 0)
    assertSameTree(target, source)
    daemon.kill('SIGTERM')
    assert.equal((await daemon.ended).code, 0)
  })

  it('a full disk keeps the old version of what it has no room for', async () => {
    const { source, target } = fresh({ large: contentOf('old', 1_500_000), small: 'old' })
    space.mountSmall(target, 'size=2m')
    await laptop.mustSync('done', source, target)
    const before = readTree(inside(target)).find((line) => line.startsWith('large'))
    writeTree(source, { large: contentOf('new', 1_600_000), small: 'new and small' })
    const full = await laptop.sync(source, target)
    assert.equal(full.failure?.code, 'target-full', full.stdout)
    assert.equal(
      readTree(inside(target)).find((line) => line.startsWith('large')),
      before,
    )
    space.must('mount', '-o', 'remount,size=9m', target)
    await laptop.mustSync('done', source, target)
    assertSameTree(inside(target), source)
  })

  it('a run leaves a hundredth of a disk free, for whatever else lives there', async () => {
    const files = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`f${i}`, contentOf(`${i}`, 1_000_000)]))
    const { source, target } = fresh(files)
    space.mountSmall(target, 'size=32m')
    const full = await laptop.sync(source, target)
    assert.equal(full.failure?.code, 'target-full', full.stdout)
    assert.match(full.failure?.hint ?? '', /a run leaves a hundredth of the volume/)
    const { blocks, bfree } = statfsSync(inside(target))
    assert.ok(bfree >= blocks / 100, `${bfree} blocks of ${blocks} are free`)
    space.must('mount', '-o', 'remount,size=64m', target)
    await laptop.mustSync('done', source, target)
    assertSameTree(inside(target), source)
  })

  it('a disk that turned read-only is refused, and nothing is lost', async () => {
    const { source, target } = fresh({ a: 'a', 'd/b': 'b' })
    space.mountSmall(target, 'size=2m')
    await laptop.mustSync('done', source, target)
    const before = readTree(inside(target))
    writeTree(source, { a: 'changed' })
    space.must('mount', '-o', 'remount,ro', target)
    const refused = await laptop.sync(source, target)
    assert.deepEqual([refused.code, refused.failure?.code], [1, 'target-not-writable'], refused.stdout)
    const { message = '', hint = '' } = refused.failure ?? {}
    assert.ok(message.includes(target) && message.includes('(EROFS)'), message)
    assert.match(hint, /mounted read-only.*nothing was changed/)
    assert.deepEqual(readTree(inside(target)), before)
    const below = await laptop.sync(source, join(target, 'new'), '--new-target')
    assert.match(below.failure?.message ?? '', /new can't be made \(EROFS\)/)
    space.must('mount', '-o', 'remount,rw', target)
    await laptop.mustSync('done', source, target)
    assertSameTree(inside(target), source)
  })

  it("a fresh disk's lost+found is left alone, told once, and is no reason to halt", async (t) => {
    const { source, target } = fresh({ a: 'a', 'd/b': 'b' })
    const image = join(space.world.directory, `ext4-${number}.img`)
    if (!space.makeDisk(image, 4, '-O', '^has_journal') || !space.tries('mount', '-o', 'loop', image, target))
      return t.skip('an ext4 file system in a file is needed')
    const notices = (run: { lines: readonly { type: string; text?: unknown }[] }): string[] =>
      run.lines.filter(({ type }) => type === 'notice').map(({ text }) => String(text))
    const first = await laptop.mustSync('done', source, target)
    assert.match(notices(first).join(), /lost\+found there is left alone/)
    const again = await laptop.mustSync('unchanged', source, target)
    assert.deepEqual(notices(again), [])
    rmSync(join(source, 'd'), { recursive: true })
    await laptop.mustSync('done', source, target)
    assert.deepEqual(readdirSync(inside(target)).sort(), ['.nightferry', 'a', 'lost+found'])
    // As a source it is none of the user's either; what was found in it is.
    const copy = space.world.folder(`copy-${number}`)
    await laptop.mustSync('done', target, copy)
    assert.deepEqual(readdirSync(copy).sort(), ['.nightferry', 'a'])
    space.must('sh', '-c', `echo found > ${target}/lost+found/found`)
    await laptop.mustSync('done', target, copy)
    assert.equal(readFileSync(join(copy, 'lost+found/found'), 'utf8'), 'found\n')
  })

  it('a read-only disk without our folder, or under the settings, is told as such', async () => {
    const { source, target } = fresh({ a: 'a' })
    space.mountSmall(target, 'size=2m,ro')
    const refused = await laptop.sync(source, target)
    assert.ok(refused.failure?.message.includes(`${target} can't be written to (EROFS)`), refused.stdout)
    const { code, stderr } = await space.world.start(['--state', join(target, 'state'), 'status']).ended
    assert.equal(code, 2)
    assert.match(stderr, /state\/config can't be made \(EROFS\)\n.*mounted read-only/)
  })

  it('a disk that is taken away while a run works on it: the run ends, and neither side loses anything', async () => {
    const { source, target } = fresh({})
    for (let i = 0; i < 20; i++) writeTree(source, { [`d${i % 3}/f${i}`]: contentOf(`${i}`, 2_000_000) })
    const seen = readTree(source)
    for (const gone of ['target', 'source'] as const) {
      const disk = space.world.folder(`disk-${number}-${gone}`)
      const ends = gone === 'target' ? [source, disk] : [disk, target]
      if (gone === 'target') space.mountSmall(disk, 'size=99m')
      else space.must('mount', '--bind', source, disk)
      const run = laptop.start('sync', '--json', ...(ends as [string, string]))
      await run.printed(/"type":"progress"/)
      space.must('umount', '-l', disk)
      const { code, stdout, stderr } = await run.ended
      // Handles that are open keep the disk alive until they are closed: then the run may even end well.
      assert.ok(code === 0 || code === 1 || code === 3, stdout + stderr)
      assert.deepEqual(readTree(inside(disk)), [])
      const again = await laptop.sync(...(ends as [string, string]))
      if (gone === 'target') assert.equal(again.failure?.code, 'root-replaced', again.stdout)
      else assert.equal(again.outcome, 'halted', again.stdout)
      assert.deepEqual(readTree(inside(disk)), [])
      assert.deepEqual(readTree(source), seen)
    }
  })

  it('another disk at the place of the source is not mirrored over what the last one left', async () => {
    const { source, target } = fresh({ a: 'a', b: 'b', 'd/c': 'c' })
    await laptop.mustSync('done', source, target)
    const before = readTree(target)
    space.mountSmall(source, 'size=1m')
    const empty = await laptop.sync(source, target)
    assert.equal(empty.outcome, 'halted', empty.stdout)
    writeTree(inside(source), { stranger: 'not what was there' })
    const other = await laptop.sync(source, target)
    assert.equal(other.outcome, 'halted', other.stdout)
    assert.deepEqual(readTree(target), before)
    space.must('umount', source)
    await laptop.mustSync('unchanged', source, target)
  })

  it('a disk that is mounted within the target is not written to, and what it hides is not lost', async () => {
    const { source, target } = fresh({ 'in/a': 'a', 'in/b': 'b', out: 'out', 'moves/x': contentOf('x', 5000) })
    await laptop.mustSync('done', source, target)
    space.mountSmall(join(target, 'in'), 'size=1m')
    writeTree(inside(join(target, 'in')), { theirs: 'on the other disk' })
    writeTree(source, { 'in/a': 'changed', out: 'changed' })
    const run = await laptop.sync(source, target, '--release')
    assert.ok(run.code === 3 || run.code === 15, run.stdout + run.stderr)
    const there = readTree(inside(join(target, 'in')))
    assert.ok(
      there.some((line) => line.startsWith('theirs ')),
      there.join('\n'),
    )
    space.must('umount', join(target, 'in'))
    await laptop.sync(source, target)
    await laptop.sync(source, target, '--release')
    assertSameTree(target, source)
  })

  it('disks that are mounted within the source are read like folders, each bind of one by itself', async () => {
    const { source, target } = fresh({ plain: 'plain', 'one/': '', 'two/': '' })
    const other = space.world.folder(`other-${number}`)
    writeTree(other, { x: 'x', 'y/z': 'z' })
    space.must('mount', '--bind', other, join(source, 'one'))
    space.must('mount', '--bind', other, join(source, 'two'))
    await laptop.mustSync('done', source, target)
    assertSameTree(target, inside(source))
    await laptop.mustSync('unchanged', source, target)
    // A file that is mounted over another is read as what it shows.
    space.must('mount', '--bind', join(other, 'x'), join(source, 'plain'))
    await laptop.mustSync('done', source, target)
    assertSameTree(target, inside(source))
    // One disk less, and few entries: only the guard's numbers stand before their deletion (docs/threats.md).
    space.must('umount', join(source, 'two'))
    const less = await laptop.sync(source, target, '--max-delete', '0')
    assert.equal(less.outcome, 'halted', less.stdout)
  })

  it('a file system with times of whole seconds is not synced again and again', async (t) => {
    const { source, target } = fresh({ a: 'a', 'd/b': 'b' })
    const image = join(space.world.directory, 'image')
    const looped =
      space.makeDisk(image, 4, '-I', '128', '-O', '^has_journal') && space.tries('mount', '-o', 'loop', image, target)
    if (!looped) return t.skip('no mkfs.ext4, or no loop devices')
    space.must('rmdir', join(target, 'lost+found'))
    await laptop.mustSync('done', source, target)
    await laptop.mustSync('unchanged', source, target)
    writeTree(source, { a: 'changed' })
    await laptop.mustSync('done', source, target)
    await laptop.mustSync('unchanged', source, target)
    // Nor where nothing is remembered.
    rmSync(join(laptop.state, 'state'), { recursive: true })
    await laptop.mustSync('unchanged', source, target)
    assert.equal(readFileSync(join(inside(target), 'a'), 'utf8'), 'changed')
    // Two edits of one size within a second, and a run between them.
    for (const [text, seconds] of [
      ['first..', 1_700_000_000.1],
      ['second.', 1_700_000_000.6],
    ] as const) {
      writeFileSync(join(source, 'a'), text)
      utimesSync(join(source, 'a'), seconds, seconds)
      await laptop.mustSync('done', source, target)
      assert.equal(readFileSync(join(inside(target), 'a'), 'utf8'), text)
    }
    await laptop.mustSync('unchanged', source, target)
  })

  it('a file system without the time of a file is given the nearest one once, and content whenever it changes', async (t) => {
    const { source, target } = fresh({ far: 'old', 'd/b': 'b' })
    const image = join(space.world.directory, 'image-2038')
    const looped =
      space.makeDisk(image, 4, '-I', '128', '-O', '^has_journal') && space.tries('mount', '-o', 'loop', image, target)
    if (!looped) return t.skip('no mkfs.ext4, or no loop devices')
    space.must('rmdir', join(target, 'lost+found'))
    utimesSync(join(source, 'far'), 4_102_444_800, 4_102_444_800)
    await laptop.mustSync('done', source, target)
    for (const round of ['1', '22']) {
      writeTree(source, { 'd/b': `b ${round}` })
      const { changes } = await laptop.mustSync('done', source, target)
      assert.deepEqual(
        changes.map(({ path }) => path),
        ['d/b'],
      )
    }
    writeFileSync(join(source, 'far'), 'new')
    utimesSync(join(source, 'far'), 4_102_444_801, 4_102_444_801)
    await laptop.mustSync('done', source, target)
    assert.equal(readFileSync(join(inside(target), 'far'), 'utf8'), 'new')
    await laptop.mustSync('unchanged', source, target)
  })
})
