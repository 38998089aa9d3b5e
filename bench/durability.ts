// The row `durability`: what it costs that a written tree outlives a power cut. Nightferry from folder to folder at both its
// levels; and writer.ts, which only writes, with its calls: without any sync, with group syncs as the program does, and with
// a sync for each file. Each time on a file system made for it.

import { join } from 'node:path'
import { compareContent, compareMetadata, exact } from './compare.ts'
import { figures, mustHaveEnded, type Run, untilSettled } from './cycle.ts'
import { measure } from './measure.ts'
import { loopback, nodeScript } from './network.ts'
import { program } from './nightferry.ts'
import type { Place } from './places.ts'
import { rotated } from './rows.ts'
import type { Work } from './work.ts'

/** What the others are compared with. */
export const groupSyncs = 'group syncs'

/** What writes from one folder to another, and what the table calls it. */
const ways: readonly { readonly peer: string; command(from: string, to: string, state: string): string[] }[] = [
  ...(['none', 'group'] as const).map((level) => ({
    peer: `nightferry, ${level}`,
    command: (from: string, to: string, state: string) => {
      const run = [program, '--state', state, 'sync', from, to, '--durability', level]
      return [...run, '--json', '--quiet']
    },
  })),
  ...(
    [
      ['none', 'no sync'],
      ['group', groupSyncs],
      ['each', 'sync each file'],
    ] as const
  ).map(([way, peer]) => ({
    peer,
    command: (from: string, to: string) => [...nodeScript('writer.ts'), way, from, to],
  })),
]

export async function runDurability(
  number: number,
  place: Place,
  work: Work,
  done: (run: Run) => void,
  signal: AbortSignal,
): Promise<void> {
  for (const { peer, command } of rotated(ways, number)) {
    await using scope = new AsyncDisposableStack()
    const target = await place.freshTarget(scope)
    await place.settle(target.tree)
    const state = join(target.beside, 'state')
    const measured = await measure(command(work.folder, target.tree, state), undefined, loopback, signal)
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
