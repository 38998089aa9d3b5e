// A link: a byte pipe to one machine, whose other end is already known. Made over any duplex stream: a TLS socket whose
// peer was checked (listen.ts, dial.ts), or the stdio of an ssh process. It hides sockets, corking, their errors and
// their many ways to end; whoever uses it sees bytes, one `close` with one reason, and never an exception from a stream.
// It does not look at the bytes. Memory: what was written and not yet taken by the socket; the writer watches `isFull`.

import { Socket } from 'node:net'
import type { Duplex, Readable, Writable } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { assert } from '../std/assert.ts'
import type { Clock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import type { PeerId } from './peer-id.ts'
import { readIntoBuffer } from './read-buffer.ts'

type LinkFacts = {
  /** Whose key the other end has shown; undefined where ssh vouches instead. */
  readonly peerId: PeerId | undefined
  /** What we call that machine. For a stranger who pairs: its address. */
  readonly machine: string
  readonly remoteAddress: string
}

export interface Link extends LinkFacts {
  /**
   * Sends the chunks as one write. They must stay as they are until `taken` is called, with an error where they did not
   * go out. False: enough is waiting, hold back until `onDrain`.
   */
  write(chunks: readonly [Uint8Array, ...Uint8Array[]], taken?: (error?: Error | null) => void): boolean
  /** Starts reading. A chunk is valid during the call only. A Failure thrown by `take` closes the link. Once. */
  onData(take: (chunk: Uint8Array) => void): void
  /** Nothing is waiting to be sent any more. */
  onDrain(drained: () => void): void
  /** The link is over; no data follows. Called once, at once where it already is. Without a failure: a clean end. */
  onClose(closed: (failure?: Failure) => void): void
  /** Sends what is waiting, then ends. What does not go out within a few seconds is dropped. */
  end(): void
  destroy(failure?: Failure): void
  /** Key material that only the two ends of this TLS connection can compute. */
  exportKey(label: string, context: Uint8Array, lengthBytes: number): Uint8Array
  /** What was written and has not been taken by the socket. */
  readonly waitingBytes: number
  /** Whether that is enough for now. */
  readonly isFull: boolean
  readonly isClosed: boolean
  readonly bytesRead: number
  readonly bytesWritten: number
}

/** So much may wait in a socket before it counts as full: a few bulk frames, so that it never runs dry. */
const fullBytes = 1024 * 1024
const endDeadlineMs = 5_000
/** How long what the other side said last may still be read, once it takes nothing any more. */
const lastWordsMs = 1_000

/** A link's two directions as streams of their own: what goes into a process, and what comes out of it. */
export type Pipes = {
  readonly input: Readable
  readonly output: Writable
  /** Asked once they have ended, and told instead of a bare end. */
  readonly whyEnded?: () => Promise<Failure | undefined>
}

/** The failure that a stream's error stands for. Only its code is told: messages can hold what a peer chose. */
export function lostConnection(machine: string, error: unknown): Failure {
  if (error instanceof Failure) return error
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
  const detail = code === undefined ? '' : ` (${code})`
  return new Failure('connection-lost', `the connection to ${machine} broke${detail}`, { cause: error })
}

/** A link over an open stream, or a pair of them, which it owns from now on. Nothing is read before `onData`. */
export function linkOver(stream: Duplex | Pipes, facts: LinkFacts, clock: Clock): Link {
  const isPair = 'input' in stream
  const { input, output, whyEnded }: Pipes = isPair ? stream : { input: stream, output: stream }
  let bytesRead = 0
  let bytesWritten = 0
  let isReading = false
  let ending: { cancel(): void } | undefined
  let outcome: { failure: Failure | undefined } | undefined
  const closeCalls: ((failure?: Failure) => void)[] = []
  /** Writes that were not taken yet: a stream that is destroyed may forget to call back. */
  const underWay = new Set<(error?: Error | null) => void>()

  const close = (failure: Failure | undefined): void => {
    if (outcome !== undefined) return
    outcome = { failure }
    ending?.cancel()
    for (const settle of underWay) settle(failure ?? lostConnection(facts.machine, undefined))
    for (const call of closeCalls.splice(0)) call(failure)
  }
  const destroy = (failure?: Failure): void => {
    input.destroy()
    output.destroy()
    close(failure)
  }
  /** The streams have ended by themselves. */
  let isOver = false
  const over = (failure: Failure | undefined): void => {
    if (isOver || outcome !== undefined) return
    isOver = true
    if (whyEnded === undefined) close(failure)
    else void whyEnded().then((told) => destroy(told ?? failure))
  }
  const receive = (chunk: Uint8Array, take: (chunk: Uint8Array) => void): void => {
    if (outcome !== undefined) return
    bytesRead += chunk.length
    try {
      take(chunk)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      destroy(error)
    }
  }

  const lost = (error: Error): void => {
    over(lostConnection(facts.machine, error))
    input.destroy()
    output.destroy()
  }
  input.on('error', lost)
  if (isPair) output.on('error', (error) => void clock.timer(lastWordsMs, () => lost(error)))
  input.on('end', () => {
    // The other side sends no more: a session cannot go on with half a link. What waits may still go out.
    clock.timer(endDeadlineMs, () => output.destroy())
    output.end(() => {
      output.destroy()
      input.destroy()
    })
    over(undefined)
  })
  input.on('close', () => over(undefined))

  return {
    ...facts,
    write(chunks, taken) {
      if (outcome !== undefined || ending !== undefined || !output.writable) {
        if (taken !== undefined) queueMicrotask(() => taken(lostConnection(facts.machine, undefined)))
        return false
      }
      const settle = (error?: Error | null): void => {
        if (underWay.delete(settle)) taken?.(error)
      }
      underWay.add(settle)
      const last = chunks.length - 1
      output.cork()
      for (const [index, chunk] of chunks.entries()) {
        bytesWritten += chunk.length
        if (index === last) output.write(chunk, settle)
        else output.write(chunk)
      }
      output.uncork()
      return output.writableLength < fullBytes
    },
    onData(take) {
      assert(!isReading, 'a link has one reader')
      isReading = true
      if (input instanceof Socket) readIntoBuffer(input, (chunk) => receive(chunk, take))
      input.on('data', (chunk: Uint8Array) => receive(chunk, take))
      // It stands still where something was read of it before.
      input.resume()
    },
    onDrain: (drained) => void output.on('drain', drained),
    onClose(closed) {
      if (outcome === undefined) closeCalls.push(closed)
      else closed(outcome.failure)
    },
    end() {
      if (outcome !== undefined || ending !== undefined) return
      ending = clock.timer(endDeadlineMs, () => destroy())
      output.end()
    },
    destroy,
    exportKey(label, context, lengthBytes) {
      assert(stream instanceof TLSSocket, 'only a TLS link has key material to export')
      const bytes = Buffer.from(context.buffer, context.byteOffset, context.byteLength)
      return new Uint8Array(stream.exportKeyingMaterial(lengthBytes, label, bytes))
    },
    get waitingBytes() {
      return output.writableLength
    },
    get isFull() {
      return output.writableLength >= fullBytes
    },
    get isClosed() {
      return outcome !== undefined
    },
    get bytesRead() {
      return bytesRead
    },
    get bytesWritten() {
      return bytesWritten
    },
  }
}
