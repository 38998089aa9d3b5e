// What a person wants done with conflicts: a policy, and others for what matches a pattern. Of the rules that fit a path
// the last one decides; patterns are those of ignore files. Pure.

import { type ConflictPolicy, isConflictPolicy } from './conflict.ts'
import { explainIgnore, ignoreScope } from './ignore.ts'
import type { RelPath } from './path.ts'

/** Without a pattern it is for every path. */
export type ConflictRule = { readonly pattern: string | undefined; readonly policy: ConflictPolicy }

/** `GLOB=POLICY`, or undefined where the text is none. The last `=` counts: a pattern may have others. */
export function parseConflictRule(text: string): ConflictRule | undefined {
  const at = text.lastIndexOf('=')
  const [pattern, policy] = [text.slice(0, at), text.slice(at + 1)]
  const isPattern = pattern !== '' && !pattern.startsWith('!') && !pattern.startsWith('#') && !pattern.includes('\n')
  return at > 0 && isPattern && isConflictPolicy(policy) ? { pattern, policy } : undefined
}

/** As a person would write them, an option each. */
export function conflictOptions(rules: readonly ConflictRule[]): string[] {
  return rules.map(({ pattern, policy }) =>
    pattern === undefined ? `--conflict ${policy}` : `--conflict-for ${pattern}=${policy}`,
  )
}

/** What decides a conflict at a path: both are kept where no rule says otherwise. */
export function conflictPolicy(rules: readonly ConflictRule[]): (path: RelPath) => ConflictPolicy {
  const always = rules.findLast(({ pattern }) => pattern === undefined)?.policy ?? 'keep-both'
  const scopes = rules
    .flatMap(({ pattern, policy }) => (pattern === undefined ? [] : [{ pattern, policy }]))
    .map(({ pattern, policy }) => {
      const text = { directory: '', label: 'conflict', text: `${pattern}\n` }
      return { scope: ignoreScope([], { overrides: [text] }), policy }
    })
  return (path) => scopes.findLast(({ scope }) => explainIgnore(scope, path, false, () => []).ignored)?.policy ?? always
}
