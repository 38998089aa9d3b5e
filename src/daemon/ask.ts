// How commands of the same user ask the running daemon. No daemon is an answer too.

import { request } from 'node:http'
import { systemClock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import type { Places } from './config.ts'
import { type DaemonStatus, socketPath, statusPath } from './contract.ts'

const answerMs = 5000

/** What the daemon of these places says of itself; undefined where none runs. Throws `peer-failed` for one that does not answer. */
export function askDaemon(places: Places): Promise<DaemonStatus | undefined> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: socketPath(places), path: statusPath, method: 'GET' })
    const fail = (what: string): void => {
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
      response.setEncoding('utf8')
      response.on('data', (part: string) => {
        text += part
      })
      response.on('close', () => {
        deadline.cancel()
        if (response.statusCode === 200) resolve(JSON.parse(text) as DaemonStatus)
        else fail('is of another version, which tells no status')
      })
    })
    call.end()
  })
}
