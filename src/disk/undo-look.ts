// How an undo looks at a name: what is there now, whether that is what the run put there, or what was there before it.
// Changes nothing, follows no symlink.

import { digestOf } from '../chunk/digest.ts'
import { joinPath, nameOf, parentOf, type RelPath } from '../core/path.ts'
import {
  mtimeSecondsOf,
  sameTypeSizeTime,
  sizeOf,
  statInodeHigh,
  statInodeLow,
  statMode,
  statMtimeNs,
  statWidth,
  typeDirectory,
  typeFile,
  typeMask,
  typeSymlink,
} from '../core/stat.ts'
import { equalBytes, fromUtf8, hex, utf8 } from '../std/bytes.ts'
import { type Had, wholeDress } from './attributes.ts'
import { digestFile } from './content.ts'
import type { Row } from './manifest.ts'
import { EntryTable, type Sys } from './sys.ts'

export class Look {
  readonly root: number
  /** What the run kept. */
  readonly files: number
  readonly #sys: Sys
  /** Where a path of the plan is now: a directory above it may still have its other name, or this one and lose it first. */
  readonly place: (path: RelPath) => RelPath | undefined

  constructor(sys: Sys, root: number, files: number, place: (path: RelPath) => RelPath | undefined) {
    this.#sys = sys
    this.root = root
    this.files = files
    this.place = place
  }

  /** What is at a path of the root now. */
  look(path: RelPath): Uint32Array | undefined {
    return this.lookIn(this.root, path)
  }

  /** The same below another handle. */
  lookIn(base: number, path: RelPath): Uint32Array | undefined {
    return this.#stat(base, this.#where(base, path))
  }

  /** What has exactly this name in the root now. */
  lookAt(path: RelPath): Uint32Array | undefined {
    return this.#stat(this.root, path)
  }

  #stat(base: number, path: RelPath | undefined): Uint32Array | undefined {
    if (path === undefined) return undefined
    const parent = this.#sys.openDirectory(base, utf8(parentOf(path)))
    if (parent < 0) return undefined
    const row = new Uint32Array(statWidth)
    const code = this.#sys.stat(parent, utf8(nameOf(path)), row, 0)
    this.#sys.close(parent)
    return code < 0 ? undefined : row
  }

  #where(base: number, path: RelPath): RelPath | undefined {
    return base === this.root ? this.place(path) : path
  }

  /** What has this path besides content, mode and times. */
  dress(path: RelPath): Had | undefined {
    const place = this.place(path)
    return place === undefined ? undefined : this.dressIn(this.root, place)
  }

  /** The same of what lies below a handle. */
  dressIn(base: number, place: RelPath): Had | undefined {
    const parent = this.#sys.openDirectory(base, utf8(parentOf(place)))
    if (parent < 0) return undefined
    const had = wholeDress(this.#sys, parent, utf8(nameOf(place)))
    this.#sys.close(parent)
    return had
  }

  /** All names that a directory of the root will have when the plan gets to it, with their rows. */
  list(path: RelPath): { names: Uint8Array[]; rows: Uint32Array } | undefined {
    const place = this.place(path)
    const handle = place === undefined ? -1 : this.#sys.openDirectory(this.root, utf8(place))
    const table = new EntryTable()
    const count = handle < 0 ? handle : this.#sys.list(handle, table)
    if (handle >= 0) this.#sys.close(handle)
    if (count < 0) return undefined
    const names: Uint8Array[] = []
    const rows = table.stats.slice(0, table.count * statWidth)
    for (let i = 0; i < table.count; i++) {
      const [name, at] = [table.name(i).slice(), i * statWidth]
      // A directory that is renamed away first is no part of it.
      const isDirectory = ((rows[at + statMode] as number) & typeMask) === typeDirectory
      if (isDirectory && this.place(joinPath(path, fromUtf8(name) ?? '')) === undefined) continue
      rows.copyWithin(names.length * statWidth, at, at + statWidth)
      names.push(name)
    }
    return { names, rows: rows.subarray(0, names.length * statWidth) }
  }

  /** The text of a symlink. */
  link(base: number, told: RelPath): Uint8Array | undefined {
    const path = this.#where(base, told)
    const parent = path === undefined ? -1 : this.#sys.openDirectory(base, utf8(parentOf(path)))
    if (path === undefined || parent < 0) return undefined
    const link = this.#sys.readLink(parent, utf8(nameOf(path)))
    this.#sys.close(parent)
    return typeof link === 'number' ? undefined : link
  }

  /** Whether what is there is what the run put there: the very file, or one of the same content. */
  isAfter(now: Uint32Array, path: RelPath, change: { readonly after?: Row; readonly digest?: string }): boolean {
    if (change.after === undefined) return false
    const after = Uint32Array.from(change.after)
    if (!sameTypeSizeTime(now, 0, after, 0)) return false
    if (now[statInodeLow] === after[statInodeLow] && now[statInodeHigh] === after[statInodeHigh]) return true
    // Made anew by an undo, or on a file system that gives other numbers after it was mounted again.
    if (isType(now, typeFile) && sizeOf(now, 0) === 0) return true
    const link = isType(now, typeSymlink) ? this.link(this.root, path) : undefined
    const digest = link === undefined ? this.#digest(this.root, path) : hex(digestOf(link))
    return change.digest !== undefined && digest === change.digest
  }

  #digest(base: number, told: RelPath): string | undefined {
    const path = this.#where(base, told)
    if (path === undefined) return undefined
    const row = this.#stat(base, path)
    const parent = this.#sys.openDirectory(base, utf8(parentOf(path)))
    const digest =
      row === undefined || parent < 0 ? undefined : digestFile(this.#sys, parent, utf8(nameOf(path)), sizeOf(row, 0))
    if (parent >= 0) this.#sys.close(parent)
    return digest === undefined ? undefined : hex(digest)
  }

  /** Whether what is there is what was there before the run: the very file, or the version of it. */
  isBefore(now: Uint32Array, told: RelPath, path: RelPath, before: Row): boolean {
    const seen = Uint32Array.from(before)
    if (isType(seen, typeDirectory)) return isType(now, typeDirectory)
    if (!sameTypeSizeTime(now, 0, seen, 0)) return false
    if (now[statInodeLow] !== seen[statInodeLow] || now[statInodeHigh] !== seen[statInodeHigh]) {
      // Made anew: a symlink, an empty file, or a copy where there are no links.
      if (isType(now, typeFile)) return this.#sameContent(told, path)
      const [live, version] = [this.link(this.root, path), this.link(this.files, told)]
      return live !== undefined && version !== undefined && equalBytes(live, version)
    }
    return true
  }

  #sameContent(version: RelPath, path: RelPath): boolean {
    const digest = this.#digest(this.files, version)
    return digest !== undefined && digest === this.#digest(this.root, path)
  }

  /** Whether something is of the kind, size and time that a version has. */
  isVersion(row: Uint32Array, before: Row): boolean {
    return sameTypeSizeTime(row, 0, Uint32Array.from(before), 0)
  }
}

export function isType(row: Uint32Array, type: number): boolean {
  return ((row[statMode] as number) & typeMask) === type
}

export function isRowType(row: Row, type: number): boolean {
  return ((row[statMode] ?? 0) & typeMask) === type
}

/** Whether set-id bits are the same: a run that was not to set them left them as they were, or took them away. */
export function sameSetId(a: Uint32Array, b: Uint32Array): boolean {
  return (((a[statMode] as number) ^ (b[statMode] as number)) & 0o7000) === 0
}

/** Whether something was changed at this time, as far as the grain tells. */
export function isTime(now: Uint32Array, seconds: number, ns: number, grainNs: number): boolean {
  const apart = (mtimeSecondsOf(now, 0) - seconds) * 1e9 + ((now[statMtimeNs] as number) - ns)
  return Math.abs(apart) < Math.max(1, grainNs)
}
