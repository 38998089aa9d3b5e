// The old versions of a path: which there are, in the order in which they are sought. Looks only, follows no symlink.

import { isWithin, joinPath, nameOf, parentOf, type RelPath } from '../core/path.ts'
import {
  mtimeSecondsOf,
  sizeOf,
  statMode,
  statWidth,
  typeDirectory,
  typeFile,
  typeMask,
  typeSymlink,
} from '../core/stat.ts'
import { decodeName, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { type Change, changesAbout } from './manifest.ts'
import { EntryTable, errnoName, type Sys } from './sys.ts'
import { closeRunPlace, openRunPlace, type RunPlace, type Store } from './versions.ts'

export type Version = {
  readonly run: string
  /** When that run began. */
  readonly atMs: number
  /** What it is called now. */
  readonly path: RelPath
  /** What it was called then, where that is another name: something above it, or itself, was renamed since. */
  readonly was?: RelPath
  readonly why: 'replaced' | 'deleted'
  readonly kind: 'file' | 'symlink' | 'directory'
  readonly sizeBytes: number
  readonly mtimeSeconds: number
}

/** A run that may keep versions of a path and of what is below it; `as`: what the path is called now. */
export type Sought = { readonly run: string; readonly atMs: number; readonly path: RelPath; readonly as: RelPath }

/** The versions that were sought, in their order, at most `max` of them. Directories are told only where they are empty. */
export function listVersions(
  sys: Sys,
  store: Store,
  sought: readonly Sought[],
  max: number,
): { versions: Version[]; more: boolean } {
  const versions: Version[] = []
  for (const version of findVersions(sys, store, sought)) {
    if (versions.length === max) return { versions, more: true }
    versions.push(version)
  }
  return { versions, more: false }
}

/** The same, one after the other; a path that more than one run kept comes once for each. */
export function* findVersions(sys: Sys, store: Store, sought: readonly Sought[]): Generator<Version> {
  for (const { run, atMs, path, as } of sought) {
    const place = openRunPlace(sys, store, run)
    if (place === undefined) continue
    try {
      for (const found of versionsIn(sys, place, path)) {
        const now = (as === '' ? found.path : `${as}${found.path.slice(path.length)}`).replace(/^\//, '') as RelPath
        yield { ...found, path: now, ...(now !== found.path && { was: found.path }), run, atMs }
      }
    } finally {
      closeRunPlace(sys, place)
    }
  }
}

type Found = Omit<Version, 'run' | 'atMs' | 'was'>

function* versionsIn(sys: Sys, place: RunPlace, path: RelPath): Generator<Found> {
  // Most runs that might have kept something of it did not: a look at the store is enough to know.
  if (path !== '' && lookBelow(sys, place.files, path) === undefined) return
  const changes = changesAbout(sys, place.handle, path)
  if (typeof changes === 'number') {
    throw new Failure('disk-error', `what the run ${place.run} kept can't be read (${errnoName(changes)})`)
  }
  for (const change of [...changes.values()].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    const why = whyOf(change)
    if (why === undefined) continue
    const from = isWithin(change.path, path) ? change.path : isWithin(path, change.path) ? path : undefined
    if (from !== undefined) yield* walk(sys, place.files, from, why)
  }
}

function whyOf(change: Change): Found['why'] | undefined {
  if ('movedTo' in change && change.movedTo !== undefined) return undefined
  if (change.a === 'deleted') return 'deleted'
  return change.a === 'replaced' || change.a === 'retyped' ? 'replaced' : undefined
}

function* walk(sys: Sys, files: number, path: RelPath, why: Found['why']): Generator<Found> {
  const row = lookBelow(sys, files, path)
  const kind = row === undefined ? undefined : kindOf(row)
  if (row === undefined || kind === undefined) return
  const names = kind === 'directory' ? namesBelow(sys, files, path) : []
  if (names.length === 0) {
    const sizeBytes = kind === 'file' ? sizeOf(row, 0) : 0
    yield { path, why, kind, sizeBytes, mtimeSeconds: mtimeSecondsOf(row, 0) }
  }
  for (const name of names) yield* walk(sys, files, joinPath(path, name), why)
}

function namesBelow(sys: Sys, base: number, path: RelPath): string[] {
  const handle = sys.openDirectory(base, utf8(path))
  if (handle < 0) return []
  const table = new EntryTable()
  sys.list(handle, table)
  sys.close(handle)
  const names: string[] = []
  for (let i = 0; i < table.count; i++) names.push(decodeName(table.name(i)))
  return names.sort()
}

function kindOf(row: Uint32Array): Found['kind'] | undefined {
  switch ((row[statMode] as number) & typeMask) {
    case typeFile:
      return 'file'
    case typeSymlink:
      return 'symlink'
    case typeDirectory:
      return 'directory'
    default:
      return undefined
  }
}

/** What is at a path below a handle. */
export function lookBelow(sys: Sys, base: number, path: RelPath): Uint32Array | undefined {
  const parent = sys.openDirectory(base, utf8(parentOf(path)))
  if (parent < 0) return undefined
  const row = new Uint32Array(statWidth)
  const code = sys.stat(parent, utf8(nameOf(path)), row, 0)
  sys.close(parent)
  return code < 0 ? undefined : row
}
