// What commands of this machine ask its running daemon over the socket. No daemon is an answer too: undefined. What it
// says is bounded in time and size, whatever answers there.

import { systemClock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { ownFileMode } from '../std/files.ts'
import type { Listening } from '../wire/addresses.ts'
import type { PeerId } from '../wire/peer-id.ts'
import type { Places } from './config.ts'
import { type DaemonStatus, listeningPath, socketPath, statusPath, toldPath } from './contract.ts'

const answerMaxBytes = 1024 * 1024

type Answer = { readonly statusCode: number | undefined; readonly text: string }

/** Asks once; undefined where no daemon listens. Throws `peer-failed` for one that does not answer in time, or too much. */
async function ask(
  places: Places,
  path: string,
  answerMs: number,
  method: 'GET' | 'POST' = 'GET',
): Promise<Answer | undefined> {
  const socket = socketPath(places)
  if (ownFileMode(socket) === undefined) return undefined
  // Loaded here: most commands ask no daemon.
  const { request } = await import('node:http')
  return await new Promise((resolve, reject) => {
    const call = request({ socketPath: socket, path, method })
    const fail = (what: string): void => {
      deadline.cancel()
      call.destroy()
      reject(new Failure('peer-failed', `the daemon ${what}`, { hint: 'end it and start nightferry serve again' }))
    }
    const deadline = systemClock.timer(answerMs, () => fail(`gave no answer within ${answerMs / 1000} s`))
    call.on('error', () => {
      deadline.cancel()
      resolve(undefined)
    })
    call.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part
        if (text.length > answerMaxBytes) fail('says too much')
      })
      response.on('close', () => {
        deadline.cancel()
        resolve({ statusCode: response.statusCode, text })
      })
    })
    call.end()
  })
}

const statusMs = 5000

/** What the daemon of these places says of itself; undefined where none runs. Throws `peer-failed` for one that does not answer. */
export async function askDaemon(places: Places): Promise<DaemonStatus | undefined> {
  const answer = await ask(places, statusPath, statusMs)
  if (answer === undefined) return undefined
  if (answer.statusCode === 200) return JSON.parse(answer.text) as DaemonStatus
  throw new Failure('peer-failed', 'the daemon is of another version, which tells no status', {
    hint: 'end it and start nightferry serve again',
  })
}

const listeningMs = 1000

/**
 * Where this machine's daemon listens; undefined where none runs, and where `peerId`, who is to be told, knows it.
 * Never throws.
 */
export async function ownListening(places: Places, peerId?: PeerId): Promise<Listening | undefined> {
  try {
    const answer = await ask(places, listeningPath + (peerId === undefined ? '' : `?to=${peerId}`), listeningMs)
    const { address, port } = JSON.parse(answer?.statusCode === 200 ? answer.text : '') as Partial<Listening>
    return typeof address === 'string' && typeof port === 'number' ? { address, port } : undefined
  } catch {
    return undefined
  }
}

/** Tells the daemon that a peer was told where it listens. Never throws. */
export async function noteTold(places: Places, peerId: PeerId): Promise<void> {
  await ask(places, `${toldPath}?to=${peerId}`, listeningMs, 'POST').catch(() => {})
}
