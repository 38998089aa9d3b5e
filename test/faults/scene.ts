// A mirror between two folders, here or on two machines, by real processes, that is brought from state to state; either
// side may run under the tracer.

import assert from 'node:assert/strict'
import { mkdirSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertSameTree } from '../world/disk-trees.ts'
import { partitionOf } from '../world/link-trees.ts'
import { type Machine, type Synced, World } from '../world/machines.ts'
import { assertTidy } from '../world/oracle.ts'
import { TracingLauncher } from '../world/traced.ts'
import type { TraceFault, TraceReport } from '../world/tracer.ts'
import { asksOf, type Extent, writeState } from '../world/two-states.ts'

export type Way = 'local' | 'push' | 'pull'
export type Side = 'driver' | 'daemon'

export class Scene {
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

  /** In sync, at the first state; or with an empty target. Where there is a daemon, it is not running. */
  async open(first: 'in sync' | 'empty' = 'in sync'): Promise<this> {
    this.nextState()
    if (this.way !== 'local') {
      await this.nas.serve()
      await this.nas.must('share', 'add', 'there', this.way === 'pull' ? this.source : this.target)
      await this.nas.pairWith(this.laptop)
    }
    if (first === 'in sync') assert.equal((await this.sync()).outcome, 'done')
    if (this.way !== 'local') await this.nas.stop()
    return this
  }

  nextState(): void {
    writeState(this.source, this.#state++, this.extent)
  }

  sync(...more: readonly string[]): Promise<Synced> {
    const asks = asksOf(this.extent) === 0 ? [] : ['--hard-links']
    return this.laptop.sync('--max-delete', '100%', ...asks, ...more, ...this.ends)
  }

  /** As before the first run. */
  empty(): void {
    rmSync(this.target, { recursive: true, force: true })
    mkdirSync(this.target)
  }

  /** A run of which one side is traced. */
  async traced(
    side: Side,
    fault?: TraceFault,
    ...more: readonly string[]
  ): Promise<{ report: TraceReport; run: Synced }> {
    const [machine, isTarget] = side === 'driver' ? [this.laptop, this.way !== 'push'] : [this.nas, this.way === 'push']
    const watch = [machine.state, ...(isTarget ? [this.target] : [])]
    if (this.way === 'local' || side === 'driver') {
      const daemon = this.way === 'local' ? undefined : await this.nas.serve()
      const trace = this.launcher.next(watch, fault)
      const run = await this.sync(...more)
      if (daemon !== undefined) await this.nas.stop()
      return { report: trace.report(), run }
    }
    const trace = this.launcher.next(watch, fault)
    // It may die while it starts.
    const daemon = await this.nas.serve().catch(() => undefined)
    const run = await this.sync(...more)
    if (daemon !== undefined) {
      await trace.end()
      await daemon.ended
    }
    return { report: trace.report(), run }
  }

  /** A plain run, as a person would type it next. */
  async converges(where: string, ...more: readonly string[]): Promise<void> {
    if (this.way !== 'local') await this.nas.serve()
    let run = await this.sync(...more)
    for (let tries = 0; run.code === 11 && tries < 50; tries++) {
      await sleep(100)
      run = await this.sync(...more)
    }
    if (this.way !== 'local') await this.nas.stop()
    assert.equal(run.code, 0, `${where}: ${run.stdout}${run.stderr}`)
    assertSameTree(this.target, this.source)
    if (asksOf(this.extent) !== 0) assert.equal(partitionOf(this.target), partitionOf(this.source), where)
    assertTidy(this.target, where)
  }

  async close(): Promise<void> {
    await this.world.close()
    this.launcher.close()
  }
}
