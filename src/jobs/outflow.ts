// How the packs of one source leave: how large, squeezed where that pays, and between two folders here no faster than a
// person allowed (a line keeps its limit itself, and counts what is not packs too). One of these belongs to one run at the
// end that reads.

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
import { idleProcessors, type ProcessorTimes, processorTimes } from '../std/processors.ts'

export const freeFlow: Flow = { rateBytes: undefined, compress: 'off' }

/** So many packs leave squeezed before the link is known; the next ones wait until one of them is out. */
const packsUnknown = 2
/** Over a slow link so many are squeezed before anything is decided, for something has to be known of the content. */
const packsToLearn = 8
/** Where squeezing does not pay, one pack in so many is squeezed all the same: content and links change. */
const packsPerProbe = 32
/** Processors are looked at this often: at first soon, and over no less than clocks of systems can tell. */
const firstLookMs = 100
const lookMs = 500
/** What was measured counts half once so much more was: about the last second of a fast link. */
const rememberedBytes = 16 * 1024 * 1024

/** After a pause so much of a second's bytes may leave at once. */
const burstsPerSecond = 20

/** What packs go over. */
export type Line = {
  /** Grows while the socket has something of them to take, and only then. */
  readonly writingMs: number
}

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
  readonly #line: Line | undefined
  #lastWritingMs: number
  readonly #msPerByte: number
  readonly #processors: () => ProcessorTimes
  #looked: { readonly atMs: number; readonly times: ProcessorTimes } | undefined
  #idle: number | undefined
  #lastLevel = 0
  #measured: Measured = { linkBytes: 0, linkMs: 0, rawBytes: 0, squeezedBytes: 0, squeezeMs: 0 }

  /** Without a `line` packs go to another folder here. */
  constructor(flow: Flow, clock: Clock, line?: Line, processors: () => ProcessorTimes = processorTimes) {
    const { rateBytes, compress } = flow
    this.#line = line
    this.#lastWritingMs = line?.writingMs ?? 0
    this.#msPerByte = rateBytes === undefined ? 0 : 1000 / rateBytes
    this.#clock = clock
    this.#processors = processors
    this.#compress = compress
    this.packBytes = packBytesFor(rateBytes, slabBytes)
    if (rateBytes === undefined || line !== undefined) return
    this.#bucket = new TokenBucket(rateBytes, rateBytes / burstsPerSecond, clock.monotonicMs(), 0)
  }

  /** Resolves when enough is known to say how the next pack leaves; undefined where that is now. */
  ready(): Promise<void> | undefined {
    const isEarly = this.#compress === 'auto' && this.#link === 'unknown' && this.#packs >= packsUnknown
    return isEarly ? this.#firstLeft.promise : undefined
  }

  get #link(): ReturnType<typeof linkOf> {
    // A limit is as good as a slow line, known from the start.
    return this.#msPerByte > 0 ? 'slow' : linkOf(this.#measured, this.#idle, this.#lastLevel > 0)
  }

  /** At which level the next pack is to be squeezed; zero for not at all. */
  nextLevel(): number {
    if (this.#compress !== 'auto') return this.#compress === 'off' ? 0 : this.#compress
    const isProbe = this.#packs++ % packsPerProbe === 0
    this.#look()
    const level = this.#link !== 'fast' && (this.#isOn || isProbe) ? autoLevel : 0
    // What is squeezed to find out says nothing of what goes on.
    if (!isProbe || this.#isOn) this.#lastLevel = level
    return level
  }

  /** How busy processors are, where that decides anything: on many processors a look takes milliseconds. */
  #look(): void {
    if (this.#msPerByte > 0 || linkOf(this.#measured) === 'fast') return
    const nowMs = this.#clock.monotonicMs()
    const last = this.#looked
    if (last !== undefined && nowMs - last.atMs < (this.#idle === undefined ? firstLookMs : lookMs)) return
    const times = this.#processors()
    if (last !== undefined) this.#idle = idleProcessors(last.times, times) ?? this.#idle
    this.#looked = { atMs: nowMs, times }
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
    const writingMs = this.#line?.writingMs ?? 0
    // A limit is as good as a slow line.
    const tookMs = Math.max(writingMs - this.#lastWritingMs, bytes * this.#msPerByte)
    this.#lastWritingMs = writingMs
    const half = this.#measured.linkBytes > rememberedBytes ? 0.5 : 1
    const { linkBytes, linkMs } = this.#measured
    this.#measured = { ...this.#measured, linkBytes: linkBytes * half + bytes, linkMs: linkMs * half + tookMs }
    if (this.#squeezed >= packsToLearn) this.#isOn = squeezingPays(this.#measured, this.#isOn)
    this.#firstLeft.resolve()
  }

  /** Resolves when so many bytes may leave. Undefined where they may at once, as far as this knows. */
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
