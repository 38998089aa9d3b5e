// Holds the tables of docs/reconcile.md to the code and to the tests: each row of a part of the page is the name of a branch
// (`// row: name`) and of at least one tested case, and there are no others.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where the second part of the page begins. */
const secondPart = '\n# Two-way\n'

export function checkRows(part: 'first' | 'two-way', source: string, tested: Iterable<string>): void {
  const read = (path: string): string => readFileSync(join(import.meta.dirname, '../..', path), 'utf8')
  const named = (text: string, pattern: RegExp): string[] =>
    [...text.matchAll(pattern)].map(([, name]) => name ?? '').sort()
  const parts = read('docs/reconcile.md').split(secondPart)
  assert.equal(parts.length, 2)
  const names = [...new Set(tested)].sort()
  assert.deepEqual(named(read(source), /\/\/ row: ([a-z-]+)$/gm), names)
  assert.deepEqual(named(parts[part === 'first' ? 0 : 1] ?? '', /^\| `([a-z-]+)` \|/gm), names)
}
