// Owners by name: agreed between two machines once a run, after both were scanned and before anything is compared. The source
// names who owns something; the target says what these are there; from then on the source tells the target's numbers.

import { wantsOwner } from '../core/attributes.ts'
import { isSameForAll, type OwnerMap, type Owners } from '../core/owners.ts'
import type { DiskTasks } from '../disk/tasks.ts'
import type { Traits } from '../disk/traits.ts'
import type { Seat } from '../std/crew.ts'
import { Failure } from '../std/failure.ts'
import type { SourceEnd, TargetEnd } from './endpoint.ts'

/** What owners become at the target; undefined where all stay the numbers that they are. `attributes` is what both ends carry. */
export async function agreeOwners(
  left: SourceEnd,
  right: TargetEnd,
  attributes: number,
): Promise<OwnerMap | undefined> {
  if ((attributes & wantsOwner) === 0) return undefined
  const owners = await left.owners()
  if (owners.users.length + owners.groups.length === 0) return undefined
  const map = await right.ownersHere(owners)
  return isSameForAll(map) ? undefined : map
}

/** What accounts are on a target's machine: who may not set owners there learns nothing of them. */
export async function ownersHere(seat: Seat<DiskTasks>, owners: Owners, { attributes = 0 }: Traits): Promise<OwnerMap> {
  if ((attributes & wantsOwner) !== 0) return await seat.run('ownersHere', { owners })
  throw new Failure('protocol-broken', 'owners are not set here, and not told')
}
