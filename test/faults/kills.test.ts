// kill -9 in front of each single system call that changes something, SQLite's own among them, of real processes: of a
// run between two folders, of the driver and of the daemon of a run between two machines, either way round. Whichever it
// was: names hold old or new content, nothing is lost, the state database is whole, and a plain run converges.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertNothingLost, assertOldOrNew, assertStateWhole, type Holding, holdingOf } from '../world/oracle.ts'
import { noTracing } from '../world/traced.ts'
import { casesOf, isLeftOut, isWhole, replay } from './options.ts'
import { Scene } from './scene.ts'

describe('a process that is killed in front of a system call', { skip: noTracing }, () => {
  for (const [way, side, extent, sample] of [
    ['local', 'driver', 'few', 2],
    ['local', 'driver', 'many', 0],
    ['push', 'daemon', 'many', 1],
    ['push', 'driver', 'few', 0],
    ['pull', 'driver', 'few', 1],
    ['pull', 'daemon', 'few', 0],
  ] as const) {
    if (sample === 0 && !isWhole) continue
    const part = `kills-${way}-${side}-${extent}`
    it(`the ${side} of a ${way} run, ${extent} changes: nothing is lost, and a plain run converges`, {
      skip: isLeftOut(part),
    }, async (t) => {
      const scene = await new Scene(way, extent).open()
      try {
        scene.nextState()
        const { report, run } = await scene.traced(side)
        assert.equal(run.code, 0, run.stdout + run.stderr)
        const { calls } = report
        t.diagnostic(`${part}: ${calls.length} calls`)
        assert.ok(calls.length > 20, calls.join('\n'))
        let hits = 0
        for (const at of casesOf(calls.length, sample, part)) {
          scene.nextState()
          const [old, next] = [holdingOf(scene.target), holdingOf(scene.source)]
          const killed = await scene.traced(side, { at, how: 'KILL' })
          const { hit } = killed.report
          const where = `killed in front of call ${at}, ${hit} (${replay(part, at)})`
          if (hit !== undefined) hits++
          assertOldOrNew(scene.target, old, next, where)
          assertNothingLost(scene.target, old, where)
          assertStateWhole((side === 'driver' ? scene.laptop : scene.nas).state, where)
          await scene.converges(where)
          assertNothingLost(scene.target, old, where)
        }
        assert.ok(hits > 0, 'no run was cut short: nothing was shown')
      } finally {
        await scene.close()
      }
    })
  }

  const part = 'kills-undo'
  it('an undo: nothing is lost, and the same undo again ends it', { skip: isLeftOut(part) }, async (t) => {
    const scene = await new Scene('local', 'few').open()
    const { laptop, target, launcher } = scene
    /** Undoes the last run, of which `goal` is what was there before; in front of call `at` it is killed. */
    const undo = async (run: string, goal: Holding, at?: number): Promise<readonly string[]> => {
      const old = holdingOf(target)
      const trace = launcher.next([laptop.state, target], at === undefined ? undefined : { at, how: 'KILL' })
      await laptop.run('undo', run)
      const where = `killed in front of call ${at}, ${trace.report().hit} (${replay(part, at ?? 1)})`
      assertOldOrNew(target, old, goal, where)
      for (const held of [old, goal]) assertNothingLost(target, held, where)
      assertStateWhole(laptop.state, where)
      const again = await laptop.run('undo', run)
      assert.equal(again.code, 0, `${where}: ${again.stdout}${again.stderr}`)
      assert.deepEqual(holdingOf(target), goal, where)
      for (const held of [old, goal]) assertNothingLost(target, held, where)
      return trace.report().calls
    }
    /** A run that brings the target on, or again; its id. */
    const bring = async (): Promise<string> => {
      const held = await scene.sync()
      const run = held.outcome === 'halted' ? await laptop.sync('--release', ...scene.ends) : held
      assert.equal(run.outcome, 'done', run.stdout + run.stderr)
      return `${run.lines[0]?.runId}`
    }
    try {
      const goal = holdingOf(target)
      scene.nextState()
      const calls = await undo(await bring(), goal)
      t.diagnostic(`${part}: ${calls.length} calls`)
      for (const at of casesOf(calls.length, 1, part)) await undo(await bring(), goal, at)
    } finally {
      await scene.close()
    }
  })
})
