// A rate that is kept: what is taken is earned at so much a second, and whoever takes more than there is learns how long
// it is until it was earned. Pure arithmetic over a clock that the caller reads; it waits for nobody.

export class TokenBucket {
  readonly #perMs: number
  readonly #burst: number
  /** Earned and not taken; below zero what was taken ahead. */
  #tokens: number
  #atMs: number

  /** Holds `tokens` at `nowMs`, a whole burst where nothing is said; after a pause `burst` may go at once. */
  constructor(perSecond: number, burst: number, nowMs: number, tokens: number = burst) {
    this.#perMs = perSecond / 1000
    this.#burst = burst
    this.#tokens = tokens
    this.#atMs = nowMs
  }

  /**
   * Takes `amount`, and says in how many ms it will have been earned. Those who take wait for each other: who takes
   * later is told to wait longer. So the rate holds whatever the amounts are.
   */
  take(amount: number, nowMs: number): number {
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#atMs) * this.#perMs)
    this.#atMs = nowMs
    this.#tokens -= amount
    return this.#tokens >= 0 ? 0 : -this.#tokens / this.#perMs
  }
}
