// How long ago, as a person says it. Pure: both moments are handed in.

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

/** `just now`, `5 min ago`, `3 h ago`, `12 days ago`; a moment ahead of this clock is told as such. */
export function showAge(atMs: number, nowMs: number): string {
  const age = nowMs - atMs
  if (age < -minute) return 'in the future, by this clock'
  if (age < minute) return 'just now'
  if (age < 2 * hour) return `${Math.floor(age / minute)} min ago`
  if (age < 2 * day) return `${Math.floor(age / hour)} h ago`
  return `${Math.floor(age / day)} days ago`
}
