// kill -9 in front of each single system call that changes something, SQLite's own among them, of real processes: of a
// run between two folders, of the driver and of the daemon of a run between two machines, either way round. Whichever it
// was: names hold old or new content, nothing is lost, the state database is whole, and a plain run converges.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertSameTree } from '../world/disk-trees.ts'
import { type Machine, type Synced, World } from '../world/machines.ts'
import { assertNothingLost, assertOldOrNew, assertStateWhole, assertTidy, holdingOf } from '../world/oracle.ts'
import { noTracing, TracingLauncher } from '../world/traced.ts'
import type { TraceFault, TraceReport } from '../world/tracer.ts'
import { type Extent, writeState } from '../world/two-states.ts'
import { casesOf, replay } from './options.ts'

type Way = 'local' | 'push' | 'pull'
type Side = 'driver' | 'daemon'

/** Two machines, or one, and a mirror that is brought from state to state. */
class Scene {
  readonly launcher = new TracingLauncher()
  readonly world: World = new World({ launcher: this.launcher.path })
  readonly laptop: Machine = this.world.machine('laptop')
  readonly nas: Machine = this.world.machine('nas')
  readonly way: Way
  readonly extent: Extent
  readonly source: string
  readonly target: string
  readonly ends: readonly [string, string]
  #state = 0

  constructor(way: Way, extent: Extent) {
    this.way = way
    this.extent = extent
    const [here, there] = [this.world.folder('here'), this.world.folder('there')]
    const far = way === 'local' ? there : 'nas:there'
    const [source, target] = way === 'pull' ? [there, here] : [here, there]
    this.source = source
    this.target = target
    this.ends = way === 'pull' ? [far, here] : [here, far]
  }

  /** In sync, at the first state. Where there is a daemon, it is not running. */
  async open(): Promise<this> {
    this.nextState()
    if (this.way !== 'local') {
      await this.nas.serve()
      await this.nas.must('share', 'add', 'there', this.way === 'pull' ? this.source : this.target)
      await this.nas.pairWith(this.laptop)
    }
    await this.laptop.mustSync('done', ...this.ends)
    if (this.way !== 'local') await this.nas.stop()
    return this
  }

  nextState(): void {
    writeState(this.source, this.#state++, this.extent)
  }

  sync(): Promise<Synced> {
    return this.laptop.sync('--max-delete', '100%', ...this.ends)
  }

  /** A run of which one side is traced. */
  async traced(side: Side, fault?: TraceFault): Promise<{ report: TraceReport; run: Synced }> {
    const [machine, isTarget] =
      side === 'driver' ? [this.laptop, this.way !== 'push'] : [this.nas, this.way === 'push']
    const watch = [machine.state, ...(isTarget ? [this.target] : [])]
    if (this.way === 'local' || side === 'driver') {
      const daemon = this.way === 'local' ? undefined : await this.nas.serve()
      const trace = this.launcher.next(watch, fault)
      const run = await this.sync()
      if (daemon !== undefined) await this.nas.stop()
      return { report: trace.report(), run }
    }
    const trace = this.launcher.next(watch, fault)
    // It may die while it starts.
    const daemon = await this.nas.serve().catch(() => undefined)
    const run = await this.sync()
    if (daemon !== undefined) {
      await trace.end()
      await daemon.ended
    }
    return { report: trace.report(), run }
  }

  /** A plain run, as a person would type it next. */
  async converges(where: string): Promise<void> {
    if (this.way !== 'local') await this.nas.serve()
    let run = await this.sync()
    for (let tries = 0; run.code === 11 && tries < 50; tries++) {
      await sleep(100)
      run = await this.sync()
    }
    if (this.way !== 'local') await this.nas.stop()
    assert.equal(run.code, 0, `${where}: ${run.stdout}${run.stderr}`)
    assertSameTree(this.target, this.source)
    assertTidy(this.target, where)
  }

  async close(): Promise<void> {
    await this.world.close()
    this.launcher.close()
  }
}

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
    it(`the ${side} of a ${way} run, ${extent} changes: nothing is lost, and a plain run converges`, async (t) => {
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
