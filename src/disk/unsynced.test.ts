// What a target remembers of runs that did not sync: by job and life, and in doubt as doubtful.

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { Sys } from './sys.ts'
import { systemSys } from './system.ts'
import { forgetUnsynced, lifeOf, noteUnsynced, settleUnsynced } from './unsynced.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-unsynced-'))
const root = systemSys().openRoot(home)
after(() => {
  systemSys().close(root)
  rmSync(home, { recursive: true, force: true })
})

const file = join(home, 'unsynced.json')
let synced = 0
let code = 0
const sys = {
  syncFileSystem(): number {
    synced++
    return code
  },
} as unknown as Sys

function jobs(): Record<string, string> {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).jobs : {}
}

function put(lives: Record<string, string>): void {
  writeFileSync(file, JSON.stringify({ version: 1, jobs: lives }))
}

describe('a run that did not sync', { skip: process.platform !== 'linux' && 'lives are told by Linux' }, () => {
  it('is synced by the next one in the same life, unless that only looks', () => {
    assert.equal(settleUnsynced(sys, home, root, true), false)
    assert.equal(synced, 0, 'nothing is done where nothing is remembered')
    assert.ok(noteUnsynced(home, root, 'one'))
    assert.deepEqual(jobs(), { one: lifeOf(root) })
    assert.equal(settleUnsynced(sys, home, root, false), false)
    assert.deepEqual([synced, Object.keys(jobs())], [0, ['one']])
    assert.equal(settleUnsynced(sys, home, root, true), false)
    assert.deepEqual([synced, existsSync(file)], [1, false])
  })

  it('is in doubt where that sync fails', () => {
    noteUnsynced(home, root, 'one')
    code = -5
    assert.equal(settleUnsynced(sys, home, root, true), true)
    code = 0
    assert.deepEqual(Object.keys(jobs()), ['one'])
    assert.equal(settleUnsynced(sys, home, root, true), false)
  })

  it('is in doubt in another life, until its own job has looked', () => {
    put({ one: 'before', two: 'before' })
    assert.equal(settleUnsynced(sys, home, root, true), true)
    // A further run of it changes nothing of that.
    assert.ok(noteUnsynced(home, root, 'one'))
    assert.deepEqual(jobs(), { one: 'before', two: 'before' })
    forgetUnsynced(home, root, 'one', false)
    assert.deepEqual(jobs(), { two: 'before' })
    forgetUnsynced(home, root, 'two', true)
    assert.deepEqual(jobs(), { two: lifeOf(root) })
    assert.equal(settleUnsynced(sys, home, root, true), false)
  })

  it('is in doubt where what is remembered can not be read, or no life is told', () => {
    for (const text of ['', '{', '[]', '{"version":2,"jobs":{}}', '{"version":1,"jobs":{"one":1}}']) {
      writeFileSync(file, text)
      assert.equal(settleUnsynced(sys, home, root, true), true, text)
      forgetUnsynced(home, root, 'any', false)
      assert.equal(existsSync(file), false, text)
    }
    put({ one: '' })
    assert.equal(settleUnsynced(sys, home, root, true), true)
    assert.equal(lifeOf(12_345), '')
    // Two lives of which nothing is known are not one.
    assert.equal(settleUnsynced(sys, home, 12_345, true), true)
  })

  it('is remembered of so many jobs, and then of no other', () => {
    put(Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`${i}`, 'before'])))
    assert.equal(noteUnsynced(home, root, 'one more'), false)
    assert.equal(noteUnsynced(home, root, '7'), true)
    rmSync(file)
  })
})
