// Our two-way runs against the facts of other synchronisers (test/fixtures/reconcile-cases.json; its README says whose): what
// every one of them must do, done to two trees in memory and their base. docs/reconcile.md lists what differs, and why.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type DirectoryItem, type Item, itemAt, withItem } from '../../test/world/trees.ts'
import {
  type Case,
  type Change,
  directoryOf,
  hiddenPaths,
  itemOf,
  type Look,
  type Merge,
  merges,
  rootOf,
  type State,
  type Triple,
  table,
} from '../../test/world/triples.ts'
import {
  agreedBase,
  type Course,
  contentOf,
  itemsBelow,
  type Ran,
  runTwoWay,
  shapeOf,
  twoWay,
} from '../../test/world/two-way-runs.ts'
import { originalName } from './conflict.ts'
import type { TwoWayRules } from './two-way.ts'

/** How contents show in our listings: by their times, or by digests alone, which a scan or a person asks for. */
const forms: readonly [name: string, rules: TwoWayRules, look: Look][] = [
  ['contents with their own times', twoWay, (content) => ({ seconds: content.length * 1000 + content.charCodeAt(0) })],
  ['contents of equal time, all in doubt', twoWay, (content) => ({ seconds: 1000, edits: content.charCodeAt(0) })],
  [
    'contents of equal time, by checksum',
    { ...twoWay, checksum: true },
    (content) => ({ seconds: 1000, edits: content.charCodeAt(0) }),
  ],
]

const twoWaySafe = table.filter(({ modes }) => modes.includes('two-way-safe'))
/** Three where both values are kept here, and the rows that docs/reconcile.md explains. */
const keptBoth = new Set(['M067', 'M069', 'M075', 'M092', 'M113', 'M116', 'M117', 'M120'])
const keptHidden = new Set(['M102', 'M110', 'M111'])
/** A directory that went on one side, and on the other holds only what is ignored: it stays for that, and each run says so. */
const stays = new Set(['M107', 'M108'])
/** A directory that was replaced, while something below it was deleted: it stays here, and what replaced it lies beside it. */
const keptDirectory = ['U00546', 'U00646', 'U00700', 'U00998', 'U01126', 'U01302', 'U01368']

function runMerge(merge: Merge, rules: TwoWayRules, look: Look): Ran {
  const [ancestor, left, right] = [merge.ancestor, merge.alpha, merge.beta].map((one) => directoryOf(one, look)) as [
    DirectoryItem,
    DirectoryItem,
    DirectoryItem,
  ]
  return runTwoWay({ left, right, base: agreedBase(ancestor, rules) }, rules)
}

function stateOf(item: Item | undefined): State {
  if (item === undefined) return null
  if (item.kind === 'file') return ['file', item.text, item.mode === 0o755]
  return item.kind === 'symlink' ? ['link', item.to] : ['dir']
}

/** Whether the content is at its path, or in a conflict copy of it. */
function survives(root: DirectoryItem, path: string, content: string): boolean {
  return itemsBelow(root).some(([at, item]) => {
    const [folder, name] = [at.slice(0, at.lastIndexOf('/') + 1), at.slice(at.lastIndexOf('/') + 1)]
    return contentOf(item) === content && `${folder}${originalName(name)}` === path
  })
}

function ancestorContent(merge: Merge, path: string, look: Look): string | undefined {
  return contentOf(itemAt(directoryOf(merge.ancestor, look), path))
}

function withChanges(root: DirectoryItem, changes: readonly Change[], look: Look): DirectoryItem {
  const itemIn = (one: Case | null): Item | undefined => (one === null ? undefined : itemOf(one, look))
  const pathIn = (path: string): string => (path === '' ? 'n' : `n/${path}`)
  return changes.reduce((now, { path, new: next }) => withItem(now, pathIn(path), itemIn(next)), root)
}

function runTriple(triple: Triple, rules: TwoWayRules, look: Look): Ran & { course: Course } {
  const hidden = new Set([triple.alpha, triple.beta].flatMap((one) => hiddenPaths(one)))
  const course = { hides: (path: string) => hidden.has(path) }
  const [left, right] = [rootOf(triple.alpha, look), rootOf(triple.beta, look)]
  const base = agreedBase(rootOf(triple.ancestor, look), rules)
  return { ...runTwoWay({ left, right, base }, rules, course), course }
}

describe('two-way runs, cases', () => {
  for (const [form, rules, look] of forms) {
    it(`make both sides equal in one run, and then rest, in ${merges.length} merges, ${form}`, () => {
      for (const merge of merges) {
        const ran = runMerge(merge, rules, look)
        assert.deepEqual(ran.problems, [], merge.id)
        assert.equal(shapeOf(ran.scene.left), shapeOf(ran.scene.right), merge.id)
        assert.deepEqual(runTwoWay(ran.scene, rules).done, [], merge.id)
      }
    })

    it(`come out as every synchroniser must, in what is clean, ${form}`, () => {
      const clean = merges.filter((merge) => merge.class === 'clean')
      assert.equal(clean.length, 518)
      for (const merge of clean) {
        const ran = runMerge(merge, rules, look)
        assert.equal(shapeOf(ran.scene.left), shapeOf(directoryOf(merge.final ?? {}, look)), merge.id)
        assert.equal(ran.conflicts, 0, merge.id)
      }
    })

    it(`merge what must merge, and keep what must survive, in what is contested, ${form}`, () => {
      const versions: string[] = []
      for (const merge of merges) {
        const { left } = runMerge(merge, rules, look).scene
        for (const [path, state] of Object.entries(merge.mustMerge ?? {})) {
          assert.deepEqual(stateOf(itemAt(left, path)), state, `${merge.id} ${path}`)
        }
        for (const [, path, kind, what] of merge.mustSurvive ?? []) {
          const content = `${kind} ${what}`
          if (survives(left, path, content)) continue
          // Of this only the mode was changed: the content is that of both before, and is a version now.
          assert.equal(ancestorContent(merge, path, look), content, `${merge.id} ${path}`)
          versions.push(merge.id)
        }
      }
      assert.equal(versions.length, 10)
    })

    it(`end what is deleted on both sides as the page says, ${form}`, () => {
      const deleted = merges.filter((merge) => merge.class === 'delete-over-partial-delete')
      assert.equal(deleted.length, 19)
      const differing = deleted.filter((merge) => {
        const { left } = runMerge(merge, rules, look).scene
        return shapeOf(left) !== shapeOf(directoryOf(merge.final ?? {}, look))
      })
      assert.deepEqual(
        differing.map(({ id }) => id),
        keptDirectory,
      )
    })

    for (const triple of twoWaySafe) {
      it(`${triple.id} (${triple.class}), ${form}`, () => {
        const { scene, course, conflicts, done, problems } = runTriple(triple, rules, look)
        const [left, right] = [rootOf(triple.alpha, look), rootOf(triple.beta, look)]
        if (keptBoth.has(triple.id)) {
          assert.ok(triple.expect.conflicts.length > 0)
          assert.deepEqual([conflicts, done.filter((text) => !/^(copy|create) /.test(text))], [1, []])
          for (const root of [left, right]) {
            for (const [path, item] of itemsBelow(root)) {
              const content = contentOf(item)
              if (content === undefined || course.hides?.(path) === true) continue
              for (const now of [scene.left, scene.right]) assert.ok(survives(now, path, content), path)
            }
          }
        } else {
          const isKept = keptHidden.has(triple.id)
          const { alpha, beta } = isKept ? { alpha: [], beta: [] } : triple.expect
          assert.equal(shapeOf(scene.left), shapeOf(withChanges(left, alpha, look)))
          assert.equal(shapeOf(scene.right), shapeOf(withChanges(right, beta, look)))
          assert.equal(conflicts, 0)
        }
        const again = runTwoWay(scene, rules, course)
        assert.deepEqual([again.done, again.problems], [stays.has(triple.id) ? done : [], problems])
        if (stays.has(triple.id)) assert.deepEqual(problems, ['not-empty n'])
      })
    }
  }

  it('have the triples that the page speaks of', () => {
    assert.equal(twoWaySafe.length, 83)
    assert.equal(merges.length, 750)
  })
})
