// Whether the other side is still there. Each side sends something at least every `pingMs`, a ping if nothing else, and
// takes the other for lost when nothing at all has come for `silenceMs`, or when for `stallMs` what waits for it has not
// moved or one and the same frame of its has not become whole. No answer to a ping is waited for: on a slow line one would stand behind megabytes of data, and a live peer
// would be taken for dead.

import type { Clock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import type { FrameReader } from './frame.ts'
import { frameKind } from './frame.ts'
import type { Link } from './link.ts'
import type { Outlet } from './outlet.ts'

type HeartbeatOptions = {
  readonly clock: Clock
  readonly link: Link
  readonly outlet: Outlet
  readonly reader: FrameReader
  readonly pingMs: number
  readonly silenceMs: number
  readonly stallMs: number
  /** The other side is gone. The heartbeat does nothing more; the rest is the callee's. */
  lost(failure: Failure): void
}

/** After a time in which this process itself did not run, what has come meanwhile gets this long to be read. */
const graceMs = 1_000

export class Heartbeat {
  readonly #options: HeartbeatOptions
  #timer: { cancel(): void } | undefined
  #lastHeardMs: number
  #isOverdue = false
  #isStopped = false
  #writesTaken = 0
  #lastMovedMs: number
  #framesBegun = 0
  #lastFrameMs: number

  constructor(options: HeartbeatOptions) {
    this.#options = options
    this.#lastHeardMs = options.clock.monotonicMs()
    this.#lastMovedMs = this.#lastHeardMs
    this.#lastFrameMs = this.#lastHeardMs
  }

  start(): void {
    this.#arm()
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  /** Something came. */
  heard(): void {
    this.#lastHeardMs = this.#options.clock.monotonicMs()
    this.#isOverdue = false
  }

  #arm(): void {
    const { clock, outlet, pingMs, silenceMs } = this.#options
    const nextMs = Math.min(outlet.lastSentMs + pingMs, this.#lastHeardMs + silenceMs)
    const waitMs = this.#isOverdue ? graceMs : Math.max(1, nextMs - clock.monotonicMs())
    this.#timer = clock.timer(waitMs, () => this.#look())
  }

  #look(): void {
    const { clock, link, outlet, reader, pingMs, silenceMs, stallMs, lost } = this.#options
    const now = clock.monotonicMs()
    if (link.waitingBytes === 0 || outlet.writesTaken !== this.#writesTaken) {
      this.#writesTaken = outlet.writesTaken
      this.#lastMovedMs = now
    }
    if (reader.isBetweenFrames || reader.framesBegun !== this.#framesBegun) {
      this.#framesBegun = reader.framesBegun
      this.#lastFrameMs = now
    }
    const isSilent = now - this.#lastHeardMs >= silenceMs
    const trouble =
      now - this.#lastMovedMs >= stallMs
        ? 'takes no data any more'
        : now - this.#lastFrameMs >= stallMs
          ? 'does not finish what it began to send'
          : isSilent && this.#isOverdue
            ? `was not heard of for ${Math.round(silenceMs / 1000)} s`
            : undefined
    if (trouble !== undefined) {
      lost(new Failure('connection-lost', `${link.machine} ${trouble}`))
      return
    }
    this.#isOverdue = isSilent
    if (now - outlet.lastSentMs >= pingMs) outlet.control(frameKind.ping, 0, 0)
    if (!this.#isStopped) this.#arm()
  }
}
