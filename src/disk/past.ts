// The old versions of a path: which there are, and how one gets a name again. A version that comes back is copied, so
// that it stays what it is in the store; the copy is written aside, verified by its size, synced, and named only where
// the name is free. Nothing is ever overwritten here.

import { depthOf, type LinkPolicy, staysWithin } from '../core/links.ts'
import { isWithin, joinPath, nameOf, parentOf, type RelPath } from '../core/path.ts'
import type { Problem } from '../core/problem.ts'
import {
  mtimeSecondsOf,
  sizeOf,
  statMode,
  statMtimeNs,
  statWidth,
  typeDirectory,
  typeFile,
  typeMask,
  typeSymlink,
} from '../core/stat.ts'
import { decodeName, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { randomName } from '../std/random.ts'
import { copyContent } from './content.ts'
import { dressLike } from './dress.ts'
import { type Change, changesAbout } from './manifest.ts'
import { refusalCode } from './refusal.ts'
import { EntryTable, errno, errnoName, type Sys } from './sys.ts'
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

function* findVersions(sys: Sys, store: Store, sought: readonly Sought[]): Generator<Version> {
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

function lookBelow(sys: Sys, base: number, path: RelPath): Uint32Array | undefined {
  const parent = sys.openDirectory(base, utf8(parentOf(path)))
  if (parent < 0) return undefined
  const row = new Uint32Array(statWidth)
  const code = sys.stat(parent, utf8(nameOf(path)), row, 0)
  sys.close(parent)
  return code < 0 ? undefined : row
}

export type Restored = {
  readonly restored: number
  /** The names that came, with the run whose version each is. */
  readonly brought: readonly { readonly path: RelPath; readonly run: string }[]
  readonly sizeBytes: number
  /** Names that are in use, which were left alone. */
  readonly existing: readonly RelPath[]
  readonly problems: readonly Problem[]
}

type RestoreOptions = {
  readonly path: RelPath
  readonly as: RelPath
  /** Which symlinks may come back; every one unless said. */
  readonly links?: LinkPolicy | undefined
}

/**
 * Brings the newest version of each path that was sought back below `target`, at the same path, or at `as` in place of
 * `path`. `staging` must lie on the same file system.
 */
export function restoreVersions(
  sys: Sys,
  store: Store,
  handles: { readonly target: number; readonly staging: number },
  options: RestoreOptions & { readonly sought: readonly Sought[] },
): Restored {
  const restore = new Restore(sys, store, handles, options)
  const seen = new Set<RelPath>()
  for (const version of findVersions(sys, store, options.sought)) {
    if (!seen.has(version.path)) restore.bring(version)
    seen.add(version.path)
  }
  return restore.end()
}

class Restore {
  readonly #sys: Sys
  readonly #store: Store
  readonly #handles: { readonly target: number; readonly staging: number }
  readonly #options: RestoreOptions
  readonly #brought: { path: RelPath; run: string }[] = []
  readonly #existing: RelPath[] = []
  readonly #problems: Problem[] = []
  /** Directories made on the way, parents first, with the version that they come from. */
  readonly #made: { readonly path: RelPath; readonly row: Uint32Array | undefined }[] = []
  #place: RunPlace | undefined
  #restored = 0
  #sizeBytes = 0

  constructor(
    sys: Sys,
    store: Store,
    handles: { readonly target: number; readonly staging: number },
    options: RestoreOptions,
  ) {
    this.#sys = sys
    this.#store = store
    this.#handles = handles
    this.#options = options
  }

  bring(version: Version): void {
    const { path, as } = this.#options
    const rest = version.path.slice(path.length).replace(/^\//, '')
    const to = (as === '' || rest === '' ? `${as}${rest}` : `${as}/${rest}`) as RelPath
    if (lookBelow(this.#sys, this.#handles.target, to) !== undefined) {
      this.#existing.push(to)
      return
    }
    const files = this.#filesOf(version.run)
    if (this.#leadsOut(files, version, to)) {
      this.#problems.push({ path: to, code: 'link-outside', detail: '' })
      return
    }
    const code = files < 0 ? files : this.#copy(files, version, to)
    if (code === -errno.EEXIST) this.#existing.push(to)
    else if (code < 0) this.#problems.push({ path: to, code: refusalCode(code), detail: errnoName(code) })
    else {
      this.#restored++
      this.#brought.push({ path: to, run: version.run })
      this.#sizeBytes += version.sizeBytes
    }
  }

  /** A link that was let in further down may lead out from here. */
  #leadsOut(files: number, { kind, path, was = path }: Version, to: RelPath): boolean {
    if (this.#options.links !== 'portable' || kind !== 'symlink' || files < 0) return false
    const from = this.#sys.openDirectory(files, utf8(parentOf(was)))
    const link = from < 0 ? from : this.#sys.readLink(from, utf8(nameOf(was)))
    if (from >= 0) this.#sys.close(from)
    return typeof link === 'number' || !staysWithin(link, depthOf(parentOf(to)))
  }

  /** Versions of one run come together. */
  #filesOf(run: string): number {
    if (this.#place?.run !== run) {
      if (this.#place !== undefined) closeRunPlace(this.#sys, this.#place)
      this.#place = openRunPlace(this.#sys, this.#store, run)
    }
    return this.#place?.files ?? -errno.ENOENT
  }

  #copy(files: number, version: Version, to: RelPath): number {
    const sys = this.#sys
    const { path: now, was = now } = version
    const parent = this.#openParent(files, was, to)
    if (parent < 0) return parent
    const from = sys.openDirectory(files, utf8(parentOf(was)))
    const temporary = utf8(`f${randomName()}`)
    const name = utf8(nameOf(was))
    let code = from < 0 ? from : this.#stage(from, name, version.kind, temporary, to)
    if (from >= 0) sys.close(from)
    if (code === 0) code = sys.renameNoReplace(this.#handles.staging, temporary, parent, utf8(nameOf(to)))
    if (code < 0) {
      sys.unlink(this.#handles.staging, temporary)
      sys.removeDirectory(this.#handles.staging, temporary)
    }
    sys.close(parent)
    return code
  }

  /** Gives a copy what the version has besides content and times; the mode that it may have. What can't be given is told. */
  #dress(from: number, target: number, to: RelPath): number {
    const { mode, code } = dressLike(this.#sys, from, target)
    if (code < 0) this.#problems.push({ path: to, code: 'attributes-refused', detail: errnoName(code) })
    return mode
  }

  /** The same for a directory of ours, which can be worked in until its end. */
  #dressDirectory(from: number, name: Uint8Array, parent: number, made: Uint8Array, to: RelPath): void {
    const [source, target] = [this.#sys.openDirectory(from, name), this.#sys.openDirectory(parent, made)]
    if (source >= 0 && target >= 0) this.#sys.setMode(target, this.#dress(source, target, to) | 0o700)
    for (const handle of [source, target]) if (handle >= 0) this.#sys.close(handle)
  }

  #stage(from: number, name: Uint8Array, kind: Version['kind'], temporary: Uint8Array, to: RelPath): number {
    const sys = this.#sys
    const { staging } = this.#handles
    const row = new Uint32Array(statWidth)
    const looked = sys.stat(from, name, row, 0)
    if (looked < 0) return looked
    const [seconds, ns] = [mtimeSecondsOf(row, 0), row[statMtimeNs] as number]
    if (kind === 'directory') {
      const made = sys.makeDirectory(staging, temporary, 0o700)
      if (made === 0) this.#dressDirectory(from, name, staging, temporary, to)
      return made
    }
    if (kind === 'symlink') {
      const link = sys.readLink(from, name)
      if (typeof link === 'number') return link
      const made = sys.makeSymlink(staging, temporary, link)
      return made < 0 ? made : sys.setTimesAt(staging, temporary, seconds, ns)
    }
    const source = sys.openFile(from, name)
    if (source < 0) return source
    const target = sys.createFile(staging, temporary, 0o600)
    let code = target
    if (target >= 0) {
      code = copyContent(sys, source, target, sizeOf(row, 0)) === undefined ? -errno.EIO : 0
      if (code === 0) code = sys.setMode(target, this.#dress(source, target, to))
      if (code === 0) code = sys.setTimes(target, seconds, ns)
      if (code === 0) code = sys.syncHandle(target)
      sys.close(target)
    }
    sys.close(source)
    return code
  }

  /** The directory that a version comes to lie in, made like the one that it was in where it is missing. */
  #openParent(files: number, version: RelPath, to: RelPath): number {
    const sys = this.#sys
    const directory = parentOf(to)
    const there = sys.openDirectory(this.#handles.target, utf8(directory))
    if (there !== -errno.ENOENT || directory === '') return there
    const above = this.#openParent(files, parentOf(version), directory)
    if (above < 0) return above
    const made = sys.makeDirectory(above, utf8(nameOf(directory)), 0o755)
    if (made === 0) {
      this.#made.push({ path: directory, row: lookBelow(sys, files, parentOf(version)) })
      this.#dressDirectory(files, utf8(parentOf(version)), above, utf8(nameOf(directory)), directory)
    }
    const handle = made < 0 && made !== -errno.EEXIST ? made : sys.openDirectory(above, utf8(nameOf(directory)))
    sys.close(above)
    return handle
  }

  end(): Restored {
    const sys = this.#sys
    if (this.#place !== undefined) closeRunPlace(sys, this.#place)
    for (const { path, row } of this.#made.reverse()) {
      const handle = row === undefined ? -1 : sys.openDirectory(this.#handles.target, utf8(path))
      if (row === undefined || handle < 0) continue
      sys.setTimes(handle, mtimeSecondsOf(row, 0), row[statMtimeNs] as number)
      sys.close(handle)
    }
    const code = this.#restored === 0 ? 0 : sys.syncFileSystem(this.#handles.target)
    if (code < 0) this.#problems.push({ path: this.#options.as, code: 'write-failed', detail: errnoName(code) })
    return {
      restored: this.#restored,
      brought: this.#brought,
      sizeBytes: this.#sizeBytes,
      existing: this.#existing,
      problems: this.#problems,
    }
  }
}
