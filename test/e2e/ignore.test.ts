// Rules end to end: which of the command line and of ignore files wins, that both directions obey the source's rules, and
// that what a rule hides on the target is never destroyed: not by a deletion, a rename or a change of kind above it.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { readTree, writeTree } from '../world/disk-trees.ts'
import { type Pair, pairedMachines } from '../world/machines.ts'

function pathsOf(directory: string): string[] {
  return readTree(directory)
    .filter((line) => !/ directory \d+$/.test(line))
    .map((line) => line.split(' ')[0] ?? '')
}

describe('ignore rules', () => {
  let pair: Pair
  let number = 0
  before(async () => {
    pair = await pairedMachines()
  })
  after(() => pair?.world.close())

  type Ends = { readonly source: string; readonly target: string; readonly ends: readonly [string, string] }

  function freshEnds(direction: 'push' | 'pull' = 'push'): Ends {
    number += 1
    const here = pair.world.folder(`here-${number}`)
    const there = pair.world.folder(`shared/there-${number}`)
    const remote = `nas:data/there-${number}`
    return direction === 'push'
      ? { source: here, target: there, ends: [here, remote] }
      : { source: there, target: here, ends: [remote, here] }
  }

  const tree = {
    'a.txt': 'a',
    'a.log': 'a',
    'keep.log': 'keep',
    '.hidden': 'hidden',
    '.config/x': 'x',
    'build/out.o': 'o',
    'sub/b.log': 'b',
    'sub/keep.log': 'keep',
    'sub/build/y': 'y',
    'sub/c.tmp': 'c',
  }

  for (const [name, options, files, expected] of [
    [
      'the last pattern that matches wins',
      ['--exclude', '*.log', '--include', 'keep.log'],
      {},
      '.config/x .hidden a.txt build/out.o keep.log sub/build/y sub/c.tmp sub/keep.log',
    ],
    [
      'in the order in which they were given',
      ['--include', 'keep.log', '--exclude', '*.log'],
      {},
      '.config/x .hidden a.txt build/out.o sub/build/y sub/c.tmp',
    ],
    [
      'a slash anchors, a slash at the end means folders',
      ['--exclude', '/build/', '--exclude', '/a.*', '--exclude', '/sub/*.tmp'],
      {},
      '.config/x .hidden keep.log sub/b.log sub/build/y sub/keep.log',
    ],
    [
      'each folder may have rules, and deeper ones win',
      [],
      { '.nightferryignore': '*.log\nbuild/\n', 'sub/.nightferryignore': '!b.log\nc.*\n' },
      '.config/x .hidden .nightferryignore a.txt sub/.nightferryignore sub/b.log',
    ],
    [
      'the command line wins over files',
      ['--include', 'a.log', '--exclude', 'sub'],
      { '.nightferryignore': '*.log\n' },
      '.config/x .hidden .nightferryignore a.log a.txt build/out.o',
    ],
    [
      '.gitignore files are ordinary files',
      [],
      { '.gitignore': '*\n' },
      '.config/x .gitignore .hidden a.log a.txt build/out.o keep.log sub/b.log sub/build/y sub/c.tmp sub/keep.log',
    ],
    [
      '.gitignore files count with --gitignore, below ours',
      ['--gitignore'],
      { '.gitignore': '*.log\n*.tmp\n', 'sub/.gitignore': '!c.tmp\n', '.nightferryignore': '!keep.log\n' },
      '.config/x .gitignore .hidden .nightferryignore a.txt build/out.o keep.log sub/.gitignore sub/build/y sub/c.tmp sub/keep.log',
    ],
    [
      '--no-dotfiles leaves out what begins with a dot',
      ['--no-dotfiles'],
      {},
      'a.log a.txt build/out.o keep.log sub/b.log sub/build/y sub/c.tmp sub/keep.log',
    ],
    [
      'an --include may take a dot file back',
      ['--no-dotfiles', '--include', '.hidden'],
      {},
      '.hidden a.log a.txt build/out.o keep.log sub/b.log sub/build/y sub/c.tmp sub/keep.log',
    ],
    [
      'rules come from a named file too',
      ['--ignore-file', 'rules', '--include', 'keep.log'],
      {},
      '.config/x .hidden keep.log sub/c.tmp sub/keep.log',
    ],
  ] as const) {
    const direction = number++ % 2 === 0 ? 'push' : 'pull'
    it(`${name}, ${direction}`, async () => {
      const { source, target, ends } = freshEnds(direction)
      writeFileSync(join(pair.world.directory, 'rules'), '# a comment\n*.log\n*.txt\nbuild\n')
      writeTree(source, { ...tree, ...files })
      await pair.laptop.mustSync('done', ...ends, ...options)
      assert.equal(pathsOf(target).join(' '), expected)
    })
  }

  it('what is ignored on the target is never deleted, and a rule that comes later deletes nothing', async () => {
    const { source, target, ends } = freshEnds()
    writeTree(source, { a: 'a', 'b.log': 'b', 'd/c': 'c' })
    await pair.laptop.mustSync('done', ...ends)
    writeTree(target, { 'own.tmp': 'the target has this alone', 'd/own.tmp': 'and this' })
    await pair.laptop.mustSync('unchanged', ...ends, '--exclude', '*.tmp')
    writeTree(source, { '.nightferryignore': '*.log\n*.tmp\n' })
    rmSync(join(source, 'b.log'))
    await pair.laptop.mustSync('done', ...ends)
    assert.deepEqual(pathsOf(target), ['.nightferryignore', 'a', 'b.log', 'd/c', 'd/own.tmp', 'own.tmp'])
  })

  it('a rule that goes is held where it would delete what it hid', async () => {
    const { source, target, ends } = freshEnds()
    writeTree(source, { a: 'a' })
    await pair.laptop.mustSync('done', ...ends, '--exclude', '*.tmp')
    writeTree(target, { 'own.tmp': 'the target has this alone' })
    const held = await pair.laptop.sync(...ends)
    assert.equal(held.code, 15, held.stdout + held.stderr)
    assert.deepEqual(held.halt?.sample, ['own.tmp'])
    await pair.laptop.mustSync('unchanged', ...ends, '--exclude', '*.tmp')
    await pair.laptop.sync(...ends)
    await pair.laptop.mustSync('done', ...ends, '--release')
    assert.deepEqual(pathsOf(target), ['a'])
  })

  it('rules of the target do not count', async () => {
    const { source, target, ends } = freshEnds()
    writeTree(source, { a: 'a', 'b.log': 'b' })
    writeTree(target, { '.nightferryignore': '*\n' })
    assert.equal((await pair.laptop.sync(...ends)).code, 15)
    await pair.laptop.mustSync('done', ...ends, '--release')
    assert.deepEqual(pathsOf(target), ['a', 'b.log'])
  })

  it('a folder that goes, moves or becomes a file takes nothing along that is ignored', async () => {
    const { source, target, ends } = freshEnds()
    const folders = { 'gone/a': 'a', 'gone/deep/b': 'b', 'moved/c': 'c', 'moved/deep/d': 'd', 'becomes/e': 'e' }
    writeTree(source, folders)
    writeTree(source, { stays: 'so that not more than half goes', s1: '', s2: '', s3: '', s4: '', s5: '', s6: '' })
    await pair.laptop.mustSync('done', ...ends, '--exclude', '*.tmp')
    const hidden = ['gone/deep/x.tmp', 'moved/deep/y.tmp', 'becomes/z.tmp']
    for (const path of hidden) writeTree(target, { [path]: path })

    rmSync(join(source, 'gone'), { recursive: true })
    renameSync(join(source, 'moved'), join(source, 'new'))
    rmSync(join(source, 'becomes'), { recursive: true })
    writeTree(source, { becomes: 'a file' })
    for (const round of [1, 2]) {
      const run = await pair.laptop.sync(...ends, '--exclude', '*.tmp')
      assert.equal(run.code, 3, `round ${round}: ${run.stdout}${run.stderr}`)
      assert.ok(existsSync(join(target, 'new/c')))
      assert.equal(readFileSync(join(target, 'new/deep/y.tmp'), 'utf8'), 'moved/deep/y.tmp')
      assert.equal(readFileSync(join(target, 'gone/deep/x.tmp'), 'utf8'), 'gone/deep/x.tmp')
      assert.equal(readFileSync(join(target, 'becomes/z.tmp'), 'utf8'), 'becomes/z.tmp')
      assert.ok(!existsSync(join(target, 'gone/a')), 'what is not ignored goes')
      const held = run.problems.map(({ path }) => path).sort()
      assert.deepEqual(held, ['becomes', 'gone'])
    }
  })
})
