// The accounts of the machine that the tests run on: looked up both ways, unknown ones, bounds.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { OwnerIds } from '../core/owners.ts'
import { Failure } from '../std/failure.ts'
import { idOfAccount, nameOfAccount, ownersHere, ownersOf } from './sys-accounts.ts'

describe('the accounts of this machine', { skip: process.platform === 'linux' ? false : 'Linux only' }, () => {
  it('are found by number and by name, and those that are not there are none', () => {
    assert.equal(nameOfAccount('user', 0), 'root')
    assert.equal(idOfAccount('user', 'root'), 0)
    assert.equal(nameOfAccount('group', 0), 'root')
    assert.equal(idOfAccount('group', 'root'), 0)
    assert.equal(nameOfAccount('user', 4_000_000_001), undefined)
    assert.equal(nameOfAccount('group', 4_000_000_001), undefined)
    for (const name of ['nobody-is-called-so', '', 'x'.repeat(5000), 'a\0b'])
      for (const kind of ['user', 'group'] as const) assert.equal(idOfAccount(kind, name), undefined, name)
  })

  it('are the same again after the way there and back', () => {
    for (let id = 1; id < 200; id++) {
      const name = nameOfAccount('user', id)
      if (name !== undefined) assert.equal(idOfAccount('user', name), id)
    }
  })

  it('are told without root, and are themselves here', () => {
    const ids = new OwnerIds()
    for (const id of [0, 1, 2, 4_000_000_001]) {
      ids.users.add(id)
      ids.groups.add(id)
    }
    const told = ownersOf(ids)
    assert.ok([...told.users, ...told.groups].every(({ id }) => id === 1 || id === 2))
    assert.deepEqual(ownersHere(told), { users: [], groups: [] })
  })

  it('are told up to a bound, and beyond it a person is told what to do', () => {
    const ids = new OwnerIds()
    for (let id = 0; id < 5000; id++) ids.users.add(3_000_000_000 + id)
    assert.throws(
      () => ownersOf(ids),
      (error) => error instanceof Failure && /--numeric-ids/.test(error.hint),
    )
  })
})
