import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { type DiskTasks, tasks } from '../../src/disk/tasks.ts'
import type { Workshop } from '../../src/jobs/local.ts'
import { type FinishedRun, type RunRequest, runOnce } from '../../src/jobs/run.ts'
import { SlabStore } from '../../src/jobs/slabs.ts'
import { openState } from '../../src/state/open.ts'
import { systemClock } from '../../src/std/clock.ts'
import { type Crew, Handover, type Seat } from '../../src/std/crew.ts'
import { Failure } from '../../src/std/failure.ts'
import { contents, type Folder, facts, kept, plant, staging } from '../world/planted.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-durable-'))
after(() => rmSync(home, { recursive: true, force: true }))
let made = 0

type Trial = {
  readonly source: string
  readonly target: string
  /** Tasks that change something or sync, in their order. */
  readonly trail: string[]
  /** Answers an errno in place of the n-th call of a task, counted anew for each run. */
  run(faults?: readonly { readonly task: keyof DiskTasks; readonly nth: number }[]): Promise<FinishedRun>
}

const watched: readonly string[] = [
  'writeJournal',
  'sync',
  'syncDirectories',
  'land',
  'finishDirectories',
  'dropDisplaced',
  'settleTree',
  'takeChanges',
]

/** Two folders and the state of their job; the seats of the crew are this thread. */
function trial(): Trial {
  const path = join(home, `case-${++made}`)
  const trail: string[] = []
  let faults: readonly { task: string; nth: number }[] = []
  const counts = new Map<string, number>()
  const seat: Seat<DiskTasks> = {
    async run(name, input) {
      const count = (counts.get(name) ?? 0) + 1
      counts.set(name, count)
      if (watched.includes(name)) trail.push(name)
      if (faults.some(({ task, nth }) => task === name && nth === count)) return -5 as never
      const result: unknown = (tasks[name] as (input: unknown) => unknown)(input)
      return (result instanceof Handover ? result.value : result) as never
    },
  }
  const crew: Crew<DiskTasks> = { seats: [seat], close: async () => {} }
  const log = { note: () => {}, flush: () => {} }
  const [source, target] = [join(path, 'source'), join(path, 'target')]
  const request: RunRequest = {
    source,
    target,
    mode: 'mirror',
    checksum: false,
    dryRun: false,
    overrides: [],
    ignoreFiles: [],
    limit: { kind: 'percent', percent: 100 },
    release: false,
    listsChanges: false,
    newTarget: false,
  }
  return {
    source,
    target,
    trail,
    async run(these = []) {
      faults = these
      counts.clear()
      trail.length = 0
      using state = openState({ directory: join(path, 'state'), clock: systemClock })
      const workshop: Workshop = { crew, slabs: new SlabStore(crew), state, clock: systemClock, log, machine: 'here' }
      const reach = { isMachine: () => false, connect: () => Promise.reject(new Error('no machines here')) }
      return await runOnce(workshop, reach, request, () => {}, new AbortController().signal)
    },
  }
}

const many = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`many/${i}`, `${i}`]))

/** Brings both folders together, then changes the source: something comes, is replaced and goes. */
async function prepared(size: 'small' | 'large'): Promise<Trial & { readonly before: Record<string, string> }> {
  const one = trial()
  const base: Folder = { replaced: 'old', goes: 'goes', 'dir/goes too': 'goes too', ...(size === 'large' ? many : {}) }
  plant(one.source, base)
  await one.run()
  assert.deepEqual(facts(one.target), facts(one.source))
  writeFileSync(join(one.source, 'replaced'), 'the new version')
  rmSync(join(one.source, 'goes'))
  rmSync(join(one.source, 'dir'), { recursive: true })
  plant(one.source, { 'new/file': 'new' })
  if (size === 'large') {
    for (let i = 0; i < 30; i++) writeFileSync(join(one.source, `many/${i}`), `changed ${i}`)
  }
  return { ...one, before: contents(one.target) }
}

async function failsToSync(running: Promise<unknown>): Promise<void> {
  await assert.rejects(running, (error) => error instanceof Failure && error.code === 'sync-failed')
}

describe('what is on disk, in what order', () => {
  it('a large run: journal, sync, names, sync, and only then is dropped and remembered', async () => {
    const { run } = await prepared('large')
    const one = await prepared('large')
    await one.run()
    assert.deepEqual(
      one.trail.filter((task, i) => task !== one.trail[i - 1]),
      ['writeJournal', 'sync', 'land', 'finishDirectories', 'sync', 'dropDisplaced', 'settleTree', 'takeChanges'],
    )
    assert.equal((await run()).outcome, 'done')
    assert.equal((await run()).outcome, 'unchanged')
  })

  it('a small run: each file is synced as it is written, and each directory that was touched', async () => {
    const one = await prepared('small')
    await one.run()
    assert.deepEqual(
      one.trail.filter((task, i) => task !== one.trail[i - 1]),
      ['writeJournal', 'land', 'finishDirectories', 'syncDirectories', 'dropDisplaced', 'settleTree', 'takeChanges'],
    )
  })

  it('a journal or a sync that fails before the names: nothing of the group gets one, and the next run completes', async () => {
    for (const task of ['writeJournal', 'sync'] as const) {
      const one = await prepared('large')
      await failsToSync(one.run([{ task, nth: 1 }]))
      assert.deepEqual(contents(one.target), one.before, task)
      assert.ok(!one.trail.includes('land'))
      const end = await one.run()
      assert.equal(end.outcome, 'done')
      assert.deepEqual(facts(one.target), facts(one.source))
      assert.deepEqual(kept(one.target), [])
      assert.equal((await one.run()).outcome, 'unchanged')
    }
  })

  it('a sync that fails after the names: nothing that was displaced is dropped, nothing is remembered', async () => {
    for (const [size, task, nth] of [
      ['large', 'sync', 2],
      ['small', 'syncDirectories', 1],
    ] as const) {
      const one = await prepared(size)
      await failsToSync(one.run([{ task, nth }]))
      assert.ok(!one.trail.includes('dropDisplaced') && !one.trail.includes('takeChanges'))
      assert.ok(existsSync(join(one.target, '.nightferry/journal')))
      assert.ok(staging(one.target).length >= 3)
      const end = await one.run()
      assert.equal(end.outcome, 'done')
      assert.deepEqual(facts(one.target), facts(one.source))
      assert.equal((await one.run()).outcome, 'unchanged')
      assert.deepEqual(readdirSync(join(one.target, '.nightferry/staging')), [])
    }
  })
})
