// What a person writes as ends: which there are, and what a pair that no run can serve is told.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '../std/failure.ts'
import { checkEnds, type EndName, parseEnd } from './ends.ts'

const isMachine = (name: string): boolean => ['nas', 'desk'].includes(name)
const endOf = (text: string): EndName => parseEnd(text, isMachine)
const check = (source: string, target: string): void =>
  checkEnds(
    endOf(source),
    endOf(target),
    (path) => path,
    () => false,
  )

test('an end whose own path is not UTF-8 is refused, and shown', () => {
  for (const [source, target] of [
    ['/a\udcff', '/b'],
    ['/a', 'nas:data/\udcff/x'],
  ] as const)
    assert.throws(
      () => check(source, target),
      (error) => error instanceof Failure && error.code === 'bad-end' && error.message.includes('\udcff'),
    )
})

test('two ends behind the wire are told why not, and what to type where', () => {
  for (const [source, target, message, hint] of [
    [
      'nas:a',
      'nas:b/c',
      /^nas:a and nas:b\/c are both on nas; one end .* is a folder/,
      /type it on nas.*sync FOLDER FOLDER$/,
    ],
    [
      'nas:a/x',
      'desk:b',
      /^nas:a\/x and desk:b are both on other machines; one end/,
      /on nas, once .*desk.*FOLDER desk:b$/,
    ],
  ] as const)
    assert.throws(
      () => check(source, target),
      (error: Failure) => error.code === 'two-remote-ends' && message.test(error.message) && hint.test(error.hint),
    )
})

test('the name of a machine alone is no folder, unless it is written as one', () => {
  assert.throws(
    () => endOf('nas'),
    (error: Failure) => error.code === 'bad-end' && /nas:SHARE.*\.\/nas/.test(error.hint),
  )
  for (const text of ['./nas', 'nas/', '/nas', 'nasty']) assert.deepEqual(endOf(text), { kind: 'local', path: text })
  assert.equal(endOf('nas:a').kind, 'remote')
})

test('one end behind the wire, and two folders apart, are a run', () => {
  for (const [source, target] of [
    ['/a', 'nas:b'],
    ['nas:b', '/a'],
    ['/a', '/b'],
    ['/a', '/ab'],
  ] as const)
    check(source, target)
})
