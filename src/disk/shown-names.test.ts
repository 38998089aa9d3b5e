// By which path a tree has what was brought under another spelling.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { directory, file, treeOf } from '../../test/world/trees.ts'
import { exactNaming, type Naming } from '../core/naming.ts'
import type { RelPath } from '../core/path.ts'
import { ShownNames } from './shown-names.ts'

const tree = treeOf(
  directory({
    one: file('1'),
    Kept: file('2'),
    kept: file('3'),
    dir: directory({ two: file('4'), deep: directory({ three: file('5') }) }),
  }),
)
const lower: Naming = { ...exactNaming, folds: 'simple', keeps: 'lower' }

const cases: readonly (readonly [path: string, naming: Naming | undefined, shown: string])[] = [
  ['One', lower, 'one'],
  ['one', lower, 'one'],
  ['Dir/Deep/THREE', lower, 'dir/deep/three'],
  ['Dir/two', lower, 'dir/two'],
  ['Dir/None', lower, 'Dir/None'],
  ['None/two', lower, 'None/two'],
  ['kept', lower, 'kept'],
  // Two names that the disk takes for one: nobody can say which.
  ['KEPT', lower, 'KEPT'],
  ['One', undefined, 'One'],
  ['One', { ...lower, keeps: 'all' }, 'One'],
]

for (const [path, naming, shown] of cases)
  test(`${path} is ${shown}, where names are shown ${naming?.keeps ?? 'as they are'}`, () => {
    assert.equal(new ShownNames(tree, naming).pathOf(path as RelPath), shown)
  })
