// Runs and leases: order, interruption, and that a commit lands whole or not at all.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, beforeEach, test } from 'node:test'
import { type RelPath, rootPath } from '../core/path.ts'
import { buildRecord } from '../core/record.ts'
import { type StoredDirectory, storedPages } from '../core/tree.ts'
import { Bug } from '../std/assert.ts'
import { type Clock, systemClock } from '../std/clock.ts'
import { listRuns } from './history.ts'
import { openState, type State } from './open.ts'
import { type Hold, loadHold, loadPair, type Pair, saveHold, savePair } from './pairs.ts'
import {
  startRun as beginRun,
  commitRun,
  currentEpoch,
  endRun,
  newRunId,
  type RunEnd,
  type RunStart,
  takeLease,
} from './runs.ts'
import { loadTree, saveTree } from './trees.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-runs-'))
const children: ChildProcess[] = []
after(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(home, { recursive: true, force: true })
})

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

/** Begins a run under a new name. */
function startRun(state: State, run: Omit<RunStart, 'runId'>): { runId: string; interrupted: string[] } {
  const runId = newRunId(state.clock)
  return { runId, ...beginRun(state, { ...run, runId }) }
}

const untold = {
  driver: undefined,
  process: '',
  epoch: 0,
  options: undefined,
  totals: {},
  failure: undefined,
  halt: undefined,
}
const done: RunEnd = { outcome: 'done', exitCode: 0, counts: { created: 3, deleted: 0 }, problems: [] }
const hold: Hold = {
  job: 'job',
  digest: new Uint8Array(32),
  reason: 'emptied',
  deletes: 5,
  replaces: 0,
  sample: ['x'],
  atMs: 1,
  toldMs: undefined,
}

function pairOf(runId: string): Pair {
  const [sourceFingerprint, targetFingerprint] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
  const fingerprints = { sourceFingerprint, targetFingerprint }
  return { job: 'job', sourceId: 's', targetId: 't', viewId: 'v', ...fingerprints, problems: [], runId, atMs: 1 }
}

function directoryOf(path: string, viewId = 'v'): StoredDirectory {
  const record = buildRecord([], { mtimeSeconds: 1, mtimeNs: 0, inodeLow: 0, inodeHigh: 0 })
  const summary = { fingerprint: new Uint8Array(32), files: 0, directories: 0, sizeBytes: 0 }
  return { path: path as RelPath, record, viewId, summary }
}

test('runs are begun, ended, and listed with the latest first', () => {
  using state = open()
  const first = startRun(state, start)
  assert.match(first.runId, /^20261121T091244120Z-[a-z2-9]{8}$/)
  assert.deepEqual(first.interrupted, [])
  nowMs += 10
  const problems = Array.from({ length: 1500 }, (_, index) => {
    return { path: `p${index}`, code: 'vanished', detail: 'ENOENT' } as const
  })
  endRun(state, first.runId, { outcome: 'partial', exitCode: 3, counts: { created: 3 }, problems })
  // The wall clock went back: order is that of the starts all the same.
  nowMs -= 5000
  const second = startRun(state, { ...start, job: 'other' })
  const [latest, earlier] = listRuns(state, { limit: 5 })
  assert.deepEqual(latest, {
    ...start,
    ...untold,
    job: 'other',
    runId: second.runId,
    startedMs: nowMs,
    endedMs: undefined,
    outcome: undefined,
    exitCode: undefined,
    counts: {},
    problems: [],
    problemCount: 0,
  })
  assert.deepEqual(earlier, {
    ...start,
    ...untold,
    runId: first.runId,
    startedMs: nowMs + 4990,
    endedMs: nowMs + 5000,
    outcome: 'partial',
    exitCode: 3,
    counts: { created: 3 },
    problems: problems.slice(0, 1000),
    problemCount: 1500,
  })
  assert.equal(listRuns(state, { limit: 1 }).length, 1)
  assert.throws(() => endRun(state, 'no such run', done), Bug)
})

test('run ids sort by their times and never meet', () => {
  using state = open()
  const ids = Array.from({ length: 200 }, (_, index) => {
    nowMs += index % 2
    return startRun(state, start).runId
  })
  assert.equal(new Set(ids).size, ids.length)
  const times = ids.map((id) => id.slice(0, id.indexOf('-')))
  assert.deepEqual(times.toSorted(), times)
})

test('a run that a crash left open is found by the next run of its job', () => {
  let dead = ''
  let elsewhere = ''
  {
    using state = open()
    endRun(state, startRun(state, start).runId, done)
    dead = startRun(state, start).runId
    elsewhere = startRun(state, { ...start, job: 'other' }).runId
  }
  using state = open()
  const outcomeOf = (runId: string): unknown =>
    listRuns(state, { limit: 9 }).find((run) => run.runId === runId)?.outcome
  const next = startRun(state, start)
  assert.deepEqual(next.interrupted, [dead])
  assert.deepEqual([dead, elsewhere, next.runId].map(outcomeOf), ['interrupted', undefined, undefined])
  assert.deepEqual(startRun(state, start).interrupted, [next.runId])
})

test('only the newest thousand runs of a job are kept', () => {
  using state = open()
  const other = startRun(state, { ...start, job: 'other' }).runId
  const ids = state.write(() => Array.from({ length: 1010 }, () => startRun(state, start).runId))
  const kept = listRuns(state, { limit: 5000 }).map((run) => run.runId)
  assert.deepEqual(kept, [...ids.slice(10).reverse(), other])
})

test('a lease issues a higher epoch for its root each time, whatever the clock and the process', () => {
  const epochs: number[] = []
  {
    using state = open()
    assert.equal(currentEpoch(state, 'root'), 0)
    epochs.push(takeLease(state, 'root', 'a'), takeLease(state, 'root', 'b'))
    nowMs -= 100_000
    epochs.push(takeLease(state, 'root', 'a'))
    assert.ok(takeLease(state, 'another root', 'a') < (epochs[0] ?? 0))
    assert.equal(currentEpoch(state, 'root'), epochs.at(-1))
  }
  {
    using state = open()
    assert.equal(currentEpoch(state, 'root'), epochs.at(-1))
    epochs.push(takeLease(state, 'root', 'a'))
    nowMs = -5
    epochs.push(takeLease(state, 'root', 'a'))
    assert.ok(takeLease(state, 'third root', 'a') > 0)
  }
  // Nobody who still holds an epoch of a database that was deleted is let in by its successor.
  rmSync(directory, { recursive: true })
  nowMs = Date.UTC(2026, 10, 21, 10)
  using state = open()
  epochs.push(takeLease(state, 'root', 'a'))
  assert.deepEqual(
    epochs.toSorted((a, b) => a - b),
    epochs,
  )
  assert.equal(new Set(epochs).size, epochs.length)
})

test('the end of a run lands whole', () => {
  using state = open()
  const { runId } = startRun(state, start)
  saveHold(state, hold)
  const trees = ['s', 't'].map((treeKey) => {
    return { treeKey, viewId: 'v', changes: { put: storedPages(directoryOf('')), removed: [] } }
  })
  commitRun(state, { runId, end: done, pair: pairOf(runId), trees, clearHold: true })
  assert.equal(listRuns(state, { limit: 1 })[0]?.outcome, 'done')
  assert.deepEqual(loadPair(state, 'job'), pairOf(runId))
  assert.equal(loadHold(state, 'job'), undefined)
  for (const treeKey of ['s', 't']) {
    assert.deepEqual(
      loadTree(state, treeKey).directories.map(({ path }) => path),
      [''],
    )
  }
  const halted = startRun(state, start).runId
  const end: RunEnd = { ...done, outcome: 'halted', exitCode: 15, hold }
  commitRun(state, { runId: halted, end, pair: undefined, trees: [], clearHold: false })
  assert.deepEqual(loadHold(state, 'job'), hold)
  assert.deepEqual(loadPair(state, 'job'), pairOf(runId))
  assert.throws(() => commitRun(state, { runId: halted, end, pair: undefined, trees: [], clearHold: true }), Bug)
})

test('the end of a run that fails at its last part leaves no trace, and no tree is believed after it', () => {
  using state = open()
  saveTree(state, 's', 'v', { put: ['', 'old'].flatMap((path) => storedPages(directoryOf(path))), removed: [] })
  saveHold(state, hold)
  const { runId } = startRun(state, start)
  const before = listRuns(state, { limit: 5 })
  const trees = [
    { treeKey: 's', viewId: 'v', changes: { put: storedPages(directoryOf('new')), removed: [rootPath] } },
    { treeKey: 't', viewId: 'v', changes: { put: storedPages(directoryOf('', 'another view')), removed: [] } },
  ]
  assert.throws(() => commitRun(state, { runId, end: done, pair: pairOf(runId), trees, clearHold: true }), Bug)
  assert.deepEqual(listRuns(state, { limit: 5 }), before)
  assert.equal(loadPair(state, 'job'), undefined)
  assert.deepEqual(loadHold(state, 'job'), hold)
  {
    using other = open()
    assert.equal(loadTree(other, 's').directories.length, 2)
  }
  // The changes are gone, so the holder's next ones don't build on what is stored, however early it failed.
  const isKept = (path: string): boolean => {
    saveTree(state, 's', 'v', { put: storedPages(directoryOf(path)), removed: [] })
    using other = open()
    return loadTree(other, 's').directories.length > 1
  }
  assert.equal(isKept('newer'), false)
  assert.equal(isKept('newest'), true)
  assert.throws(() => commitRun(state, { runId: 'none', end: done, pair: undefined, trees, clearHold: false }), Bug)
  assert.equal(isKept('last'), false)
})

/** Starts a process that runs `code`, in which `state` is open on the directory and `open(directory)` opens another. */
function child(code: string): { process: ChildProcess; lines: () => string[]; ended: Promise<string | null> } {
  const from = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href)
  const program = `
    import { openState } from ${from('./open.ts')}
    import * as runs from ${from('./runs.ts')}
    import * as pairs from ${from('./pairs.ts')}
    import * as trees from ${from('./trees.ts')}
    import { buildRecord } from ${from('../core/record.ts')}
    import { systemClock } from ${from('../std/clock.ts')}
    import { writeSync } from 'node:fs'
    const say = (text) => writeSync(1, text + '\\n')
    const open = (directory) => openState({ directory, clock: systemClock })
    const state = open(${JSON.stringify(directory)})
    ${code}
  `
  const started = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  children.push(started)
  let out = ''
  let errors = ''
  started.stdout?.on('data', (bytes) => {
    out += String(bytes)
  })
  started.stderr?.on('data', (bytes) => {
    errors += String(bytes)
  })
  const ended = new Promise<string | null>((resolve, reject) => {
    started.on('close', (status, signal) => {
      if (status !== 0 && signal === null) reject(new Error(errors))
      else resolve(signal)
    })
  })
  return { process: started, lines: () => out.split('\n').slice(0, -1), ended }
}

/** Ends of runs, each of which writes its own number everywhere: into run, pair, hold and two trees of many shelves. */
const endings = `
  const commit = (number) => {
    const runId = runs.newRunId(systemClock)
    runs.startRun(state, { runId, job: 'job', source: 's', target: 't', mode: 'mirror' })
    const end = { outcome: 'done', exitCode: 0, counts: { number }, problems: [] }
    const pair = { job: 'job', sourceId: 's', targetId: 't', viewId: 'v', sourceFingerprint: undefined,
      targetFingerprint: undefined, problems: [], runId, atMs: number }
    const own = { mtimeSeconds: number, mtimeNs: 0, inodeLow: 0, inodeHigh: 0 }
    const stats = new Uint32Array(12)
    const rows = Array.from({ length: 40 }, (_, row) => ({ name: Buffer.from('n' + (100 + row)), stats, at: 0, flags: 0 }))
    const record = buildRecord(rows, own)
    const put = Array.from({ length: 60 }, (_, index) => ({ key: 'd' + index, page: record.pages[0], viewId: 'v' }))
    const changes = { put, removed: [] }
    const each = ['s', 't'].map((treeKey) => ({ treeKey, viewId: 'v', changes }))
    runs.commitRun(state, { runId, end, pair, trees: each, clearHold: true })
  }
`

/** The number that all parts of the last committed end carry; fails where they differ. */
function numberOf(state: State): number {
  const numbers = ['s', 't'].flatMap((key) =>
    loadTree(state, key).directories.map(({ record }) => record.own.mtimeSeconds),
  )
  const pair = loadPair(state, 'job')
  const ended = listRuns(state, { limit: 1000 }).filter((run) => run.endedMs !== undefined)
  const number = pair?.atMs ?? 0
  assert.deepEqual(new Set(numbers), new Set(number === 0 ? [] : [number]))
  assert.equal(numbers.length, number === 0 ? 0 : 120)
  assert.equal(ended[0]?.counts.number ?? 0, number)
  assert.equal(ended.length, number)
  return number
}

test('a process that is killed within the end of a run leaves the end before it', async () => {
  const killed = child(`${endings}
    commit(1)
    state.write(() => {
      commit(2)
      process.kill(process.pid, 'SIGKILL')
    })
  `)
  assert.equal(await killed.ended, 'SIGKILL')
  using state = open()
  assert.equal(numberOf(state), 1)
  assert.deepEqual(state.notices, [])
})

test('a process that is killed at any moment leaves a whole end, and no less than it was told', async () => {
  for (const after of [1, 3, 6]) {
    directory = join(home, `state-${made}-${after}`)
    const killed = child(`${endings}
      for (let number = 1; number < 1000; number++) {
        commit(number)
        say(String(number))
      }
    `)
    await new Promise<void>((resolve) => {
      killed.process.stdout?.on('data', () => {
        if (killed.lines().length < after) return
        killed.process.kill('SIGKILL')
        resolve()
      })
    })
    assert.equal(await killed.ended, 'SIGKILL')
    const told = Number(killed.lines().at(-1))
    using state = open()
    const number = numberOf(state)
    assert.ok(number === told || number === told + 1, `${number} after ${told}`)
    assert.deepEqual(state.notices, [])
    const { interrupted } = startRun(state, start)
    assert.ok(interrupted.length <= 1)
  }
})

test('processes that begin a database at the same moment begin one', async () => {
  const startMs = Date.now() + 600
  const workers = Array.from({ length: 3 }, () =>
    child(`
      const wait = new Int32Array(new SharedArrayBuffer(4))
      for (let round = 0; round < 20; round++) {
        Atomics.wait(wait, 0, 0, Math.max(0, ${startMs} + round * 40 - Date.now()))
        const one = open(${JSON.stringify(directory)} + '/' + round)
        if (one.notices.length > 0) throw new Error(one.notices[0])
        say(String(runs.takeLease(one, 'root', 'job')))
        one[Symbol.dispose]()
      }
    `),
  )
  await Promise.all(workers.map((worker) => worker.ended))
  for (let round = 0; round < 20; round++) {
    const epochs = workers.map((worker) => worker.lines()[round])
    assert.equal(new Set(epochs).size, 3, `round ${round}: ${epochs}`)
  }
})

test('processes share a database, and each epoch is issued once', async () => {
  const workers = Array.from({ length: 4 }, () =>
    child(`
      for (let round = 0; round < 25; round++) {
        say(String(runs.takeLease(state, 'root', 'job')))
        pairs.savePair(state, { job: 'job' + process.pid, sourceId: '', targetId: '', viewId: '', problems: [], runId: '', atMs: round })
      }
      if (state.notices.length > 0) throw new Error(state.notices[0])
    `),
  )
  await Promise.all(workers.map((worker) => worker.ended))
  const all = workers.map((worker) => worker.lines().map(Number))
  for (const epochs of all) {
    assert.equal(epochs.length, 25)
    assert.deepEqual(
      epochs.toSorted((a, b) => a - b),
      epochs,
    )
  }
  assert.equal(new Set(all.flat()).size, 100)
  using state = open()
  assert.equal(currentEpoch(state, 'root'), Math.max(...all.flat()))
  for (const worker of workers) assert.equal(loadPair(state, `job${worker.process.pid}`)?.atMs, 24)
})

test('a database whose log was left by a crash is read with what it held', () => {
  {
    using state = open()
    savePair(state, pairOf('r'))
    // What a crash leaves: the log is not moved into the file, because another has it open when the last one closes.
    const reader = new DatabaseSync(join(directory, 'state.db'), { readOnly: true })
    reader.prepare('SELECT count(*) FROM pairs').get()
    state[Symbol.dispose]()
    reader.close()
  }
  using state = open()
  assert.deepEqual(loadPair(state, 'job'), pairOf('r'))
})
