// Which options go together, and that two selections have one text exactly when they are the same.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isOutside, type Selection, selectionProblem, selectionText } from './selection.ts'

type Given = Partial<Parameters<typeof selectionProblem>[0]>
const sizes = { minBytes: 3, maxBytes: 5 }
const cases: readonly [title: string, given: Given, mode: 'mirror' | 'update', checksum: boolean, refused?: RegExp][] =
  [
    ['nothing', {}, 'mirror', false],
    ['existing', { existing: true }, 'mirror', true],
    ['existing in an update: only what is newer', { existing: true }, 'update', false],
    ['ignore-existing', { ignoreExisting: true }, 'mirror', false],
    ['ignore-existing in an update: what is lacking, and nothing goes', { ignoreExisting: true }, 'update', false],
    ['both', { existing: true, ignoreExisting: true }, 'mirror', false, /--existing .* --ignore-existing/],
    ['size-only', { sizeOnly: true }, 'mirror', false],
    ['size-only by checksum', { sizeOnly: true }, 'mirror', true, /--size-only .* --checksum/],
    ['size-only in an update by checksum', { sizeOnly: true }, 'update', true, /--size-only .* --checksum/],
    ['size-only with a window', { sizeOnly: true, windowNs: 1 }, 'mirror', false, /--modify-window .* --size-only/],
    ['size-only with a window in an update', { sizeOnly: true, windowNs: 1 }, 'update', false],
    ['ignore-existing by checksum', { ignoreExisting: true }, 'mirror', true, /--ignore-existing .* --checksum/],
    ['ignore-existing, size-only', { ignoreExisting: true, sizeOnly: true }, 'update', false, /mean nothing with it/],
    ['ignore-existing, a window', { ignoreExisting: true, windowNs: 0 }, 'mirror', false, /mean nothing with it/],
    ['ignore-existing, sizes', { ignoreExisting: true, sizes }, 'mirror', false],
    ['sizes', { sizes }, 'mirror', true],
    ['one size', { sizes: { minBytes: 3, maxBytes: 3 } }, 'mirror', false],
    [
      'no size',
      { sizes: { minBytes: 4, maxBytes: 3 } },
      'mirror',
      false,
      /--min-size \(4 bytes\) .* --max-size \(3 bytes\)/,
    ],
  ]

for (const [title, given, mode, checksum, refused] of cases) {
  test(`${title}, ${mode}${checksum ? ', by checksum' : ''}: ${refused === undefined ? 'goes' : 'is refused'}`, () => {
    const problem = selectionProblem({ existing: false, ignoreExisting: false, ...given }, mode, checksum)
    if (refused === undefined) assert.equal(problem, undefined)
    else assert.match(problem ?? '', refused)
  })
}

test('a selection has a text of its own, and none where it narrows nothing', () => {
  const all: Selection[] = [
    {},
    { only: 'existing' },
    { only: 'lacking' },
    { sizeOnly: true },
    { windowNs: 1 },
    { windowNs: 2 },
    { sizes },
    { sizes: { minBytes: 3, maxBytes: 6 } },
    { only: 'existing', sizes },
  ]
  assert.equal(new Set(all.map(selectionText)).size, all.length)
  assert.equal(selectionText({ windowNs: 0 }), '')
  assert.equal(selectionText({ only: undefined, sizeOnly: undefined, windowNs: undefined, sizes: undefined }), '')
})

test('sizes at the limits are inside', () => {
  const outside = [2, 3, 4, 5, 6].map((size) => isOutside(size, sizes))
  assert.deepEqual(outside, [true, false, false, false, true])
  assert.equal(isOutside(7, undefined), false)
})
