// Signatures that prove nothing: a file that was changed a moment before it was looked at can be changed again within the
// same tick of the file system's clock, and look the same. Says which they are, and waits them out.

import { sameSignature, sizeOf, statCtimeNs, statCtimeSeconds } from '../core/stat.ts'
import { blockMs } from '../std/clock.ts'
import { errno, type Sys } from './sys.ts'

/** A signature this close to the file's own ctime can hide a later write. Longer than any kernel's tick. */
export const racyMs = 20
/** So often a file is waited for that is written to all the time. */
const waitsMax = 3

/** Whether the row at `at`, taken at the wall time `nowMs`, is of that kind. */
export function isRacy(stats: Uint32Array, at: number, nowMs: number): boolean {
  const ctimeMs = (stats[at + statCtimeSeconds] as number) * 1000 + (stats[at + statCtimeNs] as number) / 1e6
  return nowMs - ctimeMs < racyMs
}

/** Whether a moment's wait makes the first row one that proves something: a ctime well in the future (another machine's clock) can't be waited for. */
function isYoung(stats: Uint32Array, nowMs: number): boolean {
  return isRacy(stats, 0, nowMs) && !isRacy(stats, 0, nowMs + 2 * racyMs)
}

/**
 * Takes the signature that an open file's content is to be read under, into the first row of `into`. One that is so young
 * that a later write could share its time stamp would hide that write for ever: what was sent would pass for what is there.
 * So this blocks until the clock moved, and gives up (EBUSY) on a file that never stands still; one that grows may go on,
 * since what is written next shows in its size. Answers as `statFile`.
 */
export function statProven(sys: Sys, handle: number, into: Uint32Array, nowMs: () => number): number {
  let looked = sys.statFile(handle, into, 0)
  for (let waits = 0; looked >= 0 && isYoung(into, nowMs()); waits++) {
    if (waits === waitsMax) return -errno.EBUSY
    const seen = into.slice()
    blockMs(racyMs + 5)
    looked = sys.statFile(handle, into, 0)
    const isStill = sameSignature(seen, 0, into, 0)
    if (isStill || sizeOf(into, 0) > sizeOf(seen, 0)) break
  }
  return looked
}
