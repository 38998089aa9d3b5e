// What a mirror with all options leaves is what was there, as rsync sees it: trees of nasty entries, between folders here, from
// one file system to another (ext4 and XFS on loop disks), over ssh, and back again. rsync reads every byte, mode, time, owner,
// attribute and ACL, and has nothing to say. Where an end can't hold what is asked for, that is told once.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Machine } from '../world/machines.ts'
import { World } from '../world/machines.ts'
import { MountSpace, noMountSpace } from '../world/mount-space.ts'
import { nastyTree } from '../world/nasty-tree.ts'
import { noSshd, Sshd } from '../world/sshd.ts'

const all = ['--owner', '--numeric-ids', '--set-id', '--xattrs', 'all', '--acls'] as const

function noRsync(): string | false {
  const { status, stdout } = spawnSync('rsync', ['--version'], { encoding: 'utf8' })
  if (status !== 0) return 'rsync not installed (Debian: apt install rsync)'
  return /\bACLs\b/.test(stdout) && /\bxattrs\b/.test(stdout) ? false : 'this rsync knows no ACLs or attributes'
}
const isRoot = process.platform === 'linux' && process.getuid?.() === 0
const skip = isRoot ? noRsync() : 'needs root on Linux'

/** What rsync would still do to make the target what the source is. */
function differences(source: string, target: string, space?: MountSpace): string[] {
  // XFS shows its ACLs a second time, as attributes that no other file system has.
  const filter = '--filter=-x trusted.SGI_ACL_*'
  const options = ['-aAXnc', '--numeric-ids', '--delete', '--itemize-changes', '--exclude=/.nightferry', filter]
  const words = [...options, `${source}/`, `${target}/`]
  const run = space?.says('rsync', ...words) ?? spawnSync('rsync', words, { encoding: 'utf8' })
  assert.equal(run.status, 0, run.stderr)
  return run.stdout.split('\n').filter((line) => line !== '')
}

describe('a mirror with all options', { skip }, () => {
  const world = new World()
  after(() => world.close())
  const machine = world.machine('one')

  it('leaves nothing for rsync to do, nor for itself, there and back', async () => {
    const [source, target, back] = ['source', 'target', 'back'].map((name) => world.folder(name)) as [
      string,
      string,
      string,
    ]
    nastyTree(source)
    assert.ok(differences(source, target).length > 100, 'rsync sees what is there')
    await machine.mustSync('done', source, target, ...all)
    assert.deepEqual(differences(source, target), [])
    await machine.mustSync('unchanged', source, target, ...all)
    await machine.mustSync('done', target, back, ...all)
    assert.deepEqual(differences(source, back), [])
  })
})

describe('a mirror with all options over ssh', { skip: skip === false ? noSshd() : skip }, () => {
  const world = new World()
  let sshd: Sshd
  before(async () => {
    sshd = await Sshd.start(world)
  })
  after(async () => {
    await sshd?.close()
    await world.close()
  })

  it('leaves nothing for rsync to do, nor for itself, there and back, and comes back by an undo', async () => {
    const machine = world.machine('one')
    const [source, target, back] = ['source', 'target', 'back'].map((name) => world.folder(name)) as [
      string,
      string,
      string,
    ]
    nastyTree(source)
    await machine.mustSync('done', source, `ssh://nas${target}`, ...all)
    assert.deepEqual(differences(source, target), [])
    await machine.mustSync('unchanged', source, `ssh://nas${target}`, ...all)
    await machine.mustSync('done', `ssh://nas${target}`, back, ...all)
    assert.deepEqual(differences(source, back), [])
    // Owners, attributes and ACLs alone: no content moves for them, and all of it comes back.
    const one = join(source, 'owners')
    assert.equal(spawnSync('chown', ['-hR', '7:8', one, source]).status, 0)
    assert.equal(spawnSync('chmod', ['-R', 'g-w', join(source, 'acls')]).status, 0)
    const run = await machine.mustSync('done', source, `ssh://nas${target}`, ...all)
    assert.equal(run.counts['replaced'], 0)
    assert.deepEqual(differences(source, target), [])
    await machine.must('undo', String(run.lines[0]?.['runId']))
    assert.deepEqual(differences(back, target), [])
  })
})

describe('a mirror with all options between disks', { skip: skip === false ? noMountSpace : skip }, () => {
  let space: MountSpace
  let machine: Machine
  let number = 0
  before(async () => {
    space = await MountSpace.open()
    machine = space.world.machine('one')
  })
  after(() => space?.close())

  /** An empty folder on a disk of its own; undefined where there can be none. */
  function disk(kind: 'ext4' | 'xfs'): string | undefined {
    const name = `disk-${++number}`
    const image = join(space.world.directory, `${name}.img`)
    const path = space.world.folder(name)
    const made = kind === 'ext4' ? space.makeDisk(image, 64, '-b', '4096') : space.makeXfs(image)
    if (!made || !space.tries('mount', '-o', 'loop', image, path)) return undefined
    const folder = join(path, 'folder')
    space.must('mkdir', folder)
    return folder
  }

  for (const [from, to] of [
    ['ext4', 'xfs'],
    ['xfs', 'ext4'],
  ] as const) {
    it(`from ${from} to ${to} leaves nothing for rsync to do, nor for itself`, async (t) => {
      const [source, target] = [disk(from), disk(to)]
      if (source === undefined || target === undefined) return t.skip(`no ${from} or ${to} on a loop disk here`)
      nastyTree(space.inside(source))
      await machine.mustSync('done', source, target, ...all)
      assert.deepEqual(differences(source, target, space), [])
      await machine.mustSync('unchanged', source, target, ...all)
    })
  }
})
