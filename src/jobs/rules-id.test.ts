// What the rules of one run prove under the rules of another, as a table: whether names and contents count as agreed, and
// whether fingerprints may be held against each other.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { wantsAcls, wantsHardLinks, wantsOwner, wantsSystemXattrs, wantsTop, wantsXattrs } from '../core/attributes.ts'
import { exactNaming, type Naming } from '../core/naming.ts'
import type { Selection } from '../core/selection.ts'
import type { View } from '../core/view.ts'
import type { Job } from './job.ts'
import { isSameView, provesBase, rulesId, viewIdOf } from './rules-id.ts'

type Given = {
  readonly mode?: Job['mode']
  readonly selection?: Selection
  readonly view?: Partial<View>
  readonly naming?: Naming
}

const plain: View = { modeMask: 0o777, timeGrainNs: 1, overrides: [], texts: [] }
const folding: Naming = { ...exactNaming, folds: 'simple' }
const rule = { directory: '', label: '.nightferryignore', text: '*.o carries 1 names 2\n' }

function idOf({ mode = 'mirror', selection = {}, view: more, naming }: Given): string {
  const view = { ...plain, ...more }
  return rulesId({ mode, selection }, { view, viewId: viewIdOf(view), naming })
}

const cases: readonly (readonly [what: string, before: Given, now: Given, proves: boolean, sameView: boolean])[] = [
  ['the same', {}, {}, true, true],
  ['--owner', {}, { view: { attributes: wantsOwner | wantsTop } }, true, false],
  ['--xattrs', {}, { view: { attributes: wantsXattrs | wantsTop } }, true, false],
  ['--acls', {}, { view: { attributes: wantsAcls | wantsTop } }, true, false],
  ['--hard-links', {}, { view: { attributes: wantsHardLinks } }, true, false],
  ['--set-id', {}, { view: { modeMask: 0o7777 } }, true, false],
  [
    'one that takes the place of another',
    { view: { attributes: wantsXattrs } },
    { view: { attributes: wantsXattrs | wantsSystemXattrs } },
    true,
    false,
  ],
  [
    'an owner of another number',
    { view: { attributes: wantsOwner, owners: { users: [{ from: 1000, to: 1002 }], groups: [] } } },
    { view: { attributes: wantsOwner, owners: { users: [{ from: 1000, to: 1001 }], groups: [] } } },
    true,
    false,
  ],
  [
    'the same, where something is carried',
    { view: { attributes: wantsOwner } },
    { view: { attributes: wantsOwner } },
    true,
    true,
  ],
  ['another mode', { mode: 'update' }, {}, false, false],
  ['another selection', { selection: { only: 'existing' } }, {}, false, false],
  ['another size', { view: { sizes: { minBytes: 0, maxBytes: 9 } } }, {}, false, false],
  ['other ignore files', { view: { texts: [rule] } }, {}, false, false],
  ['other rules of the command line', {}, { view: { overrides: [rule] } }, false, false],
  ['permissions that one end can not hold', {}, { view: { modeMask: 0o700 } }, false, false],
  ['coarser times', {}, { view: { timeGrainNs: 1000 } }, false, false],
  ['names of another disk', { naming: folding }, {}, false, true],
  ['the same names', { naming: folding }, { naming: folding }, true, true],
  [
    'the same names, and something carried',
    { naming: folding },
    { naming: folding, view: { attributes: wantsOwner } },
    true,
    false,
  ],
  [
    'other names, and something carried',
    { naming: folding, view: { attributes: wantsOwner } },
    { view: { attributes: wantsOwner } },
    false,
    true,
  ],
  [
    'other rules along with something carried',
    { view: { texts: [rule] } },
    { view: { attributes: wantsOwner } },
    false,
    false,
  ],
  [
    'other rules while the same is carried',
    { view: { texts: [rule], attributes: wantsOwner } },
    { view: { attributes: wantsOwner } },
    false,
    false,
  ],
]

for (const [what, before, now, proves, sameView] of cases) {
  test(`${what}: ${proves ? 'a base' : 'no base'}, ${sameView ? 'the same' : 'another'} view`, () => {
    for (const [a, b] of [
      [idOf(before), idOf(now)],
      [idOf(now), idOf(before)],
    ] as const)
      assert.deepEqual([provesBase(a, b), isSameView(a, b)], [proves, sameView])
  })
}

test('where nothing is carried the text is what it was before anything could be', () => {
  assert.equal(idOf({}), `mirror ${viewIdOf(plain)}`)
})
