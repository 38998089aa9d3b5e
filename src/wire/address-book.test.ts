// What is remembered of a machine's addresses, and in which order they are tried.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Address, dialOrder, isFormer, isTold, maxAddresses, merged, withTold, withUsed } from './address-book.ts'

const at = (host: string) => ({ host, port: 1 })
const hosts = (book: readonly Address[] | undefined): string => (book ?? []).map(({ host }) => host).join(' ')
const used = (book: readonly Address[], host: string, nowMs: number): readonly Address[] =>
  withUsed(book, at(host), nowMs) ?? book
const told = (book: readonly Address[], names: string, nowMs: number): readonly Address[] =>
  withTold(book, names.split(' ').map(at), nowMs)?.book ?? book

test('the order: last reached, then what is told, then reached before; never what is told no more', () => {
  let book = used([], 'a', 1)
  book = used(book, 'b', 2)
  book = told(book, 'c d', 3)
  assert.equal(hosts(dialOrder(book)), 'b c d a')
  book = used(book, 'd', 4)
  assert.equal(hosts(dialOrder(book)), 'd c b a')
  book = told(book, 'e b', 5)
  assert.equal(hosts(dialOrder(book)), 'd e b a')
  assert.deepEqual(
    book.map((one) => `${one.host}${isTold(one, book) ? ' told' : ''}${isFormer(one, book) ? ' former' : ''}`),
    ['d former', 'e told', 'b told', 'a', 'c former'],
  )
  assert.deepEqual(
    book.find(({ host }) => host === 'b'),
    { ...at('b'), firstSeenMs: 2, usedMs: 2, toldMs: 5 },
  )
})

test('what is nothing new is not written, for an hour; a clock that went back is', () => {
  const book = told(used([], 'a', 1000), 'a b', 1000)
  assert.equal(withUsed(book, at('a'), 2000), undefined)
  assert.equal(withTold(book, [at('b'), at('a')], 2000), undefined)
  assert.equal(withTold(book, [], 2000), undefined)
  assert.ok(withUsed(book, at('a'), 3_601_000))
  const again = withTold(book, [at('a'), at('b')], 3_601_000)
  assert.equal(again?.moved, false)
  assert.equal(again?.book.filter((one) => isTold(one, again.book)).length, 2)
  assert.ok(withUsed(book, at('a'), 10))
  assert.equal(withTold(book, [at('a'), at('b')], 10)?.moved, false)
})

test('a move is what differs from the list before, whatever the clock says', () => {
  const first = withTold([], [at('a'), at('b')], 1000)
  assert.equal(first?.moved, false)
  for (const nowMs of [2000, 1000, 5]) {
    const next = withTold(first?.book ?? [], [at('b')], nowMs)
    assert.equal(next?.moved, true)
    assert.deepEqual(hosts(next?.book.filter((one) => isTold(one, next.book))), 'b', String(nowMs))
  }
})

test('a machine that tells new addresses all the time pushes nothing out that worked', () => {
  let book = used([], 'a', 1)
  for (let round = 0; round < 100; round++)
    book = told(book, Array.from({ length: 8 }, (_, index) => `r${round}-${index}`).join(' '), 10 + round)
  assert.ok(book.length <= maxAddresses)
  assert.equal(dialOrder(book)[0]?.host, 'a')
  for (let count = 0; count < 30; count++) book = used(book, `u${count}`, 1000 + count)
  assert.ok(book.length <= maxAddresses)
  assert.equal(hosts(dialOrder(book).slice(0, 2)), 'u29 r99-0')
  assert.equal(book.filter((one) => isTold(one, book)).length, 8)
})

test('two memories of one machine become one', () => {
  const one: Address = { ...at('a'), firstSeenMs: 5, usedMs: 9, toldMs: 0 }
  const other: Address = { ...at('a'), firstSeenMs: 2, usedMs: 2, toldMs: 7 }
  assert.deepEqual(merged([one], [other]), [{ ...at('a'), firstSeenMs: 2, usedMs: 9, toldMs: 7 }])
})
