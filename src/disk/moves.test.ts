// The renames that a plan begins with: parents are made, nothing hidden is moved or shown, and what is refused stays.

import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { FaultySys } from '../../test/world/faulty-sys.ts'
import { newTree } from '../../test/world/one-mirror.ts'
import { contents, type Folder, plant } from '../../test/world/planted.ts'
import type { RelPath } from '../core/path.ts'
import type { Tree } from '../core/tree.ts'
import { moveDirectories } from './moves.ts'
import { scanRoot } from './scan.ts'
import { errno, type Sys } from './sys.ts'
import { openLinuxSys } from './sys-linux.ts'
import { openPortableSys } from './sys-portable.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-disk-moves-'))
after(() => rmSync(home, { recursive: true, force: true }))
let made = 0

type Target = { readonly path: string; readonly tree: Tree; move(...moves: readonly string[]): string[] }

/** A scanned folder under rules; `move` takes `a > b` and says what became of it. */
function target(folder: Folder, sys: Sys, rules = ''): Target {
  const path = join(home, `case-${++made}`)
  plant(path, folder)
  const root = sys.openRoot(path)
  const tree = newTree()
  scanRoot(sys, root, tree, { overrides: [], ignoreFiles: [] }, () => Date.now() + 1e9)
  const texts = rules === '' ? [] : [{ directory: '', label: 'rules', text: rules }]
  tree.setView({ modeMask: 0o777, timeGrainNs: 1, overrides: [], texts }, rules)
  return {
    path,
    tree,
    move(...moves) {
      const told = moveDirectories(
        sys,
        root,
        tree,
        moves.map((text) => {
          const [from, to] = text.split(' > ') as [RelPath, RelPath]
          return { from, to }
        }),
      )
      return [
        ...told.made.map((at) => `made ${at}`),
        ...told.moved.map(({ from, to }) => `${from} > ${to}`),
        ...told.problems.map(({ path: at, code }) => `${at}: ${code}`),
      ]
    },
  }
}

for (const sys of [openLinuxSys(), openPortableSys()]) {
  describe(`moves, ${sys.form}`, () => {
    it('makes the parents of a new name, and finds what earlier moves left', () => {
      const { path, tree, move } = target({ 'a/f': 'f', 'a/s/g': 'g', 'p/q': 'q' }, sys)
      assert.deepEqual(move('a > new/er/b', 'new/er/b/s > p/s'), [
        'made new',
        'made new/er',
        'a > new/er/b',
        'new/er/b/s > p/s',
      ])
      const { 'new/er/b/f': f, 'p/s/g': g, a } = contents(path)
      assert.deepEqual([f, g, a], ['f', 'g', undefined])
      assert.deepEqual([...tree.paths()].sort(), ['', 'new/er/b', 'p', 'p/s'])
    })

    it('refuses what is hidden, what would be shown, what is not there and what is no directory', () => {
      const folder: Folder = { 'a/kept': 'k', 'secret/in/f': 'f', 'c/f': 'f', file: 'f', 'w/any.tmp': 't', 'w/x': 'x' }
      const { path, move } = target(folder, sys, '/a/kept\n/secret\n*.tmp\n')
      const before = contents(path)
      assert.deepEqual(move('a > b', 'secret > open', 'secret/in > in', 'no > such', 'file > elif', 'c > c/d'), [
        'a: not-empty',
        'secret: target-changed',
        'secret/in: target-changed',
        'no: target-changed',
        'file: target-changed',
        'c: write-failed',
      ])
      assert.deepEqual(contents(path), before)
      // A rule that names no place hides there as well.
      assert.deepEqual(move('w > v'), ['w > v'])
    })

    it('goes through no symlink, and through no file, on the way of a new name', () => {
      const { path, move } = target({ 'a/f': 'f', file: 'f', 'outside/x': 'x' }, sys)
      symlinkSync('outside', join(path, 'link'))
      const before = contents(path)
      assert.deepEqual(move('a > link/new/b', 'a > file/b'), ['a: target-changed', 'a: target-changed'])
      assert.deepEqual(contents(path), before)
    })

    it('takes a parent that someone made meanwhile for as good as its own', () => {
      const faulty = new FaultySys(sys)
      const { path, move } = target({ 'a/f': 'f', 'c/f': 'f' }, faulty)
      faulty.on('makeDirectory', { name: 'new', before: () => mkdirSync(join(path, 'new')) })
      assert.ok(move('a > new/b').includes('a > new/b'))
      faulty.on('makeDirectory', { name: 'full', result: -errno.ENOSPC })
      assert.deepEqual(move('c > full/c'), ['c: no-space'])
      assert.equal(contents(path)['new/b/f'], 'f')
    })

    it('works in directories that their owner may not write', (t) => {
      const { seteuid } = process
      if (seteuid === undefined) return t.skip('no users here')
      const isRoot = process.getuid?.() === 0
      chmodSync(home, 0o777)
      if (isRoot) seteuid(65_534)
      try {
        const { path, move } = target({ 'sealed/a/f': 'f', 'closed/x': 'x' }, sys)
        for (const name of ['sealed/a', 'sealed', 'closed']) chmodSync(join(path, name), 0o555)
        assert.deepEqual(move('sealed/a > closed/new/a'), ['made closed/new', 'sealed/a > closed/new/a'])
        for (const name of ['sealed', 'closed', 'closed/new/a']) {
          assert.equal(statSync(join(path, name)).mode & 0o777, 0o555, name)
        }
        writeFileSync(join(path, 'closed/new/after'), 'the new one is its owner’s')
        for (const name of ['sealed', 'closed', 'closed/new/a']) chmodSync(join(path, name), 0o755)
      } finally {
        if (isRoot) seteuid(0)
      }
    })
  })
}
