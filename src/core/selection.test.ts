// Which options go together, that two selections have one text exactly when they are the same, and what must hold of whole
// trees under each.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  bring,
  check,
  type DirectoryItem,
  directoryPaths,
  type Item,
  isBadName,
  itemAt,
  plainView,
  someDirectory,
} from '../../test/world/trees.ts'
import type { Mode, Rules } from './reconcile.ts'
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

const trees = [someDirectory({ edits: true, uncopied: true }), someDirectory({ edits: true, uncopied: true })] as const
const someMode = fc.constantFrom<Mode>('mirror', 'update')

function rulesOf(mode: Mode, selection: Selection): Rules {
  return { mode, timeGrainNs: 1, checksum: false, ...selection }
}

/** Everything but directories, by path. */
function leavesOf(root: DirectoryItem): [path: string, item: Item][] {
  return directoryPaths(root).flatMap((at) => {
    const items = [...(itemAt(root, at) as DirectoryItem).items]
    return items.flatMap(([name, item]): [string, Item][] =>
      item.kind === 'directory' ? [] : [[at === '' ? name : `${at}/${name}`, item]],
    )
  })
}

test('existing: no name appears', () => {
  check(
    fc.property(...trees, someMode, (left, right, mode) => {
      const { right: now } = bring(left, right, rulesOf(mode, { only: 'existing' }))
      for (const [path] of leavesOf(now)) assert.notEqual(itemAt(right, path), undefined, path)
      for (const path of directoryPaths(now)) assert.notEqual(itemAt(right, path), undefined, path)
    }),
  )
})

test('lacking: what is there stays as it is, or goes in a mirror; all that can comes', () => {
  check(
    fc.property(...trees, someMode, (left, right, mode) => {
      const { right: now } = bring(left, right, rulesOf(mode, { only: 'lacking' }))
      for (const [path, item] of leavesOf(right)) {
        const after = itemAt(now, path)
        if (mode === 'update' || after !== undefined) assert.deepEqual(after, item, path)
        else assert.equal(itemAt(left, path), undefined, path)
      }
      for (const [path, item] of leavesOf(left)) {
        const parent = itemAt(now, path.slice(0, Math.max(0, path.lastIndexOf('/'))))
        if (item.kind === 'file' && !isBadName(path.slice(path.lastIndexOf('/') + 1)) && parent?.kind === 'directory')
          assert.notEqual(itemAt(now, path), undefined, path)
      }
    }),
  )
})

test('sizes: what is outside never comes, and never goes but for a file that counts', () => {
  const limits = { minBytes: 1, maxBytes: 1 }
  check(
    fc.property(...trees, someMode, (left, right, mode) => {
      const { right: now } = bring(left, right, rulesOf(mode, { sizes: limits }), { ...plainView, sizes: limits })
      const isHidden = (item: Item | undefined): boolean => item?.kind === 'file' && isOutside(item.text.length, limits)
      for (const [path, item] of leavesOf(right)) {
        if (!isHidden(item)) continue
        const [source, after] = [itemAt(left, path), itemAt(now, path)]
        if (source?.kind === 'file' && !isHidden(source)) continue
        assert.deepEqual(after, item, path)
      }
      for (const [path, item] of leavesOf(now)) {
        if (isHidden(item)) assert.deepEqual(item, itemAt(right, path), path)
      }
    }),
    800,
  )
})
