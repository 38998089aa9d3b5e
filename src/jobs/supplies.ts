// What leaves an end of this machine: what is wanted of it is read by the seats of its crew, packed and squeezed as the line
// asks for, and handed over buffer by buffer, as fast as whoever takes them. Teaches the end's tree the digests that reading
// found. Of a source, and of an end that is source and target at once.

import type { Flow } from '../core/flow.ts'
import { sentMemory } from '../disk/sent-contents.ts'
import type { DiskTasks } from '../disk/tasks.ts'
import { decodeWants } from '../disk/wants.ts'
import type { Seat, TaskResult } from '../std/crew.ts'
import { Failure } from '../std/failure.ts'
import { type PackSink, payloadHeadBytes, payloadHeadroomBytes } from './endpoint.ts'
import { nextSeatId, type Reading } from './local.ts'
import { freeFlow, type Line, Outflow } from './outflow.ts'
import { SlabPool } from './slabs.ts'

/** Buffers that one supply may have under way. */
const slabsPerSource = 12

/** How fast content leaves, and how busy the line is that it takes. */
export type Leaving = { readonly flow?: Flow; readonly line?: Line | undefined }

export class Supplies {
  readonly #reading: Reading
  readonly #pool: SlabPool
  readonly #flow: Outflow
  readonly #sent: SharedArrayBuffer = sentMemory()
  /** Batches that were supplied: what of them is wanted once more has to come. */
  readonly #supplied = new Set<number>()
  /** Under way, in the order in which they began. */
  readonly #supplying = new Set<Promise<void>>()

  constructor(reading: Reading, { flow = freeFlow, line }: Leaving) {
    this.#reading = reading
    const { slabs, clock } = reading.workshop
    this.#pool = new SlabPool(slabs, slabsPerSource)
    this.#flow = new Outflow(flow, clock, line)
  }

  /** What waits for its turn to leave waits no longer, and does not leave. */
  stop(): void {
    this.#flow.stop()
  }

  async supply(batch: number, wants: Uint8Array, sink: PackSink, portions?: Uint8Array): Promise<void> {
    const before = [...this.#supplying]
    const supplied = this.#supply(batch, wants, sink, before, portions).finally(() => this.#supplying.delete(supplied))
    this.#supplying.add(supplied)
    return await supplied
  }

  async #supply(
    batch: number,
    wants: Uint8Array,
    sink: PackSink,
    before: readonly Promise<void>[],
    portions: Uint8Array = new Uint8Array(0),
  ): Promise<void> {
    const { tree, root } = this.#reading
    const seat = this.#reading.seat(batch)
    const supply = nextSeatId()
    const sent = this.#supplied.has(batch) ? undefined : this.#sent
    this.#supplied.add(batch)
    await seat.run('openSupply', { supply, tree, root, wants, portions, sent })
    const underWay: Promise<void>[] = []
    let failed: unknown
    try {
      for (let [done, waits] = [false, false]; !done && failed === undefined; ) {
        if (waits) await Promise.allSettled(before)
        const slab = await this.#pool.take()
        const filled = await this.#fill(seat, supply, slab)
        if (filled.squeezeMs !== undefined) this.#flow.squeezed(filled.rawLength, filled.length, filled.squeezeMs)
        done = filled.done
        waits = filled.waits
        if (filled.length === 0 && !done) {
          this.#pool.put(slab)
          this.#flow.lost()
          continue
        }
        if (filled.learned !== undefined) this.#learn(filled.learned)
        const head = new DataView(slab.buffer, payloadHeadroomBytes)
        head.setUint32(0, batch, true)
        head.setUint32(4, filled.word, true)
        const payload = slab.subarray(payloadHeadroomBytes, payloadHeadroomBytes + payloadHeadBytes + filled.length)
        const paced = this.#flow.pace(payload.length)
        if (paced !== undefined) await paced
        const sent = (this.#flow.isStopped ? Promise.reject(this.#stopped()) : sink(payload))
          .catch((error: unknown) => {
            failed ??= error
          })
          .finally(() => {
            this.#flow.left(payload.length)
            this.#pool.put(slab)
          })
        underWay.push(sent)
        // Between two folders here no connection breaks that would tell.
        if (this.#flow.isStopped) await sent
      }
    } catch (error) {
      failed ??= error
    }
    await Promise.all(underWay)
    if (failed === undefined) return this.#logSent(wants)
    await seat.run('closeSupply', { supply }).catch(() => {})
    throw failed
  }

  #stopped(): Failure {
    return new Failure('cancelled', `the end ${this.#reading.label} is wanted no more`)
  }

  /** Fills a slab with the next pack. Where that fails, the slab goes back, and nobody waits for a pack that never leaves. */
  async #fill(seat: Seat<DiskTasks>, supply: number, slab: Uint8Array): Promise<TaskResult<DiskTasks['fill']>> {
    try {
      await this.#flow.ready()
      return await seat.run('fill', {
        supply,
        slab: this.#reading.workshop.slabs.idOf(slab) ?? 0,
        start: payloadHeadroomBytes + payloadHeadBytes,
        bytes: this.#flow.packBytes,
        level: this.#flow.nextLevel(),
      })
    } catch (error) {
      this.#pool.put(slab)
      this.#flow.lost()
      throw error
    }
  }

  /** Digests that reading taught, on to the tree. Nobody waits for them: they only spare later work. */
  #learn(learned: Uint8Array): void {
    const { tree, treeSeat } = this.#reading
    treeSeat.run('learn', { tree, learned }, [learned.buffer as ArrayBuffer]).catch(() => {})
  }

  #logSent(wants: Uint8Array): void {
    for (const { path, names } of decodeWants(wants)) {
      this.#reading.log.note('file-sent', { directory: path, names: names.join('/'), count: names.length })
    }
  }

  /** Forgets what was only kept for wants that might have come. */
  async close(): Promise<void> {
    const { workshop, tree } = this.#reading
    const started = workshop.crew.seats.filter((seat) => seat.isStarted)
    await Promise.allSettled(started.map((seat) => seat.run('forgetRecipes', { tree })))
  }
}
