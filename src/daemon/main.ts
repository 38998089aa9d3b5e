// The daemon: answers this machine's peers. Each link becomes a session that serves shares and nothing else. A peer that
// goes away leaves the daemon serving; what a session breaks, it breaks for itself alone. While a pairing code is open
// in this state directory, the daemon is also the door for pairing. It calls nobody, but to tell that it has moved.

import { Allowance, heldBytesMax } from '../jobs/body.ts'
import { grantsOfShares } from '../jobs/grants.ts'
import type { Workshop } from '../jobs/local.ts'
import { Served } from '../jobs/serve.ts'
import { loadShares } from '../jobs/shares.ts'
import { LateEnds } from '../jobs/visit.ts'
import { asFailure } from '../std/failure.ts'
import type { Listening } from '../wire/addresses.ts'
import { openIdentity } from '../wire/identity.ts'
import type { Link } from '../wire/link.ts'
import { type Listener, listen } from '../wire/listen.ts'
import { declinePairing, offerPairing, type PairingOffer } from '../wire/pairing.ts'
import type { PeerId } from '../wire/peer-id.ts'
import { type Machine, openPeers } from '../wire/peers.ts'
import { openSession, type Session } from '../wire/session.ts'
import { type NoticeTaker, takeAddresses } from './addresses.ts'
import { Announcer } from './announce.ts'
import type { Places } from './config.ts'
import type { DaemonStatus } from './contract.ts'
import { openReach } from './reach.ts'
import { openServer } from './server.ts'
import { productVersion } from './version.ts'

export type Daemon = {
  readonly port: number
  readonly peerId: string
  /** A new pairing code; an earlier one is void from now on. */
  offerCode(): PairingOffer
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
  const ends = new LateEnds()
  let offer: PairingOffer | undefined
  const take = takeAddresses(peers, workshop.log, workshop.clock)
  const lines: Lines = { open, ends, take, opened: () => {}, allowances: new Map() }
  const listener: Listener = await listen({
    ...address,
    identity,
    clock: workshop.clock,
    authorise: (peerId) => peers.byId(peerId)?.name,
    onLink: (link) => {
      const served = serveLink(workshop, places, link, lines).finally(() => sessions.delete(served))
      sessions.add(served)
    },
    onPairingLink: (link) => {
      if (offer?.state === 'open') offer.answer(link)
      else declinePairing(link, workshop.clock)
    },
    note: ({ kind, ...event }) => workshop.log.note(event.reason === 'not-paired' ? 'stranger' : kind, { ...event }),
  })
  const listening = { address: listener.address, port: listener.port }
  // A machine that was removed by another process is cut off within this time.
  const recheck = setRecheck(workshop, listener, ends)
  const offerCode = (): PairingOffer => {
    offer?.withdraw()
    const self = { identity, machine: workshop.machine, port: listener.port, peers, clock: workshop.clock }
    offer = offerPairing(self, ({ kind, ...event }) => workshop.log.note(kind, event))
    return offer
  }
  const announcer = announcing(workshop, places, listening, { [Symbol.iterator]: () => open.keys() })
  const isDue = (peerId: PeerId): boolean => announcer.isDue(peerId)
  const noteTold = (peerId: PeerId): void => announcer.noteTold(peerId)
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
  const server = await openServer(places, { offerCode, listening, isDue, noteTold, status }).catch((error: unknown) => {
    recheck.cancel()
    listener.close()
    throw error
  })
  lines.opened = (session) => {
    if (!announcer.look()) announcer.tell(session)
  }
  for (const session of open.keys()) lines.opened(session)
  announcer.start()
  return {
    port: listener.port,
    peerId: identity.peerId,
    offerCode,
    async close() {
      recheck.cancel()
      await announcer.close()
      offer?.withdraw()
      await server.close()
      listener.close()
      for (const session of open.keys()) session.close()
      await Promise.all(sessions)
      if (!settled(ends)) workshop.log.note('not-recorded', { code: 'disk-error' })
    },
  }
}

function announcing(workshop: Workshop, places: Places, listening: Listening, sessions: Iterable<Session>): Announcer {
  const { machine, clock, log } = workshop
  const reach = openReach({ places, machine, log, listening: () => Promise.resolve(listening) })
  const machines = (): readonly Machine[] => openPeers(places.config, clock).list()
  return new Announcer({
    stateDirectory: places.state,
    listening,
    clock,
    log,
    sessions,
    machines,
    connect: reach.connect,
  })
}

const recheckMs = 5000

function setRecheck(workshop: Workshop, listener: Listener, ends: LateEnds): { cancel(): void } {
  let timer: { cancel(): void }
  const check = (): void => {
    settled(ends)
    const cut = listener.recheck()
    if (cut > 0) workshop.log.note('unpaired-cut', { links: cut })
    timer = workshop.clock.timer(recheckMs, check)
  }
  timer = workshop.clock.timer(recheckMs, check)
  return { cancel: () => timer.cancel() }
}

/** Whether every run that was served is written down. What can't be is tried again later. */
function settled(ends: LateEnds): boolean {
  try {
    ends.settle()
    return true
  } catch (error) {
    asFailure(error, 'disk-error')
    return false
  }
}

function visitOf({ visit }: Served): { role?: string; path?: string; runId?: string } {
  return visit === undefined ? {} : { role: visit.role, path: visit.path, runId: visit.runId }
}

type OpenSessions = Map<Session, { machine: string; openedMs: number; served: Served }>

/** The sessions on the line, and who is told of them. */
type Lines = {
  readonly open: OpenSessions
  readonly ends: LateEnds
  readonly take: NoticeTaker
  opened: (session: Session) => void
  /** What calls may hold, by machine: there are as many as are paired. */
  readonly allowances: Map<string, Allowance>
}

async function serveLink(workshop: Workshop, places: Places, link: Link, lines: Lines): Promise<void> {
  const { machine } = link
  const allowance = lines.allowances.getOrInsertComputed(machine, () => new Allowance(heldBytesMax))
  const served = new Served({
    workshop,
    grants: grantsOfShares(places.config, machine),
    machine,
    ends: lines.ends,
    allowance,
  })
  let session: Session
  try {
    session = await openSession(link, {
      side: 'listener',
      hello: { machine: workshop.machine, productVersion },
      clock: workshop.clock,
      onRequest: () => undefined,
      onStream: served.onStream,
      onNotice: (name, body) => lines.take(link, name, body),
      note: ({ kind, machine, failure }) =>
        workshop.log.note(kind, { machine, code: failure.code, message: failure.message }),
    })
  } catch (error) {
    const failure = asFailure(error, 'connection-lost')
    workshop.log.note('session-refused', { machine: link.machine, code: failure.code, message: failure.message })
    return
  }
  lines.open.set(session, { machine: link.machine, openedMs: workshop.clock.nowMs(), served })
  lines.opened(session)
  await served.attach(session)
  lines.open.delete(session)
  workshop.log.flush()
}
