// A stop that reaches work under way in another thread: one word of shared memory, set once and looked at between two
// pieces of work. Whoever looks ends its work in good order; nothing is torn down from outside.

import { Failure } from './failure.ts'

/** Whether the work is wanted no more. */
export type IsStopped = () => boolean

export const neverStopped: IsStopped = () => false

/** The side that stops. `memory` goes to a thread with its work. */
export class Stop {
  readonly memory: SharedArrayBuffer = new SharedArrayBuffer(4)

  set(): void {
    Atomics.store(new Int32Array(this.memory), 0, 1)
  }
}

/** The side that works. */
export function stopOf(memory: SharedArrayBuffer): IsStopped {
  const word = new Int32Array(memory)
  return () => Atomics.load(word, 0) !== 0
}

/** How work ends that is wanted no more. */
export function stopped(): Failure {
  return new Failure('cancelled', 'the work was stopped')
}
