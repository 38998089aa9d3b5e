// Names that are one file at the source and lie apart at the target: what is planned of them hangs on what they hold, as both
// ends say, and what is replaced by it counts for the guard.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { listingOf } from '../../test/world/hostile.ts'
import { fileEntry } from '../../test/world/steps.ts'
import type { LinkedFile } from '../core/link-table.ts'
import { joinPath, type RelPath } from '../core/path.ts'
import { type Plan, stepsOf } from '../core/plan.ts'
import type { Rules } from '../core/reconcile.ts'
import type { SourceEnd } from './endpoint.ts'
import { guardedBy } from './guarded.ts'
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
