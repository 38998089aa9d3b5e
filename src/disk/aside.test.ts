// What lies displaced: removed only as seen, put back, or kept.

import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Death, FaultySys } from '../../test/world/faulty-sys.ts'
import { problemsOf } from '../../test/world/one-mirror.ts'
import { allTexts, contents, facts, kept, plant, staging } from '../../test/world/planted.ts'
import { endsMaker, mainForms, mirrorsWith } from '../../test/world/sys-forms.ts'
import type { RelPath } from '../core/path.ts'
import { statWidth } from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import { type Aside, dropDisplaced, Kept } from './aside.ts'
import { openTarget } from './root.ts'
import { errno } from './sys.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-aside-'))
after(() => rmSync(home, { recursive: true, force: true }))

const twoFolders = endsMaker(home)

for (const open of mainForms) {
  const real = open()
  const run = mirrorsWith(real)

  describe(`aside ${real.form}: what was not seen is never destroyed`, () => {
    it('a directory that goes leaves behind what is ignored, unseen, special or ours', async () => {
      const folders = twoFolders()
      plant(folders.source, { '.rules': '*.keep\nhidden/\n', other: 'o' })
      plant(folders.target, {
        '.rules': '*.keep\nhidden/\n',
        other: 'o',
        'goes/seen': 's',
        'goes/below/seen': 's',
        'goes/below/a.keep': 'ignored',
        'goes/hidden/deep/file': 'in an ignored directory',
        'ours/seen': 's',
        'ours/.nightferry/root.json': 'another target',
        'late/seen': 's',
        'edited/seen': 's',
      })
      const end = await run(folders, {
        ignoreFiles: ['.rules'],
        written() {
          writeFileSync(join(folders.target, 'late/came'), 'came later')
          writeFileSync(join(folders.target, 'edited/seen'), 'edited later')
        },
      })
      assert.deepEqual(problemsOf(end), ['edited: not-empty', 'goes: not-empty', 'late: not-empty', 'ours: not-empty'])
      assert.deepEqual(contents(folders.target), {
        '.rules': '*.keep\nhidden/\n',
        edited: '/',
        'edited/seen': 'edited later',
        goes: '/',
        'goes/below': '/',
        'goes/below/a.keep': 'ignored',
        'goes/hidden': '/',
        'goes/hidden/deep': '/',
        'goes/hidden/deep/file': 'in an ignored directory',
        late: '/',
        'late/came': 'came later',
        other: 'o',
        ours: '/',
        'ours/.nightferry': '/',
        'ours/.nightferry/root.json': 'another target',
      })
    })

    it('a directory that becomes a file stays while it holds what was not seen', async () => {
      const folders = twoFolders()
      plant(folders.source, {
        '.rules': '*.keep\n',
        ignored: 'now a file',
        link: { link: 'now a link' },
        late: 'now a file',
      })
      plant(folders.target, {
        '.rules': '*.keep\n',
        'ignored/a.keep': 'ignored',
        'ignored/seen': 's',
        'link/below/b.keep': 'ignored too',
        'late/seen': 's',
      })
      const end = await run(folders, {
        ignoreFiles: ['.rules'],
        written: () => writeFileSync(join(folders.target, 'late/came'), 'came later'),
      })
      assert.deepEqual(problemsOf(end), ['ignored: not-empty', 'late: not-empty', 'link: not-empty'])
      assert.deepEqual(contents(folders.target), {
        '.rules': '*.keep\n',
        ignored: '/',
        'ignored/a.keep': 'ignored',
        'ignored/seen': 's',
        late: '/',
        'late/came': 'came later',
        'late/seen': 's',
        link: '/',
        'link/below': '/',
        'link/below/b.keep': 'ignored too',
      })
    })

    it('what is written into a displaced directory before it is dropped goes back, or is kept', async () => {
      const folders = twoFolders()
      plant(folders.source, { file: 'now a file' })
      plant(folders.target, { 'file/seen': 's', 'goes/seen': 's' })
      const end = await run(folders, {
        landed() {
          // Someone stands in the directory, which now lies in the staging directory.
          for (const name of staging(folders.target)) {
            writeFileSync(join(folders.target, '.nightferry/staging', name, 'late'), 'written late')
          }
        },
      })
      assert.deepEqual(problemsOf(end), ['file: not-empty', 'goes: not-empty'])
      assert.equal(contents(folders.target)['goes/late'], 'written late')
      assert.equal(contents(folders.target).file, 'now a file')
      await run(folders)
      assert.ok(kept(folders.target).includes('written late'))
    })

    it('a file that is written to after it was displaced is kept', async () => {
      const folders = twoFolders()
      plant(folders.source, { f: 'new version' })
      plant(folders.target, { f: 'old', goes: 'old too' })
      const end = await run(folders, {
        landed() {
          for (const name of staging(folders.target)) {
            writeFileSync(
              join(folders.target, '.nightferry/staging', name),
              `late in ${readFileSync(join(folders.target, '.nightferry/staging', name), 'utf8')}`,
            )
          }
        },
      })
      assert.deepEqual(problemsOf(end), ['f: target-changed', 'goes: target-changed'])
      await run(folders)
      const texts = [...Object.values(contents(folders.target)), ...kept(folders.target)]
      assert.ok(texts.includes('late in old') && texts.includes('late in old too'), texts.join())
    })

    it('what can neither go back nor be kept stays where it is, and the next run settles it', async () => {
      const folders = twoFolders()
      plant(folders.source, { stays: 's' })
      plant(folders.target, { stays: 's', 'goes/seen': 'seen' })
      const sys = new FaultySys(real)
      const end = await run(folders, {
        sys,
        scanned: () => plant(folders.target, { 'goes/unseen': 'a person wrote this' }),
        landed: () => {
          for (const call of ['renameNoReplace', 'link'] as const) sys.on(call, { sticky: true, result: -errno.EIO })
        },
      })
      assert.deepEqual(problemsOf(end), ['goes: not-empty'])
      assert.ok(allTexts(folders.target).has('a person wrote this'))
      const next = openTarget(real, folders.target, { create: true, machine: 'test', expectedId: undefined })
      next.close()
      assert.deepEqual(next.recovered, [{ path: 'goes', outcome: 'put-back' }])
      assert.deepEqual(contents(folders.target), { goes: '/', 'goes/unseen': 'a person wrote this', stays: 's' })
    })

    it('a directory that could not be put back as a whole is merged into what took its name', async () => {
      const folders = twoFolders()
      plant(folders.source, { other: 'o' })
      plant(folders.target, { other: 'o', 'goes/seen': 's' })
      const end = await run(folders, {
        written: () => writeFileSync(join(folders.target, 'goes/unseen'), 'unseen'),
        landed() {
          mkdirSync(join(folders.target, 'goes'))
          writeFileSync(join(folders.target, 'goes/fresh'), 'fresh')
        },
      })
      assert.deepEqual(problemsOf(end), ['goes: not-empty'])
      assert.deepEqual(contents(folders.target), {
        goes: '/',
        'goes/fresh': 'fresh',
        'goes/unseen': 'unseen',
        other: 'o',
      })
    })
  })

  describe(`aside ${real.form}: what a file system refuses`, () => {
    it('puts back what was taken aside for something that then could not land', async () => {
      for (const [kind, folder] of Object.entries({
        file: { x: 'now a file' },
        link: { x: { link: 'l' } },
        directory: { 'x/in': 'd' },
      })) {
        const folders = twoFolders()
        plant(folders.source, folder)
        plant(folders.target, kind === 'directory' ? { x: 'was a file' } : { 'x/seen': 'was in a directory' })
        const before = contents(folders.target)
        const call = kind === 'directory' ? 'makeDirectory' : 'renameNoReplace'
        const sys = new FaultySys(real).on(call, {
          name: 'x',
          nth: kind === 'directory' ? 1 : 2,
          result: -errno.ENOSPC,
        })
        const end = await run(folders, { sys })
        assert.ok(problemsOf(end).includes('x: no-space'), problemsOf(end).join())
        assert.deepEqual(contents(folders.target), before)
        assert.equal(end.counts.replaced, 0)
      }
    })

    it('keeps what was taken aside when its name was taken meanwhile', async () => {
      const folders = twoFolders()
      plant(folders.source, { x: 'now a file' })
      plant(folders.target, { 'x/seen': 'was in a directory' })
      const sys = new FaultySys(real).on('renameNoReplace', {
        name: 'x',
        nth: 2,
        before: () => writeFileSync(join(folders.target, 'x'), 'a person was quicker'),
      })
      const end = await run(folders, { sys })
      assert.deepEqual(problemsOf(end), ['x: target-changed'])
      assert.deepEqual(contents(folders.target), { x: 'a person was quicker' })
      await run(folders)
      assert.deepEqual(kept(folders.target), ['was in a directory'])
    })

    it('changes, empties and removes directories that not even their owner may write', async (t) => {
      const { seteuid } = process
      if (seteuid === undefined) return t.skip('no users here')
      const isRoot = process.getuid?.() === 0
      // A process that changed its user is closed to its children, `sync` among them.
      const quick = (): FaultySys => new FaultySys(real).on('syncFileSystem', { sticky: true, result: 0 })
      const folders = twoFolders()
      for (const path of [home, join(folders.source, '..')]) chmodSync(path, 0o777)
      const lock = (...names: readonly string[]): void => {
        for (const name of names) chmodSync(join(folders.source, name), 0o555)
      }
      const unlock = (...names: readonly string[]): void => {
        for (const name of names) chmodSync(join(folders.source, name), 0o755)
      }
      if (isRoot) seteuid(65_534)
      try {
        plant(folders.source, {
          keep: 'k',
          'mod/one': 'one',
          'mod/sub/two': 'two',
          'mod/gone': 'g',
          'file/by/and by': 'f',
        })
        lock('mod/sub', 'mod', 'file/by', 'file')
        assert.deepEqual(problemsOf(await run(folders, { sys: quick() })), [])
        unlock('mod', 'mod/sub', 'file', 'file/by')
        rmSync(join(folders.source, 'mod/gone'))
        rmSync(join(folders.source, 'file'), { recursive: true })
        plant(folders.source, {
          file: 'now a file',
          'mod/one': 'changed',
          'mod/new/three': 'three',
          'mod/sub/four': 'four',
        })
        lock('mod/sub', 'mod')
        assert.deepEqual(problemsOf(await run(folders, { sys: quick() })), [])
        assert.deepEqual(facts(folders.target), facts(folders.source))
        assert.deepEqual(staging(folders.target), [])
        unlock('mod', 'mod/sub')
        rmSync(join(folders.source, 'mod'), { recursive: true })
        assert.deepEqual(problemsOf(await run(folders, { sys: quick() })), [])
        assert.deepEqual(facts(folders.target), facts(folders.source))
        assert.deepEqual(staging(folders.target), [])
        // What was not seen goes back, also into a directory that is locked, and after a run that died.
        plant(folders.source, { 'locked/goes/seen': 's', 'locked/f': 'f' })
        lock('locked')
        await run(folders, { sys: quick() })
        unlock('locked')
        rmSync(join(folders.source, 'locked/goes'), { recursive: true })
        lock('locked')
        const dying = quick()
        const landed = (): void => void dying.dieAt(dying.changes + 1)
        await assert.rejects(run(folders, { sys: dying, landed }), (error) => error instanceof Death)
        dying.bury()
        const unseen = (): void => writeFileSync(join(folders.target, 'locked/goes/unseen'), 'u')
        assert.deepEqual(problemsOf(await run(folders, { sys: quick(), written: unseen })), ['locked/goes: not-empty'])
        const left = contents(folders.target)
        assert.deepEqual(
          [left['locked/goes/unseen'], left['locked/goes/seen'], left['locked/f']],
          ['u', undefined, 'f'],
        )
        assert.deepEqual(kept(folders.target), [])
      } finally {
        if (isRoot) seteuid(0)
      }
    })

    it('is looked for twice before it counts as gone', () => {
      const place = mkdtempSync(join(home, 'twice-'))
      plant(place, { 'staging/slot': 'old', 'files/keep': '', root: {} })
      const at = (name: string): number => real.openRoot(join(place, name))
      const handles = { root: at('root'), staging: at('staging') }
      const expected = new Uint32Array(statWidth)
      assert.equal(real.stat(handles.staging, utf8('slot'), expected, 0), 0)
      const sys = new FaultySys(real).on('stat', { name: 'slot', result: -errno.ENOENT })
      const aside: Aside = {
        slot: 'slot',
        path: 'f' as RelPath,
        expected,
        below: undefined,
        movedTo: undefined,
        isDeleted: false,
      }
      const gone: Aside = { ...aside, slot: 'gone', path: 'g' as RelPath }
      assert.deepEqual(dropDisplaced(sys, handles, [aside, gone], new Kept(at('files'))), [])
      assert.deepEqual(contents(join(place, 'files')), { f: 'old', keep: '' })
    })

    for (const [name, code, told] of [
      ['EACCES', errno.EACCES, 'permission-denied'],
      ['EXDEV', errno.EXDEV, 'other-device'],
      ['ENOSPC', errno.ENOSPC, 'no-space'],
      ['ENAMETOOLONG', errno.ENAMETOOLONG, 'name-too-long'],
      ['EIO', errno.EIO, 'write-failed'],
    ] as const)
      it(`tells ${name} as ${told}, for that path alone, and the next run completes it`, async () => {
        const folders = twoFolders()
        plant(folders.source, { a: 'a', b: 'b' })
        plant(folders.target, {})
        const sys = new FaultySys(real).on('renameNoReplace', { name: 'a', result: -code })
        const end = await run(folders, { sys })
        assert.deepEqual(problemsOf(end), [`a: ${told}`])
        assert.deepEqual(contents(folders.target), { b: 'b' })
        assert.deepEqual(problemsOf(await run(folders)), [])
        assert.deepEqual(facts(folders.target), facts(folders.source))
      })

    it('lands a new directory file by file where it can not be renamed whole', async () => {
      const folders = twoFolders()
      plant(folders.source, { 'd/a': 'a', 'd/l': { link: 'x' }, 'd/below/b': 'b', 'd/empty': '' })
      plant(folders.target, {})
      const sys = new FaultySys(real)
        .on('renameNoReplace', { name: 'd', result: -errno.EXDEV })
        .on('renameNoReplace', { name: 'below', result: -errno.EACCES })
      const end = await run(folders, { sys })
      assert.deepEqual(problemsOf(end), [])
      assert.deepEqual(facts(folders.target), facts(folders.source))
      assert.deepEqual(staging(folders.target), [])
    })

    it('replaces where there is neither EXCHANGE nor a second name, and loses nothing', async () => {
      const noLinks = (): FaultySys =>
        new FaultySys(real)
          .on('exchange', { sticky: true, result: -errno.EINVAL })
          .on('link', { sticky: true, result: -errno.EPERM })
      const folders = twoFolders()
      plant(folders.source, { f: 'new version', moved: 'it moves' })
      plant(folders.target, { f: 'old', moves: 'it moves' })
      const end = await run(folders, { sys: noLinks() })
      assert.equal(contents(folders.target).f, 'new version')
      assert.equal(contents(folders.target).moved, 'it moves')
      assert.equal(end.counts.replaced, 1)
      assert.deepEqual(problemsOf(await run(folders, { sys: noLinks() })), [])
      assert.deepEqual(facts(folders.target), facts(folders.source))
      // Edited between the look and the move, and a new version that can not land.
      plant(folders.source, { f: 'a newer version', g: 'g' })
      const edited = noLinks().on('renameNoReplace', {
        name: 'f',
        before: () => writeFileSync(join(folders.target, 'f'), 'a person wrote this'),
      })
      assert.deepEqual(problemsOf(await run(folders, { sys: edited })), ['f: target-changed'])
      assert.equal(contents(folders.target).f, 'a person wrote this')
      const full = noLinks().on('renameNoReplace', { name: 'f', nth: 2, result: -errno.ENOSPC })
      assert.deepEqual(problemsOf(await run(folders, { sys: full })), ['f: no-space'])
      assert.equal(contents(folders.target).f, 'a person wrote this')
    })

    if (real.exactRenames)
      it('replaces without EXCHANGE where the file system has none', async () => {
        const folders = twoFolders()
        plant(folders.source, { f: 'new version', x: 'now a file' })
        plant(folders.target, { f: 'old', 'x/in': 'was a directory' })
        const sys = new FaultySys(real).on('exchange', { sticky: true, result: -errno.EINVAL })
        const end = await run(folders, { sys })
        assert.deepEqual(problemsOf(end), [])
        assert.deepEqual(facts(folders.target), facts(folders.source))
        assert.deepEqual(staging(folders.target), [])
      })
  })
}
