// A stream of bulk data within a session, in both directions, with credit: the receiver says how many bytes may be
// under way, and gives more when its consumer is done with what came, so that a slow disk slows its sender and nothing
// piles up. A stream ends when both sides have ended it, or at once when either cancels it, with a failure that the
// other side gets too. A peer that sends more than it was given breaks a rule, and the session ends.

import { assert } from '../std/assert.ts'
import { Failure } from '../std/failure.ts'
import { frameKind, headerBytes, maxBulkBytes } from './frame.ts'
import { frameCost, type Outlet, type Parcel, type Sender } from './outlet.ts'
import { encodeFailure } from './told-failure.ts'

export interface WireStream {
  readonly name: string
  /**
   * Set by a receiver that wants payloads in memory of its own (a shared slab): gives exactly `length` bytes, or
   * undefined where there is no room, which ends the session, for credit should have prevented it. Set it in `onStream`.
   * What it gave comes to `onFrame`; or, when the stream or the session ends in the middle of the payload, never: once
   * `done` has settled, nothing writes to such memory any more, and it is its owner's again.
   */
  allocate: ((lengthBytes: number) => Uint8Array | undefined) | undefined
  /**
   * Sends 1 to 4 MiB of bytes. Resolves when they may be changed again; several may be under way. Rejects with the
   * failure that ended the stream. `hasHeadroom`: the twelve bytes before the payload in its buffer may be written to.
   */
  send(payload: Uint8Array, options?: { readonly hasHeadroom: boolean }): Promise<void>
  /**
   * Takes payloads in order. They are the taker's until it calls `release`, which gives the sender new credit; a frame
   * never released stays counted for ever. A Failure thrown by `take` cancels the stream.
   */
  onFrame(take: (payload: Uint8Array, release: () => void) => void): void
  /** How large the pieces of something long should be: under a limit, nothing urgent is to wait long behind one. */
  readonly pieceBytes: number
  /** The other side has sent its last. Not called when the stream was cancelled or lost. */
  onEnd(ended: () => void): void
  /** This side sends no more; what was handed to `send` still goes out. */
  end(): void
  /** Ends both directions now; both sides' `done` and pending `send` reject with this failure. */
  cancel(failure: Failure): void
  /** Resolves when both sides have ended, rejects with the failure that ended the stream otherwise. */
  readonly done: Promise<void>
}

/** The part that a stream needs of its table. */
export type StreamTable = {
  readonly outlet: Outlet
  readonly windowBytes: number
  frameBytes(): number
  /** Sends a control frame of a stream. */
  control(kind: number, stream: OpenStream, payload?: Uint8Array): void
  /** A consumer is done with so many bytes of the session's window. */
  release(cost: number): void
  /** The stream is over on this side. */
  forget(stream: OpenStream, isConfirmed: boolean): void
}

/** A stream that is open on this side. */
export class OpenStream implements WireStream, Sender {
  readonly id: number
  readonly name: string
  readonly isOurs: boolean
  allocate: ((lengthBytes: number) => Uint8Array | undefined) | undefined = undefined
  readonly parcels: Parcel[] = []
  credit: number
  isQueued = false
  readonly done: Promise<void>
  readonly #table: StreamTable
  readonly #settle: { resolve(): void; reject(failure: Failure): void }
  /** What the other side may still send. */
  #allowance: number
  /** What was released and not yet given back as credit. */
  #released = 0
  #take: ((payload: Uint8Array, release: () => void) => void) | undefined
  #ended: (() => void) | undefined
  /** Came before anybody took it. */
  readonly #backlog: Uint8Array[] = []
  #isEnding = false
  #endIsSent = false
  #endHasCome = false
  #endIsTold = false
  #failure: Failure | undefined

  constructor(table: StreamTable, facts: { id: number; name: string; isOurs: boolean; credit: number }) {
    this.id = facts.id
    this.name = facts.name
    this.isOurs = facts.isOurs
    this.credit = facts.credit
    this.#table = table
    this.#allowance = table.windowBytes
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.done = promise
    this.#settle = { resolve, reject }
    // Nobody has to look at `done`: a stream that fails unobserved is no unhandled rejection.
    promise.catch(() => {})
  }

  get pieceBytes(): number {
    return Math.min(maxBulkBytes, this.#table.frameBytes())
  }

  get endIsSent(): boolean {
    return this.#endIsSent
  }

  send(payload: Uint8Array, options?: { readonly hasHeadroom: boolean }): Promise<void> {
    assert(payload.length > 0 && payload.length <= maxBulkBytes, 'a payload has 1 byte to 4 MiB')
    assert(!options?.hasHeadroom || payload.byteOffset >= headerBytes, 'headroom lies before the payload')
    assert(!this.#isEnding, 'nothing is sent after the end')
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      const lost = (failure: Failure): void => reject(this.#failure ?? failure)
      this.parcels.push({ payload, hasHeadroom: options?.hasHeadroom ?? false, taken: resolve, lost })
      this.#table.outlet.schedule(this)
    })
  }

  onFrame(take: (payload: Uint8Array, release: () => void) => void): void {
    assert(this.#take === undefined, 'a stream has one taker')
    this.#take = take
    for (const payload of this.#backlog.splice(0)) this.deliver(payload)
    this.#tellEnd()
  }

  onEnd(ended: () => void): void {
    assert(this.#ended === undefined, 'the end is told once')
    this.#ended = ended
    this.#tellEnd()
  }

  /** Once all that came before it was delivered, and once only. */
  #tellEnd(): void {
    const ended = this.#ended
    if (!this.#endHasCome || this.#backlog.length > 0 || this.#failure !== undefined || ended === undefined) return
    if (this.#endIsTold) return
    this.#endIsTold = true
    try {
      ended()
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      this.cancel(error)
    }
  }

  end(): void {
    if (this.#isEnding || this.#failure !== undefined) return
    this.#isEnding = true
    if (this.parcels.length === 0) this.emptied()
  }

  emptied(): void {
    if (!this.#isEnding || this.#endIsSent || this.#failure !== undefined) return
    this.#endIsSent = true
    this.#table.control(frameKind.end, this)
    this.#finishWhenBothEnded()
  }

  cancel(failure: Failure): void {
    if (this.#failure !== undefined || (this.#endIsSent && this.#endHasCome)) return
    this.#table.control(frameKind.cancel, this, encodeFailure(failure))
    this.#table.forget(this, false)
    this.fail(failure)
  }

  /** Whether a frame of this size may come; counts it. Throws Failure when the other side has no credit for it. */
  admit(lengthBytes: number): void {
    if (this.#endHasCome) throw new Failure('protocol-broken', 'data came to a stream after its end')
    this.#allowance -= frameCost(lengthBytes)
    if (this.#allowance < 0) throw new Failure('limit-exceeded', 'more data came to a stream than there was credit for')
  }

  deliver(payload: Uint8Array): void {
    if (this.#failure !== undefined) {
      this.#table.release(frameCost(payload.length))
      return
    }
    if (this.#take === undefined) {
      this.#backlog.push(payload)
      return
    }
    let isReleased = false
    const release = (): void => {
      assert(!isReleased, 'a frame is released once')
      isReleased = true
      this.#release(frameCost(payload.length))
    }
    try {
      this.#take(payload, release)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      if (!isReleased) release()
      this.cancel(error)
    }
  }

  #release(cost: number): void {
    this.#table.release(cost)
    if (this.#failure !== undefined || this.#endHasCome) return
    this.#released += cost
    if (this.#released < this.#table.windowBytes / 4) return
    this.#allowance += this.#released
    this.#table.control(frameKind.credit, this, creditBytes(this.#released))
    this.#released = 0
  }

  takeEnd(): void {
    if (this.#endHasCome) throw new Failure('protocol-broken', 'a stream was ended twice')
    this.#endHasCome = true
    this.#tellEnd()
    this.#finishWhenBothEnded()
  }

  takeCredit(amount: number, windowBytes: number): void {
    this.credit += amount
    if (this.credit > windowBytes) throw new Failure('protocol-broken', 'a stream got more credit than its window')
    this.#table.outlet.schedule(this)
  }

  #finishWhenBothEnded(): void {
    if (!this.#endIsSent || !this.#endHasCome || this.#failure !== undefined) return
    this.#table.forget(this, true)
    this.#settle.resolve()
  }

  /** Over with a failure: cancelled by either side, or the session is lost. */
  fail(failure: Failure): void {
    if (this.#failure !== undefined) return
    this.#failure = failure
    for (const parcel of this.parcels.splice(0)) parcel.lost(failure)
    for (const payload of this.#backlog.splice(0)) this.#table.release(frameCost(payload.length))
    this.#settle.reject(failure)
  }
}

/** The payload of a credit frame. */
export function creditBytes(amount: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32LE(amount, 0)
  return bytes
}
