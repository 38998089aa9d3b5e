// What the options of a request that carry more than content, modes and times ask for, row by row.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { kindsIn } from '../core/attributes.ts'
import { Failure } from '../std/failure.ts'
import { attributesOf, type DressOptions } from './narrow.ts'

describe('what is carried besides', () => {
  const rows: readonly (readonly [options: DressOptions, asked: string])[] = [
    [{}, ''],
    [{ owner: true }, 'owner top'],
    [{ owner: true, numericIds: true }, 'owner top'],
    [{ setId: true }, 'set-id top'],
    [{ xattrs: true }, 'xattrs top'],
    [{ xattrs: 'user' }, 'xattrs top'],
    [{ xattrs: 'all' }, 'xattrs system-xattrs top'],
    [{ acls: true }, 'acls top'],
    // Which names are one file says nothing of the top folder.
    [{ hardLinks: true }, 'hard-links'],
    [{ hardLinks: true, owner: true }, 'owner top hard-links'],
    [
      { hardLinks: true, owner: true, setId: true, xattrs: 'all', acls: true },
      'owner xattrs system-xattrs acls set-id top hard-links',
    ],
  ]
  for (const [options, asked] of rows) {
    it(`${JSON.stringify(options)} asks for ${asked === '' ? 'nothing' : asked}`, () => {
      assert.equal(kindsIn(attributesOf(options)).join(' '), asked)
    })
  }

  it('what means nothing is refused', () => {
    for (const options of [{ numericIds: true }, { xattrs: 'every' as 'all' }])
      assert.throws(
        () => attributesOf(options),
        (error) => error instanceof Failure && error.code === 'bad-usage',
      )
  })
})
