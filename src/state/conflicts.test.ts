// Conflicts that are kept until they are settled: saved, listed in order, forgotten one by one, bounded, and never a reason to fail.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { parseRelPath, type RelPath } from '../core/path.ts'
import { systemClock } from '../std/clock.ts'
import { forgetConflicts, type KnownConflict, loadConflicts, saveConflicts } from './conflicts.ts'
import { openState } from './open.ts'

const place = mkdtempSync(join(tmpdir(), 'nightferry-conflicts-'))
after(() => rmSync(place, { recursive: true }))

const conflict = (path: string, more: Partial<KnownConflict> = {}): KnownConflict => ({
  job: 'job',
  left: '/a',
  right: 'nas:b',
  path: parseRelPath(path) as RelPath,
  copy: 'copy',
  kept: 'left',
  baseSeconds: 5,
  runId: 'run',
  atMs: 1000,
  ...more,
})

test('conflicts come back as they were saved, and one that is found again is one', () => {
  using state = openState({ directory: join(place, 'one'), clock: systemClock })
  const all = [conflict('b/x'), conflict('a\udcff', { kept: 'right', baseSeconds: undefined })]
  saveConflicts(state, all)
  saveConflicts(state, [conflict('b/x', { atMs: 2000 })])
  saveConflicts(state, [])
  assert.deepEqual(loadConflicts(state), [all[1], conflict('b/x', { atMs: 2000 })])
  forgetConflicts(state, [conflict('b/x'), conflict('never was')])
  assert.deepEqual(loadConflicts(state), [all[1]])
})

test('the newest of a job are kept, and a row that is not sound is passed over', () => {
  const directory = join(place, 'two')
  {
    using state = openState({ directory, clock: systemClock })
    saveConflicts(
      state,
      Array.from({ length: 10_010 }, (_, i) => conflict(`f${i}`)),
    )
    saveConflicts(state, [conflict('other', { job: 'another' })])
    const paths = new Set(loadConflicts(state).map(({ path }) => path as string))
    assert.deepEqual([paths.size, paths.has('f9'), paths.has('f10'), paths.has('other')], [10_001, false, true, true])
  }
  {
    using database = new DatabaseSync(join(directory, 'state.db'))
    database.exec(
      "UPDATE conflicts SET kept = 'both' WHERE path = 'f10'; UPDATE conflicts SET path = '/x' WHERE path = 'f11'",
    )
  }
  using state = openState({ directory, clock: systemClock })
  assert.equal(loadConflicts(state).length, 9_999)
})
