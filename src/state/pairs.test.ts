// Pairs and holds: round trips, and that what is not sound counts as not there.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, beforeEach, test } from 'node:test'
import { systemClock } from '../std/clock.ts'
import { openState } from './open.ts'
import { clearHold, type Hold, loadHold, loadPair, type Pair, saveHold, savePair } from './pairs.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-pairs-'))
after(() => rmSync(home, { recursive: true, force: true }))

let directory = home
let made = 0
beforeEach(() => {
  made += 1
  directory = join(home, `state-${made}`)
})

function open(): ReturnType<typeof openState> {
  return openState({ directory, clock: systemClock })
}

const done: Pair = {
  job: 'job',
  sourceId: 'source root',
  targetId: 'target root',
  viewId: 'view',
  sourceFingerprint: Uint8Array.from({ length: 32 }, (_, index) => index),
  targetFingerprint: new Uint8Array(32).fill(255),
  problems: [
    { path: 'a\nb/\\xff\0"', code: 'unreadable', detail: 'EACCES' },
    { path: '', code: 'target-changed', detail: '' },
    { path: '\udcff', code: 'bad-name', detail: '' },
  ],
  runId: 'run',
  atMs: 1_795_000_000_123,
}

const hold: Hold = {
  job: 'job',
  digest: new Uint8Array(32).fill(9),
  reason: 'would delete 100 of 150 files',
  deletes: 100,
  replaces: 3,
  sample: ['a', 'b\n', 'ü'],
  atMs: 1_795_000_000_000,
  toldMs: undefined,
}

test('a pair is begun, completed and replaced, for each job on its own', () => {
  const begun: Pair = {
    ...done,
    sourceFingerprint: undefined,
    targetFingerprint: undefined,
    problems: [],
    runId: 'next',
  }
  {
    using state = open()
    assert.equal(loadPair(state, 'job'), undefined)
    savePair(state, begun)
    assert.deepEqual(loadPair(state, 'job'), begun)
    savePair(state, done)
  }
  using state = open()
  assert.deepEqual(loadPair(state, 'job'), done)
  savePair(state, { ...done, job: 'other', atMs: 5 })
  // A run that begins to apply takes the old fingerprints away: if it dies, nothing says "unchanged".
  savePair(state, begun)
  assert.deepEqual(loadPair(state, 'job'), begun)
  assert.equal(loadPair(state, 'other')?.atMs, 5)
})

test('all problems of a pair are kept, since each is tried again', () => {
  using state = open()
  const problems = Array.from({ length: 5000 }, (_, index) => {
    return { path: `p${index}`, code: 'changing', detail: '' } as const
  })
  savePair(state, { ...done, problems })
  assert.deepEqual(loadPair(state, 'job')?.problems, problems)
})

test('a hold is kept, told, replaced and cleared', () => {
  {
    using state = open()
    assert.equal(loadHold(state, 'job'), undefined)
    saveHold(state, hold)
    saveHold(state, { ...hold, job: 'other' })
  }
  using state = open()
  assert.deepEqual(loadHold(state, 'job'), hold)
  saveHold(state, { ...hold, toldMs: 7 })
  assert.deepEqual(loadHold(state, 'job'), { ...hold, toldMs: 7 })
  clearHold(state, 'job')
  clearHold(state, 'never held')
  assert.equal(loadHold(state, 'job'), undefined)
  assert.deepEqual(loadHold(state, 'other'), { ...hold, job: 'other' })
})

test('what is not sound is as good as not there', () => {
  const unsound = ['{', '{}', '[1]', '[["a","unreadable"]]', '[["a","no such code",""]]', '[[1,"unreadable",""]]']
  using state = open()
  savePair(state, done)
  saveHold(state, hold)
  const database = new DatabaseSync(join(directory, 'state.db'))
  for (const text of unsound) {
    database.prepare('UPDATE pairs SET problems = ?').run(text)
    assert.equal(loadPair(state, 'job'), undefined, text)
    database.prepare('UPDATE holds SET sample = ?').run(text)
    assert.equal(loadHold(state, 'job'), undefined, text)
  }
  database.close()
  savePair(state, done)
  assert.deepEqual(loadPair(state, 'job'), done)
})
