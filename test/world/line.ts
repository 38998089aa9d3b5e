// A line between two machines without a network, with somebody in between: what one side says reaches the other in pieces
// of any size, and what the two directions carry in any order to each other, as far as chance says; within a direction
// bytes keep their order, as TCP keeps it. The line is cut at a byte or in front of a frame, or stalls, both ways or one
// way, and nobody is told. For tests only.

import { Duplex } from 'node:stream'
import { headerBytes } from '../../src/wire/frame.ts'
import type { Chance } from './disk-trees.ts'

export type LineTrouble = {
  /** The line is cut after so many bytes, of both directions. */
  readonly cutAt?: number
  /** The line is cut in front of this frame, of both directions, from 1. */
  readonly cutFrame?: number
  /** The line stalls after so many bytes: nothing comes any more, and nobody says so. */
  readonly stallAt?: number
  /** Only what goes to that side stalls; the other direction goes on. */
  readonly stallTo?: 'near' | 'far'
  /** How it is handed on; in halves and at once where there is none. */
  readonly pieces?: Chance
}

const fullBytes = 256 * 1024

/** One direction: what came, and how far it was carried. */
class Direction {
  readonly name: 'near' | 'far'
  isStalled = false
  /** The end that it goes to takes no more for now. */
  isFull = false
  hasEnded = false
  isTold = false
  hasClosed = false
  /** Told when there is room again. */
  onRoom: (() => void) | undefined
  readonly #queue: Buffer[] = []
  bytes = 0
  /** Of the frame that is being carried, so much is left; its head is gathered first. */
  #left = 0
  readonly #head: number[] = []

  constructor(name: 'near' | 'far') {
    this.name = name
  }

  /** Copied: whoever said it may use its memory again, as after a write to a socket. */
  add(chunk: Buffer): void {
    this.#queue.push(Buffer.from(chunk))
    this.bytes += chunk.length
  }

  get isReady(): boolean {
    return !this.isStalled && !this.isFull && this.bytes > 0
  }

  get isAtFrame(): boolean {
    return this.#left === 0 && this.#head.length === 0
  }

  /** Takes up to so many bytes; none beyond the end of a frame's head or payload. */
  take(most: number): Buffer {
    const first = this.#queue[0] as Buffer
    const whole = this.#left > 0 ? this.#left : headerBytes - this.#head.length
    const piece = first.subarray(0, Math.min(most, whole))
    if (piece.length === first.length) this.#queue.shift()
    else this.#queue[0] = first.subarray(piece.length)
    this.bytes -= piece.length
    if (this.#left > 0) this.#left -= piece.length
    else {
      this.#head.push(...piece)
      if (this.#head.length === headerBytes) this.#left = Buffer.from(this.#head.splice(0)).readUInt32LE(8)
    }
    return piece
  }
}

/** The two ends; `advance` lets time go by while a stalled line is waited for. */
export function lineWith(trouble: LineTrouble, advance: (ms: number) => void): [Duplex, Duplex] {
  const { cutAt = Infinity, cutFrame = Infinity, stallAt = Infinity, stallTo, pieces } = trouble
  const toFar = new Direction('far')
  const toNear = new Direction('near')
  const directions = [toFar, toNear] as const
  const plan = (): void => {
    if (isPlanned || isCut) return
    isPlanned = true
    setImmediate(carry)
  }
  const endOf = (out: Direction, into: Direction): Duplex =>
    new Duplex({
      write(chunk: Buffer, _encoding, taken) {
        out.add(chunk)
        if (out.bytes < fullBytes) taken()
        else out.onRoom = taken
        plan()
      },
      final(done) {
        out.hasEnded = true
        plan()
        done()
      },
      read() {
        into.isFull = false
        plan()
      },
      destroy(error, done) {
        out.hasClosed = true
        plan()
        done(error)
      },
    }).on('error', () => {})
  const [near, far] = [endOf(toFar, toNear), endOf(toNear, toFar)]
  const endTo = { near, far }
  let bytes = 0
  let frames = 0
  let isCut = false
  let isPlanned = false

  const cut = (): void => {
    isCut = true
    for (const end of [near, far]) end.destroy(new Error('cut'))
  }
  // Nothing happens but that time goes by, until somebody gives up.
  const wait = (): void => {
    if (near.destroyed && far.destroyed) return
    advance(1000)
    setImmediate(wait)
  }
  const stall = (): void => {
    for (const direction of directions) direction.isStalled ||= stallTo === undefined || stallTo === direction.name
    wait()
  }
  const carry = (): void => {
    isPlanned = false
    const ready = directions.filter((direction) => direction.isReady)
    const direction = ready[pieces === undefined ? 0 : pieces(Math.max(1, ready.length))]
    if (direction !== undefined && !isCut) carryOf(direction)
    for (const one of directions) finish(one)
    if (directions.some((one) => one.isReady)) plan()
  }
  const carryOf = (direction: Direction): void => {
    let most =
      pieces === undefined ? Math.ceil(direction.bytes / 2) : pieces(8) === 0 ? 1 + pieces(20) : 1 + pieces(200_000)
    while (most > 0 && direction.isReady) {
      if (direction.isAtFrame && ++frames >= cutFrame) return cut()
      const piece = direction.take(most)
      most -= piece.length
      const isStall = bytes < stallAt && bytes + piece.length >= stallAt
      bytes += piece.length
      if (bytes >= cutAt) return cut()
      if (isStall) stall()
      if (direction.isStalled) return
      direction.isFull = !endTo[direction.name].push(piece)
      const { onRoom } = direction
      if (onRoom === undefined || direction.bytes >= fullBytes) continue
      direction.onRoom = undefined
      onRoom()
    }
  }
  /** The end of what was said, or of the line, comes after all that was said before. */
  const finish = (direction: Direction): void => {
    if (direction.bytes > 0 || direction.isStalled || isCut) return
    const end = endTo[direction.name]
    if (direction.hasClosed) end.destroy()
    else if (direction.hasEnded && !direction.isTold) {
      direction.isTold = true
      end.push(null)
    }
  }
  return [near, far]
}
