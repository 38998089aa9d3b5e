// `--hard-links` beside what else a run carries, and on a disk that is not as most: owners, attributes and ACLs are set once a
// file, and names that a disk refuses are names of files all the same.

import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { refusesCharacters, refusesDevices, refusesEndDots, storedName } from '../../src/core/stored-names.ts'
import { writeTree } from '../world/disk-trees.ts'
import { acl, dressOf, drop, set } from '../world/dressed.ts'
import { partitionOf } from '../world/link-trees.ts'
import { LoopDisks } from '../world/loop-disk.ts'
import { type Machine, World } from '../world/machines.ts'
import { NtfsDisk } from '../world/ntfs-disk.ts'

const isRoot = process.getuid?.() === 0
const skip = process.platform !== 'linux' ? 'Linux only' : isRoot ? false : 'only root gives files to others'
const everything = ['--hard-links', '--owner', '--set-id', '--xattrs', 'all', '--acls', '--max-delete', '100%'] as const

function linked(root: string, from: string, ...names: readonly string[]): void {
  for (const name of names) linkSync(join(root, from), join(root, name))
}

describe('names that are one file, with all that a file has', { skip }, () => {
  const world = new World()
  after(() => world.close())
  const machine = world.machine('one')
  let count = 0
  const ends = (): { source: string; target: string } => {
    const name = `case-${++count}`
    return { source: world.folder(`${name}-source`), target: world.folder(`${name}-target`) }
  }
  const names = ['a', 'd/b', 'c', 'x', 'y'] as const
  const alike = (source: string, target: string, some: readonly string[] = names): void => {
    assert.equal(partitionOf(target), partitionOf(source))
    for (const name of some) assert.equal(dressOf(join(target, name)), dressOf(join(source, name)), name)
  }
  const plantFiles = (source: string): void => {
    writeTree(source, { a: 'one', x: 'two', 'd/': '' })
    linked(source, 'a', 'd/b', 'c')
    linked(source, 'x', 'y')
    chownSync(join(source, 'a'), 1001, 1002)
    chmodSync(join(source, 'a'), 0o4750)
    set(join(source, 'c'), 'user.colour', 'blue')
    set(join(source, 'x'), 'system.posix_acl_access', acl(4))
  }

  it('have it once, get it once when it changes, and have it again after an undo', async () => {
    const { source, target } = ends()
    plantFiles(source)
    const first = await machine.mustSync('done', source, target, ...everything)
    assert.deepEqual(first.problems, [])
    alike(source, target)
    await machine.mustSync('unchanged', source, target, ...everything)
    const [before, inode] = [names.map((name) => dressOf(join(target, name))), lstatSync(join(target, 'a')).ino]
    chownSync(join(source, 'd/b'), 7, 8)
    set(join(source, 'a'), 'user.colour', 'red')
    drop(join(source, 'y'), 'system.posix_acl_access')
    chmodSync(join(source, 'y'), 0o2711)
    const run = await machine.mustSync('done', source, target, ...everything)
    assert.deepEqual([run.problems, run.counts['attributes'], run.counts['replaced']], [[], 2, 0])
    alike(source, target)
    assert.equal(lstatSync(join(target, 'a')).ino, inode)
    await machine.mustSync('unchanged', source, target, ...everything)
    await machine.must('undo', String(run.lines[0]?.['runId']))
    assert.deepEqual(
      names.map((name) => dressOf(join(target, name))),
      before,
    )
    assert.equal(partitionOf(target), partitionOf(source))
  })

  it('keep it where a name joins, leaves, or gets a content of its own', async () => {
    const { source, target } = ends()
    plantFiles(source)
    await machine.mustSync('done', source, target, ...everything)
    const before = names.map((name) => dressOf(join(target, name)))
    // `c` is a file of its own with the same content and owner, and another attribute; `y` joins `a`.
    rmSync(join(source, 'y'))
    linked(source, 'a', 'y')
    writeFileSync(join(source, 'c2'), 'one')
    chownSync(join(source, 'c2'), 1001, 1002)
    set(join(source, 'c2'), 'user.colour', 'green')
    renameSync(join(source, 'c2'), join(source, 'c'))
    const run = await machine.mustSync('done', source, target, ...everything)
    assert.deepEqual(run.problems, [])
    alike(source, target)
    await machine.mustSync('unchanged', source, target, ...everything)
    // What was parted by a copy stays so (decision 0033); what each has is what it had.
    await machine.must('undo', String(run.lines[0]?.['runId']))
    assert.equal(partitionOf(target), 'a = d/b\nx = y')
    assert.deepEqual(
      names.map((name) => dressOf(join(target, name))),
      before,
    )
  })

  it('are one as versions too, in another folder, and come back from there, each or all', async () => {
    const { source, target } = ends()
    const old = world.folder(`case-${count}-old`)
    plantFiles(source)
    await machine.mustSync('done', source, target, ...everything, '--versions', old)
    const before = names.map((name) => dressOf(join(target, name)))
    writeFileSync(join(source, 'a'), 'other')
    rmSync(join(source, 'y'))
    const run = await machine.mustSync('done', source, target, ...everything)
    assert.deepEqual(run.problems, [])
    alike(source, target, ['a', 'd/b', 'c', 'x'])
    await machine.mustSync('unchanged', source, target, ...everything)
    const id = String(run.lines[0]?.['runId'])
    const kept = readdirSync(old, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith(`${id}/files`))
    assert.deepEqual(
      kept.map((path) => partitionOf(join(old, path))),
      ['a = c = d/b'],
    )
    await machine.must('undelete', join(target, 'y'))
    assert.equal(readFileSync(join(target, 'y'), 'utf8'), 'two')
    rmSync(join(target, 'y'))
    await machine.must('undo', id)
    assert.equal(partitionOf(target), 'a = c = d/b\nx = y')
    assert.deepEqual(
      names.map((name) => dressOf(join(target, name))),
      before,
    )
  })

  it('become one where a run without the option made them several, and nothing is sent again', async () => {
    const { source, target } = ends()
    plantFiles(source)
    await machine.mustSync('done', source, target, ...everything)
    const second = world.folder(`case-${count}-second`)
    await machine.mustSync('done', source, second, ...everything.slice(1))
    assert.equal(partitionOf(second), '')
    const run = await machine.mustSync('done', source, second, ...everything)
    assert.deepEqual([run.problems, run.lines.at(-1)?.['contentBytes']], [[], 0])
    alike(source, second)
    await machine.mustSync('unchanged', source, second, ...everything)
  })
})

/** What such a disk calls it. */
function stored(path: string): string {
  return path
    .split('/')
    .map((name) => storedName(name, refusesCharacters | refusesEndDots | refusesDevices))
    .join('/')
}

function storedPartition(root: string): string {
  const files = partitionOf(root)
    .split('\n')
    .map((line) => line.split(' = ').map(stored).sort().join(' = '))
  return files.sort().join('\n')
}

const mayNot = 'no NTFS here: it needs root, ntfs-3g and FUSE'
const wide = ['--hard-links', '--max-delete', '100%'] as const

describe('names that are one file, on a disk that refuses some names', () => {
  const world = new World()
  const machine: Machine = world.machine('one')
  let disk: NtfsDisk | undefined
  before(() => {
    disk = NtfsDisk.make(join(world.directory, 'ntfs.img'), world.folder('disk'))
  })
  after(async () => {
    disk?.unmount()
    await world.close()
  })

  it('are one under the names that are stored, and come back as one', async (t) => {
    if (disk === undefined) return t.skip(mayNot)
    const [source, target, back] = [world.folder('odd'), join(disk.path, 'odd'), world.folder('back')]
    writeTree(source, { 'a:b': 'one', 'd?/x': 'two' })
    linked(source, 'a:b', 'plain', 'd?/c.')
    linked(source, 'd?/x', 'nul')
    const first = await machine.mustSync('done', source, target, ...wide)
    assert.deepEqual(first.problems, [])
    assert.equal(partitionOf(target), storedPartition(source))
    await machine.mustSync('unchanged', source, target, ...wide)
    const before = partitionOf(target)
    // A stored name leaves, one joins, and what goes is kept.
    rmSync(join(source, 'd?/c.'))
    linked(source, 'd?/x', 'd?/c.')
    linked(source, 'plain', 'new*')
    const run = await machine.mustSync('done', source, target, ...wide)
    assert.deepEqual(run.problems, [])
    await machine.mustSync('unchanged', source, target, ...wide)
    assert.equal(partitionOf(target), storedPartition(source))
    await machine.mustSync('done', target, back, ...wide)
    assert.equal(partitionOf(back), partitionOf(source))
    await machine.must('undo', String(run.lines[0]?.['runId']))
    assert.equal(partitionOf(target), before)
    assert.equal(readFileSync(join(target, stored('d?/c.')), 'utf8'), 'one')
  })
})

/** So many names ext4 gives one file. */
const ext4Names = 65_000

describe('a file that has as many names as its disk gives one', () => {
  const world = new World()
  const disks = new LoopDisks()
  const machine = world.machine('one')
  after(async () => {
    disks.unmount()
    await world.close()
  })

  it('gets no more of them: further ones are files of their own, and told', async (t) => {
    const disk = disks.make(t, world.directory, 'full')
    if (disk === undefined) return
    const [source, target] = [world.folder('names'), join(disk.path, 'names')]
    writeTree(source, { a: 'one', '.nightferryignore': '/hidden/\n' })
    await machine.mustSync('done', source, target, ...wide)
    // A person's, which no run sees: one more name is left.
    mkdirSync(join(target, 'hidden'))
    for (let i = 2; i < ext4Names; i++) linkSync(join(target, 'a'), join(target, 'hidden', String(i)))
    linked(source, 'a', 'b', 'c', 'd')
    const told = async (): Promise<string[]> => {
      const run = await machine.sync(source, target, ...wide)
      assert.equal(run.code, 3, run.stdout + run.stderr)
      return run.problems.map(({ path, code }) => `${path}: ${code}`)
    }
    assert.deepEqual(await told(), ['c: not-linked', 'd: not-linked'])
    const inodes = (): number[] => ['a', 'b', 'c', 'd'].map((name) => lstatSync(join(target, name)).ino)
    const [a, b, ...own] = inodes()
    assert.ok(a === b && !own.includes(a as number), 'one name more, and no other')
    for (const name of ['b', 'c', 'd']) assert.equal(readFileSync(join(target, name), 'utf8'), 'one')
    // They have the content: nothing comes again, and what there is stays.
    assert.deepEqual(await told(), ['c: stays-apart', 'd: stays-apart'])
    assert.deepEqual(inodes(), [a, b, ...own])
  })
})
