// Buffers for packs, shared with the worker threads. The store of a process makes them, tells every seat of each once
// (from then on they are passed by number), and uses them again and again. A pool is one user's allowance of them: whoever
// fills waits for whoever empties.

import { slabBytes } from '../disk/pack.ts'
import type { DiskTasks } from '../disk/tasks.ts'
import type { Crew } from '../std/crew.ts'
import { payloadHeadBytes, payloadHeadroomBytes } from './endpoint.ts'

/** A slab holds some room, the head of a payload, and a pack. */
const payloadBytesMax = slabBytes + payloadHeadBytes
const wholeBytes = payloadHeadroomBytes + payloadBytesMax

/** All slabs of a process. */
export class SlabStore {
  readonly #crew: Crew<DiskTasks>
  readonly #free: Uint8Array[] = []
  readonly #ids = new Map<ArrayBufferLike, number>()

  constructor(crew: Crew<DiskTasks>) {
    this.#crew = crew
  }

  take(): Uint8Array {
    return this.#free.pop() ?? this.#make()
  }

  #make(): Uint8Array {
    const memory = new SharedArrayBuffer(wholeBytes)
    const slab = this.#ids.size + 1
    this.#ids.set(memory, slab)
    // A seat works in order: it knows the slab before it is asked to use it.
    for (const seat of this.#crew.seats) seat.tell('useSlab', { slab, memory })
    return new Uint8Array(memory)
  }

  put(slab: Uint8Array): void {
    this.#free.push(slab)
  }

  /** The number under which the seats know the slab that `view` is of; undefined for other memory. */
  idOf(view: Uint8Array): number | undefined {
    return this.#ids.get(view.buffer)
  }
}

/** One user's part of the store. */
export class SlabPool {
  readonly #store: SlabStore
  readonly #waiting: ((slab: Uint8Array) => void)[] = []
  #left: number

  constructor(store: SlabStore, max: number) {
    this.#store = store
    this.#left = max
  }

  /** A buffer that nobody else uses, now or when one is put back. */
  take(): Promise<Uint8Array> {
    const slab = this.tryTake()
    return slab === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(slab)
  }

  tryTake(): Uint8Array | undefined {
    if (this.#left === 0) return undefined
    this.#left--
    return this.#store.take()
  }

  /** Gives back the buffer that `view` is of. */
  put(view: Uint8Array): void {
    const slab = new Uint8Array(view.buffer)
    const waiter = this.#waiting.shift()
    if (waiter !== undefined) waiter(slab)
    else {
      this.#left++
      this.#store.put(slab)
    }
  }
}

/** Payloads from this size on are received into slabs; smaller ones into memory of their own, which is copied. */
const slabFromBytes = 64 * 1024
/** As many slabs as a stream's credit (8 MiB) can fill with payloads that deserve one. */
const slabsPerStream = 136

/** Where the payloads of one stream of packs are received. Bounded by the credit that this side gives. */
export class PackInbox {
  readonly #pool: SlabPool
  readonly #filling = new Set<ArrayBufferLike>()

  constructor(store: SlabStore) {
    this.#pool = new SlabPool(store, slabsPerStream)
  }

  /** Memory for a payload of this length, or undefined where it is larger than any pack. */
  readonly allocate = (length: number): Uint8Array | undefined => {
    if (length > payloadBytesMax) return undefined
    if (length < slabFromBytes) return new Uint8Array(length)
    const slab = this.#pool.tryTake()
    if (slab !== undefined) this.#filling.add(slab.buffer)
    return slab?.subarray(0, length)
  }

  /** The payload was dealt with. */
  done(payload: Uint8Array): void {
    if (this.#filling.delete(payload.buffer)) this.#pool.put(payload)
  }

  /** The stream is over: what was given for payloads that never came whole goes back. */
  close(): void {
    for (const memory of this.#filling) this.#pool.put(new Uint8Array(memory))
    this.#filling.clear()
  }
}
