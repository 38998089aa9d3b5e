// `nightferry versions PATH`: which old versions there are of a file, or of everything below a folder.

import type { Engine } from '../api/engine.ts'
import { rootPath } from '../core/path.ts'
import { findTyped, type Placed } from '../disk/find-target.ts'
import { call } from '../jobs/bulk.ts'
import { parseEnd, type RemoteName, remoteText } from '../jobs/ends.ts'
import type { Workshop } from '../jobs/local.ts'
import { versionsAt } from '../jobs/past.ts'
import { checkSshOnly, connectTo } from '../jobs/run.ts'
import { isoTime } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { escapeControls } from '../std/log.ts'
import { type GlobalOptions, openMachine } from './machine.ts'
import { safeText, showBytes, showCount } from './print.ts'

export type VersionsOptions = GlobalOptions & {
  readonly run?: string
  readonly remoteCommand?: string
  readonly json?: true
}

type Listed = {
  readonly run: string
  readonly atMs: number
  readonly path: string
  readonly was?: string
  readonly why: string
  readonly kind: string
  readonly sizeBytes: number
  readonly mtimeSeconds: number
}

const shownMax = 10_000

export async function versions(path: string, options: VersionsOptions): Promise<number> {
  const machine = openMachine(options, 'sync')
  try {
    const { listed, more, where } = await list(machine, path, options)
    if (options.json) {
      const text = JSON.stringify({ schema: 1, path, where, more, versions: listed })
      process.stdout.write(`${escapeControls(text)}\n`)
      return 0
    }
    if (listed.length === 0) process.stdout.write(`no old versions are kept of ${safeText(path)}\n`)
    for (const one of listed) process.stdout.write(`${line(one)}\n`)
    if (listed.length > 0) {
      process.stdout.write(
        `${showCount(listed.length, 'version')}${more ? ' and more' : ''}, kept in ${safeText(where)}\n`,
      )
    }
    return 0
  } finally {
    await machine.close()
  }
}

function line({ run, atMs, path, was, why, kind, sizeBytes, mtimeSeconds }: Listed): string {
  const size = kind === 'file' ? showBytes(sizeBytes) : kind === 'symlink' ? 'link' : 'empty folder'
  const of =
    kind === 'directory'
      ? ''
      : `  of ${isoTime(mtimeSeconds * 1000)
          .slice(0, 16)
          .replace('T', ' ')}`
  return `${run}  ${why} ${isoTime(atMs).slice(0, 16).replace('T', ' ')}  ${size}${of}  ${safeText(path)}${was === undefined ? '' : ` (then ${safeText(was)})`}`
}

async function list(
  machine: Engine,
  text: string,
  { run, remoteCommand }: VersionsOptions,
): Promise<{ listed: readonly Listed[]; more: boolean; where: string }> {
  const place = placeOf(machine, text)
  if (place.kind === 'local') {
    checkSshOnly(remoteCommand)
    const {
      versions: listed,
      more,
      storePath,
    } = await versionsAt(machine.workshop, place.placed, { run, max: shownMax })
    return { listed, more, where: `${storePath}/RUN/files` }
  }
  const { end } = place
  const session = await connectTo(machine.reach, end, { remoteCommand, tell }, new AbortController().signal)
  try {
    const request = { share: end.share, sub: end.sub }
    const { versions: told, more } = await call(session, 'versions', run === undefined ? request : { ...request, run })
    const listed = told.map((one) => ({ ...one, mtimeSeconds: Number(one.mtimeSeconds) }))
    return {
      listed,
      more,
      where: `the versions of ${remoteText(end.ssh === undefined ? { ...end, sub: rootPath } : end)}`,
    }
  } finally {
    session.close()
  }
}

/** What ssh says beside a session. */
export function tell(line: string): void {
  process.stderr.write(`${safeText(line)}\n`)
}

export type Place =
  | { readonly kind: 'local'; readonly placed: Placed; readonly workshop: Workshop }
  | { readonly kind: 'remote'; readonly end: RemoteName }

/** What a person's path means: something in a target here, or in a share. Throws `no-versions` where it is in neither. */
export function placeOf(machine: Engine, text: string): Place {
  const end = parseEnd(text, machine.reach.isMachine)
  if (end.kind === 'remote') return { kind: 'remote', end }
  const placed = findTyped(end.path)
  if (placed !== undefined) return { kind: 'local', placed, workshop: machine.workshop }
  throw new Failure('no-versions', `${text} lies in no folder that Nightferry wrote to`, {
    hint: 'name a path in a target: a folder here, machine:share/path or ssh://host/path',
  })
}
