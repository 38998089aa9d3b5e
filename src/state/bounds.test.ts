// What a peer can make this machine remember: it names its jobs as it likes, so neither its runs nor the trees of its ends
// may grow with the number of names.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { RelPath } from '../core/path.ts'
import { buildRecord } from '../core/record.ts'
import { storedPages } from '../core/tree.ts'
import { systemClock } from '../std/clock.ts'
import { openState, type State } from './open.ts'
import { newRunId, type RunStart, startRun } from './runs.ts'
import { forgetOldTrees, loadTree, saveTree, type TreeChanges } from './trees.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-bounds-'))
after(() => rmSync(home, { recursive: true, force: true }))

function open(name: string): State {
  return openState({ directory: join(home, name), clock: systemClock })
}

test('of the trees of one place only the newest are kept, and no others go', () => {
  using state = open('trees')
  const record = buildRecord([], { mtimeSeconds: 0, mtimeNs: 0, inodeLow: 1, inodeHigh: 0 })
  const root: TreeChanges = {
    put: storedPages({ path: '' as RelPath, record, viewId: 'v', summary: undefined }),
    removed: [],
  }
  const keys = Array.from({ length: 6 }, (_, i) => `served source a ${i}`)
  const others = ['served source b 1', 'served source', 'source a', 'served target a 1']
  for (const key of [...others, ...keys]) saveTree(state, key, 'v', root)
  forgetOldTrees(state, 'served source a ', 2)
  const kept = [...others, ...keys].filter((key) => loadTree(state, key).directories.length > 0)
  assert.deepEqual(kept, [...others, ...keys.slice(4)])
  const left = state.read(() => state.prepare('SELECT count(DISTINCT tree) AS count FROM shelves').get())
  assert.equal(left?.count, 6)
  // One that comes back begins anew.
  saveTree(state, 'served source a 0', 'v', root)
  assert.equal(loadTree(state, 'served source a 0').directories.length, 1)
})

test('the runs of a peer are bounded whatever it calls its jobs, and cost no run of this machine', () => {
  using state = open('runs')
  const begin = (change: Partial<RunStart>): string => {
    const runId = newRunId(systemClock)
    startRun(state, { runId, job: 'job', source: '/a', target: '', mode: '', ...change })
    return runId
  }
  const others = [begin({}), begin({ driver: 'other' })]
  state.write(() => {
    const insert = state.prepare(`
      INSERT INTO runs (run_id, job, source, target, mode, started_ms, counts, problems, problem_count, driver)
      VALUES (?1, ?1, '', '', '', 0, '{}', '[]', 0, 'nas')
    `)
    for (let i = 0; i < 5003; i++) insert.run(`old ${i}`)
  })
  const last = begin({ job: 'another', driver: 'nas' })
  state.read(() => {
    assert.equal(state.prepare("SELECT count(*) AS count FROM runs WHERE driver = 'nas'").get()?.count, 5000)
    for (const runId of [...others, last])
      assert.notEqual(state.prepare('SELECT 1 AS one FROM runs WHERE run_id = ?').get(runId), undefined, runId)
  })
})
