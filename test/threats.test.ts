// Holds docs/threats.md and the tests together: every threat has a row, every test that a row names is there, and what is
// not done names the issue that brings it. The rules are pure functions of the page's text, shown to fire on bad samples.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'

const clone = join(import.meta.dirname, '..')
const page = readFileSync(join(clone, 'docs/threats.md'), 'utf8')
/** 48 are those of the field; what we met ourselves comes after them. */
const threats = Array.from({ length: 53 }, (_, i) => `T${String(i + 1).padStart(2, '0')}`)

type Row = { readonly number: string; readonly tests: string; readonly status: string }

function rowsOf(text: string): Row[] {
  return text
    .split('\n')
    .filter((line) => /^\| T\d/.test(line))
    .map((line) => {
      const cells = line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '').trim())
      return { number: cells[0] ?? '', tests: cells[3] ?? '', status: cells.length === 5 ? (cells[4] ?? '') : '' }
    })
}

function missingRows(rows: readonly Row[]): string[] {
  const numbers = rows.map(({ number }) => number)
  return threats.join() === numbers.join() ? [] : [`rows are ${numbers.join(' ')}`]
}

/** What a status may be: `done`, or `partly` or `open` with an issue; whatever is not open has a test. */
function badStatus({ number, tests, status }: Row): string[] {
  const isTested = /"/.test(tests)
  if (status === 'done' || /^partly, issues? [4-7]\b/.test(status)) return isTested ? [] : [`${number}: no test`]
  return /^open, issues? [4-7]\b/.test(status) ? [] : [`${number}: status "${status}"`]
}

/** Each test that a row names: a file, and parts of names of tests in it. */
function namedTests(row: Row): { file: string; name: string }[] {
  return row.tests.split('; ').flatMap((part) => {
    const file = /^`([^`]+)`/.exec(part)?.[1] ?? ''
    const names = [...part.matchAll(/"([^"]+)"/g)].map((match) => match[1] ?? '')
    return (names.length === 0 && part !== '-' ? [''] : names).map((name) => ({ file, name }))
  })
}

/** Names of tests in a file: texts that a test begins with, and texts at the start of a line of a table of cases. */
function testNames(text: string): string[] {
  const named =
    /(?:\b(?:it|test|within|describe)\(\s*|^\s*\[?)(?:'((?:\\.|[^'\\\n])*)'|"([^"\n]*)"|`((?:\\.|[^`\\])*)`)/gm
  return [...text.matchAll(named)].map((match) => (match[1] ?? match[2] ?? match[3] ?? '').replaceAll("\\'", "'"))
}

function missingTests(row: Row, read: (file: string) => string | undefined): string[] {
  return namedTests(row).flatMap(({ file, name }) => {
    const text = read(file)
    if (text === undefined || name === '') return [`${row.number}: ${file} is no test file, or names no test`]
    return testNames(text).some((one) => one.includes(name)) ? [] : [`${row.number}: ${file} has no test "${name}"`]
  })
}

function readTest(file: string): string | undefined {
  const path = join(clone, file)
  return file.endsWith('.test.ts') && existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

describe('docs/threats.md', () => {
  const rows = rowsOf(page)

  it('has a row for every threat, in order', () => assert.deepEqual(missingRows(rows), []))
  it('names an issue for whatever is not done, and a test for whatever is not open', () =>
    assert.deepEqual(rows.flatMap(badStatus), []))
  it('names only tests that are there', () =>
    assert.deepEqual(
      rows.flatMap((row) => missingTests(row, readTest)),
      [],
    ))
  it('keeps the windows, and what is not defended', () => {
    for (const heading of ['## Register', '## Windows that remain', '## What is not defended'])
      assert.ok(page.includes(`\n${heading}\n`), heading)
  })

  it('is judged by rules that fire', () => {
    const row = (tests: string, status: string): Row =>
      rowsOf(`| T01 | a threat | what is done | ${tests} | ${status} |`)[0] ?? { number: '', tests: '', status: '' }
    const file = "it('does one thing, and well', () => {})\n  ['a case', 1],\nconst text = 'not a test'\n"
    const read = (name: string): string | undefined => (name === 'a.test.ts' ? file : undefined)
    for (const [tests, status, isGood] of [
      ['`a.test.ts` "one thing, and"; `a.test.ts` "a case"', 'done', true],
      ['-', 'open, issue 4', true],
      ['`a.test.ts` "one thing"', 'partly, issues 4 and 5: the rest', true],
      ['`a.test.ts` "one thing"', 'partly, issue 3: the rest', false],
      ['`a.test.ts` "not a test"', 'done', false],
      ['`a.test.ts` "another thing"', 'done', false],
      ['`b.test.ts` "one thing"', 'done', false],
      ['`a.test.ts`', 'done', false],
      ['-', 'done', false],
      ['-', 'partly, issue 4: all', false],
      ['`a.test.ts` "one thing"', 'partly', false],
      ['-', 'open', false],
      ['-', 'open, issue 9', false],
      ['`a.test.ts` "one thing"', 'nearly done', false],
    ] as const) {
      const said = [...badStatus(row(tests, status)), ...missingTests(row(tests, status), read)]
      assert.equal(said.length === 0, isGood, `${tests} | ${status}: ${said.join()}`)
    }
    assert.deepEqual(missingRows(threats.map((number) => ({ number, tests: '', status: '' }))), [])
    assert.equal(missingRows([row('-', 'done')]).length, 1)
  })
})
