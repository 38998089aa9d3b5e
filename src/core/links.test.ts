// Which links stay within a root, row by row, and that no chain of such links leads out.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { utf8 } from '../std/bytes.ts'
import { depthOf, mayMove, narrowerLinks, staysWithin } from './links.ts'

describe('a symlink, by its text and the depth of its directory', () => {
  const rows: readonly (readonly [text: string, depth: number, stays: boolean, why: string])[] = [
    ['file', 0, true, 'beside it'],
    ['a/b/c', 0, true, 'below it'],
    ['./file', 0, true, 'here'],
    ['.', 0, true, 'the root itself'],
    ['a/./b', 0, true, 'here, on the way'],
    ['a//b', 0, true, 'an empty part is none'],
    ['dir/', 0, true, 'a slash at the end'],
    ['..', 1, true, 'up to the root'],
    ['../x', 1, true, 'up, and down again'],
    ['../../x', 2, true, 'up twice'],
    ['./../x', 1, true, 'here and up'],
    ['..//../x', 2, true, 'up twice, with an empty part'],
    ['..a', 0, true, 'two dots begin a name'],
    ['a..', 0, true, 'two dots end a name'],
    ['...', 0, true, 'three dots are a name'],
    ['.../x', 0, true, 'three dots are a name'],
    ['missing', 3, true, 'what is not there is no matter'],
    ['C:\\x', 0, true, 'here this is one name'],
    ['a\\..\\..\\x', 0, true, 'here this is one name'],
    ['\u00e4', 0, true, 'any letters'],
    ['/etc/passwd', 5, false, 'absolute'],
    ['/', 5, false, 'absolute'],
    ['//x', 5, false, 'absolute'],
    ['', 5, false, 'nothing'],
    ['..', 0, false, 'above the root'],
    ['../', 0, false, 'above the root'],
    ['./..', 0, false, 'above the root'],
    ['.//..', 0, false, 'above the root'],
    ['../x', 0, false, 'beside the root'],
    ['../../x', 1, false, 'beside the root'],
    ['../../../x', 2, false, 'beside the root'],
    ['a/../b', 0, false, 'rises after a name, which may be a link'],
    ['a/..', 4, false, 'rises after a name'],
    ['a/../..', 4, false, 'rises after a name'],
    ['../a/../b', 4, false, 'rises after a name'],
    ['a/./../b', 4, false, 'rises after a name'],
    ['a//../b', 4, false, 'rises after a name'],
  ]
  for (const [text, depth, stays, why] of rows) {
    test(`${JSON.stringify(text)} at depth ${depth} ${stays ? 'stays' : 'does not stay'} within: ${why}`, () =>
      assert.equal(staysWithin(utf8(text), depth), stays))
  }

  test('bytes that are no text are a name like any other', () => {
    assert.equal(staysWithin(Uint8Array.of(0xff, 0xfe), 0), true)
    assert.equal(staysWithin(Uint8Array.of(0x2e, 0x2e, 0x2f, 0xff), 0), false)
  })

  test('what stays at a depth stays further down', () => {
    for (const [text, depth, stays] of rows)
      if (stays) for (let more = 0; more < 4; more++) assert.ok(staysWithin(utf8(text), depth + more), text)
  })

  test('no chain of links that stay leads out, wherever they lie', () => {
    // All trees of three links in fixed directories, resolved as a kernel does: component by component, through links.
    const places = ['l', 'a/l', 'a/b/l']
    const texts = [
      '.',
      '..',
      '../..',
      'l',
      'a/l',
      'a/b/l',
      'a/b',
      '../l',
      '../../l',
      'b/l',
      '../a/b',
      'l/..',
      'a/b/l/..',
    ]
    for (const one of texts)
      for (const two of texts)
        for (const three of texts) {
          const links = new Map([one, two, three].map((text, i) => [places[i] as string, text]))
          const stay = [...links].every(([at, text]) => staysWithin(utf8(text), depthOf(at) - 1))
          if (stay) for (const at of places) assert.ok(!leavesRoot(at, links), JSON.stringify([...links]))
        }
  })

  test('a directory that may hold links that rise is taken to no higher place', () => {
    const rises = [
      ['a', 'b', true],
      ['a', 'b/c', true],
      ['a/b', 'c', false],
      ['a/b/c', 'a/c', false],
    ] as const
    for (const [from, to, may] of rises) {
      assert.equal(mayMove('portable', { from, to }), may)
      assert.equal(mayMove('opaque', { from, to }), true)
      assert.equal(mayMove(undefined, { from, to }), true)
    }
  })

  test('a policy is never made wider by somebody else', () => {
    assert.equal(narrowerLinks(undefined, undefined), 'opaque')
    assert.equal(narrowerLinks('opaque', undefined), 'opaque')
    assert.equal(narrowerLinks('opaque', 'portable'), 'portable')
    assert.equal(narrowerLinks('portable', 'opaque'), 'portable')
    assert.equal(narrowerLinks('portable', undefined), 'portable')
  })
})

/** Walks a path as a kernel would, among directories a, a/b and these links; whether it is ever above the root. */
function leavesRoot(path: string, links: ReadonlyMap<string, string>): boolean {
  const todo = path.split('/')
  let at: string[] = []
  for (let steps = 0; todo.length > 0 && steps < 64; steps++) {
    const name = todo.shift() as string
    if (name === '.' || name === '') continue
    if (name === '..') {
      if (at.length === 0) return true
      at = at.slice(0, -1)
      continue
    }
    const text = links.get([...at, name].join('/'))
    if (text === undefined) at = [...at, name]
    else todo.unshift(...text.split('/'))
  }
  return false
}
