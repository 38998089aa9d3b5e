// One pattern of the gitignore language, compiled and run over bytes. Hides git's wildmatch: `*`, `?`, classes, escapes
// and the places where `**` may cross directories. A glob runs as a set of positions that moves through the text once,
// so the work is at most (text length x pattern length) steps whatever the pattern: patterns may come from a hostile
// machine. A path may be given piece by piece (`advance`), so that a directory's part of it is matched once, not again
// for each of its entries. Never throws, never uses RegExp on a pattern.
//
// Texts are *byte strings*: one UTF-16 unit per byte of the UTF-8 form (`byteText`). Git matches bytes, and so do we: `?`
// takes one byte of a longer character, and so does a class.

/** A compiled pattern. Made by `compileGlob`; its numbers mean something only in this file. */
export type Glob = {
  /** Below 256 that very byte; else one of the constants below, or `firstClass` + an index in `classes`. */
  readonly tokens: readonly number[]
  /** The bytes of each class as ascending pairs low, high. */
  readonly classes: readonly string[]
  /** How many tokens stand before the first star and after the last; without any star all are in `head`. */
  readonly head: number
  readonly tail: number
}

/** Positions in a glob that a text has led to, ascending; empty when no longer text can match. */
export type GlobState = readonly number[]

/** Counts the positions that a match looked at. */
export type GlobMeter = { steps: number }

const anyByte = 256
/** `*`: any run within one name. */
const star = 257
/** `**` at the end or before an escaped slash: any run, slashes included. */
const deepStar = 258
/** `**` with its slash: nothing, or any run that ends with a slash. */
const deepStarSlash = 259
const firstClass = 260

const slash = 0x2f

/** The UTF-8 form of `text`, one unit a byte; ASCII is its own. */
export function byteText(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

/** Lower-cases ASCII letters only, as git's core.ignorecase does. Takes a byte string. */
export function foldBytes(bytes: string): string {
  // toLowerCase would also change bytes that look like Latin-1 letters.
  return isAscii(bytes) ? bytes.toLowerCase() : bytes.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false
  return true
}

/**
 * Compiles a pattern (a byte string without `!`, leading and trailing slash). Undefined for one that git never lets
 * match: an open class, an unknown [:class:], a backslash at the end. With `fold`, texts must come through `foldBytes`.
 */
export function compileGlob(pattern: string, fold: boolean): Glob | undefined {
  const tokens: number[] = []
  const classes: string[] = []
  // Git compares the part before the first special byte on its own, so a `**` right there counts as leading: a**/b.
  const firstSpecial = pattern.search(/[*?[\\]/)
  let at = 0
  while (at < pattern.length) {
    const byte = pattern.charAt(at)
    if (byte === '*') {
      at = readStars(pattern, at, at === firstSpecial, tokens)
    } else if (byte === '?') {
      tokens.push(anyByte)
      at += 1
    } else if (byte === '[') {
      const read = readClass(pattern, at, fold)
      if (read === undefined) return undefined
      tokens.push(firstClass + classes.length)
      classes.push(read.ranges)
      at = read.end
    } else if (byte === '\\') {
      if (at + 1 === pattern.length) return undefined
      // Git does not fold an escaped letter: with ignoreCase, \A matches nothing.
      tokens.push(pattern.charCodeAt(at + 1))
      at += 2
    } else {
      tokens.push((fold ? foldBytes(byte) : byte).charCodeAt(0))
      at += 1
    }
  }
  return finishGlob(tokens, classes)
}

function finishGlob(tokens: readonly number[], classes: readonly string[]): Glob {
  const first = tokens.findIndex(isStar)
  if (first === -1) return { tokens, classes, head: tokens.length, tail: 0 }
  return { tokens, classes, head: first, tail: tokens.length - 1 - tokens.findLastIndex(isStar) }
}

function isStar(token: number): boolean {
  return token >= star && token <= deepStarSlash
}

/** Reads one or more stars at `at`, adds their token, and says where reading goes on. */
function readStars(pattern: string, at: number, leading: boolean, tokens: number[]): number {
  let end = at + 1
  while (pattern.charAt(end) === '*') end++
  const atStart = leading || at === 0 || pattern.charCodeAt(at - 1) === slash
  const beforeSlash = pattern.charCodeAt(end) === slash
  const atEnd = end === pattern.length || beforeSlash || pattern.startsWith('\\/', end)
  const last = tokens[tokens.length - 1]
  if (end - at === 1 || !atStart || !atEnd) {
    tokens.push(star)
  } else if (beforeSlash) {
    // A second one in a row adds nothing; without it, positions that need no text never pile up.
    if (last !== deepStarSlash) tokens.push(deepStarSlash)
    end += 1
  } else {
    if (last === deepStarSlash) tokens.pop()
    tokens.push(deepStar)
  }
  return end
}

// ---- classes ----------------------------------------------------------------------------------------------------

const namedClasses: ReadonlyMap<string, string> = new Map([
  ['alnum', '09AZaz'],
  ['alpha', 'AZaz'],
  ['blank', '\t\t  '],
  ['cntrl', '\x00\x1f\x7f\x7f'],
  ['digit', '09'],
  ['graph', '!~'],
  ['lower', 'az'],
  ['print', ' ~'],
  ['punct', '!/:@[`{~'],
  ['space', '\t\n\r\r  '],
  ['upper', 'AZ'],
  ['xdigit', '09AFaf'],
])

/** Reads the class that opens at `at`; undefined when it never closes or names an unknown class. */
function readClass(pattern: string, at: number, fold: boolean): { ranges: string; end: number } | undefined {
  const members = new Uint8Array(256)
  let next = at + 1
  const negated = pattern.charAt(next) === '!' || pattern.charAt(next) === '^'
  if (negated) next += 1
  // The byte that a following `-` would make a range of; -1 after a range or a named class.
  let low = -1
  // The first byte is a member even when it is `]`.
  for (let first = true; first || pattern.charAt(next) !== ']'; first = false) {
    if (next >= pattern.length) return undefined
    const after = pattern.charAt(next + 1)
    if (pattern.charAt(next) === '-' && low !== -1 && after !== '' && after !== ']') {
      next += after === '\\' ? 2 : 1
      if (next >= pattern.length) return undefined
      addRange(members, low, pattern.charCodeAt(next), fold)
      low = -1
    } else if (pattern.charAt(next) === '[' && after === ':') {
      const close = pattern.indexOf(']', next + 2)
      if (close === -1) return undefined
      if (close > next + 2 && pattern.charAt(close - 1) === ':') {
        if (!addNamed(members, pattern.slice(next + 2, close - 1), fold)) return undefined
        next = close
        low = -1
      } else {
        low = addByte(members, pattern.charCodeAt(next))
      }
    } else {
      if (pattern.charAt(next) === '\\') next += 1
      if (next >= pattern.length) return undefined
      low = addByte(members, pattern.charCodeAt(next))
    }
    next += 1
  }
  return { ranges: rangesOf(members, negated), end: next + 1 }
}

function addByte(members: Uint8Array, byte: number): number {
  members[byte] = 1
  return byte
}

function addRange(members: Uint8Array, low: number, high: number, fold: boolean): void {
  for (let byte = low; byte <= high; byte++) {
    members[byte] = 1
    // Texts are folded to lower case; a range takes a letter in either case, a single member does not (as in git).
    if (fold && byte >= 0x41 && byte <= 0x5a) members[byte + 0x20] = 1
  }
}

function addNamed(members: Uint8Array, name: string, fold: boolean): boolean {
  const ranges = namedClasses.get(name)
  if (ranges === undefined) return false
  for (let at = 0; at < ranges.length; at += 2) {
    addRange(members, ranges.charCodeAt(at), ranges.charCodeAt(at + 1), fold && name === 'upper')
  }
  return true
}

function rangesOf(members: Uint8Array, negated: boolean): string {
  const wanted = negated ? 0 : 1
  // A class never matches a slash, whatever it lists.
  members[slash] = 1 - wanted
  let ranges = ''
  for (let byte = 0; byte < 256; byte++) {
    if (members[byte] !== wanted) continue
    const low = byte
    while (byte < 255 && members[byte + 1] === wanted) byte++
    ranges += String.fromCharCode(low, byte)
  }
  return ranges
}

function inRanges(ranges: string, byte: number): boolean {
  for (let at = 0; at < ranges.length; at += 2) {
    if (byte < ranges.charCodeAt(at)) return false
    if (byte <= ranges.charCodeAt(at + 1)) return true
  }
  return false
}

// ---- running ----------------------------------------------------------------------------------------------------

/** Whether a token that is no star takes this byte. */
function takes(glob: Glob, token: number, byte: number): boolean {
  if (token < anyByte) return token === byte
  if (token === anyByte) return byte !== slash
  return inRanges(glob.classes[token - firstClass] as string, byte)
}

/** Where a match begins. */
export function startGlob(glob: Glob): GlobState {
  const state: number[] = []
  arrive(glob, state, 0, 0)
  return state
}

/** The state after more text; empty when nothing that begins with it can match. */
export function advanceGlob(glob: Glob, state: GlobState, text: string, meter?: GlobMeter): GlobState {
  const count = run(glob, state, text, meter)
  return current.slice(0, count)
}

/** Whether the text that led to `state`, followed by `text`, is matched. */
export function matchGlob(glob: Glob, state: GlobState, text: string, meter?: GlobMeter): boolean {
  const count = run(glob, state, text, meter)
  return count > 0 && current[count - 1] === glob.tokens.length
}

/** Whether a longer text than the one that led to `state` can match. */
export function isOpenGlob(glob: Glob, state: GlobState): boolean {
  const first = state[0]
  return first !== undefined && first < glob.tokens.length
}

/** The two sets of positions that `run` moves between, kept so that a match allocates nothing. */
let current: number[] = []
let following: number[] = []

/** Leaves the positions after `text` in `current` and returns how many there are. */
function run(glob: Glob, state: GlobState, text: string, meter: GlobMeter | undefined): number {
  let count = state.length
  for (let index = 0; index < count; index++) current[index] = state[index] as number
  for (let at = 0; at < text.length && count > 0; at++) {
    if (meter !== undefined) meter.steps += count
    count = step(glob, count, text.charCodeAt(at))
    const taken = current
    current = following
    following = taken
  }
  return count
}

/** Moves the first `count` positions of `current` over one byte, into `following`. */
function step(glob: Glob, count: number, byte: number): number {
  let reached = 0
  for (let index = 0; index < count; index++) {
    const position = current[index] as number
    const token = glob.tokens[position]
    if (token === undefined) continue
    if (!isStar(token)) {
      if (takes(glob, token, byte)) reached = arrive(glob, following, reached, position + 1)
    } else if (token === deepStarSlash) {
      reached = byte === slash ? arrive(glob, following, reached, position) : add(following, reached, position)
    } else if (token === deepStar || byte !== slash) {
      reached = arrive(glob, following, reached, position)
    }
  }
  return reached
}

/** Adds a position and, since a star may take nothing, those after it. */
function arrive(glob: Glob, set: number[], count: number, position: number): number {
  let reached = add(set, count, position)
  let next = position
  while (isStar(glob.tokens[next] ?? 0)) {
    next += 1
    reached = add(set, reached, next)
  }
  return reached
}

/** Positions arrive in unbroken ascending runs, so one that is not above the last is there already. */
function add(set: number[], count: number, position: number): number {
  if (count > 0 && position <= (set[count - 1] as number)) return count
  set[count] = position
  return count + 1
}

/** The same verdict as a match from the start, for a text without a slash: looks at its two ends before anything else. */
export function matchNameGlob(glob: Glob, text: string, meter?: GlobMeter): boolean {
  const { tokens, head, tail } = glob
  if (head === tokens.length) return text.length === head && endsFit(glob, text)
  if (text.length < head + tail || !endsFit(glob, text)) return false
  // With one star there is nothing left to compare.
  return head + 1 + tail === tokens.length || matchGlob(glob, startGlob(glob), text, meter)
}

function endsFit(glob: Glob, text: string): boolean {
  const { tokens, head, tail } = glob
  for (let back = 1; back <= tail; back++) {
    if (!takes(glob, tokens[tokens.length - back] as number, text.charCodeAt(text.length - back))) return false
  }
  for (let at = 0; at < head; at++) {
    if (!takes(glob, tokens[at] as number, text.charCodeAt(at))) return false
  }
  return true
}

// ---- shapes -----------------------------------------------------------------------------------------------------

/** What a glob comes down to, where comparing strings is enough. */
type GlobShape = {
  readonly kind: 'literal' | 'suffix' | 'prefix' | 'other'
  /** The bytes that must be there; empty for `other`. */
  readonly text: string
}

/** The shape: `literal` holds for any text, `suffix` and `prefix` (never empty) only for one without a slash. */
export function globShape(glob: Glob): GlobShape {
  const { tokens, head, tail } = glob
  const oneStar = tokens.length === head + 1 + tail
  const fixed = head === tokens.length || (oneStar && tail === 0) ? tokens.slice(0, head) : tokens.slice(1)
  if (tokens.length > head && !(oneStar && (head === 0) !== (tail === 0))) return { kind: 'other', text: '' }
  if (fixed.some((token) => token >= anyByte)) return { kind: 'other', text: '' }
  const kind = head === tokens.length ? 'literal' : tail === 0 ? 'prefix' : 'suffix'
  return { kind, text: fixed.map((byte) => String.fromCharCode(byte)).join('') }
}

/** For a glob that matches a path exactly when it matches the path's last name: what the name must match. */
export function nameOnlyGlob(glob: Glob): Glob | undefined {
  const first = glob.tokens[0]
  if (first === deepStar && glob.tokens.length === 1) return finishGlob([star], glob.classes)
  if (first !== deepStarSlash) return undefined
  const rest = glob.tokens.slice(1)
  if (rest.length === 0 || rest.some((token) => token === slash || token === deepStar || token === deepStarSlash)) {
    return undefined
  }
  return finishGlob(rest, glob.classes)
}
