// Clocks, as a run sees them: an update trusts times and ends where the clocks of two machines differ; a mirror does not
// care. That is settled before anything is scanned.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testClock } from '../../test/world/links.ts'
import type { State } from '../state/open.ts'
import { runCycle } from './cycle.ts'
import type { SourceEnd, TargetEnd } from './endpoint.ts'
import type { OneWayJob as Job, RunContext } from './job.ts'

const day = 86_400_000
const job: Job = {
  id: 'job',
  mode: 'update',
  checksum: false,
  selection: {},
  dryRun: false,
  overrides: [],
  ignoreFiles: [],
  limit: { kind: 'default' },
  release: false,
  keep: undefined,
  durability: 'group',
  attributes: 0,
  ownersByName: false,
}

const traits = { modeMask: 0o777, timeGrainNs: 1 }

/** What becomes of a run whose ends' clocks are off by so much: the failure's code, or that it went on to scan. */
async function runWith(mode: Job['mode'], leftMs: number, rightMs: number): Promise<string> {
  const clock = testClock()
  const end = (offMs: number): unknown => ({
    facts: { machine: 'nas', path: '', nowMs: clock.nowMs() + offMs, recovered: [], traits },
    scan: () => Promise.reject(new Error('scanned')),
  })
  const context: RunContext = {
    state: {} as State,
    clock,
    runId: 'run',
    listen: () => {},
    listsChanges: false,
    signal: new AbortController().signal,
    planned: () => {},
    found: () => {},
  }
  try {
    await runCycle({ ...job, mode }, end(leftMs) as SourceEnd, end(rightMs) as TargetEnd, context)
    return 'done'
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).message
  }
}

for (const [what, leftMs, rightMs, told] of [
  ['equal', 0, 0, 'scanned'],
  ['off by what an opening may take', 900, -2_900, 'scanned'],
  ['seconds ahead', 0, 4_000, 'clock-skew'],
  ['seconds behind, at the source', -4_000, 0, 'clock-skew'],
  ['back by ten years', 0, -3650 * day, 'clock-skew'],
  ['forward by thirty days', 30 * day, 30 * day, 'clock-skew'],
] as const) {
  test(`clocks that are ${what}: an update is ${told}, a mirror goes on`, async () => {
    assert.equal(await runWith('update', leftMs, rightMs), told)
    assert.equal(await runWith('mirror', leftMs, rightMs), 'scanned')
  })
}
