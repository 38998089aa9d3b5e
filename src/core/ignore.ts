// Which entries a job leaves out, by the rules of gitignore. Hides how rules are parsed, indexed and ordered; answers for
// one name at a time inside an immutable scope that follows the walk, and names the rule that decided.
// Promises git's verdict (2.39) for every pattern, byte for byte: `?` and classes take one byte of the UTF-8 form, and
// ignoreCase folds ASCII letters only. Rules that are plain names, `*.ext`, `prefix*` or plain paths cost one Map lookup
// for all of them together; the others run as globs, whose work is bounded (glob.ts), because texts can come from a
// hostile peer. Never reads a file and never sees a clock: callers bring the texts.
//
// A name that is not UTF-8 is matched in its decoded form, where each bad byte is U+FFFD.

import { assert } from '../std/assert.ts'
import { Failure } from '../std/failure.ts'
import type { Glob, GlobState } from './glob.ts'
import {
  advanceGlob,
  byteText,
  compileGlob,
  foldBytes,
  globShape,
  isOpenGlob,
  matchGlob,
  matchNameGlob,
  nameOnlyGlob,
  startGlob,
} from './glob.ts'

/** The longest ignore text, in bytes of UTF-8. */
export const maxIgnoreTextBytes: number = 1024 * 1024
/** How many rules may be in force within one directory, those of the directories above included. */
export const maxIgnoreRules: number = 20_000

/** One text of rules: the directory it applies to (relative to the root, '' is the root), and a label for explanations. */
export type IgnoreText = { readonly directory: string; readonly label: string; readonly text: string }

/** The rule that decided. `line` counts from 1; `pattern` is the line as written, without trailing spaces. */
export type IgnoreRule = {
  readonly label: string
  readonly directory: string
  readonly line: number
  readonly pattern: string
  readonly negated: boolean
}

/** The rules in force within one directory. Immutable; cheap to enter. Names are UTF-8-decoded and hold no '/'. */
export interface IgnoreScope {
  /** True when no rule can match at or below this directory, unless a text is added further down. */
  readonly idle: boolean
  /**
   * The last rule that matches this entry, by git's precedence, or undefined. Ignored = a rule that is not negated.
   * A symlink is not a directory. What lies below an ignored directory must not be asked: there it is all ignored.
   */
  match(name: string, isDirectory: boolean): IgnoreRule | undefined
  /**
   * The scope inside the child directory `name`, with the texts that live in that child, in rising precedence; their
   * `directory` is that child. Throws Failure('limit-exceeded').
   */
  enter(name: string, texts: readonly IgnoreText[]): IgnoreScope
}

export type IgnoreOptions = {
  /** Fold ASCII letters, as git's core.ignorecase does. */
  readonly ignoreCase?: boolean
  /** Rules of the root that win over all texts at every depth (the command line's), in rising precedence. */
  readonly overrides?: readonly IgnoreText[]
}

/**
 * The scope of the root. `texts` in rising precedence: defaults, then the root's own ignore files; a text of a deeper
 * directory, given to `enter`, wins over them. Throws Failure('limit-exceeded').
 */
export function ignoreScope(texts: readonly IgnoreText[], options: IgnoreOptions = {}): IgnoreScope {
  const fold = options.ignoreCase ?? false
  const overrides = levelOf(options.overrides ?? [], '', fold)
  return scopeOf('', overrides, addLevel([], levelOf(texts, '', fold)), fold)
}

/**
 * The verdict on a whole path and the rule behind it: the first directory on the way that is ignored decides, since
 * nothing below it can be taken back. `textsAt` gives the texts of a directory below the root; the root's are in `root`.
 */
export function explainIgnore(
  root: IgnoreScope,
  path: string,
  isDirectory: boolean,
  textsAt: (directory: string) => readonly IgnoreText[],
): { ignored: boolean; rule: IgnoreRule | undefined } {
  if (path === '') return { ignored: false, rule: undefined }
  const names = path.split('/')
  const last = names.pop() as string
  let scope = root
  let directory = ''
  for (const name of names) {
    const rule = scope.match(name, true)
    if (rule !== undefined && !rule.negated) return { ignored: true, rule }
    directory = below(directory, name)
    scope = scope.enter(name, textsAt(directory))
  }
  const rule = scope.match(last, isDirectory)
  return { ignored: rule !== undefined && !rule.negated, rule }
}

function below(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`
}

// ---- scopes -----------------------------------------------------------------------------------------------------

/** `levels` in falling precedence: the deepest directory first. */
function scopeOf(
  directory: string,
  overrides: Level | undefined,
  levels: readonly Level[],
  fold: boolean,
): IgnoreScope {
  const ruleCount = levels.reduce((sum, level) => sum + level.rules.length, overrides?.rules.length ?? 0)
  if (ruleCount > maxIgnoreRules) throw tooManyRules()
  return {
    idle: overrides === undefined && levels.length === 0,
    match(name: string, isDirectory: boolean): IgnoreRule | undefined {
      if (overrides === undefined && levels.length === 0) return undefined
      const bytes = nameBytes(name, fold)
      const winner = overrides === undefined ? undefined : lastMatch(overrides, bytes, isDirectory)
      if (winner !== undefined) return winner
      for (const level of levels) {
        const rule = lastMatch(level, bytes, isDirectory)
        if (rule !== undefined) return rule
      }
      return undefined
    },
    enter(name: string, texts: readonly IgnoreText[]): IgnoreScope {
      const inside = below(directory, name)
      const bytes = nameBytes(name, fold)
      const inherited = levels.map((level) => enterLevel(level, bytes)).filter((level) => level !== undefined)
      const innerOverrides = overrides === undefined ? undefined : enterLevel(overrides, bytes)
      return scopeOf(inside, innerOverrides, addLevel(inherited, levelOf(texts, inside, fold)), fold)
    },
  }
}

function nameBytes(name: string, fold: boolean): string {
  const bytes = byteText(name)
  return fold ? foldBytes(bytes) : bytes
}

function addLevel(levels: readonly Level[], level: Level | undefined): readonly Level[] {
  return level === undefined ? levels : [level, ...levels]
}

// ---- levels -----------------------------------------------------------------------------------------------------

/** A rule's place in its level; a greater one is the later rule and wins. */
type Place = number

/** For one text that rules compare with: the last rule for a file or link, and the last for a directory; -1 is none. */
type Latest = { file: Place; directory: Place }

/**
 * Rules that compare the first bytes of a name (or its last), by the very first (or last) of them, which spares most
 * names any comparison, then by how many bytes they compare, shortest first.
 */
type Affixes = ReadonlyMap<number, readonly { readonly length: number; readonly byText: Map<string, Latest> }[]>

type NameGlob = { readonly place: Place; readonly directoryOnly: boolean; readonly glob: Glob }

/** Rules about a name, wherever it stands. The same at every depth. */
type NameRules = {
  readonly literals: ReadonlyMap<string, Latest>
  readonly suffixes: Affixes
  readonly prefixes: Affixes
  /** Latest first. */
  readonly globs: readonly NameGlob[]
}

/** A rule that is a plain path; `from` is where the part begins that is still to come. */
type PathLiteral = {
  readonly place: Place
  readonly directoryOnly: boolean
  readonly path: string
  readonly from: number
}

/** Any other rule about paths, moved through the names of the directories entered so far. */
type PathGlob = NameGlob & { readonly state: GlobState }

/** The texts of one directory, seen from a directory at or below it. */
type Level = {
  readonly rules: readonly IgnoreRule[]
  /** Undefined when there are none. */
  readonly names: NameRules | undefined
  /** Plain paths that end here, by their last name, and those that go on, by their next name. */
  readonly here: ReadonlyMap<string, Latest>
  readonly deeper: ReadonlyMap<string, readonly PathLiteral[]>
  /** Latest first. */
  readonly paths: readonly PathGlob[]
}

function lastMatch(level: Level, name: string, isDirectory: boolean): IgnoreRule | undefined {
  let place = latest(level.here.get(name), isDirectory)
  if (level.names !== undefined) place = lastName(level.names, name, isDirectory, place)
  for (const rule of level.paths) {
    if (rule.place < place) break
    if (rule.directoryOnly && !isDirectory) continue
    if (matchGlob(rule.glob, rule.state, name)) return level.rules[rule.place]
  }
  return level.rules[place]
}

/** The place of the last rule that matches the name, or `atLeast` where that is the later one. */
function lastName(names: NameRules, name: string, isDirectory: boolean, atLeast: Place): Place {
  let place = Math.max(atLeast, latest(names.literals.get(name), isDirectory))
  for (const { length, byText } of names.suffixes.get(name.charCodeAt(name.length - 1)) ?? []) {
    if (length > name.length) break
    place = Math.max(place, latest(byText.get(name.slice(name.length - length)), isDirectory))
  }
  for (const { length, byText } of names.prefixes.get(name.charCodeAt(0)) ?? []) {
    if (length > name.length) break
    place = Math.max(place, latest(byText.get(name.slice(0, length)), isDirectory))
  }
  for (const rule of names.globs) {
    if (rule.place < place) break
    if (rule.directoryOnly && !isDirectory) continue
    if (matchNameGlob(rule.glob, name)) return rule.place
  }
  return place
}

function latest(found: Latest | undefined, isDirectory: boolean): Place {
  if (found === undefined) return -1
  return isDirectory ? found.directory : found.file
}

/** The level seen from the child directory; undefined when none of its rules can match there. */
function enterLevel(level: Level, name: string): Level | undefined {
  // Most levels hold only rules about names: they are the same everywhere below.
  if (level.paths.length === 0 && level.deeper.size === 0 && level.here.size === 0) return level
  const paths: PathGlob[] = []
  for (const rule of level.paths) {
    const state = advanceGlob(rule.glob, rule.state, `${name}/`)
    if (isOpenGlob(rule.glob, state)) paths.push({ ...rule, state })
  }
  return liveLevel(level.rules, level.names, level.deeper.get(name) ?? [], paths)
}

function liveLevel(
  rules: readonly IgnoreRule[],
  names: NameRules | undefined,
  literals: readonly PathLiteral[],
  paths: readonly PathGlob[],
): Level | undefined {
  if (names === undefined && literals.length === 0 && paths.length === 0) return undefined
  const here = new Map<string, Latest>()
  const deeper = new Map<string, PathLiteral[]>()
  for (const rule of literals) {
    const end = rule.path.indexOf('/', rule.from)
    if (end === -1) {
      remember(here, rule.path.slice(rule.from), rule)
    } else {
      const name = rule.path.slice(rule.from, end)
      const rest = { ...rule, from: end + 1 }
      const others = deeper.get(name)
      if (others === undefined) deeper.set(name, [rest])
      else others.push(rest)
    }
  }
  return { rules, names, here, deeper, paths }
}

/** Notes a rule under the text it compares with. Rules come in rising order, so the last one noted wins. */
function remember(
  places: Map<string, Latest>,
  text: string,
  rule: { readonly place: Place; readonly directoryOnly: boolean },
): void {
  const known = places.get(text) ?? { file: -1, directory: -1 }
  places.set(text, { file: rule.directoryOnly ? known.file : rule.place, directory: rule.place })
}

// ---- compiling --------------------------------------------------------------------------------------------------

/** The rules of one directory's texts, or undefined when they hold none that can match. */
function levelOf(texts: readonly IgnoreText[], directory: string, fold: boolean): Level | undefined {
  const rules: IgnoreRule[] = []
  const literals = new Map<string, Latest>()
  const suffixes = new Map<string, Latest>()
  const prefixes = new Map<string, Latest>()
  const globs: NameGlob[] = []
  const pathLiterals: PathLiteral[] = []
  const paths: PathGlob[] = []
  for (const line of readLines(texts, directory)) {
    const place = rules.push(line.rule) - 1
    if (place >= maxIgnoreRules) throw tooManyRules()
    const compiled = compileGlob(byteText(line.body), fold)
    if (compiled === undefined || line.body === '') continue
    const anywhere = line.hasSlash ? nameOnlyGlob(compiled) : compiled
    const rule = { place, directoryOnly: line.directoryOnly, glob: anywhere ?? compiled }
    const shape = globShape(rule.glob)
    if (anywhere === undefined) {
      if (shape.kind === 'literal')
        pathLiterals.push({ place, directoryOnly: line.directoryOnly, path: shape.text, from: 0 })
      else paths.push({ ...rule, state: startGlob(rule.glob) })
    } else if (shape.kind === 'literal') remember(literals, shape.text, rule)
    else if (shape.kind === 'suffix') remember(suffixes, shape.text, rule)
    else if (shape.kind === 'prefix') remember(prefixes, shape.text, rule)
    else globs.push(rule)
  }
  const anyNames = literals.size + suffixes.size + prefixes.size + globs.length > 0
  const names = anyNames
    ? { literals, suffixes: affixesOf(suffixes, -1), prefixes: affixesOf(prefixes, 0), globs: globs.reverse() }
    : undefined
  return liveLevel(rules, names, pathLiterals, paths.reverse())
}

/** `key` is where the byte to look up first stands: 0, or -1 for the last. */
function affixesOf(places: ReadonlyMap<string, Latest>, key: 0 | -1): Affixes {
  const affixes = new Map<number, { length: number; byText: Map<string, Latest> }[]>()
  const shortestFirst = [...places].sort(([a], [b]) => a.length - b.length)
  for (const [text, found] of shortestFirst) {
    const byte = text.charCodeAt(key === 0 ? 0 : text.length - 1)
    const groups = affixes.get(byte) ?? []
    affixes.set(byte, groups)
    const last = groups.at(-1)
    if (last?.length === text.length) last.byText.set(text, found)
    else groups.push({ length: text.length, byText: new Map([[text, found]]) })
  }
  return affixes
}

/** One line that is a rule, taken apart. `body` is the pattern without `!`, leading and trailing slash. */
type RuleLine = {
  readonly rule: IgnoreRule
  readonly body: string
  readonly directoryOnly: boolean
  readonly hasSlash: boolean
}

function* readLines(texts: readonly IgnoreText[], directory: string): Generator<RuleLine> {
  for (const { directory: own, label, text } of texts) {
    assert(own === directory, 'an ignore text is given to the scope of its own directory')
    checkLength(text)
    let line = 1
    for (let start = text.startsWith('\ufeff') ? 1 : 0; start < text.length; line++) {
      const newline = text.indexOf('\n', start)
      const end = newline === -1 ? text.length : newline
      const pattern = patternOf(text.slice(start, end))
      if (pattern !== undefined) yield ruleLine({ label, directory, line, pattern, negated: pattern.startsWith('!') })
      start = end + 1
    }
  }
}

/** The pattern of a line, or undefined for a blank line or a comment. */
function patternOf(line: string): string | undefined {
  if (line.startsWith('#')) return undefined
  // Git sees a line as a C string, so a zero byte ends it; and it takes one carriage return for part of the line's end.
  const [text = ''] = (line.endsWith('\r') ? line.slice(0, -1) : line).split('\0', 1)
  const pattern = withoutTrailingSpaces(text)
  return pattern === '' ? undefined : pattern
}

/** Drops the spaces at the end, but for one that a backslash escapes. */
function withoutTrailingSpaces(text: string): string {
  let end = 0
  for (let at = 0; at < text.length; at++) {
    if (text.charAt(at) === '\\') {
      at += 1
      // Git stops here, so spaces before a last, lone backslash stay; such a pattern never matches anyway.
      if (at === text.length) return text
      end = at + 1
    } else if (text.charAt(at) !== ' ') {
      end = at + 1
    }
  }
  return text.slice(0, end)
}

function ruleLine(rule: IgnoreRule): RuleLine {
  const pattern = rule.negated ? rule.pattern.slice(1) : rule.pattern
  const directoryOnly = pattern.endsWith('/')
  const path = directoryOnly ? pattern.slice(0, -1) : pattern
  return { rule, body: path.startsWith('/') ? path.slice(1) : path, directoryOnly, hasSlash: path.includes('/') }
}

function checkLength(text: string): void {
  const tooLong =
    text.length > maxIgnoreTextBytes ||
    (text.length * 3 > maxIgnoreTextBytes && byteText(text).length > maxIgnoreTextBytes)
  if (!tooLong) return
  throw new Failure('limit-exceeded', `an ignore text is longer than ${maxIgnoreTextBytes} bytes`, {
    hint: 'Nothing was changed. Shorten the ignore file or the list of rules.',
  })
}

function tooManyRules(): Failure {
  return new Failure('limit-exceeded', `more than ${maxIgnoreRules} ignore rules are in force in one directory`, {
    hint: 'Nothing was changed. Replace lists of names by patterns, or ignore their directory.',
  })
}
