// What a two-way run may be asked for: its conflicts, and which options it knows. What it does not do is refused by name.

import { type ConflictPolicy, conflictPolicies, isConflictPolicy } from '../core/conflict.ts'
import { type ConflictRule, parseConflictRule } from '../core/conflict-rules.ts'
import type { JobMode } from '../jobs/job.ts'
import { Failure } from '../std/failure.ts'
import type { SyncOptions } from './request.ts'

/** Options that say what a target is to be like, or narrow what a source gives: two equal sides have neither. */
const oneWay: Readonly<Partial<Record<keyof SyncOptions, string>>> = {
  existing: '--existing',
  ignoreExisting: '--ignore-existing',
  sizeOnly: '--size-only',
  modifyWindow: '--modify-window',
  minSize: '--min-size',
  maxSize: '--max-size',
  verify: '--verify',
  versions: '--versions',
  owner: '--owner',
  setId: '--set-id',
  xattrs: '--xattrs',
  acls: '--acls',
  hardLinks: '--hard-links',
}

/** What is to be done with conflicts. Throws `bad-usage`, also for options that do not go with a two-way run. */
export function conflictsOf(options: SyncOptions, mode: JobMode): ConflictRule[] {
  const { conflict, conflictFor = [] } = options
  if (mode !== 'two-way') {
    if (conflict === undefined && conflictFor.length === 0) return []
    throw new Failure('bad-usage', '--conflict says what a two-way run does: give --mode two-way')
  }
  for (const [name, option] of Object.entries(oneWay)) {
    const given = options[name as keyof SyncOptions]
    if (given === undefined || given === false) continue
    throw new Failure('bad-usage', `${option} does not go with --mode two-way`)
  }
  const always: ConflictRule[] = conflict === undefined ? [] : [{ pattern: undefined, policy: policyOf(conflict) }]
  return [...always, ...conflictFor.map(ruleOf)]
}

function policyOf(given: string): ConflictPolicy {
  if (isConflictPolicy(given)) return given
  throw new Failure('bad-usage', `--conflict takes ${conflictPolicies.join(', ')}, not ${JSON.stringify(given)}`)
}

function ruleOf(given: string): ConflictRule {
  const rule = parseConflictRule(given)
  if (rule !== undefined) return rule
  throw new Failure('bad-usage', `--conflict-for takes GLOB=POLICY, not ${JSON.stringify(given)}`, {
    hint: `the policy is one of ${conflictPolicies.join(', ')}`,
  })
}
