// Real file systems that take two names for one, or refuse some: what is found out about them, and that a mirror into one
// loses nothing. What this kernel has not is skipped, and says so.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { LoopDisk } from '../../test/world/loop-disk.ts'
import { mirror, problemsOf } from '../../test/world/one-mirror.ts'
import { contents, plant } from '../../test/world/planted.ts'
import { isRefusedName } from '../core/stored-names.ts'
import { openTarget } from './root.ts'
import { systemSys } from './system.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-naming-'))
const mounted: LoopDisk[] = []
after(() => {
  for (const disk of mounted) disk.unmount()
  rmSync(home, { recursive: true, force: true })
})

const disks = [
  {
    name: 'ext4 with casefold',
    mkfs: ['mkfs.ext4', '-q', '-F', '-O', 'casefold', '-E', 'encoding=utf8'],
    prepare: (folder: string) => spawnSync('chattr', ['+F', folder]).status === 0,
  },
  {
    name: 'vfat',
    mkfs: ['mkfs.vfat'],
    prepare: () => true,
  },
]

describe('a disk that makes something of names', () => {
  for (const { name, mkfs, prepare } of disks) {
    it(`${name}: is found out, and nothing takes the place of another`, async (t) => {
      const path = join(home, name.replaceAll(' ', '-'))
      const disk = LoopDisk.make(`${path}.img`, path, ...mkfs)
      if (disk === undefined) return t.skip(`no ${name}: it needs root, its mkfs, and a kernel that has it`)
      mounted.push(disk)
      const [source, target] = [`${path}-source`, join(path, 'target')]
      for (const folder of [source, target]) mkdirSync(folder)
      if (!prepare(target)) return t.skip(`${name}: the folder can't be made to fold`)
      const sys = systemSys()
      const root = openTarget(sys, target, { create: true, machine: 'test', expectedId: undefined })
      const { naming } = root.traits
      root.close()
      assert.notEqual(naming?.folds ?? 'no', 'no')

      const odd = ['a:b', 'what?', 'end.', 'x\udcff']
      plant(source, {
        Name: 'upper',
        name: 'lower',
        'Dir/x': 'x',
        ...Object.fromEntries(odd.map((one) => [one, 'odd'])),
      })
      const first = await mirror({ sys, source, target })
      // What it refuses is stored under other names, unless it was mounted so that it has no room for these.
      const away = odd.filter((one) => isRefusedName(one, naming?.refuses ?? 0))
      const told = [...away.map((one) => `${one}: bad-name`), 'name: name-clash']
      assert.deepEqual(problemsOf(first), told.sort())
      const second = await mirror({ sys, source, target, before: first })
      assert.deepEqual([second.counts.created, second.counts.deleted, problemsOf(second)], [0, 0, told])
      renameSync(join(source, 'Dir'), join(source, 'dir'))
      const third = await mirror({ sys, source, target, before: second })
      assert.deepEqual([third.renamed, third.counts.deleted], [1, 0])
      assert.equal(contents(target)['dir/x'], 'x')
    })
  }
})
