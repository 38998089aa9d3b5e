// What a run says of what it never copies.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Specials, specialsText, withSpecial } from './specials.ts'

function many(...paths: readonly string[]): Specials | undefined {
  return paths.reduce<Specials | undefined>((known, path) => withSpecial(known, path), undefined)
}

test('nothing is said where there are none', () => assert.equal(specialsText(undefined, undefined), undefined))

test('all are counted, and a few are named, in their order', () => {
  assert.equal(specialsText(many('x'), undefined), 'left out 1 device, FIFO or socket, never copied: x')
  assert.equal(specialsText(many('b', 'a'), undefined), 'left out 2 devices, FIFOs or sockets, never copied: a, b')
  const text = 'left out 7 devices, FIFOs or sockets, never copied: 1, 2, 3, 4, 5 and 2 more'
  assert.equal(specialsText(many('1', '2', '3', '4', '5', '6', '7'), undefined), text)
})

test('those that only the target has are told apart', () => {
  assert.equal(specialsText(undefined, many('t')), 'left alone 1 device, FIFO or socket on the target: t')
  const both =
    'left out 1 device, FIFO or socket, never copied: s; left alone 1 device, FIFO or socket on the target: t'
  assert.equal(specialsText(many('s'), many('t')), both)
})
