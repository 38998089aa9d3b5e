// The way out of a session: frames onto a link. Control frames go at once; bulk frames wait for credit (of their stream
// and of the session) and for room in the link, and streams that have both take turns, so that no stream starves another
// and control never stands behind more than the little that the link holds. Payloads are never copied here: header
// and payload are handed to the link side by side, or as one piece where the sender left room for the header.

import { assert } from '../std/assert.ts'
import type { Clock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { frameHeader, frameKind, maxControlBytes } from './frame.ts'
import { type Link, lostConnection } from './link.ts'

/** What a payload counts against credit: its bytes, and what keeping a frame costs the receiver besides. */
export function frameCost(lengthBytes: number): number {
  return lengthBytes + 256
}

/** A payload that waits to go out. Exactly one of the two is called. */
export type Parcel = {
  readonly payload: Uint8Array
  /** The twelve bytes before the payload, in its own memory, may be written to: then header and payload go out as one. */
  readonly hasHeadroom: boolean
  taken(): void
  lost(failure: Failure): void
}

/** A stream as the outlet sees it: parcels in order, and the credit the other side has given. */
export interface Sender {
  readonly id: number
  readonly parcels: Parcel[]
  credit: number
  isQueued: boolean
  /** The last parcel that waited is on its way. */
  emptied(): void
}

/** Header and payload as one piece, which spares TLS a copy of both. */
function joined(header: Uint8Array, payload: Uint8Array): Uint8Array {
  const start = payload.byteOffset - header.length
  const whole = new Uint8Array(payload.buffer, start, header.length + payload.length)
  whole.set(header)
  return whole
}

export class Outlet {
  readonly #link: Link
  readonly #clock: Clock
  readonly #maxWaitingBytes: number
  readonly #overrun: (failure: Failure) => void
  /** Senders with parcels and, as far as known, credit: each takes its turn at the front. */
  readonly #queue: Sender[] = []
  #sessionCredit = 0
  #lastSentMs: number
  #writesTaken = 0
  /** Bulk frames that were written and not taken yet, and the time during which there was any. */
  #writing = 0
  #writingSinceMs = 0
  #writingMs = 0
  #isClosed = false
  readonly #countTaken = (): void => {
    this.#writesTaken += 1
  }

  /** `overrun` is called when more than `maxWaitingBytes` wait for a peer that does not read. */
  constructor(link: Link, clock: Clock, maxWaitingBytes: number, overrun: (failure: Failure) => void) {
    this.#link = link
    this.#clock = clock
    this.#maxWaitingBytes = maxWaitingBytes
    this.#overrun = overrun
    this.#lastSentMs = clock.monotonicMs()
    link.onDrain(() => this.pump())
  }

  get lastSentMs(): number {
    return this.#lastSentMs
  }

  /** Grows whenever the socket takes what was written: standing still with bytes waiting, the other side reads nothing. */
  get writesTaken(): number {
    return this.#writesTaken
  }

  /** Time during which the socket had content of ours that it did not take yet: all of it where the line is slow. */
  get writingMs(): number {
    return this.#writingMs + (this.#writing > 0 ? this.#clock.monotonicMs() - this.#writingSinceMs : 0)
  }

  /** Sends a control frame now. After the end of the session it does nothing. */
  control(kind: number, stream: number, flags: number, ...parts: readonly Uint8Array[]): void {
    if (this.#isClosed) return
    if (this.#link.waitingBytes > this.#maxWaitingBytes) {
      this.#overrun(new Failure('limit-exceeded', `${this.#link.machine} does not read what it asked for`))
      return
    }
    let length = 0
    for (const part of parts) length += part.length
    assert(length <= maxControlBytes, 'a control frame fits its cap')
    this.#lastSentMs = this.#clock.monotonicMs()
    this.#link.write([frameHeader(stream, kind, flags, length), ...parts], this.#countTaken)
  }

  /** The sender has a parcel or more credit: it gets its turn. */
  schedule(sender: Sender): void {
    if (this.#isClosed || sender.isQueued || sender.parcels.length === 0) return
    sender.isQueued = true
    this.#queue.push(sender)
    this.pump()
  }

  /** The session's credit with this much more, before anything is sent of it. */
  addSessionCredit(amount: number): number {
    this.#sessionCredit += amount
    const credit = this.#sessionCredit
    this.pump()
    return credit
  }

  /** Sends what may go out now. */
  pump(): void {
    while (!this.#isClosed && !this.#link.isFull) {
      const sender = this.#queue[0]
      const parcel = sender?.parcels[0]
      if (sender === undefined) return
      if (parcel === undefined || frameCost(parcel.payload.length) > sender.credit) {
        this.#queue.shift()
        sender.isQueued = false
        continue
      }
      if (frameCost(parcel.payload.length) > this.#sessionCredit) return
      this.#send(sender, parcel)
    }
  }

  #send(sender: Sender, parcel: Parcel): void {
    const { payload } = parcel
    const cost = frameCost(payload.length)
    this.#sessionCredit -= cost
    sender.credit -= cost
    sender.parcels.shift()
    this.#queue.shift()
    sender.isQueued = sender.parcels.length > 0
    if (sender.isQueued) this.#queue.push(sender)
    this.#lastSentMs = this.#clock.monotonicMs()
    if (this.#writing++ === 0) this.#writingSinceMs = this.#lastSentMs
    const header = frameHeader(sender.id, frameKind.data, 0, payload.length)
    this.#link.write(parcel.hasHeadroom ? [joined(header, payload)] : [header, payload], (error) => {
      this.#writesTaken += 1
      if (--this.#writing === 0) this.#writingMs += this.#clock.monotonicMs() - this.#writingSinceMs
      if (error) parcel.lost(lostConnection(this.#link.machine, error))
      else parcel.taken()
      this.pump()
    })
    if (sender.parcels.length === 0) sender.emptied()
  }

  close(): void {
    this.#isClosed = true
    this.#queue.length = 0
  }
}
