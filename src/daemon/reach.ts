// How this machine reaches its peers: tries their known addresses, the latest first, and opens a session under this
// machine's identity. Identity and peers are read only when a run really has a remote end.

import type { Reach } from '../jobs/run.ts'
import { systemClock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { dial } from '../wire/dial.ts'
import { openIdentity } from '../wire/identity.ts'
import { openPeers } from '../wire/peers.ts'
import { openSession } from '../wire/session.ts'
import type { Places } from './config.ts'
import { productVersion } from './version.ts'

export function openReach(places: Places, machine: string): Reach {
  const peers = openPeers(places.config, systemClock)
  return {
    isMachine: (name) => peers.byName(name) !== undefined,
    async connect(name, signal) {
      const peer = peers.byName(name)
      if (peer === undefined) throw new Failure('unknown-machine', `no paired machine is named ${name}`)
      if (peer.addresses.length === 0) {
        throw new Failure('unreachable', `no address of ${name} is known`, {
          hint: `pair it again from here, with CODE@host: then its address is kept`,
        })
      }
      const identity = openIdentity(places.config)
      let last: unknown
      for (const { host, port } of peer.addresses) {
        try {
          const link = await dial({
            host,
            port,
            identity,
            clock: systemClock,
            signal,
            peerId: peer.peerId,
            machine: name,
          })
          const session = await openSession(link, {
            side: 'dialer',
            hello: { machine, productVersion },
            clock: systemClock,
            // The driver asks; nobody asks the driver.
            onRequest: () => undefined,
            onStream: () => false,
          })
          peers.noteAddress(peer.peerId, { host, port })
          return session
        } catch (error) {
          last = error
          if (!(error instanceof Failure) || !['unreachable', 'timed-out', 'wrong-peer'].includes(error.code))
            throw error
        }
      }
      throw last
    },
  }
}
