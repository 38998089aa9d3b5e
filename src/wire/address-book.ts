// What is remembered of one machine's addresses: where it was reached, what it told, when first and last; and in which
// order they are tried. Pure. An address that worked is never pushed out by what is told: each has places of its own.

import type { Place } from './addresses.ts'

/** Where a machine was, or said that it is. */
export type Address = Place & {
  readonly firstSeenMs: number
  /** When a session came about there, or a person gave it; 0 for never. */
  readonly usedMs: number
  /** When the machine last told it; 0 for never. Equal for all that it told together. */
  readonly toldMs: number
}

/** At most so many that worked, so many that are told now, and so many that were told once. */
const maxKept = 8
export const maxAddresses: number = 3 * maxKept

/** What is known already is written again only when it was last noted this long ago. */
const noteAgainMs = 3_600_000

function samePlace(a: Place, b: Place): boolean {
  return a.host === b.host && a.port === b.port
}

/** When the machine last told its addresses; 0 for never. */
function lastToldMs(book: readonly Address[]): number {
  return Math.max(0, ...book.map(({ toldMs }) => toldMs))
}

/** Whether an address is one of those that the machine told last. */
export function isTold(address: Address, book: readonly Address[]): boolean {
  return address.toldMs > 0 && address.toldMs === lastToldMs(book)
}

/** Whether the machine once told this address, and tells others now. */
export function isFormer(address: Address, book: readonly Address[]): boolean {
  return address.toldMs > 0 && !isTold(address, book)
}

/** When an address was last heard of, in whatever way. */
export function lastSeenMs({ firstSeenMs, usedMs, toldMs }: Address): number {
  return Math.max(firstSeenMs, usedMs, toldMs)
}

/** The book with an address that was reached just now; undefined where that is nothing new. */
export function withUsed(book: readonly Address[], place: Place, nowMs: number): readonly Address[] | undefined {
  const [latest] = [...book].sort((a, b) => b.usedMs - a.usedMs)
  const isLatest = latest !== undefined && latest.usedMs > 0 && samePlace(latest, place)
  if (isLatest && nowMs >= latest.usedMs && nowMs - latest.usedMs < noteAgainMs) return undefined
  const known = book.find((one) => samePlace(one, place))
  const { firstSeenMs, toldMs } = known ?? { firstSeenMs: nowMs, toldMs: 0 }
  const { host, port } = place
  return kept([{ host, port, firstSeenMs, usedMs: nowMs, toldMs }, ...book.filter((one) => one !== known)])
}

/**
 * The book with what the machine tells of itself just now; undefined where that is nothing new. `moved` when it told
 * other addresses before.
 */
export function withTold(
  book: readonly Address[],
  places: readonly Place[],
  nowMs: number,
): { readonly book: readonly Address[]; readonly moved: boolean } | undefined {
  const before = book.filter((one) => isTold(one, book))
  const isSame = before.length === places.length && places.every((place) => before.some((one) => samePlace(one, place)))
  const toldBefore = lastToldMs(book)
  if (places.length === 0 || (isSame && nowMs >= toldBefore && nowMs - toldBefore < noteAgainMs)) return undefined
  const told = places.map(({ host, port }) => {
    const { firstSeenMs, usedMs } = book.find((one) => samePlace(one, { host, port })) ?? {
      firstSeenMs: nowMs,
      usedMs: 0,
    }
    return { host, port, firstSeenMs, usedMs, toldMs: nowMs }
  })
  const rest = book.filter((one) => !places.some((place) => samePlace(one, place)))
  // A clock that stood still or went back: the others must not look as if they were told now, or later.
  const earlier = rest.map((one) => (one.toldMs >= nowMs ? { ...one, toldMs: Math.max(1, nowMs - 1) } : one))
  return { book: kept([...told, ...earlier]), moved: before.length > 0 && !isSame }
}

/** Two books of one machine as one. */
export function merged(first: readonly Address[], then: readonly Address[]): readonly Address[] {
  const all = new Map<string, Address>()
  for (const address of [...first, ...then]) {
    const key = `${address.host} ${address.port}`
    const other = all.get(key)
    if (other === undefined) all.set(key, address)
    else {
      const firstSeenMs = Math.min(other.firstSeenMs, address.firstSeenMs)
      const [usedMs, toldMs] = [Math.max(other.usedMs, address.usedMs), Math.max(other.toldMs, address.toldMs)]
      all.set(key, { ...other, firstSeenMs, usedMs, toldMs })
    }
  }
  return kept([...all.values()])
}

/** The addresses to try, in this order: where it was last reached, what it tells, where it was reached before. */
export function dialOrder(book: readonly Address[]): readonly Address[] {
  const used = book.filter(({ usedMs }) => usedMs > 0).sort((a, b) => b.usedMs - a.usedMs)
  const told = book.filter((one) => isTold(one, book))
  return [...new Set([...used.slice(0, 1), ...told, ...used])]
}

/** The book in its order (to be tried first, first), within its bounds. */
function kept(book: readonly Address[]): readonly Address[] {
  const order = dialOrder(book)
  const used = order.filter(({ usedMs }) => usedMs > 0).slice(0, maxKept)
  const told = order.filter((one) => isTold(one, book)).slice(0, maxKept)
  const former = book.filter((one) => isFormer(one, book) && !used.includes(one)).sort((a, b) => b.toldMs - a.toldMs)
  const stays = new Set([...used, ...told, ...former.slice(0, maxKept)])
  return [...order.filter((one) => stays.has(one)), ...former.filter((one) => stays.has(one))]
}
