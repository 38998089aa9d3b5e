// Names that are one on the target: which, by how much it folds; and that pairing them loses nothing, takes no place twice,
// and comes to rest.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { check, entryOf, file, special } from '../../test/world/trees.ts'
import { compareBytes, utf8 } from '../std/bytes.ts'
import type { Entry } from './entry.ts'
import { canHold, exactNaming, foldName, isExact, type Naming, pairNames } from './naming.ts'
import {
  countsCharacters,
  refusesBytes,
  refusesCharacters,
  refusesDevices,
  refusesEndDots,
  refusesEndSpaces,
  storedName,
} from './stored-names.ts'

const windows = refusesCharacters | refusesEndDots | refusesEndSpaces | refusesDevices
const ascii: Naming = { ...exactNaming, folds: 'ascii' }
const simple: Naming = { ...exactNaming, folds: 'simple' }
const full: Naming = { ...exactNaming, folds: 'full', foldsForm: true, ignores: true }
const form: Naming = { ...exactNaming, foldsForm: true }
const mac: Naming = { ...exactNaming, folds: 'full', foldsForm: true, keeps: 'nfd' }
const lower: Naming = { ...exactNaming, folds: 'simple', keeps: 'lower' }
const levels = { exact: exactNaming, ascii, simple, form, full }

describe('folding', () => {
  const rows: [a: string, b: string, one: readonly (keyof typeof levels)[]][] = [
    ['a', 'A', ['ascii', 'simple', 'full']],
    ['ä', 'Ä', ['simple', 'full']],
    ['\u03c3', '\u03c2', ['simple', 'full']],
    ['\u03a3', '\u03c2', ['simple', 'full']],
    ['k', '\u212a', ['simple', 'full']],
    ['s', '\u017f', ['simple', 'full']],
    ['ss', 'ß', ['full']],
    ['ß', '\u1e9e', ['simple', 'full']],
    ['fi', '\ufb01', ['full']],
    ['i', '\u0131', []],
    ['I', '\u0131', []],
    ['i\u0307', '\u0130', ['full']],
    ['\u01c4', '\u01c6', ['simple', 'full']],
    ['\u{10400}', '\u{10428}', ['simple', 'full']],
    ['\u00e9', 'e\u0301', ['form', 'full']],
    ['\u00c5', '\u212b', ['simple', 'form', 'full']],
    ['\u00c9', 'e\u0301', ['full']],
    ['\uac00', '\u1100\u1161', ['form', 'full']],
    ['ab', 'a\u200bb', ['full']],
    ['a', 'b', []],
    ['\udcff', '\ufffd', []],
    ['a\udcff', 'A\udcff', ['ascii', 'simple', 'full']],
  ]
  for (const [a, b, one] of rows) {
    it(`${JSON.stringify(a)} and ${JSON.stringify(b)} are one where ${one.join(', ') || 'nothing is'}`, () => {
      const same = Object.entries(levels).filter(([, naming]) => foldName(a, naming) === foldName(b, naming))
      assert.deepEqual(
        same.map(([level]) => level),
        Object.keys(levels).filter((level) => (one as readonly string[]).includes(level)),
      )
    })
  }

  it('is nothing where every name is taken as it is', () => {
    assert.ok(isExact(exactNaming) && isExact({ ...exactNaming, keeps: 'nothing' }))
    for (const one of [{ refuses: 1 }, { ignores: true }, { stores: 1 }])
      assert.ok(!isExact({ ...exactNaming, ...one }))
    for (const naming of [ascii, form, full]) assert.ok(!isExact(naming))
  })
})

const part = fc.constantFrom('a', 'A', 'b', 'é', 'e\u0301', 'É', 'ß', 'ss', 'SS', '\u200b', '\udcff', ':', '.')
const name = fc.array(part, { minLength: 1, maxLength: 2 }).map((parts) => `x${parts.join('')}`)
const item = fc.constantFrom(file('x'), file('yy'), special)
const listing = fc
  .uniqueArray(fc.tuple(name, item), { selector: ([one]) => one, maxLength: 6 })
  .map((pairs) => pairs.map(([one, what]) => entryOf(one, what)).sort(byName))
const files = listing.map((entries) => entries.map(({ name: one }) => entryOf(one, file('x'))))
const naming = fc.constantFrom<Naming>(
  ascii,
  simple,
  form,
  full,
  mac,
  lower,
  { ...full, refuses: refusesBytes },
  { ...ascii, refuses: windows },
  { ...full, stores: windows | refusesBytes },
  { ...simple, refuses: refusesCharacters, stores: refusesBytes },
)

function byName(a: Entry, b: Entry): number {
  return compareBytes(utf8(a.name), utf8(b.name))
}
const namesOf = (entries: readonly { readonly name: string }[]): string[] => entries.map((entry) => entry.name)

/** What a directory of the target comes to hold: no two names that are one, each as it comes back. */
function stored(entries: readonly Entry[], { keeps }: Naming): Entry[] {
  const kept = (text: string): string =>
    keeps === 'nfd' ? text.normalize('NFD') : keeps === 'lower' ? text.toLowerCase() : text
  return entries.map((entry) => ({ ...entry, name: kept(entry.name) })).sort(byName)
}

/** Only what a folding target can hold. */
function holdable(entries: readonly Entry[], by: Naming): Entry[] {
  const seen = new Set<string>()
  return stored(entries, by).filter(({ name: one }) => {
    const key = foldName(one, by)
    return !seen.has(key) && seen.add(key)
  })
}

describe('what can be had', () => {
  const text: Naming = { ...exactNaming, refuses: refusesBytes }
  const narrow: Naming = { ...exactNaming, refuses: windows }
  it('is everything, text, or what Windows has', () => {
    for (const one of ['a', 'ä', 'a.b', '.a', ' a', 'a b', 'a~1', "a'b", '\uf03a', 'a\u007f', 'a;b', '[a]'])
      assert.deepEqual([canHold(one, text), canHold(one, narrow)], [true, true], one)
    for (const one of [
      'a:b',
      'a.',
      'a ',
      '...',
      'a\\b',
      'a*',
      '?',
      '<',
      '>',
      '|',
      '"',
      'a\n',
      '\u001b[m',
      'nul',
      'Com1.txt',
    ])
      assert.deepEqual([canHold(one, text), canHold(one, narrow)], [true, false], JSON.stringify(one))
    for (const one of ['\udcff', 'a\udc80b'])
      assert.deepEqual([canHold(one, text), canHold(one, narrow), canHold(one, exactNaming)], [false, true, true])
  })

  it('is what a root stores under another name, unless that gets too long', () => {
    const stores = windows | refusesBytes
    const rows: [name: string, by: Partial<Naming>, isHeld: boolean][] = [
      ['a:b', { stores }, true],
      ['\udcff', { stores }, true],
      [':'.repeat(85), { stores }, true],
      [':'.repeat(86), { stores }, false],
      [':'.repeat(255), { stores: stores | countsCharacters }, true],
      ['\uf03a'.repeat(85), { stores: stores | countsCharacters }, true],
      [`${'\uf000'.repeat(84)}:`, { stores }, false],
      ['x'.repeat(255), { stores }, true],
      // What is refused and not stored besides.
      ['a:b', { stores: refusesCharacters, refuses: refusesEndDots }, true],
      ['a:b.', { stores: refusesCharacters, refuses: refusesEndDots }, false],
      ['\udcff', { stores: refusesCharacters, refuses: refusesBytes }, false],
    ]
    for (const [one, by, isHeld] of rows)
      assert.equal(canHold(one, { ...exactNaming, ...by }), isHeld, JSON.stringify([one, by]))
  })

  it('is folded no finer than it is stored: two names that are one there are one here', () => {
    const parts = [
      'a',
      'A',
      ':',
      '.',
      '\udcff',
      '\uf03a',
      '\uf000',
      'con',
      'CON',
      '<',
      '\u0338',
      '\u226e',
      '\u200b',
      '\uf0ff',
    ]
    const some = fc.array(fc.constantFrom(...parts), { minLength: 1, maxLength: 4 }).map((all) => all.join(''))
    const stores = windows | refusesBytes
    fc.assert(
      fc.property(some, some, fc.constantFrom(ascii, simple, full, form, mac), (a, b, by) => {
        const [one, other] = [a, b].map((each) => foldName(storedName(each, stores), by))
        return one !== other || foldName(a, by) === foldName(b, by)
      }),
      { numRuns: 3000 },
    )
  })
})

describe('pairing names', () => {
  it('leaves everything as it is where each name is taken as it is', () => {
    check(
      fc.property(listing, listing, (left, right) => {
        const paired = pairNames(left, right, exactNaming, true)
        assert.deepEqual(paired, { left, right, respelled: [], aliases: [], problems: [] })
      }),
    )
  })

  it('loses no entry of either side, and gives each of the right to at most one of the left', () => {
    check(
      fc.property(listing, listing, naming, fc.boolean(), (left, some, by, respells) => {
        const right = holdable(some, by)
        const paired = pairNames(left, right, by, respells)
        assert.equal(paired.left.length + paired.problems.length, left.length)
        assert.equal(paired.right.length, right.length)
        for (const names of [namesOf(paired.left), namesOf(paired.right)]) {
          assert.equal(new Set(names).size, names.length)
          assert.deepEqual(
            [...names].sort((a, b) => compareBytes(utf8(a), utf8(b))),
            names,
          )
        }
        const copied = paired.left.filter(({ kind }) => kind === 'file').map((entry) => foldName(entry.name, by))
        assert.equal(new Set(copied).size, copied.length, 'no place is taken twice')
        const sources = new Map(paired.aliases.map((alias) => [alias.name, alias.source]))
        const back = [...paired.left.map((entry) => sources.get(entry.name) ?? entry.name), ...namesOf(paired.problems)]
        assert.deepEqual(back.sort(), namesOf(left).sort())
        const before = new Map(paired.respelled.map(({ from, to }) => [to, from]))
        assert.deepEqual(
          paired.right.map((entry) => before.get(entry.name) ?? entry.name).sort(),
          namesOf(right).sort(),
        )
        if (!respells) assert.deepEqual(paired.respelled, [])
        // What both have under one name is never taken for a deletion, whatever the target was thought to refuse.
        const lefts = new Set(namesOf(paired.left))
        for (const { name: one } of right) if (namesOf(left).includes(one)) assert.ok(lefts.has(one), one)
      }),
    )
  })

  it('comes to rest: once the target is what it can be, nothing is left to do and the same is told', () => {
    check(
      fc.property(files, files, naming, (left, some, by) => {
        const first = pairNames(left, holdable(some, by), by, true)
        const now = stored(first.left, by)
        const second = pairNames(left, now, by, true)
        assert.deepEqual(namesOf(second.problems).sort(), namesOf(first.problems).sort())
        assert.deepEqual(second.respelled, [])
        for (const entry of second.right)
          assert.ok(
            second.left.some((one) => one.name === entry.name),
            entry.name,
          )
      }),
    )
  })

  it('lets keep its place who has it, and gives a free one to the first', () => {
    const entries = (...names: string[]): Entry[] => names.map((one) => entryOf(one, file('x')))
    const rows: [left: string[], right: string[], told: string[], respelled: string[]][] = [
      [['A', 'a'], [], ['a'], []],
      [['A', 'a'], ['a'], ['A'], []],
      [['A', 'a'], ['A', 'a'], [], []],
      [['a'], ['A'], [], ['A a']],
      [['A', 'a', 'b'], ['B'], ['a'], ['B b']],
      [[], ['A'], [], []],
    ]
    for (const [left, right, told, respelled] of rows) {
      const paired = pairNames(entries(...left), entries(...right), ascii, true)
      assert.deepEqual(namesOf(paired.problems), told, JSON.stringify([left, right]))
      assert.deepEqual(
        paired.respelled.map(({ from, to }) => `${from} ${to}`),
        respelled,
      )
    }
  })

  it('takes nothing for a deletion that both have, whatever the target was thought to refuse', () => {
    for (const [one, by] of [
      ['a:b', { ...exactNaming, refuses: windows }],
      ['end.', { ...ascii, refuses: windows }],
      ['\udcff', { ...full, refuses: refusesBytes }],
    ] as const) {
      const both = pairNames([entryOf(one, file('x'))], [entryOf(one, file('y'))], by, true)
      assert.deepEqual([namesOf(both.left), namesOf(both.right), both.problems], [[one], [one], []])
      const lacking = pairNames([entryOf(one, file('x'))], [], by, true)
      assert.deepEqual([lacking.left, lacking.problems], [[], [{ name: one, code: 'bad-name' }]])
    }
  })

  it('doubts what is spelled as nobody stored it, and nothing else', () => {
    const edits = (left: string, right: string, by: Naming): number | undefined =>
      pairNames([entryOf(left, file('x'))], [entryOf(right, file('x'))], by, true).right[0]?.edits
    assert.equal(edits('foo', 'Foo', full), 1)
    assert.equal(edits('\u00e9', 'e\u0301', full), 1)
    assert.equal(edits('\u00e9', 'e\u0301', mac), 0)
    assert.equal(edits('foo', 'foo', full), 0)
    assert.equal(edits('Foo', 'foo', lower), 0)
  })

  it('gives the place to the first, and doubts it, where what comes back could be any of several', () => {
    const [one, other, there] = [entryOf('A', file('x')), entryOf('a', file('y')), entryOf('a', file('y'))]
    const paired = pairNames([one, other], [there], lower, true)
    assert.deepEqual(paired.aliases, [{ name: 'a', source: 'A' }])
    assert.deepEqual(paired.problems, [{ name: 'a', code: 'name-clash' }])
    assert.deepEqual([paired.right[0]?.edits, paired.respelled], [1, []])
    const composed: Naming = { ...form, keeps: 'nfc' }
    const two = pairNames(
      [entryOf('e\u0301', file('x')), entryOf('\u00e9', file('y'))],
      [entryOf('\u00e9', file('y'))],
      composed,
      true,
    )
    assert.deepEqual([two.aliases[0]?.source, two.right[0]?.edits], ['e\u0301', 1])
  })
})
