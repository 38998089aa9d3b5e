// What commands of this machine ask its running daemon over the socket. No daemon is an answer too: undefined.

import { ownFileMode } from '../std/files.ts'
import type { Listening } from '../wire/addresses.ts'
import type { PeerId } from '../wire/peer-id.ts'
import type { Places } from './config.ts'
import { listeningPath, socketPath } from './contract.ts'

const answerMs = 1000
const answerMaxBytes = 4096

/**
 * Where this machine's daemon listens; undefined where none runs, and where `peerId`, who is to be told, knows it.
 * Never throws.
 */
export async function ownListening(places: Places, peerId?: PeerId): Promise<Listening | undefined> {
  try {
    const path = socketPath(places)
    if (ownFileMode(path) === undefined) return undefined
    const query = peerId === undefined ? '' : `?to=${peerId}`
    const { request } = await import('node:http')
    const text = await new Promise<string>((resolve, reject) => {
      const call = request({ socketPath: path, path: listeningPath + query, method: 'GET', timeout: answerMs })
      call.on('timeout', () => call.destroy(new Error('the daemon does not answer')))
      call.on('error', reject)
      call.on('response', (response) => {
        let answer = ''
        response.setEncoding('utf8').on('data', (part: string) => {
          answer += part
          if (answer.length > answerMaxBytes) call.destroy(new Error('the daemon says too much'))
        })
        response.on('error', reject)
        response.on('end', () => resolve(response.statusCode === 200 ? answer : ''))
      })
      call.end()
    })
    const { address, port } = JSON.parse(text) as Partial<Listening>
    return typeof address === 'string' && typeof port === 'number' ? { address, port } : undefined
  } catch {
    return undefined
  }
}
