// All streams of a session: opens them either way, finds the one that a frame is for, keeps the window of the session
// and the counts within what each side takes. A stream that was cancelled here is remembered until the other side has
// confirmed, so that data which was under way is dropped, while data for a stream that never was ends the session.

import { assert } from '../std/assert.ts'
import { Failure } from '../std/failure.ts'
import { frameKind, maxBulkBytes, maxControlBytes, uninitialised } from './frame.ts'
import { decodeNamed, encodeName } from './named.ts'
import { frameCost, type Outlet } from './outlet.ts'
import { creditBytes, OpenStream, type StreamTable, type WireStream } from './stream.ts'
import { decodeFailure } from './told-failure.ts'

/** Takes a stream that the other side opened. False: there is no stream of that name, and it is cancelled. */
export type StreamHandler = (name: string, header: Uint8Array, stream: WireStream) => boolean

type StreamsOptions = {
  readonly outlet: Outlet
  readonly machine: string
  readonly onStream: StreamHandler
  nextId(): number
  /** The rest of a payload that is just coming goes nowhere: its stream was cancelled here. */
  divert(id: number): void
  /** Whether a number has been used by the side it belongs to. */
  wasUsed(id: number): boolean
  /** How many open streams of the other side this side takes, and the other way round. */
  readonly ownLimit: number
  readonly peerLimit: number
  /** Bytes under way towards this side, a stream and all together; and towards the other. */
  readonly ownWindowBytes: number
  readonly ownSessionWindowBytes: number
  readonly peerWindowBytes: number
  readonly peerSessionWindowBytes: number
  /** As large as a frame should be, where the link is held to a rate. */
  frameBytes(): number | undefined
}

/** Below this a largest frame could wait for credit that is never given: credit is returned a quarter at a time. */
export const minWindowBytes: number = Math.ceil((frameCost(maxBulkBytes) * 4) / 3)

/** Larger pieces spare nothing. */
const maxPieceBytes = 1024 * 1024

const noBytes = new Uint8Array(0)

/** All streams of a session. */
export class Streams {
  readonly #options: StreamsOptions
  readonly #open = new Map<number, OpenStream>()
  /** Cancelled here, not yet confirmed there: what still comes is dropped. Whether our end had been sent before. */
  readonly #cancelled = new Map<number, { readonly isOurs: boolean; readonly endWasSent: boolean }>()
  readonly #table: StreamTable
  #sessionAllowance: number
  #sessionReleased = 0
  #ended: Failure | undefined

  constructor(options: StreamsOptions) {
    this.#options = options
    this.#sessionAllowance = options.ownSessionWindowBytes
    this.#table = {
      outlet: options.outlet,
      windowBytes: options.ownWindowBytes,
      frameBytes: () => options.frameBytes() ?? maxPieceBytes,
      control: (kind, stream, payload) => {
        if (this.#ended === undefined) options.outlet.control(kind, stream.id, 0, payload ?? noBytes)
      },
      release: (cost) => this.#release(cost),
      forget: (stream, isConfirmed) => {
        this.#open.delete(stream.id)
        if (isConfirmed) return
        this.#cancelled.set(stream.id, { isOurs: stream.isOurs, endWasSent: stream.endIsSent })
        options.divert(stream.id)
      },
    }
    options.outlet.addSessionCredit(options.peerSessionWindowBytes)
  }

  get isIdle(): boolean {
    return this.#open.size === 0
  }

  /** Opens a stream to the other side. Throws Failure('limit-exceeded') when it takes no more, or the session's end. */
  open(name: string, header: Uint8Array): WireStream {
    if (this.#ended !== undefined) throw this.#ended
    const { outlet, machine, nextId, peerLimit, peerWindowBytes } = this.#options
    if (this.#count(true) >= peerLimit) {
      throw new Failure('limit-exceeded', `${machine} takes no more than ${peerLimit} streams at a time`)
    }
    assert(header.length <= maxControlBytes / 2, 'the header of a stream is small')
    const stream = new OpenStream(this.#table, { id: nextId(), name, isOurs: true, credit: peerWindowBytes })
    this.#open.set(stream.id, stream)
    outlet.control(frameKind.open, stream.id, 0, encodeName(name), header)
    return stream
  }

  #count(isOurs: boolean): number {
    let count = 0
    for (const stream of this.#open.values()) if (stream.isOurs === isOurs) count += 1
    for (const stream of this.#cancelled.values()) if (stream.isOurs === isOurs) count += 1
    return count
  }

  #release(cost: number): void {
    if (this.#ended !== undefined) return
    this.#sessionReleased += cost
    if (this.#sessionReleased < this.#options.ownSessionWindowBytes / 4) return
    this.#sessionAllowance += this.#sessionReleased
    this.#options.outlet.control(frameKind.credit, 0, 0, creditBytes(this.#sessionReleased))
    this.#sessionReleased = 0
  }

  /** The other side opens a stream, under a number that is new. */
  takeOpen(id: number, payload: Uint8Array): void {
    const { machine, onStream, ownLimit, peerWindowBytes } = this.#options
    if (this.#count(false) >= ownLimit) {
      throw new Failure('limit-exceeded', `${machine} opened more than ${ownLimit} streams at a time`)
    }
    const { name, body } = decodeNamed(payload)
    const stream = new OpenStream(this.#table, { id, name, isOurs: false, credit: peerWindowBytes })
    this.#open.set(id, stream)
    let isKnown: boolean
    try {
      isKnown = onStream(name, body, stream)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      stream.cancel(error)
      return
    }
    if (!isKnown) {
      stream.cancel(new Failure('protocol-broken', 'a stream has a name that this version does not know'))
    }
  }

  /** Where a bulk payload goes; undefined where a receiver has no room. Throws Failure when it should not have come. */
  allocate(id: number, lengthBytes: number): Uint8Array | undefined {
    const stream = this.#open.get(id)
    if (lengthBytes === 0) throw new Failure('protocol-broken', 'an empty piece of data came')
    if (stream === undefined && !this.#cancelled.has(id)) {
      throw new Failure('protocol-broken', 'data came to a stream that is not open')
    }
    stream?.admit(lengthBytes)
    this.#sessionAllowance -= frameCost(lengthBytes)
    if (this.#sessionAllowance < 0) {
      throw new Failure('limit-exceeded', 'more data came to a session than there was credit for')
    }
    const memory = stream?.allocate === undefined ? uninitialised(lengthBytes) : stream.allocate(lengthBytes)
    // Cancelled while it was asked for memory: that memory is not to be written to.
    return memory === undefined || stream === undefined || this.#open.has(id) ? memory : uninitialised(lengthBytes)
  }

  takeData(id: number, payload: Uint8Array): void {
    const stream = this.#open.get(id)
    if (stream === undefined) this.#release(frameCost(payload.length))
    else stream.deliver(payload)
  }

  takeEnd(id: number): void {
    const stream = this.#open.get(id)
    const cancelled = this.#cancelled.get(id)
    if (stream !== undefined) stream.takeEnd()
    else if (cancelled === undefined) throw new Failure('protocol-broken', 'a stream was ended that is not open')
    // Both directions had ended before our cancel could arrive: the other side has forgotten it and will not confirm.
    else if (cancelled.endWasSent) this.#cancelled.delete(id)
  }

  takeCancel(id: number, payload: Uint8Array): void {
    const stream = this.#open.get(id)
    if (stream !== undefined) {
      const failure = payload.length === 0 ? new Failure('cancelled', 'a stream was cancelled') : decodeFailure(payload)
      this.#open.delete(id)
      this.#options.outlet.control(frameKind.cancel, id, 0)
      stream.fail(failure)
    } else if (!this.#cancelled.delete(id) && !this.#options.wasUsed(id)) {
      throw new Failure('protocol-broken', 'a stream was cancelled that never was')
    }
  }

  takeCredit(id: number, payload: Uint8Array): void {
    const amount = Buffer.from(payload).readUInt32LE(0)
    if (id === 0) {
      if (this.#options.outlet.addSessionCredit(amount) > this.#options.peerSessionWindowBytes) {
        throw new Failure('protocol-broken', 'a session was given more credit than its window')
      }
      return
    }
    const stream = this.#open.get(id)
    if (stream !== undefined) stream.takeCredit(amount, this.#options.peerWindowBytes)
    else if (!this.#options.wasUsed(id)) throw new Failure('protocol-broken', 'credit came for a stream that never was')
  }

  /** The session is over: every stream fails. */
  close(failure: Failure): void {
    this.#ended = failure
    for (const stream of this.#open.values()) stream.fail(failure)
    this.#open.clear()
    this.#cancelled.clear()
  }
}
