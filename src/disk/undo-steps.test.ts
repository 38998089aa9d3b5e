// What of an undo counts as taken away.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { change, create, head } from '../../test/world/steps.ts'
import type { RelPath } from '../core/path.ts'
import type { Step } from '../core/plan.ts'
import { utf8 } from '../std/bytes.ts'
import { type Sections, takenBy } from './undo-steps.ts'

const sections = (...steps: readonly Step[]): Sections => new Map([['' as RelPath, { head: head(''), steps }]])
const none: Sections = new Map()

test('an undo takes away what it deletes, replaces and retypes, and all below that; nothing that it brings', () => {
  const names = [utf8('x'), utf8('y')]
  const below = [{ path: 'd' as RelPath, names, rows: new Uint32Array(24) }]
  const notes = new Map([['d' as RelPath, { below }]])
  const plain = { sections: none, deletions: none, notes: new Map() }
  assert.equal(takenBy({ ...plain, sections: sections(create('a', 'a'), change('attributes', 'b')) }), 0)
  assert.equal(takenBy({ ...plain, sections: sections(change('replace', 'a'), change('retype', 'b')) }), 2)
  assert.equal(takenBy({ ...plain, deletions: sections(change('delete', 'a')) }), 1)
  assert.equal(takenBy({ sections: none, deletions: sections(change('delete', 'd')), notes }), 3)
})
