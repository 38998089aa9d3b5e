// A target holds its own line, whatever the driver of a run says: what was announced, what its owner allows, whose turn it
// is, and what was asked for.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { contents, plant } from '../../test/world/planted.ts'
import { seatHere } from '../../test/world/seat-here.ts'
import { batchBytes, change, create, head, pack } from '../../test/world/steps.ts'
import type { IgnoreText } from '../core/ignore.ts'
import type { OwnerLimit } from '../core/owner-limit.ts'
import { openTarget } from '../disk/root.ts'
import { systemSys } from '../disk/system.ts'
import type { DiskTasks } from '../disk/tasks.ts'
import { noteUndone, undoneMark } from '../disk/undone.ts'
import { openState, type State } from '../state/open.ts'
import { newRunId, takeLease } from '../state/runs.ts'
import { concatBytes } from '../std/bytes.ts'
import { systemClock } from '../std/clock.ts'
import type { Crew, Seat } from '../std/crew.ts'
import { Failure } from '../std/failure.ts'
import { unsyncedJob } from './durable.ts'
import { type PlanTotals, payloadHeadBytes } from './endpoint.ts'
import { SlabStore } from './slabs.ts'
import { LocalTarget } from './target.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-target-'))
after(() => rmSync(home, { recursive: true, force: true }))
let made = 0

function oneSeat(only: Seat<DiskTasks>, release = (): void => {}): Crew<DiskTasks> {
  return { seats: [only], hold: () => 0, release, close: async () => {} }
}

type Held = { readonly path: string; readonly target: LocalTarget; readonly state: State; close(): Promise<void> }

/** A scanned target of ten files that is ready for a plan. */
async function held(
  ownerLimit?: OwnerLimit,
  crew: Crew<DiskTasks> = oneSeat(seatHere),
  before: (path: string) => void = () => {},
  overrides: readonly IgnoreText[] = [],
): Promise<Held> {
  const path = join(home, `case-${++made}`)
  plant(path, Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`f${i}`, `${i}`])))
  const state = openState({ directory: `${path}-state`, clock: systemClock })
  const log = { note: () => {}, flush: () => {} }
  const workshop = { crew, slabs: new SlabStore(crew), state, clock: systemClock, log, machine: 'here' }
  openTarget(systemSys(), path, { create: true, machine: 'here', expectedId: undefined }).close()
  before(path)
  const root = openTarget(systemSys(), path, { create: true, machine: 'here', expectedId: undefined })
  const target = new LocalTarget(workshop, root, {
    treeKey: `target ${path}`,
    isApart: true,
    runId: newRunId(systemClock),
    job: 'job',
    versions: { asked: undefined, floor: undefined, directory: undefined },
    ownerLimit,
  })
  await target.scan({ overrides, ignoreFiles: [] })
  await target.view({ modeMask: 0o777, timeGrainNs: 1, overrides: [], texts: [] }, 'view')
  return {
    path,
    target,
    state,
    async close() {
      await target.close(false)
      state[Symbol.dispose]()
    },
  }
}

function totals(change: Partial<PlanTotals> = {}): PlanTotals {
  const limit = { kind: 'default' } as const
  return {
    deletes: 0,
    replaces: 0,
    steps: 20,
    hasBase: true,
    leftEntries: 10,
    limit,
    released: false,
    keep: undefined,
    durability: 'group',
    ...change,
  }
}

function creation(name: string, sizeBytes: number): Uint8Array {
  return batchBytes([[head(''), [create(name, 'x'.repeat(sizeBytes))]]])
}

/** What comes of a batch: one file that is whole. */
function payload(batch: number, text: string): Uint8Array {
  const head = new Uint8Array(payloadHeadBytes)
  new DataView(head.buffer).setUint32(0, batch, true)
  return concatBytes([head, pack({ number: 0, text })])
}

function deletion(...names: readonly string[]): Uint8Array {
  return batchBytes([[head(''), names.map((name) => change('delete', name))]])
}

async function refuses(code: string, calling: Promise<unknown>): Promise<void> {
  await assert.rejects(calling, (error) => error instanceof Failure && error.code === code, code)
}

/** Runs with a target, which must be whole afterwards. */
async function unharmed(run: (held: Held) => Promise<void>, ownerLimit?: OwnerLimit): Promise<void> {
  const one = await held(ownerLimit)
  const before = contents(one.path)
  try {
    await run(one)
  } finally {
    await one.close()
  }
  assert.deepEqual(contents(one.path), before)
}

describe('a target, whatever its driver says', () => {
  it('judges the plan by its own count, and goes on only where a person released it', async () => {
    await unharmed(async ({ target }) => {
      await refuses('root-held', target.begin(totals({ deletes: 10 })))
      await refuses('root-held', target.begin(totals({ deletes: 1, hasBase: false })))
      await refuses('root-held', target.begin(totals({ deletes: 1, leftEntries: 0 })))
      await target.begin(totals({ deletes: 10, released: true }))
    })
  })

  it('lets no plan in after an undo of its job, not even one that only brings something, but for a release', async () => {
    const note = (job: string) => (path: string) =>
      noteUndone(join(path, '.nightferry'), job, { run: 'R', as: 'U', by: 'here', atMs: 1 })
    const undone = await held(undefined, oneSeat(seatHere), note('job'))
    assert.equal(undone.target.facts.undone?.run, 'R')
    await refuses('root-held', undone.target.begin(totals()))
    await undone.target.begin(totals({ released: true }))
    assert.equal(undoneMark(join(undone.path, '.nightferry'), 'job'), undefined)
    await undone.close()
    const left = await held(undefined, oneSeat(seatHere), note('job'))
    await left.close()
    assert.equal(
      undoneMark(join(left.path, '.nightferry'), 'job')?.run,
      'R',
      'a run that came to nothing answers nothing',
    )
    const other = await held(undefined, oneSeat(seatHere), note('another job'))
    assert.equal(other.target.facts.undone, undefined)
    await other.target.begin(totals())
    await other.close()
  })

  it('holds the limit of its owner against a release', async () => {
    const limit = { share: 'photos', takes: { kind: 'count', entries: 2 } } as const
    await unharmed(async ({ target }) => {
      await refuses('root-held', target.begin(totals({ deletes: 2, replaces: 1, released: true })))
      await target.begin(totals({ deletes: 1, replaces: 1 }))
    }, limit)
  })

  it('takes no more bytes than its owner lets a run bring, whatever was announced, and a file of no other size', async () => {
    const limit = { share: 'photos', bringsBytes: 10 }
    await unharmed(async ({ target }) => {
      await refuses('root-held', target.begin(totals({ bringsBytes: 11, released: true })))
      await target.begin(totals({ bringsBytes: 10 }))
      await target.stage(0, creation('a', 6))
      await refuses('root-held', target.stage(1, creation('b', 5)))
    }, limit)
    const grown = await held(limit)
    await grown.target.begin(totals())
    await grown.target.stage(0, creation('a', 6))
    await grown.target.receive(payload(0, '1234567'))
    assert.equal((await grown.target.written(0, true)).count, 0)
    const { problems } = await grown.target.finish()
    assert.deepEqual(
      problems.map(({ path, code }) => `${path}: ${code}`),
      ['a: changing'],
    )
    await grown.close()
  })

  it('does nothing before a plan was announced, and takes none twice', async () => {
    await unharmed(async ({ target }) => {
      await refuses('protocol-broken', target.stage(0, deletion('f0')))
      await refuses('protocol-broken', target.moveDirectories([]))
      await refuses('protocol-broken', target.finish())
      await target.begin(totals({ deletes: 1 }))
      await refuses('protocol-broken', target.begin(totals({ deletes: 10, released: true })))
    })
  })

  it('stops a plan that takes away more than it announced, over all its batches', async () => {
    await unharmed(async ({ target }) => {
      await target.begin(totals({ deletes: 2 }))
      await target.stage(0, deletion('f0'))
      await target.stage(1, deletion('f1'))
      await refuses('unsolicited', target.stage(2, deletion('f2')))
    })
    await unharmed(async ({ target }) => {
      await target.begin(totals({ replaces: 1 }))
      const replaced = batchBytes([[head(''), ['f0', 'f1'].map((name) => change('replace', name, { sizeBytes: 7 }))]])
      await refuses('unsolicited', target.stage(0, replaced))
    })
    // One file that is said to move three times makes up for no deletion of others.
    await unharmed(async ({ target }) => {
      await target.begin(totals({ deletes: 1 }))
      const copies = ['a', 'b', 'c'].map((name) => create(name, '0', {}, 'f0'))
      await target.stage(0, batchBytes([[head(''), copies]]))
      await refuses('unsolicited', target.stage(1, deletion('f0', 'f1', 'f2')))
    })
  })

  it('takes no content that it did not ask for, no batch twice, and none that is unknown', async () => {
    await unharmed(async ({ target }) => {
      await target.begin(totals())
      const pack = new Uint8Array(64)
      await refuses('protocol-broken', target.receive(new Uint8Array(7)))
      await refuses('unsolicited', target.receive(pack))
      await refuses('unsolicited', target.written(0, false))
      await target.stage(0, batchBytes([[head(''), []]]))
      await refuses('protocol-broken', target.stage(0, deletion('f0')))
      // Once all of a batch was written, nothing more may come for it.
      assert.equal((await target.written(0, false)).count, 0)
      await refuses('unsolicited', target.receive(pack))
      await refuses('unsolicited', target.written(0, false))
    })
  })

  it('remembers that it does not sync under the job and its rules', async () => {
    const overrides = [{ directory: '', label: '--exclude', text: 'f0' }] as const
    const one = await held(undefined, oneSeat(seatHere), () => {}, overrides)
    assert.equal((await one.target.begin(totals({ durability: 'none' }))).durability, 'none')
    const file = join(one.path, '.nightferry/unsynced.json')
    assert.deepEqual(Object.keys(JSON.parse(readFileSync(file, 'utf8')).jobs), [unsyncedJob('job', overrides)])
    await one.close()
  })

  it('makes no further names while batches are under way that they may be names of', async () => {
    await unharmed(async ({ target }) => {
      await target.begin(totals())
      await target.stage(0, creation('new', 3))
      await refuses('protocol-broken', target.landed())
    })
  })

  it('does nothing any more once another run was let in', async () => {
    await unharmed(async ({ target, state }) => {
      takeLease(state, target.facts.rootId, 'another job')
      await refuses('epoch-stale', target.begin(totals({ deletes: 1 })))
    })
    await unharmed(async ({ target, state }) => {
      await target.begin(totals({ deletes: 1 }))
      await target.stage(0, deletion('f0'))
      takeLease(state, target.facts.rootId, 'another job')
      await target.written(0, true)
      await refuses('epoch-stale', target.finish())
    })
  })
})

describe('a target that writes faster than it gives names', () => {
  it('takes one group more than the one that lands, and then makes its driver wait', async () => {
    const gate = Promise.withResolvers<void>()
    const landed: number[] = []
    const slow: Seat<DiskTasks> = {
      ...seatHere,
      async run(name, input, transfer) {
        if (name === 'land') {
          await gate.promise
          landed.push(landed.length)
        }
        const result = await seatHere.run(name, input, transfer)
        // Each batch is as much as a group may hold.
        return name === 'finishWriting' ? ({ ...(result as object), contentBytes: 2 ** 28 } as never) : result
      },
    }
    const { path, target, state, close } = await held(undefined, oneSeat(slow))
    await target.begin(totals({ deletes: 3 }))
    for (const batch of [0, 1, 2]) await target.stage(batch, deletion(`f${batch}`))
    await target.written(0, true)
    let goesOn = false
    const second = target.written(1, true).then(() => {
      goesOn = true
    })
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual([goesOn, landed], [false, []], 'what is written and has no name is bounded')
    gate.resolve()
    await second
    assert.deepEqual(landed, [0, 1])
    await target.written(2, true)
    await target.finish()
    assert.deepEqual(Object.keys(contents(path)).slice(0, 2), ['f3', 'f4'])
    assert.equal(state.notices.length, 0)
    await close()
  })
})

describe('a target that ends badly', () => {
  const again = (path: string): void =>
    openTarget(systemSys(), path, { create: true, machine: 'here', expectedId: undefined }).close()

  it('keeps neither its lock nor its seat when something fails while it is closed', async () => {
    for (const fails of ['closeLanding', 'closeTree'] as const) {
      let released = 0
      const failing: Seat<DiskTasks> = {
        ...seatHere,
        run: (name, input, transfer) =>
          name === fails ? Promise.reject(new Error(`${name} failed`)) : seatHere.run(name, input, transfer),
      }
      const { path, target, state } = await held(
        undefined,
        oneSeat(failing, () => released++),
      )
      await target.begin(totals())
      await target.stage(0, batchBytes([[head(''), []]]))
      await assert.rejects(target.close(false), /failed/)
      again(path)
      assert.equal(released, 1)
      state[Symbol.dispose]()
    }
  })

  it('keeps no lock where it could not be opened for want of a lease', async () => {
    const { path, target, state } = await held()
    await target.close(false)
    const root = openTarget(systemSys(), path, { create: true, machine: 'here', expectedId: undefined })
    state[Symbol.dispose]()
    const log = { note: () => {}, flush: () => {} }
    const crew = oneSeat(seatHere)
    const workshop = { crew, slabs: new SlabStore(crew), state, clock: systemClock, log, machine: 'here' }
    const versions = { asked: undefined, floor: undefined, directory: undefined }
    const options = { treeKey: 'target', isApart: true, runId: newRunId(systemClock), job: 'job', versions }
    assert.throws(() => new LocalTarget(workshop, root, options))
    again(path)
  })
})
