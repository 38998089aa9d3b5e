// Our mirror against the facts of another synchroniser (test/fixtures/reconcile-cases.json; its README says whose):
// everything that its one-way-replica mode does to the right, done to our trees in memory. docs/reconcile.md lists what
// differs, and why.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bring, type DirectoryItem, plainView, withItem } from '../../test/world/trees.ts'
import {
  directoryOf,
  hiddenPaths,
  itemOf,
  type Look,
  merges,
  rootOf,
  type Triple,
  table,
} from '../../test/world/triples.ts'
import type { Rules } from './reconcile.ts'
import type { View } from './view.ts'

const mirrored = table.filter(({ modes }) => modes.includes('one-way-replica'))

/** What we do otherwise: the right keeps what it has at a name that the rules hide. */
const differing = new Set(['M086', 'M110'])
/** Conflicts there. Here the name is hidden on both sides, or the directory stays for what is in it. */
const unseen = new Set(['M091', 'M103', 'M112'])

/** How contents show in our listings: by the time alone, or only by the digest. */
const forms: readonly [name: string, rules: Rules, look: Look][] = [
  [
    'contents with their own times',
    { mode: 'mirror', timeGrainNs: 1, checksum: false },
    (content) => ({ seconds: content.length * 1000 + content.charCodeAt(0) }),
  ],
  [
    'contents of equal time, by checksum',
    { mode: 'mirror', timeGrainNs: 1, checksum: true },
    () => ({ seconds: 1000 }),
  ],
]

function viewOf(triple: Triple): View {
  const text = [...hiddenPaths(triple.alpha), ...hiddenPaths(triple.beta)].map((hidden) => `/${hidden}`).join('\n')
  return { ...plainView, overrides: [{ directory: '', label: 'untracked', text }] }
}

describe('reconcile, cases', () => {
  for (const [form, rules, look] of forms) {
    for (const triple of mirrored) {
      it(`${triple.id} (${triple.class}), ${form}`, () => {
        const [left, right] = [rootOf(triple.alpha, look), rootOf(triple.beta, look)]
        let expected = right
        for (const change of differing.has(triple.id) ? [] : triple.expect.beta) {
          const item = change.new === null ? undefined : itemOf(change.new, look)
          expected = withItem(expected, change.path === '' ? 'n' : `n/${change.path}`, item)
        }
        const { right: now, problems, decisions } = bring(left, right, rules, viewOf(triple))
        assert.deepEqual(now, expected)
        if (differing.has(triple.id)) assert.ok(triple.expect.beta.length > 0 && decisions.length === 0)
        if (triple.expect.conflicts.length > 0) assert.equal(problems.length > 0, !unseen.has(triple.id))
      })
    }

    it(`makes beta what alpha is, in ${merges.length} merges, ${form}`, () => {
      for (const { id, alpha, beta } of merges) {
        const [left, right] = [directoryOf(alpha, look), directoryOf(beta, look)]
        assert.deepEqual(shapeOf(bring(left, right, rules).right), shapeOf(left), id)
        assert.deepEqual(shapeOf(bring(right, left, rules).right), shapeOf(right), id)
      }
    })
  }

  it('has the triples that the fixture speaks of', () => {
    assert.equal(mirrored.length, 83)
    assert.equal(merges.length, 750)
    const conflicts = mirrored.filter(({ expect }) => expect.conflicts.length > 0).map(({ id }) => id)
    assert.deepEqual(conflicts, ['M091', 'M093', 'M098', 'M101', 'M103', 'M106', 'M107', 'M112', 'M116', 'M120'])
  })
})

/** The same content in one form, whatever order its names were put in. */
function shapeOf(root: DirectoryItem): unknown {
  const items = [...root.items].map(([name, item]) => [name, item.kind === 'directory' ? shapeOf(item) : item] as const)
  return [root.mode, items.sort(([a], [b]) => (a < b ? -1 : 1))]
}
