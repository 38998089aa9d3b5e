// The door: accepts TLS connections, learns whose key is at the other end, and lets in the machines that the caller
// authorises. Before that, nothing a stranger sends is looked at: TLS handshakes only, each with an absolute deadline,
// a bounded number at a time, the oldest of the busiest address making room. Strangers who ask to pair are handed on
// as such. Refusals are told in bounded notes. No error of a socket or a handshake ever gets out of here.

import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { Clock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { preferredCiphers } from './cipher.ts'
import { credentialsOf, pairingProtocol, peerIdOf, sessionProtocol } from './credentials.ts'
import type { Identity } from './identity.ts'
import { type Link, linkOver } from './link.ts'
import { type LinkEvent, quietNotes, type RefusalReason } from './notes.ts'
import type { PeerId } from './peer-id.ts'
import { type Rejection, rejectionFrame } from './rejection.ts'

type ListenLimits = {
  /** From the first packet to an authorised link, or to the end of a pairing. */
  readonly handshakeMs: number
  /** Connections that are not authorised yet. */
  readonly strangers: number
  readonly linksPerPeer: number
}

const defaultListenLimits: ListenLimits = { handshakeMs: 10_000, strangers: 64, linksPerPeer: 8 }

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
  /** What it is bound to: an IP address of this machine, or 0.0.0.0 or :: for all. */
  readonly address: string
  /**
   * Asks `authorise` again for every link and cuts those whose machine is not paired any more; how many were cut. While
   * the list of machines cannot be read, nobody is cut.
   */
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
  const door = new Door(options)
  await door.open()
  return door
}

class Door implements Listener {
  readonly #options: ListenOptions
  readonly #limits: ListenLimits
  readonly #note: (event: LinkEvent) => void
  readonly #server: Server
  readonly #strangers = new Map<string, Stranger>()
  readonly #links = new Map<PeerId, Set<Link>>()
  port = 0
  address = ''

  constructor(options: ListenOptions) {
    this.#options = options
    this.#limits = { ...defaultListenLimits, ...options.limits }
    this.#note = quietNotes(options.note, options.clock)
    this.#server = createServer({
      ...credentialsOf(options.identity, options.clock),
      requestCert: true,
      honorCipherOrder: preferredCiphers(options.clock).insists,
      ALPNProtocols: [sessionProtocol, pairingProtocol],
      handshakeTimeout: this.#limits.handshakeMs,
    })
  }

  async open(): Promise<void> {
    this.#server.on('connection', (raw: Socket) => this.#admit(raw))
    this.#server.on('secureConnection', (socket: TLSSocket) => this.#accept(socket))
    this.#server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      socket.on('error', () => {})
      // One who hangs up, or whom we have cut, has not failed at anything.
      const hasHungUp = error.code === 'ECONNRESET' || error.code === 'EPIPE'
      if (!hasHungUp) this.#refused('handshake-failed', plainAddress(socket.remoteAddress) ?? '')
      socket.destroy()
    })
    const { address, port } = await bind(this.#server, this.#options)
    this.address = address
    this.port = port
    this.#server.on('error', () => this.#refused('accept-failed', ''))
  }

  #refused(reason: RefusalReason, address: string, peerId?: PeerId): void {
    this.#note({ kind: 'refused', reason, address, ...(peerId === undefined ? {} : { peerId }) })
  }

  /** A connection, of which nothing is known yet. */
  #admit(raw: Socket): void {
    raw.on('error', () => {})
    const address = plainAddress(raw.remoteAddress)
    if (address === undefined) {
      raw.destroy()
      return
    }
    if (this.#strangers.size >= this.#limits.strangers) this.#makeRoom()
    raw.setNoDelay(true)
    const deadline = this.#options.clock.timer(this.#limits.handshakeMs, () => {
      this.#refused('too-slow', address)
      raw.destroy()
    })
    const key = socketKey(raw)
    this.#strangers.set(key, { raw, address, deadline })
    raw.on('close', () => {
      deadline.cancel()
      this.#strangers.delete(key)
    })
  }

  /** The oldest stranger of the address that has the most goes. */
  #makeRoom(): void {
    const counts = new Map<string, number>()
    for (const { address } of this.#strangers.values()) counts.set(address, (counts.get(address) ?? 0) + 1)
    const most = Math.max(...counts.values())
    for (const [key, { raw, address, deadline }] of this.#strangers) {
      if (counts.get(address) !== most) continue
      this.#refused('crowded', address)
      deadline.cancel()
      this.#strangers.delete(key)
      raw.destroy()
      return
    }
  }

  /** A finished handshake. */
  #accept(socket: TLSSocket): void {
    socket.on('error', () => {})
    const key = socketKey(socket)
    const stranger = this.#strangers.get(key)
    if (stranger === undefined) {
      socket.destroy()
      return
    }
    const { address, deadline } = stranger
    const { clock, onLink, onPairingLink } = this.#options
    const verdict = this.#judge(socket)
    if ('refused' in verdict) {
      this.#refused(verdict.refused, address, verdict.peerId)
      if (verdict.tell === undefined) socket.destroy()
      else sayAndEnd(socket, rejectionFrame(verdict.tell))
    } else if (verdict.machine === undefined) {
      // Still a stranger: it keeps its place among them, and its deadline.
      onPairingLink?.(linkOver(socket, { peerId: verdict.peerId, machine: address, remoteAddress: address }, clock))
    } else {
      deadline.cancel()
      this.#strangers.delete(key)
      const { peerId, machine } = verdict
      const link = linkOver(socket, { peerId, machine, remoteAddress: address }, clock)
      this.#keep(peerId, link)
      onLink(link)
    }
  }

  #judge(socket: TLSSocket): Verdict {
    const peerId = peerIdOf(socket)
    if (peerId === undefined) return { refused: 'no-certificate' }
    if (socket.alpnProtocol === pairingProtocol && this.#options.onPairingLink !== undefined) return { peerId }
    if (socket.alpnProtocol !== sessionProtocol) return { refused: 'wrong-protocol', peerId }
    const machine = this.#nameOf(peerId)
    if (typeof machine !== 'string') return { refused: 'not-paired', peerId, tell: 'not-paired' }
    const count = this.#links.get(peerId)?.size ?? 0
    if (count >= this.#limits.linksPerPeer) return { refused: 'too-many-links', peerId, tell: 'too-many-links' }
    return { peerId, machine }
  }

  /** What a machine is called; undefined where it is not paired, a Failure where that cannot be found out. */
  #nameOf(peerId: PeerId): string | undefined | Failure {
    try {
      return this.#options.authorise(peerId)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      this.#refused('no-list-of-machines', '', peerId)
      return error
    }
  }

  #keep(peerId: PeerId, link: Link): void {
    const peerLinks = this.#links.get(peerId) ?? new Set()
    this.#links.set(peerId, peerLinks.add(link))
    link.onClose(() => {
      peerLinks.delete(link)
      if (peerLinks.size === 0 && this.#links.get(peerId) === peerLinks) this.#links.delete(peerId)
    })
  }

  recheck(): number {
    let cut = 0
    for (const [peerId, peerLinks] of [...this.#links]) {
      if (this.#nameOf(peerId) !== undefined) continue
      for (const link of [...peerLinks]) {
        link.destroy(new Failure('not-paired', `${link.machine} is not paired any more`))
        cut += 1
      }
    }
    return cut
  }

  close(): void {
    this.#server.close()
    for (const { raw } of [...this.#strangers.values()]) raw.destroy()
  }
}

/** An IPv4 address as such, also where the listening socket is an IPv6 one. */
function plainAddress(address: string | undefined): string | undefined {
  return address?.replace(/^::ffff:(?=\d+\.)/, '')
}

function socketKey(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress}`
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

function bind(server: Server, { host, port }: ListenOptions): Promise<{ address: string; port: number }> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      if (error.code === 'EADDRINUSE') {
        reject(
          new Failure('port-in-use', `port ${port} is used by another program`, {
            hint: 'Is Nightferry running already? Else choose another port.',
            cause: error,
          }),
        )
      } else {
        const hint = listenHint(error.code ?? '', host)
        reject(new Failure('bad-config', `cannot listen on ${host}:${port} (${error.code})`, { hint, cause: error }))
      }
    }
    server.once('error', failed)
    server.listen({ host, port }, () => {
      server.removeListener('error', failed)
      const bound = server.address()
      resolve(typeof bound === 'object' && bound !== null ? bound : { address: host, port })
    })
  })
}

function listenHint(code: string, host: string): string {
  if (code === 'EACCES') return 'ports below 1024 are for root; choose a higher one'
  return `${host} is no address of this machine; 0.0.0.0 listens on all that it has`
}
