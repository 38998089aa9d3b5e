// Names that are one file at the source and lie apart at the target: what is planned of them hangs on what they hold, as both
// ends say, and what is replaced by it counts for the guard.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { listingOf } from '../../test/world/hostile.ts'
import { change, create, fileEntry, head } from '../../test/world/steps.ts'
import type { Entry } from '../core/entry.ts'
import type { LinkedFile } from '../core/link-table.ts'
import { joinPath, type RelPath } from '../core/path.ts'
import { type Plan, packSection, type Step, stepsOf } from '../core/plan.ts'
import type { Rules } from '../core/reconcile.ts'
import type { SourceEnd } from './endpoint.ts'
import { guardedBy, guardLine } from './guarded.ts'
import { planLinks } from './hard-links.ts'
import { Spellings } from './spellings.ts'

const empty: Plan = {
  moves: [],
  made: [],
  sections: [],
  deletions: [],
  problems: [],
  deletes: 0,
  replaces: 0,
  ...guardedBy([]),
}
const bytes = listingOf(fileEntry('a', 1), fileEntry('b', 1))

/** An end that says of its files that they hold this, a letter each. */
function end(linked: readonly LinkedFile[], holds: Readonly<Record<string, string | undefined>>): SourceEnd {
  const told = {
    linkedFiles: async () => linked,
    digests: async (files: readonly { path: RelPath; names: readonly string[] }[]) =>
      files.flatMap(({ path, names }) =>
        names.map((name) => {
          const text = holds[joinPath(path, name)]
          return text === undefined ? undefined : new Uint8Array(32).fill(text.charCodeAt(0))
        }),
      ),
    listings: async (paths: readonly RelPath[]) => paths.map(() => ({ bytes, mtimeSeconds: 1, mtimeNs: 0 })),
  }
  return told as unknown as SourceEnd
}

const pair: LinkedFile = { names: 2, paths: ['a', 'b'] as RelPath[] }

describe('names that are one file at the source', () => {
  for (const [what, right, planned] of [
    ['become one where both hold what it holds', { a: 'x', b: 'x' }, { links: ['replace b from a'], guarded: [] }],
    [
      'become one, and what is replaced is counted, where one holds something else',
      { a: 'x', b: 'y' },
      { links: ['replace b from a'], guarded: ['b replace'] },
    ],
    [
      'become one of what comes where none holds it',
      { a: 'y', b: 'z' },
      { links: ['replace b from a'], steps: ['replace a'], guarded: ['a replace', 'b replace'] },
    ],
    ['stay apart where nobody can say what one of them holds', { a: 'x' }, { links: [], guarded: [] }],
  ] as const) {
    it(what, async () => {
      const plan = await planLinks(
        empty,
        end([pair], { a: 'x', b: 'x' }),
        end([], right),
        { mode: 'mirror' } as Rules,
        new Spellings(),
      )
      const told = (sections: Plan['sections'] = []): string[] =>
        sections.flatMap((section) =>
          [...stepsOf(section)].map(
            ({ action, entry, from }) => `${action} ${entry.name}${from === undefined ? '' : ` from ${from}`}`,
          ),
        )
      const guarded = plan.guarded.map((line) => line.split('\0').slice(0, 2).join(' ')).sort()
      assert.deepEqual(
        { links: told(plan.links), steps: told(plan.sections), guarded, replaces: plan.replaces },
        { steps: [], ...planned, replaces: planned.guarded.length },
      )
    })
  }

  it('stay what they are in an update, and where only what is lacking comes', async () => {
    for (const rules of [{ mode: 'update' }, { mode: 'mirror', only: 'lacking' }] as const) {
      for (const b of ['x', 'y']) {
        const plan = await planLinks(
          empty,
          end([pair], { a: 'x', b: 'x' }),
          end([], { a: 'x', b }),
          rules as Rules,
          new Spellings(),
        )
        assert.equal(plan, empty)
      }
    }
  })
})

/** `name name`, and how many names it has besides; the paths as `a d/b`. */
function linked(names: string, more = 0): LinkedFile {
  const paths = names.split(' ') as RelPath[]
  return { names: paths.length + more, paths }
}

/** Steps by their directories. */
function sectionsOf(steps: readonly (readonly [directory: string, step: Step])[]): Plan['sections'] {
  const directories = [...new Set(steps.map(([directory]) => directory))]
  return directories.map((path) =>
    packSection(
      head(path),
      steps.flatMap(([directory, step]) => (directory === path ? [step] : [])),
    ),
  )
}

function toldOf(sections: Plan['sections'] = []): string[] {
  return sections.flatMap((section) =>
    [...stepsOf(section)].map(({ action, entry, from, links, digest }) => {
      const when = digest === undefined ? ', as it is then' : ''
      const how = from !== undefined ? ` from ${from}${when}` : links === true ? ' together' : ''
      return `${action} ${joinPath(section.path, entry.name)}${how}`
    }),
  )
}

type Case = {
  readonly title: string
  readonly lefts?: readonly LinkedFile[]
  readonly rights: readonly LinkedFile[]
  readonly steps?: readonly (readonly [string, Step])[]
  readonly deletions?: readonly Entry[]
  /** What the target's files hold; those of the source hold x. */
  readonly holds?: Readonly<Record<string, string>>
  readonly mode?: 'update'
  readonly told: {
    readonly steps?: readonly string[]
    readonly links?: readonly string[]
    /** Lines of the guard that came, as `what path`. */
    readonly guarded?: readonly string[]
  }
}

const attributes = (name: string): readonly [string, Step] => ['', change('attributes', name)]
const moves = (name: string, from: string): readonly [string, Step] => ['', create(name, 'x', {}, from)]
const summary = { fingerprint: new Uint8Array(32), files: 1, directories: 0, sizeBytes: 1 }
const deleted = (name: string, kind: Entry['kind'] = 'file'): Entry =>
  fileEntry(name, kind === 'file' ? 7 : 0, { kind, ...(kind === 'directory' && { summary }) })

const cases: readonly Case[] = [
  {
    title: 'a file that has a name which the job does not see is not set for all of its names',
    lefts: [linked('a b')],
    rights: [linked('a b', 1)],
    steps: [attributes('a'), attributes('b')],
    told: { steps: ['attributes a'], links: ['replace b from a'] },
  },
  {
    title: 'a file of which all names are seen is',
    lefts: [linked('a b')],
    rights: [linked('a b')],
    steps: [attributes('a'), attributes('b')],
    told: { steps: ['attributes a together'] },
  },
  {
    title: 'nor is a file of which a name goes, and stays as a version',
    lefts: [linked('a c')],
    rights: [linked('a goes')],
    steps: [attributes('a'), ['', create('c', 'x')]],
    deletions: [deleted('goes')],
    told: { steps: ['attributes a'], links: ['create c from a'] },
  },
  {
    title: 'a name that moves leaves none behind',
    lefts: [linked('a new')],
    rights: [linked('a old')],
    steps: [attributes('a'), moves('new', 'old')],
    deletions: [deleted('old')],
    told: { steps: ['create new from old'] },
  },
  {
    title: 'what goes with its directory keeps no file from the name that stays',
    rights: [linked('gone/b k')],
    deletions: [deleted('gone', 'directory')],
    told: {},
  },
  {
    title: 'nor does what was below a directory that becomes something else',
    rights: [linked('d/b k')],
    steps: [['', change('retype', 'd')]],
    told: { steps: ['retype d'] },
  },
  {
    title: 'nor does a name whose content comes',
    rights: [linked('a k')],
    steps: [['', change('replace', 'a')]],
    told: { steps: ['replace a'] },
  },
  {
    title: 'of names that are several files at the source one keeps the file, and the others part',
    rights: [linked('k l')],
    told: { steps: ['attributes l'] },
  },
  {
    title: 'a name parts from a file that another file of the source keeps',
    lefts: [linked('p q')],
    rights: [linked('p q z')],
    told: { steps: ['attributes z'] },
  },
  {
    title: 'a mode is not set on a name that another file of the source has',
    lefts: [linked('a b')],
    rights: [linked('a b k')],
    steps: [attributes('a'), attributes('b')],
    told: { steps: ['attributes a'], links: ['replace b from a'] },
  },
  {
    title: 'a file of the target becomes one file of the source, not two',
    lefts: [linked('p q'), linked('z y')],
    rights: [linked('p q z')],
    told: { links: ['replace z from y'] },
  },
  {
    title: 'names of one file on both sides are left alone',
    lefts: [linked('p q')],
    rights: [linked('p q')],
    told: {},
  },
  {
    title: 'a name that is no file at the source is left alone',
    rights: [linked('k pipe')],
    told: {},
  },
  {
    title: 'a name that moves and becomes another name of a file: what moved is deleted, and counts',
    lefts: [linked('a new')],
    rights: [],
    steps: [moves('new', 'old')],
    deletions: [deleted('old')],
    holds: { a: 'x' },
    told: { links: ['create new from a'], guarded: ['delete old'] },
  },
  {
    title: 'names that move from a file that another file of the source keeps: both are deleted, and count',
    lefts: [linked('p q'), linked('m n')],
    rights: [linked('p q r s')],
    steps: [moves('m', 'r'), moves('n', 's')],
    deletions: [deleted('r'), deleted('s')],
    told: { steps: ['create m'], links: ['create n from m, as it is then'], guarded: ['delete r', 'delete s'] },
  },
  {
    title:
      'names that move and are several files at the source: one takes the file along, the other is deleted, and counts',
    rights: [linked('r s')],
    steps: [moves('m', 'r'), moves('n', 's')],
    deletions: [deleted('r'), deleted('s')],
    told: { steps: ['create m from r', 'create n'], guarded: ['delete s'] },
  },
  {
    title: 'a name that was to be given a mode, and holds something else, is replaced, and counts as what it is',
    lefts: [linked('a b')],
    rights: [],
    steps: [attributes('b')],
    holds: { a: 'x', b: 'y' },
    told: { links: ['replace b from a'], guarded: ['replace b'] },
  },
  {
    title: 'an update replaces nothing for it',
    mode: 'update',
    lefts: [linked('a c')],
    rights: [],
    steps: [['', create('c', 'x')]],
    holds: { a: 'y' },
    told: { steps: ['create c'] },
  },
  {
    title: 'a name below a directory that goes is no name to be linked',
    lefts: [linked('a d/x')],
    rights: [],
    steps: [['', change('retype', 'd')]],
    holds: { a: 'x', 'd/x': 'x' },
    told: { steps: ['retype d'] },
  },
]

describe('what is planned of names that are one file', () => {
  const names = ['a', 'b', 'c', 'k', 'l', 'm', 'n', 'new', 'p', 'pipe', 'q', 'y', 'z']
  const below = listingOf(fileEntry('x', 1))
  const all = listingOf(
    ...names.map((name) => fileEntry(name, name === 'pipe' ? 0 : 1, { kind: name === 'pipe' ? 'special' : 'file' })),
  )
  for (const { title, lefts = [], rights, steps = [], deletions = [], holds, mode = 'mirror', told } of cases) {
    it(title, async () => {
      const sections = sectionsOf(steps)
      const gone = sectionsOf(deletions.map((entry) => ['', { ...change('delete', entry.name), entry }]))
      const before = guardedBy(['first'])
      const plan: Plan = { ...empty, ...before, deletes: 1, sections, deletions: gone }
      const source = end(lefts, Object.fromEntries(names.map((name) => [name, 'x'])))
      source.listings = async (paths) =>
        paths.map((path) =>
          path === '' || path === 'd' ? { bytes: path === '' ? all : below, mtimeSeconds: 1, mtimeNs: 0 } : undefined,
        )
      const target = end(rights, holds ?? Object.fromEntries(names.map((name) => [name, 'x'])))
      const linkedPlan = await planLinks(plan, source, target, { mode } as Rules, new Spellings())
      assert.deepEqual(
        { steps: toldOf(linkedPlan.sections), links: toldOf(linkedPlan.links) },
        { steps: told.steps ?? [], links: told.links ?? [] },
      )
      // What is let go by a person is this very file: the line has its size and time.
      const lines = (told.guarded ?? []).map((text) => {
        const [what = '', path = ''] = text.split(' ')
        const entry =
          deletions.find(({ name }) => name === path) ?? steps.find(([, step]) => step.entry.name === path)?.[1].entry
        return guardLine(what, path as RelPath, entry as Entry)
      })
      const { guarded, guardedDigest, guardedSample } = guardedBy(['first', ...lines])
      assert.deepEqual(
        [linkedPlan.guarded, linkedPlan.guardedDigest, linkedPlan.guardedSample],
        [guarded, guardedDigest, guardedSample],
      )
      const count = (what: string): number => (told.guarded ?? []).filter((text) => text.startsWith(what)).length
      assert.deepEqual([linkedPlan.deletes, linkedPlan.replaces], [1 + count('delete'), count('replace')])
    })
  }
})
