// The log read backwards: order over files and pieces, the bound, and what is no line.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type LogQuery, nameInLog, searchLog } from './log-reader.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-log-reader-'))
after(() => rmSync(home, { recursive: true, force: true }))

let made = 0
function logOf(files: Record<string, string>): string {
  const directory = mkdtempSync(join(home, `${++made}-`))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  return directory
}

function line(time: string, action: string, fields: object = {}): string {
  return `${JSON.stringify({ time, action, ...fields })}\n`
}

function actions(directory: string, query: Partial<LogQuery> = {}): string[] {
  const search = searchLog(directory, { mayMatch: () => true, maxBytes: 1e9, ...query })
  return [...search.entries].map(({ action }) => action)
}

test('lines come the latest first, over days and sides', () => {
  const directory = logOf({
    '2026-11-20-sync.jsonl': line('2026-11-20T10', 'a') + line('2026-11-20T12', 'c'),
    '2026-11-20-serve.jsonl': line('2026-11-20T11', 'b') + line('2026-11-20T13', 'd'),
    '2026-11-21-sync.jsonl': line('2026-11-21T01', 'e') + line('2026-11-21T02', 'f'),
    'notes.txt': line('2026-11-22T01', 'no log file'),
  })
  assert.deepEqual(actions(directory), ['f', 'e', 'd', 'c', 'b', 'a'])
  assert.deepEqual(actions(directory, { days: { from: '2026-11-20', to: '2026-11-20' } }), ['d', 'c', 'b', 'a'])
  assert.deepEqual(actions(directory, { mayMatch: (text) => text.includes('"b"') }), ['b'])
  assert.deepEqual(actions(join(directory, 'missing')), [])
})

test('a file of many pieces loses no line, whatever its characters', () => {
  const lines = Array.from({ length: 4000 }, (_, at) =>
    line(`2026-11-20T${String(at).padStart(6, '0')}`, `n${at}`, { names: 'ä'.repeat((at * 37) % 900) }),
  )
  const longest = line('2026-11-20T9', 'long', { names: '\u00e9'.repeat(900_000) })
  const directory = logOf({ '2026-11-20-sync.jsonl': lines.join('') + longest })
  const expected = [...lines.map((_, at) => `n${at}`), 'long'].reverse()
  assert.deepEqual(actions(directory), expected)
  const search = searchLog(directory, { mayMatch: () => true, maxBytes: 1e9 })
  for (const entry of search.entries) if (entry.action !== 'long') assert.match(String(entry.names), /^ä*$/)
})

test('what is no line is passed over', () => {
  const text = `${line('1', 'a')}{"time":1,"action":"x"}\nnull\n[]\nnot json\n\n${line('2', 'b')}{"time":"3","acti`
  assert.deepEqual(actions(logOf({ '2026-11-20-sync.jsonl': text })), ['b', 'a'])
})

test('the bound ends it, and says so', () => {
  const many = Array.from({ length: 30_000 }, (_, at) => line('2026', `n${at}`, { pad: 'x'.repeat(100) })).join('')
  const directory = logOf({ '2026-11-20-sync.jsonl': many, '2026-11-19-sync.jsonl': line('2025', 'early') })
  const search = searchLog(directory, { mayMatch: () => true, maxBytes: 1_000_000 })
  const found = [...search.entries]
  assert.equal(found[0]?.action, 'n29999')
  assert.ok(found.length < 30_000)
  assert.deepEqual([search.isCut, search.reached], [true, '2026-11-20'])
  const whole = searchLog(directory, { mayMatch: () => true, maxBytes: 1e9 })
  assert.equal([...whole.entries].length, 30_001)
  assert.deepEqual([whole.isCut, whole.reached], [false, '2026-11-19'])
})

test('a name is looked for as the log writes it', () => {
  for (const name of ['plain', 'quo"te', 'back\\slash', 'line\nbreak', 'bidi\u202e', 'sep\u2028'])
    assert.ok(!/[\n"\u202e\u2028]/.test(nameInLog(name).replaceAll('\\"', '')), name)
})
