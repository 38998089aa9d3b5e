// A plan as lines of the log: grouped by directory and action, moves told once, nothing of what had a problem.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Entry } from '../core/entry.ts'
import type { RelPath } from '../core/path.ts'
import type { Plan } from '../core/plan.ts'
import { type PackedSection, packSection, type SectionHead, type Step } from '../core/plan.ts'
import { planLines } from './plan-lines.ts'

function step(
  action: Step['action'],
  name: string,
  more: { kind?: Entry['kind']; from?: string; links?: true } = {},
): Step {
  const { kind = 'file', from, links } = more
  const entry: Entry = {
    kind,
    name,
    mode: 0o644,
    mtimeSeconds: 1,
    mtimeNs: 0,
    sizeBytes: kind === 'file' ? 1 : 0,
    edits: 0,
    link: kind === 'symlink' ? new Uint8Array([97]) : undefined,
    summary:
      kind === 'directory' ? { fingerprint: new Uint8Array(32), files: 0, directories: 0, sizeBytes: 0 } : undefined,
  }
  return { action, entry, from: from as RelPath | undefined, digest: undefined, ...(links && { links }) }
}

function section(path: string, steps: readonly Step[], state: SectionHead['state'] = 'present'): PackedSection {
  return packSection({ path: path as RelPath, state, mode: 0o755, mtimeSeconds: 1, mtimeNs: 0 }, steps)
}

function planOf(parts: Partial<Plan>): Plan {
  const none = { made: [], moves: [], sections: [], deletions: [], problems: [], deletes: 0, replaces: 0 }
  return { ...none, guarded: [], guardedDigest: new Uint8Array(0), guardedSample: [], ...parts }
}

function linesOf(plan: Plan, problems: readonly string[] = []): string[] {
  const failed = problems.map((path) => ({ path, code: 'no-space', detail: '' }) as const)
  return [...planLines(plan, failed)].map(
    ({ action, directory, names, from, reason, of }) =>
      `${action} ${directory}:${names.join(',')}${from === undefined ? '' : ` <- ${from} ${reason}`}${of === undefined ? '' : ` = ${of}`}`,
  )
}

const whole = planOf({
  made: ['a' as RelPath],
  moves: [{ from: 'old' as RelPath, to: 'a/new' as RelPath }],
  sections: [
    section('', [step('create', 'x'), step('replace', 'y'), step('create', 'z'), step('attributes', 'w')]),
    section('d', [
      step('retype', 'r'),
      step('create', 'm', { from: 'gone/m' }),
      step('create', 'l', { kind: 'symlink' }),
    ]),
    section('fresh', [step('create', 'many')], 'new'),
  ],
  deletions: [section('gone', [step('delete', 'm'), step('delete', 'n'), step('delete', 'o', { kind: 'directory' })])],
})

test('a plan is told by directory and action, and a moved file once', () => {
  assert.deepEqual(linesOf(whole), [
    'created-directory a:',
    'renamed a:new <- old same-directory',
    'created :x,z',
    'replaced :y',
    'attributes-set :w',
    'renamed d:m <- gone/m same-content',
    'replaced d:r',
    'created d:l',
    'created-directory fresh:',
    'deleted gone:n,o',
  ])
})

test('what had a problem, or lies below such, is not told', () => {
  assert.deepEqual(linesOf(whole, ['old', 'x', 'd', 'fresh', 'gone/o']), [
    'created-directory a:',
    'replaced :y',
    'created :z',
    'attributes-set :w',
    'deleted gone:n',
  ])
  assert.deepEqual(linesOf(whole, ['']), [])
})

test('further names are told with those that their files have, a line for each directory of these', () => {
  const links = (['k', 'e/l', 'e/m'] as const).map((from, i) => step('create', `n${i}`, { from, links: true }))
  assert.deepEqual(linesOf(planOf({ links: [section('d', links)] })), [
    'hard-linked d:n0 = k',
    'hard-linked d:n1,n2 = e/l,e/m',
  ])
})
