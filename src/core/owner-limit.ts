// What the owner of a share lets one run do to it, whatever its driver plans, announces or releases: how much it may take
// away, and how many bytes of content it may bring. Pure.

import { Failure } from '../std/failure.ts'
import { exceedsLimit, type GuardLimit, guardLimitText } from './guard.ts'
import { bytesText } from './quantity.ts'

export type OwnerLimit = {
  readonly share: string
  /** Entries that are deleted or replaced. */
  readonly takes?: GuardLimit | undefined
  /** Sizes of the files whose content comes or is copied, in sum; a file that only moves brings nothing. */
  readonly bringsBytes?: number | undefined
}

/**
 * Throws `root-held` where a plan takes more away. A release is the word of the driver's person; the owner of a share may
 * have said less, and that holds.
 */
export function checkOwnerLimit(owner: OwnerLimit | undefined, guarded: number, entries: number): void {
  const takes = owner?.takes
  if (owner === undefined || takes === undefined || !exceedsLimit(guarded, entries, takes)) return
  const { share } = owner
  throw new Failure(
    'root-held',
    `the share ${share} lets a run delete and replace ${guardLimitText(takes)} of its ${entries} entries at most, not ${guarded}`,
    { hint: `nothing was changed; only its owner can lift that there: nightferry share limit ${share} none` },
  )
}

/** Throws `root-held` where what a run brings is above the limit. `isBegun`: some of it may be in place. */
export function checkOwnerBytes(owner: OwnerLimit | undefined, bringsBytes: number, isBegun: boolean): void {
  const most = owner?.bringsBytes
  if (owner === undefined || most === undefined || bringsBytes <= most) return
  const { share } = owner
  const sofar = isBegun ? 'what was complete is in place' : 'nothing was changed'
  throw new Failure(
    'root-held',
    `the share ${share} lets a run bring ${bytesText(most)} at most, not ${bringsBytes} bytes`,
    { hint: `${sofar}; only its owner can lift that there: nightferry share limit ${share} --max-bytes none` },
  )
}
