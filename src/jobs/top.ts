// Whether the top folder of a target becomes another one by a run, as both ends tell theirs beside the listing of the root; and
// how it is given that, told in the run's manifest before.

import { wantsTop } from '../core/attributes.ts'
import type { Problem } from '../core/problem.ts'
import type { Rules } from '../core/reconcile.ts'
import { decodeTop, isSameTop, type Top } from '../core/top.ts'
import type { Root } from '../disk/root.ts'
import type { DiskTasks } from '../disk/tasks.ts'
import type { DirectoryListing } from '../disk/told-listings.ts'
import { topRefused } from '../disk/top.ts'
import type { Seat } from '../std/crew.ts'
import { Failure } from '../std/failure.ts'
import type { Keeping } from './keeping.ts'

/**
 * What the right's becomes; undefined where it stays. As with the modes of directories that are there: an update, and who brings
 * only what is lacking, leaves it as it is.
 */
export function topFor(
  left: DirectoryListing | undefined,
  right: DirectoryListing | undefined,
  { mode, only }: Pick<Rules, 'mode' | 'only'>,
): Top | undefined {
  if (mode !== 'mirror' || only === 'lacking' || left?.top === undefined) return undefined
  const top = decodeTop(left.top)
  return right?.top !== undefined && isSameTop(top, decodeTop(right.top)) ? undefined : top
}

/** What a driver wants of a target's top folder. Throws `unsolicited` where it carries none. */
export function askedTop(bytes: Uint8Array, carries: number): Top {
  if ((carries & wantsTop) !== 0) return decodeTop(bytes)
  throw new Failure('unsolicited', 'the top folder is not to be changed by this run')
}

/** Gives a target's top folder what it shall be. `code` is a negative errno where it could not be told before. */
export async function dressTop(
  seat: Seat<DiskTasks>,
  keeping: Keeping,
  root: Pick<Root, 'handle'>,
  top: Top,
  { attributes: mask, modeMask }: { readonly attributes: number; readonly modeMask: number },
): Promise<{ code: number; problems: readonly Problem[]; count: number }> {
  const change = await seat.run('foreseeTop', { root: root.handle, mode: top.mode & modeMask })
  const told = change === undefined ? 0 : await keeping.store(() => keeping.tellChanges([change]))
  if (told < 0) return { code: told, problems: [], count: 0 }
  const { isChanged, code } = await seat.run('giveTop', { root: root.handle, top, rights: { mask, modeMask } })
  return { code: 0, problems: topRefused(code), count: isChanged ? 1 : 0 }
}
