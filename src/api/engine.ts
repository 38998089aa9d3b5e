// What a command or a program works with: this machine's places, its name, its state, its crew and its way to other
// machines. Opened lazily, closed in reverse. Only what is needed is loaded: a local run opens no identity.

import { noteTold, ownListening } from '../daemon/client.ts'
import { machineName, openPlaces, type Places } from '../daemon/config.ts'
import { openReach } from '../daemon/reach.ts'
import type { DiskTasks } from '../disk/tasks.ts'
import type { Workshop } from '../jobs/local.ts'
import type { Reach } from '../jobs/run.ts'
import { SlabStore } from '../jobs/slabs.ts'
import { openState } from '../state/open.ts'
import { systemClock } from '../std/clock.ts'
import { crewSize, isBundled, openCrew } from '../std/crew.ts'
import { openLog } from '../std/log.ts'

/** The seat's file in the bundle that this is part of: set when it is made, so that a newer one never serves an older process. */
declare const bundledSeat: string

const seatFile = isBundled ? new URL(bundledSeat, import.meta.url) : new URL('../disk/seat.ts', import.meta.url)

export type Engine = {
  readonly places: Places
  readonly workshop: Workshop
  readonly reach: Reach
  /** What a person may want to know, such as that damaged state was set aside. */
  readonly notices: readonly string[]
  close(): Promise<void>
}

/**
 * Opens what a run or a daemon needs, with settings and state below `stateDirectory` or where XDG puts them. `role` names
 * the log. `isAttended`: somebody sits at the terminal, and ssh may ask.
 */
export function openEngine(
  stateDirectory: string | undefined,
  role: 'sync' | 'serve',
  isAttended: boolean = false,
): Engine {
  // Threads start while everything else is opened.
  const crew = openCrew<DiskTasks>(seatFile, crewSize())
  const places = openPlaces(stateDirectory, process.env)
  const clock = systemClock
  const state = openState({ directory: places.state, clock })
  const log = openLog({ directory: places.logs, role, clock })
  const machine = machineName(places)
  return {
    places,
    workshop: { crew, slabs: new SlabStore(crew), state, clock, log, machine },
    reach: openReach({
      places,
      machine,
      log,
      isAttended,
      listening: (peerId) => ownListening(places, peerId),
      told: (peerId) => void noteTold(places, peerId),
    }),
    notices: state.notices,
    async close() {
      log.flush()
      state[Symbol.dispose]()
      await crew.close()
    },
  }
}
