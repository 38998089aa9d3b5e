// How large a file may be when its content comes: it was looked at when the plan was made, and is taken as it is read.
// Without a bound a source could fill a target with one name. Pure.

/** Files may have grown by so much, however small they were. */
export const grownBytesMax: number = 64 * 1024 * 1024

/** The largest size that content may come with for a file that the plan said has `plannedBytes`; `isHeld`: none that grew. */
export function comingBytesMax(plannedBytes: number, isHeld: boolean): number {
  return isHeld ? plannedBytes : 2 * plannedBytes + grownBytesMax
}
