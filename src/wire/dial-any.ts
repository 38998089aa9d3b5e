// Calling a machine that may be at one of several addresses: the first is tried, and each time one fails or has said
// nothing for a moment the next one too; the first whose key is right wins and the others are hung up. So an address
// that is dead costs that moment, not the time that a network takes to give up.

import type { Clock } from '../std/clock.ts'
import { asFailure, Failure } from '../std/failure.ts'
import type { Place } from './addresses.ts'
import type { Link } from './link.ts'

/** How long an address has the line for itself. */
export const headStartMs = 250

/** Calls one address; `signal` aborts when another one answered, or nobody wants the machine any more. */
export type DialOne = (place: Place, signal: AbortSignal) => Promise<Link>

/**
 * A link to the first of `places` that answers with the right key, and which it is. Throws what the first of them failed
 * with, and names the others in the hint.
 */
export async function dialAny(
  places: readonly Place[],
  options: { readonly dialOne: DialOne; readonly clock: Clock; readonly signal?: AbortSignal },
): Promise<{ readonly link: Link; readonly place: Place }> {
  const { dialOne, clock, signal } = options
  const race = Promise.withResolvers<{ link: Link; place: Place }>()
  const others = new AbortController()
  const failures: (Failure | undefined)[] = places.map(() => undefined)
  let next = 0
  let isWon = false
  let pause: { cancel(): void } | undefined

  const start = (): void => {
    pause?.cancel()
    const at = next++
    const place = places[at]
    if (place === undefined || others.signal.aborted) return
    if (next < places.length) pause = clock.timer(headStartMs, start)
    dialOne(place, others.signal).then(
      (link) => {
        if (isWon || others.signal.aborted) return link.destroy()
        isWon = true
        race.resolve({ link, place })
      },
      (error: unknown) => lost(at, error),
    )
  }
  const lost = (at: number, error: unknown): void => {
    failures[at] = asFailure(error, 'unreachable')
    if (!failures.includes(undefined)) race.reject(togetherAs(failures as Failure[], places))
    else if (at === next - 1) start()
  }
  const abort = (): void => race.reject(new Failure('cancelled', 'calling was cancelled'))

  if (signal?.aborted) abort()
  else {
    signal?.addEventListener('abort', abort, { once: true })
    start()
  }
  try {
    return await race.promise
  } finally {
    pause?.cancel()
    signal?.removeEventListener('abort', abort)
    others.abort()
  }
}

/** The failure of the address that was most likely right, which says where else was looked. */
function togetherAs(failures: readonly Failure[], places: readonly Place[]): Failure {
  const first = failures[0] as Failure
  if (failures.length === 1) return first
  const also = places.slice(1).map(({ host, port }, index) => `${host}:${port} (${failures[index + 1]?.code})`)
  const hint = `${first.hint === '' ? '' : `${first.hint} `}Tried in vain too: ${also.join(', ')}.`
  return new Failure(first.code, first.message, { hint, cause: first })
}
