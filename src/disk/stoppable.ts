// A Sys for work that may go on for long and is wanted no more at some moment: reading of it ends then, by a throw, between
// two pieces. Writing does not: what was read is written. Whoever uses it closes what it has open all the same.

import { type IsStopped, stopped } from '../std/stop.ts'
import type { Sys } from './sys.ts'

/** The same calls; `read` throws `cancelled` once it is stopped. */
export function sysUntilStopped(sys: Sys, isStopped: IsStopped): Sys {
  return {
    ...sys,
    read(handle, into, start, length, position) {
      if (isStopped()) throw stopped()
      return sys.read(handle, into, start, length, position)
    },
  }
}
