// How this machine reaches its peers: calls their known addresses, the likeliest first and the next a moment later, and
// opens a session under this machine's identity, in which both tell where they can be called from now on. Identity and
// peers are read only when a run really has a remote end. A machine that is reached by ssh is no peer: this machine's key
// plays no part there, no address is told or believed, and the code for it is loaded when it is used.

import type { Reach } from '../jobs/run.ts'
import { systemClock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import type { Log } from '../std/log.ts'
import { dialOrder } from '../wire/address-book.ts'
import type { Listening } from '../wire/addresses.ts'
import { dial } from '../wire/dial.ts'
import { dialAny } from '../wire/dial-any.ts'
import { openIdentity } from '../wire/identity.ts'
import type { PeerId } from '../wire/peer-id.ts'
import { openPeers } from '../wire/peers.ts'
import { openSession } from '../wire/session.ts'
import { takeAddresses, tellAddresses } from './addresses.ts'
import type { Places } from './config.ts'
import { productVersion } from './version.ts'

export type ReachOptions = {
  readonly places: Places
  /** What this machine is called. */
  readonly machine: string
  readonly log: Log
  /** Where this machine's daemon listens; undefined where none runs, or where this peer was told so already. */
  listening(peerId: PeerId): Promise<Listening | undefined>
  /** Hears that a peer was told that. */
  told?(peerId: PeerId): void
  /** Somebody sits at the terminal, and ssh may ask. */
  readonly isAttended?: boolean
}

export function openReach({ places, machine, log, listening, told, isAttended = false }: ReachOptions): Reach {
  const clock = systemClock
  const peers = openPeers(places.config, clock)
  const take = takeAddresses(peers, log, clock)
  return {
    isMachine: (name) => peers.byName(name) !== undefined,
    async connectSsh(target, ways, signal) {
      const { connectSsh } = await import('../jobs/ssh.ts')
      return await connectSsh(target, { ...ways, machine, productVersion, isAttended, clock }, signal)
    },
    async connect(name, signal) {
      const peer = peers.byName(name)
      if (peer === undefined) throw new Failure('unknown-machine', `no paired machine is named ${name}`)
      const { peerId } = peer
      const order = dialOrder(peer.addresses)
      if (order.length === 0) {
        throw new Failure('unreachable', `no address of ${name} is known`, {
          hint: `pair it again from here, with CODE@host: then its address is kept`,
        })
      }
      const identity = openIdentity(places.config)
      // Asked while the other machine is called.
      const own = listening(peerId)
      const { link, place } = await dialAny(order, {
        dialOne: ({ host, port }, stop) => dial({ host, port, identity, clock, signal: stop, peerId, machine: name }),
        clock,
        signal,
      }).catch((error: unknown) => Promise.reject(perhapsMoved(error, name)))
      const session = await openSession(link, {
        side: 'dialer',
        hello: { machine, productVersion },
        clock,
        // The driver asks; nobody asks the driver.
        onRequest: () => undefined,
        onStream: () => false,
        onNotice: (notice, body) => take(link, notice, body),
      })
      peers.noteAddress(peerId, place)
      const at = await own
      if (at !== undefined) {
        tellAddresses(session, at)
        told?.(peerId)
      }
      return session
    },
  }
}

/** Where no known address leads to a machine any more, only pairing anew says where it is. */
function perhapsMoved(error: unknown, name: string): unknown {
  if (!(error instanceof Failure) || error.code !== 'unreachable') return error
  const moved = `If ${name} has another address or port now, pair it again from here, with CODE@HOST:PORT.`
  return new Failure(error.code, error.message, {
    hint: error.hint === '' ? moved : `${error.hint} ${moved}`,
    cause: error,
  })
}
