// A run that is stopped stops looking: a scan or a reading that is under way ends between two of its pieces, in a run
// between folders here, on a machine that serves one whose driver went away, and where the other machine can't be reached.

import assert from 'node:assert/strict'
import { chmodSync, linkSync, lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { memoryLinks, openBoth } from '../../test/world/links.ts'
import { contents, plant } from '../../test/world/planted.ts'
import { requestOf } from '../../test/world/requests.ts'
import { servedTo } from '../../test/world/served.ts'
import { type DiskTasks, tasks } from '../disk/tasks.ts'
import { openState } from '../state/open.ts'
import { newRunId } from '../state/runs.ts'
import { systemClock } from '../std/clock.ts'
import { type Crew, Handover, type Seat } from '../std/crew.ts'
import { Failure } from '../std/failure.ts'
import type { RunRequest } from './job.ts'
import type { Workshop } from './local.ts'
import { openRemoteSource, openRemoteTarget } from './remote.ts'
import { type FinishedRun, runOnce } from './run.ts'
import { addShare } from './shares.ts'
import { SlabStore } from './slabs.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-stop-'))
after(() => rmSync(home, { recursive: true, force: true }))

/** A workshop whose seats work in this thread; `before` is awaited ahead of each task, `ends` has how each ended. */
function workshopWith(before: (name: string) => Promise<void> | void): {
  workshop: Workshop
  ends: string[]
  [Symbol.dispose](): void
} {
  const ends: string[] = []
  const seat: Seat<DiskTasks> = {
    isStarted: true,
    tell: (name, input) => void (tasks[name] as (input: unknown) => unknown)(input),
    async run(name, input) {
      await before(name)
      try {
        const result: unknown = (tasks[name] as (input: unknown) => unknown)(input)
        ends.push(name)
        return (result instanceof Handover ? result.value : result) as never
      } catch (error) {
        ends.push(`${name}: ${error instanceof Failure ? error.code : error}`)
        throw error
      }
    },
  }
  const crew: Crew<DiskTasks> = { seats: [seat], hold: () => 0, release: () => {}, close: async () => {} }
  const state = openState({ directory: mkdtempSync(join(home, 'state-')), clock: systemClock })
  const log = { note: () => {}, flush: () => {} }
  const workshop = { crew, slabs: new SlabStore(crew), state, clock: systemClock, log, machine: 'here' }
  return { workshop, ends, [Symbol.dispose]: () => state[Symbol.dispose]() }
}

function looks(ends: readonly string[]): string[] {
  return ends.filter((end) => /^(scan|view|listings|digests|verify)/.test(end))
}

for (const at of ['scan', 'digests', 'verifyChunk']) {
  it(`a run that is stopped during ${at} looks at nothing more`, async () => {
    const folder = mkdtempSync(join(home, 'run-'))
    const [source, target] = [join(folder, 'source'), join(folder, 'target')]
    plant(source, { a: 'a', 'd/b': 'b' })
    const stop = new AbortController()
    let armed = false
    using one = workshopWith((name) => {
      if (armed && name === at) stop.abort()
    })
    const nobody = (): Promise<never> => Promise.reject(new Error('no machines here'))
    const reach = { isMachine: () => false, connect: nobody, connectSsh: nobody }
    const run = (change: Partial<RunRequest>): Promise<unknown> =>
      runOnce(one.workshop, reach, requestOf(source, target, change), () => {}, stop.signal)
    await run({})
    one.ends.length = 0
    armed = true
    await assert.rejects(run({ checksum: true, verify: true }), (error: Failure) => error.code === 'cancelled')
    const told = looks(one.ends)
    const first = told.indexOf(`${at}: cancelled`)
    assert.ok(first >= 0, told.join(', '))
    for (const end of told.slice(first)) assert.equal(end, `${at}: cancelled`, told.join(', '))
  })
}

it('a run that is stopped copies nothing more of what its target has', async () => {
  const folder = mkdtempSync(join(home, 'copies-'))
  const [source, target] = [join(folder, 'source'), join(folder, 'target')]
  plant(source, { a: 'a content that comes twice' })
  const stop = new AbortController()
  let armed = false
  using one = workshopWith((name) => {
    if (armed && name === 'openLanding') stop.abort()
  })
  const nobody = (): Promise<never> => Promise.reject(new Error('no machines here'))
  const reach = { isMachine: () => false, connect: nobody, connectSsh: nobody }
  const run = (): Promise<unknown> => runOnce(one.workshop, reach, requestOf(source, target, {}), () => {}, stop.signal)
  await run()
  plant(source, { b: 'a content that comes twice' })
  armed = true
  await assert.rejects(run(), (error: Failure) => error.code === 'cancelled')
  assert.ok(one.ends.includes('openLanding: cancelled'), one.ends.join(', '))
  assert.deepEqual(contents(target), { a: 'a content that comes twice' })
})

it('a run that is stopped gives no name of several a file of its own any more, and lands the rest', async () => {
  const folder = mkdtempSync(join(home, 'parts-'))
  const [source, target] = [join(folder, 'source'), join(folder, 'target')]
  plant(source, { a: 'one', b: 'one' })
  const stop = new AbortController()
  let armed = false
  using one = workshopWith((name) => {
    if (armed && name === 'land') stop.abort()
  })
  const nobody = (): Promise<never> => Promise.reject(new Error('no machines here'))
  const reach = { isMachine: () => false, connect: nobody, connectSsh: nobody }
  const run = (): Promise<FinishedRun> =>
    runOnce(one.workshop, reach, requestOf(source, target, {}), () => {}, stop.signal)
  await run()
  rmSync(join(target, 'b'))
  linkSync(join(target, 'a'), join(target, 'b'))
  await run()
  chmodSync(join(source, 'a'), 0o600)
  plant(source, { c: 'comes' })
  armed = true
  const told = await run().then(
    ({ problems }) => problems.map(({ path, code, detail }) => `${path}: ${code} ${detail}`),
    (error: Failure) => error.code,
  )
  assert.deepEqual(told, ['a: write-failed ECANCELED'])
  assert.deepEqual([contents(target), lstatSync(join(target, 'a')).nlink], [{ a: 'one', b: 'one', c: 'comes' }, 2])
  assert.deepEqual(readdirSync(join(target, '.nightferry/staging')), [])
})

for (const role of ['source', 'target'] as const) {
  it(`a ${role} that is served stops looking when its driver goes away`, async () => {
    const folder = mkdtempSync(join(home, 'served-'))
    plant(join(folder, 'shared'), { a: 'a', 'd/b': 'b' })
    addShare(folder, {
      name: 'data',
      path: join(folder, 'shared'),
      readOnly: false,
      for: undefined,
      maxDelete: undefined,
    })
    const scanning = Promise.withResolvers<void>()
    const goesOn = Promise.withResolvers<void>()
    using one = workshopWith(async (name) => {
      if (name !== 'scan') return
      scanning.resolve()
      await goesOn.promise
    })
    const served = servedTo('ann', one.workshop, folder)
    const { a, b } = await openBoth(memoryLinks(), {}, { onStream: served.onStream })
    const over = served.attach(b)
    const ids = { share: 'data', sub: '' as never, job: 'ab'.repeat(16), runId: newRunId(systemClock) }
    const end =
      role === 'source'
        ? await openRemoteSource(a, 'bee', ids, one.workshop.slabs)
        : await openRemoteTarget(a, 'bee', { ...ids, create: true })
    const scan = end.scan({ overrides: [], ignoreFiles: [] }).catch(() => {})
    await scanning.promise
    a.close()
    await b.closed
    goesOn.resolve()
    await Promise.all([scan, over])
    assert.deepEqual(looks(one.ends), ['scan: cancelled'])
  })
}

it('a folder is looked at while the other machine is being reached, and no more once it can not be', async () => {
  const source = mkdtempSync(join(home, 'pushed-'))
  plant(source, { a: 'a', 'd/b': 'b' })
  const scanning = Promise.withResolvers<void>()
  const goesOn = Promise.withResolvers<void>()
  using one = workshopWith(async (name) => {
    if (name !== 'scan') return
    scanning.resolve()
    await goesOn.promise
  })
  const connect = async (): Promise<never> => {
    await scanning.promise
    setImmediate(goesOn.resolve)
    throw new Failure('unreachable', 'nobody answers')
  }
  const reach = { isMachine: (name: string) => name === 'nas', connect, connectSsh: connect }
  const run = runOnce(one.workshop, reach, requestOf(source, 'nas:data', {}), () => {}, new AbortController().signal)
  await assert.rejects(run, (error: Failure) => error.code === 'unreachable')
  // This seat does not finish one task before the next, as a thread does.
  while (looks(one.ends).length === 0) await new Promise(setImmediate)
  assert.deepEqual(looks(one.ends), ['scan: cancelled'])
})
