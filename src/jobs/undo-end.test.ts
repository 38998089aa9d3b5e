// An undo where the target lies, whoever drives it: what it is asked for comes in order or is refused, it is begun once,
// takes the lease, and is noted before anything changes.

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { facts, staging } from '../../test/world/planted.ts'
import { seatHere } from '../../test/world/seat-here.ts'
import { runB, type Scenario, scenarios, twice } from '../../test/world/two-runs.ts'
import type { OwnerLimit } from '../core/owner-limit.ts'
import { errno } from '../disk/sys.ts'
import { systemSys } from '../disk/system.ts'
import { undoneMark } from '../disk/undone.ts'
import { openState, type State } from '../state/open.ts'
import { currentEpoch, newRunId } from '../state/runs.ts'
import { systemClock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { SlabStore } from './slabs.ts'
import { LocalUndo } from './undo-end.ts'

const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-undo-end-'))
after(() => rmSync(home, { recursive: true, force: true }))
let made = 0

type Held = { readonly undo: LocalUndo; readonly target: string; readonly before: unknown; readonly state: State }

type Request = { readonly scenario?: Scenario; readonly limit?: OwnerLimit }

/** An undo of the second run of a target, opened. */
async function opened(
  change: (target: string) => void = () => {},
  { scenario = scenarios['create, replace, delete, attributes'] as Scenario, limit }: Request = {},
): Promise<Held> {
  const path = join(home, `case-${++made}`)
  const { target, before } = await twice(systemSys(), path, scenario)
  change(target)
  const state = openState({ directory: join(path, 'state'), clock: systemClock })
  after(() => state[Symbol.dispose]())
  return { undo: await openOn(target, state, limit), target, before, state }
}

async function openOn(target: string, state: State, limit?: OwnerLimit, run = runB): Promise<LocalUndo> {
  const crew = { seats: [seatHere], hold: () => 0, release: () => {}, close: async () => {} }
  const log = { note: () => {}, flush: () => {} }
  const workshop = { crew, slabs: new SlabStore(crew), state, clock: systemClock, log, machine: 'here' }
  return await LocalUndo.open(workshop, target, { run, job: 'job', by: 'here', limit })
}

/** What runs did can't be read meanwhile. */
async function withoutManifest(work: () => Promise<void>): Promise<void> {
  const sys = systemSys()
  const { openFile } = sys
  const isPart = (name: Uint8Array): boolean => Buffer.from(name).toString().startsWith('part-')
  sys.openFile = (directory, name) => (isPart(name) ? -errno.EIO : openFile.call(sys, directory, name))
  try {
    await work()
  } finally {
    sys.openFile = openFile
  }
}

async function lookAll(undo: LocalUndo): Promise<void> {
  while ((await undo.look()).found === undefined);
}

async function carryAll(undo: LocalUndo): Promise<void> {
  while ((await undo.carry(false)).ended === undefined);
}

async function refuses(calling: Promise<unknown>): Promise<void> {
  await assert.rejects(calling, (error) => error instanceof Failure && error.code === 'protocol-broken')
}

const marked = (target: string): string | undefined => undoneMark(join(target, '.nightferry'), 'job')?.as

describe('an undo that is driven from anywhere', () => {
  it('is looked at, begun once under a name of a run, and carried out', async () => {
    const { undo, target, before, state } = await opened()
    const as = newRunId(systemClock)
    await refuses(undo.begin(as))
    await refuses(undo.carry(false))
    await lookAll(undo)
    await refuses(undo.begin('../x'))
    assert.equal(marked(target), undefined)
    await undo.begin(as)
    await refuses(undo.begin(newRunId(systemClock)))
    // The job is held from here on, and a run that had the target before may not go on.
    assert.equal(marked(target), as)
    const { id } = JSON.parse(readFileSync(join(target, '.nightferry/root.json'), 'utf8')) as { id: string }
    assert.ok(currentEpoch(state, id) > 0)
    await carryAll(undo)
    await refuses(undo.carry(false))
    await undo.close()
    assert.deepEqual(facts(target), before)
    assert.equal(marked(target), as)
  })

  it('is not begun with a conflict, nor where nothing is to be done', async () => {
    const one = await opened((target) => writeFileSync(join(target, 'replaced'), 'a person wrote this'))
    await lookAll(one.undo)
    await refuses(one.undo.begin(newRunId(systemClock)))
    await one.undo.close()
    assert.equal(marked(one.target), undefined)
    // What the run changed is as it was before already.
    const other = await opened((target) => {
      for (const name of readdirSync(target))
        if (name !== '.nightferry') rmSync(join(target, name), { recursive: true })
      const versions = join(target, '.nightferry/versions', runB)
      for (const name of readdirSync(versions)) if (name.startsWith('part-')) writeFileSync(join(versions, name), '')
    })
    await lookAll(other.undo)
    await refuses(other.undo.begin(newRunId(systemClock)))
    await other.undo.close()
    assert.equal(marked(other.target), undefined)
  })

  it('leaves no note where it is left before it changed anything', async () => {
    const { undo, target } = await opened()
    await lookAll(undo)
    await undo.begin(newRunId(systemClock))
    await undo.close()
    assert.equal(marked(target), undefined)
  })

  it('of renames alone is a run all the same, unless none of them was done', async () => {
    const first = { 'whole/f': 'f' }
    const second = { 'whole moved/f': 'f' }
    for (const isDone of [true, false]) {
      const { undo, target, before } = await opened(() => {}, {
        scenario: { first, second, moves: [['whole', 'whole moved']] },
      })
      const [as, sys] = [newRunId(systemClock), systemSys()]
      const { renameNoReplace } = sys
      await lookAll(undo)
      await undo.begin(as)
      const isRefused = (name: Uint8Array): boolean => !isDone && Buffer.from(name).equals(Buffer.from('whole moved'))
      sys.renameNoReplace = (from, name, to, other) =>
        isRefused(name) ? -errno.EIO : renameNoReplace.call(sys, from, name, to, other)
      try {
        await carryAll(undo)
      } finally {
        sys.renameNoReplace = renameNoReplace
      }
      assert.equal(undo.ended?.isBegun, true)
      await undo.close()
      assert.equal(marked(target), as)
      assert.equal(JSON.stringify(facts(target)) === JSON.stringify(before), isDone)
      assert.equal(existsSync(join(target, '.nightferry/versions', as)), isDone)
    }
  })

  it('leaves nothing but the note where it fails before it changed anything, and all where that can not be told', async () => {
    for (const isTold of [true, false]) {
      const { undo, target } = await opened()
      const [as, sys, now] = [newRunId(systemClock), systemSys(), facts(target)]
      const { link, createFile } = sys
      await lookAll(undo)
      await undo.begin(as)
      let staged = 0
      sys.link = () => -errno.EPERM
      sys.createFile = (directory, name, mode) =>
        ++staged > 2 ? -errno.ENOSPC : createFile.call(sys, directory, name, mode)
      if (!isTold) writeFileSync(join(target, '.nightferry/versions', as, 'part-000000'), '')
      const carrying = (): Promise<void> =>
        assert.rejects(carryAll(undo), (error) => error instanceof Failure && error.code === 'target-full')
      try {
        await (isTold ? carrying() : withoutManifest(carrying))
      } finally {
        Object.assign(sys, { link, createFile })
      }
      await undo.close()
      assert.deepEqual(facts(target), now)
      assert.equal(marked(target), as)
      assert.equal(existsSync(join(target, '.nightferry/versions', as)), !isTold)
      if (isTold) assert.deepEqual(staging(target), [])
    }
  })

  it('is not looked at where what the run did can not be read', async () => {
    const { undo, target, state } = await opened()
    await undo.close()
    await withoutManifest(() =>
      assert.rejects(openOn(target, state), (error) => error instanceof Failure && error.code === 'disk-error'),
    )
  })

  it('takes away no more than the owner of a share lets it', async () => {
    for (const [takes, isHeld] of [
      [{ kind: 'count', entries: 10 }, false],
      [{ kind: 'count', entries: 9 }, true],
      // Ten of twelve: what is ours does not count.
      [{ kind: 'percent', percent: 84 }, false],
      [{ kind: 'percent', percent: 83 }, true],
    ] as const) {
      const limit: OwnerLimit = { share: 'data', takes }
      const { undo } = await opened(() => {}, { limit })
      if (isHeld) await assert.rejects(lookAll(undo), (error) => error instanceof Failure && error.code === 'root-held')
      else await lookAll(undo)
      await undo.close()
    }
  })

  it('is one of a run, whoever asks for it', async () => {
    const { undo, target, state } = await opened()
    await undo.close()
    for (const run of ['', '..', `../${runB}`]) await refuses(openOn(target, state, undefined, run))
  })

  it('does one thing after the other, and is closed after the last of them', async () => {
    const { undo, target } = await opened()
    await lookAll(undo)
    const begun = await Promise.allSettled([undo.begin(newRunId(systemClock)), undo.begin(newRunId(systemClock))])
    assert.deepEqual(
      begun.map(({ status }) => status),
      ['fulfilled', 'rejected'],
    )
    await undo.close()
    const other = await opened()
    await lookAll(other.undo)
    const beginning = other.undo.begin(newRunId(systemClock))
    await other.undo.close()
    await beginning
    for (const one of [target, other.target]) {
      assert.equal(marked(one), undefined)
      assert.deepEqual(readdirSync(join(one, '.nightferry/versions')).includes(runB), true)
    }
  })

  it('of an undo lets the job go on where all of that was undone, and only then', async () => {
    const first = { 'one/f': 'f', 'two/g': 'g' }
    const second = { 'one moved/f': 'f', 'two moved/g': 'g' }
    const moves = [
      ['one', 'one moved'],
      ['two', 'two moved'],
    ] as const
    for (const how of ['whole', 'stopped', 'refused'] as const) {
      const { undo, target, state } = await opened(() => {}, { scenario: { first, second, moves } })
      const [as, other] = [newRunId(systemClock), newRunId(systemClock)]
      await lookAll(undo)
      await undo.begin(as)
      await carryAll(undo)
      await undo.close()
      const back = await openOn(target, state, undefined, as)
      await lookAll(back)
      await back.begin(other)
      if (how === 'refused') mkdirSync(join(target, 'one moved'))
      if (how === 'stopped') {
        await back.carry(false)
        await back.carry(true)
      } else await carryAll(back)
      assert.deepEqual([back.ended?.isBegun, back.ended?.isStopped], [true, how === 'stopped'])
      assert.equal(back.ended?.problemCount, how === 'refused' ? 1 : 0)
      await back.close()
      assert.equal(marked(target), how === 'whole' ? undefined : other)
    }
  })
})
