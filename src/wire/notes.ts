// What the door tells about connections it refused: one event each, but never a flood. Somebody who knocks a thousand
// times is one event a minute with a count.

import type { Clock } from '../std/clock.ts'
import type { PeerId } from './peer-id.ts'

export type RefusalReason =
  | 'no-certificate'
  | 'wrong-protocol'
  | 'not-paired'
  | 'too-many-links'
  | 'handshake-failed'
  | 'too-slow'
  | 'crowded'
  | 'no-list-of-machines'
  | 'accept-failed'

export type LinkEvent = {
  readonly kind: 'refused'
  readonly reason: RefusalReason
  /** Where it came from; empty where that does not matter or is gone. */
  readonly address: string
  readonly peerId?: PeerId
  /** How many like it were not told since the last. */
  readonly untold?: number
}

const quietMs = 60_000
const maxRemembered = 256

/** `note`, at most once a minute for the same reason and address; and for all together once the memory is full. */
export function quietNotes(note: (event: LinkEvent) => void, clock: Clock): (event: LinkEvent) => void {
  const told = new Map<string, { atMs: number; untold: number }>()
  return (event) => {
    const now = clock.monotonicMs()
    const wanted = `${event.reason} ${event.address}`
    if (!told.has(wanted) && told.size >= maxRemembered) {
      for (const [key, { atMs }] of told) if (now - atMs >= quietMs) told.delete(key)
    }
    const key = told.has(wanted) || told.size < maxRemembered ? wanted : 'others'
    const last = told.get(key)
    if (last !== undefined && now - last.atMs < quietMs) {
      last.untold += 1
      return
    }
    told.delete(key)
    told.set(key, { atMs: now, untold: 0 })
    note(last === undefined || last.untold === 0 ? event : { ...event, untold: last.untold })
  }
}
