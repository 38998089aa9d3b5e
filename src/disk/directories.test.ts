// Directories: renamed only as they were seen, finished deepest first.

import assert from 'node:assert/strict'
import { lstatSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { FaultySys } from '../../test/world/faulty-sys.ts'
import { contents, plant } from '../../test/world/planted.ts'
import { head } from '../../test/world/steps.ts'
import type { RelPath } from '../core/path.ts'
import { statWidth } from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import { finishDirectory, renameDirectory } from './directories.ts'
import { errno } from './sys.ts'
import { systemSys } from './system.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-directories-'))
after(() => rmSync(home, { recursive: true, force: true }))
const real = systemSys()
let made = 0

/** A folder in which `a/d` was seen, and what renaming it to `to` says after `meanwhile`. */
function rename(to: string, meanwhile: (path: string) => void, sys = real): { path: string; told: string | undefined } {
  const path = join(home, `case-${++made}`)
  plant(path, { 'a/d/f': 'moves', 'b/g': 'g', taken: 'taken' })
  const root = real.openRoot(path)
  const seen = new Uint32Array(statWidth)
  const parent = real.openDirectory(root, utf8('a'))
  real.stat(parent, utf8('d'), seen, 0)
  real.close(parent)
  meanwhile(path)
  const told = renameDirectory(sys, root, 'a/d' as RelPath, to as RelPath, seen)
  real.close(root)
  return { path, told }
}

describe('a directory that only moved', () => {
  it('is renamed, also when entries were added to it meanwhile', () => {
    const { path, told } = rename('b/e', (at) => writeFileSync(join(at, 'a/d/new'), 'new'))
    assert.equal(told, undefined)
    assert.deepEqual(contents(path), {
      a: '/',
      b: '/',
      'b/e': '/',
      'b/e/f': 'moves',
      'b/e/new': 'new',
      'b/g': 'g',
      taken: 'taken',
    })
  })

  it('never takes a name that is in use', () => {
    for (const [to, make] of [
      ['taken', () => {}],
      ['b/e', (at: string) => plant(at, { 'b/e': {} })],
      ['b/e', (at: string) => symlinkSync('nowhere', join(at, 'b/e'))],
    ] as const) {
      const { path, told } = rename(to, make)
      assert.equal(told, 'target-changed')
      assert.equal(contents(path)['a/d/f'], 'moves')
    }
  })

  it('stays where it is when it is not the one that was seen, or its way is not what it was', () => {
    const away = (at: string): void => renameSync(join(at, 'a/d'), join(at, 'away'))
    const changes: Readonly<Record<string, (at: string) => void>> = {
      'another directory': (at) => {
        away(at)
        plant(at, { 'a/d/other': 'o' })
      },
      'a file': (at) => {
        away(at)
        writeFileSync(join(at, 'a/d'), 'a file')
      },
      'a symlink': (at) => {
        away(at)
        symlinkSync('../away', join(at, 'a/d'))
      },
      gone: away,
      'its parent is a symlink': (at) => {
        renameSync(join(at, 'a'), join(at, 'elsewhere'))
        symlinkSync('elsewhere', join(at, 'a'))
      },
      'the new parent is a symlink': (at) => {
        renameSync(join(at, 'b'), join(at, 'elsewhere'))
        symlinkSync('elsewhere', join(at, 'b'))
      },
      'the new parent is gone': (at) => rmSync(join(at, 'b'), { recursive: true }),
    }
    for (const [what, change] of Object.entries(changes)) {
      let before: Record<string, string> = {}
      const { path, told } = rename('b/e', (at) => {
        change(at)
        before = contents(at)
      })
      assert.equal(told, 'target-changed', what)
      assert.deepEqual(contents(path), before, what)
    }
  })

  it('tells what the file system refuses', () => {
    const { told } = rename('b/e', () => {}, new FaultySys(real).on('renameNoReplace', { result: -errno.EXDEV }))
    assert.equal(told, 'other-device')
  })
})

describe('a directory that is done', () => {
  it('gets its time, and its mode where it was made; nothing else is touched', () => {
    const path = join(home, 'done')
    plant(path, { 'made/f': 'f', 'there/f': 'f', 'outside/f': 'f' })
    symlinkSync('outside', join(path, 'link'))
    const before = lstatSync(join(path, 'outside'))
    const mode = lstatSync(join(path, 'there')).mode
    const root = real.openRoot(path)
    finishDirectory(real, root, head('made', 'new', 0o711))
    finishDirectory(real, root, head('there', 'present', 0o711))
    finishDirectory(real, root, head('link', 'new', 0o711))
    finishDirectory(real, root, head('missing', 'new', 0o711))
    real.close(root)
    assert.deepEqual([lstatSync(join(path, 'made')).mode & 0o777, lstatSync(join(path, 'there')).mode], [0o711, mode])
    for (const name of ['made', 'there'])
      assert.equal(Math.floor(lstatSync(join(path, name)).mtimeMs), 1_600_000_000_123)
    assert.deepEqual(lstatSync(join(path, 'outside')).mtimeMs, before.mtimeMs)
    assert.deepEqual(lstatSync(join(path, 'outside')).mode, before.mode)
  })
})
