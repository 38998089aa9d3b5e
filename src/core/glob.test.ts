// Globs: the classes, the shortcuts against a plain match, and the bound on work, which is counted in steps and never
// timed. Whether globs mean what git means is asked in ignore.test.ts.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { GlobMeter } from './glob.ts'
import {
  advanceGlob,
  byteText,
  compileGlob,
  globShape,
  isOpenGlob,
  matchGlob,
  matchNameGlob,
  nameOnlyGlob,
  startGlob,
} from './glob.ts'

const seed = Number(process.env.NIGHTFERRY_SEED ?? 20261121)

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

describe('classes', () => {
  const rows: [pattern: string, members: string][] = [
    ['[ac]', 'ac'],
    ['[a-c]', 'abc'],
    ['[c-a]', 'c'],
    ['[]a]', ']a'],
    ['[a-]', 'a-'],
    ['[-a]', 'a-'],
    ['[a-c-e]', 'abce-'],
    ['[\\]]', ']'],
    ['[a-\\c]', 'abc'],
    ['[[:digit:]a]', '0189a'],
    ['[[:digit:]-9]', '0189-'],
    ['[[:upper:][:space:]]', 'AZ '],
    ['[[:xdigit:]]', '0189abceA'],
    ['[[:punct:]]', '[]:-!^~'],
    ['[[:alnum]', '[:alnum'],
    ['[[:]', '[:'],
    ['[[:nope:]]', ''],
    ['[a', ''],
    ['[!]', ''],
  ]
  const bytes = '0189abcelnumzAZ []:-!^~'
  for (const [pattern, members] of rows) {
    it(`${pattern} takes '${members}'`, () => {
      const glob = compileGlob(pattern, false)
      const taken = [...bytes].filter((byte) => glob !== undefined && matchNameGlob(glob, byte))
      assert.deepEqual(
        taken,
        [...bytes].filter((byte) => members.includes(byte)),
      )
    })
  }

  it('that are negated take every other byte but a slash', () => {
    for (const pattern of ['[!a]', '[^a]']) {
      const glob = compileGlob(pattern, false)
      assert.ok(glob !== undefined)
      const refused: number[] = []
      for (let byte = 1; byte < 256; byte++) {
        if (!matchGlob(glob, startGlob(glob), String.fromCharCode(byte))) refused.push(byte)
      }
      assert.deepEqual(refused, [0x2f, 0x61])
    }
  })
})

describe('shapes', () => {
  const rows: [pattern: string, kind: string, text: string][] = [
    ['foo', 'literal', 'foo'],
    ['a\\*b', 'literal', 'a*b'],
    ['*.o', 'suffix', '.o'],
    ['a*', 'prefix', 'a'],
    ['a**', 'prefix', 'a'],
    ['*', 'other', ''],
    ['a*b', 'other', ''],
    ['*a*', 'other', ''],
    ['*.[oa]', 'other', ''],
    ['a?', 'other', ''],
  ]
  for (const [pattern, kind, text] of rows) {
    it(`of ${pattern}: ${kind}`, () => {
      const glob = compileGlob(pattern, false)
      assert.deepEqual(glob && globShape(glob), { kind, text })
    })
  }

  it('of a path that is about its last name only', () => {
    const about = (pattern: string): boolean => nameOnlyGlob(compileGlob(pattern, false) ?? assert.fail()) !== undefined
    assert.deepEqual(['**/a', '**/*.o', '**', '**/**', '**/**/a'].map(about), [true, true, true, true, true])
    assert.deepEqual(['a/b', '**/a/b', '**/a/**', 'a/**', '**\\/a'].map(about), [false, false, false, false, false])
  })
})

describe('shortcuts', () => {
  it('look at a name from both ends and find what a match from the start finds', () => {
    const pattern = patternArbitrary.filter((text) => !text.includes('/'))
    const name = fc.array(nameArbitrary, { maxLength: 3 }).map((parts) => parts.join(''))
    const property = fc.property(pattern, name, (text, subject) => {
      const glob = compileGlob(byteText(text), false)
      if (glob === undefined) return
      const bytes = byteText(subject)
      assert.equal(matchNameGlob(glob, bytes), matchGlob(glob, startGlob(glob), bytes))
    })
    fc.assert(property, { numRuns: 3000, seed: seed })
  })

  it('give the same for a path in pieces as for the whole', () => {
    const property = fc.property(patternArbitrary, pathArbitrary, fc.nat(20), (text, path, cut) => {
      const glob = compileGlob(byteText(text), false)
      if (glob === undefined) return
      const bytes = byteText(path)
      const start = startGlob(glob)
      const split = matchGlob(glob, advanceGlob(glob, start, bytes.slice(0, cut)), bytes.slice(cut))
      assert.equal(split, matchGlob(glob, start, bytes))
    })
    fc.assert(property, { numRuns: 3000, seed: seed })
  })

  it('say that nothing longer can match only where that is so', () => {
    const property = fc.property(patternArbitrary, pathArbitrary, fc.nat(20), (text, path, cut) => {
      const glob = compileGlob(byteText(text), false)
      if (glob === undefined) return
      const bytes = byteText(path)
      const state = advanceGlob(glob, startGlob(glob), bytes.slice(0, cut))
      if (cut < bytes.length && matchGlob(glob, startGlob(glob), bytes)) assert.ok(isOpenGlob(glob, state))
    })
    fc.assert(property, { numRuns: 3000, seed })
  })
})

describe('hostile patterns', () => {
  const name = 'a'.repeat(255)
  const path = `${'a/'.repeat(2000)}a`
  const rows: [what: string, pattern: string, subject: string][] = [
    ['*a*a*a...b against a long name', `${'*a'.repeat(100)}*b`, name],
    ['*?*?...b', `${'*?'.repeat(100)}*b`, name],
    ['*[a]*[!b]...b', `${'*[a]*[!b]'.repeat(50)}*b`, name],
    ['**/a/**/a/...b against a long path', `${'**/a/'.repeat(100)}b`, path],
    ['**/ many times', `${'**/'.repeat(1000)}b`, path],
    ['**/*a*/**/*a*/...b', `${'**/*a*/'.repeat(60)}b`, path],
  ]
  for (const [what, pattern, subject] of rows) {
    it(`${what}: at most pattern x text steps`, (t) => {
      const glob = compileGlob(pattern, false)
      assert.ok(glob !== undefined)
      const meter: GlobMeter = { steps: 0 }
      assert.equal(matchGlob(glob, startGlob(glob), subject, meter), false)
      t.diagnostic(`${meter.steps} steps for a pattern of ${pattern.length} and a text of ${subject.length}`)
      assert.ok(meter.steps <= (glob.tokens.length + 1) * subject.length)
    })
  }

  it('never holds more positions than twice the text that was read', () => {
    const glob = compileGlob('*a'.repeat(200_000), false)
    assert.ok(glob !== undefined)
    assert.ok(advanceGlob(glob, startGlob(glob), name).length <= 2 * name.length + 2)
  })
})
