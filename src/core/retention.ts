// How long old versions are kept, as a pure decision: which runs' versions go, and which of them went sooner than they
// were promised. Oldest first, whole runs at a time. Nothing is removed by age while the clock is not to be believed.

/** What a person asked for. `none`: nothing new is kept; what lies there already is kept for the default time. */
export type Keep =
  | { readonly kind: 'days'; readonly days: number }
  | { readonly kind: 'forever' }
  | { readonly kind: 'none' }

export const defaultKeep: Keep = { kind: 'days', days: 30 }

const daysMax = 36_500
const dayMs = 86_400_000
/** Of the volume: versions may take this much, and never the last of it. */
const shareMax = 0.1
const freeMin = 0.05

/** `30`, `30d`, `forever` or `none`; undefined for all else. */
export function parseKeep(text: string): Keep | undefined {
  if (text === 'forever' || text === 'none') return { kind: text }
  const match = /^(\d{1,5})d?$/.exec(text)
  const days = Number(match?.[1] ?? 0)
  return days >= 1 && days <= daysMax ? { kind: 'days', days } : undefined
}

/** What `parseKeep` reads. */
export function keepText(keep: Keep): string {
  return keep.kind === 'days' ? String(keep.days) : keep.kind
}

/** For people. */
export function showKeep(keep: Keep): string {
  if (keep.kind === 'days') return keep.days === 1 ? 'a day' : `${keep.days} days`
  return keep.kind === 'none' ? 'no time at all' : 'ever'
}

/** The one that keeps more: a request may ask for more than the floor, never for less. */
export function longerKeep(a: Keep, b: Keep): Keep {
  const rank = (keep: Keep): number =>
    keep.kind === 'days' ? keep.days : keep.kind === 'none' ? 0 : Number.POSITIVE_INFINITY
  return rank(b) > rank(a) ? b : a
}

/** Days after which something is old; undefined: never. */
function daysOf(keep: Keep): number | undefined {
  if (keep.kind === 'forever') return undefined
  return keep.kind === 'days' ? keep.days : 30
}

/** Whether something of `atMs` is older than the policy keeps it. What lies in the future is not old. */
export function isExpired(atMs: number, keep: Keep, nowMs: number): boolean {
  const days = daysOf(keep)
  return days !== undefined && nowMs - atMs > days * dayMs
}

export type KeptRun = {
  readonly run: string
  /** When it began, by the clock of the machine that keeps it. */
  readonly atMs: number
  readonly sizeBytes: number
}

export type Pruning = {
  /** Older than the policy. */
  readonly expired: readonly string[]
  /** Younger, and removed for want of space: protection that is lost, and told. */
  readonly early: readonly string[]
}

export type Volume = {
  readonly totalBytes: number
  readonly freeBytes: number
  /** Room that is wanted at once, on top of nothing; 0 before a run. */
  readonly neededBytes: number
}

/** All that is kept, the sums told apart: of thousands of runs only the oldest are looked at. */
export type KeptRuns = {
  readonly sizeBytes: number
  /** When the newest of them began. */
  readonly newestMs: number
  readonly oldestFirst: Iterable<KeptRun>
}

/**
 * Which runs' versions go: those older than the policy, then the oldest until all of them take at most a tenth of the
 * volume and a twentieth of it is free. `forever` removes nothing. Where a version comes from later than now, the clock
 * went back: then nothing is removed by age.
 */
export function toPrune(runs: KeptRuns, keep: Keep, volume: Volume, nowMs: number): Pruning {
  if (keep.kind === 'forever') return { expired: [], early: [] }
  const isClockSane = runs.newestMs <= nowMs + dayMs
  const expired: string[] = []
  const early: string[] = []
  let taken = runs.sizeBytes
  let free = volume.freeBytes
  for (const { run, atMs, sizeBytes } of runs.oldestFirst) {
    const isOld = isClockSane && isExpired(atMs, keep, nowMs)
    if (!isOld) {
      const fits = taken <= volume.totalBytes * shareMax
      const isFree = free >= Math.max(volume.totalBytes * freeMin, volume.neededBytes)
      if (fits && isFree) break
      // What takes no space makes none; it still says what its run did.
      if (sizeBytes === 0) continue
    }
    const going = isOld ? expired : early
    going.push(run)
    taken -= sizeBytes
    free += sizeBytes
  }
  return { expired, early }
}

/** What holds for a run: what it asks for, else what the target remembers, else the default; never less than the floor. */
export function decideKeep(asked: Keep | undefined, remembered: Keep | undefined, floor: Keep | undefined): Keep {
  const wanted = asked ?? remembered ?? defaultKeep
  return floor === undefined ? wanted : longerKeep(floor, wanted)
}

/** What a person has to know about old versions after a run: that a policy was not as asked, and protection that was lost. */
export function keepNotices(asked: Keep | undefined, keep: Keep, early: number): string[] {
  const notices: string[] = []
  if (asked !== undefined && keepText(asked) !== keepText(keep)) {
    notices.push(`the target keeps old versions for ${showKeep(keep)}, as its share says, not ${showKeep(asked)}`)
  }
  if (early > 0) {
    const runs = early === 1 ? 'one earlier run' : `${early} earlier runs`
    notices.push(
      `lost protection: old versions of ${runs} were removed before their time, for want of room on the target`,
    )
  }
  return notices
}
