// Directories that moved, over whole runs: each is one rename on the target wherever that is possible, what changed in it
// is an ordinary change after the rename, and whatever moves how, both sides end up equal.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { assertSameTree, chanceOf, editTree, growTree, moveFolders } from '../../test/world/disk-trees.ts'
import { contents, type Folder, facts, plant } from '../../test/world/planted.ts'
import { type Trial, trialIn } from '../../test/world/trial.ts'
import type { FinishedRun } from './run.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-moves-'))
after(() => rmSync(home, { recursive: true, force: true }))
let made = 0

/** A source and a target that hold the same. */
async function brought(folder: Folder): Promise<Trial> {
  const one = trialIn(join(home, `case-${++made}`))
  plant(one.source, folder)
  await one.run()
  return one
}

/** The changes that a run told, as `what path`; renames as `a -> b`. */
function changes({ events }: Trial): string[] {
  return events.flatMap((event) => {
    if (event.type !== 'change') return []
    return [event.from === undefined ? `${event.action} ${event.path}` : `${event.from} -> ${event.path}`]
  })
}

async function runTold(one: Trial): Promise<FinishedRun> {
  const end = await one.run([], { listsChanges: true })
  assert.deepEqual(end.problems, [])
  assert.deepEqual(facts(one.target), facts(one.source))
  return end
}

function inode(...parts: readonly string[]): number {
  return statSync(join(...parts)).ino
}

const album: Folder = {
  'a/one': 'one',
  'a/two': 'two',
  'a/sub/three': 'three',
  'a/sub/deep/four': 'four',
  other: 'other',
}

describe('a directory that moved', () => {
  const rows: [what: string, edit: (source: string) => void, to: string, told: string[]][] = [
    [
      'into new directories',
      (source) => {
        mkdirSync(join(source, 'new/er'), { recursive: true })
        renameSync(join(source, 'a'), join(source, 'new/er/a'))
      },
      'new/er/a',
      ['create-directory new', 'create-directory new/er', 'a -> new/er/a'],
    ],
    [
      'with changes inside',
      (source) => {
        renameSync(join(source, 'a'), join(source, 'b'))
        writeFileSync(join(source, 'b/one'), 'edited')
        writeFileSync(join(source, 'b/sub/new'), 'new')
        rmSync(join(source, 'b/two'))
      },
      'b',
      ['a -> b', 'replace-file b/one', 'create-file b/sub/new', 'delete-file b/two'],
    ],
    [
      'into a new directory, with changes inside and a directory of its own that moved out of it',
      (source) => {
        mkdirSync(join(source, 'new'))
        renameSync(join(source, 'a'), join(source, 'new/a'))
        renameSync(join(source, 'new/a/sub'), join(source, 'new/sub'))
        writeFileSync(join(source, 'new/sub/three'), 'three, edited')
      },
      'new/a',
      ['create-directory new', 'a -> new/a', 'new/a/sub -> new/sub', 'replace-file new/sub/three'],
    ],
    [
      'out of a directory that goes',
      (source) => {
        renameSync(join(source, 'a/sub/deep'), join(source, 'deep'))
        rmSync(join(source, 'a'), { recursive: true })
      },
      'deep',
      ['a/sub/deep -> deep', 'delete-directory a'],
    ],
    [
      'into a new directory of one that moved',
      (source) => {
        renameSync(join(source, 'a'), join(source, 'b'))
        mkdirSync(join(source, 'b/new'))
        renameSync(join(source, 'b/sub/deep'), join(source, 'b/new/deep'))
      },
      'b',
      ['create-directory b/new', 'a -> b', 'b/sub/deep -> b/new/deep'],
    ],
  ]
  for (const [what, edit, to, told] of rows) {
    it(`is one rename: ${what}`, async () => {
      const one = await brought(album)
      const from = to === 'deep' ? 'a/sub/deep' : 'a'
      const was = inode(one.target, from)
      edit(one.source)
      const end = await runTold(one)
      assert.equal(inode(one.target, to), was)
      assert.deepEqual(changes(one), told)
      assert.equal(end.counts.renamed, told.filter((text) => text.includes('->')).length)
      const created = told.filter((text) => text.startsWith('create')).length
      const deleted = told.filter((text) => text.startsWith('delete')).length
      assert.deepEqual([end.counts.created, end.counts.deleted], [created, deleted])
      assert.equal((await one.run()).outcome, 'unchanged')
    })
  }

  it('is another one when next to nothing of it came along: its inode may have been given away', async () => {
    const one = await brought(album)
    renameSync(join(one.source, 'a'), join(one.source, 'b'))
    for (const name of ['one', 'two', 'sub']) rmSync(join(one.source, 'b', name), { recursive: true })
    plant(one.source, { 'b/un': 'un', 'b/deux': 'deux' })
    await runTold(one)
    assert.deepEqual(changes(one), [
      'create-directory b',
      'create-file b/deux',
      'create-file b/un',
      'delete-directory a',
    ])
  })

  it('changes its file into a directory on the way of another one: file by file, as ever', async () => {
    const one = await brought({ ...album, place: 'a file' })
    rmSync(join(one.source, 'place'))
    mkdirSync(join(one.source, 'place'))
    renameSync(join(one.source, 'a'), join(one.source, 'place/a'))
    await runTold(one)
    assert.ok(!changes(one).includes('a -> place/a'))
  })

  it('swaps, chains and turns inside out without loss', async () => {
    const one = await brought({ 'a/x': 'ax', 'a/b/y': 'aby', 'c/z': 'cz', 'd/w': 'dw' })
    const move = (from: string, to: string): void => renameSync(join(one.source, from), join(one.source, to))
    move('a', 'tmp')
    move('c', 'a')
    move('tmp', 'c')
    await runTold(one)
    move('d', 'e')
    move('a', 'd')
    await runTold(one)
    // What was inside is outside now.
    move('c/b', 'b')
    move('c', 'b/c')
    await runTold(one)
    assert.deepEqual(contents(one.target)['b/c/x'], 'ax')
  })

  it('is held and released as the same plan', async () => {
    const one = await brought(album)
    mkdirSync(join(one.source, 'new'))
    renameSync(join(one.source, 'a'), join(one.source, 'new/a'))
    rmSync(join(one.source, 'new/a/one'))
    const was = inode(one.target, 'a')
    const limit = { kind: 'count', entries: 0 } as const
    assert.equal((await one.run([], { limit })).outcome, 'halted')
    assert.equal((await one.run([], { limit, release: true })).outcome, 'done')
    assert.equal(inode(one.target, 'new/a'), was)
    assert.deepEqual(facts(one.target), facts(one.source))
  })

  it('counts for the guards only what goes or changes in it', async () => {
    const one = await brought(album)
    renameSync(join(one.source, 'a'), join(one.source, 'b'))
    writeFileSync(join(one.source, 'b/one'), 'edited')
    rmSync(join(one.source, 'b/sub/deep'), { recursive: true })
    const halted = await one.run([], { limit: { kind: 'count', entries: 2 } })
    assert.equal(halted.outcome, 'halted')
    const halt = one.events.find((event) => event.type === 'halt')
    assert.deepEqual([halt?.deletes, halt?.replaces, halt?.sample], [2, 1, ['b/one', 'b/sub/deep']])
    assert.equal((await one.run([], { limit: { kind: 'count', entries: 3 } })).outcome, 'done')
  })

  it('does not take equal names, sizes and times for equal content where an inode was only used again', async () => {
    const mtimeMs = 1_400_000_000_000
    const one = await brought({ 'a/s/f': { text: 'old', mtimeMs }, 'a/keep': { text: 'k', mtimeMs } })
    renameSync(join(one.source, 'a'), join(one.source, 'b'))
    // Another directory with the same listing in the place of the one that came along.
    rmSync(join(one.source, 'b/s'), { recursive: true })
    plant(one.source, { 'b/s/f': { text: 'new', mtimeMs } })
    await runTold(one)
    assert.equal(contents(one.target)['b/s/f'], 'new')
  })

  it('takes what rules hide in it along, and stays where it would show it', async () => {
    const one = await brought({ 'a/one': 'one', 'a/two': 'two', 'x/y': 'y' })
    const overrides = (text: string): { overrides: { directory: string; label: string; text: string }[] } => ({
      overrides: [{ directory: '', label: 'test', text }],
    })
    plant(one.target, { 'a/hidden': 'dear to me' })
    await one.run([], overrides('hidden\n/a/hidden\n'))
    renameSync(join(one.source, 'a'), join(one.source, 'b'))
    assert.deepEqual((await one.run([], overrides('hidden\n/a/hidden\n'))).problems, [])
    assert.equal(contents(one.target)['b/hidden'], 'dear to me')
    const two = await brought({ 'a/one': 'one', 'a/two': 'two', 'x/y': 'y' })
    plant(two.target, { 'a/hidden': 'dear to me' })
    await two.run([], overrides('/a/hidden\n'))
    renameSync(join(two.source, 'a'), join(two.source, 'b'))
    for (let i = 0; i < 3; i++) {
      const { problems } = await two.run([], overrides('/a/hidden\n'))
      assert.ok(problems.some(({ path, code }) => path === 'a' && code === 'not-empty'))
      assert.equal(contents(two.target)['a/hidden'], 'dear to me')
    }
    assert.equal(contents(two.target)['b/one'], 'one')
  })

  it('ends equal, whatever moves and changes', async () => {
    let renamed = 0
    for (let seed = 1; seed <= 8; seed++) {
      const chance = chanceOf(seed)
      const one = trialIn(join(home, `random-${seed}`))
      mkdirSync(one.source, { recursive: true })
      growTree(chance, one.source, 60)
      await one.run()
      for (let round = 0; round < 3; round++) {
        moveFolders(chance, one.source)
        editTree(chance, one.source, 6)
        const end = await one.run()
        renamed += end.counts.renamed
        assert.deepEqual(end.problems, [], `seed ${seed}, round ${round}`)
        assertSameTree(one.target, one.source)
        const again = await one.run([], { checksum: true })
        assert.equal(again.outcome, 'unchanged', `seed ${seed}, round ${round}`)
      }
    }
    assert.ok(renamed > 24, `${renamed} renames`)
  })
})

describe('a directory made anew with the inode of one that went', () => {
  const old: Folder = { 'a/one': 'old1', 'a/two': 'old2', 'a/sub/three': 'old3', stays: 'stays' }

  /** The same names, sizes and times, in files of their own. */
  function rewrite(source: string, mode: number): void {
    renameSync(join(source, 'a'), join(source, 'b'))
    for (const name of ['one', 'two', 'sub/three']) {
      const path = join(source, 'b', name)
      const { atimeNs, mtimeNs } = statSync(path, { bigint: true })
      writeFileSync(join(source, 'made'), `new${name.length}`, { mode })
      utimesSync(join(source, 'made'), Number(atimeNs) / 1e9, Number(mtimeNs) / 1e9)
      renameSync(join(source, 'made'), path)
    }
  }

  for (const mode of [0o644, 0o600]) {
    for (const isKnown of [true, false]) {
      const what = `${isKnown ? 'whose content was read' : 'that was never read'}, mode ${mode.toString(8)}`
      it(`is brought as it is, though its files look like those ${what}`, async () => {
        const one = trialIn(join(home, `case-${++made}`))
        plant(one.source, old)
        if (!isKnown) plant(one.target, old)
        for (const path of ['a/one', 'a/two', 'a/sub/three', 'stays'])
          for (const end of isKnown ? [one.source] : [one.source, one.target])
            utimesSync(join(end, path), 1_700_000_000, 1_700_000_000)
        await one.run()
        rewrite(one.source, mode)
        await runTold(one)
        assert.equal(contents(one.target)['b/sub/three'], 'new9')
        await runTold(one)
      })
    }
  }
})
