// The answering side of what a peer asks about old versions: within what it is granted (grants.ts). Looking is allowed in
// every share; bringing back and undoing only where it may write.

import { parseRelPath } from '../core/path.ts'
import type { Placed } from '../disk/find-target.ts'
import { Failure } from '../std/failure.ts'
import type { CallHandlers, CallOutput } from './bulk.ts'
import type { Grants, PastGrant } from './grants.ts'
import type { Workshop } from './local.ts'
import { undeleteAt, undoAt, versionsAt } from './past.ts'

const listedMax = 10_000
const toldMax = 1000

export type PastOptions = { readonly workshop: Workshop; readonly grants: Grants; readonly machine: string }

export function pastHandlers(options: PastOptions): Pick<CallHandlers, 'versions' | 'undelete' | 'undo'> {
  const { workshop } = options
  return {
    versions: async ({ share, sub, run }) =>
      await within(options, { share, sub, writes: false }, async (placed): Promise<CallOutput<'versions'>> => {
        const { versions, more } = await versionsAt(workshop, placed, { run, max: listedMax })
        return { versions: versions.map((one) => ({ ...one, mtimeSeconds: BigInt(one.mtimeSeconds) })), more }
      }),
    undelete: async ({ share, sub, run, as }) =>
      await within(options, { share, sub, writes: true }, async (placed): Promise<CallOutput<'undelete'>> => {
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
      await within(
        options,
        { share, sub, writes: true },
        async ({ rootPath, path }, { ownerLimit }): Promise<CallOutput<'undo'>> => {
          if (path !== '') throw new Failure('no-versions', 'no run wrote to that folder')
          const { conflicts, already, isEmpty, done } = await undoAt(workshop, rootPath, {
            run,
            as,
            job,
            limit: ownerLimit,
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
        },
      ),
  }
}

async function within<Answer>(
  { grants, machine, workshop }: PastOptions,
  { share, sub, writes }: { share: string; sub: string; writes: boolean },
  work: (placed: Placed, grant: PastGrant) => Promise<Answer>,
): Promise<Answer> {
  const grant = grants.past(share, sub)
  if (writes) grant.mayWrite()
  const { placed, label } = grant
  if (placed === undefined) throw new Failure('no-versions', `nothing was ever mirrored to ${label}`)
  workshop.log.note('past-asked', { machine, share, path: sub, writes })
  try {
    return await work(placed, grant)
  } catch (error) {
    throw grant.told(error)
  }
}
