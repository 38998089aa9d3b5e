// What a person reads of a run, line by line.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changeLine, problemText } from './print.ts'

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

test('a problem names its path, which may be the top folder, and nothing in it reaches a terminal as it is', () => {
  assert.equal(problemText({ path: 'a', code: 'changing', detail: '' }).slice(0, 2), 'a ')
  assert.match(
    problemText({ path: '', code: 'attributes-left-out', detail: '--acls' }),
    /^the top folder can .*\(--acls\)$/,
  )
  assert.equal(problemText({ path: 'a\u001bb', code: 'x', detail: 'c\u001bd' }), 'a\\x1bb x (c\\x1bd)')
})
