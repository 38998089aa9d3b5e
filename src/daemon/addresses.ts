// What machines tell each other of where they can be called: said by both sides of a session after the hello, kept by
// the other under the key that the session proved. A peer may tell it often; what is written down of it is rationed.

import { networkInterfaces } from 'node:os'
import type { Clock } from '../std/clock.ts'
import { asFailure } from '../std/failure.ts'
import type { Log } from '../std/log.ts'
import { decodePlaces, encodePlaces, type Interfaces, type Listening, placesToTell } from '../wire/addresses.ts'
import type { Link } from '../wire/link.ts'
import { addressesName } from '../wire/messages.ts'
import type { PeerId } from '../wire/peer-id.ts'
import type { Peers } from '../wire/peers.ts'
import type { Session } from '../wire/session.ts'

/** Tells the other side of a session where this machine's daemon can be called. Says nothing where that is nowhere. */
export function tellAddresses(
  session: Session,
  listening: Listening,
  interfaces: Interfaces = networkInterfaces(),
): void {
  const places = placesToTell(listening, interfaces, session.link.remoteAddress)
  if (places.length > 0) session.notify(addressesName, encodePlaces(places))
}

/** Takes notices of one name from any session; others are ignored. */
export type NoticeTaker = (link: Link, name: string, body: Uint8Array) => void

/** So many notices of one machine are looked at in a row; then one every `refillMs`. */
const burst = 5
const refillMs = 30_000

/** Keeps what peers tell. A notice out of bounds throws, which ends its session; a disk that fails does not. */
export function takeAddresses(peers: Peers, log: Log, clock: Clock): NoticeTaker {
  const rations = new Map<PeerId, { left: number; sinceMs: number }>()
  const isTooOften = (peerId: PeerId): boolean => {
    const nowMs = clock.monotonicMs()
    const { left, sinceMs } = rations.get(peerId) ?? { left: burst, sinceMs: nowMs }
    const refilled = Math.floor((nowMs - sinceMs) / refillMs)
    const available = Math.min(burst, left + refilled)
    rations.set(peerId, { left: Math.max(0, available - 1), sinceMs: sinceMs + refilled * refillMs })
    return available === 0
  }
  return ({ peerId, machine, remoteAddress }, name, body) => {
    if (name !== addressesName || peerId === undefined || isTooOften(peerId)) return
    const places = decodePlaces(body, remoteAddress)
    try {
      if (!peers.noteTold(peerId, places)) return
      const now = places.map(({ host, port }) => `${host}:${port}`).join(' ')
      log.note('address-changed', { machine, now })
    } catch (error) {
      const { code, message } = asFailure(error, 'disk-error')
      log.note('address-not-kept', { machine, code, message })
    }
  }
}
