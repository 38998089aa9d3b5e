// Holds the pages to what they name: requirements to their numbers and tests, the map of ARCHITECTURE.md to the files that
// there are, paths and functions to the source, calls and codes to the tables of the code. The rules are pure functions of
// a page's text, shown to fire on bad samples. What the pages say beyond that is for people to keep true.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { describe, it } from 'node:test'
import { failureCodes, type Retry } from '../src/std/failure.ts'
import { calls } from '../src/wire/messages.ts'

type Read = (path: string) => string | undefined

const clone = join(import.meta.dirname, '..')
const read: Read = (path) => {
  const place = join(clone, path)
  if (!existsSync(place)) return undefined
  return /\.\w+$/.test(path) ? readFileSync(place, 'utf8') : ''
}
const page = (path: string): string => read(path) ?? assert.fail(`${path} is missing`)
const decisions = readdirSync(join(clone, 'docs/decisions')).map((name) => `docs/decisions/${name}`)
const pages = ['README.md', 'ARCHITECTURE.md', 'GOALS.md', 'bench/README.md', ...decisions].concat(
  ['errors', 'reconcile', 'requirements', 'threats', 'wire-protocol'].map((name) => `docs/${name}.md`),
)

/** The numbers of the five systems; they never change. */
const numbers = [26, 17, 24, 15, 23].flatMap((count, system) =>
  Array.from({ length: count }, (_, i) => `S${system}.${i + 1}`),
)

function rowsOf(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.slice(2, -2).split(' | '))
}

/** A path as a page writes it, from the clone's top: what stands alone lies below src. */
function placeOf(path: string): string {
  return /^(src|test|docs|bench|examples|scripts|node)\//.test(path) ? path : `src/${path}`
}

/** Paths of files and folders in backticks; `a/{b,c}.ts` is two. */
function pathsIn(text: string): string[] {
  return [...text.matchAll(/`((?:[\w.-]+\/)+(?:[\w.-]+\.(?:ts|md|sh)|\{[\w,-]+\}\.ts)?)`/g)].flatMap(
    ([, path = '']) => {
      const [before = '', list = '', after = ''] = path.split(/[{}]/)
      return list === '' ? [path] : list.split(',').map((one) => `${before}${one}${after}`)
    },
  )
}

function missingPaths(text: string, from: Read): string[] {
  const foreign = /^(\.|dist|docs\/nightferry|logs|bench\/results|results)/
  return pathsIn(text).filter((path) => !foreign.test(path) && from(placeOf(path)) === undefined)
}

/** Functions that a page names right behind their file: `a/b.ts` **name**, or in a table without the stars. */
function missingNames(text: string, from: Read): string[] {
  const named = /`([\w/.-]+\.ts)` (?:\*\*([#\w.]+)\*\*|([a-z]+[A-Z]\w*))/g
  return [...text.matchAll(named)].flatMap(([, path = '', bold, plain]) => {
    const name = (bold ?? plain ?? '').replace(/^.*\./, '')
    return new RegExp(`(^|[^\\w])${name}\\b`, 'm').test(from(placeOf(path)) ?? '') ? [] : [`${path} has no ${name}`]
  })
}

function badLinks(path: string, text: string): string[] {
  const links = [...text.matchAll(/\]\(([\w./-]+)(?:#[\w-]+)?\)/g)].map(([, to = '']) => to)
  return links.filter((to) => read(posix.join(posix.dirname(path), to)) === undefined)
}

/** What is wrong with a row: its cells, its status, and a test where something is done. */
function badRequirement([number = '', ...cells]: string[], from: Read): string[] {
  const [, where = '', tests = '', status = ''] = cells
  const bad = (what: string): string[] => [`${number}: ${what}`]
  if (cells.length !== 4) return bad(`${cells.length + 1} cells`)
  if (!/^(done|partly|issue [4-7]|not taken over)\b/.test(status)) return bad(`status "${status}"`)
  if (/\bissues? [123]\b/.test(status)) return bad('names an issue that is closed')
  if (status.startsWith('done') && !/`[^`]+\.test\.ts`/.test(tests)) return bad('done without a test')
  return [...missingPaths(`${where} ${tests}`, from), ...missingNames(where, from)].flatMap(bad)
}

/** Files of src that the map does not name in the part of their folder. */
function missingInMap(text: string, files: readonly string[]): string[] {
  const parts = new Map(
    text
      .split(/^ {2}(?=[a-z]+\/ )/m)
      .slice(1)
      .map((part) => [part.slice(0, part.indexOf('/')), part.replace(/^\S*[a-z]$[\s\S]*/m, '')]),
  )
  return files.filter((file) => {
    const [folder = '', noun = ''] = file.slice(0, -3).split('/')
    return !new RegExp(`(^|[^\\w-])${noun}($|[^\\w-])`, 'm').test(parts.get(folder) ?? '')
  })
}

describe('documents', () => {
  it('have every requirement once, in order', () => {
    const rows = rowsOf(page('docs/requirements.md')).filter(([first = '']) => /^S\d/.test(first))
    assert.deepEqual(
      rows.map(([first]) => first),
      numbers,
    )
    assert.deepEqual(
      rows.flatMap((row) => badRequirement(row, read)),
      [],
    )
  })

  it('name only files, functions and pages that are there', () => {
    const missing = pages.flatMap((path) => {
      const text = page(path)
      return [...missingPaths(text, read), ...missingNames(text, read), ...badLinks(path, text)].map(
        (what) => `${path}: ${what}`,
      )
    })
    assert.deepEqual(missing, [])
  })

  it('have every file of the program in the map', () => {
    const files = readdirSync(join(clone, 'src'), { recursive: true, encoding: 'utf8' })
    // The verbs of the command line are one file each, and README.md has them.
    const named = files.filter((path) => path.endsWith('.ts') && !/\.test\.ts$|^cli\//.test(path))
    assert.deepEqual(missingInMap(page('ARCHITECTURE.md'), named), [])
  })

  it('tell every verb and option in README.md', () => {
    const text = page('README.md')
    const defined = ['main', 'looking', 'sync-options'].map((name) => page(`src/cli/${name}.ts`)).join('\n')
    const options = [...defined.matchAll(/'(?:-\w, )?(--[a-z-]+)[ ']/g)].map(([, option = '']) => option)
    const verbs = [...defined.matchAll(/(?:verb\(\w+, |\.command\()'([a-z]+)/g)].map(([, verb = '']) => verb)
    assert.ok(options.length > 40 && verbs.length > 18, `${options.length} options, ${verbs.length} verbs`)
    const told = [...options, ...verbs.filter((verb) => verb !== 'complete')]
    assert.deepEqual(
      told.filter((word) => !new RegExp(`\`[^\`\n]*(?<![\\w-])${word}(?![\\w-])[^\`\n]*\``).test(text)),
      [],
    )
  })

  it('number decisions once, each under its own number', () => {
    const found = decisions.map((path) => /\/(\d{4})-/.exec(path)?.[1] ?? path)
    assert.equal(new Set(found).size, found.length)
    for (const [i, path] of decisions.entries()) assert.match(page(path), new RegExp(`^# ${found[i]} .*\\n\\nDate: `))
  })

  it('tell every call, and the exit code and retry class of every failure', () => {
    const told = rowsOf(page('docs/wire-protocol.md')).map(
      ([first = '']) => /^`([a-zA-Z]+)`[*†]?( |$)/.exec(first)?.[1],
    )
    assert.deepEqual(Object.keys(calls).sort(), told.filter((name) => name !== undefined).sort())
    const retries: Record<Retry, string> = {
      never: 'never',
      soon: 'soon',
      'when-peer-returns': 'peer',
      'after-user': 'you',
    }
    const rows = new Map(rowsOf(page('docs/errors.md')).map(([first = '', ...rest]) => [first, rest]))
    for (const [code, { exit, retry }] of Object.entries(failureCodes))
      assert.deepEqual(rows.get(`\`${code}\``)?.slice(0, 2), [String(exit), retries[retry]], code)
  })

  it('are judged by rules that fire', () => {
    const files: Record<string, string> = { 'src/a/b.ts': 'function one() {}', 'src/a/b.test.ts': '', 'src/a/': '' }
    const from: Read = (path) => files[path]
    for (const [row, isGood] of [
      ['S0.1 | what | `a/b.ts` | `a/b.test.ts` | done', true],
      ['S0.1 | what | `a/b.ts` | - | partly: the rest is missing', true],
      ['S0.1 | what | - | - | issue 6', true],
      ['S0.1 | what | `a/b.ts` | - | done', false],
      ['S0.1 | what | `a/c.ts` | `a/b.test.ts` | done', false],
      ['S0.1 | what | `a/b.ts` | `a/c.test.ts` | done', false],
      ['S0.1 | what | `a/b.ts` oneThing | `a/b.test.ts` | done', false],
      ['S0.1 | what | - | - | issue 3', false],
      ['S0.1 | what | - | - | nearly', false],
      ['S0.1 | what | - | issue 6', false],
    ] as const)
      assert.equal(badRequirement(row.split(' | '), from).length === 0, isGood, row)
    assert.deepEqual(missingPaths('`a/` `a/b.ts` `a/{b,c}.ts` `d/`', from), ['a/c.ts', 'd/'])
    assert.deepEqual(missingNames('`a/b.ts` **one**, `a/b.ts` **two**', from), ['a/b.ts has no two'])
    assert.deepEqual(badLinks('docs/x.md', '[a](../README.md#top) [b](README.md)'), ['README.md'])
    assert.deepEqual(missingInMap('  a/   b c-d\n  e/   f\n', ['a/b.ts', 'a/c.ts', 'a/f.ts', 'e/f.ts']), [
      'a/c.ts',
      'a/f.ts',
    ])
  })
})
