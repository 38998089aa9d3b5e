// Runs read back: what they were told, how they were held and failed, whose they are, and that one damaged row hides no other.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, beforeEach, test } from 'node:test'
import { type Clock, systemClock } from '../std/clock.ts'
import { findRuns, latestRuns, listRuns, runsOfJob, runsSinceGood } from './history.ts'
import { openState, type State } from './open.ts'
import {
  startRun as beginRun,
  endRun,
  endServedRun,
  failRun,
  newRunId,
  packRunId,
  type RunEnd,
  type RunStart,
  unpackRunId,
} from './runs.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-history-'))
after(() => rmSync(home, { recursive: true, force: true }))

let directory = home
let made = 0
let nowMs = 0
const clock: Clock = { ...systemClock, nowMs: () => nowMs }
beforeEach(() => {
  made += 1
  directory = join(home, `state-${made}`)
  nowMs = Date.UTC(2026, 10, 21, 9, 12, 44, 120)
})

function open(): State {
  return openState({ directory, clock })
}

const start = { job: 'job', source: '/a', target: 'nas:b', mode: 'mirror' }
const done: RunEnd = { outcome: 'done', exitCode: 0, counts: { created: 3, deleted: 0 }, problems: [] }

/** Begins a run under a new name. */
function startRun(state: State, run: Omit<RunStart, 'runId'>): { runId: string; interrupted: string[] } {
  const runId = newRunId(state.clock)
  return { runId, ...beginRun(state, { ...run, runId }) }
}

test('what a run was told, how it was held and how it failed are read back', () => {
  using state = open()
  const options = {
    dryRun: false,
    checksum: true,
    release: false,
    newTarget: false,
    limit: '5%',
    ignoreFiles: ['.nightferryignore'],
    narrowed: [],
    asked: ['--verify'],
    rules: [{ label: 'command line', text: '*.tmp\n' }],
  }
  const halt = { reason: 'r', deletes: 2, replaces: 1, sample: ['a', 'b'], digest: 'ff' }
  const failure = { code: 'unreachable', message: 'm', hint: '' }
  const held = startRun(state, { ...start, process: 'p', epoch: 7, options }).runId
  endRun(state, held, { ...done, outcome: 'halted', halt, totals: { files: 3 } })
  const never = { ...start, runId: newRunId(clock), options, startedMs: nowMs - 900 }
  failRun(state, never, { ...done, outcome: 'failed', exitCode: 13, counts: {}, failure })
  const [failed, halted] = listRuns(state, { limit: 5 })
  assert.deepEqual(
    [halted?.options, halted?.halt, halted?.epoch, halted?.process, halted?.totals],
    [options, halt, 7, 'p', { files: 3 }],
  )
  assert.deepEqual(
    [failed?.failure, failed?.startedMs, failed?.endedMs, failed?.epoch],
    [failure, nowMs - 900, nowMs, 0],
  )
  // A run that ended is not failed afterwards.
  failRun(state, { ...start, runId: held, startedMs: 1 }, { ...done, outcome: 'failed' })
  assert.equal(listRuns(state, { limit: 5 })[1]?.outcome, 'halted')
})

test("a peer's runs are told apart, and a peer ends none but its own", () => {
  using state = open()
  const own = startRun(state, start).runId
  const theirs = { ...start, source: '', driver: 'laptop' }
  const served = startRun(state, theirs).runId
  assert.deepEqual(startRun(state, { ...theirs, driver: 'phone' }).interrupted, [])
  // The peer names a run of ours, which it may know.
  beginRun(state, { ...theirs, runId: own })
  endServedRun(state, { runId: own, driver: 'laptop' }, { ...done, outcome: 'failed' })
  endServedRun(state, { runId: 'none', driver: 'laptop' }, done)
  endServedRun(state, { runId: served, driver: 'laptop' }, done)
  const outcomes = (driver: string | undefined): unknown[] =>
    runsOfJob(state, 'job', driver).map(({ outcome }) => outcome)
  assert.deepEqual([outcomes(undefined), outcomes('phone')], [[undefined], [undefined]])
  assert.deepEqual(outcomes('laptop'), ['done'])
  assert.equal(latestRuns(state).length, 3)
})

test('a run is found by the beginning of its name, and by what stands behind the time', () => {
  using state = open()
  const first = startRun(state, start).runId
  nowMs += 60_000
  const second = startRun(state, start).runId
  assert.deepEqual(
    [first.slice(0, 17), second.slice(20, 25), first, '2026', 'nothing', '%'].map((text) =>
      findRuns(state, text).map(({ runId }) => runId),
    ),
    [[first], [second], [first], [second, first], [], []],
  )
  assert.deepEqual(
    [first, second].map((runId) => unpackRunId(packRunId(runId))),
    [first, second],
  )
  assert.equal(packRunId(first).length, 14)
  const unsound = [new Uint8Array(13), new Uint8Array(14), new Uint8Array(14).fill(255)]
  assert.deepEqual(unsound.map(unpackRunId), [undefined, undefined, undefined])
})

test('runs are read back to the last that brought both ends together, dry runs left out', () => {
  using state = open()
  const options = {
    checksum: false,
    release: false,
    newTarget: false,
    limit: 'default',
    ignoreFiles: [],
    narrowed: [],
    asked: [],
    rules: [],
  }
  const add = (outcome: RunEnd['outcome'] | undefined, dryRun = false): string => {
    const { runId } = startRun(state, { ...start, options: { ...options, dryRun } })
    if (outcome !== undefined) endRun(state, runId, { ...done, outcome })
    return runId
  }
  const ids = (): string[] => runsSinceGood(state, 'job', undefined).map(({ runId }) => runId)
  const first = add('failed')
  assert.deepEqual(ids(), [first])
  add('done')
  const good = add('partial')
  const failed = add('failed')
  add('unchanged', true)
  startRun(state, { ...start, driver: 'laptop' })
  const running = add(undefined)
  assert.deepEqual(ids(), [running, failed, good])
})

test('a row that is damaged hides no other', () => {
  using state = open()
  const runs = [startRun(state, start).runId, startRun(state, start).runId]
  const damage = new DatabaseSync(join(directory, 'state.db'))
  damage.prepare("UPDATE runs SET options = '[1' WHERE run_id = ?").run(runs[1] ?? '')
  damage.close()
  assert.deepEqual(
    listRuns(state, { limit: 5 }).map(({ runId }) => runId),
    [runs[0]],
  )
})
