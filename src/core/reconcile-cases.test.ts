// Our mirror against the facts of another synchroniser (test/fixtures/reconcile-cases.json; its README says whose):
// everything that its one-way-replica mode does to the right, done to our trees in memory. docs/reconcile.md lists what
// differs, and why.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import {
  bring,
  type DirectoryItem,
  directory,
  file,
  type Item,
  plainView,
  symlink,
  unreadable,
  withItem,
} from '../../test/world/trees.ts'
import type { Rules } from './reconcile.ts'
import type { View } from './view.ts'

type Case =
  | { t: 'file'; c: string; x?: boolean }
  | { t: 'link'; to: string }
  | { t: 'dir'; e: Record<string, Case> }
  | { t: 'untracked' | 'problem' }
type Change = { path: string; old: Case | null; new: Case | null }
type Triple = {
  id: string
  class: string
  modes: string[]
  alpha: Case | null
  beta: Case | null
  expect: { beta: Change[]; conflicts: unknown[] }
}
type Merge = { id: string; alpha: Record<string, Case>; beta: Record<string, Case> }

const path = join(import.meta.dirname, '../../test/fixtures/reconcile-cases.json')
const { table, merges } = JSON.parse(readFileSync(path, 'utf8')) as { table: Triple[]; merges: Merge[] }
const mirrored = table.filter(({ modes }) => modes.includes('one-way-replica'))

/** What we do otherwise: the right keeps what it has at a name that the rules hide. */
const differing = new Set(['M086', 'M110'])
/** Conflicts there. Here the name is hidden on both sides, or the directory stays for what is in it. */
const unseen = new Set(['M091', 'M103', 'M112'])

/** How contents show in our listings: by the time alone, or only by the digest. */
const forms: readonly [name: string, rules: Rules, secondsOf: (content: string) => number][] = [
  [
    'contents with their own times',
    { mode: 'mirror', timeGrainNs: 1, checksum: false },
    (content) => content.length * 1000 + content.charCodeAt(0),
  ],
  ['contents of equal time, by checksum', { mode: 'mirror', timeGrainNs: 1, checksum: true }, () => 1000],
]

function itemOf(one: Case, secondsOf: (content: string) => number): Item {
  switch (one.t) {
    case 'file':
      return file(one.c, { mode: one.x === true ? 0o755 : 0o644, seconds: secondsOf(one.c) })
    case 'link':
      return symlink(one.to)
    case 'dir':
      return directory(
        Object.fromEntries(Object.entries(one.e).map(([name, child]) => [name, itemOf(child, secondsOf)])),
      )
    case 'untracked':
      return file('untracked')
    case 'problem':
      return unreadable
  }
}

/** The triple's entry as the only one of a directory, since a root of ours is always a directory. */
function rootOf(one: Case | null, secondsOf: (content: string) => number): DirectoryItem {
  return directory(one === null ? {} : { n: itemOf(one, secondsOf) })
}

/** The paths of what is untracked: there the rules hide. */
function hiddenPaths(one: Case | null, at = 'n'): string[] {
  if (one?.t === 'untracked') return [at]
  return one?.t === 'dir' ? Object.entries(one.e).flatMap(([name, child]) => hiddenPaths(child, `${at}/${name}`)) : []
}

function viewOf(triple: Triple): View {
  const text = [...hiddenPaths(triple.alpha), ...hiddenPaths(triple.beta)].map((hidden) => `/${hidden}`).join('\n')
  return { ...plainView, overrides: [{ directory: '', label: 'untracked', text }] }
}

describe('reconcile, cases', () => {
  for (const [form, rules, secondsOf] of forms) {
    for (const triple of mirrored) {
      it(`${triple.id} (${triple.class}), ${form}`, () => {
        const [left, right] = [rootOf(triple.alpha, secondsOf), rootOf(triple.beta, secondsOf)]
        let expected = right
        for (const change of differing.has(triple.id) ? [] : triple.expect.beta) {
          const item = change.new === null ? undefined : itemOf(change.new, secondsOf)
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
        const [left, right] = [alpha, beta].map((e) => itemOf({ t: 'dir', e }, secondsOf)) as [
          DirectoryItem,
          DirectoryItem,
        ]
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
