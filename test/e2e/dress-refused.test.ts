// File systems that have no owners, attributes or ACLs to give, or not enough room for them: what can't be had is told, once where it
// is the disk's doing, all else goes on, nothing is taken from the other end for it, and what came can be undone.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { acl, dressOf, set } from '../world/dressed.ts'
import type { Machine } from '../world/machines.ts'
import { MountSpace, noMountSpace } from '../world/mount-space.ts'
import { plant } from '../world/planted.ts'

describe('a disk that refuses', { skip: noMountSpace }, () => {
  let space: MountSpace
  let machine: Machine
  before(async () => {
    space = await MountSpace.open()
    machine = space.world.machine('one')
  })
  after(() => space?.close())

  const all = ['--owner', '--xattrs', 'all', '--acls'] as const

  function dressed(path: string): void {
    plant(path, { a: 'a', 'b/c': 'c' })
    set(join(path, 'a'), 'user.colour', 'blue')
    set(join(path, 'a'), 'trusted.seal', 'wax')
    set(join(path, 'b'), 'system.posix_acl_default', acl(6))
  }

  it('attributes, as a target is told once, each run, and the rest comes', async (t) => {
    const [source, target] = [space.world.folder('one/source'), space.world.folder('one/target')]
    dressed(source)
    if (!space.tries('mount', '-t', 'ramfs', 'ramfs', target)) return t.skip('no ramfs here')
    for (let run = 0; run < 2; run++) {
      const { code, problems, counts } = await machine.sync(source, target, ...all)
      assert.equal(code, 3)
      assert.deepEqual(
        problems.map((problem) => [problem.path, problem.code]),
        [['', 'attributes-left-out']],
      )
      assert.match(String((problems[0] as { detail?: string }).detail), /--xattrs.*file system has none/)
      assert.equal(counts['created'], run === 0 ? 3 : 0)
    }
    assert.equal(readFileSync(join(space.inside(target), 'b/c'), 'utf8'), 'c')
  })

  it('attributes, as a source takes none from the target', async (t) => {
    const [source, target] = [space.world.folder('two/source'), space.world.folder('two/target')]
    if (!space.tries('mount', '-t', 'ramfs', 'ramfs', source)) return t.skip('no ramfs here')
    plant(space.inside(source), { a: 'a', 'b/c': 'c' })
    await machine.mustSync('done', source, target)
    set(join(target, 'a'), 'user.colour', 'blue')
    set(join(target, 'b'), 'system.posix_acl_default', acl(6))
    const before = ['a', 'b'].map((name) => dressOf(join(target, name)))
    const run = await machine.sync(source, target, '--xattrs', '--acls', '--owner')
    assert.deepEqual(
      run.problems.map((problem) => [problem.path, problem.code]),
      [['', 'attributes-left-out']],
    )
    assert.deepEqual(
      ['a', 'b'].map((name) => dressOf(join(target, name))),
      before,
    )
  })

  it('one that is too large for it is told of its file, whose content is there, and goes by an undo', async (t) => {
    const [source, disk] = [space.world.folder('three/source'), space.world.folder('three/disk')]
    const image = join(space.world.directory, 'small.img')
    // An attribute has a block at most there.
    const isMade = space.makeDisk(image, 16, '-b', '1024') && space.tries('mount', '-o', 'loop', image, disk)
    if (!isMade) return t.skip('no ext4 on a loop disk here')
    plant(source, { kept: 'kept', large: 'old' })
    await machine.mustSync('done', source, disk, '--xattrs')
    writeFileSync(join(source, 'large'), 'new content')
    writeFileSync(join(source, 'fresh'), 'fresh')
    for (const name of ['large', 'fresh']) set(join(source, name), 'user.large', new Uint8Array(2500))
    set(join(source, 'kept'), 'user.small', 'x')
    const run = await machine.sync(source, disk, '--xattrs')
    assert.deepEqual(
      run.problems.map((problem) => [problem.path, problem.code]),
      [
        ['fresh', 'attributes-refused'],
        ['large', 'attributes-refused'],
      ],
    )
    const there = space.inside(disk)
    assert.equal(readFileSync(join(there, 'large'), 'utf8'), 'new content')
    await machine.must('undo', String(run.lines[0]?.['runId']))
    assert.equal(readFileSync(join(there, 'large'), 'utf8'), 'old')
    assert.ok(!existsSync(join(there, 'fresh')))
    assert.doesNotMatch(dressOf(join(there, 'kept')), /user\.small/)
  })
})
