// `nightferry versions PATH`: which old versions there are of a file, or of everything below a folder.

import { type KeptVersion, versionsOf } from '../jobs/recall.ts'
import { isoTime } from '../std/clock.ts'
import { escapeControls } from '../std/log.ts'
import { type GlobalOptions, openMachine } from './machine.ts'
import { safeText, showBytes, showCount } from './print.ts'

export type VersionsOptions = GlobalOptions & {
  readonly run?: string
  readonly remoteCommand?: string
  readonly json?: true
}

export async function versions(path: string, options: VersionsOptions): Promise<number> {
  const machine = openMachine(options, 'sync')
  try {
    const {
      versions: listed,
      more,
      where,
    } = await versionsOf(machine.workshop, machine.reach, path, {
      run: options.run,
      ways: { remoteCommand: options.remoteCommand, tell },
    })
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

function line({ run, atMs, path, was, why, kind, sizeBytes, mtimeSeconds }: KeptVersion): string {
  const size = kind === 'file' ? showBytes(sizeBytes) : kind === 'symlink' ? 'link' : 'empty folder'
  const of =
    kind === 'directory'
      ? ''
      : `  of ${isoTime(mtimeSeconds * 1000)
          .slice(0, 16)
          .replace('T', ' ')}`
  return `${run}  ${why} ${isoTime(atMs).slice(0, 16).replace('T', ' ')}  ${size}${of}  ${safeText(path)}${was === undefined ? '' : ` (then ${safeText(was)})`}`
}

/** What ssh says beside a session. */
export function tell(line: string): void {
  process.stderr.write(`${safeText(line)}\n`)
}
