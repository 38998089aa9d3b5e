// One path below a root, looked at for a person who asks: what stands there, is it what was last seen, and which ignore
// files lie on the way to it. Follows no symlink below the root, changes nothing, takes no lock.

import { existsSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { IgnoreText } from '../core/ignore.ts'
import { nameOf, parentOf, type RelPath } from '../core/path.ts'
import type { DirectoryRecord } from '../core/record.ts'
import {
  sameSignature,
  statCtimeSeconds,
  statErrno,
  statMode,
  statWidth,
  typeDirectory,
  typeFile,
  typeMask,
  typeSymlink,
} from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import { openKnown } from './root.ts'
import { readText } from './scan.ts'
import { errno, type Sys } from './sys.ts'

/** What stands at a path, and its stat row where there is one. */
export type Standing = {
  readonly kind: 'file' | 'directory' | 'symlink' | 'special' | 'missing' | 'unreadable' | 'no-root'
  readonly row: Uint32Array | undefined
}

/** A path as a person typed it, with links resolved in all that is there, but not in its own last name. */
export function placeOfPath(path: string): string {
  const whole = resolve(path)
  if (whole === '/') return whole
  const parent = dirname(whole)
  return join(existsSync(parent) ? realpathSync(parent) : placeOfPath(parent), basename(whole))
}

export function lookBelow(sys: Sys, root: string, path: RelPath): Standing {
  const handle = openKnown(sys, root)
  if (handle < 0) return { kind: handle === -errno.EACCES ? 'unreadable' : 'no-root', row: undefined }
  try {
    if (path === '') return { kind: 'directory', row: undefined }
    const parent = sys.openDirectory(handle, utf8(parentOf(path)))
    if (parent < 0) return { kind: parent === -errno.EACCES ? 'unreadable' : 'missing', row: undefined }
    const row = new Uint32Array(statWidth)
    const code = sys.stat(parent, utf8(nameOf(path)), row, 0)
    sys.close(parent)
    if (code === -errno.ENOENT) return { kind: 'missing', row: undefined }
    if (code < 0) return { kind: 'unreadable', row: undefined }
    return { kind: kindOfMode(row[statMode] as number), row }
  } finally {
    sys.close(handle)
  }
}

function kindOfMode(mode: number): Standing['kind'] {
  switch (mode & typeMask) {
    case typeFile:
      return 'file'
    case typeDirectory:
      return 'directory'
    case typeSymlink:
      return 'symlink'
    default:
      return 'special'
  }
}

/** What stands there against the record of its directory; undefined where that directory is not known at all. */
export function sinceRecord(
  standing: Standing,
  path: RelPath,
  record: DirectoryRecord | undefined,
): 'same' | 'changed' | 'unseen' | 'unknown' {
  if (record === undefined || path === '') return 'unknown'
  const at = record.find(utf8(nameOf(path)))
  if (at < 0) return 'unseen'
  if (standing.row === undefined) return standing.kind === 'missing' ? 'changed' : 'unknown'
  const row = standing.row.slice()
  // A directory's times change with its own entries, and are not part of its row (scan.ts).
  if (standing.kind === 'directory') row.fill(0, statCtimeSeconds, statErrno)
  return sameSignature(row, 0, record.stats(at), record.at(at)) ? 'same' : 'changed'
}

/** The ignore files of these names from the root down to the path's own directory; `unreadable` names the first that can't be read. */
export function ignoreTextsOn(
  sys: Sys,
  root: string,
  path: RelPath,
  names: readonly string[],
): { readonly texts: readonly IgnoreText[]; readonly unreadable: string | undefined } {
  const texts: IgnoreText[] = []
  const handle = openKnown(sys, root)
  if (handle < 0) return { texts, unreadable: root }
  try {
    for (const directory of directoriesTo(path)) {
      const opened = sys.openDirectory(handle, utf8(directory))
      // What is not there has no rules; a path that is gone is asked about too.
      if (opened === -errno.ENOENT || opened === -errno.ENOTDIR) break
      if (opened < 0) return { texts, unreadable: directory === '' ? root : directory }
      const failed = readTexts(sys, opened, directory, names, texts)
      sys.close(opened)
      if (failed !== undefined) return { texts, unreadable: failed }
    }
    return { texts, unreadable: undefined }
  } finally {
    sys.close(handle)
  }
}

function readTexts(
  sys: Sys,
  handle: number,
  directory: string,
  names: readonly string[],
  texts: IgnoreText[],
): string | undefined {
  const row = new Uint32Array(statWidth)
  for (const label of names) {
    const name = utf8(label)
    const code = sys.stat(handle, name, row, 0)
    const isFile = code === 0 && ((row[statMode] as number) & typeMask) === typeFile
    if (code === -errno.ENOENT || (code === 0 && !isFile)) continue
    const text = code === 0 ? readText(sys, handle, name) : undefined
    if (text === undefined) return directory === '' ? label : `${directory}/${label}`
    texts.push({ directory, label, text })
  }
  return undefined
}

/** The root and every directory above the path. */
function directoriesTo(path: RelPath): RelPath[] {
  const directories: RelPath[] = []
  for (let at = path; at !== ''; ) {
    at = parentOf(at)
    directories.unshift(at)
  }
  return directories
}
