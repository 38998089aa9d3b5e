// On a file system that shares blocks between files, what a target has of a new content is shared, not written again: what
// did not change of a large file, and whole files that are copied there. Needs root and mkfs.xfs; skipped without.

import assert from 'node:assert/strict'
import { appendFileSync, copyFileSync, readdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Machine } from '../world/machines.ts'
import { MountSpace, noMountSpace } from '../world/mount-space.ts'
import { noise } from '../world/noise.ts'

const mib = 1024 * 1024
const fileBytes = 48 * mib

describe('a target that can share blocks', { skip: noMountSpace }, () => {
  let space: MountSpace
  let laptop: Machine
  let source: string
  let disk: string
  let isThere = false
  before(async () => {
    space = await MountSpace.open()
    laptop = space.world.machine('laptop')
    source = space.world.folder('source')
    disk = space.world.folder('disk')
    const image = join(space.world.directory, 'image')
    isThere = space.makeXfs(image) && space.tries('mount', '-o', 'loop', image, disk)
  })
  after(async () => await space?.close())

  /** What one more run took of the disk; old versions stay on it. */
  async function taken(folder: string): Promise<number> {
    const free = (): number => {
      space.must('sync', '-f', disk)
      const { bfree, bsize } = statfsSync(space.inside(disk))
      return bfree * bsize
    }
    const beforeBytes = free()
    const target = join(disk, folder)
    await laptop.mustSync('done', join(source, folder), target, '--release')
    for (const name of readdirSync(join(source, folder)))
      assert.ok(readFileSync(space.inside(join(target, name))).equals(readFileSync(join(source, folder, name))), name)
    return beforeBytes - free()
  }

  it('writes what changed of a large file, and shares the rest with the version that is kept', async (t) => {
    if (!isThere) return t.skip('no mkfs.xfs, or no loop devices')
    const large = join(space.world.folder('source/edited'), 'large')
    writeFileSync(large, noise(1, fileBytes))
    assert.ok((await taken('edited')) > fileBytes - mib)
    appendFileSync(large, noise(2, mib))
    const appended = await taken('edited')
    assert.ok(appended < 6 * mib, `${appended} bytes for a mebibyte at its end`)
    const bytes = readFileSync(large)
    for (let at = 7 * mib; at < fileBytes; at += 10 * mib) noise(at, 4096).copy(bytes, at)
    writeFileSync(large, bytes)
    const edited = await taken('edited')
    assert.ok(edited < 8 * mib, `${edited} bytes for five blocks`)
  })

  it('shares a whole file that is copied', async (t) => {
    if (!isThere) return t.skip('no mkfs.xfs, or no loop devices')
    // No version is kept here, whose end would make room.
    const large = join(space.world.folder('source/copied'), 'large')
    writeFileSync(large, noise(3, fileBytes))
    assert.ok((await taken('copied')) > fileBytes - mib)
    copyFileSync(large, `${large}-too`)
    const copied = await taken('copied')
    assert.ok(copied < 4 * mib, `${copied} bytes for a copy`)
  })
})
