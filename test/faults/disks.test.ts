// Real disks that fail: ext4 and XFS whose power is cut in front of each system call of a run, with the target on them and
// the state database too; and disks that are full, the target's, the state's, or both. Each has a mount namespace of its
// own. Whatever happened: old or new content, nothing that was synced is lost, a clear word, and a plain run converges.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { assertSameTree, contentOf, writeTree } from '../world/disk-trees.ts'
import { Machine, type Synced } from '../world/machines.ts'
import { MountSpace, noMountSpace } from '../world/mount-space.ts'
import { assertNothingLost, assertOldOrNew, assertStateWhole, assertTidy, holdingOf } from '../world/oracle.ts'
import { noTracing, TracingLauncher } from '../world/traced.ts'
import type { TraceFault } from '../world/tracer.ts'
import { type Extent, writeState } from '../world/two-states.ts'
import { casesOf, isLeftOut, isWhole, replay } from './options.ts'

/** A mirror whose target and state lie on a disk in a file. */
class DiskScene {
  readonly space: MountSpace
  readonly launcher: TracingLauncher
  readonly source: string
  readonly disk: string
  readonly target: string
  readonly laptop: Machine
  readonly #image: string
  #state = 0

  private constructor(space: MountSpace, launcher: TracingLauncher, image: string) {
    this.space = space
    this.launcher = launcher
    this.#image = image
    this.source = space.world.folder('source')
    this.disk = space.world.folder('disk')
    this.target = join(this.disk, 'target')
    this.laptop = new Machine(space.world, 'laptop', join(this.disk, 'state'))
  }

  /** Undefined, and told, where this system can't have such a disk. */
  static async open(t: TestContext, kind: 'ext4' | 'xfs'): Promise<DiskScene | undefined> {
    const launcher = new TracingLauncher()
    const space = await MountSpace.open(launcher.path)
    const image = join(space.world.directory, 'image')
    const scene = new DiskScene(space, launcher, image)
    const isMade = kind === 'ext4' ? space.makeDisk(image, 48, '-m', '0') : space.makeXfs(image)
    if (isMade && scene.#mount()) return scene
    await scene.close()
    t.skip(isMade ? 'no loop devices' : `no mkfs.${kind}`)
    return undefined
  }

  #mount(): boolean {
    return this.space.tries('mount', '-o', 'loop', this.#image, this.disk)
  }

  /** The power is back. */
  remount(): void {
    this.space.must('umount', this.disk)
    assert.ok(this.#mount())
  }

  nextState(extent: Extent): void {
    writeState(this.source, this.#state++, extent)
  }

  async sync(fault?: TraceFault): Promise<Synced> {
    if (fault !== undefined) this.launcher.next([this.target, this.laptop.state], fault)
    return await this.laptop.sync('--max-delete', '100%', this.source, this.target)
  }

  async close(): Promise<void> {
    await this.space.close()
    this.launcher.close()
  }
}

describe('a real power cut in front of a system call', { skip: noMountSpace || noTracing }, () => {
  for (const [kind, extent, sample] of [
    ['ext4', 'few', 2],
    ['ext4', 'many', 0],
    ['xfs', 'few', 1],
  ] as const) {
    if (sample === 0 && !isWhole) continue
    const part = `disks-${kind}-${extent}`
    it(`${kind}, ${extent} changes: nothing synced is lost, and a run converges`, {
      skip: isLeftOut(part),
    }, async (t) => {
      const scene = await DiskScene.open(t, kind)
      if (scene === undefined) return
      const { space, launcher, laptop, source, target, disk } = scene
      try {
        scene.nextState(extent)
        await laptop.mustSync('done', source, target)
        scene.nextState(extent)
        const trace = launcher.next([target, laptop.state])
        assert.equal((await scene.sync()).code, 0)
        const { calls } = trace.report()
        t.diagnostic(`${part}: ${calls.length} calls`)
        for (const at of casesOf(calls.length, sample, part)) {
          scene.nextState(extent)
          const [old, next] = [holdingOf(space.inside(target)), holdingOf(source)]
          const run: Synced = await scene.sync({ at, how: 'CUT', cut: disk })
          const where: string = `cut in front of call ${at} (${replay(part, at)}), ${run.stdout}${run.stderr}`
          assert.doesNotMatch(run.stderr, /\n {4}at /, where)
          scene.remount()
          assertOldOrNew(space.inside(target), old, next, where)
          assertNothingLost(space.inside(target), old, where)
          assertStateWhole(space.inside(laptop.state), where)
          const again = await scene.sync()
          assert.equal(again.code, 0, `${where}, then ${again.stdout}${again.stderr}`)
          assertSameTree(space.inside(target), source)
          assertTidy(space.inside(target), where)
          assertNothingLost(space.inside(target), old, where)
        }
      } finally {
        await scene.close()
      }
    })
  }
})

describe('a full disk', { skip: noMountSpace }, () => {
  /** So many KiB are left on each of these. */
  const sizes = [0, 4, 12, 40, 100, 200, 400, 600, 800]
  /** Up to here some run has to find no space. */
  const roomy = 4

  for (const [what, isTarget, isState] of [
    ['of the target', true, false],
    ['of the state', false, true],
    ['of both', true, true],
  ] as const) {
    const part = `disks-full-${what.split(' ').at(-1)}`
    it(`${what} is told, and what it held stays`, { skip: isLeftOut(part) }, async () => {
      const space = await MountSpace.open()
      try {
        const [source, target] = [space.world.folder('source'), space.world.folder('target')]
        const laptop = space.world.machine('laptop')
        const disks = [...(isTarget ? [target] : []), ...(isState ? [laptop.state] : [])]
        for (const disk of disks) space.mountSmall(disk, 'size=8m')
        let state = 0
        const edit = (): void => {
          writeState(source, state, 'few')
          writeTree(source, { more: contentOf(`more ${state++}`, 300_000) })
        }
        edit()
        await laptop.mustSync('done', source, target)
        let [fullRuns, fullest] = [0, Number.POSITIVE_INFINITY]
        for (const number of casesOf(sizes.length, 2, part)) {
          edit()
          fullest = Math.min(fullest, number)
          const old = holdingOf(space.inside(target))
          const fill = (disk: string): string => join(disk, disk === target ? '.nightferry' : '', 'fill')
          for (const disk of disks) {
            space.tries('dd', 'if=/dev/zero', `of=${fill(disk)}`, 'bs=1k')
            space.must('truncate', '-s', `-${sizes[number - 1]}K`, fill(disk))
          }
          const run = await laptop.sync('--max-delete', '100%', source, target)
          const where = `${sizes[number - 1]} KiB left (${replay(part, number)}): ${run.stdout}${run.stderr}`
          assertOldOrNew(space.inside(target), old, holdingOf(source), where)
          if (run.code !== 0) {
            fullRuns++
            assert.equal(run.code, 1, where)
            assert.match(`${run.failure?.message} ${run.failure?.hint}`, /space|full|ENOSPC/, where)
          }
          for (const disk of disks) space.must('rm', fill(disk))
          const again = await laptop.sync('--max-delete', '100%', source, target)
          assert.equal(again.code, 0, `${where}, then ${again.stdout}${again.stderr}`)
          assertSameTree(space.inside(target), source)
          assertTidy(space.inside(target), where)
          assertStateWhole(space.inside(laptop.state), where)
        }
        assert.ok(fullRuns > 0 || fullest > roomy, 'no disk was full')
      } finally {
        await space.close()
      }
    })
  }

  /** So many more names fit. */
  const names = [0, 1, 2, 3, 5, 8, 12, 20, 30]
  const part = 'disks-names'
  it('that takes no more names is told, and what it held stays', { skip: isLeftOut(part) }, async () => {
    const space = await MountSpace.open()
    try {
      const [source, target] = [space.world.folder('source'), space.world.folder('target')]
      const laptop = space.world.machine('laptop')
      space.mountSmall(target, 'size=16m,nr_inodes=600')
      let state = 0
      const edit = (): void => writeState(source, state++, 'few')
      edit()
      await laptop.mustSync('done', source, target)
      const fill = join(target, '.nightferry/fill')
      let [fullRuns, fullest] = [0, Number.POSITIVE_INFINITY]
      for (const number of casesOf(names.length, 2, part)) {
        edit()
        fullest = Math.min(fullest, number)
        const old = holdingOf(space.inside(target))
        const more = `i=0; mkdir ${fill} && while : 2>/dev/null >${fill}/$i; do i=$((i+1)); done`
        space.tries('sh', '-c', more)
        space.must('sh', '-c', `ls ${fill} | head -n ${names[number - 1]} | (cd ${fill} && xargs -r rm)`)
        const run = await laptop.sync('--max-delete', '100%', source, target)
        const where = `${names[number - 1]} names left (${replay(part, number)}): ${run.stdout}${run.stderr}`
        assertOldOrNew(space.inside(target), old, holdingOf(source), where)
        assertNothingLost(space.inside(target), old, where)
        if (run.code !== 0) {
          fullRuns++
          assert.ok(run.code === 1 || run.code === 3, where)
          const told = `${run.failure?.message} ${run.failure?.hint} ${JSON.stringify(run.problems)}`
          assert.match(told, /space|full|ENOSPC|no-space/, where)
        }
        space.must('rm', '-r', fill)
        const again = await laptop.sync('--max-delete', '100%', source, target)
        assert.equal(again.code, 0, `${where}, then ${again.stdout}${again.stderr}`)
        assertSameTree(space.inside(target), source)
        assertTidy(space.inside(target), where)
      }
      assert.ok(fullRuns > 0 || fullest > roomy, 'there was room for all')
    } finally {
      await space.close()
    }
  })
})
