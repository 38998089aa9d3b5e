// A root on a disk that refuses names: mirrored into and out of again, changed, undone, cut off, damaged and mounted in
// another way. What was meant comes back, a second run does nothing, and nothing is ever taken for gone.

import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { bytesOf } from '../../test/world/disk-trees.ts'
import { type NamesThere, namingSys } from '../../test/world/naming-sys.ts'
import { oddNames } from '../../test/world/odd-names.ts'
import { type Mirrored, mirror, problemsOf, undo } from '../../test/world/one-mirror.ts'
import { fails } from '../../test/world/open-roots.ts'
import { contents, facts, plant } from '../../test/world/planted.ts'
import { countsCharacters, fitsStored, isRefusedName, refusesCharacters } from '../core/stored-names.ts'
import { findTyped } from './find-target.ts'
import { openSource, openTarget } from './root.ts'
import type { Sys } from './sys.ts'
import { openLinuxSys } from './sys-linux.ts'
import { storesIn, sysWithNames } from './sys-names.ts'
import { openPortableSys } from './sys-portable.ts'
import { openStore } from './versions.ts'

const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-stored-'))
after(() => rmSync(home, { recursive: true, force: true }))
let made = 0
function folders(): { source: string; target: string; back: string } {
  const path = join(home, `case-${++made}`)
  const all = { source: join(path, 'source'), target: join(path, 'target'), back: join(path, 'back') }
  for (const folder of Object.values(all)) mkdirSync(folder, { recursive: true })
  return all
}

const nothing = { created: 0, replaced: 0, attributes: 0, deleted: 0 }
const windows: NamesThere = { narrow: true, textOnly: true }
const forms: readonly (() => Sys)[] = process.platform === 'linux' ? [openLinuxSys, openPortableSys] : [openPortableSys]

const marker = (target: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(target, '.nightferry/root.json'), 'utf8')) as Record<string, unknown>
const sampleOf = (target: string): string =>
  join(target, '.nightferry', readdirSync(join(target, '.nightferry')).find((name) => name.startsWith('names-')) ?? '-')
/** What really lies on the disk. */
const raw = (path: string): string[] => Object.keys(contents(path)).sort()

for (const open of forms) {
  const real = sysWithNames(open())
  const there = namingSys(open(), windows)

  /** A run, and two more that find nothing to do. */
  async function settles(source: string, target: string, sys: Sys, sourceSys: Sys): Promise<Mirrored> {
    const first = await mirror({ sys, sourceSys, source, target })
    let before = first
    for (const _ of [2, 3]) {
      const again = await mirror({ sys, sourceSys, source, target, before })
      assert.deepEqual([again.counts, again.renamed, problemsOf(again)], [nothing, 0, problemsOf(first)])
      before = again
    }
    // As a machine that has forgotten what it saw.
    const fresh = await mirror({ sys, sourceSys, source, target })
    assert.deepEqual([fresh.counts, fresh.renamed], [nothing, 0])
    return before
  }

  describe(`a root that stores names which its disk refuses (${real.form})`, () => {
    it('holds every odd name, and gives it back; runs after the first do nothing', async () => {
      const { source, target, back } = folders()
      const names = oddNames().filter((name) => fitsStored(name, 31))
      plant(source, {
        ...Object.fromEntries(names.map((name) => [name, `text of ${name}`])),
        ...Object.fromEntries(names.map((name) => [`links/${name}`, { link: name }])),
        ...Object.fromEntries(names.map((name) => [`directories/${name}/${name}`, 'deep'])),
      })
      const run = await settles(source, target, there, real)
      assert.deepEqual(problemsOf(run), [])
      assert.ok(raw(target).every((path) => path.split('/').every((name) => !isRefusedName(name, 31))))
      assert.notDeepEqual(raw(target), raw(source))
      assert.deepEqual(problemsOf(await settles(target, back, real, there)), [])
      assert.deepEqual(facts(back), facts(source))
      // A folder in it gives them back as well, and another such disk gets them as they are.
      const part = `${back}-part`
      mkdirSync(part)
      await settles(join(target, 'directories'), part, there, there)
      assert.deepEqual(raw(part), raw(join(target, 'directories')))
    })

    it('goes on with what changes, is renamed and goes, keeps it, and takes all of it back', async () => {
      const { source, target } = folders()
      plant(source, { 'a:b': 'one', 'd?/x.': 'x', 'd?/\udcff': 'raw', 'gone|': 'g', 'CON/nul.txt': 'device' })
      const first = await mirror({ sys: there, sourceSys: real, source, target, run: '20260101T000000000Z-aaaa' })
      const before = contents(target)
      plant(source, { 'a:b': { text: 'other', mtimeMs: 1_700_000_000_000 }, 'new*': 'new', 'CON/more:': 'm' })
      renameSync(join(source, 'd?'), join(source, 'e?'))
      rmSync(join(source, 'gone|'))
      const run = '20260102T000000000Z-bbbb'
      const second = await mirror({ sys: there, sourceSys: real, source, target, before: first, run })
      assert.deepEqual(
        [second.renamed, second.counts, problemsOf(second)],
        [1, { ...nothing, created: 2, replaced: 1, deleted: 1 }, []],
      )
      const now = contents(target)
      assert.deepEqual(
        [now['a\uf03ab'], now['e\uf03f/x\uf02e'], now['e\uf03f/\uf0ff'], now['new\uf02a']],
        ['other', 'x', 'raw', 'new'],
      )
      const kept = contents(join(target, `.nightferry/versions/${run}/files`))
      assert.deepEqual(kept, { 'a\uf03ab': 'one', 'gone\uf07c': 'g' })
      assert.deepEqual(undo(there, target, run, '20260103T000000000Z-cccc').conflicts, [])
      assert.deepEqual(contents(target), before)
    })

    it('puts back what a run that was cut off had taken aside, under the name that it had', async () => {
      const { source, target } = folders()
      plant(source, { 'a:b': 'one', 'gone?': 'g', keep: 'k' })
      const first = await mirror({ sys: there, sourceSys: real, source, target })
      plant(source, { 'a:b': { text: 'two', mtimeMs: 1_700_000_000_000 } })
      rmSync(join(source, 'gone?'))
      const cut = (): never => {
        throw new Error('cut off')
      }
      await assert.rejects(
        mirror({ sys: there, sourceSys: real, source, target, before: first, landed: cut }),
        /cut off/,
      )
      const after = openTarget(there, target, { create: true, machine: 'test', expectedId: undefined })
      after.close()
      assert.ok(after.recovered.some(({ path, outcome }) => path === 'gone?' && outcome === 'put-back'))
      assert.equal(contents(target)['gone\uf03f'], 'g')
      const last = await mirror({ sys: there, sourceSys: real, source, target })
      assert.deepEqual([contents(target), problemsOf(last)], [{ 'a\uf03ab': 'two', keep: 'k' }, []])
    })

    it('tells of what gets too long, of two names that are one, and hurts nothing', async () => {
      const { source, target } = folders()
      const folding = namingSys(open(), { ...windows, foldsCase: true })
      const long = ':'.repeat(86)
      plant(source, {
        [long]: 'long',
        [`${long}d/x`]: 'x',
        'A:': 'upper',
        'a:': 'lower',
        'a\uf03a': 'a third',
        ok: 'ok',
      })
      const run = await settles(source, target, folding, real)
      assert.deepEqual(problemsOf(run), [`${long}: bad-name`, `${long}d: bad-name`, 'a:: name-clash'])
      assert.deepEqual(contents(target), { 'A\uf03a': 'upper', 'a\uf000\uf03a': 'a third', ok: 'ok' })
      // What has room for as many characters takes the long ones too.
      rmSync(join(target, '.nightferry'), { recursive: true })
    })

    it('leaves what something else put there, and everything where that leaves a doubt', async () => {
      const { source, target } = folders()
      plant(source, { 'a:b': 'ours', 'd/c:d': 'ours', 'd/e': 'e', 'f/g': 'g' })
      const first = await mirror({ sys: there, sourceSys: real, source, target })
      // As a driver that takes such names, and is not ours, would leave them.
      writeFileSync(join(target, 'x:y'), 'foreign')
      writeFileSync(join(target, 'd/c:d'), 'foreign')
      rmSync(join(source, 'd'), { recursive: true })
      const second = await mirror({ sys: there, sourceSys: real, source, target, before: first })
      assert.ok(second.problems.length > 0)
      assert.equal(contents(target)['x:y'], 'foreign')
      assert.equal(contents(target)['d/c:d'], 'foreign')
      assert.equal(contents(target)['d/c\uf03ad'], 'ours')
      // Read from there, nothing of it looks like a deletion.
      const { back } = folders()
      plant(back, { 'x:y': 'mine', 'd/c:d': 'mine', 'd/e': 'mine' })
      const away = await mirror({ sys: real, sourceSys: there, source: target, target: back })
      assert.equal(away.counts.deleted, 0)
      assert.deepEqual([contents(back)['x:y'], contents(back)['d/c:d']], ['mine', 'mine'])
      assert.ok(problemsOf(away).includes('x:y: unreadable'), problemsOf(away).join())
    })

    it('is read as it was stored when its disk takes every name, or refuses more', async () => {
      const { source, target, back } = folders()
      plant(source, { 'a:b': 'one', 'd?/x': 'x', '\udcff': 'raw' })
      const first = await mirror({ sys: there, sourceSys: real, source, target })
      const before = contents(target)
      for (const other of [real, namingSys(open(), { ...windows, foldsCase: true })]) {
        const again = await mirror({ sys: other, sourceSys: real, source, target, before: first })
        assert.deepEqual([again.counts, again.renamed, problemsOf(again)], [nothing, 0, []])
        assert.deepEqual(contents(target), before)
      }
      await mirror({ sys: real, sourceSys: real, source: target, target: back })
      assert.deepEqual(facts(back), facts(source))

      // What began on a disk that takes all stays as it is there: nothing is read in another way, and nothing goes.
      const plain = folders()
      plant(plain.source, { 'a\uf03ab': 'a true one', good: 'g' })
      await mirror({ sys: real, source: plain.source, target: plain.target })
      plant(plain.source, { 'new:': 'new' })
      const moved = await mirror({ sys: there, sourceSys: real, source: plain.source, target: plain.target })
      assert.deepEqual([moved.counts, problemsOf(moved)], [nothing, ['new:: bad-name']])
      assert.deepEqual(contents(plain.target), { 'a\uf03ab': 'a true one', good: 'g' })
    })

    it('is refused, as target and as source, when its disk shows names with another character set', async () => {
      const { source, target, back } = folders()
      plant(source, { 'a:b': 'one' })
      await mirror({ sys: there, sourceSys: real, source, target })
      const sample = sampleOf(target)
      assert.match(sample, /names-\u00e4\uf03a\uf0ff$/)
      renameSync(bytesOf(sample), bytesOf(`${target}/.nightferry/names-\udce4`))
      const options = { machine: 'test', expectedId: undefined }
      fails('names-changed', () => openTarget(there, target, { ...options, create: true }))
      fails('names-changed', () => openTarget(there, target, { ...options, create: false }))
      fails('names-changed', () => openSource(there, target))
      mkdirSync(join(target, 'sub'))
      fails('names-changed', () => openSource(there, join(target, 'sub')))
      const renewed = openTarget(there, target, { ...options, create: true, isNew: true })
      renewed.close()
      assert.ok(existsSync(sample))
      await mirror({ sys: real, sourceSys: there, source: target, target: back })
      assert.equal(contents(back)['a:b'], 'one')
    })
  })

  describe(`what a root settles (${real.form})`, () => {
    const visit = (
      sys: Sys,
      path: string,
      options: { create?: boolean; isNew?: boolean } = {},
    ): ReturnType<typeof openTarget> => {
      const root = openTarget(sys, path, { create: true, machine: 'test', expectedId: undefined, ...options })
      root.close()
      return root
    }

    it('is nothing where every name is taken: no other marker, no other file, and a true U+F03A stays one', async () => {
      const { source, target, back } = folders()
      plant(source, { 'a\uf03ab': 'true', '\uf000\uf03a': 'true too', 'a:b': 'colon', 'CON.': 'c' })
      await settles(source, target, real, real)
      assert.deepEqual(facts(target), facts(source))
      assert.deepEqual([marker(target)['version'], 'stores' in marker(target)], [1, false])
      assert.ok(!existsSync(sampleOf(target)))
      await settles(target, back, real, real)
      assert.deepEqual(facts(back), facts(source))
      assert.equal(visit(real, target).traits.naming, undefined)
    })

    it('is what its disk refuses and can store, once, for whoever opens it later', () => {
      const rows: [sys: NamesThere, stores: number | undefined, refuses: number][] = [
        [windows, 31, 0],
        [{ narrow: true }, 15, 0],
        [{ textOnly: true }, 16, 0],
        [{ ...windows, fewCharacters: true }, undefined, 31],
        [{ foldsCase: true }, undefined, 0],
      ]
      for (const [names, stores, refuses] of rows) {
        const { target } = folders()
        const { naming } = visit(namingSys(open(), names), target).traits
        assert.equal(marker(target)['stores'], stores, JSON.stringify(names))
        assert.deepEqual([(naming?.stores ?? 0) & ~countsCharacters, naming?.refuses], [stores ?? 0, refuses])
        // A dry run, which tries nothing out, knows it too.
        assert.equal(visit(real, target, { create: false }).traits.naming?.stores, stores)
        assert.equal(visit(real, target).traits.naming?.stores, stores)
      }
    })

    it('holds for a folder elsewhere that versions are kept in, and for a path as it lies there', () => {
      const { target, back } = folders()
      const { id } = visit(there, target)
      const root = openTarget(there, target, { create: true, machine: 'test', expectedId: undefined })
      const own = root.own?.handle ?? -1
      const ownPath = join(target, '.nightferry')
      const store = openStore(there, { own, id, ownPath }, { directory: back, keep: undefined }, true)
      assert.equal(storesIn(store?.handle ?? -1), storesIn(root.handle))
      if (store !== undefined) there.close(store.handle)
      root.close()
      plant(target, { 'a\uf03ab/c\uf03f': 'x' })
      for (const typed of ['a:b/c?', 'a\uf03ab/c\uf03f', 'a\uf03ab/c?'])
        assert.equal(findTyped(join(target, typed))?.path, 'a:b/c?', JSON.stringify(typed))
    })

    it('grows only when a person says that the folder is another one, which it is then for every job', () => {
      const { target } = folders()
      const { id } = visit(real, target)
      const later = visit(there, target)
      assert.deepEqual([later.id, later.traits.naming?.stores, later.traits.naming?.refuses], [id, 0, 31])
      const renewed = visit(there, target, { isNew: true })
      assert.notEqual(renewed.id, id)
      assert.equal(renewed.traits.naming?.stores, 31)
      const again = visit(real, target, { isNew: true })
      assert.deepEqual([again.id, again.traits.naming?.stores], [renewed.id, 31])
      assert.equal((again.traits.naming?.stores ?? 0) & refusesCharacters, refusesCharacters)
    })
  })
}
