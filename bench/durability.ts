// The row `durability`: what it costs that a written tree outlives a power cut. Not Nightferry itself, which cannot be told
// to be careless, but writer.ts, which writes with its calls: without any sync, with group syncs as the program does, and
// with a sync for each file. Each time on a file system made for it.

import { compareContent, compareMetadata, exact } from './compare.ts'
import { figures, mustHaveEnded, type Run, untilSettled } from './cycle.ts'
import { measure } from './measure.ts'
import { loopback, nodeScript } from './network.ts'
import type { Place } from './places.ts'
import { rotated } from './rows.ts'
import type { Work } from './work.ts'

/** The argument of writer.ts, and what the table calls it. */
const ways = [
  ['none', 'no sync'],
  ['group', 'group syncs'],
  ['each', 'sync each file'],
] as const

/** What the others are compared with. */
export const groupSyncs = ways[1][1]

export async function runDurability(
  number: number,
  place: Place,
  work: Work,
  done: (run: Run) => void,
  signal: AbortSignal,
): Promise<void> {
  for (const [way, peer] of rotated(ways, number)) {
    await using scope = new AsyncDisposableStack()
    const target = await place.freshTarget(scope)
    await place.settle(target.tree)
    const command = [...nodeScript('writer.ts'), way, work.folder, target.tree]
    const measured = await measure(command, undefined, loopback, signal)
    const settleSeconds = await untilSettled(place, target.tree)
    mustHaveEnded(`writing with ${peer}`, measured)
    const verified = number === 1 ? 'content' : 'metadata'
    const difference =
      verified === 'content'
        ? await compareContent(work.folder, target.tree, exact, signal)
        : compareMetadata(work.folder, target.tree, exact)
    if (difference !== '') throw new Error(`${peer}: the trees differ afterwards (${verified}): ${difference}`)
    done({
      ...figures(measured),
      row: 'durability',
      step: 'write',
      place: place.name,
      peer,
      cycle: number,
      settleSeconds,
      verified,
      told: {},
    })
  }
}
