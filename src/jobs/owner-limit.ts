// What the owner of a share lets a run take away from it, whatever the driver announces.

import { exceedsLimit, type GuardLimit, guardLimitText } from '../core/guard.ts'
import { Failure } from '../std/failure.ts'

export type OwnerLimit = { readonly share: string; readonly limit: GuardLimit }

/**
 * Throws `root-held` where a plan is above the limit. A release is the word of the driver's person; the owner of a share
 * may have said less, and that holds.
 */
export function checkOwnerLimit(owner: OwnerLimit | undefined, guarded: number, entries: number): void {
  if (owner === undefined || !exceedsLimit(guarded, entries, owner.limit)) return
  const limit = guardLimitText(owner.limit)
  throw new Failure(
    'root-held',
    `the share ${owner.share} lets a run delete and replace ${limit} of its ${entries} entries at most, not ${guarded}`,
    { hint: `nothing was changed; only its owner can lift that there: nightferry share limit ${owner.share} none` },
  )
}
