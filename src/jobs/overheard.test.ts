// What a child says on standard error: lines, cleaned, and only so many of them.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../std/bytes.ts'
import { Overheard } from './overheard.ts'

function listening(): { told: string[]; overheard: Overheard } {
  const told: string[] = []
  return { told, overheard: new Overheard((line) => told.push(line)) }
}

test('lines are told as they end, wherever the pieces are cut', () => {
  const { told, overheard } = listening()
  const bytes = utf8('one\r\ntwö\n\n  \nthree\rfour')
  for (const byte of bytes) overheard.push(Uint8Array.of(byte))
  assert.deepEqual(told, ['one', 'twö', 'three'])
  overheard.end()
  assert.deepEqual(told, ['one', 'twö', 'three', 'four'])
  assert.deepEqual(overheard.lastLines, told)
})

test('nothing that is told steers a terminal', () => {
  const { told, overheard } = listening()
  overheard.push(utf8('\x1b[2Jgone \x07 \u202eabc \x9b1m\n'))
  assert.equal(told.length, 1)
  assert.doesNotMatch(told[0] ?? '', /[\p{Cc}\u202e]/u)
})

test('a flood is told so far, and a line without an end is cut; the last lines are known all the same', () => {
  const { told, overheard } = listening()
  for (let i = 0; i < 10_000; i++) overheard.push(utf8(`line ${i}\n`))
  assert.equal(told.length, 201)
  assert.match(told.at(-1) ?? '', /more was said/)
  assert.equal(overheard.lastLines.at(-1), 'line 9999')
  assert.equal(overheard.lastLines.length, 8)
  const long = listening()
  long.overheard.push(utf8('x'.repeat(1_000_000)))
  assert.ok(long.told.every((line) => line.length <= 500))
  long.overheard.end()
  assert.ok(long.overheard.lastLines.every((line) => line.length <= 500))
})

test('after a hush nothing is told, and the last lines are known', () => {
  const { told, overheard } = listening()
  overheard.push(utf8('before\n'))
  overheard.hush()
  overheard.push(utf8('after\n'))
  assert.deepEqual(told, ['before'])
  assert.equal(overheard.lastLines.at(-1), 'after')
})

test('a note is told, and counts less than what was said', () => {
  const { told, overheard } = listening()
  overheard.push(utf8('said\n'))
  overheard.note('noted')
  assert.deepEqual(told, ['said', 'noted'])
  assert.equal(overheard.lastLines.at(-1), 'said')
})
