// The daemon's side of the contract: a small HTTP server on a Unix socket that only this user can reach. One daemon at a
// time has the socket of a state directory; one left behind by a daemon that died is taken over.

import { createServer, request, type ServerResponse } from 'node:http'
import { asFailure, Failure } from '../std/failure.ts'
import { removeOwnFile } from '../std/files.ts'
import type { Listening } from '../wire/addresses.ts'
import type { PairingOffer } from '../wire/pairing.ts'
import { type PeerId, parsePeerId } from '../wire/peer-id.ts'
import type { Places } from './config.ts'
import {
  type DaemonStatus,
  listeningPath,
  type PairingLine,
  pairPath,
  socketPath,
  statusPath,
  toldPath,
} from './contract.ts'

export type ServerActions = {
  /** A new code; an earlier one is void from now on. */
  offerCode(): PairingOffer
  /** Where the daemon listens. */
  readonly listening: Listening
  /** Whether a peer is to be told so. */
  isDue(peerId: PeerId): boolean
  /** A command has told it. */
  noteTold(peerId: PeerId): void
  /** What the daemon does now. */
  status(): DaemonStatus
}

/** Opens the socket. Throws `root-locked` when another daemon serves these places. */
export async function openServer(places: Places, actions: ServerActions): Promise<{ close(): Promise<void> }> {
  const path = socketPath(places)
  if (await isAnswered(path)) {
    throw new Failure('root-locked', `another daemon is running with the state in ${places.state}`)
  }
  removeOwnFile(path)
  const server = createServer((incoming, response) => {
    if (incoming.method === 'POST' && incoming.url === pairPath) offer(actions, response)
    else if (incoming.method === 'GET' && incoming.url === statusPath) tellStatus(actions, response)
    else if (incoming.method === 'GET' && incoming.url?.split('?')[0] === listeningPath) {
      const peerId = parsePeerId(incoming.url.split('?to=')[1] ?? '')
      if (peerId !== undefined && !actions.isDue(peerId)) response.writeHead(204).end()
      else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(actions.listening))
    } else if (incoming.method === 'POST' && incoming.url?.split('?')[0] === toldPath) {
      const peerId = parsePeerId(incoming.url.split('?to=')[1] ?? '')
      if (peerId !== undefined) actions.noteTold(peerId)
      response.writeHead(204).end()
    } else response.writeHead(404).end()
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = request({ socketPath: path, path: '/', method: 'GET' })
    probe.on('response', (response) => {
      response.resume()
      resolve(true)
    })
    probe.on('error', () => resolve(false))
    probe.end()
  })
}

function tellStatus(actions: ServerActions, response: ServerResponse): void {
  try {
    const text = JSON.stringify(actions.status())
    response.writeHead(200, { 'content-type': 'application/json' }).end(text)
  } catch (error) {
    // A settings file that is damaged is told by the command that asks, which reads it too.
    response.writeHead(500).end(asFailure(error, 'bad-config').message)
  }
}

function offer(actions: ServerActions, response: ServerResponse): void {
  const say = (line: PairingLine): void => void response.write(`${JSON.stringify(line)}\n`)
  const made = actions.offerCode()
  // Nobody waits for the code any more: it is void.
  response.on('close', () => made.withdraw())
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  say({ type: 'code', code: made.code, port: actions.listening.port })
  made.paired
    .then(
      ({ name, peerId }) => say({ type: 'paired', name, peerId }),
      (error: unknown) => {
        const { code, message, hint } = asFailure(error, 'pairing-failed')
        say({ type: 'failure', code, message, hint })
      },
    )
    .finally(() => response.end())
}
