// Requests and their answers, both ways at once over one session. A request is answered exactly once: with a body, or
// with a failure that has the same code on both machines. Each side keeps at most so many unanswered ones as the other
// takes; more wait their turn here. A request that was given up is told to the other side, and its late answer ignored.

import { Bug } from '../std/assert.ts'
import type { Clock } from '../std/clock.ts'
import { asFailure, Failure } from '../std/failure.ts'
import { frameKind, maxControlBytes } from './frame.ts'
import { decodeNamed, encodeName } from './named.ts'
import type { Outlet } from './outlet.ts'
import { decodeFailure, encodeFailure } from './told-failure.ts'

/** Answers a request; `signal` aborts when nobody waits any more. undefined: there is no request of that name. */
export type RequestHandler = (name: string, body: Uint8Array, signal: AbortSignal) => Promise<Uint8Array> | undefined

export type RequestOptions = {
  /** Without it, a request waits for its answer as long as the session lives. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

type CallsOptions = {
  readonly outlet: Outlet
  readonly clock: Clock
  readonly machine: string
  readonly onRequest: RequestHandler
  /** The next free number of this side. */
  nextId(): number
  /** How many unanswered requests this side takes, and the other. */
  readonly ownLimit: number
  readonly peerLimit: number
}

type Call = {
  readonly name: string
  readonly body: Uint8Array
  settle(answer: Uint8Array | Failure): void
}

export class Calls {
  readonly #options: CallsOptions
  /** Sent and unanswered; undefined for those given up. */
  readonly #sent = new Map<number, Call | undefined>()
  readonly #waiting: Call[] = []
  readonly #running = new Map<number, AbortController>()
  #ended: Failure | undefined

  constructor(options: CallsOptions) {
    this.#options = options
  }

  get isIdle(): boolean {
    return this.#sent.size === 0 && this.#waiting.length === 0 && this.#running.size === 0
  }

  request(name: string, body: Uint8Array, options: RequestOptions = {}): Promise<Uint8Array> {
    const { clock, machine } = this.#options
    const { timeoutMs, signal } = options
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended)
      if (signal?.aborted) return reject(givenUp(name, machine))
      if (encodeName(name).length + body.length > maxControlBytes) {
        return reject(new Failure('limit-exceeded', `a request ${name} of ${body.length} bytes is too large to send`))
      }
      let deadline: { cancel(): void } | undefined
      const call: Call = {
        name,
        body,
        settle(answer) {
          deadline?.cancel()
          signal?.removeEventListener('abort', abort)
          if (answer instanceof Failure) reject(answer)
          else resolve(answer)
        },
      }
      const abort = (): void => this.#giveUp(call, givenUp(name, machine))
      signal?.addEventListener('abort', abort, { once: true })
      if (timeoutMs !== undefined) {
        deadline = clock.timer(timeoutMs, () => {
          this.#giveUp(call, new Failure('timed-out', `${machine} did not answer ${name} within ${timeoutMs} ms`))
        })
      }
      this.#waiting.push(call)
      this.#sendWaiting()
    })
  }

  #sendWaiting(): void {
    const { outlet, nextId, peerLimit } = this.#options
    while (this.#sent.size < peerLimit) {
      const call = this.#waiting.shift()
      if (call === undefined) return
      const id = nextId()
      this.#sent.set(id, call)
      outlet.control(frameKind.request, id, 0, encodeName(call.name), call.body)
    }
  }

  #giveUp(call: Call, failure: Failure): void {
    const at = this.#waiting.indexOf(call)
    if (at >= 0) this.#waiting.splice(at, 1)
    else {
      for (const [id, one] of this.#sent) {
        if (one !== call) continue
        // Its place is free only when the answer has come: until then the other side is still at work on it.
        this.#sent.set(id, undefined)
        this.#options.outlet.control(frameKind.abandon, id, 0)
      }
    }
    call.settle(failure)
  }

  /** An answer or a refusal came. */
  takeAnswer(id: number, kind: number, payload: Uint8Array): void {
    if (!this.#sent.has(id)) throw new Failure('protocol-broken', 'an answer came to no request')
    // Read before the call is forgotten: one that cannot be read ends the session, and with it this call.
    const answer = kind === frameKind.answer ? payload : decodeFailure(payload)
    const call = this.#sent.get(id)
    this.#sent.delete(id)
    call?.settle(answer)
    this.#sendWaiting()
  }

  /** A request came, under a number that is new. */
  takeRequest(id: number, payload: Uint8Array): void {
    const { machine, onRequest, ownLimit } = this.#options
    if (this.#running.size >= ownLimit) {
      throw new Failure('limit-exceeded', `${machine} sent more than ${ownLimit} requests at a time`)
    }
    const { name, body } = decodeNamed(payload)
    const controller = new AbortController()
    this.#running.set(id, controller)
    let answer: Promise<Uint8Array> | undefined
    try {
      answer = onRequest(name, body, controller.signal)
    } catch (error) {
      answer = Promise.reject(error)
    }
    answer ??= Promise.reject(new Failure('protocol-broken', 'a request has a name that this version does not know'))
    answer.then(
      (bytes) => this.#answer(id, bytes),
      (error) => this.#refuse(id, error),
    )
  }

  /** The other side does not wait for this answer any more. It is sent all the same, which frees the place there. */
  takeAbandon(id: number): void {
    this.#running.get(id)?.abort()
  }

  #answer(id: number, bytes: Uint8Array): void {
    if (bytes.length > maxControlBytes) {
      this.#refuse(id, new Failure('limit-exceeded', `an answer of ${bytes.length} bytes is too large to send`))
      return
    }
    this.#running.delete(id)
    this.#options.outlet.control(frameKind.answer, id, 0, bytes)
  }

  #refuse(id: number, error: unknown): void {
    this.#running.delete(id)
    const failure =
      error instanceof Bug ? new Failure('peer-failed', 'an internal error') : asFailure(error, 'peer-failed')
    this.#options.outlet.control(frameKind.refusal, id, 0, encodeFailure(failure))
    // Ours, and nobody waits for this promise: it goes up as an unhandled rejection and stops the process.
    if (error instanceof Bug) throw error
  }

  /** The session is over: nothing stays pending, running handlers see their signal. */
  close(failure: Failure): void {
    this.#ended = failure
    for (const call of [...this.#sent.values(), ...this.#waiting.splice(0)]) call?.settle(failure)
    this.#sent.clear()
    for (const controller of this.#running.values()) controller.abort()
    this.#running.clear()
  }
}

function givenUp(name: string, machine: string): Failure {
  return new Failure('cancelled', `the request ${name} to ${machine} was given up`)
}
