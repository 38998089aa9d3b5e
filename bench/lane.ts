// One direction of a slow link, as arithmetic: a line that carries so many bytes a second, a queue before it that drops
// what does not fit, and the time that a packet is under way. Pure; shaper.ts moves the packets.

export type Line = { readonly bytesPerSecond: number; readonly oneWayMs: number; readonly queueBytes: number }

/** 10 Mbit/s, 50 ms there and back, and a queue of 100 ms, which is twice what the line itself holds. */
export const slowLine: Line = { bytesPerSecond: 1_250_000, oneWayMs: 25, queueBytes: 125_000 }
/** 50 Mbit/s to the other side of the world: 300 ms there and back, and a queue that holds as much as the line. */
export const farLine: Line = { bytesPerSecond: 6_250_000, oneWayMs: 150, queueBytes: 1_875_000 }

export class Lane {
  readonly #line: Line
  /** When the last packet that was taken has left the queue. */
  #freeAtMs = 0

  constructor(line: Line) {
    this.#line = line
  }

  /** When a packet that comes now reaches the other end; undefined when the queue is full and it is dropped. */
  arrival(nowMs: number, sizeBytes: number): number | undefined {
    const { bytesPerSecond, oneWayMs, queueBytes } = this.#line
    const startMs = Math.max(nowMs, this.#freeAtMs)
    const queuedBytes = ((startMs - nowMs) * bytesPerSecond) / 1000
    if (queuedBytes + sizeBytes > queueBytes) return undefined
    this.#freeAtMs = startMs + (sizeBytes / bytesPerSecond) * 1000
    return this.#freeAtMs + oneWayMs
  }
}
