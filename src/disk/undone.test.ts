// What a target remembers of undone runs: noted, answered, taken back, and never lost to a file that can't be read.

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Failure } from '../std/failure.ts'
import { clearUndone, forgetUndo, noteUndone, settleUndo, type UndoneMark, undoneMark } from './undone.ts'

const own = mkdtempSync(join(tmpdir(), 'nf-undone-'))
after(() => rmSync(own, { recursive: true, force: true }))
const file = join(own, 'undone.json')
const mark = (run: string, as: string): UndoneMark => ({ run, as, by: 'nas', atMs: 1 })

describe('the note of undone runs', () => {
  it('holds its job, and no other, until it is answered', () => {
    assert.equal(undoneMark(own, 'a'), undefined)
    noteUndone(own, 'a', mark('R', 'U'))
    assert.deepEqual(undoneMark(own, 'a'), mark('R', 'U'))
    assert.equal(undoneMark(own, 'b'), undefined)
    noteUndone(own, 'b', mark('Q', 'V'))
    clearUndone(own, 'a')
    assert.equal(undoneMark(own, 'a'), undefined)
    assert.deepEqual(undoneMark(own, 'b'), mark('Q', 'V'))
    clearUndone(own, 'b')
    assert.ok(!existsSync(file), 'nothing is left where nothing is held')
  })

  it('goes with an undo that did nothing, and with the undo of the undo, but not with that of another', () => {
    noteUndone(own, 'a', mark('R', 'U'))
    noteUndone(own, 'a', mark('Q', 'V'))
    forgetUndo(own, 'a', 'V')
    assert.deepEqual(undoneMark(own, 'a'), mark('R', 'U'))
    noteUndone(own, 'a', mark('U', 'W'))
    settleUndo(own, 'a', { run: 'U', as: 'W' })
    assert.equal(undoneMark(own, 'a'), undefined)
    noteUndone(own, 'a', mark('R', 'U'))
    noteUndone(own, 'a', mark('Q', 'V'))
    settleUndo(own, 'a', { run: 'Q', as: 'V' })
    assert.deepEqual(undoneMark(own, 'a'), mark('Q', 'V'))
    noteUndone(own, 'a', mark('V', 'W'))
    settleUndo(own, 'a', { run: 'V', as: 'W' })
    assert.deepEqual(undoneMark(own, 'a'), mark('R', 'U'), 'the first undo is not answered yet')
    clearUndone(own, 'a')
  })

  it('keeps what it holds, however often something is undone', () => {
    for (let i = 0; i < 50; i++) noteUndone(own, 'a', mark(`R${i}`, `U${i}`))
    assert.ok(readFileSync(file).length < 2000)
    assert.deepEqual(undoneMark(own, 'a'), mark('R49', 'U49'))
    for (let i = 0; i < 500; i++) noteUndone(own, `job ${i}`, mark('R', 'U'))
    assert.ok(readFileSync(file).length < 15_000)
    assert.deepEqual(undoneMark(own, 'job 499'), mark('R', 'U'))
    rmSync(file)
  })

  it('holds every job where it can not be understood, is not written over, and goes with a release', () => {
    for (const text of [
      '',
      'damaged',
      '[]',
      '{"version":1}',
      '{"version":1,"jobs":{"a":[{}]}}',
      '{"version":0,"jobs":{}}',
    ]) {
      writeFileSync(file, text)
      assert.deepEqual(undoneMark(own, 'any'), { run: '', as: '', by: '', atMs: 0 }, text)
      noteUndone(own, 'a', mark('R', 'U'))
      assert.equal(readFileSync(file, 'utf8'), text)
      clearUndone(own, 'a')
      assert.ok(!existsSync(file))
    }
    writeFileSync(file, '{"version":2}')
    assert.throws(() => undoneMark(own, 'a'), Failure)
    assert.equal(readFileSync(file, 'utf8'), '{"version":2}')
    rmSync(file)
  })

  it('is not led astray by names', () => {
    assert.equal(undoneMark(own, '__proto__'), undefined)
    noteUndone(own, 'constructor', mark('R', 'U'))
    assert.equal(undoneMark(own, 'toString'), undefined)
    assert.deepEqual(undoneMark(own, 'constructor'), mark('R', 'U'))
    rmSync(file)
  })
})
