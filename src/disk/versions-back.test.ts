// Old versions that come back: exactly, beside what is there, and never over it; machines that die meanwhile.

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Death } from '../../test/world/faulty-sys.ts'
import { allTexts, contents, facts } from '../../test/world/planted.ts'
import { mirrors, quick, restoreAll, sought, text, withStore } from '../../test/world/version-stores.ts'
import type { RelPath } from '../core/path.ts'
import { findTarget, findTyped } from './find-target.ts'
import { openTarget } from './root.ts'
import { errno, type Sys } from './sys.ts'

const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-back-'))
after(() => rmSync(home, { recursive: true, force: true }))

const runA = '20260101T000000000Z-aaaaaaaa'
const runB = '20260102T000000000Z-bbbbbbbb'
const runC = '20260103T000000000Z-cccccccc'

let made = 0
function twoFolders(): { source: string; target: string } {
  const path = join(home, `case-${++made}`)
  mkdirSync(path)
  return { source: join(path, 'source'), target: join(path, 'target') }
}

describe('bringing versions back', () => {
  const deleted = async (): Promise<{ source: string; target: string }> => {
    const folders = twoFolders()
    await mirrors(folders, {
      [runA]: {
        f: text('one', 1e12),
        'd/e/g': { text: 'g', mode: 0o640 },
        'd/e/link': { link: 'x' },
        'd/empty': {},
        s: 's',
      },
      [runB]: { f: text('two', 1.1e12), s: 's' },
      [runC]: { f: text('three', 1.2e12), s: 's' },
    })
    return folders
  }
  const bring = (
    target: string,
    path: string,
    options: { run?: string; as?: string; sys?: Sys } = {},
  ): ReturnType<typeof restoreAll> => {
    const { sys = quick(), run, as = path } = options
    const root = openTarget(sys, target, { create: true, machine: 'test', expectedId: undefined })
    try {
      const handles = { target: root.handle, staging: root.own?.staging ?? -1 }
      return withStore(
        target,
        (store) => {
          const options = { sought: sought(store, path as RelPath, run), path: path as RelPath, as: as as RelPath }
          return restoreAll(sys, store, handles, options)
        },
        sys,
      )
    } finally {
      root.close()
    }
  }

  it('restores a directory with all below it, exactly, and leaves the version where it is', async () => {
    const folders = await deleted()
    const { restored, existing, problems } = bring(folders.target, 'd')
    assert.deepEqual([restored, existing, problems], [3, [], []])
    const now = facts(folders.target)
    assert.match(String(now['d/e/g']), /^g 640 1600000000000$/)
    assert.match(String(now['d/e/link']), /^-> x/)
    assert.equal(now['d/empty']?.startsWith('/'), true)
    const again = bring(folders.target, 'd')
    assert.deepEqual([again.restored, again.existing.length], [0, 3])
    rmSync(join(folders.target, 'd'), { recursive: true })
    assert.equal(bring(folders.target, 'd').restored, 3)
  })

  it('takes the newest, or the named run, and never overwrites', async () => {
    const folders = await deleted()
    assert.deepEqual(bring(folders.target, 'f').existing, ['f'])
    assert.equal(contents(folders.target).f, 'three')
    assert.equal(bring(folders.target, 'f', { as: 'newest' }).restored, 1)
    assert.equal(bring(folders.target, 'f', { as: 'oldest', run: runB }).restored, 1)
    assert.deepEqual([contents(folders.target).newest, contents(folders.target).oldest], ['two', 'one'])
    // Someone takes the name between the look and the change.
    const sys = quick()
    sys.on('renameNoReplace', {
      name: 'taken',
      before: () => writeFileSync(join(folders.target, 'taken'), 'a person was quicker'),
    })
    assert.deepEqual(bring(folders.target, 'f', { as: 'taken', sys }).existing, ['taken'])
    assert.equal(contents(folders.target)['taken'], 'a person was quicker')
  })

  it('tells what can not be written, and leaves nothing half', async () => {
    const folders = await deleted()
    const before = facts(folders.target)
    for (const [call, code] of [
      ['createFile', -errno.ENOSPC],
      ['write', -errno.ENOSPC],
      ['setMode', -errno.EPERM],
    ] as const) {
      const sys = quick().on(call, {
        sticky: true,
        nth: call === 'createFile' ? 2 : 1,
        result: code,
      })
      const { problems } = bring(folders.target, 'd/e/g', { as: 'back', sys })
      assert.equal(problems.length, 1, call)
      assert.deepEqual(facts(folders.target), before)
    }
    const sys = quick().on('openFile', { name: 'part-000001', sticky: true, result: -errno.EIO })
    assert.throws(() => bring(folders.target, 'd/e/g', { as: 'back', sys }), /can't be read/)
  })

  it('leaves old or new when the machine dies', async () => {
    const trial = await deleted()
    const whole = quick()
    bring(trial.target, 'd', { sys: whole })
    for (let change = 1; change <= whole.changes; change++) {
      const { target } = await deleted()
      const sys = quick().dieAt(change)
      assert.throws(() => bring(target, 'd', { sys }), Death)
      sys.bury()
      const g = contents(target)['d/e/g']
      assert.ok(g === undefined || g === 'g', `dead at change ${change}`)
      assert.ok(allTexts(target).has('g'))
      bring(target, 'd')
      assert.equal(contents(target)['d/e/g'], 'g')
      assert.equal(contents(target)['d/e/link'], '-> x')
    }
  })

  it('finds the target of a path, also of one that is gone, and follows no link within', async () => {
    const folders = await deleted()
    const { target } = folders
    assert.deepEqual(findTyped(join(target, 'd/e/g')), { rootPath: target, path: 'd/e/g' })
    assert.deepEqual(findTyped(target), { rootPath: target, path: '' })
    assert.equal(findTyped(join(target, '..')), undefined)
    symlinkSync(target, join(target, '../way'))
    assert.deepEqual(findTyped(join(target, '../way/gone/file')), { rootPath: target, path: 'gone/file' })
    mkdirSync(join(target, 's2'))
    assert.equal(findTarget(join(target, '..'), ['way', 'f']), undefined)
    assert.deepEqual(findTarget(target, ['s2', 'x']), { rootPath: target, path: 's2/x' })
    assert.equal(findTarget(target, ['.nightferry', 'x']), undefined)
  })
})
