// What a disk refuses and what stands there for it: one to one, both ways, whatever is refused, for every name there is.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { oddNames } from '../../test/world/odd-names.ts'
import { decodeName, isNameText } from '../std/bytes.ts'
import { isEntryName } from './path.ts'
import {
  countsCharacters,
  fitsStored,
  isRefusedName,
  knownName,
  refusesBytes,
  refusesCharacters,
  refusesDevices,
  refusesEndDots,
  refusesEndSpaces,
  storedName,
  storesMax,
} from './stored-names.ts'

const windows = refusesCharacters | refusesEndDots | refusesEndSpaces | refusesDevices
const all = windows | refusesBytes
const masks = Array.from({ length: storesMax + 1 }, (_, mask) => mask)

/** What stands for others, what does not, and what comes of both side by side. */
const pieces = [
  '\uf000',
  '\uf03a',
  ':',
  '.',
  '\uf02e',
  ' ',
  '\uf020',
  'c',
  '\uf063',
  'con',
  '\uf063on',
  'nul.',
  '\udcff',
]
const more = [
  '\udcc3',
  '\udca4',
  '\uf0ff',
  '\uf0c3',
  '\uf0a4',
  'ä',
  '\uf043',
  'COM1',
  '\u{1f600}',
  '\u0001',
  '\uf001',
  '/'.replace('/', '\uf02f'),
]
const name = fc
  .array(fc.constantFrom(...pieces, ...more), { minLength: 1, maxLength: 7 })
  .map((some) => some.join(''))
  .filter((text) => isNameText(text) && text !== '.' && text !== '..')
const raw = fc
  .uint8Array({ minLength: 1, maxLength: 12 })
  .map((bytes) => decodeName(bytes.filter((byte) => byte !== 0 && byte !== 0x2f)))
const mask = fc.constantFrom(...masks)

describe('a name and its stored form', () => {
  it('leave what means a directory as it is, and let nothing else mean it', () => {
    for (const mask of masks) {
      if (mask === 0) continue
      for (const name of ['.', '..'])
        assert.deepEqual([storedName(name, mask), knownName(name, mask)], [name, undefined])
      if ((mask & refusesEndDots) !== 0)
        for (const stored of ['\uf02e', '.\uf02e']) assert.equal(knownName(stored, mask), undefined)
    }
  })

  it('are these', () => {
    const rows: [name: string, by: number, stored: string][] = [
      ['plain.txt', all, 'plain.txt'],
      ['a:b', all, 'a\uf03ab'],
      ['a:b', windows & ~refusesCharacters, 'a:b'],
      ['end.', all, 'end\uf02e'],
      ['end..', all, 'end.\uf02e'],
      ['end ', all, 'end\uf020'],
      ['.a b.c', all, '.a b.c'],
      ['...', all, '..\uf02e'],
      ['a\n', all, 'a\uf00a'],
      ['CON', all, '\uf043ON'],
      ['con.txt', all, '\uf063on.txt'],
      ['aux.', all, 'aux\uf02e'],
      ['console', all, 'console'],
      ['COM0', all, 'COM0'],
      ['\udcff', all, '\uf0ff'],
      ['caf\udce9', windows, 'caf\udce9'],
      // What is no stand-in, but looks like one, and what stands before it.
      ['a\uf03ab', all, 'a\uf000\uf03ab'],
      ['a\uf000\uf03ab', all, 'a\uf000\uf000\uf000\uf03ab'],
      ['a\uf000:b', all, 'a\uf000\uf000\uf03ab'],
      ['\uf063on', all, '\uf000\uf063on'],
      ['\uf000\uf063on', all, '\uf000\uf000\uf063on'],
      ['\uf000con', all, '\uf000con'],
      ['\uf0c3\uf0a4', all, '\uf000\uf0c3\uf000\uf0a4'],
      // What stands for nothing here stays.
      ['a\uf03ab', refusesBytes, 'a\uf03ab'],
      ['\uf02ea', all, '\uf02ea'],
      ['a\uf000b', all, 'a\uf000b'],
      ['\uf000', all, '\uf000'],
    ]
    for (const [one, by, stored] of rows) {
      assert.equal(storedName(one, by), stored, JSON.stringify([one, by]))
      assert.equal(knownName(stored, by), one, JSON.stringify([stored, by]))
    }
  })

  it('are one to one for every name, and a stored one is taken', () => {
    fc.assert(
      fc.property(fc.oneof(name, raw), mask, (one, by) => {
        if (one === '' || one === '.' || one === '..') return
        const stored = storedName(one, by)
        assert.equal(knownName(stored, by), one)
        assert.ok(!isRefusedName(stored, by), JSON.stringify(stored))
        assert.ok(isNameText(stored) && stored !== '.' && stored !== '..')
        if (!isRefusedName(one, by) && !/[\uf000-\uf0ff]/.test(one)) assert.equal(stored, one)
      }),
      { numRuns: 5000 },
    )
    for (const by of masks) {
      const names = oddNames()
      assert.equal(new Set(names.map((one) => storedName(one, by))).size, names.length)
      for (const one of names) assert.equal(knownName(storedName(one, by), by), one)
    }
  })

  it('are one to one for every name that a disk may hold, and what can be meant by none is told', () => {
    fc.assert(
      fc.property(fc.oneof(name, raw), mask, (stored, by) => {
        const known = ['', '.', '..'].includes(stored) ? undefined : knownName(stored, by)
        if (known === undefined) return
        assert.equal(storedName(known, by), stored)
        // Nothing that lies on a disk may come back as a way out of its directory, or as another name's alias.
        assert.ok(known !== '.' && known !== '..' && !known.includes('/') && isNameText(known))
        assert.ok(known.length <= stored.length)
      }),
      { numRuns: 5000 },
    )
    for (const stored of ['\uf02e', '.\uf02e', 'a:b', 'CON', 'end.', '\uf0c3\uf0a4', '\udcff', 'nul.\uf02e.'])
      assert.equal(knownName(stored, all), undefined, JSON.stringify(stored))
    // NUL and `/` have no stand-in.
    assert.deepEqual([knownName('a\uf02fb', all), knownName('\uf000', all)], ['a\uf02fb', '\uf000'])
    assert.ok(isEntryName('a\uf02fb'))
  })

  it('are the same where nothing is refused', () => {
    for (const one of oddNames()) assert.deepEqual([storedName(one, 0), knownName(one, 0)], [one, one])
  })
})

describe('the length of a stored form', () => {
  it('is counted in bytes, or in characters where the disk does so', () => {
    assert.deepEqual([fitsStored(':'.repeat(85), all), fitsStored(':'.repeat(86), all)], [true, false])
    assert.ok(fitsStored(':'.repeat(255), all | countsCharacters))
    assert.ok(!fitsStored('\uf03a'.repeat(128), all | countsCharacters))
    assert.ok(fitsStored('x'.repeat(255), all))
  })
})
