// Which calls a session may make when. A driver opens an end, has it scanned and viewed, and then reads from it or changes
// it, in this order; the ends rely on it. Calls that look or change the end as a whole run one after the other, each with
// its answer sent before the next begins, so that a peer holds one of their answers at a time; what carries batches runs
// side by side. Whatever comes in another order is refused, and nothing of it is done.

import { Failure } from '../std/failure.ts'
import type { CallName } from '../wire/messages.ts'

/** How far a session has come with the end it opened. */
export type Phase = 'closed' | 'open' | 'scanned' | 'viewed' | 'begun' | 'staging' | 'finished'
/** `both`: read from and written to in one run. */
export type Role = 'source' | 'target' | 'both'

/** When a call may come, and to which end where that matters. Those that are missing may come at any time. */
const order: Partial<Record<CallName, { readonly phases: readonly Phase[]; readonly role?: Exclude<Role, 'both'> }>> = {
  scan: { phases: ['open'] },
  owners: { phases: ['scanned', 'viewed'], role: 'source' },
  ownersHere: { phases: ['scanned', 'viewed'], role: 'target' },
  view: { phases: ['scanned', 'viewed'] },
  listings: { phases: ['viewed', 'begun', 'staging', 'finished'] },
  listingPart: { phases: ['viewed', 'begun', 'staging', 'finished'] },
  digests: { phases: ['viewed', 'begun', 'staging', 'finished'] },
  linked: { phases: ['viewed', 'begun', 'staging', 'finished'] },
  supply: { phases: ['viewed', 'begun', 'staging'], role: 'source' },
  attributes: { phases: ['viewed'], role: 'source' },
  begin: { phases: ['viewed'], role: 'target' },
  moves: { phases: ['begun'], role: 'target' },
  stage: { phases: ['begun', 'staging'], role: 'target' },
  answer: { phases: ['staging'], role: 'target' },
  written: { phases: ['staging'], role: 'target' },
  landed: { phases: ['begun', 'staging'], role: 'target' },
  finish: { phases: ['begun', 'staging'], role: 'target' },
  verify: { phases: ['viewed', 'finished'], role: 'target' },
  distrust: { phases: ['viewed', 'finished'], role: 'target' },
}

/** Where a call leads, from its start on or once it has succeeded. */
const startsAt: Partial<Record<CallName, Phase>> = { stage: 'staging', finish: 'finished' }
const endsAt: Partial<Record<CallName, Phase>> = { scan: 'scanned', view: 'viewed', begin: 'begun' }

/** Run beside all others: those of batches, that which closes, and a stop. What is asked along with an opening waits for it. */
const sideBySide: readonly CallName[] = ['close', 'stage', 'answer', 'attributes', 'supply', 'written', 'undeleteStop']

/** Whether the end is so far that it can be asked this. */
export function mayCome(name: CallName, phase: Phase, role: string): boolean {
  const rule = order[name]
  if (rule === undefined) return true
  return rule.phases.includes(phase) && (rule.role === undefined || rule.role === role || role === 'both')
}

/** Where a call stands among those that have to begin in their order. */
export type Place = { readonly before: Promise<void> | undefined; leave(): void }
const noPlace: Place = { before: undefined, leave: () => {} }

export class CallOrder {
  #phase: Phase = 'closed'
  #role = ''
  #lane: Promise<unknown> = Promise.resolve()
  /** A plan is being announced: batches that were sent along with it wait for it. */
  #beginning: Promise<unknown> = Promise.resolve()
  /** The batch that was told last has been staged, or never will be. */
  #staged: Promise<void> = Promise.resolve()
  /** Directories are being renamed: nothing is staged meanwhile. */
  #isMoving = false

  /** An end was opened. */
  opened(role: Role): void {
    this.#phase = 'open'
    this.#role = role
  }

  /**
   * A place in line for a call that was opened, however long its body is under way: batches are staged in the order of the
   * plan, so that a file that moves is known before its old name goes. Whoever takes one leaves it.
   */
  queue(name: CallName): Place {
    if (name !== 'stage') return noPlace
    const before = this.#staged
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#staged = promise
    return { before, leave: resolve }
  }

  /**
   * Does a call's work when it is its turn, then tells the answer; it counts as done before it is told, since the next call
   * may follow at once. Throws `protocol-broken` for a call that may not come now.
   */
  async run<Result>(
    name: CallName,
    work: () => Promise<Result>,
    tell: (result: Result) => Promise<void>,
    place: Place = noPlace,
  ): Promise<void> {
    await place.before
    if (name === 'stage') await this.#beginning
    if (sideBySide.includes(name)) {
      const begun = (): Promise<Result> => {
        const working = work()
        place.leave()
        return working
      }
      return await this.#run(name, begun, tell)
    }
    const begun = name === 'begin' ? Promise.withResolvers<void>() : undefined
    const telling = async (result: Result): Promise<void> => {
      begun?.resolve()
      await tell(result)
    }
    const turn = this.#lane.then(() => this.#run(name, work, telling))
    this.#lane = turn.catch(() => {}).finally(() => begun?.resolve())
    if (begun !== undefined) this.#beginning = begun.promise
    await turn
  }

  /** What was to finish does not yet: batches go on. */
  goesOn(): void {
    this.#phase = 'staging'
  }

  async #run<Result>(
    name: CallName,
    work: () => Promise<Result>,
    tell: (result: Result) => Promise<void>,
  ): Promise<void> {
    const isBarred = this.#isMoving && sideBySide.includes(name) && order[name] !== undefined
    if (isBarred || !mayCome(name, this.#phase, this.#role)) {
      throw new Failure('protocol-broken', `the call ${name} came when it may not come`)
    }
    this.#phase = startsAt[name] ?? this.#phase
    this.#isMoving ||= name === 'moves'
    let result: Result
    try {
      result = await work()
      this.#phase = endsAt[name] ?? this.#phase
    } finally {
      if (name === 'moves') this.#isMoving = false
    }
    await tell(result)
  }
}
