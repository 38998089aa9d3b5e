// How busy the machine's processors are: what was measured of all of them together, between two looks. A container sees its
// host's.

import { cpus } from 'node:os'

/** Time of all processors since the machine started, in ms; only differences mean something. */
export type ProcessorTimes = { readonly count: number; readonly idleMs: number; readonly allMs: number }

export function processorTimes(): ProcessorTimes {
  let [idleMs, allMs] = [0, 0]
  const all = cpus()
  for (const { times } of all) {
    idleMs += times.idle
    allMs += times.idle + times.user + times.nice + times.sys + times.irq
  }
  return { count: all.length, idleMs, allMs }
}

/** How many processors had nothing to do between two looks, fractions counted; undefined where that can't be told. */
export function idleProcessors(before: ProcessorTimes, now: ProcessorTimes): number | undefined {
  const allMs = now.allMs - before.allMs
  if (now.count === 0 || now.count !== before.count || allMs <= 0) return undefined
  return (now.count * Math.max(0, now.idleMs - before.idleMs)) / allMs
}
