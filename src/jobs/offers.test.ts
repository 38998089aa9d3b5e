// What a target may ask for, and how much a tree may tell.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { batchBytes, change, create, head } from '../../test/world/steps.ts'
import type { RelPath } from '../core/path.ts'
import { encodeWants } from '../disk/wants.ts'
import type { FailureCode } from '../std/failure.ts'
import { Offers } from './offers.ts'
import { ToldTree, treeEntriesMax } from './told-tree.ts'

describe('a target', () => {
  const offers = new Offers()
  offers.add(
    3,
    batchBytes([
      [head('d'), [create('new', 'x'), change('replace', 'changed'), change('attributes', 'touched')]],
      [head(''), [change('delete', 'gone'), create('top', 'x')]],
    ]),
  )
  const wants = (...files: readonly (readonly [string, ...string[]])[]): Uint8Array =>
    encodeWants(files.map(([path, ...names]) => ({ path: path as RelPath, names })))
  const cases: readonly (readonly [string, number, Uint8Array, number, FailureCode?])[] = [
    ['nothing', 3, wants(), 0],
    ['all that comes', 3, wants(['d', 'new', 'changed'], ['', 'top']), 3],
    ['some of it', 3, wants(['', 'top']), 1],
    ['a file that is in no batch', 3, wants(['', '.env']), 1, 'unsolicited'],
    ['a file elsewhere', 3, wants(['e', 'new']), 1, 'unsolicited'],
    ['a file whose times alone change', 3, wants(['d', 'touched']), 1, 'unsolicited'],
    ['a file that goes', 3, wants(['', 'gone']), 1, 'unsolicited'],
    ['a file twice', 3, wants(['d', 'new'], ['d', 'new']), 2, 'unsolicited'],
    ['a file of another batch', 4, wants(['d', 'new']), 1, 'unsolicited'],
    ['less than it says', 3, wants(['d', 'new']), 2, 'protocol-broken'],
    ['something, and says nothing', 3, wants(['d', 'new']), 0, 'protocol-broken'],
    ['nothing, and says something', 3, wants(), 1, 'protocol-broken'],
    ['no wants at all', 3, Uint8Array.of(9, 9), 1, 'protocol-broken'],
  ]
  for (const [what, batch, bytes, count, code] of cases) {
    it(`${code === undefined ? 'may ask for' : 'may not ask for'} ${what}`, () => {
      const check = (): void => offers.check(batch, bytes, count)
      if (code === undefined) check()
      else assert.throws(check, { code })
    })
  }

  it('may ask for nothing of a batch that is done', () => {
    offers.remove(3)
    assert.throws(() => offers.check(3, wants(['d', 'new']), 1), { code: 'unsolicited' })
  })
})

describe('a tree that is told', () => {
  it('has as many directories and bytes as its scan counted, however often they are listed', () => {
    const tree = new ToldTree(3)
    for (const path of ['', 'a', 'a/b', 'a', 'a/b', 'c']) tree.take(path, 100)
    assert.throws(() => tree.take('d', 1), { code: 'protocol-broken' })
    assert.throws(() => new ToldTree(1).take('', 10_000), { code: 'protocol-broken' })
    new ToldTree(0).take('', 1)
  })
  it('is of a size that can be', () => {
    assert.throws(() => new ToldTree(treeEntriesMax + 1), { code: 'limit-exceeded' })
  })
})
