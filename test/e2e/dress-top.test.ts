// The top folder itself and symlinks, where a run carries more than content, modes and times: the top is an entry as any
// other, but that of a share, which stays its owner's unless the share says otherwise; a symlink has what only root may set.

import assert from 'node:assert/strict'
import { chmodSync, chownSync, lchownSync, lstatSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { acl, dressOf, drop, set } from '../world/dressed.ts'
import { pairedMachines, World } from '../world/machines.ts'
import { plant } from '../world/planted.ts'

const isRoot = process.getuid?.() === 0
const skip = process.platform !== 'linux' ? 'Linux only' : isRoot ? false : 'only root gives files to others'
const all = ['--owner', '--set-id', '--xattrs', 'all', '--acls'] as const

function dressTop(path: string): void {
  chownSync(path, 1001, 1002)
  chmodSync(path, 0o2750)
  set(path, 'user.kind', 'top')
  set(path, 'system.posix_acl_default', acl(6))
}

describe('the top folder', { skip }, () => {
  const world = new World()
  after(() => world.close())
  const machine = world.machine('one')
  let count = 0
  const ends = (): { source: string; target: string } => {
    const name = `case-${++count}`
    return { source: world.folder(`${name}-source`), target: world.folder(`${name}-target`) }
  }

  for (const filled of [false, true]) {
    it(`comes over whole, of a source that holds ${filled ? 'something' : 'nothing'}, and is then left alone`, async () => {
      const { source, target } = ends()
      if (filled) plant(source, { a: 'a', 'b/c': 'c' })
      dressTop(source)
      const first = await machine.mustSync('done', source, target, ...all)
      assert.equal(first.counts['attributes'], 1)
      assert.equal(dressOf(target), dressOf(source))
      await machine.mustSync('unchanged', source, target, ...all)
    })
  }

  it('changes alone, is listed by a dry run, told by the log, and comes back by an undo, and by its undo', async () => {
    const { source, target } = ends()
    plant(source, { a: 'a' })
    dressTop(source)
    await machine.mustSync('done', source, target, ...all)
    const before = dressOf(target)
    chownSync(source, 7, 8)
    chmodSync(source, 0o755)
    drop(source, 'user.kind')
    set(source, 'trusted.seal', 'wax')
    const planned = await machine.mustSync('planned', source, target, ...all, '--dry-run')
    assert.deepEqual(
      planned.changes.map(({ action, path }) => [action, path]),
      [['attributes', '.']],
    )
    assert.equal(dressOf(target), before)
    const run = await machine.mustSync('done', source, target, ...all)
    assert.equal(run.counts['attributes'], 1)
    assert.equal(dressOf(target), dressOf(source))
    await machine.mustSync('unchanged', source, target, ...all)
    const undone = await machine.must('undo', String(run.lines[0]?.['runId']), '--json')
    assert.equal(dressOf(target), before)
    const end = JSON.parse(undone.trim().split('\n').at(-1) ?? '') as { readonly runId: string }
    await machine.must('undo', end.runId)
    assert.equal(dressOf(target), dressOf(source))
    const why = await machine.must('why', `${target}/`)
    for (const told of [
      `got another mode, time or attributes on the target because the source had it otherwise, .*by run ${run.lines[0]?.['runId']}`,
      `given back its mode, time and attributes on the target, because run ${end.runId} was undone`,
      'are carried: the last run went with --owner --xattrs all --acls --set-id',
    ])
      assert.match(why, new RegExp(told))
  })

  it('stays what it is without the options, in an update, and where only what is lacking comes', async () => {
    const { source, target } = ends()
    plant(source, { a: 'a' })
    dressTop(source)
    const before = dressOf(target)
    await machine.mustSync('done', source, target)
    assert.equal(dressOf(target), before)
    await machine.sync(source, target, ...all, '--mode', 'update')
    assert.equal(dressOf(target), before)
    await machine.sync(source, target, ...all, '--ignore-existing')
    assert.equal(dressOf(target), before)
  })

  it("of a share stays its owner's, unless the share says otherwise; a folder in it is an entry", async () => {
    const { world: two, laptop, nas, shared } = await pairedMachines()
    try {
      const source = two.folder('source')
      plant(source, { a: 'a' })
      dressTop(source)
      await nas.must('share', 'allow', 'data', 'owner', 'set-id', 'system-xattrs')
      const before = dressOf(shared)
      await laptop.mustSync('done', source, 'nas:data', ...all)
      assert.equal(dressOf(shared), before)
      await laptop.mustSync('unchanged', source, 'nas:data', ...all)
      await laptop.mustSync('done', source, 'nas:data/below', ...all, '--new-target')
      assert.equal(dressOf(join(shared, 'below')), dressOf(source))
      await nas.must('share', 'allow', 'data', 'owner', 'set-id', 'system-xattrs', 'top')
      const run = await laptop.sync(source, 'nas:data', ...all, '--exclude', '/below')
      assert.equal(run.counts['attributes'], 1, run.stdout)
      assert.equal(dressOf(shared), dressOf(source))
      const pulled = two.folder('pulled')
      await laptop.mustSync('done', 'nas:data', pulled, ...all, '--exclude', '/below')
      assert.equal(dressOf(pulled), dressOf(source))
    } finally {
      await two.close()
    }
  })
})

describe('symlinks', { skip }, () => {
  const world = new World()
  after(() => world.close())

  it('come with owner and with what root may set, change in place, and come back by an undo', async () => {
    const machine = world.machine('one')
    const [source, target] = [world.folder('source'), world.folder('target')]
    writeFileSync(join(source, 'file'), 'file')
    for (const name of ['a', 'b']) symlinkSync('file', join(source, name))
    set(join(source, 'a'), 'trusted.seal', 'wax')
    lchownSync(join(source, 'a'), 5, 6)
    await machine.mustSync('done', source, target, ...all)
    const names = ['a', 'b', 'file']
    const dressed = (path: string): string[] => names.map((name) => dressOf(join(path, name)))
    assert.deepEqual(dressed(target), dressed(source))
    await machine.mustSync('unchanged', source, target, ...all)
    const before = dressed(target)
    const inode = lstatSync(join(target, 'b')).ino
    drop(join(source, 'a'), 'trusted.seal')
    set(join(source, 'b'), 'trusted.seal', 'lead')
    lchownSync(join(source, 'b'), 9, 9)
    const run = await machine.mustSync('done', source, target, ...all)
    assert.equal(run.counts['attributes'], 2, run.stdout)
    assert.deepEqual(dressed(target), dressed(source))
    assert.equal(lstatSync(join(target, 'b')).ino, inode)
    await machine.mustSync('unchanged', source, target, ...all)
    await machine.must('undo', String(run.lines[0]?.['runId']))
    assert.deepEqual(dressed(target), before)
  })
})
