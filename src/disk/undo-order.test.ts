// In which order an undo makes things durable: nothing gets a name that is not on disk, what was displaced stays until the
// names are, and its journal until all of it is. Shown by a disk that fails at one of these points.

import assert from 'node:assert/strict'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { FaultySys } from '../../test/world/faulty-sys.ts'
import { undo } from '../../test/world/one-mirror.ts'
import { allTexts, contents, facts, staging } from '../../test/world/planted.ts'
import { runB, runC, type Scenario, scenarios, twice, unsynced } from '../../test/world/two-runs.ts'
import { openTarget } from './root.ts'
import { errno } from './sys.ts'
import { systemSys } from './system.ts'
import { topChange } from './top.ts'

const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-order-'))
after(() => rmSync(home, { recursive: true, force: true }))
const real = systemSys()
const ordinary = scenarios['create, replace, delete, attributes'] as Scenario
let made = 0

/** Undoes on a disk that is faulty in this way; where everything lies then. */
async function broken(
  fault: (sys: FaultySys) => FaultySys,
  change: (target: string) => void = () => {},
): Promise<{ target: string; done: Record<string, string>; hasJournal: boolean }> {
  const { target, done } = await twice(real, join(home, `case-${++made}`), ordinary)
  change(target)
  const texts = allTexts(target)
  assert.throws(() => undo(fault(new FaultySys(real)), target, runB, runC), { code: 'sync-failed', message: /EIO/ })
  for (const text of texts) assert.ok(allTexts(target).has(text), `${text} is lost`)
  return { target, done, hasJournal: existsSync(join(target, '.nightferry/journal')) }
}

describe('an undo on a disk that fails', () => {
  it('before the names changes nothing: the journal, and what was written aside', async () => {
    for (const fault of [
      (sys: FaultySys) => sys.on('createFile', { name: 'journal', result: -errno.EIO }),
      (sys: FaultySys) => sys.on('syncHandle', { nth: 1, result: -errno.EIO }),
      (sys: FaultySys) => sys.on('createFile', { name: 'part-000000', result: -errno.EIO }),
      (sys: FaultySys) => sys.on('syncFileSystem', { nth: 1, result: -errno.EIO }),
    ]) {
      const { target, done } = await broken(fault)
      assert.deepEqual(facts(target), done)
    }
  })

  it('or whose version goes away meanwhile, changes nothing either', async () => {
    const { target, done } = await twice(real, join(home, `case-${++made}`), ordinary)
    const version = join(target, '.nightferry/versions', runB, 'files/d/replaced')
    const sys = unsynced(real).on('link', { before: () => rmSync(version, { force: true }) })
    assert.throws(() => undo(sys, target, runB, runC), {
      code: 'target-not-writable',
      message: /d\/replaced .*not readable/,
    })
    assert.deepEqual(facts(target), done)
  })

  it('tells what it did not do after all, so that its own undo lets that be', async () => {
    const { target } = await twice(real, join(home, `case-${++made}`), ordinary)
    const write = (): void => writeFileSync(join(target, 'replaced'), 'a person wrote this')
    const { undone } = undo(unsynced(real).on('syncFileSystem', { before: write, result: 0 }), target, runB, runC)
    assert.deepEqual(
      undone?.problems.map(({ path, code }) => `${path}: ${code}`),
      ['replaced: target-changed'],
    )
    assert.deepEqual(undo(unsynced(real), target, runC, '20260104T000000000Z-dddddddd').conflicts, [])
    assert.equal(contents(target).replaced, 'a person wrote this')
    assert.equal(contents(target)['d/replaced'], 'the newer version')
  })

  it('after the names lets go of nothing that was displaced', async () => {
    const { target, hasJournal } = await broken((sys) => sys.on('syncFileSystem', { nth: 2, result: -errno.EIO }))
    assert.ok(hasJournal)
    assert.ok(staging(target).length > 0)
  })

  it('after that keeps the journal of it', async () => {
    const { hasJournal } = await broken((sys) => sys.on('syncFileSystem', { nth: 3, result: -errno.EIO }))
    assert.ok(hasJournal)
  })

  it('adds to the journal of a group that has landed where that can not go, and loses nothing', async () => {
    for (const sticky of [false, true]) {
      const { target, before } = await twice(real, join(home, `case-${++made}`), ordinary)
      const texts = allTexts(target)
      // The first one is that of opening the target.
      const sys = unsynced(real).on('unlink', { name: 'journal', nth: 2, sticky, result: -errno.EIO })
      assert.equal(undo(sys, target, runB, runC, 1000).undone?.isStopped, false)
      assert.equal(existsSync(join(target, '.nightferry/journal')), sticky)
      openTarget(unsynced(real), target, { create: true, machine: 'test', expectedId: undefined }).close()
      assert.deepEqual(facts(target), before)
      for (const text of texts) assert.ok(allTexts(target).has(text), `${text} is lost`)
    }
  })

  it('at its end says so: what directories are, and the top folder, may not be on disk', async () => {
    // The second run gave the top folder another mode too.
    const changeTop = (target: string): void => {
      const root = real.openRoot(target)
      const change = topChange(real, root, 0o750)
      real.close(root)
      appendFileSync(join(target, '.nightferry/versions', runB, 'part-000000'), `${JSON.stringify(change)}\n`)
      chmodSync(target, 0o750)
    }
    for (const nth of [4, 5]) await broken((sys) => sys.on('syncFileSystem', { nth, result: -errno.EIO }), changeTop)
    const { target } = await twice(real, join(home, `case-${++made}`), ordinary)
    const { mode } = statSync(target)
    changeTop(target)
    // All is told before it is done, the top folder's change last of all.
    const sys = unsynced(real)
    assert.deepEqual(undo(sys, target, runB, runC).undone?.problems, [])
    assert.equal(statSync(target).mode, mode)
    const told = sys.trail.findLastIndex((line) => line.startsWith('createFile part-'))
    assert.ok(told >= 0 && told < sys.trail.lastIndexOf('setMode'))
    assert.equal(undo(unsynced(real), target, runC, '20260104T000000000Z-dddddddd').undone?.counts.attributes, 2)
    assert.equal(statSync(target).mode & 0o777, 0o750)
  })
})

describe('what an undo took aside and can neither let go nor put back', () => {
  const late = 'a person wrote this'

  /** A person writes into a directory when it was taken aside, and from then on it can't be renamed any more. */
  function stuckOn(target: string): FaultySys {
    const place = join(target, '.nightferry/staging')
    const sys = unsynced(real)
    const isIt = (slot: string): boolean => existsSync(join(place, slot, 'deep'))
    const wedge = (): void => {
      const slot = readdirSync(place).find(isIt)
      if (slot === undefined) return
      writeFileSync(join(place, slot, 'late'), late)
      sys.on('renameNoReplace', { name: slot, sticky: true, result: -errno.EIO })
    }
    return sys.on('renameNoReplace', { name: 'new', after: wedge })
  }

  it('stays where it is with its journal, whatever lands or stops after it, and the next run settles it', async () => {
    let stuck = 0
    for (let stopAt = 1, isStopped = true; isStopped; stopAt++) {
      const { target } = await twice(real, join(home, `case-${++made}`), ordinary)
      const { undone } = undo(stuckOn(target), target, runB, runC, stopAt)
      isStopped = undone?.isStopped === true
      const isStuck = undone?.problems.some(({ detail }) => detail === 'staging') === true
      assert.equal(existsSync(join(target, '.nightferry/journal')), isStuck, `stopped at ${stopAt}`)
      if (!isStuck) continue
      stuck++
      const next = openTarget(unsynced(real), target, { create: true, machine: 'test', expectedId: undefined })
      next.close()
      assert.deepEqual(next.recovered, [{ path: 'new', outcome: 'put-back' }])
      assert.equal(contents(target)['new/late'], late)
    }
    assert.ok(stuck > 1, `${stuck}`)
  })
})
