// kill -9 in front of each single system call that changes something, SQLite's own among them, of real processes: of a
// run between two folders, of the driver and of the daemon of a run between two machines, either way round. Whichever it
// was: names hold old or new content, nothing is lost, the state database is whole, and a plain run converges.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertNothingLost, assertOldOrNew, assertStateWhole, holdingOf } from '../world/oracle.ts'
import { noTracing } from '../world/traced.ts'
import { casesOf, isLeftOut, replay } from './options.ts'
import { Scene } from './scene.ts'

describe('a process that is killed in front of a system call', { skip: noTracing }, () => {
  for (const [way, side, extent, sample] of [
    ['local', 'driver', 'few', 4],
    ['local', 'driver', 'many', 4],
    ['push', 'daemon', 'many', 3],
    ['push', 'driver', 'few', 1],
    ['pull', 'driver', 'few', 2],
    ['pull', 'daemon', 'few', 1],
  ] as const) {
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
})
