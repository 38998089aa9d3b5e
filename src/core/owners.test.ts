// Which numbers of a source are which of a target, row by row, and blocks that are told with them.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hex } from '../std/bytes.ts'
import { AttributeWriter, extendedOf, ownerOf } from './attributes.ts'
import { accountNameMax, isAccountName, mapAccounts, mapOwner, OwnerIds, type OwnerMap } from './owners.ts'

const known: Readonly<Record<string, number>> = { ann: 11, root: 0, same: 7, toor: 0 }
const idOf = (name: string): number | undefined => known[name]

function blockOf(uid: number, gid: number, digest?: Uint8Array | 'unknown'): Uint8Array {
  const writer = new AttributeWriter()
  writer.owner(uid, gid)
  if (digest !== undefined) writer.extended(digest === 'unknown' ? undefined : digest)
  return writer.take() as Uint8Array
}

describe('accounts of a source', () => {
  const rows: readonly (readonly [what: string, id: number, name: string, to: number | undefined])[] = [
    ['a name that both know', 1, 'ann', 11],
    ['a name that nobody knows there', 2, 'bob', undefined],
    ['a name with the same number there', 7, 'same', undefined],
    ['root, who is root whatever it is called', 0, 'ann', undefined],
    ['a name that is root there', 5, 'toor', undefined],
    ['the name root with another number', 5, 'root', undefined],
    ['no name', 5, '', undefined],
  ]
  for (const [what, id, name, to] of rows) {
    it(`${what}: ${to === undefined ? 'stays its number' : 'gets the number there'}`, () => {
      assert.deepEqual(mapAccounts([{ id, name }], idOf), to === undefined ? [] : [{ from: id, to }])
    })
  }

  it('are mapped in the order of their numbers, whatever order they come in', () => {
    const accounts = [9, 3, 5].map((id) => ({ id, name: 'ann' }))
    assert.deepEqual(mapAccounts(accounts, idOf), mapAccounts(accounts.toReversed(), idOf))
  })

  it('have names that a list of accounts could hold; others are asked for nowhere', () => {
    for (const name of ['ann', 'ülle', 'DOMAIN\\ann', 'ann@example.org', 'a b', '-x', 'x'.repeat(accountNameMax)])
      assert.ok(isAccountName(name), name)
    for (const name of ['', 'a:b', 'a\nb', 'a\0b', 'a/b', 'a,b', '\ud800', 'x'.repeat(accountNameMax + 1)])
      assert.ok(!isAccountName(name), JSON.stringify(name))
    mapAccounts([{ id: 4, name: 'a\nroot:x:0' }], () => assert.fail('it was asked for'))
  })
})

describe('the owner of an entry', () => {
  const map: OwnerMap = { users: [{ from: 1, to: 11 }], groups: [{ from: 2, to: 22 }] }

  it('is told with the numbers of the target, and all else stays', () => {
    const digest = new Uint8Array(32).fill(9)
    for (const extended of [undefined, 'unknown', digest] as const) {
      const block = mapOwner(blockOf(1, 2, extended), map)
      assert.deepEqual(ownerOf(block), { uid: 11, gid: 22 })
      assert.deepEqual(extendedOf(block), extended ?? 'none')
    }
    assert.deepEqual(ownerOf(mapOwner(blockOf(2, 1), map)), { uid: 2, gid: 1 })
  })

  it('is what it was where there is no map, no owner and no block', () => {
    const block = blockOf(1, 2)
    assert.equal(mapOwner(block, undefined), block)
    assert.equal(mapOwner(undefined, map), undefined)
    const writer = new AttributeWriter()
    writer.extended(undefined)
    const bare = writer.take() as Uint8Array
    assert.equal(hex(mapOwner(bare, map) as Uint8Array), hex(bare))
  })

  it('is found once for each that owns something', () => {
    const ids = new OwnerIds()
    for (const block of [
      blockOf(1, 2),
      blockOf(1, 2, 'unknown'),
      undefined,
      blockOf(300, 2),
      blockOf(1, 400),
      blockOf(1, 2),
    ])
      ids.add(block)
    assert.deepEqual(
      [[...ids.users].sort(), [...ids.groups].sort()],
      [
        [1, 300],
        [2, 400],
      ],
    )
  })
})
