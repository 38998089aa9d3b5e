// Trees that are legal and odd: names, depths, times, sizes, second names, things that are no files. What can be carried
// comes over exactly, what can't is told, and a second run finds nothing to do.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { bytesOf } from '../../test/world/disk-trees.ts'
import { namingSys } from '../../test/world/naming-sys.ts'
import { oddNames } from '../../test/world/odd-names.ts'
import { type Mirrored, mirror, problemsOf } from '../../test/world/one-mirror.ts'
import { contents, facts, plant } from '../../test/world/planted.ts'
import { utf8 } from '../std/bytes.ts'
import type { Sys } from './sys.ts'
import { openLinuxSys } from './sys-linux.ts'
import { openPortableSys } from './sys-portable.ts'

const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-oddities-'))
after(() => rmSync(home, { recursive: true, force: true }))

let made = 0
function twoFolders(): { source: string; target: string } {
  const path = join(home, `case-${++made}`)
  const folders = { source: join(path, 'source'), target: join(path, 'target') }
  for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true })
  return folders
}

const forms: readonly (() => Sys)[] = process.platform === 'linux' ? [openLinuxSys, openPortableSys] : [openPortableSys]

for (const open of forms) {
  const real = open()
  type Folders = { source: string; target: string }
  const run = (folders: Folders, before?: Mirrored, sys = real): Promise<Mirrored> =>
    mirror({ sys, ...folders, ...(before && { before }) })
  const nothing = { created: 0, replaced: 0, attributes: 0, deleted: 0 }

  /** A run, and one that has nothing to do. */
  async function runs(folders: Folders): Promise<Mirrored> {
    const first = await run(folders)
    const second = await run(folders, first)
    assert.deepEqual([second.counts, second.renamed], [nothing, 0])
    assert.deepEqual(problemsOf(second), problemsOf(first))
    return first
  }

  describe(`oddities ${real.form}: names`, () => {
    it('of every odd kind come over, as files, as directories and as links, and stay apart', async () => {
      const folders = twoFolders()
      const names = oddNames()
      assert.ok(names.length > 400, `${names.length}`)
      plant(folders.source, {
        ...Object.fromEntries(names.map((name) => [name, `text of ${name}`])),
        ...Object.fromEntries(names.slice(0, 100).map((name) => [`links/${name}`, { link: name }])),
        ...Object.fromEntries(names.map((name) => [`directories/${name}/${name}`, 'deep'])),
      })
      const first = await runs(folders)
      assert.deepEqual(problemsOf(first), [])
      assert.deepEqual(facts(folders.target), facts(folders.source))
    })

    it('that are no text are carried byte for byte, and not taken for what a careless reader makes of them', async () => {
      const folders = twoFolders()
      const names = { raw: 'f\udcff\udcfe', read: 'f\ufffd\ufffd', half: '\udced\udca0\udc80', slash: '\udcc0\udcaf' }
      plant(folders.source, { [names.raw]: 'raw', [names.read]: 'read', [names.half]: 'half a surrogate' })
      plant(folders.target, { [names.slash]: 'a slash in disguise' })
      const first = await runs(folders)
      assert.deepEqual([problemsOf(first), first.counts.deleted], [[], 1])
      assert.deepEqual(facts(folders.target), facts(folders.source))

      // Changed, renamed as a file and within a directory that is renamed, and gone.
      plant(folders.source, {
        [names.raw]: 'raw, changed',
        [`d\udcff/${names.raw}`]: 'moved',
        'd\udcff/\udce9/x': 'deep',
      })
      const second = await mirror({ sys: real, ...folders, before: first })
      rename(folders.source, names.half, 'half\udcff')
      rename(folders.source, 'd\udcff', 'e\udcfe')
      const third = await mirror({ sys: real, ...folders, before: second })
      assert.deepEqual([third.renamed, third.copiedLocally, problemsOf(third)], [1, 1, []])
      assert.deepEqual(facts(folders.target), facts(folders.source))
      rmSync(bytesOf(join(folders.source, names.raw)))
      const fourth = await mirror({ sys: real, ...folders, before: third })
      assert.deepEqual([fourth.counts, problemsOf(fourth)], [{ ...nothing, deleted: 1 }, []])
      assert.deepEqual((await mirror({ sys: real, ...folders, before: fourth })).counts, nothing)
      assert.deepEqual(facts(folders.target), facts(folders.source))
    })

    it('that are no text are told where the target takes none, and nothing else is hurt', async () => {
      const folders = twoFolders()
      plant(folders.source, { 'a\udcff': 'raw', 'd/\udcff/x': 'x', good: 'good' })
      plant(folders.target, { good: 'good', 'a\ufffd': 'not taken for it' })
      const first = await mirror({
        sys: namingSys(real, { textOnly: true, fewCharacters: true }),
        sourceSys: real,
        ...folders,
      })
      assert.deepEqual(problemsOf(first), ['a\udcff: bad-name', 'd/\udcff: bad-name'])
      assert.deepEqual(contents(folders.target), { d: '/', good: 'good' })
      const second = await mirror({
        sys: namingSys(real, { textOnly: true, fewCharacters: true }),
        sourceSys: real,
        ...folders,
        before: first,
      })
      assert.deepEqual([problemsOf(second), second.counts], [problemsOf(first), nothing])
    })

    it("that Windows has not are told where the target takes none, and take nobody else's place", async () => {
      const folders = twoFolders()
      const sys = namingSys(real, { foldsCase: true, narrow: true, fewCharacters: true })
      plant(folders.source, { 'a:b': 'colon', 'end.': 'dot', end: 'no dot', 'what?/x': 'x', 'd/ok': 'ok' })
      plant(folders.target, { 'd/ok': 'ok', kept: 'not in the way' })
      const first = await mirror({ sys, sourceSys: real, ...folders })
      const told = ['a:b: bad-name', 'end.: bad-name', 'what?: bad-name']
      assert.deepEqual([problemsOf(first), first.counts.deleted], [told, 1])
      assert.deepEqual(contents(folders.target), { d: '/', 'd/ok': 'ok', end: 'no dot' })
      const second = await mirror({ sys, sourceSys: real, ...folders, before: first })
      assert.deepEqual([problemsOf(second), second.counts], [told, nothing])
    })

    it('that a file system folds together: neither takes the place of the other, and it is told', async () => {
      const folders = twoFolders()
      const sys = namingSys(real, { foldsCase: true, foldsForm: true })
      plant(folders.source, {
        Name: 'upper',
        name: 'lower',
        'new/A': 'A',
        'new/a': 'a',
        'new/B/x': 'x',
        'new/b/x': 'other x',
        'd/\u00e9': 'one',
        'd/e\u0301': 'two',
      })
      plant(folders.target, { 'd/other': 'x' })
      const first = await mirror({ sys, sourceSys: real, ...folders })
      const clashes = ['d/\u00e9', 'name', 'new/a', 'new/b'].map((path) => `${path}: name-clash`)
      assert.deepEqual(problemsOf(first).sort(), clashes.sort())
      const left = { Name: 'upper', d: '/', 'd/e\u0301': 'two', new: '/', 'new/A': 'A', 'new/B': '/', 'new/B/x': 'x' }
      assert.deepEqual(contents(folders.target), left)
      // The same is told again, and nothing changes.
      const second = await mirror({ sys, sourceSys: real, ...folders, before: first })
      assert.deepEqual([problemsOf(second).sort(), second.counts, second.renamed], [clashes.sort(), nothing, 0])
      // The one that had no place gets it when the other one goes, and nothing is lost on the way.
      rmSync(join(folders.source, 'Name'))
      const third = await mirror({ sys, sourceSys: real, ...folders, before: second })
      assert.deepEqual([third.counts, third.renamed], [{ ...nothing, replaced: 1 }, 1])
      assert.equal(contents(folders.target)['name'], 'lower')
    })

    it('that fold together with one of a large directory that is the same on both sides are told like any other', async () => {
      const folders = twoFolders()
      const sys = namingSys(real, { foldsCase: true, foldsForm: false })
      for (const folder of [folders.source, folders.target])
        for (let i = 0; i < 4500; i++) {
          writeFileSync(join(folder, `a${i}`), '')
          utimesSync(join(folder, `a${i}`), 1e9, 1e9)
        }
      const first = await mirror({ sys, sourceSys: real, ...folders })
      plant(folders.source, { A7: 'the second' })
      const second = await mirror({ sys, sourceSys: real, ...folders, before: first })
      assert.deepEqual([problemsOf(second), second.counts], [['A7: name-clash'], nothing])
    })

    it('that only change their case are renamed where both are one name, files and directories alike', async () => {
      const folders = twoFolders()
      const sys = namingSys(real, { foldsCase: true, foldsForm: false })
      plant(folders.source, { File: 'text', 'Dir/Sub/x': 'x', 'Dir/y': 'y', Link: { link: 'File' } })
      const first = await mirror({ sys, sourceSys: real, ...folders })
      const inodes = ['File', 'Dir/Sub/x', 'Link'].map((name) => lstatSync(join(folders.target, name)).ino)
      for (const [from, to] of [
        ['File', 'fILE'],
        ['Dir/Sub', 'Dir/sUB'],
        ['Dir', 'dir'],
        ['Link', 'link'],
      ] as const)
        rename(folders.source, from, to)
      plant(folders.source, { 'dir/y': 'y, changed' })
      const second = await mirror({ sys, sourceSys: real, ...folders, before: first })
      assert.deepEqual([problemsOf(second), second.counts, second.renamed], [[], { ...nothing, replaced: 1 }, 4])
      assert.deepEqual(facts(folders.target), facts(folders.source))
      assert.deepEqual(
        ['fILE', 'dir/sUB/x', 'link'].map((name) => lstatSync(join(folders.target, name)).ino),
        inodes,
      )
      const third = await mirror({ sys, sourceSys: real, ...folders, before: second })
      assert.deepEqual([third.counts, third.renamed, problemsOf(third)], [nothing, 0, []])
    })

    it('that come back decomposed are what they were, and an update renames nothing', async () => {
      const folders = twoFolders()
      const sys = namingSys(real, { foldsCase: true, foldsForm: true, keepsForm: 'NFD' })
      const decomposed = (text: string): string => text.normalize('NFD')
      plant(folders.source, {
        'caf\u00e9/\u00fcber': 'one',
        'caf\u00e9/plain': 'p',
        'gar\u00e7on': 'two',
        '\u00c4': { link: 'x' },
      })
      const first = await mirror({ sys, sourceSys: real, ...folders })
      const stored = {
        [decomposed('\u00c4')]: '-> x',
        [decomposed('caf\u00e9')]: '/',
        [decomposed('caf\u00e9/plain')]: 'p',
        [decomposed('caf\u00e9/\u00fcber')]: 'one',
        [decomposed('gar\u00e7on')]: 'two',
      }
      assert.deepEqual([problemsOf(first), contents(folders.target)], [[], stored])
      const second = await mirror({ sys, sourceSys: real, ...folders, before: first })
      assert.deepEqual([second.counts, second.renamed, problemsOf(second)], [nothing, 0, []])
      // A change of content, in a directory whose name is another there, and a deletion.
      plant(folders.source, { 'caf\u00e9/\u00fcber': 'one, changed', 'caf\u00e9/n\u00e9': 'new' })
      rmSync(join(folders.source, 'gar\u00e7on'))
      const third = await mirror({ sys, sourceSys: real, ...folders, before: second })
      assert.deepEqual([third.counts, problemsOf(third)], [{ ...nothing, created: 1, replaced: 1, deleted: 1 }, []])
      const after = contents(folders.target)
      assert.equal(after[decomposed('caf\u00e9/\u00fcber')], 'one, changed')
      assert.equal(after[decomposed('caf\u00e9/n\u00e9')], 'new')
      // Another case on the source, in an update: the target's names stay, its contents follow.
      rename(folders.source, 'caf\u00e9', 'CAF\u00e9')
      plant(folders.source, { 'CAF\u00e9/plain': { text: 'newer', mtimeMs: 1_700_000_000_000 } })
      const update = await mirror({ sys, sourceSys: real, ...folders, before: third, mode: 'update' })
      assert.deepEqual([update.counts, update.renamed, problemsOf(update)], [{ ...nothing, replaced: 1 }, 0, []])
      assert.equal(contents(folders.target)[decomposed('caf\u00e9/plain')], 'newer')
    })
  })

  describe(`oddities ${real.form}: size and shape`, () => {
    it('a tree as deep as a path may be comes over; what is deeper is told, and costs nothing else', async () => {
      const folders = twoFolders()
      const levels = real.exactRenames ? 900 : 100
      plant(folders.source, { here: 'here' })
      // Many levels, and 30 of 200 bytes of which 20 fit into a path.
      for (const [name, depth] of [
        ['d', levels],
        ['n'.repeat(200), 30],
      ] as const)
        digDown(real, folders.source, name, depth, (level) => (level === 20 ? ['fits', 'f'.repeat(200)] : []))
      const first = await run(folders)
      const second = await run(folders, first)
      assert.deepEqual(second.counts, nothing)
      assert.equal(new Set(problemsOf(first)).size, 2)
      for (const problem of problemsOf(first)) assert.match(problem, /^(n{200}\/)+[nf]{200}: unreadable$/)
      assert.equal(depthOf(real, folders.target, 'd'), levels)
      assert.equal(depthOf(real, folders.target, 'n'.repeat(200)), 20)
      assert.equal(readFileSync(join(folders.target, 'here'), 'utf8'), 'here')
      for (const path of Object.values(folders)) spawnSync('rm', ['-rf', path])
    })

    it('a directory of 10,000 files comes over, shrinks and grows', async (t) => {
      if (!real.exactRenames) return t.diagnostic('shown in the other form: what a directory costs is the same')
      const folders = twoFolders()
      for (let i = 0; i < 10_000; i++) writeFileSync(join(folders.source, `f${i}`), i % 7 === 0 ? '' : `${i}`)
      const first = await run(folders)
      assert.equal(first.counts.created, 10_000)
      for (let i = 0; i < 10_000; i += 1000) rmSync(join(folders.source, `f${i}`))
      writeFileSync(join(folders.source, 'new'), 'new')
      const second = await run(folders, first)
      assert.deepEqual(second.counts, { ...nothing, created: 1, deleted: 10 })
      assert.deepEqual((await run(folders, second)).counts, nothing)
      assert.deepEqual(facts(folders.target), facts(folders.source))
    })

    it('a file with holes has the same content there', async () => {
      const folders = twoFolders()
      const handle = openSync(join(folders.source, 'sparse'), 'w')
      ftruncateSync(handle, 12 << 20)
      writeSync(handle, 'begins', 0)
      writeSync(handle, 'middle', 5_000_001)
      closeSync(handle)
      assert.ok(lstatSync(join(folders.source, 'sparse')).blocks * 512 < 12 << 20)
      await runs(folders)
      assert.deepEqual(facts(folders.target), facts(folders.source))
    })

    it('second names of one file are files of their own there', async () => {
      const folders = twoFolders()
      plant(folders.source, { a: 'one content', 'd/x': 'x' })
      linkSync(join(folders.source, 'a'), join(folders.source, 'b'))
      linkSync(join(folders.source, 'a'), join(folders.source, 'd/c'))
      await runs(folders)
      assert.deepEqual(facts(folders.target), facts(folders.source))
      writeFileSync(join(folders.source, 'b'), 'another content')
      await runs(folders)
      assert.deepEqual(facts(folders.target), facts(folders.source))
    })

    it('what is no file is told, never opened and never copied', async (t) => {
      const folders = twoFolders()
      plant(folders.source, { good: 'good', 'd/good': 'good' })
      assert.equal(spawnSync('mkfifo', [join(folders.source, 'd/fifo')]).status, 0)
      const hasDevice = spawnSync('mknod', [join(folders.source, 'device'), 'c', '1', '5']).status === 0
      if (!hasDevice) t.diagnostic('no device: making one needs root')
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(join(folders.source, 'd/socket'), resolve))
      const opened: string[] = []
      const watching = Object.create(real) as Sys
      watching.openFile = (dir, name) => {
        opened.push(Buffer.from(name).toString())
        return real.openFile(dir, name)
      }
      const end = await run(folders, undefined, watching)
      server.close()
      assert.deepEqual(problemsOf(end), [])
      assert.deepEqual(
        end.scan.specials?.paths.toSorted(),
        ['d/fifo', 'd/socket', ...(hasDevice ? ['device'] : [])].sort(),
      )
      assert.deepEqual(contents(folders.target), { d: '/', 'd/good': 'good', good: 'good' })
      assert.deepEqual(
        opened.filter((name) => /fifo|socket|device/.test(name)),
        [],
      )
    })
  })

  describe(`oddities ${real.form}: times`, () => {
    it('of every age come over as far as the file system has them, and are not set again', async () => {
      const folders = twoFolders()
      const seconds = [
        -(2 ** 31),
        -86_400,
        -1,
        0,
        1,
        2 ** 31 - 1,
        2 ** 31,
        2 ** 32 - 1,
        2 ** 32,
        15_000_000_000,
        1e15,
        -1e15,
      ]
      // Later ones, the portable form can't set to the microsecond: threats.md says so.
      const settable = real.exactRenames ? seconds : seconds.filter((time) => time < 8_000_000_000 && time > -(2 ** 33))
      const root = real.openRoot(folders.source)
      const exact = openLinuxSysOr(real)
      for (const [i, time] of settable.entries()) {
        for (const ns of [0, 1, 999, 1000, 123_456_789, 999_999_999]) {
          writeFileSync(join(folders.source, `t${i}-${ns}`), 'x')
          exact.setTimesAt(root, utf8(`t${i}-${ns}`), time, ns)
        }
      }
      real.close(root)
      const first = await runs(folders)
      assert.deepEqual(problemsOf(first), [])
      const grainNs = BigInt(real.timeGrainNs)
      for (const name of Object.keys(contents(folders.source))) {
        const [here, there] = [folders.source, folders.target].map(
          (path) => lstatSync(join(path, name), { bigint: true }).mtimeNs,
        )
        const offNs = (there ?? 0n) - (here ?? 0n)
        assert.ok(offNs < grainNs && offNs > -grainNs, `${name}: ${here} became ${there}`)
      }
    })

    it('decide nothing, whatever the clock says between two runs', async () => {
      const folders = twoFolders()
      plant(folders.source, { a: 'first', 'd/b': 'b', goes: 'g' })
      let before: Mirrored | undefined
      for (const [round, nowMs] of [Date.now(), 0, 4e12, Date.now()].entries()) {
        // Written by the real clock, with an equal size: only the ctime and the content tell.
        plant(folders.source, { a: `now ${round}`, [`new/${round}`]: 'n' })
        if (round === 2) rmSync(join(folders.source, 'goes'))
        before = await mirror({ sys: real, ...folders, nowMs: () => nowMs, ...(before && { before }) })
        assert.deepEqual(problemsOf(before), [])
        assert.deepEqual(facts(folders.target), facts(folders.source), `round ${round}`)
      }
    })
  })
}

function openLinuxSysOr(sys: Sys): Sys {
  return process.platform === 'linux' ? openLinuxSys() : sys
}

/** Makes directories of this name within each other, by handles: no path could name the deepest. */
function digDown(sys: Sys, root: string, name: string, depth: number, files: (level: number) => string[]): void {
  let handle = sys.openRoot(root)
  for (let level = 0; level < depth; level++) {
    for (const file of files(level)) sys.close(sys.createFile(handle, utf8(file), 0o644))
    assert.equal(sys.makeDirectory(handle, utf8(name), 0o755), 0)
    const next = sys.openDirectory(handle, utf8(name))
    sys.close(handle)
    handle = next
  }
  sys.close(handle)
}

function depthOf(sys: Sys, root: string, name: string): number {
  let handle = sys.openRoot(root)
  for (let depth = 0; ; depth++) {
    const next = sys.openDirectory(handle, utf8(name))
    sys.close(handle)
    if (next < 0) return depth
    handle = next
  }
}

function rename(folder: string, from: string, to: string): void {
  renameSync(bytesOf(join(folder, from)), bytesOf(join(folder, to)))
}
