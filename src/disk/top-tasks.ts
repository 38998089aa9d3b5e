// What the threads of a crew do about the top folder of a root, by its handle, and about accounts by their names; part of the
// table in tasks.ts. No tree is needed for any of it.

import type { OwnerMap, Owners } from '../core/owners.ts'
import type { Top } from '../core/top.ts'
import type { TopChange } from './manifest.ts'
import { ownersHere } from './sys-accounts.ts'
import { systemSys } from './system.ts'
import { giveTop, type TopRights, topChange } from './top.ts'

const sys = systemSys()

export const topTasks = {
  /** What the accounts of another machine are here. */
  ownersHere(input: { owners: Owners }): OwnerMap {
    return ownersHere(input.owners)
  },

  /** What is about to be taken away from the top folder, for the run's manifest. */
  foreseeTop(input: { root: number; mode: number }): TopChange | undefined {
    return topChange(sys, input.root, input.mode)
  },

  /** Gives the top folder its owner, attributes and mode. */
  giveTop(input: { root: number; top: Top; rights: TopRights }): { isChanged: boolean; code: number } {
    return giveTop(sys, input.root, input.top, input.rights)
  },
}
