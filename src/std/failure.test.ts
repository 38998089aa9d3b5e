// What an unknown thrown thing is told as.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bug } from './assert.ts'
import { asFailure, Failure, systemHint } from './failure.ts'

test('a failure passes unchanged, a bug is thrown on, anything else is told by its message', () => {
  const failure = new Failure('target-full', 'no space')
  assert.equal(asFailure(failure, 'disk-error'), failure)
  assert.throws(() => asFailure(new Bug('a belief that does not hold'), 'disk-error'), Bug)
  const { code, message } = asFailure(new Error('some words'), 'peer-failed')
  assert.deepEqual([code, message], ['peer-failed', 'some words'])
  assert.equal(asFailure('a text', 'disk-error').message, 'a text')
})

test('where no more files can be opened, what to do is told, wherever that was met', () => {
  for (const [text, word, remedy] of [
    ['Worker initialization failure: EMFILE', 'EMFILE', /ulimit -n/],
    ["EMFILE: too many open files, open '/some/program.cjs'", 'EMFILE', /ulimit -n/],
    ['Cannot read package config /a/package.json: too many open files.', 'EMFILE', /ulimit -n/],
    ["ENFILE: file table overflow, open '/a'", 'ENFILE', /fs\.file-max/],
  ] as const) {
    const failure = asFailure(new Error(text), 'disk-error')
    assert.equal(failure.message, `too many files are open (${word})`)
    assert.match(failure.hint, remedy)
  }
  assert.equal(asFailure(new Error('a file named SEMFILER'), 'disk-error').message, 'a file named SEMFILER')
  assert.equal(systemHint('ENOENT'), '')
})
