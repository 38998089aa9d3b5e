// `--hard-links`: names that are one file at the source are one file at the target, whatever is done to them between runs; a
// second run does nothing; what was displaced comes back by an undo; and no name that a run does not see is changed by it.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { openMachine } from '../../src/api/main.ts'
import { type Direction, newEnds } from '../world/both-ways.ts'
import { assertSameTree, chanceOf, writeTree } from '../world/disk-trees.ts'
import { partitionOf, relink } from '../world/link-trees.ts'
import { type Pair, pairedMachines, World } from '../world/machines.ts'

const noRsync = spawnSync('rsync', ['--version']).status === 0 ? false : 'no rsync here'

/** What rsync would still do, directory times aside. */
function rsyncSays(source: string, target: string): string {
  const options = ['-aHnO', '--itemize-changes', '--delete', '--exclude', '/.nightferry']
  return spawnSync('rsync', [...options, `${source}/`, `${target}/`], { encoding: 'utf8' }).stdout
}

function assertSameLinks(source: string, target: string): void {
  assert.equal(partitionOf(target), partitionOf(source))
  assertSameTree(target, source)
  if (noRsync === false) assert.equal(rsyncSays(source, target), '')
}

const everything = ['--hard-links', '--max-delete', '100%']

describe('names that are one file', () => {
  let pair: Pair
  before(async () => {
    pair = await pairedMachines()
  })
  after(() => pair?.world.close())

  for (const direction of ['push', 'pull', 'local'] as const satisfies readonly Direction[]) {
    it(`stay one through their life (${direction})`, async () => {
      const ends = await newEnds(pair, direction)
      const { source, target } = ends
      const sync = async (): Promise<void> => {
        const run = await ends.laptop.mustSync('done', ...ends.ends, ...everything)
        assert.deepEqual(run.problems, [])
        assertSameLinks(source, target)
        await ends.laptop.mustSync('unchanged', ...ends.ends, ...everything)
      }
      const large = Buffer.alloc(3_000_000, 'large content ')
      writeTree(source, { a: 'one', x: 'two', 'd/plain': 'plain', large, empty: '' })
      for (const [from, to] of [
        ['a', 'b'],
        ['a', 'd/c'],
        ['x', 'd/y'],
        ['large', 'd/large'],
        ['empty', 'd/empty'],
      ] as const)
        linkSync(join(source, from), join(source, to))
      await sync()
      // Names join; one in the place of another file.
      linkSync(join(source, 'a'), join(source, 'joins'))
      rmSync(join(source, 'd/plain'))
      linkSync(join(source, 'x'), join(source, 'd/plain'))
      await sync()
      // A name leaves: an editor wrote it anew; another one is the same content in another file.
      writeTree(source, { b2: 'edited' })
      renameSync(join(source, 'b2'), join(source, 'b'))
      copyFileSync(join(source, 'd/c'), join(source, 'c2'))
      const { mtimeMs } = statSync(join(source, 'd/c'))
      utimesSync(join(source, 'd/c'), mtimeMs / 1000, Math.floor(mtimeMs / 1000))
      utimesSync(join(source, 'c2'), mtimeMs / 1000, Math.floor(mtimeMs / 1000))
      renameSync(join(source, 'c2'), join(source, 'd/c'))
      await sync()
      // Content and mode change through one name, and names move.
      writeFileSync(join(source, 'joins'), 'changed through one name')
      writeFileSync(join(source, 'd/large'), Buffer.alloc(3_000_100, 'large content '))
      chmodSync(join(source, 'x'), 0o600)
      renameSync(join(source, 'd'), join(source, 'moved'))
      await sync()
      rmSync(join(source, 'a'))
      renameSync(join(source, 'x'), join(source, 'moved/x'))
      await sync()
    })
  }

  it('send their content once', async () => {
    const ends = await newEnds(pair, 'push')
    writeTree(ends.source, { first: Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * i) >> 7)) })
    for (const name of ['second', 'third', 'fourth']) linkSync(join(ends.source, 'first'), join(ends.source, name))
    const run = await ends.laptop.mustSync('done', ...ends.ends, '--hard-links', '--compress', 'off')
    assert.ok(run.wireBytes < 300_000, `${run.wireBytes} bytes went over the wire`)
    assertSameLinks(ends.source, ends.target)
  })

  it('stay as they are without the option, and part as their contents do', async () => {
    const ends = await newEnds(pair, 'local')
    const { source, target } = ends
    writeTree(source, { a: 'one', c: 'two' })
    linkSync(join(source, 'a'), join(source, 'b'))
    await ends.laptop.mustSync('done', ...ends.ends, ...everything)
    await ends.sync()
    assertSameLinks(source, target)
    writeFileSync(join(source, 'a'), 'other content')
    await ends.sync('--max-delete', '100%')
    assertSameTree(target, source)
    assert.equal(partitionOf(target), '')
    await ends.sync(...everything)
    assertSameLinks(source, target)
  })

  it('are replaced and go in one run without the option, in folders that go too', async () => {
    const ends = await newEnds(pair, 'push')
    const { source, target } = ends
    writeTree(source, { a: 'one', c: 'two', 'gone/x': 'three' })
    for (const [of, name] of [
      ['a', 'b'],
      ['a', 'z'],
      ['a', 'gone/a'],
      ['c', 'd'],
    ] as const)
      linkSync(join(source, of), join(source, name))
    await ends.laptop.mustSync('done', ...ends.ends, ...everything)
    // What is done at one name moves the ctime of the others: that is no change of somebody else's.
    writeFileSync(join(source, 'a'), 'other content')
    chmodSync(join(source, 'c'), 0o600)
    for (const name of ['z', 'gone', 'd']) rmSync(join(source, name), { recursive: true })
    const run = await ends.laptop.mustSync('done', ...ends.ends, '--max-delete', '100%')
    assert.deepEqual(run.problems, [])
    assertSameTree(target, source)
    await ends.laptop.mustSync('unchanged', ...ends.ends)
  })

  it('count only where the rules show them', async () => {
    const ends = await newEnds(pair, 'push')
    const { source, target } = ends
    writeTree(source, { a: 'one', '.nightferryignore': '/hidden\n' })
    for (const name of ['b', 'hidden']) linkSync(join(source, 'a'), join(source, name))
    await ends.laptop.mustSync('done', ...ends.ends, ...everything)
    assert.equal(partitionOf(target), 'a = b')
    await ends.laptop.mustSync('unchanged', ...ends.ends, ...everything)
  })

  it('give nothing to a name that the rules hide', async () => {
    const ends = await newEnds(pair, 'push')
    const { source, target } = ends
    writeTree(source, { a: 'one', '.nightferryignore': '/secret\n' })
    linkSync(join(source, 'a'), join(source, 'b'))
    await ends.laptop.mustSync('done', ...ends.ends, ...everything)
    linkSync(join(target, 'a'), join(target, 'secret'))
    chmodSync(join(target, 'a'), 0o600)
    chmodSync(join(source, 'a'), 0o666)
    await ends.sync(...everything)
    assert.equal(lstatSync(join(target, 'secret')).mode & 0o777, 0o600)
    assert.equal(lstatSync(join(target, 'a')).mode & 0o777, 0o666)
    assert.equal(
      partitionOf(target, (path) => path !== 'secret'),
      'a = b',
    )
  })

  it('are what they were after an undo', async () => {
    const ends = await newEnds(pair, 'local')
    const { source, target } = ends
    writeTree(source, { a: 'one', x: 'two' })
    for (const name of ['b', 'c']) linkSync(join(source, 'a'), join(source, name))
    await ends.laptop.mustSync('done', ...ends.ends, ...everything)
    const before = partitionOf(target)
    writeFileSync(join(source, 'a'), 'changed in all of them')
    linkSync(join(source, 'x'), join(source, 'y'))
    const run = await ends.laptop.mustSync('done', ...ends.ends, ...everything)
    assertSameLinks(source, target)
    const undone = await ends.laptop.run('undo', String(run.lines[0]?.runId))
    assert.equal(undone.code, 0, undone.stdout + undone.stderr)
    assert.equal(partitionOf(target), before)
    for (const name of ['a', 'b', 'c']) assert.equal(readFileSync(join(target, name), 'utf8'), 'one')
  })

  it('are told of by why and log on both machines: of which file each is a name', async () => {
    const ends = await newEnds(pair, 'push')
    const { source, target, laptop } = ends
    writeTree(source, { 'd/a': 'one', 'd/x': 'two' })
    for (const [of, name] of [
      ['d/a', 'd/b'],
      ['d/x', 'd/y'],
      ['d/a', 'e/a'],
    ] as const) {
      mkdirSync(dirname(join(source, name)), { recursive: true })
      linkSync(join(source, of), join(source, name))
    }
    const first = await laptop.mustSync('done', ...ends.ends, ...everything)
    linkSync(join(source, 'd/x'), join(source, 'later'))
    const second = await laptop.mustSync('done', ...ends.ends, ...everything)
    for (const [name, of, run] of [
      ['d/b', 'd/a', first],
      ['d/y', 'd/x', first],
      ['e/a', 'd/a', first],
      ['later', 'd/x', second],
    ] as const) {
      const said = new RegExp(`It was made a further name of ${of} on the target, .* by run ${run.lines[0]?.runId}`)
      assert.match(await pair.nas.must('why', join(target, name)), said)
      // Of a first run the driver knows folders that came, and not each name in them.
      if (run === second) assert.match(await laptop.must('why', join(source, name)), said)
    }
    const log = await pair.nas.must('log', String(first.lines[0]?.runId))
    assert.match(log, /hard-linked {8}e\/a = d\/a$/m)
  })

  it('are told in a dry run, which makes none', async () => {
    const ends = await newEnds(pair, 'local')
    writeTree(ends.source, { a: 'one' })
    linkSync(join(ends.source, 'a'), join(ends.source, 'b'))
    const planned = await ends.sync('--hard-links', '--dry-run')
    assert.deepEqual(
      planned.changes.map(({ action, path, from }) => ({ action, path, from })),
      [
        { action: 'create-file', path: 'a', from: undefined },
        { action: 'link', path: 'b', from: 'a' },
      ],
    )
  })
})

describe('trees of files with several names', () => {
  const world = new World()
  after(() => world.close())
  for (const seed of [8, 23, 25, 38]) {
    it(`are the source's after each run, whatever happened in between (seed ${seed})`, async () => {
      const [source, target] = [world.folder(`s${seed}`), world.folder(`t${seed}`)]
      await using machine = openMachine({ stateDirectory: world.folder(`state-${seed}`) })
      const chance = chanceOf(seed)
      let now = 1_600_000_000
      for (let round = 0; round < 10; round++) {
        const edits = round === 0 ? 30 : 1 + chance(8)
        for (let i = 0; i < edits; i++) relink(chance, source, now++)
        const options = { source, target, hardLinks: true, maxDelete: '100%' } as const
        const ended = await machine.sync(options)
        assert.deepEqual(ended.problems, [], `round ${round}`)
        assertSameLinks(source, target)
        assert.equal((await machine.sync(options)).outcome, 'unchanged', `round ${round}`)
      }
    })
  }
})
