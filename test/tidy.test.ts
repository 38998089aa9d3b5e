// Checks that the house is in order: layers, owners of what touches the world, sizes, names, and nothing dead. The house
// plan stands in ARCHITECTURE.md. Each rule is a pure function over {path, text}, and is itself shown to fire on bad
// samples. It reads the text with a small scanner, since TypeScript 7 has no compiler API: strings and comments are
// blanked first, so that only code is judged. A rule that blocks good work is changed here, in the open.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join, posix } from 'node:path'
import { describe, it } from 'node:test'
import { failureCodes } from '../src/std/failure.ts'

type Source = { readonly path: string; readonly text: string }
type Import = {
  readonly line: number
  /** A path in the clone where the import is relative, else the module's name. */
  readonly target: string
  readonly names: readonly string[]
  readonly isRelative: boolean
  readonly isStatic: boolean
  readonly typeOnly: boolean
}
type Parsed = Source & { readonly code: string; readonly imports: readonly Import[] }
type Rule = (files: readonly Parsed[]) => string[]

const layers = 'std core chunk disk state vault wire fleet jobs alerts daemon api cli web'.split(' ')
const strangers = ['disk', 'wire', 'vault']
const coreMayImport = /^src\/(core\/.*|std\/(assert|failure|bytes)\.ts)$/
const entries = ['src/cli/main.ts', 'src/web/main.ts', 'src/api/main.ts']
/** Its table of tasks is loaded by the threads of a crew, by its address. */
const loadedByCrew = 'src/disk/tasks.ts'
const linesPerFile = 450
const linesPerFunction = 80

/** Who may touch the world: a module, or code that reaches it without one; homes are path prefixes below src. */
const owners: readonly { module?: RegExp; code?: RegExp; homes: string }[] = [
  { module: /^node:sqlite$/, homes: 'state/ disk/root.ts' },
  { module: /^node:fs(\/promises)?$/, homes: 'disk/ vault/ std/files.ts' },
  { module: /^node:ffi$/, homes: 'disk/sys' },
  { module: /^node:(tls|net|dgram)$/, homes: 'wire/ fleet/' },
  { module: /^node:(http|https|http2)$/, homes: 'daemon/ alerts/ cli/' },
  { module: /^node:child_process$/, homes: 'fleet/ jobs/ daemon/service disk/sys cli/demo.ts' },
  { module: /^node:(worker_threads|cluster)$/, homes: 'std/crew' },
  { module: /^node:crypto$/, code: /(?<![.\w])crypto\.\w+/, homes: 'chunk/ wire/ vault/ std/random' },
  { module: /^node:zlib$/, homes: 'chunk/' },
  { module: /^node:(timers(\/promises)?|perf_hooks)$/, homes: 'std/clock' },
  { code: /(?<![.\w])(globalThis\.)?set(Timeout|Interval|Immediate)\b|\bAbortSignal\.timeout\b/, homes: 'std/clock' },
  { code: /\bDate\.now\b|\bDate\(\)|\bperformance\.\w+|\bTemporal\.Now\b/, homes: 'std/clock' },
  { code: /\bMath\.random\b/, homes: 'nobody' },
  { module: /^node:(console|process)$/, code: /(?<![.\w])console\.\w+/, homes: 'daemon/ cli/ std/log' },
  { code: /\bprocess\.(stdin|stdout|stderr|exit|exitCode|argv)\b/, homes: 'daemon/ cli/ std/log' },
  { code: /\bprocess\.env\b/, homes: 'daemon/ api/engine cli/ std/log std/crew disk/sys' },
  { code: /\bprocess\.(binding|getBuiltinModule)\b|\beval\(|\bnew Function\b/, homes: 'nobody' },
]

const impureCode =
  /(?<![.\w])(async|await|Promise|Date|performance|set(Timeout|Interval|Immediate)|queueMicrotask|process|console|fetch|Temporal\.Now|Math\.random)\b/

const rules: Readonly<Record<string, Rule>> = {
  layers: each((file) => file.imports.flatMap((used) => at(file, used.line, layerProblem(file, used)))),
  purity: each((file) => {
    if (!file.path.startsWith('src/core/') || isTest(file)) return []
    const impure = file.imports.filter(({ target }) => !coreMayImport.test(target))
    return [...impure.flatMap((used) => at(file, used.line, `core imports ${used.target}`)), ...found(file, impureCode)]
  }),
  owners: each((file) => (isSource(file) ? owners.flatMap((owner) => ownerProblems(file, owner)) : [])),
  sizes: each((file) => {
    const lines = file.text.trimEnd().split('\n').length
    const long = lines > linesPerFile ? [`${file.path}: ${lines} lines, more than ${linesPerFile}`] : []
    return file.path.startsWith('src/') ? [...long, ...longFunctions(file)] : []
  }),
  heads: each((file) => {
    if (!file.path.startsWith('src/') || /^(#!.*\n)?\s*(\/\/|\/\*)/.test(file.text)) return []
    return [`${file.path}: starts without a head comment`]
  }),
  words: each((file) => {
    const names = [...file.path.matchAll(/\w+/g), ...file.code.matchAll(/[\w$]+/g)].map(([name]) => name)
    const banned = names.filter((name) =>
      wordsOf(name).some((word) => /^(util|helper|manager|common|misc)s?$/.test(word)),
    )
    const marks = lookFor(file, file.text, /\b(TODO|FIXME|XXX|HACK)\b/)
    return file.path.startsWith('src/')
      ? [...new Set(banned.map((name) => `${file.path}: name ${name}`)), ...marks]
      : []
  }),
  exports: each((file) => {
    return isSource(file) ? found(file, /\bexport\s+(default\b|(type\s+)?\*|(type\s*)?\{[^}]*\}\s*from\b)/) : []
  }),
  dead: (files) => {
    const live = new Set(entries)
    const byPath = new Map(files.map((file) => [file.path, file]))
    for (const path of live) for (const used of byPath.get(path)?.imports ?? []) live.add(used.target)
    const dead = files.filter((file) => isSource(file) && !live.has(file.path))
    return dead.map((file) => `${file.path}: not reached from ${entries[0]}`)
  },
  unused: (files) =>
    files
      .filter((file) => isSource(file) && file.path !== loadedByCrew && !entries.includes(file.path))
      .flatMap((file) => {
        const users = files.filter((user) => user !== file && user.imports.some(({ target }) => target === file.path))
        const unused = exportsOf(file).filter(({ name }) => !users.some((user) => usesExport(user, file.path, name)))
        return unused.flatMap(({ name, line }) => at(file, line, `export ${name} is used by no other file`))
      }),
}

/** Names of the place where this was written, which mean nothing in a clone; judged in every file of the project. */
const foreignNames =
  /\/(w[o]rk|f[a]rm)\/|(?<![\w~.})])\/(w[o]rk|f[a]rm)\b|f[a]rm-(bench|studio)|registry\.(npm|yarn)[.a-z]|"resolved":\s*"http/

function each(judge: (file: Parsed) => string[]): Rule {
  return (files) => files.flatMap(judge)
}

function isTest(file: Source): boolean {
  return file.path.endsWith('.test.ts')
}

/** A file of the program itself: below src and no test. */
function isSource(file: Source): boolean {
  return file.path.startsWith('src/') && !isTest(file)
}

function at(file: Source, line: number, problem: string | undefined): string[] {
  return problem === undefined ? [] : [`${file.path}:${line}: ${problem}`]
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}

/** Each place where the pattern stands in the file's code. */
function found(file: Parsed, pattern: RegExp): string[] {
  return lookFor(file, file.code, pattern)
}

function lookFor(file: Source, text: string, pattern: RegExp): string[] {
  const places = [...text.matchAll(new RegExp(pattern, 'g'))]
  return places.flatMap((place) => at(file, lineAt(text, place.index), place[0].replace(/\s+/g, ' ')))
}

function layerProblem(file: Source, { target, isRelative, typeOnly }: Import): string | undefined {
  const [top, home = ''] = file.path.split('/')
  if (top !== 'src') return undefined
  if (!layers.includes(home)) return `src/${home} is no folder of the house`
  if (!isRelative) return undefined
  if (!target.startsWith('src/')) return isTest(file) || target === 'package.json' ? undefined : `imports ${target}`
  const there = target.split('/')[1] ?? ''
  if (there === home) return undefined
  if (home === 'web' && !(typeOnly && target === 'src/daemon/contract.ts')) return `web imports ${target}`
  if (strangers.includes(home) && strangers.includes(there)) return `${home} and ${there} never meet: ${target}`
  return layers.indexOf(there) < layers.indexOf(home) ? undefined : `${home} imports ${target}, which stands below it`
}

function ownerProblems(file: Parsed, { module, code, homes }: (typeof owners)[number]): string[] {
  if (homes.split(' ').some((home) => file.path.startsWith(`src/${home}`))) return []
  const imported = file.imports.filter(({ target }) => module?.test(target))
  const places = code === undefined ? [] : found(file, code)
  const problems = [...imported.flatMap((used) => at(file, used.line, used.target)), ...places]
  return problems.map((problem) => `${problem} belongs to ${homes}`)
}

/**
 * Functions (blocks of code, a test's describe excepted) that are longer than one can see at once. The methods of an
 * object that a function returns are measured on their own, as those of a class are; other inner functions count.
 */
function longFunctions(file: Parsed): string[] {
  const open: { start: number; code: boolean; inMethods: number }[] = []
  const long: string[] = []
  for (const { 0: brace, index } of file.code.matchAll(/[{}]/g)) {
    if (brace === '{') open.push({ start: index, code: opensCode(file.code.slice(0, index)), inMethods: 0 })
    const block = brace === '}' ? open.pop() : undefined
    if (block === undefined) continue
    const outer = open.at(-1)
    const lines = file.code.slice(block.start, index).split('\n').length
    if (outer !== undefined && !block.code) outer.inMethods += block.inMethods
    if (outer !== undefined && block.code && !outer.code) outer.inMethods += lines
    if (!block.code || lines - block.inMethods <= linesPerFunction) continue
    long.push(...at(file, lineAt(file.code, block.start), `a function of ${lines - block.inMethods} lines`))
  }
  return long
}

/** Whether a brace after this text opens code: it follows `)`, `=>`, a return type, another block, `else` and the like. */
function opensCode(before: string): boolean {
  const header = before.slice(Math.max(...[...';{}'].map((mark) => before.lastIndexOf(mark))) + 1)
  if (/\b(class|interface|namespace|import|export|type|return|satisfies|as|extends|in|of)\s*[\w$<>,.\s]*$/.test(header))
    return /\)\s*(:[^()]*)?$/.test(header)
  if (/\b(describe|suite)\([^\n]*$/.test(header)) return false
  return !/(?:[([,:?<|&]|[^=]=|^\s*=)\s*$/.test(header)
}

/** An identifier's words in lower case: maxOpenFiles -> max, open, files. */
function wordsOf(name: string): string[] {
  return name.split(/[_$\d]+|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/).map((word) => word.toLowerCase())
}

/** Values only: a type may be exported because it is part of the contract of another export. */
function exportsOf(file: Parsed): { name: string; line: number }[] {
  const declared =
    /\bexport\s+(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(?:function\s*\*?|class|const|let)\s+([\w$]+)/g
  const listed = /\bexport\s+(?:type\s*)?\{([^}]*)\}/g
  const names = [...file.code.matchAll(declared)].map((place) => ({ name: place[1] ?? '', index: place.index }))
  for (const place of file.code.matchAll(listed))
    for (const name of namesIn(place[1] ?? '', 'last')) names.push({ name, index: place.index })
  return names.map(({ name, index }) => ({ name, line: lineAt(file.code, index) }))
}

/** Whether a file imports this name, or mentions it and has the module as a whole (namespace, import(), require, URL). */
function usesExport(user: Parsed, path: string, name: string): boolean {
  const uses = user.imports.filter(({ target }) => target === path)
  if (uses.some(({ names }) => names.includes(name))) return true
  return uses.some((use) => !use.isStatic || use.names.includes('*')) && new RegExp(`\\b${name}\\b`).test(user.code)
}

/** The names of an import or export list: `a as b` is a for who imports (first) and b for who exports (last). */
function namesIn(list: string, which: 'first' | 'last'): string[] {
  const parts = list.split(/[{},]/).map((part) =>
    part
      .trim()
      .replace(/^type\s+/, '')
      .split(/\s+as\s+/),
  )
  return parts.flatMap((part) => (which === 'first' ? part.slice(0, 1) : part.slice(-1))).filter((name) => name !== '')
}

function parse({ path, text }: Source): Parsed {
  const code = blank(text)
  const imports: Import[] = []
  const statement = /\b(?:import|export)\b\s*(?<clause>[\w$\s{},*]*?)\s*(?:\bfrom\s*)?(?<spec>['"] *['"])/dg
  const whole =
    /\b(?:import|require|createRequire\(import\.meta\.url\)|new URL)\(\s*(?<spec>['"] *['"])\s*(?<base>,\s*import\.meta\.url)?/dg
  for (const [pattern, isStatic] of [
    [statement, true],
    [whole, false],
  ] as const)
    for (const place of code.matchAll(pattern)) {
      const [from, to] = place.indices?.groups?.spec ?? [0, 0]
      const spec = text.slice(from + 1, to - 1)
      const isUrl = place[0].startsWith('new')
      if (isUrl && !(place.groups?.base !== undefined && spec.endsWith('.ts'))) continue
      const clause = place.groups?.clause ?? ''
      const relative = posix.join(posix.dirname(path), spec)
      const isRelative = spec.startsWith('.')
      const target = isRelative ? relative : isBuiltin(spec) ? `node:${spec.replace('node:', '')}` : spec
      const typeOnly = clause.startsWith('type ')
      imports.push({
        line: lineAt(code, from),
        target,
        names: namesIn(clause, 'first'),
        isRelative,
        isStatic,
        typeOnly,
      })
    }
  return { path, text, code, imports }
}

/** The text with comments and the insides of strings, templates and patterns blanked; every position stays the same. */
function blank(text: string): string {
  const token =
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|\/(?<=(?:[(,=:[!&|?{};+\-*%<>~^]|^|\b(?:return|typeof|case|in|of))\s*\/)(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*|[`{}]/g
  const chunk = /(?:\\[\s\S]|\$(?!\{)|[^`\\$])*(`|\$\{)/y
  const hide = (part: string): string => part.replace(/[^\n]/g, ' ')
  const nesting: ('{' | '`')[] = []
  let code = ''
  let done = 0
  for (let place = token.exec(text); place !== null; place = token.exec(text)) {
    const found = place[0]
    code += text.slice(done, place.index)
    done = token.lastIndex
    if (found === '{') nesting.push('{')
    if (found === '`' || (found === '}' && nesting.pop() === '`')) {
      chunk.lastIndex = done
      const rest = chunk.exec(text)
      if (rest?.[1] !== '`') nesting.push('`')
      done = token.lastIndex = rest === null ? text.length : chunk.lastIndex
      code += hide(text.slice(place.index, done))
    } else if (/^['"]/.test(found)) code += `${found[0]}${hide(found.slice(2))}${found[0]}`
    else code += /^[{}]/.test(found) ? found : hide(found)
  }
  return code + text.slice(done)
}

/** Every text file of the project below a folder of the clone, as it lies there. */
function readAll(folder: string): Source[] {
  const passed = /^(node_modules|\.git|dist|coverage|bench\/results|\.install\.lock|\.npm-cache)$/
  return readdirSync(join(clone, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(folder, entry.name)
    if (passed.test(entry.name) || passed.test(path)) return []
    if (entry.isDirectory()) return readAll(path)
    const text = entry.isFile() ? readFileSync(join(clone, path), 'utf8') : ''
    return text.includes('\0') ? [] : [{ path, text }]
  })
}

function undocumented(codes: readonly string[], text: string): string[] {
  return codes.filter((code) => !text.includes(`\`${code}\``)).map((code) => `docs/errors.md does not explain ${code}`)
}

const clone = join(import.meta.dirname, '..')
const all = readAll('')
const house = all.filter(({ path }) => /^(src|test|bench)\/.*\.tsx?$/.test(path)).map(parse)

/**
 * What each rule says of small samples, one a line: `RULE [PATH] TEXT [PATH] TEXT ==> part of what it says`, and without
 * `==>` nothing. `\n` is a new line, `<N>` stands for N lines of code, `@` for a backtick and `%` for a dollar.
 */
const samples = String.raw`
layers [src/wire/a.ts] import { b } from '../jobs/b.ts' ==> stands below it
layers [src/jobs/a.ts] import { b } from '../wire/b.ts'
layers [src/wire/a.ts] const b = await import('../disk/b.ts') ==> never meet
layers [src/jobs/a.ts] const b = await import('../disk/b.ts')
layers [src/disk/a.test.ts] import '../cli/b.ts' ==> stands below it
layers [src/disk/a.test.ts] import '../../test/b.ts'
layers [src/disk/a.ts] import '../../test/b.ts' ==> imports test/b.ts
layers [src/disk/a.ts] new URL('../cli/b.ts', import.meta.url) ==> stands below it
layers [src/cli/a.ts] import b from '../../package.json'
layers [src/web/a.ts] import { b } from '../daemon/contract.ts' ==> web imports
layers [src/web/a.ts] import type { B } from '../daemon/contract.ts'
layers [src/extra/a.ts] import 'node:os' ==> no folder of the house
purity [src/core/a.ts] import { sep } from 'node:path' ==> node:path
purity [src/core/a.test.ts] import { test } from 'node:test'
purity [src/core/a.ts] import { log } from '../std/log.ts' ==> std/log.ts
purity [src/core/a.ts] import { assert } from '../std/assert.ts'
purity [src/core/a.ts] export async function a() {} ==> async
purity [src/core/a.ts] // async\nconst a = 'await' + /Date/.source + b.performance
purity [src/core/a.ts] const a = @%{'{'}%{@b@}%{new Date(1)}@ ==> Date
purity [src/core/a.ts] const a = @%{'{'}%{@b@} Date@
owners [src/cli/a.ts] import { readFileSync } from 'fs' ==> node:fs belongs to disk/
owners [src/disk/a.ts] import { readFileSync } from 'fs'
owners [src/jobs/a.ts] await import('node:fs/promises') ==> node:fs/promises
owners [src/std/files.ts] await import('node:fs/promises')
owners [src/wire/a.ts] createRequire(import.meta.url)('node:ffi') ==> disk/sys
owners [src/disk/sys-linux.ts] createRequire(import.meta.url)('node:ffi')
owners [src/jobs/a.ts] const a = Date.now() ==> std/clock
owners [src/std/clock.ts] const a = Date.now()
owners [src/wire/a.ts] setTimeout(stop, 5) ==> std/clock
owners [src/wire/a.ts] socket.setTimeout(5)
owners [src/std/random.ts] Math.random() ==> nobody
owners [src/std/random.test.ts] Math.random()
owners [src/jobs/a.ts] process.stdout.write(a) ==> std/log
owners [src/cli/a.ts] process.stdout.write(a)
owners [src/jobs/a.ts] if (process.env.A) {} ==> std/crew
owners [src/std/crew.ts] if (process.env.A) {}
sizes [src/cli/a.ts] <451> ==> 451 lines
sizes [src/cli/a.ts] <450>
sizes [src/cli/a.ts] function a(): { b: number } {\n<80>} ==> function of 82 lines
sizes [src/cli/a.ts] const a = (b: string) => {\nif (/[{]/) c('{')\n<79>} ==> function of 82 lines
sizes [src/cli/a.ts] class A {\nasync b(): Promise<C> {\n<80>}\n} ==> function of 82 lines
sizes [src/cli/a.ts] class A {\nb() {\n<60>}\nc() {\n<60>}\n}
sizes [src/cli/a.ts] function a() {\nreturn {\nb() {\n<60>},\nc: () => {\n<60>},\n}\n}
sizes [src/cli/a.ts] function a() {\nconst b = () => {\n<60>}\nconst c = () => {\n<60>}\n} ==> a function of
sizes [src/cli/a.ts] const a = {\n<90>}
sizes [src/cli/a.test.ts] describe('a', () => {\n<90>})
heads [src/cli/a.ts] const a = 1 // late ==> head comment
heads [src/cli/a.ts] // First.\nconst a = 1
words [src/cli/a.ts] const pathUtils = 1 ==> pathUtils
words [src/cli/a.ts] import { inspect } from 'node:util'
words [src/cli/time-helper.ts] ==> helper
words [src/cli/utility.ts] const commonest = 1
words [src/cli/a.ts] // ${'TO'}DO: later ==> src/cli/a.ts:1
words [src/cli/a.ts] // to do, in XXXXXX
exports [src/cli/a.ts] export default function a() {} ==> export default
exports [src/cli/a.ts] export function a() {}
exports [src/cli/a.ts] export * from './b.ts' ==> export *
exports [src/cli/a.ts] import * as b from './b.ts'
exports [src/cli/a.ts] export type { B } from './b.ts' ==> export type { B }
exports [src/cli/a.ts] export type { B }
dead [src/cli/main.ts] // import './b.ts' [src/cli/b.test.ts] import './b.ts' [src/cli/b.ts] a() ==> src/cli/b.ts: not reached
dead [src/cli/main.ts] import './b.ts' [src/cli/b.ts] new URL('./c.ts', import.meta.url) [src/cli/c.ts] a()
unused [src/cli/a.ts] import { b } from './b.ts' [src/cli/b.ts] export const b = 1\nexport const D = 1 ==> export D is used by
unused [test/a.ts] import { type D, b as e } from '../src/cli/b.ts' [src/cli/b.ts] export const b = 1\nexport type D = 1
unused [src/cli/b.ts] function b() {}\nexport { b as c } ==> export c is used by
unused [src/cli/a.ts] const { c } = await import('./b.ts') [src/cli/b.ts] function b() {}\nexport { b as c }
`

/** What a rule says of a sample line's files. */
function judge(rule: Rule, line: string): string {
  const plain = line.replaceAll('\\n', '\n').replaceAll('@', '`').replaceAll('%', '$')
  const text = plain.replace(/<(\d+)>/g, (_, count) => 'a()\n'.repeat(Number(count)))
  const files = [...text.matchAll(/\[((?:src|test)\/[^\]]*)\]([\s\S]*?)(?=\[(?:src|test)\/|$)/g)]
  return rule(files.map(([, path = '', body = '']) => parse({ path, text: body.trim() }))).join('\n')
}

describe('tidy', () => {
  for (const [name, rule] of Object.entries(rules)) {
    it(`keeps the rule: ${name}`, () => assert.deepEqual(rule(house), []))
    it(`says what it should of samples: ${name}`, () => {
      const lines = samples.split('\n').filter((line) => line.startsWith(`${name} `))
      assert.ok(lines.some((line) => line.includes(' ==> ')) && lines.length > 1, 'too few samples')
      for (const line of lines) {
        const [sample = '', told] = line.split(' ==> ')
        const said = judge(rule, sample)
        assert.ok(told === undefined ? said === '' : said.includes(told), `${line}\nsaid: ${said}`)
      }
    })
  }

  it('explains every failure code in docs/errors.md', () => {
    const text = all.find(({ path }) => path === 'docs/errors.md')?.text ?? ''
    assert.deepEqual(undocumented(Object.keys(failureCodes), text), [])
    assert.equal(undocumented(['timed-out', 'unreachable'], '`unreachable`').length, 1)
  })

  it('names no place and no tool of where it was written', () => {
    assert.deepEqual(
      all.flatMap((file) => lookFor(file, file.text, foreignNames)),
      [],
    )
    for (const bad of ['cd /wo-rk/main', "'/fa-rm'", 'registry-.npmjs.org', '"resolved-": "http'])
      assert.match(bad.replace('-', ''), foreignNames)
    for (const good of ['nas:work', '~/work', 'a/workers', 'the registry']) assert.doesNotMatch(good, foreignNames)
  })
})
