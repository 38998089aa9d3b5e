// Opens the ends of a run, wherever they are: a folder here, or a share of the machine at the other side of a session; to be
// read, to be written to, or both. What is opened is locked, and its opener's to close.

import { openSource, openTarget } from '../disk/root.ts'
import { systemSys } from '../disk/system.ts'
import { loadPair } from '../state/pairs.ts'
import type { Session } from '../wire/session.ts'
import { type Ahead, aheadOfSource, aheadOfTarget, probableOfTarget } from './ahead.ts'
import { LocalBoth } from './both.ts'
import type { Chronicle } from './chronicle.ts'
import type { BothEnd, SourceEnd, TargetEnd } from './endpoint.ts'
import type { EndName, RemoteName } from './ends.ts'
import { isTwoWay, type Job, type RunRequest } from './job.ts'
import { treeKeyOf, type Workshop } from './local.ts'
import { LocalSource } from './local-source.ts'
import { freeFlow, type Line } from './outflow.ts'
import { openRemoteBoth, openRemoteSource, openRemoteTarget } from './remote.ts'
import { LocalTarget } from './target.ts'

/** A run whose ends are to be opened. */
export type Opened = {
  readonly request: RunRequest
  readonly job: Job
  readonly source: EndName
  readonly target: EndName
  readonly chronicle: Chronicle
}

/** How busy the line to another machine is, which may not be reached yet. */
export function lineTo(session: () => Session | undefined): Line {
  return {
    get writingMs() {
      return session()?.writingMs ?? 0
    },
  }
}

/** Without a `line` the target is here too: nothing is sent, and nothing squeezed. */
export function openSourceHere(workshop: Workshop, path: string, line: Line | undefined, opened: Opened): LocalSource {
  const { job, request, chronicle } = opened
  const { flow = freeFlow } = request
  const root = openSource(systemSys(), path, job.attributes)
  const treeKey = treeKeyOf('source', path, job.id)
  return new LocalSource(workshop, root, {
    treeKey,
    isApart: line !== undefined,
    runId: chronicle.runId,
    flow: line === undefined ? { ...flow, compress: 'off' } : flow,
    line,
  })
}

/** What the target there can be asked as soon as it is reached; the scan here begins with this. */
export function aheadOf(workshop: Workshop, { job, request }: Opened, left: LocalSource): Ahead {
  if (job.attributes !== 0) return { probable: probableOfTarget(workshop.state, job, left) }
  const mayClose = expectedOf(workshop, job, request) !== undefined && closesItself(job, request)
  return aheadOfTarget(workshop.state, job, left, mayClose)
}

/** Where the target has to be read again afterwards, or nothing of what was seen is kept, it stays open. */
function closesItself(job: Job, request: RunRequest): boolean {
  return request.verify !== true && !job.dryRun
}

/** Which target the last run left. */
function expectedOf({ state }: Workshop, job: Job, { newTarget }: RunRequest): string | undefined {
  return newTarget ? undefined : loadPair(state, job.id)?.targetId
}

export async function openSourceThere(workshop: Workshop, session: Session, opened: Opened): Promise<SourceEnd> {
  const { job, request } = opened
  const { flow = freeFlow } = request
  const { runId } = opened.chronicle
  const { share, sub, machine } = opened.source as RemoteName
  // The machine that reads keeps the limit: what it sends is what the line carries. What asks for it goes the other way.
  const paced = { compress: `${flow.compress}`, ...(flow.rateBytes !== undefined && { rateBytes: flow.rateBytes }) }
  const wanted = { ...paced, ...asksOf(job) }
  return await openRemoteSource(
    session,
    machine,
    { share, sub, job: job.id, runId, ...wanted },
    workshop.slabs,
    aheadOfSource(workshop.state, job),
  )
}

export async function openTargetEnd(
  workshop: Workshop,
  session: Session | undefined,
  opened: Opened,
  mode: number | undefined,
  ahead: Ahead | undefined,
): Promise<TargetEnd> {
  const { target, job, request } = opened
  const { runId } = opened.chronicle
  const expectedId = expectedOf(workshop, job, request)
  const create = !job.dryRun
  if (target.kind === 'local') {
    const asks = job.attributes
    const options = { create, machine: workshop.machine, expectedId, isNew: request.newTarget, asks, mode }
    const root = openTarget(systemSys(), target.path, options)
    const treeKey = treeKeyOf('target', target.path, job.id)
    const versions = { asked: undefined, floor: undefined, directory: request.versions }
    return new LocalTarget(workshop, root, { treeKey, isApart: session !== undefined, job: job.id, runId, versions })
  }
  const { share, sub, machine } = target
  // One that a run left is there, and keeps what its owner made of it.
  const expected = expectedId === undefined ? { ...(mode !== undefined && { mode }) } : { expectedId }
  const ids = { job: job.id, runId }
  // An unchanged run says as little as it can.
  const isNew = request.newTarget ? { isNew: true } : {}
  // A push goes no faster than it may; a pull has told the other machine.
  if (request.flow?.rateBytes !== undefined) session?.limit(request.flow.rateBytes)
  const kept = request.versions === undefined ? {} : { versions: request.versions }
  const ask = { share, sub, ...ids, create, ...isNew, ...expected, ...kept, ...asksOf(job) }
  return await openRemoteTarget(session as Session, machine, ask, ahead, closesItself(job, request))
}

function asksOf({ attributes }: Job): { asks?: number } {
  return attributes === 0 ? {} : { asks: attributes }
}

/**
 * Opens an end of a two-way run. `side` says which it is: each knows what the last run left of itself. A folder that is
 * missing is made on the right only, as a target's is: on the left it is more likely a slip.
 */
export async function openBothEnd(
  workshop: Workshop,
  session: Session | undefined,
  opened: Opened,
  side: 'left' | 'right',
): Promise<BothEnd> {
  const { source, target, job, request } = opened
  const end = side === 'left' ? source : target
  const { runId } = opened.chronicle
  const { flow = freeFlow, newTarget } = request
  const pair = newTarget ? undefined : loadPair(workshop.state, job.id)
  const isFirst = (side === 'left') !== (isTwoWay(job) && job.isSwapped)
  const expectedId = isFirst ? pair?.sourceId : pair?.targetId
  const create = !job.dryRun
  if (end.kind === 'local') {
    const options = { create, machine: workshop.machine, expectedId, isNew: newTarget, mustExist: side === 'left' }
    const root = openTarget(systemSys(), end.path, options)
    const treeKey = treeKeyOf('target', end.path, job.id)
    const line = session === undefined ? undefined : lineTo(() => session)
    const leaving = line === undefined ? { flow: { ...flow, compress: 'off' as const } } : { flow, line }
    const versions = { asked: undefined, floor: undefined, directory: undefined }
    const named = { treeKey, isApart: session !== undefined, job: job.id, runId, versions, side }
    return new LocalBoth(workshop, root, { ...named, ...leaving })
  }
  const { share, sub, machine } = end
  const rates = flow.rateBytes === undefined ? {} : { rateBytes: flow.rateBytes }
  if (flow.rateBytes !== undefined) session?.limit(flow.rateBytes)
  const expected = expectedId === undefined ? {} : { expectedId }
  const isNew = newTarget ? { isNew: true } : {}
  const ask = { share, sub, job: job.id, runId, create, compress: `${flow.compress}`, ...rates, ...isNew, ...expected }
  return await openRemoteBoth(session as Session, machine, ask, workshop.slabs)
}
