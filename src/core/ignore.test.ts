// The matcher against facts that git gave (test/fixtures/gitignore-cases.json), against the git that is installed, and
// its fast paths against its general matcher.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Failure } from '../std/failure.ts'
import { byteText, compileGlob, foldBytes, matchGlob, startGlob } from './glob.ts'
import type { IgnoreOptions, IgnoreRule, IgnoreScope, IgnoreText } from './ignore.ts'
import { explainIgnore, ignoreScope, maxIgnoreRules, maxIgnoreTextBytes } from './ignore.ts'

// ---- asking -------------------------------------------------------------------------------------------------------

/** Ignore files by the directory they stand in. */
type Texts = ReadonlyMap<string, string>
type Verdict = { ignored: boolean; source: string | null }

function textOf(directory: string, text: string, label = '.gitignore'): IgnoreText {
  return { directory, label, text }
}

function scopeFor(texts: Texts, options: IgnoreOptions = {}, defaults: readonly IgnoreText[] = []): IgnoreScope {
  return ignoreScope([...defaults, ...textsIn(texts, '')], options)
}

function textsIn(texts: Texts, directory: string): readonly IgnoreText[] {
  const text = texts.get(directory)
  return text === undefined ? [] : [textOf(directory, text)]
}

function sourceOf(rule: IgnoreRule | undefined): string | null {
  if (rule === undefined) return null
  return `${rule.directory === '' ? '' : `${rule.directory}/`}${rule.label}:${rule.line}`
}

function ask(scope: IgnoreScope, texts: Texts, path: string, isDirectory: boolean): Verdict {
  const { ignored, rule } = explainIgnore(scope, path, isDirectory, (directory) => textsIn(texts, directory))
  return { ignored, source: sourceOf(rule) }
}

/** Whether one root text ignores a path; a path that ends with '/' is a directory. */
function ignores(text: string, path: string, options: IgnoreOptions = {}): boolean {
  const texts = new Map([['', text]])
  return ask(scopeFor(texts, options), texts, path.replace(/\/$/, ''), path.endsWith('/')).ignored
}

// ---- facts --------------------------------------------------------------------------------------------------------

type Fact = [path: string, kind: 'file' | 'dir' | 'link', ignored: boolean, source: string | null]
type Group = {
  id: string
  name: string
  files: Record<string, string | { b64: string }>
  checks: Fact[]
  ignoreCase?: boolean
  infoExclude?: string
  tags?: string[]
}

function readGroups(): Group[] {
  const file = new URL('../../test/fixtures/gitignore-cases.json', import.meta.url)
  const parsed: { groups: Group[] } = JSON.parse(readFileSync(file, 'utf8'))
  return parsed.groups
}

function textsOfGroup(group: Group): Texts {
  const texts = new Map<string, string>()
  for (const [path, content] of Object.entries(group.files)) {
    const text = typeof content === 'string' ? content : Buffer.from(content.b64, 'base64').toString('utf8')
    texts.set(path.split('/').slice(0, -1).join('/'), text)
  }
  return texts
}

describe('facts that git gave', () => {
  const groups = readGroups()
  it('gives the same verdict and the same deciding line for every one of them', (t) => {
    const differences: string[] = []
    let facts = 0
    let bytewise = 0
    for (const group of groups) {
      const texts = textsOfGroup(group)
      const exclude = group.infoExclude === undefined ? [] : [textOf('', group.infoExclude, '.git/info/exclude')]
      const scope = scopeFor(texts, { ignoreCase: group.ignoreCase ?? false }, exclude)
      for (const [path, kind, ignored, source] of group.checks) {
        facts += 1
        if (group.tags?.includes('bytewise')) bytewise += 1
        const verdict = ask(scope, texts, path, kind === 'dir')
        if (verdict.ignored === ignored && verdict.source === source) continue
        differences.push(`${group.id} ${group.name}: ${kind} ${path}: ${JSON.stringify(verdict)}`)
      }
    }
    t.diagnostic(
      `${facts} facts in ${groups.length} groups, ${bytewise} of them bytewise, ${differences.length} differ`,
    )
    assert.deepEqual(differences, [])
    assert.equal(facts, 3232)
  })
})

// ---- the git that is installed -------------------------------------------------------------------------------------

const patternPieces = [
  ...'a b A bc .o - é * * ** ? / / **/ /** /**/ [ab] [!a] [^b/] [a-c] [A-C] [c-a] []a] [a'.split(' '),
  ...'[[:alpha:]] [[:upper:]b] [[:nope:]] [[:] \\* \\a \\A \\/ ! # \\'.split(' '),
  ...['\\ ', ' '],
]
const patternArbitrary = fc
  .array(fc.constantFrom(...patternPieces), { minLength: 1, maxLength: 6 })
  .map((p) => p.join(''))
const nameArbitrary = fc.constantFrom(...'a b c A ab abc bc a.o .o é aé a* * - [a !a #a B'.split(' '), ...['a b', 'a '])
const pathArbitrary = fc.array(nameArbitrary, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'))
/** Patterns close to the paths that are asked about, so that many of them decide. */
const likelyArbitrary = fc
  .array(fc.oneof(nameArbitrary, fc.constantFrom('*', '**', '?', 'a*', '*o', 'a**', '**c', '[a-c]', '[!b]*', 'a?')), {
    minLength: 1,
    maxLength: 4,
  })
  .map((names) => names.join('/'))
const lineArbitrary = fc
  .tuple(
    fc.constantFrom('', '', '', '!', '/', '#'),
    fc.oneof(patternArbitrary, likelyArbitrary),
    fc.constantFrom('', '', '/', ' ', '  ', '\t', '\r'),
  )
  .map((parts) => parts.join(''))
const textArbitrary = fc
  .tuple(fc.constantFrom('', '', '', '\ufeff'), fc.array(lineArbitrary, { minLength: 1, maxLength: 5 }))
  .chain(([mark, lines]) => fc.constantFrom('\n', '').map((end) => mark + lines.join('\n') + end))

type Trial = { texts: Map<string, string>; directories: Set<string>; paths: string[] }

const trialArbitrary: fc.Arbitrary<Trial> = fc
  .record({
    root: textArbitrary,
    nested: fc.option(fc.tuple(fc.constantFrom('a', 'ab', 'a/b'), textArbitrary), { nil: undefined }),
    directories: fc.uniqueArray(pathArbitrary, { maxLength: 6 }),
    paths: fc.uniqueArray(pathArbitrary, { minLength: 6, maxLength: 14 }),
  })
  .map(({ root, nested, directories, paths }) => {
    const texts = new Map([['', root]])
    const made = new Set<string>()
    if (nested !== undefined) texts.set(nested[0], nested[1])
    for (const path of nested === undefined ? directories : [...directories, nested[0]]) {
      const names = path.split('/')
      for (const index of names.keys()) made.add(names.slice(0, index + 1).join('/'))
    }
    return { texts, directories: made, paths: [...new Set([...paths, ...made])] }
  })

/** Git's verdicts on every path of every trial, in order. Each trial has a directory of its own. */
function askGit(trials: readonly Trial[], ignoreCase: boolean): Verdict[] {
  const home = mkdtempSync(join(tmpdir(), 'nightferry-ignore-'))
  try {
    const env = { PATH: process.env.PATH ?? '', HOME: home, GIT_CONFIG_NOSYSTEM: '1', LC_ALL: 'C' }
    const git = (args: readonly string[], input: string): string => {
      const done = spawnSync('git', args, { cwd: home, env, input, encoding: 'utf8', maxBuffer: 1 << 26 })
      assert.ok(done.error === undefined && (done.status === 0 || done.status === 1), done.stderr)
      return done.stdout
    }
    git(['init', '-q', '.'], '')
    git(['config', 'core.ignorecase', String(ignoreCase)], '')
    for (const [index, trial] of trials.entries()) {
      mkdirSync(join(home, `t${index}`))
      for (const directory of trial.directories) mkdirSync(join(home, `t${index}`, directory), { recursive: true })
      for (const [directory, text] of trial.texts) writeFileSync(join(home, `t${index}`, directory, '.gitignore'), text)
    }
    const input = trials.flatMap((trial, index) => trial.paths.map((path) => `t${index}/${path}\0`)).join('')
    const fields = git(['check-ignore', '-v', '-n', '-z', '--no-index', '--stdin'], input).split('\0')
    const verdicts: Verdict[] = []
    for (let at = 0; at + 3 < fields.length; at += 4) {
      const [source = '', line = '', pattern = ''] = fields.slice(at)
      const found = source !== ''
      verdicts.push({
        ignored: found && !pattern.startsWith('!'),
        source: found ? `${source.replace(/^t\d+\//, '')}:${line}` : null,
      })
    }
    return verdicts
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

const trialSeed = Number(process.env.NIGHTFERRY_SEED ?? 20261121)
const trialCount = Number(process.env.NIGHTFERRY_TRIALS ?? 300)
const noGit = spawnSync('git', ['--version']).error !== undefined ? 'git is not installed' : undefined

describe('the git that is installed', () => {
  for (const ignoreCase of [false, true]) {
    it(`agrees on random rules, ignoreCase ${ignoreCase}`, { skip: noGit ?? false }, (t) => {
      const trials = fc.sample(trialArbitrary, { seed: trialSeed, numRuns: trialCount })
      const expected = askGit(trials, ignoreCase)
      const differences: string[] = []
      let asked = 0
      for (const trial of trials) {
        const scope = scopeFor(trial.texts, { ignoreCase })
        for (const path of trial.paths) {
          const ours = ask(scope, trial.texts, path, trial.directories.has(path))
          const theirs = expected[asked]
          asked += 1
          if (theirs?.ignored === ours.ignored && theirs.source === ours.source) continue
          const rules = JSON.stringify([...trial.texts])
          differences.push(`${rules} ${path}: ${JSON.stringify(ours)} git ${JSON.stringify(theirs)}`)
        }
      }
      const matched = expected.filter((verdict) => verdict.source !== null).length
      t.diagnostic(`seed ${trialSeed}: ${asked} paths in ${trials.length} trials, ${matched} with a deciding rule`)
      assert.equal(expected.length, asked)
      assert.deepEqual(differences, [])
    })
  }
})

// ---- explanations -------------------------------------------------------------------------------------------------

describe('explainIgnore', () => {
  const texts: Texts = new Map([
    ['', '# caches\n*.log\n!keep.log\nbuild/\n/docs/*.html\n'],
    ['app', 'keep.log\n!debug.log\n/build\n'],
    ['app/src', '*.tmp\n'],
  ])
  const overrides = [textOf('', 'secret\n!app/src/wanted.tmp\n', '--exclude')]
  const scope = scopeFor(texts, { overrides }, [textOf('', '.DS_Store\n', 'defaults')])
  const rows: [path: string, ignored: boolean, source: string | null, pattern: string | undefined][] = [
    ['', false, null, undefined],
    ['a.txt', false, null, undefined],
    ['.DS_Store', true, 'defaults:1', '.DS_Store'],
    ['x/.DS_Store', true, 'defaults:1', '.DS_Store'],
    ['a.log', true, '.gitignore:2', '*.log'],
    ['keep.log', false, '.gitignore:3', '!keep.log'],
    ['app/keep.log', true, 'app/.gitignore:1', 'keep.log'],
    ['app/x/debug.log', false, 'app/.gitignore:2', '!debug.log'],
    ['x/debug.log', true, '.gitignore:2', '*.log'],
    ['build', false, null, undefined],
    ['build/', true, '.gitignore:4', 'build/'],
    ['build/deep/keep.log', true, '.gitignore:4', 'build/'],
    ['app/build', true, 'app/.gitignore:3', '/build'],
    ['docs/a.html', true, '.gitignore:5', '/docs/*.html'],
    ['docs/a/b.html', false, null, undefined],
    ['app/src/x.tmp', true, 'app/src/.gitignore:1', '*.tmp'],
    ['app/src/wanted.tmp', false, '--exclude:2', '!app/src/wanted.tmp'],
    ['app/src/deep/secret', true, '--exclude:1', 'secret'],
  ]
  for (const [path, ignored, source, pattern] of rows) {
    it(`of '${path}'`, () => {
      const textsAt = (directory: string): readonly IgnoreText[] => textsIn(texts, directory)
      const answer = explainIgnore(scope, path.replace(/\/$/, ''), path.endsWith('/'), textsAt)
      assert.equal(answer.ignored, ignored)
      assert.equal(sourceOf(answer.rule), source)
      assert.equal(answer.rule?.pattern, pattern)
    })
  }

  it('lets an override ignore a directory whole', () => {
    const sealed = ignoreScope([], { overrides: [textOf('', 'secret/\n', '--exclude')] })
    const answer = explainIgnore(sealed, 'a/secret/b', false, (at) => [textOf(at, '!*\n')])
    assert.deepEqual([answer.ignored, sourceOf(answer.rule)], [true, '--exclude:1'])
  })
})

describe('lines', () => {
  const rows: [what: string, text: string, path: string, ignored: boolean][] = [
    ['a mark at the start of the text is skipped', '\ufefffoo', 'foo', true],
    ['a mark on another line is not', 'x\n\ufefffoo', 'foo', false],
    ['a comment', '#foo', '#foo', false],
    ['an escaped hash', '\\#foo', '#foo', true],
    ['an escaped exclamation mark', '\\!foo', '!foo', true],
    ['one carriage return ends a line', 'foo\r\nbar', 'foo', true],
    ['the second one is part of the name', 'foo\r\r\n', 'foo\r', true],
    ['a carriage return in a last line without newline', 'foo\r', 'foo', true],
    ['trailing spaces go', 'foo  \n', 'foo', true],
    ['but not an escaped one', 'foo\\  \n', 'foo ', true],
    ['spaces before the carriage return go', 'foo \r\n', 'foo', true],
    ['a zero byte ends the line', 'foo\0bar\n', 'foo', true],
    ['a lone backslash never matches', 'foo\\', 'foo\\', false],
    ['an open class never matches', 'foo[', 'foo[', false],
    ['a slash alone never matches', '/', 'foo/', false],
    ['two stars right behind a plain beginning cross directories', 'x/a**/b', 'x/az/y/b', true],
    ['and may be nothing', 'x/a**/b', 'x/ab', true],
    ['but two stars further in do not', 'x/?a**/b', 'x/zaz/y/b', false],
    ['a class never takes a slash', 'a[x/]b', 'a/b', false],
    ['a question mark takes one byte', 'caf?', 'café', false],
    ['so two take a letter of two bytes', 'caf??', 'café', true],
  ]
  for (const [what, text, path, ignored] of rows) {
    it(what, () => assert.equal(ignores(text, path), ignored))
  }

  const folded: [text: string, path: string, ignored: boolean][] = [
    ['FOO', 'foo', true],
    ['foo', 'FOO', true],
    ['*.TXT', 'a.txt', true],
    ['[A-C]', 'b', true],
    ['[B]', 'b', false],
    ['\\B', 'b', false],
    ['É', 'é', false],
    ['Éa', 'ÉA', true],
  ]
  for (const [text, path, ignored] of folded) {
    it(`ignoreCase: ${text} and ${path}`, () => assert.equal(ignores(text, path, { ignoreCase: true }), ignored))
  }
})

// ---- fast paths against the general matcher -------------------------------------------------------------------------

/** The last rule of one text that matches a path, found slowly: each pattern as a glob over the whole path. */
function slowMatch(text: string, path: string, isDirectory: boolean, fold: boolean): number | undefined {
  const prepare = (value: string): string => (fold ? foldBytes(byteText(value)) : byteText(value))
  const whole = prepare(path)
  const lines = text.split('\n')
  for (let line = lines.length; line >= 1; line--) {
    const pattern = (lines[line - 1] as string).replace(/^!/, '')
    if (pattern.endsWith('/') && !isDirectory) continue
    const body = pattern.replace(/\/$/, '')
    const glob = compileGlob(byteText(body.replace(/^\//, '')), fold)
    if (glob === undefined || body === '' || body === '/') continue
    const subject = body.includes('/') ? whole : whole.slice(whole.lastIndexOf('/') + 1)
    if (matchGlob(glob, startGlob(glob), subject)) return line
  }
  return undefined
}

const plainLineArbitrary = fc
  .tuple(
    fc.constantFrom('', '', '!', '/', '**/'),
    fc.oneof(patternArbitrary, likelyArbitrary),
    fc.constantFrom('', '/', '/**'),
  )
  .map((parts) => parts.join(''))
  .filter((line) => !line.startsWith('#') && !line.endsWith(' '))

describe('fast paths', () => {
  it('give the verdict of the general matcher over the whole path', () => {
    const lines = fc.array(plainLineArbitrary, { minLength: 1, maxLength: 12 })
    const property = fc.property(lines, pathArbitrary, fc.boolean(), fc.boolean(), (rules, path, isDirectory, fold) => {
      const text = rules.join('\n')
      const names = path.split('/')
      let scope = ignoreScope([textOf('', text)], { ignoreCase: fold })
      for (const name of names.slice(0, -1)) scope = scope.enter(name, [])
      const found = scope.match(names.at(-1) as string, isDirectory)?.line
      assert.equal(found, slowMatch(text, path, isDirectory, fold))
      assert.ok(!scope.idle || found === undefined)
    })
    fc.assert(property, { numRuns: 3000, seed: trialSeed })
  })

  it('find one of ten thousand plain names, endings, beginnings and paths', () => {
    const lines: string[] = []
    for (let at = 0; at < 2500; at++) lines.push(`name${at}`, `*.end${at}`, `start${at}-*`, `dir/path${at}`)
    const scope = ignoreScope([textOf('', lines.join('\n'))])
    assert.equal(scope.match('name1234', false)?.pattern, 'name1234')
    assert.equal(scope.match('x.end2499', false)?.pattern, '*.end2499')
    assert.equal(scope.match('start7-x', false)?.pattern, 'start7-*')
    assert.equal(scope.match('path77', false), undefined)
    assert.equal(scope.enter('dir', []).match('path77', false)?.pattern, 'dir/path77')
  })
})

// ---- bounds -------------------------------------------------------------------------------------------------------

function failsWithLimit(action: () => unknown): void {
  assert.throws(action, (thrown) => thrown instanceof Failure && thrown.code === 'limit-exceeded')
}

describe('limits', () => {
  it('of a text count its bytes', () => {
    ignoreScope([textOf('', '#'.repeat(maxIgnoreTextBytes))])
    failsWithLimit(() => ignoreScope([textOf('', '#'.repeat(maxIgnoreTextBytes + 1))]))
    ignoreScope([textOf('', `#${'é'.repeat(maxIgnoreTextBytes / 2 - 1)}`)])
    failsWithLimit(() => ignoreScope([textOf('', `#${'é'.repeat(maxIgnoreTextBytes / 2)}`)]))
  })

  it('of rules count all that are in force in one directory', () => {
    const full = ignoreScope([textOf('', 'a\n'.repeat(maxIgnoreRules))])
    assert.equal(full.match('a', false)?.line, maxIgnoreRules)
    full.enter('b', [textOf('b', '# nothing\n')])
    failsWithLimit(() => full.enter('b', [textOf('b', 'c\n')]))
    failsWithLimit(() => ignoreScope([textOf('', 'a\n'.repeat(maxIgnoreRules + 1))]))
    const overrides = [textOf('', 'b\n')]
    failsWithLimit(() => ignoreScope([textOf('', 'a\n'.repeat(maxIgnoreRules))], { overrides }))
  })

  it('of rules forget those that cannot match any more', () => {
    const full = ignoreScope([textOf('', 'x/y\n'.repeat(maxIgnoreRules))])
    assert.equal(full.enter('b', [textOf('b', 'c\n')]).match('c', false)?.directory, 'b')
  })
})

describe('idle', () => {
  const rows: [what: string, text: string, entered: string, idle: boolean][] = [
    ['no rules', '', '', true],
    ['comments and patterns that never match', '# x\n\nfoo\\\n[a\n/\n!\n', '', true],
    ['a name holds everywhere', 'foo', 'a/b', false],
    ['**/ too', '**/foo', 'a/b', false],
    ['a plain path on its way', 'a/b/c', 'a/b', false],
    ['a plain path past its end', 'a/b/c', 'a/b/c', true],
    ['a plain path elsewhere', 'a/b/c', 'b', true],
    ['a path with a star on its way', '/a/*/c', 'a/x', false],
    ['a path with a star past its end', '/a/*/c', 'a/x/c', true],
    ['a path with a star elsewhere', '/a/*/c', 'b', true],
    ['everything below', 'a/**', 'a/b/c', false],
  ]
  for (const [what, text, entered, idle] of rows) {
    it(what, () => {
      let scope = ignoreScope([textOf('', text)])
      for (const name of entered.split('/').filter((part) => part !== '')) scope = scope.enter(name, [])
      assert.equal(scope.idle, idle)
    })
  }

  it('ends where a text is added', () => {
    const scope = ignoreScope([]).enter('a', [textOf('a', 'x\n')])
    assert.equal(scope.idle, false)
    assert.equal(scope.enter('b', []).match('x', false)?.directory, 'a')
  })
})
