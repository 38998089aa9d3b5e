// Names that only get another spelling: they are carried out where the target has them as one, only on what the scan saw, and
// a machine that dies at any moment of it loses nothing: the next run finds every entry under one of its spellings.

import assert from 'node:assert/strict'
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Death, FaultySys } from '../../test/world/faulty-sys.ts'
import { namingSys } from '../../test/world/naming-sys.ts'
import { later, mirror, newTree, problemsOf } from '../../test/world/one-mirror.ts'
import { allTexts, contents, kept, plant } from '../../test/world/planted.ts'
import { exactNaming } from '../core/naming.ts'
import type { RelPath } from '../core/path.ts'
import { isRespelling, respell, respellings } from './respell.ts'
import { rescanDirectories, scanRoot } from './scan.ts'
import type { Sys } from './sys.ts'
import { systemSys } from './system.ts'

const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-respell-'))
after(() => rmSync(home, { recursive: true, force: true }))
const real = systemSys()
const folds = { ...exactNaming, folds: 'simple' } as const
let made = 0

function twoFolders(): { source: string; target: string } {
  const path = join(home, `case-${++made}`)
  const folders = { source: join(path, 'source'), target: join(path, 'target') }
  for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true })
  return folders
}

const move = (from: string, to: string): { from: RelPath; to: RelPath } => ({
  from: from as RelPath,
  to: to as RelPath,
})

describe('respelling', () => {
  it('is a move to what is the same name, in the same folder, where names fold', () => {
    assert.ok(isRespelling(move('a/Foo', 'a/foo'), folds))
    for (const [from, to] of [
      ['a/foo', 'a/foo'],
      ['a/Foo', 'b/foo'],
      ['A/Foo', 'a/foo'],
      ['Foo', 'bar'],
    ] as const)
      assert.ok(!isRespelling(move(from, to), folds), `${from} ${to}`)
    assert.ok(!isRespelling(move('Foo', 'foo'), undefined))
    assert.ok(!isRespelling(move('Foo', 'foo'), exactNaming))
  })

  it('is for nothing that the rules hide, that is never copied, or that is not there', () => {
    const { target } = twoFolders()
    plant(target, { File: 'f', 'Out/x': 'x', Keep: 'k' })
    const tree = newTree()
    const root = real.openRoot(target)
    scanRoot(real, root, tree, { overrides: [], ignoreFiles: [] }, later)
    const texts = [{ directory: '', label: 'r', text: 'Out/\nKeep\n' }]
    tree.setView({ modeMask: 0o777, timeGrainNs: 1, overrides: [], texts }, 'view')
    const moves = [
      move('File', 'file'),
      move('Out', 'out'),
      move('Keep', 'keep'),
      move('Gone', 'gone'),
      move('Out/x', 'Out/X'),
    ]
    assert.deepEqual([...respellings(tree, moves, folds).keys()], ['file'])
    real.close(root)
  })

  it('leaves what is not as the scan saw it, and what took the name meanwhile', () => {
    for (const meanwhile of ['before', 'between'] as const) {
      const { target } = twoFolders()
      plant(target, { File: 'as seen', Other: 'o', '.nightferry/staging/none': '' })
      const tree = newTree()
      const sys = namingSys(real, { foldsCase: true })
      const root = sys.openRoot(target)
      const staging = sys.openDirectory(root, Buffer.from('.nightferry/staging'))
      scanRoot(sys, root, tree, { overrides: [], ignoreFiles: [] }, later)
      const wanted = move('File', 'file')
      const slot = respellings(tree, [wanted], folds).get(wanted.to)
      assert.ok(slot !== undefined)
      const edit = (): void => writeFileSync(join(target, 'File'), 'what a person wrote')
      if (meanwhile === 'before') edit()
      const faulty = new FaultySys(sys).on('renameNoReplace', {
        nth: 1,
        before: meanwhile === 'before' ? () => {} : edit,
      })
      assert.equal(respell(faulty, { root, staging }, tree, wanted, slot, later), 'target-changed')
      assert.equal(readFileSync(join(target, 'File'), 'utf8'), 'what a person wrote', meanwhile)
      if (meanwhile === 'before') assert.equal(faulty.changes, 0)
      rescanDirectories(sys, root, tree, ['' as RelPath], later)
      for (const handle of [staging, root]) real.close(handle)
    }
  })

  it('loses nothing, whenever the machine dies', async () => {
    for (let change = 1; ; change++) {
      const folders = twoFolders()
      const folding = (): Sys => namingSys(real, { foldsCase: true })
      plant(folders.source, { File: 'file', 'Dir/x': 'x', Link: { link: 'File' } })
      const first = await mirror({ sys: folding(), sourceSys: real, ...folders })
      // A person's own, which no rule brings and no run may take away.
      plant(folders.target, { 'Dir/own.keep': 'mine' })
      for (const name of ['File', 'Dir', 'Link'])
        renameSync(join(folders.source, name), join(folders.source, name.toLowerCase()))
      plant(folders.source, { '.nightferryignore': '*.keep\n' })
      const faulty = new FaultySys(folding()).dieAt(change)
      const options = { sourceSys: real, ...folders, ignoreFiles: ['.nightferryignore'] }
      let died = false
      try {
        await mirror({ sys: faulty, ...options, before: first })
      } catch (error) {
        if (!(error instanceof Death)) throw error
        died = true
      }
      faulty.bury()
      const texts = allTexts(folders.target)
      for (const text of ['file', 'x', 'mine']) assert.ok(texts.has(text), `${text} after ${change}`)
      const second = await mirror({ sys: folding(), ...options })
      assert.deepEqual(problemsOf(second), [], `${change}`)
      const { '.nightferryignore': _, ...found } = contents(folders.target)
      assert.deepEqual(
        found,
        { dir: '/', 'dir/own.keep': 'mine', 'dir/x': 'x', file: 'file', link: '-> File' },
        `${change}`,
      )
      assert.deepEqual(kept(folders.target), [], `${change}`)
      assert.ok(lstatSync(join(folders.target, 'dir/x')).isFile())
      if (!died) break
    }
  })
})
