// The batches that a peer has under way at a target here: how many, and which of them take content now. A batch takes none
// while its writing is being ended, or what comes then would belong to no round.

import { Failure } from '../std/failure.ts'

/** Eight are usual. */
const batchesMax = 64
/** A batch of a thousand steps with the longest of names has nine. */
export const batchBytesMax: number = 16 * 1024 * 1024

export class OpenBatches {
  readonly #ending = new Map<number, boolean>()
  readonly #underWay = new Set<Promise<unknown>>()

  /** A batch is told. Throws `limit-exceeded` where it is too large or there are too many. */
  stage(batch: number, sizeBytes: number): void {
    if (sizeBytes > batchBytesMax) throw new Failure('limit-exceeded', `a batch has ${sizeBytes} bytes`)
    if (this.#ending.size >= batchesMax) throw new Failure('limit-exceeded', `more than ${batchesMax} batches are open`)
    if (!this.#ending.has(batch)) this.#ending.set(batch, false)
  }

  /** Ends a round of writing; `work` says whether more is to come. */
  async written<Result extends { readonly count: number }>(
    batch: number,
    work: () => Promise<Result>,
  ): Promise<Result> {
    if (this.#ending.get(batch) !== false) throw new Failure('unsolicited', 'a batch is ended that is not open')
    this.#ending.set(batch, true)
    const ended = this.#end(batch, work)
    this.#underWay.add(ended)
    try {
      return await ended
    } finally {
      this.#underWay.delete(ended)
    }
  }

  async #end<Result extends { readonly count: number }>(batch: number, work: () => Promise<Result>): Promise<Result> {
    const result = await work()
    if (result.count > 0) this.#ending.set(batch, false)
    else this.#ending.delete(batch)
    return result
  }

  /** Whether none is open any more, once the rounds that are being ended have ended. */
  async areWhole(): Promise<boolean> {
    await Promise.allSettled(this.#underWay)
    return this.#ending.size === 0
  }

  /** Content comes. Throws `unsolicited` where the batch takes none. */
  receive(batch: number): void {
    if (this.#ending.get(batch) !== false)
      throw new Failure('unsolicited', 'content came for a batch that takes none now')
  }
}
