// Which symlinks a run makes: every one as its text, or, where the run or the owner of a share says so, only those that stay
// within the folder. What may not be made is told, each run, and nothing is deleted for it. The owner's word holds whatever
// the driver sends.

import assert from 'node:assert/strict'
import { existsSync, lstatSync, mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { RelPath } from '../../src/core/path.ts'
import { utf8 } from '../../src/std/bytes.ts'
import { readTree, writeTree } from '../world/disk-trees.ts'
import { intrude } from '../world/hostile.ts'
import { type Pair, pairedMachines, type Synced } from '../world/machines.ts'
import { change, create, head } from '../world/steps.ts'

const within = { top: 'file', 'a/b/up': '../../file', 'a/b/root': '../..', 'a/same': './b', missing: 'no/where' }
const outside = { absolute: '/etc/passwd', above: '..', 'a/beside': '../../x', 'a/winding': 'b/../../file' }

function plant(folder: string, links: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(links)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    symlinkSync(text, join(folder, path))
  }
}

function linksIn(folder: string, paths: Readonly<Record<string, string>>): Record<string, string | undefined> {
  const read = (path: string): string | undefined =>
    lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(path) : undefined
  return Object.fromEntries(Object.keys(paths).map((path) => [path, read(join(folder, path))]))
}

const none = Object.fromEntries(Object.keys(outside).map((path) => [path, undefined]))

function assertTold(run: Synced, paths: readonly string[]): void {
  assert.equal(run.code, 3, run.stdout + run.stderr)
  const told = run.problems.map(({ path, code }) => `${path} ${code}`).sort()
  assert.deepEqual(told, paths.map((path) => `${path} link-outside`).sort())
}

describe('symlinks', () => {
  let pair: Pair
  let source: string
  let number = 0

  before(async () => {
    pair = await pairedMachines()
    source = pair.world.folder('source')
    writeTree(source, { file: 'text' })
    plant(source, { ...within, ...outside })
  })
  after(() => pair?.world.close())

  function fresh(): { target: string; end: string } {
    const sub = `t${++number}`
    return { target: join(pair.shared, sub), end: `nas:data/${sub}` }
  }

  it('are all made, as their text, where nobody says otherwise', async () => {
    const { target, end } = fresh()
    await pair.laptop.mustSync('done', source, end)
    assert.deepEqual(linksIn(target, { ...within, ...outside }), { ...within, ...outside })
    await pair.laptop.mustSync('unchanged', source, end)
  })

  it('that lead out are told and not made where the run says so, here and over there', async () => {
    for (const { target, end } of [fresh(), { target: pair.world.folder('here'), end: '' }]) {
      const to = end === '' ? target : end
      assertTold(await pair.laptop.sync(source, to, '--links', 'portable'), Object.keys(outside))
      assert.deepEqual(linksIn(target, { ...within, ...outside }), { ...within, ...none })
      const again = await pair.laptop.sync(source, to, '--links', 'portable')
      assertTold(again, Object.keys(outside))
      assert.equal(again.counts.created, 0)
    }
  })

  it('that are not made are no reason to delete or replace what is there', async () => {
    const { target, end } = fresh()
    writeTree(target, { absolute: 'a file of its own', 'above/x': 'a folder of its own' })
    plant(target, { 'a/winding': 'of its own' })
    const run = await pair.laptop.sync(source, end, '--links', 'portable', '--max-delete', '100%')
    assertTold(run, Object.keys(outside))
    const kept = readTree(target).filter((line) => /absolute|above|winding/.test(line))
    assert.equal(kept.length, 4, kept.join('\n'))
  })

  it('a rule that nobody knows is refused', async () => {
    const wrong = [
      ['sync', source, pair.world.folder('w'), '--links', 'some'],
      ['share', 'add', 'w', source, '--links', 'some'],
      ['share', 'limit', 'data', '--links', 'some'],
      ['share', 'limit', 'data'],
    ]
    for (const args of wrong) assert.equal((await pair.laptop.run(...args)).code, 2, args.join(' '))
  })

  describe('into a share whose owner lets in only those that stay within', () => {
    before(async () => {
      assert.match(await pair.nas.must('share', 'limit', 'data', '--links', 'portable'), /only links that stay within/)
      assert.match(await pair.nas.must('share', 'list'), /only links that stay within/)
    })
    after(async () => {
      assert.match(await pair.nas.must('share', 'limit', 'data', '--links', 'opaque'), /every link is let in/)
    })

    it('are made under that rule, whatever the run says', async () => {
      for (const options of [[], ['--links', 'opaque'], ['--links', 'portable']]) {
        const { target, end } = fresh()
        assertTold(await pair.laptop.sync(source, end, ...options), Object.keys(outside))
        assert.deepEqual(linksIn(target, { ...within, ...outside }), { ...within, ...none })
      }
    })

    it('are refused where a driver sends them all the same', async () => {
      const { target, end } = fresh()
      writeTree(target, { plain: 'x', 'a/b/file': 'x' })
      plant(target, { link: 'plain' })
      const { target: hostile, put } = await intrude(pair, end.slice('nas:data/'.length), {
        replaces: 2,
        released: true,
      })
      const leads = (text: string): object => ({ kind: 'symlink', mode: 0, sizeBytes: 0, link: utf8(text) })
      await put([
        [
          head(''),
          [
            create('new', '', leads('/etc/passwd')),
            change('replace', 'link', leads('..')),
            change('retype', 'plain', leads('/etc/passwd')),
          ],
        ],
        [head('made', 'new'), [create('above', '', leads('../..')), create('fine', '', leads('..'))]],
      ])
      const problems = (await hostile.finish()).problems.map(({ path, code }) => `${path} ${code}`)
      await hostile.close(true)
      const refused = ['link', 'made/above', 'new', 'plain'].map((path) => `${path} link-outside`)
      assert.deepEqual(problems.sort(), refused)
      assert.deepEqual(linksIn(target, { link: '', 'made/fine': '' }), { link: 'plain', 'made/fine': '..' })
      assert.ok(lstatSync(join(target, 'plain')).isFile())
    })

    it('are not taken to a higher place with their folder, where they would lead out', async () => {
      const { target, end } = fresh()
      plant(target, { 'a/b/up': '../../file' })
      const { target: hostile } = await intrude(pair, end.slice('nas:data/'.length))
      const moves = [{ from: 'a/b' as RelPath, to: 'c' as RelPath }]
      const problems = await hostile.moveDirectories(moves)
      assert.deepEqual(
        problems.map(({ code }) => code),
        ['link-outside'],
      )
      await hostile.close(false)
      assert.ok(existsSync(join(target, 'a/b')) && !existsSync(join(target, 'c')))
    })

    it('a folder that moved up comes over all the same, without those that lead out from there', async () => {
      const { target, end } = fresh()
      const mine = pair.world.folder(`mine-${number}`)
      writeTree(mine, { file: 'x', 'a/b/c/one': '1', 'a/b/c/two': '22', 'a/d': 'd' })
      plant(mine, { 'a/b/c/up': '../../d', 'a/b/c/side': 'one' })
      await pair.laptop.mustSync('done', mine, end)
      renameSync(join(mine, 'a/b/c'), join(mine, 'c'))
      assertTold(await pair.laptop.sync(mine, end), ['c/up'])
      assert.deepEqual(linksIn(target, { 'c/up': '', 'c/side': '' }), { 'c/up': undefined, 'c/side': 'one' })
      assert.ok(existsSync(join(target, 'c/one')) && !existsSync(join(target, 'a/b/c')))
    })

    it('do not come back by undelete to where they would lead out', async () => {
      const { target, end } = fresh()
      const mine = pair.world.folder(`mine-${number}`)
      plant(mine, { 'a/b/up': '../../file', 'a/b/same': 'x' })
      await pair.laptop.mustSync('done', mine, end)
      rmSync(join(mine, 'a/b'), { recursive: true })
      await pair.laptop.mustSync('done', mine, end, '--max-delete', '100%')
      const told = await pair.laptop.run('undelete', `${end}/a/b`, '--to', '/')
      assert.match(told.stdout + told.stderr, /leads out of the folder/)
      assert.deepEqual(linksIn(target, { 'b/up': '', 'b/same': '' }), { 'b/up': undefined, 'b/same': 'x' })
    })
  })
})
