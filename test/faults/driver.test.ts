// A driver that dies when the target has finished, and before it has noted anything of that itself: the target may have kept
// what it is, and is closed, while the driver knows what it knew before. Nothing is lost by that and nothing is done twice;
// what changes at the source afterwards arrives, whatever it looks like.

import assert from 'node:assert/strict'
import { existsSync, lstatSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { assertSameTree } from '../world/disk-trees.ts'
import { assertNothingLost, assertTidy, holdingOf } from '../world/oracle.ts'
import { Simulation, type Way } from '../world/simulation.ts'
import { writeState } from '../world/two-states.ts'

const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-driver-'))
after(() => rmSync(home, { recursive: true, force: true }))

/** Other content of the same size under the same time, as a tool writes that sets times. */
function editUnseen(path: string, text: string): void {
  const { atime, mtime, size } = lstatSync(path)
  assert.equal(text.length, size)
  writeFileSync(path, text)
  utimesSync(path, atime, mtime)
}

for (const way of ['local', 'push', 'pull'] as const satisfies Way[]) {
  describe(`a driver that dies when the target has finished, ${way}`, {
    skip: process.platform !== 'linux' && 'the disk is Linux',
  }, () => {
    let made = 0

    async function prepared(): Promise<Simulation> {
      const simulation = new Simulation(join(home, `${way}-${++made}`), way)
      writeState(simulation.source, 0, 'many')
      writeFileSync(join(simulation.source, 'unseen'), 'version 0')
      utimesSync(join(simulation.source, 'unseen'), 1e9, 1e9)
      assert.equal((await simulation.run()).end?.outcome, 'done')
      return simulation
    }

    it('finds nothing to do, and then nothing changed', async () => {
      const simulation = await prepared()
      const { source, target } = simulation
      for (let state = 1; state < 4; state++) {
        const old = holdingOf(target)
        writeState(source, state, 'many')
        assert.equal((await simulation.run({ forgets: true })).end?.outcome, 'done')
        assertSameTree(target, source)
        assertNothingLost(target, old, `state ${state}`)
        const next = await simulation.run()
        assert.deepEqual([next.end?.outcome, next.failure], ['unchanged', undefined])
        assert.equal((await simulation.run()).end?.outcome, 'unchanged')
        assertTidy(target, `state ${state}`)
      }
      simulation.close()
    })

    it('is followed by a run that brings what changed since, and only that', async () => {
      const simulation = await prepared()
      const { source, target } = simulation
      writeState(source, 1, 'many')
      await simulation.run({ forgets: true })
      writeFileSync(join(source, 'stays'), 'it did not stay')
      rmSync(join(source, 'replaced'))
      const { end } = await simulation.run()
      const { replaced, deleted, created, renamed } = end?.counts ?? {}
      assert.deepEqual([end?.outcome, replaced, deleted, created, renamed], ['done', 1, 1, 0, 0])
      assertSameTree(target, source)
      simulation.close()
    })

    it('hides no edit under an old time: neither one that it brought, nor the next', async () => {
      const simulation = await prepared()
      const { source, target } = simulation
      for (let version = 1; version < 4; version++) {
        editUnseen(join(source, 'unseen'), `version ${version}`)
        const { end, failure } = await simulation.run({ ...(version < 3 && { forgets: true }) })
        assert.deepEqual([end?.outcome, failure], ['done', undefined], `version ${version}`)
        assertSameTree(target, source)
      }
      simulation.close()
    })
  })
}
