// Signatures that prove nothing: a file that was changed a moment before it was looked at can be changed again within the
// same tick of the file system's clock, and look the same.

import { statCtimeNs, statCtimeSeconds } from '../core/stat.ts'

/** A signature this close to the file's own ctime can hide a later write. Longer than any kernel's tick. */
export const racyMs = 20

/** Whether the row at `at`, taken at the wall time `nowMs`, is of that kind. */
export function isRacy(stats: Uint32Array, at: number, nowMs: number): boolean {
  const ctimeMs = (stats[at + statCtimeSeconds] as number) * 1000 + (stats[at + statCtimeNs] as number) / 1e6
  return nowMs - ctimeMs < racyMs
}

/** Whether a moment's wait makes the first row one that proves something: a ctime well in the future (another machine's clock) can't be waited for. */
export function isYoung(stats: Uint32Array, nowMs: number): boolean {
  return isRacy(stats, 0, nowMs) && !isRacy(stats, 0, nowMs + 2 * racyMs)
}
