// An undelete that is stopped within a copy, or left between two versions: nothing stays aside, no handle stays open, what
// came has its name and the times of its folders, and another one brings the rest.

import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { contents } from '../../test/world/planted.ts'
import { mirrors, restoreAll, sought, text, withStore } from '../../test/world/version-stores.ts'
import type { RelPath } from '../core/path.ts'
import { Stop, stopOf } from '../std/stop.ts'
import { Restore, type RestoreHandles } from './restore.ts'
import { openTarget } from './root.ts'
import { sysUntilStopped } from './stoppable.ts'
import { errno, type Sys } from './sys.ts'
import { systemSys } from './system.ts'
import type { Store } from './versions.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-restore-'))
after(() => rmSync(home, { recursive: true, force: true }))
const [runA, runB, runC] = ['a', 'b', 'c'].map((word) => `20260101T000000000Z-${word.repeat(8)}`) as [
  string,
  string,
  string,
]
const path = 'd' as RelPath
const large = 'l'.repeat(5 << 20)
let made = 0

async function prepare(): Promise<string> {
  const folders = { source: join(home, `${++made}/source`), target: join(home, `${made}/target`) }
  await mirrors(folders, {
    [runA]: { 'd/a': text('first', 1e12), 'd/b': large, 'd/c': 'c', s: 's' },
    [runB]: { 'd/a': text('second', 1.1e12), 'd/b': large, 'd/c': 'c', s: 's' },
    [runC]: { s: 's' },
  })
  return folders.target
}

function withTarget<Result>(target: string, work: (store: Store, handles: RestoreHandles) => Result): Result {
  const root = openTarget(systemSys(), target, { create: true, machine: 'test', expectedId: undefined })
  try {
    return withStore(target, (store) => work(store, { target: root.handle, staging: root.own?.staging ?? -1 }))
  } finally {
    root.close()
  }
}

function handlesNow(): number {
  return readdirSync('/proc/self/fd').length
}

describe('an undelete', () => {
  it('that is stopped within a copy leaves nothing of it, and what came before', {
    skip: process.platform !== 'linux',
  }, async () => {
    const target = await prepare()
    const stop = new Stop()
    const real = systemSys()
    let pieces = 0
    const counting: Sys = {
      ...real,
      clone: () => -errno.EOPNOTSUPP,
      read(...input) {
        const count = real.read(...input)
        if (count === 1 << 20 && ++pieces === 2) stop.set()
        return count
      },
    }
    withTarget(target, (store, handles) => {
      const before = handlesNow()
      const restore = new Restore(sysUntilStopped(counting, stopOf(stop.memory)), store, handles, {
        sought: sought(store, path),
        path,
        as: path,
      })
      assert.throws(
        () => {
          while (restore.next() !== undefined);
        },
        { code: 'cancelled' },
      )
      restore.end()
      assert.deepEqual(restore.take().brought, [{ path: 'd/a', run: runC, sizeBytes: 6 }])
      assert.equal(handlesNow(), before)
    })
    assert.deepEqual(readdirSync(join(target, '.nightferry/staging')), [])
    assert.deepEqual(contents(target), { d: '/', 'd/a': 'second', s: 's' })
    const kept = join(target, `.nightferry/versions/${runC}/files/d`)
    assert.equal(statSync(join(target, 'd')).mtimeMs, statSync(kept).mtimeMs)
    const rest = withTarget(target, (store, handles) =>
      restoreAll(real, store, handles, { sought: sought(store, path), path, as: path }),
    )
    assert.deepEqual([rest.existing, rest.restored, rest.problems], [['d/a'], 2, []])
    assert.deepEqual(contents(target), { d: '/', 'd/a': 'second', 'd/b': large, 'd/c': 'c', s: 's' })
  })

  it('that is left between two versions has told each once, and only the newest of a path', async () => {
    const target = await prepare()
    withTarget(target, (store, handles) => {
      const restore = new Restore(systemSys(), store, handles, { sought: sought(store, path), path, as: path })
      const told: string[] = []
      for (let size = restore.next(); size !== undefined; size = restore.next())
        told.push(...restore.take().brought.map((one) => `${one.path} ${one.run}`))
      assert.deepEqual(told, [`d/a ${runC}`, `d/b ${runC}`, `d/c ${runC}`])
      restore.end()
      restore.end()
      assert.deepEqual(restore.take(), { brought: [], existing: [], problems: [] })
    })
    assert.equal(contents(target)['d/a'], 'second')
  })
})
