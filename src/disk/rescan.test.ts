// Looking again at single directories after an apply.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { FaultySys } from '../../test/world/faulty-sys.ts'
import { later } from '../../test/world/one-mirror.ts'
import { kinds, listed, listing, problems, rowOf, type Scanned, scanned } from '../../test/world/one-scan.ts'
import { type Folder, plant } from '../../test/world/planted.ts'
import type { RelPath } from '../core/path.ts'
import { statErrno, statWidth } from '../core/stat.ts'
import { rescanDirectories, type ScanRules } from './scan.ts'
import { errno, type Sys } from './sys.ts'
import { systemSys } from './system.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-rescan-'))
after(() => rmSync(home, { recursive: true, force: true }))
const real = systemSys()

let made = 0
function folder(planted: Folder): Scanned {
  return scanned(join(home, `case-${++made}`), planted)
}

describe('scan: rules', () => {
  const rules: ScanRules = { overrides: [], ignoreFiles: ['.rules'] }

  it('does not enter what is ignored, and tells the texts that it found', () => {
    const { tree, scan } = folder({
      '.rules': 'out/\n*.tmp\n',
      'out/f': 'f',
      'in/f.tmp': 'x',
      'in/out/f': 'f',
      'in/deep/.rules': '!out/\n',
      'in/deep/out/f': 'f',
    })
    const report = scan({ rules })
    assert.deepEqual(
      report.texts.map(({ directory, text }) => `${directory}: ${text}`),
      [': out/\n*.tmp\n', 'in/deep: !out/\n'],
    )
    assert.deepEqual(listed(tree), ['', 'in', 'in/deep', 'in/deep/out'])
    // What is ignored is still seen: it is raw, and protects what lies there.
    assert.deepEqual(kinds(tree), { '.rules': 'file', in: 'directory', out: 'directory' })
  })

  it('takes a text for the directory in which it stands, however deep, with no rules above', () => {
    const { tree, scan } = folder({
      'a/b/c/.rules': '/x\ny/z\n',
      'a/b/c/x/f': 'f',
      'a/b/c/d/x/f': 'f',
      'a/b/c/y/z/f': 'f',
      'a/b/c/d/y/z/f': 'f',
    })
    scan({ rules })
    assert.deepEqual(listed(tree), [
      '',
      'a',
      'a/b',
      'a/b/c',
      'a/b/c/d',
      'a/b/c/d/x',
      'a/b/c/d/y',
      'a/b/c/d/y/z',
      'a/b/c/y',
    ])
  })

  it('enters what a changed rule no longer ignores, and forgets what it ignores now', () => {
    const { path, tree, scan } = folder({ '.rules': 'a/\n', 'a/f': 'f', 'b/f': 'f' })
    scan({ rules })
    assert.deepEqual(listed(tree), ['', 'b'])
    writeFileSync(join(path, '.rules'), 'b/\n')
    scan({ rules })
    assert.deepEqual(listed(tree), ['', 'a'])
    scan({
      rules: { overrides: [{ directory: '', label: 'command line', text: 'a/\n!b/\n' }], ignoreFiles: ['.rules'] },
    })
    assert.deepEqual(listed(tree), ['', 'b'])
  })

  it('knows nothing of a directory whose rules it can not read', () => {
    const faults: Readonly<Record<string, (path: string) => Sys>> = {
      'not opened': () => new FaultySys(real).on('openFile', { name: '.rules', result: -errno.EACCES }),
      'not read': () => new FaultySys(real).on('read', { result: -errno.EIO }),
      'not looked at': () =>
        listing((table) => {
          const row = rowOf(table, '.rules')
          if (row < 0) return table.count
          table.stats.fill(0, row * statWidth, (row + 1) * statWidth)
          table.stats[row * statWidth + statErrno] = errno.EIO
          return table.count
        }),
      'too long': (path) => {
        writeFileSync(join(path, 'd/.rules'), `${'#'.repeat(1 << 20)}\n`)
        return real
      },
      'not UTF-8': (path) => {
        writeFileSync(join(path, 'd/.rules'), Buffer.from('\xff\n', 'latin1'))
        return real
      },
    }
    for (const [what, fault] of Object.entries(faults)) {
      const { path, tree, scan } = folder({ 'd/.rules': '*.local\n', 'd/f': 'f', 'd/e/f': 'f', g: 'g' })
      scan({ rules })
      assert.deepEqual(listed(tree), ['', 'd', 'd/e'])
      const report = scan({ rules, sys: fault(path) })
      assert.deepEqual(problems(report), ['d/.rules: unreadable'], what)
      assert.deepEqual(listed(tree), [''], what)
    }
  })
})

describe('rescan', () => {
  const rescan = (folder: Scanned, paths: readonly string[], sys: Sys = real): string[] => {
    const root = real.openRoot(folder.path)
    const found = rescanDirectories(sys, root, folder.tree, paths as RelPath[], later)
    real.close(root)
    return found.map(({ path, code }) => `${path}: ${code}`)
  }

  it('looks at what is named and at whole new directories, and at nothing else', () => {
    const one = folder({ 'd/f': 'f', 'e/g': 'g' })
    one.scan()
    plant(one.path, { 'd/new/deep/h': 'h', 'e/unseen': 'u' })
    assert.deepEqual(rescan(one, ['d']), [])
    assert.deepEqual(listed(one.tree), ['', 'd', 'd/new', 'd/new/deep', 'e'])
    assert.deepEqual(kinds(one.tree, 'e'), { g: 'file' })
  })

  it('forgets what is gone, or is no directory any more, with all below; that is no problem', () => {
    const one = folder({ 'd/below/f': 'f', 'e/below/f': 'f', 'g/below/f': 'f', h: 'h' })
    one.scan()
    for (const name of ['d', 'e', 'g']) rmSync(join(one.path, name), { recursive: true })
    writeFileSync(join(one.path, 'e'), 'now a file')
    symlinkSync('.', join(one.path, 'g'))
    assert.deepEqual(rescan(one, ['d', 'e', 'g', 'g/below', '']), [])
    assert.deepEqual(listed(one.tree), [''])
    assert.deepEqual(kinds(one.tree), { e: 'file', g: 'symlink', h: 'file' })
  })

  it('tells what it can not read', () => {
    const one = folder({ 'd/f': 'f' })
    one.scan()
    assert.deepEqual(rescan(one, ['d'], new FaultySys(real).on('list', { result: -errno.EIO })), ['d: unreadable'])
  })
})
