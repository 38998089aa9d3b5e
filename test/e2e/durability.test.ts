// `--durability`: what a run leaves unsynced is found out by the next one once the machine or the disk went down, and is of
// no further interest as long as neither did; what was there before is not lost under any level; and whoever owns a share
// says whether others may choose. Disks of their own, as root, are shut down for real, or changed behind the file system's
// back.

import assert from 'node:assert/strict'
import { cpSync, existsSync, readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { assertSameTree, contentOf, writeTree } from '../world/disk-trees.ts'
import { LoopDisks } from '../world/loop-disk.ts'
import { type Machine, noticesOf, pairedMachines, type Synced, World } from '../world/machines.ts'
import { MountSpace, noMountSpace } from '../world/mount-space.ts'
import { assertNothingLost, holdingOf } from '../world/oracle.ts'

const none = ['--durability', 'none'] as const
const isRemembered = (target: string): boolean => existsSync(join(target, '.nightferry/unsynced.json'))
const pathsOf = ({ changes }: Synced): string[] => changes.map(({ path }) => path).sort()

describe('a run without syncs', () => {
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

  it('says so, once, and is remembered until the next run has synced', async () => {
    const [source, target] = [world.folder('source'), world.folder('target')]
    writeTree(source, { a: 'a', 'd/b': contentOf('b', 3000) })
    const first = await machine.mustSync('done', source, target, ...none)
    assert.deepEqual(
      noticesOf(first).filter((text) => text.includes('synced')),
      [
        'nothing that this run wrote is synced: a power cut may still empty or lose it, and the next run then finds out',
      ],
    )
    assert.ok(isRemembered(target))
    assert.deepEqual(machine.log('sync').filter(({ action }) => action === 'not-synced').length, 1)
    assert.match(await machine.must('log', String(first.lines[0]?.runId)), /--durability none/)
    await machine.mustSync('unchanged', source, target)
    assert.ok(!isRemembered(target))
    writeTree(source, { c: 'c' })
    await machine.mustSync('done', source, target, '--durability', 'group')
    assert.ok(!isRemembered(target))
  })

  it('is taken for whole where only its process died', async () => {
    const [source, target] = [world.folder('killed source'), world.folder('killed target')]
    for (let i = 0; i < 400; i++) writeTree(source, { [`d${i % 7}/${i}`]: contentOf(`${i}`, 9000) })
    const run = machine.start('sync', '--json', source, target, ...none)
    await run.printed(/"phase":"transfer"/)
    run.kill('SIGKILL')
    await run.ended
    const next = await machine.mustSync('done', source, target)
    assert.ok(!noticesOf(next).some((text) => text.includes('did not sync')), next.stdout)
    assertSameTree(target, source)
    assert.ok(!isRemembered(target))
  })

  it('is read again, and mended, where the disk came back with other content under the same times', async (t) => {
    const disk = disks.make(t, world.directory, 'changed')
    if (disk === undefined) return
    const source = world.folder('changed source')
    const [old, lost] = [contentOf('old', 20_000), contentOf('lost', 20_000)]
    writeTree(source, { 'd/old': old, 'd/same': 'same' })
    const ends = [source, join(disk.path, 'copy')] as const
    await machine.mustSync('done', ...ends)
    writeTree(source, { 'd/lost': lost, 'd/whole': 'whole' })
    await machine.mustSync('done', ...ends, ...none)
    disk.damage(lost.subarray(0, 4000))
    const mended = await machine.mustSync('done', ...ends)
    assert.deepEqual(pathsOf(mended), ['d/lost'])
    assert.ok(
      noticesOf(mended).some((text) => text.startsWith('a run that did not sync wrote to the target before')),
      mended.stdout,
    )
    assert.deepEqual(readFileSync(join(disk.path, 'copy/d/lost')), lost)
    const last = await machine.mustSync('unchanged', ...ends)
    assert.deepEqual(noticesOf(last), [])
    // What was synced before is not read again: that is another promise (--verify).
    disk.damage(old.subarray(0, 4000))
    await machine.mustSync('unchanged', ...ends)
  })

  it('that was cut off is held against the source, file by file, by whoever writes there next', async (t) => {
    const disk = disks.make(t, world.directory, 'cut off')
    if (disk === undefined) return
    const [source, other] = [world.folder('cut source'), world.machine('two')]
    const content = contentOf('damaged', 20_000)
    writeTree(source, { 'd/x': content, y: 'y' })
    const ends = [source, join(disk.path, 'copy')] as const
    await machine.mustSync('done', ...ends, ...none)
    disk.damage(content.subarray(0, 4000))
    // Another job, and a state that knows nothing: a person is asked, since something would be replaced.
    const copy = world.folder('copied source')
    cpSync(source, copy, { recursive: true, preserveTimestamps: true })
    const theirs = [copy, ends[1]] as const
    const held = await other.sync(...theirs)
    assert.deepEqual([held.outcome, pathsOf(held).includes('d/x')], ['halted', true])
    await other.mustSync('done', ...theirs, '--release')
    assert.ok(isRemembered(join(disk.path, 'copy')), 'the first job has not looked')
    assert.deepEqual(readFileSync(join(disk.path, 'copy/d/x')), content)
    assert.equal((await machine.sync(...ends)).code, 0)
    assert.ok(!isRemembered(join(disk.path, 'copy')))
  })

  it('takes two levels, and refuses others', async () => {
    const { code, stderr } = await machine.run('sync', 'a', 'b', '--durability', 'maybe')
    assert.equal(code, 2)
    assert.match(stderr, /--durability takes group or none, not "maybe"/)
  })
})

describe('a power cut after a run without syncs', { skip: noMountSpace }, () => {
  for (const kind of ['ext4', 'xfs'] as const) {
    it(`${kind}: nothing of before is lost, and the next run mends the rest`, async (t) => {
      const space = await MountSpace.open()
      try {
        const laptop = space.world.machine('laptop')
        const [source, disk] = [space.world.folder('source'), space.world.folder('disk')]
        const image = join(space.world.directory, 'image')
        const isMade = kind === 'ext4' ? space.makeDisk(image, 64, '-m', '0') : space.makeXfs(image)
        if (!isMade || !space.tries('mount', '-o', 'loop', image, disk)) return t.skip(`no mkfs.${kind}, or no loop`)
        const target = join(disk, 'target')
        const inside = space.inside(target)
        for (let i = 0; i < 40; i++) writeTree(source, { [`d${i % 3}/f${i}`]: contentOf(`${i}`, 5000) })
        await laptop.mustSync('done', source, target)
        const old = holdingOf(inside)
        for (let i = 0; i < 40; i += 2) writeTree(source, { [`d${i % 3}/f${i}`]: contentOf(`${i} new`, 5000) })
        writeTree(source, { 'new/a': contentOf('a', 100_000), 'new/b': 'b', holes: contentOf('holes', 70_000) })
        // Its length is in the log at once, and its content is not.
        truncateSync(join(source, 'holes'), 4_000_000)
        await laptop.mustSync('done', source, target, ...none)
        assertSameTree(inside, source)
        // Another file's sync commits names and lengths, of what has no content yet.
        space.must('sh', '-c', `echo x > '${disk}/other' && sync '${disk}/other'`)
        if (!space.cutPower(disk)) return t.skip('this file system can not be cut off')
        space.must('umount', disk)
        space.must('mount', '-o', 'loop', image, disk)
        const isWhole = JSON.stringify([...holdingOf(inside)]) === JSON.stringify([...holdingOf(source)])
        t.diagnostic(isWhole ? 'all of it was on the disk' : 'some of it was lost')
        assertNothingLost(inside, old, kind)
        const next = await laptop.sync('--max-delete', '100%', source, target)
        assert.match(next.outcome, /^(done|unchanged)$/, next.stdout)
        assert.equal(next.code, 0)
        assertSameTree(inside, source)
        assertNothingLost(inside, old, kind)
        await laptop.mustSync('unchanged', source, target)
        assert.ok(!isRemembered(inside))
      } finally {
        await space.close()
      }
    })
  }
})

describe('a share', () => {
  it('syncs what others write, unless its owner lets them leave that out', async () => {
    const { world, laptop, nas, shared } = await pairedMachines()
    try {
      const source = world.folder('source')
      writeTree(source, { a: 'a' })
      const first = await laptop.mustSync('done', source, 'nas:data', ...none)
      assert.ok(
        noticesOf(first).includes(
          'the target syncs what it writes, as its share says: --durability none is not allowed there',
        ),
        first.stdout,
      )
      assert.ok(!isRemembered(shared))
      assert.equal(nas.log('serve').filter(({ action }) => action === 'not-synced').length, 0)
      assert.match(
        await nas.must('share', 'allow', 'data', 'no-sync', 'owner'),
        /data: other machines may set owner and leave out syncs, from the next run on/,
      )
      writeTree(source, { b: 'b' })
      await laptop.mustSync('done', source, 'nas:data', ...none)
      assert.ok(isRemembered(shared))
      assert.equal(nas.log('serve').filter(({ action }) => action === 'not-synced').length, 1)
      await laptop.mustSync('unchanged', source, 'nas:data', ...none)
      assert.ok(!isRemembered(shared))
      // What a run reads from is not its to say anything about.
      const pulled = world.folder('pulled')
      await laptop.mustSync('done', 'nas:data', pulled, ...none)
      assert.ok(isRemembered(pulled))
    } finally {
      await world.close()
    }
  })
})
