// Which of two values keeps a name that both sides changed, and what the other one is called from then on. No clock decides
// unless a person said `newest`, and every machine makes the same name from the same facts.

import type { Entry } from './entry.ts'

export const conflictPolicies = ['keep-both', 'newest', 'larger', 'prefer-left', 'prefer-right'] as const
export type ConflictPolicy = (typeof conflictPolicies)[number]

export function isConflictPolicy(text: string): text is ConflictPolicy {
  return conflictPolicies.some((one) => one === text)
}

/** A value that wants the name. `digest`: of the content of a file, of a symlink's text; undefined for a directory. */
export type Claim = { readonly entry: Entry; readonly digest: Uint8Array | undefined }

/** Which of two different values does not keep the name. */
export function loserOf(left: Claim, right: Claim, policy: ConflictPolicy, timeGrainNs: number): 'left' | 'right' {
  throw new Error(String([left, right, policy, timeGrainNs]))
}

/**
 * The name of a conflict copy: of `name`, lying at `machine`, with content of this digest. Undefined where each name with
 * up to all of the digest's digits is taken.
 */
export function conflictName(
  name: string,
  machine: string,
  digest: Uint8Array,
  isTaken: (name: string) => boolean,
): string | undefined {
  throw new Error(String([name, machine, digest, isTaken]))
}

/** The name that a conflict copy was made of; any other name is its own. */
export function originalName(name: string): string {
  throw new Error(name)
}
