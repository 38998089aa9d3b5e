// Old versions of whatever a person names, here or in a share: which there are, and how they come back. What is asked of
// another machine is asked in one session a call. This machine's log says of both what came back.

import { resolve } from 'node:path'
import { joinPath, nameOf, parseRelPath, type RelPath, rootPath } from '../core/path.ts'
import type { Problem } from '../core/problem.ts'
import { findTyped, type Placed } from '../disk/find-target.ts'
import { Failure } from '../std/failure.ts'
import type { Session } from '../wire/session.ts'
import { call } from './bulk.ts'
import { parseEnd, type RemoteName, remoteText } from './ends.ts'
import type { Workshop } from './local.ts'
import { noteUndeleted, undeleteAt, undeleteInto, versionsAt } from './past.ts'
import { checkedProblems } from './remote.ts'
import { checkSshOnly, connectTo, type Reach } from './run.ts'
import type { SshWays } from './ssh.ts'

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
}

/**
 * Brings the newest versions of a path and of all below it back, or those that one run left; to their own place, or into
 * the folder `to` (of a share: a folder inside of it). Throws `no-versions` where there are none.
 */
export async function undelete(workshop: Workshop, reach: Reach, text: string, options: Wish): Promise<Undeleted> {
  const { run } = options
  const place = placeOf(reach, text)
  const result =
    place.kind === 'local'
      ? await undeleteHere(workshop, place.placed, options)
      : await undeleteThere(workshop, reach, place.end, options)
  if (result.restored + result.existingCount + result.problemCount > 0) return result
  const which = run === undefined ? '' : ` of the run ${run}`
  throw new Failure('no-versions', `no old version${which} is kept of ${text}`, {
    hint: 'nightferry versions PATH shows what is kept, a path above it shows more; nightferry why PATH says where it was renamed to',
  })
}

type Wish = { readonly run?: string | undefined; readonly to?: string | undefined; readonly ways: SshWays }

async function undeleteHere(workshop: Workshop, placed: Placed, { run, to, ways }: Wish): Promise<Undeleted> {
  checkSshOnly(ways.remoteCommand)
  const as = (placed.path === '' ? '' : nameOf(placed.path)) as RelPath
  const restored =
    to === undefined
      ? await undeleteAt(workshop, placed, { run, as: undefined, by: workshop.machine })
      : await undeleteInto(workshop, placed, { run, directory: resolve(to), as })
  const { existing, problems, brought: _, ...rest } = restored
  const counts = { existingCount: existing.length, problemCount: problems.length }
  const isInTarget = to === undefined || findTyped(to)?.rootPath === placed.rootPath
  return { ...rest, existing, problems, ...counts, ...(to !== undefined && { to: resolve(to) }), isInTarget }
}

async function undeleteThere(
  workshop: Workshop,
  reach: Reach,
  end: RemoteName,
  { run, to, ways }: Wish,
): Promise<Undeleted> {
  const { share, sub } = end
  const as = to === undefined ? undefined : insideTarget(to, sub)
  return await asking(reach, end, ways, async (session) => {
    const request = { share, sub, ...(run !== undefined && { run }), ...(as !== undefined && { as }) }
    const { brought, root, problems, ...rest } = await call(session, 'undelete', request)
    const inner = parseRelPath(root)
    if (inner !== undefined) noteUndeleted(workshop, remoteText({ ...end, sub: inner }), workshop.machine, brought)
    const told = { ...rest, problems: checkedProblems(problems), isInTarget: true }
    return to === undefined ? told : { ...told, to: folderText(end, to) }
  })
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
  if (folder === undefined || text.startsWith('~') || text.startsWith('.')) {
    throw new Failure('bad-usage', `--to takes a folder inside the target there, not ${JSON.stringify(text)}`, {
      hint: 'write it from the top of the target: --to recovered',
    })
  }
  return sub === '' ? folder : joinPath(folder, nameOf(sub))
}
