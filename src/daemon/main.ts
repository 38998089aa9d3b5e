// The daemon: answers this machine's peers. Each link becomes a session that serves shares and nothing else. A peer that
// goes away leaves the daemon serving; what a session breaks, it breaks for itself alone. While a pairing code is open
// in this state directory, the daemon is also the door for pairing.

import type { Workshop } from '../jobs/local.ts'
import { Served } from '../jobs/serve.ts'
import { loadShares } from '../jobs/shares.ts'
import { asFailure } from '../std/failure.ts'
import { openIdentity } from '../wire/identity.ts'
import type { Link } from '../wire/link.ts'
import { type Listener, listen } from '../wire/listen.ts'
import { declinePairing, offerPairing, type PairingOffer } from '../wire/pairing.ts'
import { openPeers } from '../wire/peers.ts'
import { openSession, type Session } from '../wire/session.ts'
import type { Places } from './config.ts'
import type { DaemonStatus } from './contract.ts'
import { openServer } from './server.ts'
import { productVersion } from './version.ts'

export type Daemon = {
  readonly port: number
  readonly peerId: string
  /** Ends all sessions and the door; resolves when every root is closed. */
  close(): Promise<void>
}

/** Opens the door. Throws `port-in-use` and what the settings may be wrong about. */
export async function openDaemon(
  workshop: Workshop,
  places: Places,
  address: { host: string; port: number },
): Promise<Daemon> {
  const identity = openIdentity(places.config)
  const peers = openPeers(places.config, workshop.clock)
  const sessions = new Set<Promise<void>>()
  const open: OpenSessions = new Map()
  const startedMs = workshop.clock.nowMs()
  let offer: PairingOffer | undefined
  const listener: Listener = await listen({
    ...address,
    identity,
    clock: workshop.clock,
    authorise: (peerId) => peers.byId(peerId)?.name,
    onLink: (link) => {
      const served = serveLink(workshop, places, link, open).finally(() => sessions.delete(served))
      sessions.add(served)
    },
    onPairingLink: (link) => {
      if (offer?.state === 'open') offer.answer(link)
      else declinePairing(link, workshop.clock)
    },
    note: ({ kind, ...event }) => workshop.log.note(event.reason === 'not-paired' ? 'stranger' : kind, { ...event }),
  })
  // A machine that was removed by another process is cut off within this time.
  const recheck = setRecheck(workshop, listener)
  const offerCode = (): PairingOffer => {
    offer?.withdraw()
    const self = { identity, machine: workshop.machine, port: listener.port, peers, clock: workshop.clock }
    offer = offerPairing(self, ({ kind, ...event }) => workshop.log.note(kind, event))
    return offer
  }
  const status = (): DaemonStatus => ({
    schema: 1,
    machine: workshop.machine,
    productVersion,
    process: process.pid,
    startedMs,
    port: listener.port,
    sessions: [...open.values()].map(({ machine, openedMs, served }) => ({ machine, openedMs, ...visitOf(served) })),
    shares: loadShares(places.config).map(({ name, path }) => ({ name, path })),
  })
  const server = await openServer(places, { offerCode, port: listener.port, status }).catch((error: unknown) => {
    recheck.cancel()
    listener.close()
    throw error
  })
  return {
    port: listener.port,
    peerId: identity.peerId,
    async close() {
      recheck.cancel()
      offer?.withdraw()
      await server.close()
      listener.close()
      for (const session of open.keys()) session.close()
      await Promise.all(sessions)
    },
  }
}

const recheckMs = 5000

function setRecheck(workshop: Workshop, listener: Listener): { cancel(): void } {
  let timer: { cancel(): void }
  const check = (): void => {
    const cut = listener.recheck()
    if (cut > 0) workshop.log.note('unpaired-cut', { links: cut })
    timer = workshop.clock.timer(recheckMs, check)
  }
  timer = workshop.clock.timer(recheckMs, check)
  return { cancel: () => timer.cancel() }
}

function visitOf({ visit }: Served): { role?: string; path?: string; runId?: string } {
  return visit === undefined ? {} : { role: visit.role, path: visit.path, runId: visit.runId }
}

type OpenSessions = Map<Session, { machine: string; openedMs: number; served: Served }>

async function serveLink(workshop: Workshop, places: Places, link: Link, open: OpenSessions): Promise<void> {
  const served = new Served({ workshop, configDirectory: places.config, machine: link.machine })
  let session: Session
  try {
    session = await openSession(link, {
      side: 'listener',
      hello: { machine: workshop.machine, productVersion },
      clock: workshop.clock,
      onRequest: () => undefined,
      onStream: served.onStream,
      note: ({ kind, machine, failure }) =>
        workshop.log.note(kind, { machine, code: failure.code, message: failure.message }),
    })
  } catch (error) {
    const failure = asFailure(error, 'connection-lost')
    workshop.log.note('session-refused', { machine: link.machine, code: failure.code, message: failure.message })
    return
  }
  open.set(session, { machine: link.machine, openedMs: workshop.clock.nowMs(), served })
  await served.attach(session)
  open.delete(session)
  workshop.log.flush()
}
