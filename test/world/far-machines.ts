// Two machines so far apart that nothing but the way takes time: what either says arrives when neither does anything any
// more, all of it at once. So the times that a run goes there and back are counted, not measured, and are the same on any
// computer. The real engine, in this thread. For tests only.

import { join } from 'node:path'
import { duplexPair } from 'node:stream'
import type { RunRequest } from '../../src/jobs/job.ts'
import type { Workshop } from '../../src/jobs/local.ts'
import { type FinishedRun, type Reach, runOnce } from '../../src/jobs/run.ts'
import { type AllowedKind, addShare } from '../../src/jobs/shares.ts'
import { SlabStore } from '../../src/jobs/slabs.ts'
import { openState } from '../../src/state/open.ts'
import { Bug } from '../../src/std/assert.ts'
import { systemClock } from '../../src/std/clock.ts'
import { linkOver } from '../../src/wire/link.ts'
import { openSession, type Session } from '../../src/wire/session.ts'
import { requestOf } from './requests.ts'
import { crewHere } from './seat-here.ts'
import { servedTo } from './served.ts'

const log = { note: () => {}, flush: () => {} }

/** So many turns of the event loop without a byte: nobody does anything any more but wait. */
const quietTurns = 50

export type FarRun = FinishedRun & {
  /** Times there and back, from the hello to the end of the run. */
  readonly roundTrips: number
}

export class FarMachines {
  readonly source: string
  readonly target: string
  readonly #directory: string
  readonly #way: 'push' | 'pull'
  #ways = 0

  constructor(directory: string, way: 'push' | 'pull') {
    this.#directory = directory
    this.#way = way
    this.source = join(directory, 'source')
    this.target = join(directory, 'target')
  }

  /** Once both folders are there; `allows`: what the share lets runs set. */
  share(allows: readonly AllowedKind[] = []): void {
    const path = this.#way === 'push' ? this.target : this.source
    const share = { name: 'there', path, readOnly: false, for: undefined, maxDelete: undefined, allows }
    addShare(join(this.#directory, 'nas', 'config'), share)
  }

  async run(change: Partial<RunRequest> = {}): Promise<FarRun> {
    const source = this.#way === 'pull' ? 'nas:there' : this.source
    const request = requestOf(source, this.#way === 'push' ? 'nas:there' : this.target, change)
    const [laptop, nas] = [this.#workshop('laptop'), this.#workshop('nas')]
    const attached: Promise<void>[] = []
    const reach: Reach = {
      isMachine: (name) => name === 'nas',
      connect: () => this.#connect(nas, attached),
      connectSsh: () => Promise.reject(new Bug('nobody goes by ssh here')),
    }
    try {
      const run = await runOnce(laptop, reach, request, () => {}, new AbortController().signal)
      return { ...run, roundTrips: this.#ways / 2 }
    } finally {
      await Promise.all(attached)
      for (const { state } of [laptop, nas]) state[Symbol.dispose]()
    }
  }

  #workshop(machine: string): Workshop {
    const state = openState({ directory: join(this.#directory, machine, 'state'), clock: systemClock })
    return { crew: crewHere, slabs: new SlabStore(crewHere), state, clock: systemClock, log, machine }
  }

  async #connect(nas: Workshop, attached: Promise<void>[]): Promise<Session> {
    const [near, far] = this.#line()
    const served = servedTo('laptop', nas, join(this.#directory, 'nas', 'config'))
    const options = { clock: systemClock, onRequest: () => undefined }
    const facts = { peerId: undefined, remoteAddress: 'memory' }
    const answering = openSession(linkOver(far, { ...facts, machine: 'laptop' }, systemClock), {
      ...options,
      side: 'listener',
      hello: { machine: 'nas', productVersion: '0.0.0' },
      onStream: served.onStream,
    })
    attached.push(answering.then((session) => served.attach(session)))
    const session = await openSession(linkOver(near, { ...facts, machine: 'nas' }, systemClock), {
      ...options,
      side: 'dialer',
      hello: { machine: 'laptop', productVersion: '0.0.0' },
      onStream: () => false,
    })
    this.#ways = 0
    return session
  }

  #line(): [ReturnType<typeof duplexPair>[0], ReturnType<typeof duplexPair>[0]] {
    const [near, left] = duplexPair()
    const [right, far] = duplexPair()
    const underWay: (() => void)[] = []
    let turns = 0
    let isAwaited = false
    const look = (): void => {
      if (++turns < quietTurns) return void setImmediate(look)
      isAwaited = false
      this.#ways++
      for (const arrive of underWay.splice(0)) arrive()
    }
    const send = (arrive: () => void): void => {
      underWay.push(arrive)
      turns = 0
      if (isAwaited) return
      isAwaited = true
      setImmediate(look)
    }
    for (const [from, to] of [
      [left, right],
      [right, left],
    ] as const) {
      from.on('data', (chunk: Buffer) => {
        const bytes = Buffer.from(chunk)
        send(() => void to.write(bytes))
      })
      from.on('end', () => send(() => void to.end()))
      from.on('error', () => {})
    }
    return [near, far]
  }
}
