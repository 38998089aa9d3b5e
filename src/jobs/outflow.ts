// How the packs of one source leave: no faster than a person allowed. One of these belongs to one run at the end that
// reads; whoever else listens on the link never waits for it, since it holds packs back before they reach the link.

import { type Flow, packBytesFor } from '../core/flow.ts'
import { slabBytes } from '../disk/pack.ts'
import type { Clock } from '../std/clock.ts'
import { TokenBucket } from '../std/limit.ts'

export const freeFlow: Flow = { rateBytes: undefined, compress: 'off' }

export class Outflow {
  /** How large a pack may be. */
  readonly packBytes: number
  readonly #clock: Clock
  readonly #bucket: TokenBucket | undefined
  readonly #stop = new AbortController()

  constructor(flow: Flow, clock: Clock) {
    const { rateBytes } = flow
    this.#clock = clock
    this.packBytes = packBytesFor(rateBytes, slabBytes)
    if (rateBytes !== undefined) this.#bucket = new TokenBucket(rateBytes, this.packBytes, clock.monotonicMs())
  }

  /** Resolves when so many bytes may leave. Undefined where they may at once: without a limit, and after `stop`. */
  pace(bytes: number): Promise<void> | undefined {
    if (this.#bucket === undefined || this.#stop.signal.aborted) return undefined
    const waitMs = this.#bucket.take(bytes, this.#clock.monotonicMs())
    return waitMs > 0 ? this.#clock.sleep(waitMs, this.#stop.signal) : undefined
  }

  /** The run is over: nobody waits any more. */
  stop(): void {
    this.#stop.abort()
  }
}
