// A job between two folders of this machine, run by the real `runOnce` with the seats of its crew in this thread: tasks
// can be watched, and be answered with an errno, one run at a time. State is kept between the runs. For tests only.

import { join } from 'node:path'
import { type DiskTasks, tasks } from '../../src/disk/tasks.ts'
import type { RunEvent } from '../../src/jobs/endpoint.ts'
import type { RunRequest } from '../../src/jobs/job.ts'
import type { Workshop } from '../../src/jobs/local.ts'
import { type FinishedRun, runOnce } from '../../src/jobs/run.ts'
import { SlabStore } from '../../src/jobs/slabs.ts'
import { openState } from '../../src/state/open.ts'
import { systemClock } from '../../src/std/clock.ts'
import { type Crew, Handover, type Seat } from '../../src/std/crew.ts'
import { requestOf } from './requests.ts'

export type TaskFault = {
  readonly task: keyof DiskTasks
  readonly nth: number
  /** -5 (EIO) unless given. */
  readonly code?: number
  /** Runs before the task; without a code the task is made then. */
  readonly before?: () => void
}

export type Trial = {
  readonly directory: string
  readonly source: string
  readonly target: string
  /** Tasks that change something or sync, in their order. */
  readonly trail: string[]
  /** What the last run told. */
  readonly events: RunEvent[]
  /** Answers an errno in place of the n-th call of a task, counted anew for each run. */
  run(faults?: readonly TaskFault[], change?: Partial<RunRequest>): Promise<FinishedRun>
}

const watched: readonly string[] = [
  'writeJournal',
  'writePart',
  'sync',
  'syncDirectories',
  'land',
  'finishDirectories',
  'dropDisplaced',
  'settleTree',
  'takeChanges',
]

/** Two folders below `directory` and the state of their job. */
export function trialIn(directory: string): Trial {
  const trail: string[] = []
  const events: RunEvent[] = []
  let faults: readonly TaskFault[] = []
  const counts = new Map<string, number>()
  const seat: Seat<DiskTasks> = {
    async run(name, input) {
      const count = (counts.get(name) ?? 0) + 1
      counts.set(name, count)
      if (watched.includes(name)) trail.push(name)
      const fault = faults.find(({ task, nth }) => task === name && nth === count)
      fault?.before?.()
      if (fault !== undefined && (fault.code !== undefined || fault.before === undefined))
        return (fault.code ?? -5) as never
      const result: unknown = (tasks[name] as (input: unknown) => unknown)(input)
      return (result instanceof Handover ? result.value : result) as never
    },
    tell: (name, input) => void (tasks[name] as (input: unknown) => unknown)(input),
    isStarted: true,
  }
  const crew: Crew<DiskTasks> = { seats: [seat], hold: () => 0, release: () => {}, close: async () => {} }
  const log = { note: () => {}, flush: () => {} }
  const [source, target] = [join(directory, 'source'), join(directory, 'target')]
  return {
    directory,
    source,
    target,
    trail,
    events,
    async run(these = [], change = {}) {
      faults = these
      counts.clear()
      trail.length = 0
      events.length = 0
      using state = openState({ directory: join(directory, 'state'), clock: systemClock })
      const workshop: Workshop = { crew, slabs: new SlabStore(crew), state, clock: systemClock, log, machine: 'here' }
      const none = (): Promise<never> => Promise.reject(new Error('no machines here'))
      const reach = { isMachine: () => false, connect: none, connectSsh: none }
      const signal = new AbortController().signal
      return await runOnce(
        workshop,
        reach,
        requestOf(source, target, change),
        (event) => void events.push(event),
        signal,
      )
    },
  }
}
