// The power goes in front of each call that changes something on the target, and the disk forgets what was not synced:
// all of it, none of it, or what chance says (test/world/lossy-disk.ts says how much less is kept here than on real disks).
// What is left holds old or new content, complete; nothing is lost; a plain run converges, even when the power goes again.

import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { assertSameTree, writeTree } from '../world/disk-trees.ts'
import { partitionOf } from '../world/link-trees.ts'
import type { Loss } from '../world/lossy-disk.ts'
import { assertNothingLost, assertOldOrNew, assertTidy, type Holding, holdingOf } from '../world/oracle.ts'
import { Simulation, type Way } from '../world/simulation.ts'
import { asksOf, type Extent, writeState } from '../world/two-states.ts'
import { casesOf, chanceFor, isLeftOut, isWhole, replay } from './options.ts'

// In memory where there is such a place: nothing here is synced for real.
const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-power-'))
after(() => rmSync(home, { recursive: true, force: true }))

describe('a power cut in front of a call', { skip: process.platform !== 'linux' && 'the disk is Linux' }, () => {
  let made = 0

  /** Two folders in sync, and edits that wait for the next run. */
  async function prepared(way: Way, extent: Extent): Promise<Simulation> {
    const simulation = new Simulation(join(home, `${++made}`), way)
    writeState(simulation.source, 0, extent)
    const first = await simulation.run({}, { attributes: asksOf(extent) })
    assert.equal(first.end?.outcome, 'done', `${first.failure?.message}`)
    writeState(simulation.source, 1, extent)
    return simulation
  }

  for (const [way, extent, sample] of [
    ['local', 'few', 8],
    ['local', 'many', 8],
    ['push', 'many', 4],
    ['local', 'linked', 6],
  ] as const) {
    const part = `power-${way}-${extent}`
    const asks = { attributes: asksOf(extent) }
    it(`${extent} changes, ${way}: old or new content stays, nothing is lost, and the next run converges`, {
      skip: isLeftOut(part),
    }, async (t) => {
      const whole = await prepared(way, extent)
      const { calls, end } = await whole.run({}, asks)
      assert.equal(end?.outcome, 'done')
      whole.close()
      t.diagnostic(`${part}: ${calls} calls`)
      assert.ok(calls > 100, `${calls} calls`)
      for (const at of casesOf(calls, sample, part)) {
        const chance = chanceFor(`${part} ${at}`)
        for (const [what, loss] of [
          ['all', 'least'],
          ['by chance', chance],
          ['by chance again', chance],
        ] as const satisfies [string, Loss][]) {
          const simulation = await prepared(way, extent)
          const { source, target } = simulation
          const [old, next] = [holdingOf(target), holdingOf(source)]
          const cut = await simulation.run({ dieAt: at, loss }, asks)
          const where = `cut in front of call ${at}, ${cut.trail.at(-1)}, ${what} lost (${replay(part, at)})`
          assert.ok(cut.died || cut.end?.outcome === 'done', where)
          assertOldOrNew(target, old, next, where)
          assertNothingLost(target, old, where)
          if (what === 'by chance again') {
            const again = await simulation.run({ dieAt: 1 + chance(calls), loss }, asks)
            assertOldOrNew(target, old, next, `${where}, and again at ${again.trail.length}`)
            assertNothingLost(target, old, `${where}, and again at ${again.trail.length}`)
          }
          const last = await simulation.run({}, asks)
          assert.match(`${last.end?.outcome}`, /^(done|unchanged)$/, `${where}: ${last.failure?.message}`)
          assertSameTree(target, source)
          if (extent === 'linked') assert.equal(partitionOf(target), partitionOf(source), where)
          assertTidy(target, where)
          assertNothingLost(target, old, where)
          simulation.close()
        }
      }
    })
  }

  const ended = 'power-ended'
  it('when a run has said done, all that it did is there', { skip: isLeftOut(ended) }, async () => {
    for (const number of casesOf(isWhole ? 60 : 2, 2, ended)) {
      const chance = chanceFor(`${ended} ${number}`)
      for (const extent of ['few', 'many'] as const) {
        for (const loss of ['least', chance] as const) {
          const simulation = new Simulation(join(home, `${++made}`), number % 2 === 0 ? 'local' : 'push')
          const { source, target } = simulation
          const where = `${extent} (${replay(ended, number)})`
          // All of it is new first, then everything changes, then little: nothing is taken away that would be synced.
          for (const edit of [
            () => writeState(source, 0, extent),
            () => writeState(source, 1, extent),
            () => writeTree(source, { 'one more': where, 'd/and one': where }),
            () => chmodSync(join(source, 'replaced'), 0o640),
          ]) {
            edit()
            const run = await simulation.run({ loss })
            assert.equal(run.end?.outcome, 'done', `${where}: ${run.failure?.message}`)
            assertSameTree(target, source)
          }
          assert.equal((await simulation.run()).end?.outcome, 'unchanged', where)
          simulation.close()
        }
      }
    }
  })

  for (const [way, extent, sample] of [
    ['local', 'few', 6],
    ['local', 'many', 6],
    ['local', 'large', 3],
    ['push', 'many', 3],
  ] as const) {
    const part = `power-none-${way}-${extent}`
    it(`${extent} changes, ${way}, without syncs: what was there is not lost, and the next run mends what is`, {
      skip: isLeftOut(part),
    }, async (t) => {
      const none = { durability: 'none' } as const
      const opened = async (): Promise<Simulation> => {
        const simulation = new Simulation(join(home, `${++made}`), way, ['no-sync'])
        writeState(simulation.source, 0, extent)
        assert.equal((await simulation.run()).end?.outcome, 'done')
        writeState(simulation.source, 1, extent)
        return simulation
      }
      const whole = await opened()
      const { calls, end, trail } = await whole.run({}, none)
      whole.close()
      assert.equal(end?.outcome, 'done')
      t.diagnostic(`${part}: ${calls} calls, ${trail.filter((call) => call.startsWith('sync')).length} of them syncs`)
      // One more than there are: the run has ended, and is told as done.
      for (const at of casesOf(calls + 1, sample, part)) {
        const chance = chanceFor(`${part} ${at}`)
        for (const [what, loss] of [
          ['all', 'least'],
          ['by chance', chance],
          ['by chance again', chance],
        ] as const satisfies [string, Loss][]) {
          const simulation = await opened()
          const { source, target } = simulation
          const old = holdingOf(target)
          const cut = await simulation.run(at > calls ? { loss } : { dieAt: at, loss }, none)
          const where = `cut in front of call ${at}, ${cut.trail.at(-1)}, ${what} lost (${replay(part, at)})`
          assert.ok(cut.died || cut.end?.outcome === 'done', where)
          assertNothingLost(target, old, where)
          if (what === 'by chance again') {
            const again = await simulation.run({ dieAt: 1 + chance(calls), loss }, none)
            assertNothingLost(target, old, `${where}, and again at ${again.trail.length}`)
          }
          const last = await simulation.run()
          assert.match(`${last.end?.outcome}`, /^(done|unchanged)$/, `${where}: ${last.failure?.message}`)
          assertSameTree(target, source)
          assertTidy(target, where)
          assertNothingLost(target, old, where)
          assert.equal((await simulation.run()).end?.outcome, 'unchanged', where)
          assert.ok(!existsSync(join(target, '.nightferry/unsynced.json')), `${where}: the doubt stays`)
          simulation.close()
        }
      }
    })
  }

  const undoing = 'power-undo'
  it('an undo: nothing is lost, and the same undo again ends it', { skip: isLeftOut(undoing) }, async (t) => {
    const brought = async (): Promise<{ simulation: Simulation; goal: Holding; run: string }> => {
      const simulation = await prepared('local', 'few')
      const goal = holdingOf(simulation.target)
      return { simulation, goal, run: `${(await simulation.run()).end?.runId}` }
    }
    const whole = await brought()
    const { calls, end } = await whole.simulation.undo(whole.run)
    assert.equal(end?.outcome, 'done')
    assert.deepEqual(holdingOf(whole.simulation.target), whole.goal)
    whole.simulation.close()
    t.diagnostic(`${undoing}: ${calls} calls`)
    for (const at of casesOf(calls, 4, undoing)) {
      const chance = chanceFor(`${undoing} ${at}`)
      for (const loss of ['least', chance] as const) {
        const { simulation, goal, run } = await brought()
        const { target } = simulation
        const old = holdingOf(target)
        const cut = await simulation.undo(run, { dieAt: at, loss })
        const where = `cut in front of call ${at}, ${cut.trail.at(-1)} (${replay(undoing, at)})`
        assertOldOrNew(target, old, goal, where)
        for (const held of [old, goal]) assertNothingLost(target, held, where)
        const again = await simulation.undo(run)
        assert.match(`${again.end?.outcome}`, /^(done|nothing)$/, `${where}: ${JSON.stringify(again.end?.conflicts)}`)
        assert.deepEqual(holdingOf(target), goal, where)
        for (const held of [old, goal]) assertNothingLost(target, held, where)
        simulation.close()
      }
    }
  })
})
