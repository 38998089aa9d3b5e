// What is synced at which level: whatever is asked for, nothing that was there is let go of, or told of, before that.

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { seatHere } from '../../test/world/seat-here.ts'
import { flagUnsynced } from '../core/page.ts'
import { systemSys } from '../disk/system.ts'
import { Durable, settledDoubt, unsyncedJob } from './durable.ts'

const place = mkdtempSync(join(tmpdir(), 'nf-durable-'))
const root = systemSys().openRoot(place)
after(() => {
  systemSys().close(root)
  rmSync(place, { recursive: true, force: true })
})
const where = { place, root, job: 'job' }
const file = join(place, 'unsynced.json')
const jobs = (): string[] => (existsSync(file) ? Object.keys(JSON.parse(readFileSync(file, 'utf8')).jobs) : [])

it('a run that syncs remembers nothing, tells all durably, and syncs few files one by one', () => {
  for (const [steps, each] of [
    [16, true],
    [17, false],
  ] as const) {
    const durable = Durable.open('group', steps, where)
    assert.deepEqual([durable.level, durable.each, durable.marks], ['group', each, 0])
    assert.deepEqual([durable.tellsDurably(false), durable.tellsDurably(true)], [true, true])
  }
  assert.deepEqual(jobs(), [])
})

it('a run that does not is remembered, marks what it wrote, and tells durably what displaces', async () => {
  const durable = Durable.open('none', 1, where)
  assert.deepEqual([durable.level, durable.each, durable.marks], ['none', false, flagUnsynced])
  assert.deepEqual([durable.tellsDurably(false), durable.tellsDurably(true)], [false, true])
  assert.deepEqual(jobs(), ['job'])
  const sys = systemSys()
  const { syncFileSystem } = sys
  sys.syncFileSystem = () => -5
  try {
    assert.deepEqual([await durable.written(seatHere, root), await durable.named(seatHere, [], false)], [0, 0])
    assert.equal(await durable.named(seatHere, [], true), -5)
  } finally {
    sys.syncFileSystem = syncFileSystem
  }
  // What it read again and kept is no doubt; what it wrote itself is one still.
  settledDoubt(where, durable)
  assert.deepEqual(jobs(), ['job'])
  settledDoubt(where, undefined)
  assert.deepEqual(jobs(), [])
})

it('a run that can not be remembered syncs', () => {
  const lives = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`${i}`, 'before']))
  writeFileSync(file, JSON.stringify({ version: 1, jobs: lives }))
  assert.deepEqual([Durable.open('none', 1, where).level, jobs().length], ['group', 100])
})

it('other rules of a run are another job: what they left out it did not look at', () => {
  const rule = { directory: '', label: '--exclude', text: 'a' } as const
  assert.equal(unsyncedJob('job', []), 'job')
  const names = [[rule], [{ ...rule, text: 'b' }], [rule, rule], [{ ...rule, label: '--include' }]].map((rules) =>
    unsyncedJob('job', rules),
  )
  assert.equal(new Set(['job', ...names]).size, 5)
  assert.equal(unsyncedJob('job', [{ ...rule }]), names[0])
})
