// What comes from an end on another machine: packs on the session's stream, each for the batch that it was asked for. A pack
// that nobody asked for, or one more than the other side says it sent, ends the session.

import { asFailure, Failure } from '../std/failure.ts'
import type { Session } from '../wire/session.ts'
import type { WireStream } from '../wire/stream.ts'
import { call } from './bulk.ts'
import { batchOf, type PackSink, payloadHeadBytes } from './endpoint.ts'
import { PackInbox, type SlabStore } from './slabs.ts'

/** The name of the stream that carries packs, either way. */
export const packStream = 'packs'

export class Intake {
  readonly #session: Session
  readonly #inbox: PackInbox
  readonly #sinks = new Map<number, { sink: PackSink; packs: number; taken: Promise<void>[]; arrived: () => void }>()

  /** `slabs` take what comes by `stream`. */
  constructor(session: Session, stream: WireStream, slabs: SlabStore) {
    this.#session = session
    this.#inbox = new PackInbox(slabs)
    stream.allocate = this.#inbox.allocate
    stream.onFrame((payload, release) => this.#take(payload, release))
    // Without it nothing comes any more of what a supply waits for.
    stream.done.catch((error: unknown) => session.fail(asFailure(error, 'peer-failed')))
  }

  #take(payload: Uint8Array, release: () => void): void {
    const waiting = payload.length < payloadHeadBytes ? undefined : this.#sinks.get(batchOf(payload))
    if (waiting === undefined) {
      throw new Failure('unsolicited', 'the source sent content that was not asked for')
    }
    const taken = waiting.sink(payload).finally(() => {
      this.#inbox.done(payload)
      release()
    })
    // Told by `supply`, which waits for all of them.
    taken.catch(() => {})
    waiting.taken.push(taken)
    waiting.packs++
    waiting.arrived()
  }

  /** Asks for what is wanted, and hands it to the sink as it comes. Resolves when the last pack was taken. */
  async supply(batch: number, wants: Uint8Array, sink: PackSink, portions?: Uint8Array): Promise<void> {
    let check = (): void => {}
    const waiting = { sink, packs: 0, taken: [] as Promise<void>[], arrived: () => check() }
    this.#sinks.set(batch, waiting)
    try {
      const { packs } = await call(
        this.#session,
        'supply',
        portions === undefined ? { batch, wants } : { batch, wants, portions },
      )
      await new Promise<void>((resolve, reject) => {
        check = () => {
          if (waiting.packs === packs) resolve()
          else if (waiting.packs > packs)
            reject(new Failure('unsolicited', 'more packs came than the source said it sent'))
        }
        check()
        void this.#session.closed.then((failure) =>
          reject(failure ?? new Failure('connection-lost', 'the session was closed')),
        )
      })
      await Promise.all(waiting.taken)
    } finally {
      this.#sinks.delete(batch)
      await Promise.allSettled(waiting.taken)
    }
  }
}
