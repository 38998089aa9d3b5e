// In which order an undo makes things durable: nothing gets a name that is not on disk, what was displaced stays until the
// names are, and its journal until all of it is. Shown by a disk that fails at one of these points.

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { FaultySys } from '../../test/world/faulty-sys.ts'
import { undo } from '../../test/world/one-mirror.ts'
import { allTexts, facts, staging } from '../../test/world/planted.ts'
import { runB, runC, type Scenario, scenarios, twice } from '../../test/world/two-runs.ts'
import { errno } from './sys.ts'
import { systemSys } from './system.ts'

const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-order-'))
after(() => rmSync(home, { recursive: true, force: true }))
const real = systemSys()
let made = 0

/** Undoes on a disk that is faulty in this way; where everything lies then. */
async function broken(
  fault: (sys: FaultySys) => FaultySys,
): Promise<{ target: string; done: Record<string, string>; hasJournal: boolean }> {
  const { target, done } = await twice(
    real,
    join(home, `case-${++made}`),
    scenarios['create, replace, delete, attributes'] as Scenario,
  )
  const texts = allTexts(target)
  assert.throws(() => undo(fault(new FaultySys(real)), target, runB, runC), { code: 'sync-failed' })
  for (const text of texts) assert.ok(allTexts(target).has(text), `${text} is lost`)
  return { target, done, hasJournal: existsSync(join(target, '.nightferry/journal')) }
}

describe('an undo on a disk that fails', () => {
  it('before the names changes nothing: the journal, and what was written aside', async () => {
    for (const fault of [
      (sys: FaultySys) => sys.on('createFile', { name: 'journal', result: -errno.EIO }),
      (sys: FaultySys) => sys.on('syncHandle', { nth: 1, result: -errno.EIO }),
      (sys: FaultySys) => sys.on('syncFileSystem', { nth: 1, result: -errno.EIO }),
    ]) {
      const { target, done } = await broken(fault)
      assert.deepEqual(facts(target), done)
    }
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
})
