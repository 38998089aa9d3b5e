// What lines of the log say of a path.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deedOf, furtherFields, leaderOf } from './trail.ts'

const line = (action: string, fields: object): Parameters<typeof deedOf>[0] => ({
  time: 'T',
  action,
  runId: 'R',
  ...fields,
})

/** Path asked, the line, and the deed in short: kind, and what differs from nothing. */
const cases: readonly (readonly [string, Parameters<typeof deedOf>[0], object | undefined])[] = [
  ['a/b', line('created', { directory: 'a', names: 'x/b' }), { kind: 'created' }],
  ['b', line('linked', { directory: '', names: 'b' }), { kind: 'created' }],
  ['a', line('created-directory', { directory: 'a', names: '' }), { kind: 'created' }],
  ['a/b', line('created-directory', { directory: 'a', names: '' }), undefined],
  ['a/b', line('file-received', { directory: 'a', names: 'b', epoch: 7 }), { kind: 'received', epoch: 7 }],
  ['a/b', line('file-received', { directory: 'a', names: 'b', replaced: true }), { kind: 'replaced' }],
  ['b', line('hard-linked', { directory: '', names: 'b' }), { kind: 'further' }],
  ['d/b', line('hard-linked', { directory: 'd', names: 'a/b', ofDirectory: 'e' }), { kind: 'further', other: 'e/b' }],
  ['b', line('hard-linked', { directory: '', names: 'a/b', ofDirectory: '' }), { kind: 'further', other: 'b' }],
  [
    'd/b',
    line('hard-linked', { directory: 'd', names: 'a/b', ofDirectory: '', ofNames: 'x/y', replaced: true }),
    { kind: 'further', other: 'y' },
  ],
  ['b', line('hard-linked', { directory: '', names: 'a/b', ofDirectory: '', ofNames: 'x' }), { kind: 'further' }],
  ['b', line('hard-linked', { directory: '', names: 'a/b', ofDirectory: 3 }), { kind: 'further' }],
  [
    'b',
    line('begun', { what: 'hard-linked', directory: '', names: 'b', ofDirectory: 'd', ofNames: 'c' }),
    { kind: 'begun', planned: 'hard-linked', other: 'd/c' },
  ],
  ['a/b', line('file-sent', { directory: 'a', names: 'c/b' }), { kind: 'sent' }],
  ['a/b', line('file-sent', { directory: '', names: 'b' }), undefined],
  ['a/b', line('deleted', { directory: 'a', names: 'b' }), { kind: 'deleted' }],
  ['a/b/c', line('deleted', { directory: 'a', names: 'b' }), { kind: 'deleted', above: 'a/b' }],
  ['a/bc', line('deleted', { directory: 'a', names: 'b' }), undefined],
  ['a', line('deleted', { directory: 'a', names: 'b' }), undefined],
  [
    'n',
    line('renamed', { directory: '', names: 'n', from: 'o', reason: 'same-content' }),
    { kind: 'came', other: 'o', reason: 'same-content' },
  ],
  ['o', line('renamed', { directory: '', names: 'n', from: 'o' }), { kind: 'went', other: 'n' }],
  ['p/x', line('renamed', { from: 'o', to: 'p' }), { kind: 'came', other: 'o/x', above: 'p' }],
  ['o/x', line('renamed', { from: 'o', to: 'p' }), { kind: 'went', other: 'p/x', above: 'o' }],
  ['ox', line('renamed', { from: 'o', to: 'p' }), undefined],
  ['a', line('recovered', { path: 'a', outcome: 'put-back' }), { kind: 'put-back' }],
  ['a', line('recovered', { path: 'a', outcome: 'kept' }), { kind: 'kept' }],
  ['a', line('put-back', { path: 'a', code: 'not-empty' }), { kind: 'put-back', reason: 'not-empty' }],
  [
    'a/b',
    line('begun', { what: 'deleted', directory: '', names: 'a' }),
    { kind: 'begun', planned: 'deleted', above: 'a' },
  ],
  ['a', line('begun', { what: 'replaced', directory: '', names: 'a' }), { kind: 'begun', planned: 'replaced' }],
  ['a', line('run-end', { directory: '', names: 'a' }), undefined],
  ['a', line('problem', { path: 'a', code: 'vanished' }), undefined],
  ['a', { time: 'T', action: 'deleted', directory: '', names: 'a' }, undefined],
  ['a', line('deleted', { directory: 3, names: 'a' }), undefined],
  ['a', line('renamed', { from: '', to: 'a' }), undefined],
  ['', line('deleted', { directory: '', names: 'a' }), undefined],
  ['', line('attributes-set', { directory: '' }), { kind: 'attributes' }],
  ['', line('attributes-set', { directory: '', names: 'a' }), undefined],
  ['a/b', line('replaced', { directory: 'a', names: 'b', undoes: 'Q' }), { kind: 'replaced', undoes: 'Q' }],
  [
    'a/b',
    { time: 'T', action: 'undeleted', root: '/t', directory: 'a', names: 'x/b', version: 'V', by: 'pc' },
    { kind: 'undeleted', runId: '', version: 'V', by: 'pc' },
  ],
  ['a/c', { time: 'T', action: 'undeleted', root: '/t', directory: 'a', names: 'b', version: 'V', by: '' }, undefined],
  ['a/b', { time: 'T', action: 'undeleted', root: '/u', directory: 'a', names: 'b', version: 'V', by: '' }, undefined],
  ['a/b', { time: 'T', action: 'undeleted', root: '/t', directory: 'a', names: 'b' }, undefined],
]

for (const [path, from, expected] of cases) {
  test(`${from.action} ${JSON.stringify(from)} of ${path}`, () => {
    const whole = {
      time: 'T',
      runId: 'R',
      epoch: 0,
      above: undefined,
      other: undefined,
      reason: undefined,
      planned: undefined,
    }
    assert.deepEqual(deedOf(from, path, '/t'), expected === undefined ? undefined : { ...whole, ...expected })
  })
}

test('a line tells of which files its names are, and no name twice', () => {
  for (const [names, of, expected] of [
    [['b', 'c'], ['d/e/b', 'd/e/c'], { ofDirectory: 'd/e' }],
    [['b', 'c'], ['d/a', 'd/a'], { ofDirectory: 'd', ofNames: 'a/a' }],
    [['b'], ['a'], { ofDirectory: '', ofNames: 'a' }],
    [['b'], ['b'], { ofDirectory: '' }],
  ] as const) {
    const fields = furtherFields(names, of)
    assert.deepEqual(fields, expected)
    const told = { names: names.join('/'), ...fields }
    assert.deepEqual(
      names.map((_, i) => leaderOf(told, i)),
      of,
    )
  }
})
