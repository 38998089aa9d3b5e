// Calling another machine: a TLS connection to a host and port, kept only if the key at the other end is the expected
// one. That the other side accepts our key shows later: a TLS 1.3 client is done before the server has judged it, so
// the session's hello is what to wait for. Names and addresses are only hints where to look; the key decides.

import { connect, type TLSSocket } from 'node:tls'
import type { Clock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { credentialsOf, pairingProtocol, peerIdOf, sessionProtocol } from './credentials.ts'
import type { Identity } from './identity.ts'
import { type Link, linkOver } from './link.ts'
import { type PeerId, shortPeerId } from './peer-id.ts'

export type DialOptions = {
  readonly host: string
  readonly port: number
  readonly identity: Identity
  readonly clock: Clock
  /** For finding the host, connecting and the handshake together. 10 s where not given. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

const defaultTimeoutMs = 10_000

/**
 * A link to the machine whose key is `peerId`; `machine` is what we call it. Throws Failure: `unreachable`, `timed-out`
 * or `cancelled`; `wrong-peer` when another machine or program answers there; `version-mismatch`.
 */
export async function dial(options: DialOptions & { peerId: PeerId; machine: string }): Promise<Link> {
  const { host, port, peerId, machine } = options
  const socket = await handshake(options, sessionProtocol)
  const found = peerIdOf(socket)
  if (found !== peerId) {
    socket.destroy()
    const who = found === undefined ? 'a machine that shows no key' : `another machine (${shortPeerId(found)}...)`
    throw new Failure('wrong-peer', `${who} answers at ${host}:${port}, not ${machine}`, {
      hint: `Its address may have passed to another machine. If ${machine} was set up anew, pair it again.`,
    })
  }
  return linkOver(socket, { peerId, machine, remoteAddress: socket.remoteAddress ?? host }, options.clock)
}

/** A link for pairing, to whoever answers. Nothing it says is to be believed before the code has been confirmed. */
export async function dialForPairing(options: DialOptions): Promise<Link> {
  const { host, port, clock } = options
  const socket = await handshake(options, pairingProtocol)
  const peerId = peerIdOf(socket)
  if (peerId === undefined) {
    socket.destroy()
    throw new Failure('wrong-peer', `what answers at ${host}:${port} is not Nightferry`)
  }
  return linkOver(socket, { peerId, machine: `${host}:${port}`, remoteAddress: socket.remoteAddress ?? host }, clock)
}

function handshake(options: DialOptions, protocol: string): Promise<TLSSocket> {
  const { host, port, identity, clock, signal, timeoutMs = defaultTimeoutMs } = options
  const place = `${host}:${port}`
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(cancelled(place))
      return
    }
    const socket = connect({
      ...credentialsOf(identity, clock),
      host,
      port,
      // No name is sent: it would stand in clear text in the first packet.
      servername: '',
      checkServerIdentity: () => undefined,
      ALPNProtocols: [protocol],
    })
    socket.setNoDelay(true)
    const settle = (failure?: Failure): void => {
      deadline.cancel()
      signal?.removeEventListener('abort', abort)
      socket.removeListener('close', closed)
      if (failure === undefined) resolve(socket)
      else {
        socket.destroy()
        reject(failure)
      }
    }
    const abort = (): void => settle(cancelled(place))
    const closed = (): void => settle(new Failure('unreachable', `${place} closed the connection at once`))
    const deadline = clock.timer(timeoutMs, () => {
      settle(new Failure('timed-out', `${place} did not answer within ${timeoutMs} ms`))
    })
    signal?.addEventListener('abort', abort, { once: true })
    // Stays: an error after the handshake is told by the link, and must not find no listener in between.
    socket.on('error', (error) => settle(dialFailure(error, place)))
    socket.on('close', closed)
    socket.once('secureConnect', () => {
      const spoken = socket.alpnProtocol
      settle(spoken === protocol ? undefined : new Failure('wrong-peer', `what answers at ${place} is not Nightferry`))
    })
  })
}

function cancelled(place: string): Failure {
  return new Failure('cancelled', `calling ${place} was cancelled`)
}

function dialFailure(error: NodeJS.ErrnoException, place: string): Failure {
  const code = error.code ?? ''
  if (code.includes('NO_APPLICATION_PROTOCOL')) {
    return new Failure('version-mismatch', `${place} does not speak ${sessionProtocol} or ${pairingProtocol}`, {
      hint: 'Update Nightferry on the older of the two machines.',
      cause: error,
    })
  }
  if (code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS') || code === 'EPROTO') {
    return new Failure('wrong-peer', `what answers at ${place} is not Nightferry (${code})`, { cause: error })
  }
  const hint = code === 'ECONNREFUSED' ? 'The machine is on, but nothing listens at that port.' : ''
  return new Failure('unreachable', `cannot reach ${place} (${code === '' ? 'no address worked' : code})`, {
    hint,
    cause: error,
  })
}
