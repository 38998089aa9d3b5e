// Whether the top folder of a target becomes another one, who may want that, and that it is told before it is done.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { wantsOwner, wantsTop } from '../core/attributes.ts'
import { encodeTop, type Top } from '../core/top.ts'
import type { DiskTasks } from '../disk/tasks.ts'
import type { DirectoryListing } from '../disk/told-listings.ts'
import type { Seat } from '../std/crew.ts'
import { Failure } from '../std/failure.ts'
import type { Keeping } from './keeping.ts'
import { askedTop, dressTop, topFor } from './top.ts'

const top: Top = { mode: 0o2750, attributes: undefined, set: new Uint8Array(0), mtimeSeconds: 1, mtimeNs: 2 }
const other: Top = { ...top, mode: 0o700 }
const listing = (told?: Top): DirectoryListing =>
  ({ ...(told !== undefined && { top: encodeTop(told) }) }) as DirectoryListing

describe('the top folder of a target', () => {
  const mirror = { mode: 'mirror', only: undefined } as const
  for (const [what, left, right, rules, becomes] of [
    ['becomes what the source has', top, other, mirror, top],
    ['stays what is the same, whatever its time', top, { ...top, mtimeSeconds: 9 }, mirror, undefined],
    ['becomes what the source has where it tells nothing of itself', top, undefined, mirror, top],
    ['stays where the source tells nothing', undefined, other, mirror, undefined],
    ['stays in an update', top, other, { ...mirror, mode: 'update' }, undefined],
    ['stays where only what is lacking comes', top, other, { ...mirror, only: 'lacking' }, undefined],
  ] as const) {
    it(what, () => {
      assert.deepEqual(topFor(listing(left), right === undefined ? undefined : listing(right), rules), becomes)
    })
  }

  it('stays where the source has no listing', () => {
    assert.equal(topFor(undefined, listing(other), mirror), undefined)
  })

  it('is changed only by a run that carries it', () => {
    assert.deepEqual(askedTop(encodeTop(top), wantsTop | wantsOwner), top)
    for (const carries of [0, wantsOwner, 0xff & ~wantsTop])
      assert.throws(
        () => askedTop(encodeTop(top), carries),
        (error) => error instanceof Failure && error.code === 'unsolicited',
      )
  })

  it('is told before it is given anything, within the mode that is carried, and not given what could not be told', async () => {
    for (const told of [0, -28]) {
      const done: unknown[] = []
      const seat = {
        async run(name: string, input: { mode?: number }) {
          done.push([name, input.mode])
          return name === 'foreseeTop' ? { a: 'top' } : { isChanged: true, code: -1 }
        },
      } as unknown as Seat<DiskTasks>
      const keeping = {
        store: (work: () => Promise<number>) => work(),
        tellChanges: async () => {
          done.push('told')
          return told
        },
      } as unknown as Keeping
      const { code, count, problems } = await dressTop(seat, keeping, { handle: 1 }, top, {
        attributes: 0,
        modeMask: 0o777,
      })
      const before = [['foreseeTop', 0o750], 'told']
      assert.deepEqual(done, told < 0 ? before : [...before, ['giveTop', undefined]])
      assert.deepEqual([code, count, problems.length], told < 0 ? [told, 0, 0] : [0, 1, 1])
    }
  })
})
