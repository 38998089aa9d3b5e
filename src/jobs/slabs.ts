// Buffers for packs, shared with the worker threads and used again and again: as many as the budget of a run allows, so
// whoever fills waits for whoever empties.

import { slabBytes } from '../disk/pack.ts'
import { assert } from '../std/assert.ts'
import { payloadHeadBytes } from './endpoint.ts'

export class SlabPool {
  readonly #free: Uint8Array[] = []
  readonly #waiting: ((slab: Uint8Array) => void)[] = []
  readonly #max: number
  #made = 0

  constructor(max: number) {
    this.#max = max
  }

  /** A buffer that nobody else uses, now or when one is put back. */
  take(): Promise<Uint8Array> {
    const slab = this.tryTake()
    return slab === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(slab)
  }

  tryTake(): Uint8Array | undefined {
    const slab = this.#free.pop()
    if (slab !== undefined || this.#made >= this.#max) return slab
    this.#made++
    return new Uint8Array(new SharedArrayBuffer(slabBytes + payloadHeadBytes))
  }

  /** Gives back the buffer that `view` is of. */
  put(view: Uint8Array): void {
    assert(view.buffer.byteLength === slabBytes + payloadHeadBytes, 'only slabs go back to the pool')
    const slab = new Uint8Array(view.buffer)
    const waiter = this.#waiting.shift()
    if (waiter === undefined) this.#free.push(slab)
    else waiter(slab)
  }
}
