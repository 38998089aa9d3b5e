// The body of a call as it arrives, in pieces of whatever size the other side likes: one buffer that grows, so that what is
// held is never more than twice what came, however small the pieces are. An allowance bounds what all bodies of one
// machine may hold together, until their calls are over.

import { Failure } from '../std/failure.ts'

/** What the calls of one machine hold together: one that is as large as it may be, and a few more. */
export const heldBytesMax: number = 384 * 1024 * 1024

/** So many bytes, shared by several holders. */
export class Allowance {
  #left: number

  constructor(maxBytes: number) {
    this.#left = maxBytes
  }

  /** Takes so many bytes, or none and says false. */
  take(bytes: number): boolean {
    if (bytes > this.#left) return false
    this.#left -= bytes
    return true
  }

  give(bytes: number): void {
    this.#left += bytes
  }
}

export class Body {
  readonly #maxBytes: number
  readonly #allowance: Allowance | undefined
  #buffer: Uint8Array = new Uint8Array(0)
  #length = 0
  #heldBytes = 0

  /** Without an allowance only its own bound counts. */
  constructor(maxBytes: number, allowance?: Allowance) {
    this.#maxBytes = maxBytes
    this.#allowance = allowance
  }

  /** Copies a piece. Throws `limit-exceeded` beyond either bound; what was held stays held until `release`. */
  add(piece: Uint8Array): void {
    const length = this.#length + piece.length
    if (length > this.#maxBytes) throw new Failure('limit-exceeded', 'a call is larger than its bound')
    if (length > this.#buffer.length) this.#grow(Math.min(this.#maxBytes, Math.max(length, 2 * this.#buffer.length)))
    this.#buffer.set(piece, this.#length)
    this.#length = length
  }

  #grow(capacity: number): void {
    const more = capacity - this.#buffer.length
    if (this.#allowance?.take(more) === false) {
      throw new Failure('limit-exceeded', 'the calls of one machine hold more than they may together', {
        hint: 'other runs between the two machines are under way; try again when they have ended',
      })
    }
    this.#heldBytes += more
    const grown = new Uint8Array(capacity)
    grown.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = grown
  }

  /** Gives away all that came. It still counts, for whoever has it makes something of it. */
  take(): Uint8Array {
    const bytes = this.#buffer.subarray(0, this.#length)
    this.#buffer = new Uint8Array(0)
    this.#length = 0
    return bytes
  }

  /** The call is over: nothing of it counts any more. */
  release(): void {
    this.take()
    this.#allowance?.give(this.#heldBytes)
    this.#heldBytes = 0
  }
}
