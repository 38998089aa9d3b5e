// Owner, set-id bits, extended attributes and ACLs, between folders here and between machines: carried where they are asked
// for, never else; looked at once; given to nobody by a machine that may not; and what can't be held is told.

import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  lchownSync,
  lstatSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { acl, dressOf, drop, set } from '../world/dressed.ts'
import { pairedMachines, World } from '../world/machines.ts'
import { ordinaryUser } from '../world/ordinary-user.ts'
import { plant } from '../world/planted.ts'

const isRoot = process.getuid?.() === 0
const skip = process.platform !== 'linux' ? 'Linux only' : isRoot ? false : 'only root gives files to others'

const all = ['--owner', '--set-id', '--xattrs', 'all', '--acls'] as const
const names = ['plain', 'tool', 'link', 'dir', 'dir/file', 'dir/sub', 'read-only'] as const

function dressed(path: string): void {
  plant(path, { plain: 'plain', tool: 'tool', 'dir/file': 'file', 'dir/sub/deep': 'deep', 'read-only': 'ro' })
  symlinkSync('nowhere', join(path, 'link'))
  chownSync(join(path, 'tool'), 1001, 1002)
  chmodSync(join(path, 'tool'), 0o4755)
  lchownSync(join(path, 'link'), 1003, 1004)
  chownSync(join(path, 'dir'), 1005, 1006)
  chmodSync(join(path, 'dir'), 0o2775)
  set(join(path, 'plain'), 'user.colour', 'blue')
  set(join(path, 'plain'), 'trusted.seal', 'wax')
  set(join(path, 'dir'), 'user.kind', 'folder')
  set(join(path, 'dir'), 'system.posix_acl_default', acl(6))
  set(join(path, 'dir/file'), 'system.posix_acl_access', acl(4))
  set(join(path, 'read-only'), 'user.note', 'kept')
  chmodSync(join(path, 'read-only'), 0o444)
}

function assertDressedAlike(target: string, source: string): void {
  for (const name of names) assert.equal(dressOf(join(target, name)), dressOf(join(source, name)), name)
}

describe('what files have besides content, modes and times', { skip }, () => {
  const world = new World()
  after(() => world.close())
  const machine = world.machine('one')
  let count = 0
  const ends = (): { source: string; target: string } => {
    const name = `case-${++count}`
    return { source: world.folder(`${name}-source`), target: world.folder(`${name}-target`) }
  }

  it('comes over in the run in which a file moves: its old name is no deletion', async () => {
    const { source, target } = ends()
    plant(source, { old: 'the file that moves', other: 'other', gone: 'g' })
    await machine.mustSync('done', source, target, ...all)
    renameSync(join(source, 'old'), join(source, 'new'))
    set(join(source, 'other'), 'user.colour', 'blue')
    const run = await machine.mustSync('done', source, target, ...all)
    assert.deepEqual([run.counts['renamed'], run.counts['attributes'], run.counts['deleted']], [1, 1, 0])
    await machine.mustSync('unchanged', source, target, ...all)
  })

  it('comes over whole where it is asked for, changes alone, and is not read again', async () => {
    const { source, target } = ends()
    dressed(source)
    await machine.mustSync('done', source, target, ...all)
    assertDressedAlike(target, source)
    await machine.mustSync('unchanged', source, target, ...all)
    const was = statSync(join(target, 'plain')).ino
    const before = names.map((name) => dressOf(join(target, name)))
    chownSync(join(source, 'plain'), 7, 8)
    set(join(source, 'plain'), 'user.colour', 'red')
    drop(join(source, 'plain'), 'trusted.seal')
    set(join(source, 'dir/file'), 'system.posix_acl_access', acl(6))
    drop(join(source, 'dir'), 'user.kind')
    chmodSync(join(source, 'dir/sub'), 0o1777)
    const run = await machine.mustSync('done', source, target, ...all)
    assert.equal(run.counts['attributes'], 4, run.stdout)
    assert.equal(run.counts['replaced'], 0)
    assertDressedAlike(target, source)
    assert.equal(statSync(join(target, 'plain')).ino, was, 'content does not move for it')
    await machine.mustSync('unchanged', source, target, ...all)
    const now = names.map((name) => dressOf(join(target, name)))
    await machine.must('undo', String(run.lines[0]?.['runId']))
    assert.deepEqual(
      names.map((name) => dressOf(join(target, name))),
      before,
    )
    assert.equal((await machine.sync(source, target, ...all)).code, 15)
    await machine.mustSync('done', source, target, ...all, '--release')
    assert.deepEqual(
      names.map((name) => dressOf(join(target, name))),
      now,
    )
  })

  it('is nothing of anybody else: without the options none of it comes, nor goes', async () => {
    const { source, target } = ends()
    dressed(source)
    await machine.mustSync('done', source, target)
    assert.equal(dressOf(join(target, 'plain')), '0:0 644')
    assert.equal(dressOf(join(target, 'tool')), '0:0 755')
    assert.equal(dressOf(join(target, 'dir')), '0:0 775')
    set(join(target, 'plain'), 'user.own', 'mine')
    chownSync(join(target, 'plain'), 9, 9)
    await machine.mustSync('unchanged', source, target)
    assert.equal(dressOf(join(target, 'plain')), `9:9 644 user.own=${Buffer.from('mine').toString('hex')}`)
    const run = await machine.mustSync('done', '--xattrs', source, target)
    assert.equal(run.counts['deleted'], 0)
    assert.equal(dressOf(join(target, 'plain')), `9:9 644 user.colour=${Buffer.from('blue').toString('hex')}`)
  })

  it('replaces content and keeps what it has, moves with its directory, and comes back as it was', async () => {
    const { source, target } = ends()
    dressed(source)
    await machine.mustSync('done', source, target, ...all)
    const [was, tool] = [dressOf(join(target, 'plain')), dressOf(join(target, 'tool'))]
    writeFileSync(join(source, 'plain'), 'other content')
    renameSync(join(source, 'dir'), join(source, 'moved'))
    chownSync(join(source, 'moved'), 20, 21)
    writeFileSync(join(source, 'tool'), 'another tool')
    const run = await machine.mustSync('done', source, target, ...all)
    assert.equal(dressOf(join(target, 'plain')), dressOf(join(source, 'plain')))
    assert.equal(dressOf(join(target, 'moved')), dressOf(join(source, 'moved')))
    assert.equal(dressOf(join(target, 'moved/file')), dressOf(join(source, 'moved/file')))
    const back = world.folder(`back-${count}`)
    await machine.must('undelete', join(target, 'plain'), '--to', back)
    assert.equal(dressOf(join(back, 'plain')), was)
    await machine.must('undo', String(run.lines[0]?.['runId']))
    assert.equal(readFileSync(join(target, 'tool'), 'utf8'), 'tool')
    assert.equal(dressOf(join(target, 'tool')), tool)
    assert.equal(dressOf(join(target, 'plain')), was)
  })
})

describe('what other machines may give to files here', { skip }, () => {
  it('is nothing that only root may, unless the share says so', async () => {
    const { world, laptop, nas, shared: data } = await pairedMachines()
    try {
      const source = world.folder('source')
      dressed(source)
      const run = await laptop.sync(source, 'nas:data', ...all)
      assert.equal(run.code, 3)
      assert.deepEqual(
        run.problems.map(({ code }) => code),
        ['attributes-left-out'],
      )
      assert.match(String((run.problems[0] as { detail?: string }).detail), /--owner: the share does not allow it/)
      assert.equal(dressOf(join(data, 'tool')), '0:0 755')
      assert.match(dressOf(join(data, 'plain')), /^0:0 644 user\.colour=626c7565$/)
      assert.match(dressOf(join(data, 'dir/file')), /posix_acl_access/)
      await nas.must('share', 'allow', 'data', 'owner', 'set-id', 'system-xattrs')
      await laptop.mustSync('done', source, 'nas:data', ...all)
      assertDressedAlike(data, source)
      await laptop.mustSync('unchanged', source, 'nas:data', ...all)
      const pulled = world.folder('pulled')
      await laptop.mustSync('done', 'nas:data', pulled, ...all)
      assertDressedAlike(pulled, source)
      await laptop.mustSync('unchanged', 'nas:data', pulled, ...all)
      await nas.must('share', 'allow', 'data', 'none')
      chownSync(join(source, 'tool'), 0, 0)
      chmodSync(join(source, 'tool'), 0o6755)
      const held = await laptop.sync(source, 'nas:data', ...all, '--release')
      assert.deepEqual(
        held.problems.map(({ code }) => code),
        ['attributes-left-out'],
      )
      assert.equal(lstatSync(join(data, 'tool')).mode & 0o2000, 0)
    } finally {
      await world.close()
    }
  })
})

describe('an ordinary user', { skip: process.platform === 'linux' ? false : 'Linux only' }, () => {
  const nobody = ordinaryUser()
  const world = new World({ ...(nobody.user && { user: nobody.user }), launcher: nobody.launcher })
  after(async () => {
    await world.close()
    nobody.close()
  })

  it('carries attributes of the name space user, of read-only files too, and is told that owners are not given', async () => {
    const machine = world.machine('one')
    const [source, target] = [world.folder('source'), world.folder('target')]
    plant(source, { a: 'a', b: 'b' })
    set(join(source, 'a'), 'user.colour', 'blue')
    chmodSync(join(source, 'a'), 0o444)
    const run = await machine.sync(source, target, '--owner', '--xattrs', '--set-id')
    assert.deepEqual(
      run.problems.map(({ path, code }) => [path, code]),
      [['', 'attributes-left-out']],
    )
    assert.equal(run.code, 3)
    assert.equal(dressOf(join(target, 'a')).replace(/^\S+ /, ''), '444 user.colour=626c7565')
    await machine.mustSync('unchanged', source, target, '--xattrs', '--set-id')
  })
})
