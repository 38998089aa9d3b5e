// A source hands content over as long as its run lasts and its seats work: when the run is over it sends nothing more, and
// where a pack can't be filled, nobody waits for it.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { plant } from '../../test/world/planted.ts'
import type { Flow } from '../core/flow.ts'
import type { RelPath } from '../core/path.ts'
import { openSource } from '../disk/root.ts'
import { systemSys } from '../disk/system.ts'
import { type DiskTasks, tasks } from '../disk/tasks.ts'
import { encodeWants } from '../disk/wants.ts'
import { openState, type State } from '../state/open.ts'
import { newRunId } from '../state/runs.ts'
import { systemClock } from '../std/clock.ts'
import { type Crew, Handover, type Seat } from '../std/crew.ts'
import { Failure } from '../std/failure.ts'
import { LocalSource } from './local-source.ts'
import { SlabStore } from './slabs.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-local-'))
after(() => rmSync(home, { recursive: true, force: true }))
let made = 0

type Held = { readonly source: LocalSource; readonly state: State; fails: boolean }

/** A scanned source of two files of three megabytes, whose seat fails to fill packs once `fails` is set. */
async function held(flow: Flow): Promise<Held> {
  const path = join(home, `case-${++made}`)
  plant(path, { a: 'a'.repeat(3_000_000), b: 'b'.repeat(3_000_000) })
  const seat: Seat<DiskTasks> = {
    isStarted: true,
    tell: (name, input) => void (tasks[name] as (input: unknown) => unknown)(input),
    async run(name, input) {
      if (name === 'fill' && one.fails) throw new Failure('disk-error', 'this seat fills nothing')
      const result: unknown = (tasks[name] as (input: unknown) => unknown)(input)
      return (result instanceof Handover ? result.value : result) as never
    },
  }
  const crew: Crew<DiskTasks> = { seats: [seat], hold: () => 0, release: () => {}, close: async () => {} }
  const state = openState({ directory: `${path}-state`, clock: systemClock })
  const log = { note: () => {}, flush: () => {} }
  const workshop = { crew, slabs: new SlabStore(crew), state, clock: systemClock, log, machine: 'here' }
  const options = { treeKey: `source ${path}`, isApart: true, runId: newRunId(systemClock), flow }
  const source = new LocalSource(workshop, openSource(systemSys(), path), options)
  const one: Held = { source, state, fails: false }
  await source.scan({ overrides: [], ignoreFiles: [] })
  return one
}

const wants = (name: string): Uint8Array => encodeWants([{ path: '' as RelPath, names: [name] }])

it('sends nothing more once the run is over, under a limit too', async () => {
  for (const flow of [
    { rateBytes: undefined, compress: 'off' },
    { rateBytes: 1000, compress: 'off' },
  ] as const) {
    const { source, state } = await held(flow)
    let packs = 0
    const supplied = source.supply(0, wants('a'), async () => {
      packs++
      source.stop()
    })
    await assert.rejects(supplied, (error) => error instanceof Failure && error.code === 'cancelled')
    assert.equal(packs, 1)
    await source.close(false)
    state[Symbol.dispose]()
  }
})

it('lets nobody wait for packs that could not be filled', { timeout: 20_000 }, async () => {
  const one = await held({ rateBytes: undefined, compress: 'auto' })
  one.fails = true
  const supplies = ['a', 'b', 'a', 'b'].map((name, batch) => one.source.supply(batch, wants(name), async () => {}))
  for (const supplied of await Promise.allSettled(supplies)) {
    assert.ok(supplied.status === 'rejected' && supplied.reason.code === 'disk-error', supplied.status)
  }
  // Fifteen at once, more than one source may have under way: no slab was kept either.
  const more = Array.from({ length: 15 }, (_, batch) => one.source.supply(batch, wants('a'), async () => {}))
  for (const supplied of await Promise.allSettled(more)) assert.equal(supplied.status, 'rejected')
  await one.source.close(false)
  one.state[Symbol.dispose]()
})
