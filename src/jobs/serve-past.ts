// The answering side of what a paired machine asks about old versions: within a share that it is given, below the share's
// folder, following no symlink. Looking is allowed in every share; bringing back and undoing only where it may write.

import { parseRelPath } from '../core/path.ts'
import { findTarget, type Placed } from '../disk/find-target.ts'
import { realPath } from '../disk/root.ts'
import { asFailure, Failure } from '../std/failure.ts'
import type { CallHandlers, CallOutput } from './bulk.ts'
import type { Workshop } from './local.ts'
import { undeleteAt, undoAt, versionsAt } from './past.ts'
import { loadShares, ownerLimitOf, type Share, shareFor } from './shares.ts'

const listedMax = 10_000
const toldMax = 1000

export type PastOptions = { readonly workshop: Workshop; readonly configDirectory: string; readonly machine: string }

export function pastHandlers(options: PastOptions): Pick<CallHandlers, 'versions' | 'undelete' | 'undo'> {
  const { workshop } = options
  return {
    versions: async ({ share, sub, run }) =>
      await inShare(options, share, sub, false, async (placed): Promise<CallOutput<'versions'>> => {
        const { versions, more } = await versionsAt(workshop, placed, { run, max: listedMax })
        return { versions: versions.map((one) => ({ ...one, mtimeSeconds: BigInt(one.mtimeSeconds) })), more }
      }),
    undelete: async ({ share, sub, run, as }) =>
      await inShare(options, share, sub, true, async (placed): Promise<CallOutput<'undelete'>> => {
        const to = as === undefined ? undefined : parseRelPath(as)
        if (as !== undefined && to === undefined) throw new Failure('protocol-broken', 'a path is none below a root')
        const { existing, problems, ...rest } = await undeleteAt(workshop, placed, { run, as: to })
        return {
          ...rest,
          existing: existing.slice(0, toldMax),
          existingCount: existing.length,
          problems: problems.slice(0, toldMax),
          problemCount: problems.length,
        }
      }),
    undo: async ({ share, sub, run, as, job }) =>
      await inShare(options, share, sub, true, async ({ rootPath, path }, owner): Promise<CallOutput<'undo'>> => {
        if (path !== '') throw new Failure('no-versions', 'no run wrote to that folder')
        const { conflicts, already, isEmpty, done } = await undoAt(workshop, rootPath, {
          run,
          as,
          job,
          limit: ownerLimitOf(owner),
        })
        const problems = done?.problems ?? []
        return {
          conflicts: conflicts.slice(0, toldMax),
          conflictCount: conflicts.length,
          already,
          isEmpty,
          done: done !== undefined,
          ...(done?.counts ?? { created: 0, replaced: 0, attributes: 0, renamed: 0, deleted: 0 }),
          problems: problems.slice(0, toldMax),
          problemCount: problems.length,
        }
      }),
  }
}

async function inShare<Answer>(
  { configDirectory, machine, workshop }: PastOptions,
  name: string,
  sub: string,
  writes: boolean,
  work: (placed: Placed, share: Share) => Promise<Answer>,
): Promise<Answer> {
  const share: Share = shareFor(loadShares(configDirectory), name, machine)
  if (writes && share.readOnly) {
    throw new Failure('share-read-only', `the share ${share.name} may be read but not written`, {
      hint: 'share it again without --read-only on the machine that owns it',
    })
  }
  const path = parseRelPath(sub)
  if (path === undefined) throw new Failure('protocol-broken', 'a path is none below a root')
  const placed = findTarget(
    realPath(share.path),
    path.split('/').filter((part) => part !== ''),
  )
  if (placed === undefined) throw new Failure('no-versions', `nothing was ever mirrored to ${name}/${sub}`)
  workshop.log.note('past-asked', { machine, share: name, path: sub, writes })
  try {
    return await work(placed, share)
  } catch (error) {
    const failure = asFailure(error, 'peer-failed')
    // Where a share lies on this machine is nobody else's business.
    const hide = (text: string): string => text.replaceAll(placed.rootPath, name).replaceAll(share.path, name)
    throw new Failure(failure.code, hide(failure.message), { hint: hide(failure.hint) })
  }
}
