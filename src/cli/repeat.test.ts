// When a repeated job goes on, what it carries over, and that it stops at once when it is asked to.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SyncOptions, SyncResult } from '../api/main.ts'
import type { Clock } from '../std/clock.ts'
import { Failure, type FailureCode, failureCodes } from '../std/failure.ts'
import { type Ended, goesOn, repeatRuns, sameNews } from './repeat.ts'

const request = { source: 'a', target: 'b', release: true, newTarget: true } as SyncOptions
const endOf = (outcome: string, problems: readonly unknown[] = []): Ended => ({
  run: { outcome, exitCode: outcome === 'halted' ? 15 : problems.length > 0 ? 3 : 0 } as unknown as SyncResult,
})

test('goes on after every run, and after failures that pass by themselves', () => {
  for (const outcome of ['unchanged', 'done', 'partial', 'halted']) assert.ok(goesOn(endOf(outcome)), outcome)
  for (const code of Object.keys(failureCodes) as FailureCode[]) {
    const passes = ['soon', 'when-peer-returns'].includes(failureCodes[code].retry)
    assert.equal(goesOn({ failure: new Failure(code, '') }), passes, code)
  }
})

test('a halt and a failure are the same news only while they stay the same', () => {
  const lost = (text: string): Ended => ({ failure: new Failure('unreachable', text) })
  assert.equal(sameNews(lost('a'), undefined), sameNews(lost('a'), undefined))
  assert.notEqual(sameNews(lost('a'), undefined), sameNews(lost('b'), undefined))
  assert.equal(sameNews(endOf('halted'), 'x'), sameNews(endOf('halted'), 'x'))
  assert.notEqual(sameNews(endOf('halted'), 'x'), sameNews(endOf('halted'), 'y'))
  assert.equal(sameNews(endOf('done'), undefined), undefined)
})

test('waits in between, forgets a release with the first run that came about, and ends with the last exit code', async () => {
  const ends: Ended[] = [
    { failure: new Failure('unreachable', '') },
    endOf('done'),
    endOf('halted'),
    endOf('partial', [{}]),
    { failure: new Failure('root-replaced', '') },
  ]
  const asked: boolean[] = []
  const waits: number[] = []
  const clock = { sleep: (ms: number) => Promise.resolve(void waits.push(ms)) } as unknown as Clock
  const code = await repeatRuns(7000, clock, new AbortController().signal, request, async ({ release, newTarget }) => {
    assert.equal(release, newTarget)
    asked.push(release === true)
    return ends[asked.length - 1] as Ended
  })
  assert.deepEqual([code, asked, waits], [15, [true, true, false, false, false], [7000, 7000, 7000, 7000]])
})

test('a stop ends it with one code, whether it waits, runs, or a run just ended', async () => {
  const stopping = (stop: AbortController): Clock => ({ sleep: async () => stop.abort() }) as unknown as Clock
  for (const last of [endOf('unchanged'), endOf('partial', [{}]), endOf('halted')]) {
    const stop = new AbortController()
    assert.equal(await repeatRuns(1, stopping(stop), stop.signal, request, async () => last), 130)
  }
  const stop = new AbortController()
  const broken: Ended = { failure: new Failure('cancelled', 'the run was cancelled') }
  const cut = async (): Promise<Ended> => {
    stop.abort()
    return broken
  }
  assert.equal(await repeatRuns(1, stopping(stop), stop.signal, request, cut), 130)
})
