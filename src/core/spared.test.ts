// Which directories stay for the files in them, and how many entries fewer go.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RelPath } from './path.ts'
import { sparedOf } from './spared.ts'

for (const [title, goes, outside, directories, entries] of [
  ['nothing is left out', ['x'], {}, [], 0],
  ['nothing, as counted', ['x'], { x: 0, 'x/y': 0 }, [], 0],
  ['right in what goes', ['x'], { x: 2 }, ['x'], 3],
  ['deep in it', ['x'], { 'x/y/z': 1 }, ['x', 'x/y', 'x/y/z'], 4],
  ['in two branches', ['x'], { 'x/a/b': 1, 'x/c': 2, 'x/a': 0 }, ['x', 'x/a', 'x/a/b', 'x/c'], 7],
  ['below a parent that does not go', ['a/x', 'a/y'], { 'a/x/b': 1 }, ['a/x', 'a/x/b'], 3],
  ['one of two, whose names begin alike', ['x', 'xx'], { 'xx/a': 1 }, ['xx', 'xx/a'], 3],
] as const) {
  test(title, () => {
    const all = new Map(Object.entries(outside) as [RelPath, number][])
    const spared = sparedOf(new Set(goes as readonly string[] as RelPath[]), all)
    assert.deepEqual([...spared.directories].sort(), directories)
    assert.equal(spared.entries, entries)
  })
}
