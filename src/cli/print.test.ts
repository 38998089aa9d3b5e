// What a person reads of a run, line by line.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changeLine } from './print.ts'

test('each kind of change has a mark of its own', () => {
  const rows: readonly [action: string, from: string | undefined, line: string][] = [
    ['create-file', undefined, '+ a'],
    ['create-directory', undefined, '+ a/'],
    ['replace', undefined, '> a'],
    ['attributes', undefined, '~ a'],
    ['rename', 'b', 'r b -> a'],
    ['link', 'b', '= a (b)'],
    ['delete', undefined, '- a'],
    ['delete-directory', undefined, '- a/'],
  ]
  for (const [action, from, line] of rows)
    assert.equal(changeLine({ type: 'change', action, path: 'a', ...(from !== undefined && { from }) }), line)
})
