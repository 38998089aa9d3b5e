// The door: accepts TLS connections, learns whose key is at the other end, and lets in the machines that the caller
// authorises. Before that, nothing a stranger sends is looked at: TLS handshakes only, each with an absolute deadline,
// a bounded number at a time, the oldest of the busiest address making room. Strangers who ask to pair are handed on
// as such. Refusals are told in bounded notes. No error of a socket or a handshake ever gets out of here.

import type { Socket } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import type { Clock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { preferredCiphers } from './cipher.ts'
import { credentialsOf, pairingProtocol, peerIdOf, sessionProtocol } from './credentials.ts'
import type { Identity } from './identity.ts'
import { type Link, linkOver } from './link.ts'
import { type LinkEvent, quietNotes, type RefusalReason } from './notes.ts'
import type { PeerId } from './peer-id.ts'
import { type Rejection, rejectionFrame } from './rejection.ts'

export type ListenLimits = {
  /** From the first packet to an authorised link, or to the end of a pairing. */
  readonly handshakeMs: number
  /** Connections that are not authorised yet. */
  readonly strangers: number
  readonly linksPerPeer: number
}

export const defaultListenLimits: ListenLimits = { handshakeMs: 10_000, strangers: 64, linksPerPeer: 8 }

export type ListenOptions = {
  readonly host: string
  /** 0 for any free one. */
  readonly port: number
  readonly identity: Identity
  /** The name of a paired machine, or undefined to refuse. Asked for each connection, and again by `recheck`. */
  authorise(peerId: PeerId): string | undefined
  /** A paired machine is on the line. The link is the callee's to use and to close; it has read nothing yet. */
  onLink(link: Link): void
  /** Somebody asks to pair. The link ends at the handshake deadline whatever happens. Without this, all are refused. */
  onPairingLink?(link: Link): void
  readonly limits?: Partial<ListenLimits>
  readonly clock: Clock
  note(event: LinkEvent): void
}

export interface Listener {
  readonly port: number
  /** Asks `authorise` again for every link and cuts those whose machine is not paired any more. How many were cut. */
  recheck(): number
  /** Stops accepting and drops strangers; links live on. */
  close(): void
}

/** What becomes of a finished handshake: refused, a machine that is let in, or (without a name) one that pairs. */
type Verdict =
  | { readonly refused: RefusalReason; readonly peerId?: PeerId; readonly tell?: Rejection }
  | { readonly peerId: PeerId; readonly machine?: string }

type Stranger = { readonly raw: Socket; readonly address: string; readonly deadline: { cancel(): void } }

/** Opens the door. Throws Failure('port-in-use') or Failure('bad-config') when the port or address cannot be had. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { clock, identity } = options
  const limits = { ...defaultListenLimits, ...options.limits }
  const note = quietNotes(options.note, clock)
  const strangers = new Map<string, Stranger>()
  const links = new Map<PeerId, Set<Link>>()

  const server = createServer({
    ...credentialsOf(identity, clock),
    requestCert: true,
    honorCipherOrder: preferredCiphers(clock).insists,
    ALPNProtocols: [sessionProtocol, pairingProtocol],
    handshakeTimeout: limits.handshakeMs,
  })

  const admitStranger = (raw: Socket): void => {
    raw.on('error', () => {})
    const address = plainAddress(raw.remoteAddress)
    if (address === undefined) {
      raw.destroy()
      return
    }
    if (strangers.size >= limits.strangers) evict(strangers, note)
    raw.setNoDelay(true)
    const deadline = clock.timer(limits.handshakeMs, () => {
      note({ kind: 'refused', reason: 'too-slow', address })
      raw.destroy()
    })
    const key = socketKey(raw)
    strangers.set(key, { raw, address, deadline })
    raw.on('close', () => {
      deadline.cancel()
      strangers.delete(key)
    })
  }

  const authorised = (peerId: PeerId): string | undefined => {
    try {
      return options.authorise(peerId)
    } catch (error) {
      // The list of machines cannot be read: nobody gets in, and the reason is told.
      if (!(error instanceof Failure)) throw error
      note({ kind: 'refused', reason: 'no-list-of-machines', address: '', peerId })
      return undefined
    }
  }

  const judge = (socket: TLSSocket): Verdict => {
    const peerId = peerIdOf(socket)
    if (peerId === undefined) return { refused: 'no-certificate' }
    if (socket.alpnProtocol === pairingProtocol && options.onPairingLink !== undefined) return { peerId }
    if (socket.alpnProtocol !== sessionProtocol) return { refused: 'wrong-protocol', peerId }
    const machine = authorised(peerId)
    if (machine === undefined) return { refused: 'not-paired', peerId, tell: 'not-paired' }
    const count = links.get(peerId)?.size ?? 0
    if (count >= limits.linksPerPeer) return { refused: 'too-many-links', peerId, tell: 'too-many-links' }
    return { peerId, machine }
  }

  const accept = (socket: TLSSocket): void => {
    socket.on('error', () => {})
    const key = socketKey(socket)
    const stranger = strangers.get(key)
    if (stranger === undefined) {
      socket.destroy()
      return
    }
    const { address, deadline } = stranger
    const verdict = judge(socket)
    if ('refused' in verdict) {
      const { refused, peerId, tell } = verdict
      note({ kind: 'refused', reason: refused, address, ...(peerId === undefined ? {} : { peerId }) })
      if (tell === undefined) socket.destroy()
      else sayAndEnd(socket, rejectionFrame(tell))
    } else if (verdict.machine === undefined) {
      // Still a stranger: it keeps its place among them, and its deadline.
      const facts = { peerId: verdict.peerId, machine: address, remoteAddress: address }
      options.onPairingLink?.(linkOver(socket, facts, clock))
    } else {
      deadline.cancel()
      strangers.delete(key)
      const link = linkOver(socket, { ...verdict, machine: verdict.machine, remoteAddress: address }, clock)
      keepLink(links, verdict.peerId, link)
      options.onLink(link)
    }
  }

  server.on('connection', admitStranger)
  server.on('secureConnection', accept)
  server.on('tlsClientError', (_error, socket) => {
    socket.on('error', () => {})
    const address = socket.remoteAddress ?? ''
    note({ kind: 'refused', reason: 'handshake-failed', address })
    socket.destroy()
  })

  const port = await bind(server, options)
  server.on('error', () => note({ kind: 'refused', reason: 'accept-failed', address: '' }))
  return {
    port,
    recheck() {
      let cut = 0
      for (const [peerId, peerLinks] of [...links]) {
        if (options.authorise(peerId) !== undefined) continue
        for (const link of [...peerLinks]) {
          link.destroy(new Failure('not-paired', `${link.machine} is no longer paired`))
          cut += 1
        }
      }
      return cut
    },
    close() {
      server.close()
      for (const { raw } of strangers.values()) raw.destroy()
    },
  }
}

function keepLink(links: Map<PeerId, Set<Link>>, peerId: PeerId, link: Link): void {
  const peerLinks = links.get(peerId) ?? new Set()
  links.set(peerId, peerLinks.add(link))
  link.onClose(() => {
    peerLinks.delete(link)
    if (peerLinks.size === 0 && links.get(peerId) === peerLinks) links.delete(peerId)
  })
}

/** An IPv4 address as such, also where the listening socket is an IPv6 one. */
function plainAddress(address: string | undefined): string | undefined {
  return address?.replace(/^::ffff:(?=\d+\.)/, '')
}

function socketKey(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress}`
}

/** Makes room among the strangers: the oldest of the address that has the most. */
function evict(strangers: Map<string, Stranger>, note: (event: LinkEvent) => void): void {
  const counts = new Map<string, number>()
  for (const { address } of strangers.values()) counts.set(address, (counts.get(address) ?? 0) + 1)
  const most = Math.max(...counts.values())
  for (const [key, { raw, address, deadline }] of strangers) {
    if (counts.get(address) !== most) continue
    note({ kind: 'refused', reason: 'crowded', address })
    deadline.cancel()
    strangers.delete(key)
    raw.destroy()
    return
  }
}

const farewellBytes = 64 * 1024

/** Sends `bytes` and ends; what still arrives is dropped unread, or else closing would wipe out what was sent. */
function sayAndEnd(socket: TLSSocket, bytes: Uint8Array): void {
  let dropped = 0
  socket.on('data', (chunk: Uint8Array) => {
    dropped += chunk.length
    if (dropped > farewellBytes) socket.destroy()
  })
  socket.on('end', () => socket.destroy())
  socket.end(bytes)
}

function bind(server: ReturnType<typeof createServer>, { host, port }: ListenOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      if (error.code === 'EADDRINUSE') {
        reject(
          new Failure('port-in-use', `port ${port} is used by another program`, {
            hint: 'Is Nightferry running already? Else choose another port.',
            cause: error,
          }),
        )
      } else reject(new Failure('bad-config', `cannot listen on ${host}:${port} (${error.code})`, { cause: error }))
    }
    server.once('error', failed)
    server.listen({ host, port }, () => {
      server.removeListener('error', failed)
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}
