// Real disks for which upper and lower case are one, between two machines. Of names that are one there one comes and the
// others are told; nothing is overwritten or deleted for it, and a run that has nothing to do does nothing. NTFS shows every
// name in lower case besides, and exFAT keeps the one that it was given.

import assert from 'node:assert/strict'
import { linkSync, lstatSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { FoldingDisk, type FoldingKind } from '../world/folding-disk.ts'
import { type Pair, pairedMachines, type Synced } from '../world/machines.ts'
import { contents, plant } from '../world/planted.ts'

const needs: Readonly<Record<FoldingKind, string>> = {
  ntfs: 'no NTFS that folds case here: it needs root, ntfs-3g and FUSE',
  exfat: 'no exFAT that folds case here: it needs root, exfat-fuse, exfatprogs, a loop device and FUSE',
}

/** What was told of single names; that exFAT has no hard links is told of the whole. */
const told = ({ problems }: Synced): string[] =>
  problems
    .filter(({ code }) => code !== 'attributes-left-out')
    .map(({ path, code }) => `${path}: ${code}`)
    .sort()

for (const kind of ['ntfs', 'exfat'] as const) {
  describe(`names that ${kind} folds together`, () => {
    let pair: Pair
    let disk: FoldingDisk | undefined
    const mayNot = needs[kind]
    /** How the disk shows a name. */
    const shown = (name: string): string => (kind === 'ntfs' ? name.toLowerCase() : name)
    before(async () => {
      pair = await pairedMachines()
      disk = FoldingDisk.make(kind, join(pair.world.directory, 'disk.img'), pair.world.folder('shared/disk'))
    })
    after(async () => {
      disk?.unmount()
      await pair?.world.close()
    })
    const ends = (name: string): { source: string; end: string; there: string } => ({
      source: pair.world.folder(name),
      end: `nas:data/disk/${name}`,
      there: join(pair.shared, 'disk', name),
    })
    /** Nothing is left to be done, and what was told is told again. */
    const rests = async (
      from: string,
      to: string,
      problems: readonly string[],
      ...options: string[]
    ): Promise<void> => {
      for (const more of [[], [], ['--checksum']]) {
        const again = await pair.laptop.sync(from, to, ...options, ...more)
        assert.deepEqual([again.changes, told(again)], [[], problems], again.stdout)
        assert.equal(again.code, again.problems.length === 0 ? 0 : 3)
      }
    }

    for (const options of [[], ['--hard-links']]) {
      it(`come once, and the others are told: nothing is overwritten or deleted ${options}`, async (t) => {
        if (disk === undefined) return t.skip(mayNot)
        const { source, end, there } = ends(`first${options.length}`)
        plant(source, {
          A: 'upper',
          a: 'lower',
          'Dir/x': 'in Dir',
          'dir/x': 'in dir',
          'dir/y': 'y',
          Same: 'alike',
          same: 'alike',
          Ä: 'umlaut',
          alone: 'alone',
          Big: 'B',
        })
        const first = await pair.laptop.sync(source, end, ...options)
        const clashes = ['a: name-clash', 'dir: name-clash', 'same: name-clash']
        assert.deepEqual(told(first), clashes, first.stdout)
        const one = {
          [shown('A')]: 'upper',
          [shown('Dir/x')]: 'in Dir',
          [shown('Same')]: 'alike',
          [shown('Ä')]: 'umlaut',
          alone: 'alone',
          [shown('Big')]: 'B',
          [shown('Dir')]: '/',
        }
        assert.deepEqual(contents(there), one)
        await rests(source, end, clashes, ...options)
        assert.deepEqual(contents(there), one)
        // The one that stayed away changes: it is nobody's next version.
        plant(source, { a: { text: 'lower, changed', mtimeMs: 1_700_000_000_000 } })
        const second = await pair.laptop.sync(source, end, ...options)
        assert.deepEqual([second.changes, told(second)], [[], clashes])
        assert.deepEqual(contents(there), one)
        // The one that came goes: what stayed away comes in its place, which is told as what it is.
        rmSync(join(source, 'A'))
        const third = await pair.laptop.sync(source, end, ...options)
        assert.deepEqual(told(third), clashes.slice(1), third.stdout)
        const [name] = readdirSync(there).filter((one) => one.toLowerCase() === 'a')
        assert.equal(readFileSync(join(there, name ?? ''), 'utf8'), 'lower, changed')
        await rests(source, end, clashes.slice(1), ...options)
      })
    }

    it('that only change their case are renamed, files and folders', async (t) => {
      if (disk === undefined) return t.skip(mayNot)
      const { source, end, there } = ends('case')
      plant(source, { readme: 'text', 'photos/One': '1', 'photos/two': '2', 'Deep/er/x': 'x' })
      await pair.laptop.mustSync('done', source, end)
      for (const [from, to] of [
        ['readme', 'README'],
        ['photos', 'Photos'],
        ['Photos/One', 'Photos/one'],
        ['Deep/er', 'Deep/ER'],
      ] as const)
        renameSync(join(source, from), join(source, to))
      const run = await pair.laptop.sync(source, end)
      assert.deepEqual([told(run), run.code, run.counts['deleted'], run.counts['created']], [[], 0, 0, 0], run.stdout)
      assert.deepEqual(Object.keys(contents(there)).sort(), Object.keys(contents(source)).map(shown).sort())
      await rests(source, end, [])
      // Together with an edit.
      renameSync(join(source, 'README'), join(source, 'ReadMe'))
      plant(source, { ReadMe: { text: 'other text', mtimeMs: 1_700_000_000_000 } })
      const edited = await pair.laptop.sync(source, end)
      assert.deepEqual([told(edited), edited.counts['deleted']], [[], 0], edited.stdout)
      assert.equal(contents(there)[shown('ReadMe')], 'other text')
      await rests(source, end, [])
    })

    it('live through change, deletion, versions, undelete and undo, and come back', async (t) => {
      if (disk === undefined) return t.skip(mayNot)
      const { source, end, there } = ends('life')
      plant(source, { Kept: 'kept', 'Folder/Gone': 'gone', 'Folder/Changed': 'one' })
      await pair.laptop.mustSync('done', source, end)
      const first = contents(there)
      rmSync(join(source, 'Folder/Gone'))
      plant(source, { 'Folder/Changed': { text: 'two!', mtimeMs: 1_700_000_000_000 } })
      const run = await pair.laptop.sync(source, end)
      assert.deepEqual([told(run), run.counts['deleted'], run.counts['replaced']], [[], 1, 1], run.stdout)
      assert.match(await pair.laptop.must('versions', `${end}/${shown('Folder')}`), /gone/i)
      await pair.laptop.must('undelete', `${end}/${shown('Folder/Gone')}`)
      const [back] = readdirSync(join(there, 'Folder')).filter((name) => name.toLowerCase() === 'gone')
      assert.equal(readFileSync(join(there, 'Folder', back ?? ''), 'utf8'), 'gone')
      rmSync(join(there, 'Folder', back ?? ''))
      await pair.laptop.must('undo', String(run.lines[0]?.['runId']))
      assert.deepEqual(contents(there), first)
      const home = pair.world.folder('home')
      await pair.laptop.mustSync('done', end, home)
      assert.deepEqual(contents(home), first)
      await rests(end, home, [])
    })

    it('that somebody made there in another case keep their place', async (t) => {
      if (disk === undefined) return t.skip(mayNot)
      const { source, end, there } = ends('foreign')
      plant(source, { alone: 'alone' })
      await pair.laptop.mustSync('done', source, end)
      writeFileSync(join(there, 'notes'), 'by hand')
      plant(source, { Notes: 'from the source' })
      const run = await pair.laptop.sync(source, end)
      // It replaces the one that was there, as any run does, and keeps it.
      assert.deepEqual([told(run), run.counts['deleted']], [[], 0], run.stdout)
      assert.match(await pair.laptop.must('versions', `${end}/notes`), /notes/i)
      await rests(source, end, [])
    })

    it('of one file are names of one file, where each can be had', async (t) => {
      if (disk === undefined) return t.skip(mayNot)
      const { source, end, there } = ends('linked')
      plant(source, { One: 'linked', Other: 'x' })
      for (const name of ['one', 'Two', 'three']) linkSync(join(source, 'One'), join(source, name))
      const run = await pair.laptop.sync(source, end, '--hard-links')
      // Also where it lies under another spelling than it came by.
      if (kind === 'ntfs')
        assert.equal(new Set(['one', 'two', 'three'].map((name) => lstatSync(join(there, name)).ino)).size, 1)
      const clashes = told(run).filter((line) => line.endsWith('name-clash'))
      assert.deepEqual(clashes, ['one: name-clash'], run.stdout)
      const names = ['One', 'Two', 'three', 'Other'].map(shown)
      assert.deepEqual(
        readdirSync(there)
          .filter((name) => name !== '.nightferry')
          .sort(),
        [...names].sort(),
      )
      for (const name of names.slice(0, 3)) assert.equal(readFileSync(join(there, name), 'utf8'), 'linked')
      await rests(source, end, told(run), '--hard-links')
      renameSync(join(source, 'Two'), join(source, 'TWO'))
      const renamed = await pair.laptop.sync(source, end, '--hard-links')
      assert.deepEqual([told(renamed), renamed.counts['deleted']], [told(run), 0], renamed.stdout)
      await rests(source, end, told(run), '--hard-links')
    })
  })
}
