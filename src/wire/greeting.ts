// What stands before a session over the stdio of a process, where no handshake says who speaks: one line of the answering
// side. The login files of a shell may have printed anything before it, and the command may not be Nightferry at all, so
// the calling side sends nothing until it has read this line, looks for it in a bounded number of bytes, and keeps what
// came before it only to show it. The NUL in front never stands in what a shell greets a person with.

import type { Readable } from 'node:stream'
import type { Clock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'

/** The same promise as the name that TLS agrees on: frames and the version part of the hello. */
const greetingVersion = 1
const mark = Buffer.from('\0nightferry/', 'latin1')
const pattern = /^(\d{1,4}) stdio\n/
/** After the mark: a version of four digits and the rest of the line. */
const tailBytes = 11

/** The line that the answering side writes first. */
export const greeting: Uint8Array = Buffer.from(`\0nightferry/${greetingVersion} stdio\n`, 'latin1')

/** More than that before the greeting is no shell's welcome. */
export const noiseMaxBytes: number = 64 * 1024

/** The greeting in what came so far: where its line begins and ends. Undefined: not yet. Pure. */
export function findGreeting(
  bytes: Buffer,
  peer: string,
): { readonly start: number; readonly end: number } | undefined {
  for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + 1)) {
    const from = at + mark.length
    const said = pattern.exec(bytes.toString('latin1', from, from + tailBytes))
    if (said !== null && Number(said[1]) !== greetingVersion) {
      throw new Failure('version-mismatch', `${peer} speaks another form of sessions than this machine (${said[1]})`, {
        hint: 'Update Nightferry on the older of the two machines.',
      })
    }
    if (said !== null) return { start: at, end: from + said[0].length }
  }
  if (bytes.length < noiseMaxBytes) return undefined
  throw new Failure('wrong-peer', `what answers on ${peer} says much, but is not Nightferry`, {
    hint: 'Do the login files of the shell there print to everything that logs in?',
  })
}

/**
 * Reads up to and including the greeting, and leaves `input` paused behind it. `noise` is given what came before it, or
 * instead of it. Throws what `findGreeting` throws, `timed-out`, or `connection-lost` where `input` ends first; the streams
 * are the caller's.
 */
export function readGreeting(
  input: Readable,
  options: {
    readonly peer: string
    readonly clock: Clock
    readonly timeoutMs: number
    readonly noise: (bytes: Uint8Array) => void
  },
): Promise<void> {
  const { peer, clock, timeoutMs, noise } = options
  let seen: Buffer = Buffer.alloc(0)
  return new Promise((resolve, reject) => {
    const settle = (failure?: Failure): void => {
      deadline.cancel()
      input.removeListener('data', take)
      input.removeListener('end', ended)
      input.removeListener('close', ended)
      if (failure === undefined) return
      noise(seen)
      reject(failure)
    }
    const ended = (): void => settle(new Failure('connection-lost', `${peer} ended before Nightferry spoke there`))
    const take = (chunk: Buffer): void => {
      seen = Buffer.concat([seen, chunk])
      let found: ReturnType<typeof findGreeting>
      try {
        found = findGreeting(seen, peer)
      } catch (error) {
        if (!(error instanceof Failure)) throw error
        settle(error)
        return
      }
      if (found === undefined) return
      input.pause()
      settle()
      if (found.end < seen.length) input.unshift(seen.subarray(found.end))
      noise(seen.subarray(0, found.start))
      resolve()
    }
    const deadline = clock.timer(timeoutMs, () => {
      settle(new Failure('timed-out', `${peer} did not answer within ${Math.round(timeoutMs / 1000)} s`))
    })
    input.on('data', take)
    input.once('end', ended)
    input.once('close', ended)
  })
}
