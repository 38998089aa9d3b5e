// Undo over chance: a run that moved folders and files about and edited some, undone, the undo undone, and that undone too.
// Each time the target is to the last bit what it was, and asking again finds nothing to do.

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { chanceOf, editTree, growTree, moveFolders, readTree } from '../../test/world/disk-trees.ts'
import { FaultySys } from '../../test/world/faulty-sys.ts'
import { type MirrorOptions, mirror, undo } from '../../test/world/one-mirror.ts'
import { systemSys } from './system.ts'

const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-undo-chance-'))
after(() => rmSync(home, { recursive: true, force: true }))

const runA = '20260101T000000000Z-aaaaaaaa'
const runB = '20260102T000000000Z-bbbbbbbb'

/** Without syncs, which no test of this file is about. */
function sysOf(): FaultySys {
  const quiet = { sticky: true, result: 0 }
  return new FaultySys(systemSys()).on('syncFileSystem', quiet).on('syncHandle', quiet)
}

it('an undo reverses a run, and its own undo, whatever moved and changed', async () => {
  let renamed = 0
  for (let seed = 1; seed <= 20; seed++) {
    const chance = chanceOf(seed)
    const [source, target] = [join(home, `source-${seed}`), join(home, `target-${seed}`)]
    mkdirSync(source)
    growTree(chance, source, 40)
    const options = (run: string): MirrorOptions => ({ sys: sysOf(), source, target, run })
    const first = await mirror(options(runA))
    const before = readTree(target)
    moveFolders(chance, source)
    editTree(chance, source, 6)
    const second = await mirror({ ...options(runB), before: first })
    renamed += second.renamed
    const done = readTree(target)
    const runs = [runB, ...[3, 4, 5].map((day) => `2026010${day}T000000000Z-cccccccc`)]
    for (const [i, run] of runs.slice(0, -1).entries()) {
      const at = `seed ${seed}, undo ${i + 1}`
      const { conflicts, undone } = undo(sysOf(), target, run, runs[i + 1] ?? '')
      assert.deepEqual(conflicts, [], at)
      assert.deepEqual(undone?.problems, [], at)
      assert.deepEqual(readTree(target), i % 2 === 0 ? before : done, at)
      const again = undo(sysOf(), target, run, `2026010${i + 6}T000000000Z-dddddddd`)
      assert.deepEqual(again.conflicts, [], `${at}, asked for again`)
      assert.deepEqual(again.undone?.isBegun ?? false, false, at)
    }
  }
  assert.ok(renamed > 30, `${renamed} renames`)
})
