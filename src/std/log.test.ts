// The log: a line is a line, whatever is in it.

import assert from 'node:assert/strict'
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { Clock } from './clock.ts'
import { escapeControls, openLog } from './log.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-log-'))
after(() => rmSync(home, { recursive: true, force: true }))
let made = 0
const fresh = (): string => join(home, `case-${++made}`)

/** A clock that stands where it is put, and whose timers fire when told to. */
function handClock(): Clock & { now: number; fire(): void; readonly timers: number } {
  const due = new Set<() => void>()
  return {
    now: Date.UTC(2026, 10, 21, 23, 59, 59, 500),
    nowMs() {
      return this.now
    },
    monotonicMs: () => 0,
    sleep: () => Promise.resolve(),
    timer(_ms, fire) {
      due.add(fire)
      return { cancel: () => void due.delete(fire) }
    },
    fire() {
      for (const one of [...due]) {
        due.delete(one)
        one()
      }
    },
    get timers() {
      return due.size
    },
  }
}

function linesOf(path: string): Record<string, unknown>[] {
  const text = readFileSync(path, 'utf8')
  assert.ok(text.endsWith('\n'))
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

describe('log', () => {
  it('is a JSON line for each action, in a file of its day and role that only its owner reads', () => {
    const directory = fresh()
    const clock = handClock()
    const log = openLog({ directory, role: 'sync', clock })
    log.note('run-start', { runId: 'r', dryRun: false, count: 3, nothing: undefined })
    assert.throws(() => readdirSync(directory))
    clock.fire()
    clock.now += 1000
    log.note('run-end')
    log.flush()
    log.flush()
    assert.deepEqual(readdirSync(directory).sort(), ['2026-11-21-sync.jsonl', '2026-11-22-sync.jsonl'])
    assert.deepEqual(linesOf(join(directory, '2026-11-21-sync.jsonl')), [
      { time: '2026-11-21T23:59:59.500Z', action: 'run-start', runId: 'r', dryRun: false, count: 3 },
    ])
    assert.deepEqual(linesOf(join(directory, '2026-11-22-sync.jsonl')), [
      { time: '2026-11-22T00:00:00.500Z', action: 'run-end' },
    ])
    assert.equal(lstatSync(join(directory, '2026-11-21-sync.jsonl')).mode & 0o777, 0o600)
    assert.equal(lstatSync(directory).mode & 0o777, 0o700)
    assert.equal(clock.timers, 0)
  })

  it('keeps a line a line, whatever a name holds', () => {
    const directory = fresh()
    const log = openLog({ directory, role: 'sync', clock: handClock() })
    const evil = [
      'a\nb',
      'a\r\n{"action":"deleted"}',
      '\u001b[2J\u0007',
      '\u009b31m',
      '\u202egnp.exe',
      '\u2028\u2029',
      '\u061c\u200e\u2066',
      '\ufeff',
      '"\\',
      '\ud800',
      '\u007f',
    ]
    for (const path of evil) log.note('problem', { path })
    log.flush()
    const text = readFileSync(join(directory, '2026-11-21-sync.jsonl'), 'utf8')
    assert.doesNotMatch(
      text,
      /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/,
    )
    assert.deepEqual(
      linesOf(join(directory, '2026-11-21-sync.jsonl')).map(({ path }) => path),
      evil,
    )
  })

  it('writes in batches, and long lines whole', () => {
    const directory = fresh()
    const clock = handClock()
    const log = openLog({ directory, role: 'serve', clock })
    const names = Array.from({ length: 1000 }, (_, i) => `${'n'.repeat(250)}${i}`).join('/')
    log.note('file-received', { names })
    const path = join(directory, '2026-11-21-serve.jsonl')
    assert.deepEqual(
      linesOf(path).map((line) => line.names),
      [names],
    )
    for (let i = 0; i < 500; i++) log.note('tick', { i })
    assert.equal(linesOf(path).length, 1)
    assert.equal(clock.timers, 1)
    clock.fire()
    assert.deepEqual(
      linesOf(path)
        .slice(1)
        .map((line) => line.i),
      Array.from({ length: 500 }, (_, i) => i),
    )
  })

  it('never stops a run because it can not be written; what was lost is told once it can', () => {
    const directory = fresh()
    const clock = handClock()
    const log = openLog({ directory, role: 'sync', clock })
    writeFileSync(directory, 'a file where the directory should be')
    log.note('first', { text: 'x'.repeat(100_000) })
    log.note('second')
    clock.fire()
    for (let i = 0; i < 30_000; i++) log.note('many', { text: 'x'.repeat(100) })
    log.flush()
    rmSync(directory)
    log.note('third')
    log.flush()
    const lines = linesOf(join(directory, '2026-11-21-sync.jsonl'))
    assert.deepEqual(
      lines.map(({ action }) => action),
      ['lines-lost', 'third'],
    )
    assert.equal(lines[0]?.count, 30_002)
    log.note('fourth')
    log.flush()
    assert.equal(linesOf(join(directory, '2026-11-21-sync.jsonl')).length, 3)
  })

  it('escapes only what a terminal or a reader of lines might obey', () => {
    assert.equal(escapeControls('plain äöü 🌙 \u00a0'), 'plain äöü 🌙 \u00a0')
    assert.equal(escapeControls('\u0085\u202e'), '\\u0085\\u202e')
  })
})
