// How the packs of one source leave: no faster than a person allowed, and squeezed where that pays. One of these belongs
// to one run at the end that reads; whoever else listens on the link never waits for it, since it holds packs back before
// they reach the link.

import {
  autoLevel,
  type Compress,
  type Flow,
  linkOf,
  type Measured,
  packBytesFor,
  squeezingPays,
} from '../core/flow.ts'
import { slabBytes } from '../disk/pack.ts'
import type { Clock } from '../std/clock.ts'
import { TokenBucket } from '../std/limit.ts'

export const freeFlow: Flow = { rateBytes: undefined, compress: 'off' }

/** So many packs leave squeezed before the link is known; the next ones wait until one of them is out. */
const packsUnknown = 2
/** Over a slow link so many are squeezed before anything is decided, for something has to be known of the content. */
const packsToLearn = 8
/** Where squeezing does not pay, one pack in so many is squeezed all the same: content and links change. */
const packsPerProbe = 32
/** What was measured counts half once so much more was: about the last second of a fast link. */
const rememberedBytes = 16 * 1024 * 1024

export class Outflow {
  /** How large a pack may be. */
  readonly packBytes: number
  readonly #clock: Clock
  readonly #bucket: TokenBucket | undefined
  readonly #stop = new AbortController()
  readonly #compress: Compress
  #isOn = true
  #packs = 0
  #squeezed = 0
  readonly #firstLeft = Promise.withResolvers<void>()
  readonly #writingMs: () => number
  #lastWritingMs: number
  readonly #msPerByte: number
  #measured: Measured = { linkBytes: 0, linkMs: 0, rawBytes: 0, squeezedBytes: 0, squeezeMs: 0 }

  /** `writingMs` grows while the socket has something to take, and only then. */
  constructor(flow: Flow, clock: Clock, writingMs: () => number = () => 0) {
    const { rateBytes, compress } = flow
    this.#writingMs = writingMs
    this.#lastWritingMs = writingMs()
    this.#msPerByte = rateBytes === undefined ? 0 : 1000 / rateBytes
    this.#clock = clock
    this.#compress = compress
    this.packBytes = packBytesFor(rateBytes, slabBytes)
    if (rateBytes !== undefined) this.#bucket = new TokenBucket(rateBytes, this.packBytes, clock.monotonicMs())
  }

  /** Resolves when enough is known to say how the next pack leaves; undefined where that is now. */
  ready(): Promise<void> | undefined {
    const isEarly = this.#compress === 'auto' && this.#link === 'unknown' && this.#packs >= packsUnknown
    return isEarly ? this.#firstLeft.promise : undefined
  }

  get #link(): ReturnType<typeof linkOf> {
    // A limit is as good as a slow line, known from the start.
    return this.#msPerByte > 0 ? 'slow' : linkOf(this.#measured)
  }

  /** At which level the next pack is to be squeezed; zero for not at all. */
  nextLevel(): number {
    if (this.#compress !== 'auto') return this.#compress === 'off' ? 0 : this.#compress
    const isProbe = this.#packs++ % packsPerProbe === 0
    return this.#link !== 'fast' && (this.#isOn || isProbe) ? autoLevel : 0
  }

  /** A pack was squeezed, or found to be as small as it gets. */
  squeezed(rawBytes: number, length: number, tookMs: number): void {
    this.#squeezed++
    const half = this.#measured.rawBytes > rememberedBytes ? 0.5 : 1
    this.#measured = {
      ...this.#measured,
      rawBytes: this.#measured.rawBytes * half + rawBytes,
      squeezedBytes: this.#measured.squeezedBytes * half + length,
      squeezeMs: this.#measured.squeezeMs * half + tookMs,
    }
  }

  /** A pack has left. */
  left(bytes: number): void {
    const writingMs = this.#writingMs()
    // A limit is as good as a slow line.
    const tookMs = Math.max(writingMs - this.#lastWritingMs, bytes * this.#msPerByte)
    this.#lastWritingMs = writingMs
    const half = this.#measured.linkBytes > rememberedBytes ? 0.5 : 1
    const { linkBytes, linkMs } = this.#measured
    this.#measured = { ...this.#measured, linkBytes: linkBytes * half + bytes, linkMs: linkMs * half + tookMs }
    if (this.#squeezed >= packsToLearn) this.#isOn = squeezingPays(this.#measured, this.#isOn)
    this.#firstLeft.resolve()
  }

  /** Resolves when so many bytes may leave. Undefined where they may at once: without a limit, and after `stop`. */
  pace(bytes: number): Promise<void> | undefined {
    if (this.#bucket === undefined || this.#stop.signal.aborted) return undefined
    const waitMs = this.#bucket.take(bytes, this.#clock.monotonicMs())
    return waitMs > 0 ? this.#clock.sleep(waitMs, this.#stop.signal) : undefined
  }

  /** A pack that was counted never leaves: nobody learns anything from it, so nobody waits for it. */
  lost(): void {
    this.#firstLeft.resolve()
  }

  /** Whether the run is over: whoever did not have to wait any more has nothing to send either. */
  get isStopped(): boolean {
    return this.#stop.signal.aborted
  }

  /** The run is over: nobody waits any more. */
  stop(): void {
    this.#stop.abort()
    this.#firstLeft.resolve()
  }
}
