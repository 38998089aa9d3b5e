// POSIX ACLs, case by case: masks that a chmod moves, defaults of folders, many entries, ACLs that go, that come with other content,
// and what is there already. After each case the target has what the source has, and the next run does nothing.

import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { acl, aclOf, dressOf, drop, set } from '../world/dressed.ts'
import { World } from '../world/machines.ts'
import { plant } from '../world/planted.ts'

const skip = process.platform === 'linux' && process.getuid?.() === 0 ? false : 'needs root on Linux'
const [access, byDefault] = ['system.posix_acl_access', 'system.posix_acl_default'] as const

/** What is there before the first run, what changes then, and how many entries the second run adjusts and replaces. */
type Case = {
  readonly what: string
  readonly before: (source: string) => void
  readonly change: (source: string, target: string) => void
  readonly adjusted: number
  readonly replaced?: number
}

const cases: readonly Case[] = [
  {
    what: 'an ACL that comes',
    before: () => {},
    change: (source) => set(join(source, 'file'), access, acl(6)),
    adjusted: 1,
  },
  {
    what: 'an ACL that goes',
    before: (source) => set(join(source, 'file'), access, acl(6)),
    change: (source) => drop(join(source, 'file'), access),
    adjusted: 1,
  },
  {
    what: 'a chmod, which moves the mask and nothing else of the ACL',
    before: (source) => set(join(source, 'file'), access, acl(6)),
    change: (source) => chmodSync(join(source, 'file'), 0o704),
    adjusted: 1,
  },
  {
    what: 'a mask that takes away what the entries give',
    before: (source) => set(join(source, 'file'), access, aclOf({ users: [1234], bits: 7, mask: 7 })),
    change: (source) => set(join(source, 'file'), access, aclOf({ users: [1234], bits: 7, mask: 0 })),
    adjusted: 1,
  },
  {
    what: 'other content, which keeps its ACL',
    before: (source) => set(join(source, 'file'), access, acl(6)),
    change: (source) => writeFileSync(join(source, 'file'), 'other content'),
    adjusted: 0,
    replaced: 1,
  },
  {
    what: 'other content and another ACL',
    before: (source) => set(join(source, 'file'), access, acl(6)),
    change: (source) => {
      writeFileSync(join(source, 'file'), 'other content')
      set(join(source, 'file'), access, acl(1))
    },
    adjusted: 0,
    replaced: 1,
  },
  {
    what: 'a new file in place of the old one, without its ACL',
    before: (source) => set(join(source, 'file'), access, acl(6)),
    change: (source) => {
      writeFileSync(join(source, 'new'), 'another file')
      renameSync(join(source, 'new'), join(source, 'file'))
    },
    adjusted: 0,
    replaced: 1,
  },
  {
    what: 'a default ACL, which what is made afterwards has by itself',
    before: (source) => set(join(source, 'dir'), byDefault, acl(6)),
    change: (source) => {
      writeFileSync(join(source, 'dir/new'), 'new')
      mkdirSync(join(source, 'dir/below'))
      writeFileSync(join(source, 'dir/below/new'), 'new')
    },
    adjusted: 0,
  },
  {
    what: 'a default ACL that goes, of a folder in which something was made',
    before: (source) => {
      set(join(source, 'dir'), byDefault, acl(6))
      writeFileSync(join(source, 'dir/inherited'), 'x')
    },
    change: (source) => drop(join(source, 'dir'), byDefault),
    adjusted: 1,
  },
  {
    what: 'a default ACL that only the target has: what comes into it does not inherit',
    before: () => {},
    change: (source, target) => {
      set(join(target, 'dir'), byDefault, acl(7))
      writeFileSync(join(source, 'dir/new'), 'new')
    },
    adjusted: 1,
  },
  {
    what: 'an ACL that someone gave on the target',
    before: () => {},
    change: (_, target) => set(join(target, 'file'), access, acl(7)),
    adjusted: 1,
  },
  {
    what: 'many entries, of users and of groups',
    before: () => {},
    change: (source) => {
      const ids = Array.from({ length: 120 }, (_, i) => 3000 + i)
      set(join(source, 'file'), access, aclOf({ users: ids, groups: ids, bits: 5, mask: 5 }))
    },
    adjusted: 1,
  },
  {
    what: 'a folder that moves, with its own and its default ACL',
    before: (source) => {
      set(join(source, 'dir'), access, acl(5))
      set(join(source, 'dir'), byDefault, acl(6))
    },
    change: (source) => renameSync(join(source, 'dir'), join(source, 'moved')),
    adjusted: 0,
  },
  {
    what: 'folders that go, of which one held nothing',
    before: (source) => {
      set(join(source, 'dir'), byDefault, acl(6))
      mkdirSync(join(source, 'dir/below'))
      set(join(source, 'dir/below'), access, acl(3))
      writeFileSync(join(source, 'dir/inherited'), '')
      mkdirSync(join(source, 'moved'))
      set(join(source, 'moved'), byDefault, acl(6))
    },
    change: (source) => ['dir', 'moved'].forEach((name) => rmSync(join(source, name), { recursive: true })),
    adjusted: 0,
  },
  {
    what: 'a folder that becomes a file with an ACL',
    before: (source) => set(join(source, 'dir'), byDefault, acl(6)),
    change: (source) => {
      rmSync(join(source, 'dir'), { recursive: true })
      writeFileSync(join(source, 'dir'), 'a file')
      set(join(source, 'dir'), access, acl(4))
    },
    adjusted: 0,
    replaced: 1,
  },
]

describe('ACLs', { skip }, () => {
  const world = new World()
  after(() => world.close())
  const machine = world.machine('one')

  const paths = [
    '',
    'file',
    'dir',
    'dir/in',
    'dir/new',
    'dir/below',
    'dir/below/new',
    'dir/inherited',
    'moved',
    'moved/in',
  ]
  /** What each case has, in a folder of its own. */
  function dresses(root: string): Record<string, string[]> {
    const found = cases.map(({ what }, i) => {
      const lines = paths.flatMap((name) => {
        const path = join(root, String(i), name)
        return statSync(path, { throwIfNoEntry: false }) === undefined ? [] : [`${name} ${dressOf(path)}`]
      })
      return [what, lines] as const
    })
    return Object.fromEntries(found)
  }

  it('come over in every case, are then left alone, and are undone', async () => {
    const [source, target] = [world.folder('cases/source'), world.folder('cases/target')]
    for (const [i, { before }] of cases.entries()) {
      plant(join(source, String(i)), { file: 'file', 'dir/in': 'in' })
      before(join(source, String(i)))
    }
    await machine.mustSync('done', source, target, '--acls')
    assert.deepEqual(dresses(target), dresses(source))
    for (const [i, { change }] of cases.entries()) change(join(source, String(i)), join(target, String(i)))
    const was = dresses(target)
    const run = await machine.mustSync('done', source, target, '--acls', '--max-delete', '100%')
    const sum = (of: (one: Case) => number): number => cases.reduce((all, one) => all + of(one), 0)
    assert.equal(
      run.counts['attributes'],
      sum(({ adjusted }) => adjusted),
      run.stdout,
    )
    assert.equal(
      run.counts['replaced'],
      sum(({ replaced = 0 }) => replaced),
      run.stdout,
    )
    assert.deepEqual(dresses(target), dresses(source))
    await machine.mustSync('unchanged', source, target, '--acls')
    await machine.must('undo', String(run.lines[0]?.['runId']))
    assert.deepEqual(dresses(target), was)
  })

  it('of an old version is what comes back with it', async () => {
    const [source, target, back] = ['old/source', 'old/target', 'old/back'].map((name) => world.folder(name)) as [
      string,
      string,
      string,
    ]
    plant(source, { file: 'old' })
    set(join(source, 'file'), access, aclOf({ users: [7, 8], groups: [9], bits: 6, mask: 4 }))
    await machine.mustSync('done', source, target, '--acls')
    const was = dressOf(join(target, 'file'))
    writeFileSync(join(source, 'file'), 'new')
    drop(join(source, 'file'), access)
    await machine.mustSync('done', source, target, '--acls')
    await machine.must('undelete', join(target, 'file'), '--to', back)
    assert.equal(readFileSync(join(back, 'file'), 'utf8'), 'old')
    assert.equal(dressOf(join(back, 'file')), was)
  })
})
