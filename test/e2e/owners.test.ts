// Owners between machines that know other accounts: by name where both know it, by number where not, root as root, agreed on
// before anything is compared. Each machine has a mount namespace with a list of accounts of its own.

import assert from 'node:assert/strict'
import { chownSync, lchownSync, lstatSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { dressOf } from '../world/dressed.ts'
import type { Machine } from '../world/machines.ts'
import { MountSpace, noMountSpace } from '../world/mount-space.ts'
import { plant } from '../world/planted.ts'

type Accounts = Readonly<Record<string, number>>

describe('owners between machines', { skip: noMountSpace }, () => {
  let here: MountSpace
  let there: MountSpace
  let laptop: Machine
  let nas: Machine
  let data: string
  let count = 0

  /** Writes what a machine's users and groups are; the same names for both. */
  function know(space: MountSpace, accounts: Accounts): void {
    const all = Object.entries({ root: 0, ...accounts })
    const lists = {
      passwd: all.map(([name, id]) => `${name}:x:${id}:${id}::/:/bin/sh\n`).join(''),
      group: all.map(([name, id]) => `${name}:x:${id}:\n`).join(''),
    }
    for (const [name, text] of Object.entries(lists)) {
      const file = join(space.world.directory, `${name}-${++count}`)
      writeFileSync(file, text)
      space.must('mount', '--bind', file, `/etc/${name}`)
    }
  }

  before(async () => {
    here = await MountSpace.open()
    there = await MountSpace.open()
    know(here, { ann: 2001, bob: 2002, toor: 2005, ülle: 2006 })
    know(there, { ann: 2011, dora: 2002, carl: 2003, toor: 0, ülle: 2016 })
    laptop = here.world.machine('laptop')
    nas = there.world.machine('nas')
    data = there.world.folder('data')
    await nas.serve()
    await nas.must('share', 'add', 'data', data)
    await nas.pairWith(laptop)
  })
  after(async () => {
    await here?.close()
    await there?.close()
  })

  const owners = (path: string, ...names: readonly string[]): string[] =>
    names.map((name) => `${lstatSync(join(path, name)).uid}:${lstatSync(join(path, name)).gid}`)

  it('go by name where both know it, else by number; the second run does nothing; and come back', async () => {
    const source = here.world.folder('source')
    const names = ['ann', 'bob', 'root', 'nobody-here', 'toor', 'both', 'link', 'dir', 'dir/file']
    plant(
      source,
      Object.fromEntries(names.filter((name) => !['link', 'dir'].includes(name)).map((name) => [name, name])),
    )
    symlinkSync('nowhere', join(source, 'link'))
    const given = [
      [2001, 2001],
      [2002, 2002],
      [0, 0],
      [2777, 2888],
      [2005, 2005],
      [2006, 2001],
      [2001, 2002],
      [2006, 2006],
      [2001, 0],
    ] as const
    names.forEach((name, i) => lchownSync(join(source, name), ...(given[i] as readonly [number, number])))
    chownSync(source, 2001, 2006)
    const refused = await laptop.sync(source, 'nas:data', '--owner')
    assert.equal(refused.code, 3, 'the share allows it, or nothing of it is told')
    await nas.must('share', 'allow', 'data', 'owner', 'top')
    await laptop.mustSync('done', source, 'nas:data', '--owner')
    const expected = [
      '2011:2011',
      '2002:2002',
      '0:0',
      '2777:2888',
      '2005:2005',
      '2016:2011',
      '2011:2002',
      '2016:2016',
      '2011:0',
    ]
    assert.deepEqual(owners(data, ...names), expected)
    assert.match(dressOf(data), /^2011:2016 /)
    await laptop.mustSync('unchanged', source, 'nas:data', '--owner')
    const back = here.world.folder('back')
    await laptop.mustSync('done', 'nas:data', back, '--owner')
    // What dora has there is not bob's here: nobody knows a dora, so it is the number.
    assert.deepEqual(owners(back, ...names), owners(source, ...names))
    assert.match(dressOf(back), /^2001:2006 /)
    await laptop.mustSync('unchanged', 'nas:data', back, '--owner')
  })

  it('change alone where an account is made, and go by number where that is asked for', async () => {
    const source = here.world.folder('source')
    know(there, { ann: 2011, bob: 2022 })
    const run = await laptop.mustSync('done', source, 'nas:data', '--owner')
    assert.equal(run.counts['created'], 0)
    assert.deepEqual(owners(data, 'ann', 'bob', 'both'), ['2011:2011', '2022:2022', '2006:2011'])
    await laptop.mustSync('unchanged', source, 'nas:data', '--owner')
    await laptop.mustSync('done', source, 'nas:data', '--owner', '--numeric-ids')
    const names = ['ann', 'bob', 'root', 'toor', 'both', 'link', 'dir', 'dir/file']
    assert.deepEqual(owners(data, ...names), owners(source, ...names))
    await laptop.mustSync('unchanged', source, 'nas:data', '--owner', '--numeric-ids')
    assert.match((await laptop.run('sync', source, 'nas:data', '--numeric-ids')).stderr, /give both/)
  })
})
