// A conversation of fixed-size messages with somebody who may be anybody: reads exactly as many bytes as are asked for,
// keeps no more than a few hundred, ends at its deadline, and turns every way of ending into a Failure.

import { assert } from '../std/assert.ts'
import type { Clock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import type { Link } from './link.ts'

const maxHeldBytes = 512

export class Exchange {
  readonly #link: Link
  readonly #held = new Uint8Array(maxHeldBytes)
  readonly #deadline: { cancel(): void }
  #filled = 0
  #reading: { lengthBytes: number; resolve(bytes: Uint8Array): void; reject(failure: Failure): void } | undefined
  #failure: Failure | undefined

  /** Takes over the link, which has not been read from. */
  constructor(link: Link, clock: Clock, timeoutMs: number) {
    this.#link = link
    this.#deadline = clock.timer(timeoutMs, () => {
      this.#fail(new Failure('timed-out', `${link.machine} did not go on within ${timeoutMs} ms`))
    })
    link.onClose((failure) => {
      this.#fail(failure ?? new Failure('connection-lost', `${link.machine} closed the connection`))
    })
    link.onData((chunk) => this.#take(chunk))
  }

  #take(chunk: Uint8Array): void {
    if (this.#failure !== undefined) return
    if (chunk.length > maxHeldBytes - this.#filled) {
      this.#fail(new Failure('protocol-broken', `${this.#link.machine} sent more than was asked for`))
      return
    }
    this.#held.set(chunk, this.#filled)
    this.#filled += chunk.length
    this.#deliver()
  }

  #deliver(): void {
    const reading = this.#reading
    if (reading === undefined || this.#filled < reading.lengthBytes) return
    this.#reading = undefined
    const bytes = this.#held.slice(0, reading.lengthBytes)
    this.#held.copyWithin(0, reading.lengthBytes, this.#filled)
    this.#filled -= reading.lengthBytes
    reading.resolve(bytes)
  }

  /** The next bytes, exactly so many. One at a time. */
  read(lengthBytes: number): Promise<Uint8Array> {
    assert(this.#reading === undefined && lengthBytes <= maxHeldBytes, 'one small message is read at a time')
    return new Promise((resolve, reject) => {
      this.#reading = { lengthBytes, resolve, reject }
      this.#deliver()
      // What came before a close still counts: it was sent.
      if (this.#reading !== undefined && this.#failure !== undefined) {
        this.#reading = undefined
        reject(this.#failure)
      }
    })
  }

  write(...parts: readonly [Uint8Array, ...Uint8Array[]]): void {
    this.#link.write(parts)
  }

  #fail(failure: Failure): void {
    this.#failure ??= failure
    this.#deadline.cancel()
    const reading = this.#reading
    this.#reading = undefined
    reading?.reject(this.#failure)
    this.#link.destroy(failure)
  }

  /** Sends what is waiting, and closes. */
  end(): void {
    this.#deadline.cancel()
    this.#failure ??= new Failure('connection-lost', 'the exchange has ended')
    this.#link.end()
  }
}
