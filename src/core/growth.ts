// How large a file may be when its content comes: it was looked at when the plan was made, and is taken as it is read.
// Without a bound a source could fill a target with one name. Pure.

/** Files may have grown to twice their size and by so much, however small they were. */
const grownBytesMax = 64 * 1024 * 1024

/**
 * Whether content comes with a larger size than a file of this plan may have by now; `isHeld`: none may have grown. The
 * plan's step is only looked at (which costs) where it matters.
 */
export function hasGrown(
  sizeBytes: number,
  step: { readonly entry: { readonly sizeBytes: number } },
  isHeld = false,
): boolean {
  if (sizeBytes <= grownBytesMax && !isHeld) return false
  const plannedBytes = step.entry.sizeBytes
  return sizeBytes > (isHeld ? plannedBytes : 2 * plannedBytes + grownBytesMax)
}
