// Old versions of whatever a person names, here or in a share: which there are, and how they come back. What is asked of
// another machine is asked in one session a call. This machine's log says of both what came back.

import { resolve } from 'node:path'
import { joinPath, nameOf, parseRelPath, type RelPath, rootPath } from '../core/path.ts'
import type { Problem } from '../core/problem.ts'
import { findTyped, type Placed } from '../disk/find-target.ts'
import { Failure, failureCodes } from '../std/failure.ts'
import type { Session } from '../wire/session.ts'
import { call } from './bulk.ts'
import { parseEnd, type RemoteName, remoteText } from './ends.ts'
import type { Workshop } from './local.ts'
import { versionsAt } from './past.ts'
import { checkSshOnly, connectTo, type Reach } from './run.ts'
import type { SshWays } from './ssh.ts'
import { LocalUndelete, RemoteUndelete, type UndeleteEnd } from './undelete-end.ts'

type Place = { readonly kind: 'local'; readonly placed: Placed } | { readonly kind: 'remote'; readonly end: RemoteName }

/** What a person's path means: something in a target here, or in a share. Throws `no-versions` where it is in neither. */
function placeOf(reach: Reach, text: string): Place {
  const end = parseEnd(text, reach.isMachine)
  if (end.kind === 'remote') return { kind: 'remote', end }
  const placed = findTyped(end.path)
  if (placed !== undefined) return { kind: 'local', placed }
  throw new Failure('no-versions', `${text} lies in no folder that Nightferry wrote to`, {
    hint: 'name a path in a target: a folder here, machine:share/path or ssh://host/path',
  })
}

async function asking<Answer>(
  reach: Reach,
  end: RemoteName,
  ways: SshWays,
  ask: (session: Session) => Promise<Answer>,
): Promise<Answer> {
  const session = await connectTo(reach, end, ways, new AbortController().signal)
  try {
    return await ask(session)
  } finally {
    session.close()
  }
}

/** One old version: what a run replaced or deleted, when that run began, and what it is. */
export type KeptVersion = {
  readonly run: string
  readonly atMs: number
  /** What it is called now, below the target. */
  readonly path: string
  /** What it was called then, where that is another name. */
  readonly was?: string | undefined
  readonly why: string
  readonly kind: string
  readonly sizeBytes: number
  readonly mtimeSeconds: number
}

/** Versions of a path and of all below it. */
export type KeptVersions = {
  /** The newest run first. */
  readonly versions: readonly KeptVersion[]
  /** There are more than were listed. */
  readonly more: boolean
  /** Where they are kept, for people. */
  readonly where: string
}

/** Old versions, at most 10,000 of them. */
export async function versionsOf(
  workshop: Workshop,
  reach: Reach,
  text: string,
  { run, ways }: { readonly run: string | undefined; readonly ways: SshWays },
): Promise<KeptVersions> {
  const place = placeOf(reach, text)
  if (place.kind === 'local') {
    checkSshOnly(ways.remoteCommand)
    const { versions, more, storePath } = await versionsAt(workshop, place.placed, { run, max: versionsMax })
    return { versions, more, where: `${storePath}/RUN/files` }
  }
  const { end } = place
  return await asking(reach, end, ways, async (session) => {
    const request = { share: end.share, sub: end.sub, ...(run !== undefined && { run }) }
    const { versions: told, more } = await call(session, 'versions', request)
    const versions = told.map((one) => ({ ...one, mtimeSeconds: Number(one.mtimeSeconds) }))
    return {
      versions,
      more,
      where: `the versions of ${remoteText(end.ssh === undefined ? { ...end, sub: rootPath } : end)}`,
    }
  })
}

const versionsMax = 10_000

/** What came of bringing versions back. Nothing is ever overwritten. */
export type Undeleted = {
  readonly restored: number
  readonly sizeBytes: number
  /** Names that are in use, which were left alone: the first of them, and how many there were. */
  readonly existing: readonly string[]
  readonly existingCount: number
  readonly problems: readonly Problem[]
  readonly problemCount: number
  /** The folder that they were brought to, where that is not their own place. */
  readonly to?: string
  /** They lie in the target now, and the next mirror to it deletes what its source does not have. */
  readonly isInTarget: boolean
  /** It was asked to stop; what came stays, and the same again brings the rest. */
  readonly isStopped: boolean
}

/** What happens during an undelete, after each part of it: how much came so far, the last name of it. */
export type UndeleteEvent = {
  readonly type: 'progress'
  readonly restored: number
  readonly sizeBytes: number
  readonly path: string
}

export type UndeleteListener = (event: UndeleteEvent) => void

/** What the command line ends with. */
export function undeleteExitCode({ isStopped, restored, problemCount, existingCount }: Undeleted): number {
  if (isStopped) return failureCodes.cancelled.exit
  return restored > 0 && problemCount + existingCount === 0 ? 0 : 3
}

type Wish = { readonly run?: string | undefined; readonly to?: string | undefined; readonly ways: SshWays }

/**
 * Brings the newest versions of a path and of all below it back, or those that one run left; to their own place, or into
 * the folder `to` (of a share: a folder inside of it). Throws `no-versions` where there are none, `cancelled` where it is
 * stopped before anything came.
 */
export async function undelete(
  workshop: Workshop,
  reach: Reach,
  text: string,
  options: Wish,
  listen: UndeleteListener,
  signal: AbortSignal,
): Promise<Undeleted> {
  const { run, to } = options
  if (to === '') throw new Failure('bad-usage', '--to names no folder')
  const { end, ...place } = await openUndelete(workshop, reach, text, options, signal)
  const result = { ...(end === undefined ? nothingCame : await bringAll(end, listen, signal)), ...place }
  if (result.restored + result.existingCount + result.problemCount > 0) return result
  if (result.isStopped) throw stoppedEarly()
  const which = run === undefined ? '' : ` of the run ${run}`
  throw new Failure('no-versions', `no old version${which} is kept of ${text}`, {
    hint: 'nightferry versions PATH shows what is kept, a path above it shows more; nightferry why PATH says where it was renamed to',
  })
}

type Opened = { readonly end: UndeleteEnd | undefined; readonly to?: string; readonly isInTarget: boolean }

async function openUndelete(
  workshop: Workshop,
  reach: Reach,
  text: string,
  { run, to, ways }: Wish,
  signal: AbortSignal,
): Promise<Opened> {
  const place = placeOf(reach, text)
  if (place.kind === 'remote') {
    const { end: name } = place
    const as = to === undefined ? undefined : insideTarget(to, name.sub)
    const session = await connectTo(reach, name, ways, signal)
    try {
      const end = await RemoteUndelete.open(session, workshop, name, { run, as })
      return { end, isInTarget: true, ...(to !== undefined && { to: folderText(name, to) }) }
    } catch (error) {
      session.close()
      throw error
    }
  }
  checkSshOnly(ways.remoteCommand)
  const { placed } = place
  if (to === undefined) {
    const end = await LocalUndelete.at(workshop, placed, { run, as: undefined, by: workshop.machine })
    return { end, isInTarget: true }
  }
  const as = (placed.path === '' ? '' : nameOf(placed.path)) as RelPath
  const end = await LocalUndelete.into(workshop, placed, { run, directory: resolve(to), as })
  return { end, to: resolve(to), isInTarget: findTyped(to)?.rootPath === placed.rootPath }
}

type Came = Omit<Undeleted, 'to' | 'isInTarget'>

const nothingCame: Came = {
  restored: 0,
  sizeBytes: 0,
  existing: [],
  existingCount: 0,
  problems: [],
  problemCount: 0,
  isStopped: false,
}

/** Slice after slice; what is told is counted, and the first of it kept. */
async function bringAll(end: UndeleteEnd, listen: UndeleteListener, signal: AbortSignal): Promise<Came> {
  const stop = (): void => end.stop()
  signal.addEventListener('abort', stop)
  const existing: string[] = []
  const problems: Problem[] = []
  const counts = { restored: 0, sizeBytes: 0, existingCount: 0, problemCount: 0 }
  try {
    if (signal.aborted) stop()
    for (;;) {
      const slice = await end.more()
      counts.restored += slice.brought.length
      for (const { sizeBytes } of slice.brought) counts.sizeBytes += sizeBytes
      counts.existingCount += slice.existing.length
      counts.problemCount += slice.problems.length
      existing.push(...slice.existing.slice(0, toldMax - existing.length))
      problems.push(...slice.problems.slice(0, toldMax - problems.length))
      if (slice.end !== undefined) return { ...counts, existing, problems, isStopped: slice.end === 'stopped' }
      const { restored, sizeBytes } = counts
      listen({ type: 'progress', restored, sizeBytes, path: slice.brought.at(-1)?.path ?? '' })
    }
  } finally {
    signal.removeEventListener('abort', stop)
    await end.close()
  }
}

const toldMax = 1000

function stoppedEarly(): Failure {
  return new Failure('cancelled', 'the undelete was stopped', { hint: 'nothing came back yet' })
}

function folderText(end: RemoteName, to: string): string {
  if (end.ssh === undefined) return `${end.machine}:${end.share}/${folderOf(to)}`
  return `${folderOf(to)} in the target that holds ${remoteText(end)}`
}

function folderOf(text: string): string {
  return text.replace(/^\/+|\/+$/g, '')
}

/** `to` of another machine is a folder in the same target: no machine writes to another place of another machine. */
function insideTarget(text: string, sub: RelPath): RelPath {
  const folder = parseRelPath(folderOf(text))
  // A whole path is one of this machine to who types it; `/` alone can only mean the top.
  if (folder === undefined || /^(~|\.|\/.)/.test(text)) {
    throw new Failure('bad-usage', `--to takes a folder inside the target there, not ${JSON.stringify(text)}`, {
      hint: 'write it from the top of the target: --to recovered; to have it here, sync it from there',
    })
  }
  return sub === '' ? folder : joinPath(folder, nameOf(sub))
}
