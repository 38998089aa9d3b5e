// The main job as an ordinary user, who may not read or write everything: both directions end in sync, what can't be read
// is a problem and never a deletion, what can't be written is said. Where root runs the tests, all of it runs as nobody.

import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { assertSameTree, contentOf, readTree, writeTree } from '../world/disk-trees.ts'
import { partitionOf } from '../world/link-trees.ts'
import { type Pair, pairedMachines } from '../world/machines.ts'
import { type OrdinaryUser, ordinaryUser } from '../world/ordinary-user.ts'

const isRoot = process.getuid?.() === 0

describe('as an ordinary user', () => {
  let person: OrdinaryUser
  let pair: Pair
  before(async () => {
    person = ordinaryUser()
    const { user, launcher } = person
    pair = await pairedMachines(user === undefined ? {} : { user, launcher })
  })
  after(async () => {
    await pair?.world.close()
    person?.close()
  })

  /** Makes what root planted the user's own. */
  function give(...paths: readonly string[]): void {
    const { user } = person
    if (user !== undefined) for (const path of paths) chownSync(path, user.uid, user.gid)
  }

  for (const direction of ['push', 'pull'] as const) {
    it(`mirrors modes, read-only folders and what changes in them, ${direction}`, async () => {
      const here = pair.world.folder(`here-${direction}`)
      const there = pair.world.folder(`shared/${direction}`)
      const [source, target] = direction === 'push' ? [here, there] : [there, here]
      const remote = `nas:data/${direction}`
      const ends = direction === 'push' ? [here, remote] : [remote, here]
      writeTree(source, {
        'run.sh': '#!/bin/sh\n',
        'sealed/a': contentOf('a', 70_000),
        'sealed/deep/b': 'b',
        'open/c': 'c',
      })
      chmodSync(join(source, 'run.sh'), 0o755)
      chmodSync(join(source, 'open/c'), 0o444)
      chmodSync(join(source, 'sealed/deep'), 0o555)
      chmodSync(join(source, 'sealed'), 0o555)
      await pair.laptop.mustSync('done', ...ends)
      assertSameTree(target, source)
      assert.equal(statSync(target).uid, statSync(join(target, 'run.sh')).uid, "what is written is the user's own")
      await pair.laptop.mustSync('unchanged', ...ends)
      chmodSync(join(source, 'open/c'), 0o600)
      give(join(source, 'open/c'))
      writeTree(source, { 'open/d': 'd' })
      await pair.laptop.mustSync('done', ...ends)
      assertSameTree(target, source)
    })

    it(`reports what it may not read and deletes nothing for it, ${direction}`, async () => {
      const here = pair.world.folder(`hidden-${direction}`)
      const there = pair.world.folder(`shared/hidden-${direction}`)
      const [source, target] = direction === 'push' ? [here, there] : [there, here]
      const remote = `nas:data/hidden-${direction}`
      const ends = direction === 'push' ? [here, remote] : [remote, here]
      writeTree(source, { plain: 'plain', closed: 'closed', 'vault/gold': 'gold', 'new/x': 'x' })
      await pair.laptop.mustSync('done', ...ends)
      const before = readTree(target)
      writeTree(source, { closed: 'edited and closed', 'later/y': 'y' })
      for (const path of ['closed', 'vault', 'later/y']) chmodSync(join(source, path), 0)
      for (const _ of [1, 2]) {
        const run = await pair.laptop.sync(...ends)
        assert.equal(run.code, 3, run.stdout + run.stderr)
        assert.deepEqual(run.problems.map(({ path, code }) => `${path} ${code}`).sort(), [
          'closed unreadable',
          'later/y unreadable',
          'vault unreadable',
        ])
        for (const line of before) assert.ok(readTree(target).includes(line), `${line} was lost`)
      }
      for (const path of ['closed', 'vault', 'later/y']) chmodSync(join(source, path), path === 'vault' ? 0o755 : 0o644)
      await pair.laptop.mustSync('done', ...ends)
      assertSameTree(target, source)
    })
  }

  it('leaves a folder on the target that it may not read, when the source has none', async () => {
    const source = pair.world.folder('lean')
    const target = pair.world.folder('shared/full')
    writeTree(source, { a: 'a', 'd/b': 'b' })
    await pair.laptop.mustSync('done', source, 'nas:data/full')
    writeTree(target, { 'closed/dear': 'dear to me', 'd/closed/dear': 'dear too' })
    for (const path of ['closed', 'd/closed']) chmodSync(join(target, path), 0)
    writeTree(source, { c: 'c' })
    const run = await pair.laptop.sync(source, 'nas:data/full')
    assert.equal(run.code, 3, run.stdout + run.stderr)
    assert.ok(existsSync(join(target, 'c')))
    const emptied = pair.world.folder('lean2')
    writeTree(emptied, { a: 'a' })
    const next = await pair.laptop.sync(emptied, 'nas:data/full', '--max-delete', '100%')
    assert.equal(next.code, 15, 'another source: no base')
    const last = await pair.laptop.sync(emptied, 'nas:data/full', '--release')
    assert.equal(last.code, 3, last.stdout + last.stderr)
    for (const path of ['closed', 'd/closed']) {
      assert.ok(existsSync(join(target, path)), path)
      chmodSync(join(target, path), 0o755)
    }
    for (const path of ['closed/dear', 'd/closed/dear']) assert.ok(existsSync(join(target, path)), path)
  })

  it('says which folder it may not read or write, and changes nothing', async () => {
    const closed = pair.world.folder('closed')
    const sealed = pair.world.folder('shared/sealed')
    const source = pair.world.folder('readable')
    writeTree(source, { a: 'a' })
    writeTree(sealed, { b: 'b' })
    chmodSync(closed, 0)
    chmodSync(sealed, 0o555)
    for (const [args, text] of [
      [[closed, 'nas:data/copy'], /closed.*(read|opened)/],
      [[source, 'nas:data/sealed'], /sealed.*written/],
      [[source, sealed], /sealed.*written/],
      [[source, join(sealed, 'new')], /sealed\/new.*made/],
      [[source, 'nas:data/sealed/new'], /sealed\/new.*made/],
    ] as const) {
      const before = readTree(sealed)
      const { code, stdout, stderr } = await pair.laptop.run('sync', ...args)
      assert.equal(code, 1, `${args.join(' ')}: ${stdout}${stderr}`)
      assert.match(stderr, text)
      assert.doesNotMatch(stderr, /\n {4}at /)
      assert.deepEqual(readTree(sealed), before)
    }
    assert.ok(!existsSync(join(sealed, '.nightferry')))
  })

  it('meets a sub-folder that it may not write, and does the rest', {
    skip: !isRoot && 'root plants a folder of its own',
  }, async () => {
    const source = pair.world.folder('mixed')
    const target = pair.world.folder('shared/mixed')
    writeTree(source, { a: 'a', 'roots/b': 'b' })
    mkdirSync(join(target, 'roots'))
    const run = await pair.laptop.sync(source, 'nas:data/mixed')
    assert.equal(run.code, 3, run.stdout + run.stderr)
    assert.ok(
      run.problems.some(({ path, code }) => path === 'roots/b' && code === 'permission-denied'),
      run.stdout,
    )
    assert.ok(existsSync(join(target, 'a')))
    assert.ok(!existsSync(join(target, 'roots/b')))
  })

  it('makes further names in folders that are closed to writing', async () => {
    const [source, target] = [pair.world.folder('closed-source'), pair.world.folder('closed-target')]
    writeTree(source, { a: 'one', 'sealed/deep/x': 'two', 'sealed/own': 'o' })
    const close = (mode: number): void => {
      for (const name of ['sealed/deep', 'sealed']) chmodSync(join(source, name), mode)
    }
    linkSync(join(source, 'a'), join(source, 'sealed/deep/b'))
    linkSync(join(source, 'sealed/deep/x'), join(source, 'sealed/y'))
    give(source, ...['a', 'sealed', 'sealed/deep', 'sealed/deep/x', 'sealed/own'].map((name) => join(source, name)))
    close(0o555)
    const sync = async (): Promise<void> => {
      const run = await pair.laptop.mustSync('done', source, target, '--hard-links', '--max-delete', '100%')
      assert.deepEqual(run.problems, [])
      assertSameTree(target, source)
      assert.equal(partitionOf(target), partitionOf(source))
      await pair.laptop.mustSync('unchanged', source, target, '--hard-links')
    }
    await sync()
    close(0o755)
    linkSync(join(source, 'a'), join(source, 'sealed/c'))
    rmSync(join(source, 'sealed/y'))
    linkSync(join(source, 'a'), join(source, 'sealed/y'))
    close(0o555)
    await sync()
  })

  it('gets copies, and is told, where the system makes no further name of what is not the own', async (t) => {
    const { user } = person
    if (user === undefined) return t.skip('only root plants what is not the own')
    if (readFileSync('/proc/sys/fs/protected_hardlinks', 'utf8').trim() !== '1')
      return t.skip('this system makes any name')
    const [source, target] = [pair.world.folder('names-source'), pair.world.folder('names-target')]
    for (const root of [source, target]) {
      writeTree(root, { a: 'one', mine: 'of the own' })
      for (const name of ['a', 'mine']) utimesSync(join(root, name), 1_600_000_000, 1_600_000_000)
    }
    for (const [from, to] of [
      ['a', 'b'],
      ['a', 'c'],
      ['mine', 'too'],
    ] as const)
      linkSync(join(source, from), join(source, to))
    writeTree(target, { c: 'one' })
    utimesSync(join(target, 'c'), 1_600_000_000, 1_600_000_000)
    give(source, target, join(target, 'mine'))
    const runs: string[] = []
    for (const code of ['not-linked', 'stays-apart']) {
      const run = await pair.laptop.sync(source, target, '--hard-links', '--max-delete', '100%')
      assert.equal(run.code, 3, run.stdout + run.stderr)
      assert.deepEqual(run.problems.map((problem) => `${problem.path} ${problem.code}`).sort(), [
        `b ${code}`,
        'c stays-apart',
      ])
      assertSameTree(target, source)
      assert.equal(partitionOf(target), 'mine = too')
      runs.push(String(run.lines[0]?.runId))
    }
    // What came as a copy did come, and what stayed did not change: an undo knows both.
    for (const run of runs.reverse()) {
      const undone = await pair.laptop.run('undo', run)
      assert.equal(undone.code, 0, undone.stdout + undone.stderr)
    }
    assert.deepEqual(readdirSync(target).sort(), ['.nightferry', 'a', 'c', 'mine'])
  })
})
