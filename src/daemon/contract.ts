// What commands of the same user and the running daemon say to each other: HTTP over a Unix socket in the state
// directory (0700), one JSON line per event.

import { join } from 'node:path'
import { Failure } from '../std/failure.ts'
import type { Places } from './config.ts'

/** POST: makes a pairing code; the answer is a stream of `PairingLine`, which ends when the code is used or void. */
export const pairPath = '/pair'

/**
 * GET: where the daemon listens, as `Listening`. With `?to=PEERID` for who is about to tell that peer: 204 where the peer
 * was told already.
 */
export const listeningPath = '/listening'
export const toldPath = '/told'

export type PairingLine =
  | { readonly type: 'code'; readonly code: string; readonly port: number }
  | { readonly type: 'paired'; readonly name: string; readonly peerId: string }
  | { readonly type: 'failure'; readonly code: string; readonly message: string; readonly hint: string }

/** GET: what the daemon does now, as one `DaemonStatus`. */
export const statusPath = '/status'

export type DaemonStatus = {
  readonly schema: 1
  readonly machine: string
  readonly productVersion: string
  /** Its process number. */
  readonly process: number
  readonly startedMs: number
  readonly port: number
  readonly sessions: readonly {
    readonly machine: string
    readonly openedMs: number
    /** Undefined before it opened a folder. */
    readonly role?: string
    readonly path?: string
    readonly runId?: string
  }[]
  readonly shares: readonly { readonly name: string; readonly path: string }[]
}

const socketPathMaxBytes = 100

/** Where the daemon of these places can be spoken to. Throws `bad-config` where the system can't have a socket there. */
export function socketPath(places: Places): string {
  const path = join(places.state, 'daemon.sock')
  if (Buffer.byteLength(path) > socketPathMaxBytes) {
    throw new Failure('bad-config', `the state directory has too long a path for a socket: ${places.state}`, {
      hint: 'choose a shorter one with --state or XDG_STATE_HOME',
    })
  }
  return path
}
