// Landing: what is looked at before and after each change, and what goes back.

import assert from 'node:assert/strict'
import {
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { FaultySys } from '../../test/world/faulty-sys.ts'
import { problemsOf } from '../../test/world/one-mirror.ts'
import { contents, facts, kept, plant, staging } from '../../test/world/planted.ts'
import { endsMaker, mainForms, mirrorsWith } from '../../test/world/sys-forms.ts'
import { utf8 } from '../std/bytes.ts'
import { openPortableSys } from './sys-portable.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-apply-'))
after(() => rmSync(home, { recursive: true, force: true }))

const twoFolders = endsMaker(home)

for (const open of mainForms) {
  const real = open()
  const run = mirrorsWith(real)

  describe(`apply ${real.form}: a mirror`, () => {
    it('brings, changes and takes away everything, and the next run has nothing to do', async () => {
      const folders = twoFolders()
      plant(folders.source, {
        same: 'same',
        'changed text': 'new text',
        'other mode': { text: 'm', mode: 0o600 },
        'other time': { text: 't', mtimeMs: 1_500_000_000_000 },
        'new file': { text: 'n', mode: 0o755, mtimeMs: -1_500 },
        empty: '',
        link: { link: 'elsewhere' },
        'changed link': { link: 'there' },
        'new/deep/er/file': 'deep',
        'new/empty directory': {},
        'becomes a file': 'was a directory',
        'becomes a directory/f': 'was a file',
        'becomes a link': { link: 'was a file' },
        'link becomes a file': 'was a link',
        'link becomes a directory': {},
        'directory becomes a link': { link: 'was a directory' },
      })
      plant(folders.target, {
        same: 'same',
        'changed text': 'old',
        'other mode': { text: 'm', mode: 0o666 },
        'other time': 't',
        'changed link': { link: 'here' },
        'goes/deep/file': 'g',
        'goes file': 'g',
        'goes link': { link: 'x' },
        'becomes a file/below/f': 'b',
        'becomes a directory': 'b',
        'becomes a link': 'b',
        'link becomes a file': { link: '/etc' },
        'link becomes a directory': { link: '/etc' },
        'directory becomes a link/f': 'b',
      })
      const first = await run(folders)
      assert.deepEqual(problemsOf(first), [])
      assert.deepEqual(facts(folders.target), facts(folders.source))
      assert.deepEqual(first.counts, { created: 9, replaced: 8, attributes: 2, deleted: 3 })
      assert.deepEqual(staging(folders.target), [])
      assert.equal(existsSync(join(folders.target, '.nightferry', 'journal')), false)
      const second = await run(folders)
      assert.deepEqual(problemsOf(second), [])
      assert.deepEqual(second.counts, { created: 0, replaced: 0, attributes: 0, deleted: 0 })
      assert.deepEqual(kept(folders.target), [])
    })

    it('gives files and directories their modes whatever the umask is', async () => {
      const folders = twoFolders()
      plant(folders.source, {
        'd/open': { text: 'o', mode: 0o666 },
        'd/run': { text: 'r', mode: 0o777 },
        'd/none': { text: '', mode: 0o000 },
      })
      const before = process.umask(0o077)
      try {
        assert.deepEqual(problemsOf(await run(folders)), [])
      } finally {
        process.umask(before)
      }
      assert.deepEqual(facts(folders.target), facts(folders.source))
      assert.equal(lstatSync(join(folders.target, 'd')).mode & 0o777, lstatSync(join(folders.source, 'd')).mode & 0o777)
    })

    it('renames a file that only moved, and takes its old name away', async () => {
      const folders = twoFolders()
      plant(folders.source, {
        'a/one': 'first',
        'a/two': 'second',
        'b/three': 'third',
        'gone/four': { text: 'fourth', mode: 0o600 },
      })
      await run(folders)
      const inode = (name: string): number => lstatSync(join(folders.target, name)).ino
      const inodes = [inode('a/one'), inode('gone/four')]
      renameSync(join(folders.source, 'a/one'), join(folders.source, 'b/uno'))
      renameSync(join(folders.source, 'gone/four'), join(folders.source, 'a/cuatro'))
      rmSync(join(folders.source, 'gone'), { recursive: true })
      const moved = await run(folders)
      assert.deepEqual(problemsOf(moved), [])
      assert.equal(moved.copiedLocally, 2)
      assert.deepEqual(facts(folders.target), facts(folders.source))
      assert.deepEqual([inode('b/uno'), inode('a/cuatro')], inodes)
    })

    it('keeps the old name of a file that moved when the new one could not land', async () => {
      const folders = twoFolders()
      plant(folders.source, { 'a/one': 'first', 'a/stays': 's', 'b/other': 'o', 'gone/two': 'second' })
      await run(folders)
      renameSync(join(folders.source, 'a/one'), join(folders.source, 'b/uno'))
      renameSync(join(folders.source, 'gone/two'), join(folders.source, 'b/dos'))
      rmSync(join(folders.source, 'gone'), { recursive: true })
      const sys = new FaultySys(real)
      for (const name of ['uno', 'dos']) {
        const takeName = (): void => writeFileSync(join(folders.target, 'b', name), 'a person was quicker')
        sys.on('renameNoReplace', { name, before: takeName })
      }
      await run(folders, { sys })
      const left = contents(folders.target)
      assert.deepEqual([left['a/one'], left['gone/two']], ['first', 'second'])
      assert.deepEqual([left['b/uno'], left['b/dos']], ['a person was quicker', 'a person was quicker'])
    })

    it('renames a file also where the other side tells times more coarsely', async () => {
      const folders = twoFolders()
      plant(folders.source, { a: 'moves', other: 'o' })
      plant(folders.target, { a: 'moves', other: 'o' })
      for (const path of [folders.source, folders.target]) {
        const root = real.openRoot(path)
        real.setTimesAt(root, utf8('a'), 1_600_000_000, 123_456_789)
        real.close(root)
      }
      renameSync(join(folders.source, 'a'), join(folders.source, 'b'))
      const moved = await run(folders, { sourceSys: openPortableSys() })
      assert.equal(moved.copiedLocally, 1)
      assert.deepEqual(problemsOf(moved), [])
      assert.deepEqual(contents(folders.target), { b: 'moves', other: 'o' })
    })

    it('renames a directory that only moved', async () => {
      const folders = twoFolders()
      plant(folders.source, { 'a/one': 'first', 'a/below/two': 'second', 'b/three': 'third' })
      const before = await run(folders)
      const inode = lstatSync(join(folders.target, 'a')).ino
      renameSync(join(folders.source, 'a'), join(folders.source, 'b/a'))
      const moved = await run(folders, { before })
      assert.deepEqual(problemsOf(moved), [])
      assert.equal(moved.renamed, 1)
      assert.equal(lstatSync(join(folders.target, 'b/a')).ino, inode)
      assert.deepEqual(facts(folders.target), facts(folders.source))
    })

    it('syncs each file and each built directory of a small run before it gets its name', async () => {
      const folders = twoFolders()
      plant(folders.source, { 'd/f': 'f', g: 'g' })
      const sys = new FaultySys(real)
      await run(folders, { sys, syncEach: true })
      const place = (line: RegExp): number => sys.trail.findIndex((made) => line.test(made))
      const [written, named] = [place(/^createFile f$/), place(/^renameNoReplace s\w+ d$/)]
      assert.ok(written >= 0 && named > written, sys.trail.join('\n'))
      assert.equal(sys.trail[named - 1], 'syncHandle')
      assert.ok(sys.trail.slice(written, named).filter((line) => line === 'syncHandle').length >= 2)
    })

    it('copies a content that the target has, and verifies it', async () => {
      const folders = twoFolders()
      plant(folders.source, { 'a/one': 'x'.repeat(70_000) })
      await run(folders)
      plant(folders.source, { 'c/copy': 'x'.repeat(70_000) })
      const copied = await run(folders)
      assert.equal(copied.copiedLocally, 1)
      assert.deepEqual(facts(folders.target), facts(folders.source))
    })
  })

  describe(`apply ${real.form}: what a person did meanwhile is left alone`, () => {
    const source = { replaced: 'new version', 'd/new': 'n' }
    const target = { replaced: 'old', goes: 'goes', 'dir goes/in': 'in', attributed: { text: 'a', mode: 0o600 } }
    const withAttributed = { ...source, attributed: { text: 'a', mode: 0o644 } }
    const edit = (path: string, name: string, text: string): void => writeFileSync(join(path, name), text)

    it('edited before the look', async () => {
      const folders = twoFolders()
      plant(folders.source, withAttributed)
      plant(folders.target, target)
      const end = await run(folders, {
        written() {
          edit(folders.target, 'replaced', 'a person wrote this')
          edit(folders.target, 'goes', 'and this')
          edit(folders.target, 'attributed', 'and that')
          mkdirSync(join(folders.target, 'd'))
          edit(folders.target, 'd/new', 'mine')
        },
      })
      assert.deepEqual(problemsOf(end), [
        'attributed: target-changed',
        'd/new: target-changed',
        'goes: target-changed',
        'replaced: target-changed',
      ])
      assert.deepEqual(contents(folders.target), {
        attributed: 'and that',
        d: '/',
        'd/new': 'mine',
        goes: 'and this',
        replaced: 'a person wrote this',
      })
      assert.equal(lstatSync(join(folders.target, 'attributed')).mode & 0o777, 0o600)
    })

    it('edited before the look, its size and time kept: only the ctime tells', async () => {
      const folders = twoFolders()
      plant(folders.source, { replaced: 'new version', link: { link: 'same' } })
      plant(folders.target, { replaced: 'old', goes: 'goes', link: { link: 'same' } })
      lutimesSync(join(folders.source, 'link'), 1_500_000_000, 1_500_000_000)
      const end = await run(folders, {
        written() {
          for (const [name, text] of [
            ['replaced', 'new'],
            ['goes', 'GOES'],
          ] as const) {
            const { atime, mtime } = lstatSync(join(folders.target, name))
            edit(folders.target, name, text)
            utimesSync(join(folders.target, name), atime, mtime)
          }
          rmSync(join(folders.target, 'link'))
          plant(folders.target, { link: 'a file by now' })
        },
      })
      assert.deepEqual(problemsOf(end), ['goes: target-changed', 'link: target-changed', 'replaced: target-changed'])
      assert.deepEqual(facts(folders.target), {
        goes: 'GOES 644 1600000000000',
        link: 'a file by now 644 1600000000000',
        replaced: 'new 644 1600000000000',
      })
    })

    // The call that changes a name, and the name: the edit falls between the look at it and that call.
    const calls = real.exactRenames ? (['exchange', 'renameNoReplace'] as const) : (['link', 'link'] as const)
    it('edited between the look and the exchange', async () => {
      const folders = twoFolders()
      plant(folders.source, source)
      plant(folders.target, { replaced: 'old' })
      const sys = new FaultySys(real).on(calls[0], {
        name: 'replaced',
        before: () => edit(folders.target, 'replaced', 'a person wrote this'),
      })
      const end = await run(folders, { sys })
      assert.deepEqual(problemsOf(end), ['replaced: target-changed'])
      assert.equal(contents(folders.target).replaced, 'a person wrote this')
      assert.equal(end.counts.replaced, 0)
      // Where versions can't be exchanged, the name is not even touched.
      assert.ok(!sys.trail.some((line) => /^renameOver .* replaced$/.test(line)))
    })

    it('replaced by another file between the look and the exchange', async () => {
      const folders = twoFolders()
      plant(folders.source, source)
      plant(folders.target, { replaced: 'old' })
      const sys = new FaultySys(real).on(calls[0], {
        name: 'replaced',
        before() {
          plant(folders.target, { aside: 'wow' })
          renameSync(join(folders.target, 'aside'), join(folders.target, 'replaced'))
        },
      })
      const end = await run(folders, { sys })
      assert.deepEqual(problemsOf(end), ['replaced: target-changed'])
      assert.equal(contents(folders.target).replaced, 'wow')
    })

    it('edited between the look and the move aside of a deletion', async () => {
      const folders = twoFolders()
      plant(folders.source, source)
      plant(folders.target, { goes: 'goes', replaced: 'new version' })
      const sys = new FaultySys(real).on('renameNoReplace', {
        name: 'goes',
        before: () => edit(folders.target, 'goes', 'a person wrote this'),
      })
      const end = await run(folders, { sys })
      assert.deepEqual(problemsOf(end), ['goes: target-changed'])
      assert.equal(contents(folders.target).goes, 'a person wrote this')
      assert.equal(end.counts.deleted, 0)
    })

    it('edited, then made anew while it lay aside: both are kept', async () => {
      const folders = twoFolders()
      plant(folders.source, source)
      plant(folders.target, { goes: 'goes', replaced: 'new version' })
      const sys = new FaultySys(real).on('renameNoReplace', {
        name: 'goes',
        before: () => edit(folders.target, 'goes', 'a person wrote this'),
        after: () => edit(folders.target, 'goes', 'and this at once'),
      })
      const end = await run(folders, { sys })
      assert.deepEqual(problemsOf(end), ['goes: target-changed'])
      assert.equal(contents(folders.target).goes, 'and this at once')
      await run(folders)
      assert.deepEqual(kept(folders.target), ['a person wrote this'])
    })

    if (real.exactRenames)
      it('edited, then replaced while the versions were exchanged: both are kept', async () => {
        const folders = twoFolders()
        plant(folders.source, source)
        plant(folders.target, { replaced: 'old' })
        const sys = new FaultySys(real)
          .on('exchange', {
            name: 'replaced',
            before: () => edit(folders.target, 'replaced', 'a person wrote this'),
          })
          .on('exchange', {
            name: 'replaced',
            nth: 2,
            before() {
              plant(folders.target, { aside: 'and this at once' })
              renameSync(join(folders.target, 'aside'), join(folders.target, 'replaced'))
            },
          })
        const end = await run(folders, { sys })
        assert.deepEqual(problemsOf(end), ['replaced: target-changed'])
        assert.equal(contents(folders.target).replaced, 'a person wrote this')
        await run(folders)
        assert.deepEqual(kept(folders.target), ['and this at once'])
      })

    if (!real.exactRenames)
      it('edited between the look and the rename over: the edited version goes back', async () => {
        const folders = twoFolders()
        plant(folders.source, source)
        plant(folders.target, { replaced: 'old' })
        const sys = new FaultySys(real).on('renameOver', {
          name: 'replaced',
          before: () => edit(folders.target, 'replaced', 'a person wrote this'),
        })
        const end = await run(folders, { sys })
        assert.deepEqual(problemsOf(end), ['replaced: target-changed'])
        assert.equal(contents(folders.target).replaced, 'a person wrote this')
      })

    it('made between the look and the rename: a new name is never taken', async () => {
      const folders = twoFolders()
      plant(folders.source, { 'd/new': 'n', top: 'mine is older' })
      plant(folders.target, {})
      const sys = new FaultySys(real)
        .on('renameNoReplace', {
          name: 'd',
          before() {
            mkdirSync(join(folders.target, 'd'))
            edit(folders.target, 'd/theirs', 'theirs')
          },
        })
        .on('renameNoReplace', { name: 'top', before: () => edit(folders.target, 'top', 'theirs') })
      const end = await run(folders, { sys })
      assert.deepEqual(problemsOf(end), ['top: target-changed'])
      assert.deepEqual(contents(folders.target), { d: '/', 'd/new': 'n', 'd/theirs': 'theirs', top: 'theirs' })
      assert.deepEqual(staging(folders.target), [])
    })

    it('turned into something else: a file, a symlink or nothing where a directory was', async () => {
      for (const what of ['file', 'symlink', 'nothing'] as const) {
        const folders = twoFolders()
        plant(folders.source, { 'd/new': 'n', 'd/replaced': 'new version', 'fresh/below/f': 'f' })
        plant(folders.target, { 'd/replaced': 'old' })
        const outside = join(folders.target, '..', 'outside')
        plant(outside, { replaced: 'old' })
        const end = await run(folders, {
          written() {
            renameSync(join(folders.target, 'd'), join(folders.target, '..', 'taken away'))
            if (what === 'file') edit(folders.target, 'd', 'a file')
            if (what === 'symlink') {
              symlinkSync(outside, join(folders.target, 'd'))
              symlinkSync(outside, join(folders.target, 'fresh'))
            }
          },
        })
        assert.ok(
          problemsOf(end).includes('d/new: target-changed') && problemsOf(end).includes('d/replaced: target-changed'),
          problemsOf(end).join(),
        )
        assert.deepEqual(contents(outside), { replaced: 'old' })
        assert.equal(contents(join(folders.target, '..', 'taken away')).replaced, 'old')
      }
    })

    it('attributes are set only on the very file that was seen', async () => {
      const folders = twoFolders()
      plant(folders.source, { f: { text: 'same', mtimeMs: 1_500_000_000_000 } })
      plant(folders.target, { f: 'same' })
      const sys = new FaultySys(real).on('openFile', {
        name: 'f',
        nth: 3,
        before() {
          plant(folders.target, { aside: { text: 'mine', mtimeMs: 1_700_000_000_000 } })
          renameSync(join(folders.target, 'aside'), join(folders.target, 'f'))
        },
      })
      const end = await run(folders, { sys })
      assert.deepEqual(problemsOf(end), ['f: target-changed'])
      assert.equal(facts(folders.target).f, 'mine 644 1700000000000')
    })

    it('attributes are on disk when few changes have landed, by the sync of their own file', async () => {
      for (const syncEach of [true, false]) {
        const folders = twoFolders()
        plant(folders.source, { f: { text: 'same', mode: 0o600, mtimeMs: 1_500_000_000_000 } })
        plant(folders.target, { f: 'same' })
        const sys = new FaultySys(real)
        await run(folders, { sys, syncEach })
        const set = sys.trail.indexOf('setTimes', sys.trail.lastIndexOf('setMode'))
        assert.equal(sys.trail[set + 1] === 'syncHandle', syncEach, sys.trail.join('\n'))
      }
    })
  })
}
