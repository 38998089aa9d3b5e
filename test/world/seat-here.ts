// The tasks of the disk, done at once in this thread, as a seat and as a crew of one: for tests that need no other thread,
// or want to see all that happens in one.

import { type DiskTasks, tasks } from '../../src/disk/tasks.ts'
import { type Crew, Handover, type Seat } from '../../src/std/crew.ts'

export const seatHere: Seat<DiskTasks> = {
  isStarted: true,
  tell: (name, input) => void (tasks[name] as (input: unknown) => unknown)(input),
  async run(name, input) {
    const result: unknown = (tasks[name] as (input: unknown) => unknown)(input)
    // Copied, as between threads: what the tasks hold may be given back after this.
    return structuredClone(result instanceof Handover ? result.value : result) as never
  },
}

export const crewHere: Crew<DiskTasks> = { seats: [seatHere], hold: () => 0, release: () => {}, close: async () => {} }
