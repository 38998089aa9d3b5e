// Power cuts, real ones: the target lies on an ext4 file system of its own, which is shut down without writing its log in
// the middle of a run, and mounted again. A name holds its old or its new version, complete; what both trees have is
// there; and the next run is an ordinary run that ends in sync. Needs root and the right to mount; skipped without.

import assert from 'node:assert/strict'
import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertSameTree, contentOf, readTree, writeTree } from '../world/disk-trees.ts'
import type { Machine } from '../world/machines.ts'
import { MountSpace, noMountSpace } from '../world/mount-space.ts'

describe('a power cut', { skip: noMountSpace }, () => {
  let space: MountSpace
  let laptop: Machine
  before(async () => {
    space = await MountSpace.open()
    laptop = space.world.machine('laptop')
  })
  after(() => space?.close())

  /** Two states of one tree, far apart: files come, go, change and move. */
  function writeState(source: string, state: number): void {
    for (let i = 0; i < 120; i++) {
      const size = [0, 10, 3000, 40_000][i % 4] ?? 0
      if (i % 5 !== 0 || state === 0)
        writeTree(source, { [`d${i % 6}/f${i}`]: contentOf(`${i} ${i % 3 === 0 ? state : ''}`, size) })
      else rmSync(join(source, `d${i % 6}/f${i}`), { force: true })
    }
    const [from, to] = state === 0 ? ['moved', 'moves'] : ['moves', 'moved']
    if (readTree(source).some((line) => line.startsWith(`${from} `))) renameSync(join(source, from), join(source, to))
    else writeTree(source, { [`${to}/deep/a`]: contentOf('moves', 50_000), [`${to}/b`]: 'b' })
    rmSync(join(source, `only-${1 - state}`), { recursive: true, force: true })
    writeTree(source, { [`only-${state}/x/y`]: `${state}`, [`only-${state}/z`]: contentOf(`z ${state}`, 9000) })
  }

  const filesOf = (lines: readonly string[]): Map<string, string> =>
    new Map(lines.filter((line) => / file \d/.test(line)).map((line) => [line.slice(0, line.indexOf(' file ')), line]))

  it('in the middle of a run leaves old or new versions, and the next run goes on', async (t) => {
    const source = space.world.folder('source')
    const disk = space.world.folder('disk')
    const image = join(space.world.directory, 'image')
    if (!space.makeDisk(image, 24, '-m', '0') || !space.tries('mount', '-o', 'loop', image, disk))
      return t.skip('no mkfs.ext4, or no loop devices')
    space.must('rmdir', join(disk, 'lost+found'))
    writeState(source, 0)
    await laptop.mustSync('done', source, disk)
    let cutShort = 0
    // On a machine where each of them comes too late, more of the first.
    const delays = [0, 10, 30, 60, 100, 200, ...Array.from({ length: 20 }, () => 0)]
    for (const [round, delayMs] of delays.entries()) {
      if (round > 5 && cutShort > 0) break
      const old = filesOf(readTree(space.inside(disk)))
      writeState(source, (round + 1) % 2)
      const next = filesOf(readTree(source))
      const run = laptop.start('sync', '--json', '--max-delete', '100%', source, disk)
      await run.printed(/"phase":"transfer"/)
      await sleep(delayMs)
      if (!space.cutPower(disk)) return t.skip('this file system can not be cut off')
      const { code, stdout, stderr } = await run.ended
      if (code !== 0) cutShort++
      assert.doesNotMatch(stderr, /\n {4}at /, stdout + stderr)
      space.must('umount', disk)
      space.must('mount', '-o', 'loop', image, disk)

      const there = filesOf(readTree(space.inside(disk)))
      const where = `cut after ${delayMs} ms (code ${code})`
      const whole = new Set([...old, ...next].map(([path, line]) => line.slice(path.length)))
      for (const [path, line] of there) {
        // A directory that only moved may have its new name, and what it held before.
        assert.ok(whole.has(line.slice(path.length)), `${where}: ${line}`)
      }
      for (const path of next.keys()) assert.ok(!old.has(path) || there.has(path), `${where}: ${path} is missing`)
      const again = await laptop.sync('--max-delete', '100%', source, disk)
      assert.ok(again.outcome === 'done' || again.outcome === 'unchanged', `${where}: ${again.stdout}${again.stderr}`)
      assertSameTree(space.inside(disk), source)
      await laptop.mustSync('unchanged', source, disk)
    }
    assert.ok(cutShort > 0, 'no run was cut short: nothing was shown')
  })
})
