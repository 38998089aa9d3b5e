// A real disk that refuses names (NTFS, mounted for Windows' names only), between two machines: every odd name goes there and
// comes back, and lives through what happens to others; the same disk, mounted so that it takes every name, holds the same.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { isRefusedName } from '../../src/core/stored-names.ts'
import { type Pair, pairedMachines } from '../world/machines.ts'
import { NtfsDisk } from '../world/ntfs-disk.ts'
import { oddNames } from '../world/odd-names.ts'
import { contents, plant } from '../world/planted.ts'

const mayNot = 'no NTFS here: it needs root, ntfs-3g and FUSE'

describe('names that the disk of a target refuses', () => {
  let pair: Pair
  let disk: NtfsDisk | undefined
  before(async () => {
    pair = await pairedMachines()
    disk = NtfsDisk.make(join(pair.world.directory, 'ntfs.img'), pair.world.folder('shared/disk'))
  })
  after(async () => {
    disk?.unmount()
    await pair?.world.close()
  })

  it('of every odd kind go there and come back; the second and third run do nothing', async (t) => {
    if (disk === undefined) return t.skip(mayNot)
    const [source, back] = [pair.world.folder('odd'), pair.world.folder('back')]
    const names = oddNames()
    // Each directory costs such a disk much more than a file.
    const some = names.filter((name, i) => i % 8 === 0 || /[\udc80-\udcff\uf000-\uf0ff]$/u.test(name))
    plant(source, {
      ...Object.fromEntries(names.map((name) => [name, `text of ${name}`])),
      ...Object.fromEntries(some.map((name) => [`directories/${name}/x:y`, 'deep'])),
    })
    for (const [from, to] of [
      [source, 'nas:data/disk/odd'],
      ['nas:data/disk/odd', back],
    ] as const) {
      const first = await pair.laptop.mustSync('done', from, to)
      assert.deepEqual(first.problems, [])
      for (const _ of [2, 3]) {
        const again = await pair.laptop.mustSync('unchanged', from, to)
        assert.deepEqual([again.changes, again.problems], [[], []])
      }
      const fresh = await pair.laptop.mustSync('unchanged', from, to, '--checksum')
      assert.deepEqual([fresh.changes, fresh.problems], [[], []])
    }
    assert.deepEqual(contents(back), contents(source))
    const there = readdirSync(join(disk.path, 'odd'))
    assert.ok(there.every((name) => !isRefusedName(name, 31)))
    // A folder of it is read as it was stored too.
    const part = pair.world.folder('part')
    await pair.laptop.mustSync('done', 'nas:data/disk/odd/directories', part)
    assert.deepEqual(contents(part), contents(join(source, 'directories')))
  })

  it('live through change, rename, deletion, versions, undelete, undo, verify and why', async (t) => {
    if (disk === undefined) return t.skip(mayNot)
    const [source, there] = [pair.world.folder('life'), join(disk.path, 'life')]
    const end = 'nas:data/disk/life'
    plant(source, { 'a:b': 'one', 'd?/x.': 'x', 'd?/\udcff': 'raw', 'gone|': 'g', 'CON/nul.txt': 'device' })
    const untried = await pair.laptop.mustSync('planned', source, end, '--dry-run')
    const notices = untried.lines.filter(({ type }) => type === 'notice').map(({ text }) => String(text))
    assert.match(notices.join(), /what its disk makes of \d names, as .* is not known/)
    await pair.laptop.mustSync('done', source, end)
    const first = contents(there)
    plant(source, { 'a:b': { text: 'other', mtimeMs: 1_700_000_000_000 }, 'new*': 'new' })
    renameSync(join(source, 'd?'), join(source, 'e?'))
    rmSync(join(source, 'gone|'))
    const planned = await pair.laptop.mustSync('planned', source, end, '--dry-run')
    assert.deepEqual(planned.changes.map(({ action, path }) => `${action} ${path}`).sort(), [
      'create-file new*',
      'delete-file gone|',
      'rename e?',
      'replace-file a:b',
    ])
    assert.ok(!planned.lines.some(({ type }) => type === 'notice'), planned.stdout)
    const run = await pair.laptop.mustSync('done', source, end, '--verify')
    assert.deepEqual(run.problems, [])
    assert.deepEqual(contents(there)['e\uf03f/x\uf02e'], 'x')
    // By its own name, as the other machine knows it.
    assert.match(await pair.laptop.must('versions', `${end}/a:b`), /a:b/)
    // Where it lies, by its own name, and by the one that a shell completes.
    for (const name of ['a:b', 'a\uf03ab']) {
      assert.match(await pair.nas.must('versions', join(there, name)), /a:b/)
      assert.match(await pair.nas.must('why', join(there, name)), /^a:b on the target/m)
    }
    await pair.laptop.must('undelete', `${end}/gone|`)
    assert.equal(readFileSync(join(there, 'gone\uf07c'), 'utf8'), 'g')
    rmSync(join(there, 'gone\uf07c'))
    await pair.laptop.must('undo', String(run.lines[0]?.['runId']))
    assert.deepEqual(contents(there), first)
    assert.match((await pair.nas.run('doctor')).stdout, /stored under others/)
  })

  it('stay what they are when the disk takes every name, and what another driver left is told and left', async (t) => {
    if (disk === undefined) return t.skip(mayNot)
    const [source, there] = [pair.world.folder('mounted'), join(disk.path, 'mounted')]
    plant(source, { 'a:b': 'one', 'd/x?': 'x' })
    await pair.laptop.mustSync('done', source, 'nas:data/disk/mounted')
    const before = contents(there)
    disk.unmount()
    assert.ok(disk.mount())
    const again = await pair.laptop.mustSync('unchanged', source, 'nas:data/disk/mounted')
    assert.deepEqual(again.problems, [])
    plant(there, { 'by:hand': 'foreign' })
    plant(source, { 'more:': 'more' })
    const told = await pair.laptop.sync(source, 'nas:data/disk/mounted')
    assert.deepEqual(
      told.problems.map(({ path, code }) => `${path}: ${code}`),
      ['by:hand: unreadable'],
    )
    assert.deepEqual(contents(there), { ...before, 'by:hand': 'foreign', 'more\uf03a': 'more' })
    rmSync(join(there, 'by:hand'))
    // Names in another character set than those that were stored: nothing is compared, and nothing goes.
    const own = join(there, '.nightferry')
    const sample = readdirSync(own).find((name) => name.startsWith('names-')) ?? ''
    renameSync(join(own, sample), join(own, 'names-other'))
    const refused = await pair.laptop.sync(source, 'nas:data/disk/mounted')
    assert.deepEqual([refused.failure?.code, refused.code], ['names-changed', 15])
    assert.equal(
      (await pair.laptop.sync('nas:data/disk/mounted', pair.world.folder('away'))).failure?.code,
      'names-changed',
    )
    const { 'by:hand': _, ...rest } = { ...before, 'by:hand': '', 'more\uf03a': 'more' }
    assert.deepEqual(contents(there), rest)
    disk.unmount()
    assert.ok(disk.mount('windows_names'))
  })
})
