// The one line of a terminal that shows how far something is: redrawn in its place, never more than ten times a second,
// gone before anything else is printed. Where stderr is no terminal it shows nothing.

import { systemClock } from '../std/clock.ts'

const everyMs = 100

export class StatusLine {
  readonly #isShown: boolean
  #isDrawn = false
  #lastMs = 0

  /** `isWanted`: false where output is for programs, or nothing is to be said. */
  constructor(isWanted: boolean) {
    this.#isShown = isWanted && process.stderr.isTTY === true
  }

  /** Whether the last time is long enough ago; counts as a time. */
  isDue(): boolean {
    const nowMs = systemClock.monotonicMs()
    if (nowMs - this.#lastMs < everyMs) return false
    this.#lastMs = nowMs
    return true
  }

  draw(text: string): void {
    if (!this.#isShown) return
    const columns = process.stderr.columns ?? 80
    process.stderr.write(`\r\x1b[2K${text.slice(0, columns - 1)}`)
    this.#isDrawn = true
  }

  /** The same where it is due; the text is made only then. */
  drawWhenDue(text: () => string): void {
    if (this.#isShown && this.isDue()) this.draw(text())
  }

  clear(): void {
    if (this.#isDrawn) process.stderr.write('\r\x1b[2K')
    this.#isDrawn = false
  }
}
