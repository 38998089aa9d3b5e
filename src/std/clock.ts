// Time, and the only place that asks for it. Wall time is for people and for comparing clocks; everything that measures
// or waits uses the monotonic clock. Tests and simulation hand in a clock of their own.

export interface Clock {
  /** Wall time in ms since 1970 UTC; may jump. For people, logs and skew only. */
  nowMs(): number
  /** Milliseconds that never go back; the origin means nothing. */
  monotonicMs(): number
  /** Resolves after `ms`, or at once when `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Calls `fire` once after `ms` unless cancelled; never keeps the process alive. */
  timer(ms: number, fire: () => void): { cancel(): void }
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep(ms, signal) {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const finish = (): void => {
        clearTimeout(handle)
        signal?.removeEventListener('abort', finish)
        resolve()
      }
      const handle = setTimeout(finish, ms)
      signal?.addEventListener('abort', finish, { once: true })
    })
  },
  timer(ms, fire) {
    const handle = setTimeout(fire, ms)
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
}

/** Blocks this thread for `ms`. For worker threads that wait out a time stamp's grain; never on a main thread. */
export function blockMs(ms: number): void {
  if (ms > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** `2026-11-21` in UTC: the name of a day's log file. */
export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

/** `2026-11-21T09:12:44.120Z`. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}
