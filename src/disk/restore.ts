// Old versions that get a name again. A version that comes back is copied, so that it stays what it is in the store; the
// copy is written aside, verified by its size, synced, and named only where the name is free. Nothing is ever overwritten
// here. It goes on one version a time, so that it may be left between any two; a copy that breaks off leaves nothing aside.

import { depthOf, type LinkPolicy, staysWithin } from '../core/links.ts'
import { nameOf, parentOf, type RelPath } from '../core/path.ts'
import type { Problem } from '../core/problem.ts'
import { mtimeSecondsOf, sizeOf, statMtimeNs, statWidth } from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import { randomName } from '../std/random.ts'
import { copyContent } from './content.ts'
import { dressLike } from './dress.ts'
import { findVersions, lookBelow, type Sought, type Version } from './past.ts'
import { refusalCode } from './refusal.ts'
import { errno, errnoName, type Sys } from './sys.ts'
import { closeRunPlace, openRunPlace, type RunPlace, type Store } from './versions.ts'

/** What came of some versions. */
export type Restored = {
  /** The names that came, with the run whose version each is, and its size. */
  readonly brought: readonly { readonly path: RelPath; readonly run: string; readonly sizeBytes: number }[]
  /** Names that are in use, which were left alone. */
  readonly existing: readonly RelPath[]
  readonly problems: readonly Problem[]
}

export type RestoreHandles = {
  readonly target: number
  /** On the same file system. */
  readonly staging: number
}

export type RestoreOptions = {
  /** They come to the same path, or to `as` in place of `path`. */
  readonly path: RelPath
  readonly as: RelPath
  /** Which symlinks may come back; every one unless said. */
  readonly links?: LinkPolicy | undefined
}

/**
 * Brings the newest version of each path that was sought back, a version a `next`; what it tells comes with the next `take`.
 * However it is left, `end` gives the directories that were made their times, and syncs.
 */
export class Restore {
  readonly #sys: Sys
  readonly #store: Store
  readonly #handles: RestoreHandles
  readonly #options: RestoreOptions
  readonly #versions: Generator<Version>
  /** Of these an older version is none to bring; only where more than one run is asked. */
  readonly #seen: Set<RelPath> | undefined
  #brought: { path: RelPath; run: string; sizeBytes: number }[] = []
  #existing: RelPath[] = []
  #problems: Problem[] = []
  /** Directories made on the way, parents first, with the version that they come from. */
  readonly #made: { readonly path: RelPath; readonly row: Uint32Array | undefined }[] = []
  #place: RunPlace | undefined
  #hasBrought = false

  constructor(
    sys: Sys,
    store: Store,
    handles: RestoreHandles,
    options: RestoreOptions & { readonly sought: readonly Sought[] },
  ) {
    this.#sys = sys
    this.#store = store
    this.#handles = handles
    this.#options = options
    this.#versions = findVersions(sys, store, options.sought)
    this.#seen = options.sought.length > 1 ? new Set() : undefined
  }

  /** Looks at the next version, and brings it where it is the newest of its path: its size; undefined where there is none. */
  next(): number | undefined {
    const found = this.#versions.next()
    if (found.done === true) return undefined
    const version = found.value
    if (this.#seen?.has(version.path) === true) return 0
    this.#seen?.add(version.path)
    this.#bring(version)
    return version.sizeBytes
  }

  /** What came of those since the last time. */
  take(): Restored {
    const taken = { brought: this.#brought, existing: this.#existing, problems: this.#problems }
    this.#brought = []
    this.#existing = []
    this.#problems = []
    return taken
  }

  #bring(version: Version): void {
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
      this.#hasBrought = true
      this.#brought.push({ path: to, run: version.run, sizeBytes: version.sizeBytes })
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
    let code: number = -errno.ECANCELED
    try {
      code = from < 0 ? from : this.#stage(from, utf8(nameOf(was)), version.kind, temporary, to)
      if (code === 0) code = sys.renameNoReplace(this.#handles.staging, temporary, parent, utf8(nameOf(to)))
    } finally {
      // Also where it was stopped in the middle of a copy.
      if (code < 0) {
        sys.unlink(this.#handles.staging, temporary)
        sys.removeDirectory(this.#handles.staging, temporary)
      }
      if (from >= 0) sys.close(from)
      sys.close(parent)
    }
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
    try {
      if (target < 0) return target
      if (copyContent(sys, source, target, sizeOf(row, 0)) === undefined) return -errno.EIO
      const dressed = sys.setMode(target, this.#dress(source, target, to))
      const timed = dressed < 0 ? dressed : sys.setTimes(target, seconds, ns)
      return timed < 0 ? timed : sys.syncHandle(target)
    } finally {
      if (target >= 0) sys.close(target)
      sys.close(source)
    }
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

  end(): void {
    const sys = this.#sys
    this.#versions.return(undefined)
    if (this.#place !== undefined) closeRunPlace(sys, this.#place)
    this.#place = undefined
    for (const { path, row } of this.#made.splice(0).reverse()) {
      const handle = row === undefined ? -1 : sys.openDirectory(this.#handles.target, utf8(path))
      if (row === undefined || handle < 0) continue
      sys.setTimes(handle, mtimeSecondsOf(row, 0), row[statMtimeNs] as number)
      sys.close(handle)
    }
    const code = this.#hasBrought ? sys.syncFileSystem(this.#handles.target) : 0
    this.#hasBrought = false
    if (code < 0) this.#problems.push({ path: this.#options.as, code: 'write-failed', detail: errnoName(code) })
  }
}
