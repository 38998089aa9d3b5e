// A link that sends no faster than it is told. Everything that goes out counts, in the order in which it was written:
// content, questions, frames around them, and what TLS adds. Large writes leave in slices of a fortieth of a second, so
// that the rate holds within each second and not only on the whole; whoever writes sees a link that is full, and a little
// later one that is not. Until a rate is set it is the link itself. What the network adds below TLS (headers of TCP and
// IP, packets sent again) is not counted, and what comes in is the other side's to hold back.

import type { Clock } from '../std/clock.ts'
import { TokenBucket } from '../std/limit.ts'
import { type Link, lostConnection } from './link.ts'

const slicesPerSecond = 40
/** Room in a bucket for a timer that fires late: a twentieth of a second at most goes out faster. */
const burstsPerSecond = 20
const sliceBytesMax = 256 * 1024
/** A frame takes half a second at most, for whatever is small and urgent waits behind it. */
const framesPerSecond = 2
const frameBytesMin = 4096
/** A record of TLS 1.3 holds so much, and costs so much besides: its header, a type, a tag. */
const recordBytes = 16 * 1024
const recordCost = 22

export type PacedLink = Link & {
  /** From now on no more than so many bytes a second go out. */
  limit(rateBytes: number): void
  /** As large as a frame of data should be here; undefined without a limit. */
  readonly frameBytes: number | undefined
}

/** What of a link's bytes goes over the line: a slice, and the records that it is put into. */
export function lineBytes(bytes: number): number {
  return bytes + recordCost * Math.ceil(bytes / recordBytes)
}

type Waiting = { chunk: Uint8Array; readonly taken: ((error?: Error | null) => void) | undefined }

export function pacedLink(link: Link, clock: Clock): PacedLink {
  const queue: Waiting[] = []
  const drained: (() => void)[] = []
  let rate = 0
  let bucket: TokenBucket | undefined
  let queuedBytes = 0
  let timer: { cancel(): void } | undefined
  /** Bytes of a slice that were taken from the bucket, and that wait until they are earned. */
  let paidBytes = 0

  const sliceBytes = (): number => Math.min(sliceBytesMax, Math.max(1, Math.floor(rate / slicesPerSecond)))

  /** Sends the first bytes that wait, so many at most, as one write. */
  const sendSlice = (most: number): void => {
    const parts: Uint8Array[] = []
    const whole: ((error?: Error | null) => void)[] = []
    for (let room = most; ; ) {
      const [first] = queue
      // What is empty waits for nothing, or it would wait for ever.
      if (first === undefined || (room === 0 && first.chunk.length > 0)) break
      const part = first.chunk.subarray(0, room)
      parts.push(part)
      room -= part.length
      queuedBytes -= part.length
      first.chunk = first.chunk.subarray(part.length)
      if (first.chunk.length > 0) break
      queue.shift()
      if (first.taken !== undefined) whole.push(first.taken)
    }
    const [part, ...more] = parts
    if (part === undefined) return
    link.write([part, ...more], (error) => {
      for (const taken of whole) taken(error)
    })
  }

  const run = (): void => {
    if (bucket === undefined || timer !== undefined) return
    while (queue.length > 0 && !link.isFull) {
      if (paidBytes === 0) {
        paidBytes = Math.min(sliceBytes(), queuedBytes)
        const waitMs = bucket.take(lineBytes(paidBytes), clock.monotonicMs())
        if (waitMs > 0) {
          timer = clock.timer(waitMs, () => {
            timer = undefined
            run()
          })
          return
        }
      }
      sendSlice(paidBytes)
      paidBytes = 0
    }
    if (queue.length === 0 && !link.isFull) for (const tell of drained) tell()
  }

  /** Nothing is held back any more: what was begun goes out whole, or nothing behind it could be read. */
  const flush = (): void => {
    timer?.cancel()
    while (queue.length > 0) sendSlice(queuedBytes)
  }

  link.onDrain(() => (bucket === undefined ? drained.forEach((tell) => tell()) : run()))
  link.onClose((failure) => {
    timer?.cancel()
    queuedBytes = 0
    for (const { taken } of queue.splice(0)) taken?.(failure ?? lostConnection(link.machine, undefined))
  })

  return {
    peerId: link.peerId,
    machine: link.machine,
    remoteAddress: link.remoteAddress,
    limit(rateBytes) {
      rate = rateBytes
      bucket = new TokenBucket(rateBytes, rateBytes / burstsPerSecond, clock.monotonicMs(), 0)
    },
    get frameBytes() {
      return bucket === undefined ? undefined : Math.max(frameBytesMin, Math.floor(rate / framesPerSecond))
    },
    write(chunks, taken) {
      if (bucket === undefined || link.isClosed) return link.write(chunks, taken)
      const last = chunks.length - 1
      for (const [index, chunk] of chunks.entries()) {
        queue.push({ chunk, taken: index === last ? taken : undefined })
        queuedBytes += chunk.length
      }
      run()
      return queue.length === 0 && !link.isFull
    },
    onData: (take) => link.onData(take),
    onDrain: (tell) => void drained.push(tell),
    onClose: (closed) => link.onClose(closed),
    end() {
      flush()
      link.end()
    },
    destroy: (failure) => link.destroy(failure),
    exportKey: (label, context, lengthBytes) => link.exportKey(label, context, lengthBytes),
    get waitingBytes() {
      return queuedBytes + link.waitingBytes
    },
    get isFull() {
      return queue.length > 0 || link.isFull
    },
    get isClosed() {
      return link.isClosed
    },
    get bytesRead() {
      return link.bytesRead
    },
    get bytesWritten() {
      return link.bytesWritten
    },
  }
}
