// Rules for conflicts: read from what a person writes, and decided by the last one that fits.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type ConflictRule, conflictOptions, conflictPolicy, parseConflictRule } from './conflict-rules.ts'
import { parseRelPath, type RelPath } from './path.ts'

const path = (text: string): RelPath => parseRelPath(text) as RelPath

describe('rules for conflicts', () => {
  it('are read from a pattern and a policy', () => {
    const rows: readonly (readonly [string, ConflictRule | undefined])[] = [
      ['*.log=newest', { pattern: '*.log', policy: 'newest' }],
      ['a=b=prefer-left', { pattern: 'a=b', policy: 'prefer-left' }],
      ['/notes/**=larger', { pattern: '/notes/**', policy: 'larger' }],
      ['*.log', undefined],
      ['=newest', undefined],
      ['*.log=', undefined],
      ['*.log=oldest', undefined],
      ['!*.log=newest', undefined],
      ['#x=newest', undefined],
    ]
    for (const [text, rule] of rows) assert.deepEqual(parseConflictRule(text), rule, text)
  })

  it('decide by the last one that fits, and keep both where none does', () => {
    const rules: readonly ConflictRule[] = [
      { pattern: undefined, policy: 'prefer-left' },
      { pattern: '*.log', policy: 'newest' },
      { pattern: '/deep/', policy: 'larger' },
      { pattern: 'keep.log', policy: 'keep-both' },
    ]
    const rows: readonly (readonly [string, string])[] = [
      ['a', 'prefer-left'],
      ['x/a.log', 'newest'],
      ['deep/a', 'larger'],
      ['deep/a.log', 'larger'],
      ['other/deep/a', 'prefer-left'],
      ['deep/keep.log', 'keep-both'],
    ]
    const policyOf = conflictPolicy(rules)
    for (const [at, policy] of rows) assert.equal(policyOf(path(at)), policy, at)
    assert.equal(conflictPolicy([])(path('a')), 'keep-both')
  })

  it('are told as a person would write them', () => {
    const rules: readonly ConflictRule[] = [
      { pattern: undefined, policy: 'newest' },
      { pattern: '*.txt', policy: 'keep-both' },
    ]
    assert.deepEqual(conflictOptions(rules), ['--conflict newest', '--conflict-for *.txt=keep-both'])
  })
})
