// A name of its own inode. On a target, two names may share an inode by a person's doing, and what is set on one is set on
// both. So before mode or time are set on a name that shares, it is given a copy, with a look at what the name gives up;
// the other names keep the inode and all that is in it, so nothing is displaced that a crash could lose. A copy that is
// wanted no more, or that finds no room, leaves the name as it was, and nothing aside.

import {
  forgetCtime,
  inodeOf,
  isAsSeen,
  mtimeSecondsOf,
  sameFile,
  sizeOf,
  statMode,
  statMtimeNs,
  statWidth,
} from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { randomName } from '../std/random.ts'
import { copyContent } from './content.ts'
import type { SeenDirectory } from './staged.ts'
import { errno, namesOf, type Sys } from './sys.ts'

/** A name, and where files are written aside on its file system. */
export type NamedPlace = { readonly directory: number; readonly name: Uint8Array; readonly staging: number }

/** Sets what is to be set on the file that opens at a name, where `isSeen` says of the open handle that it is the one that is meant. */
export type Setter = (isSeen: (handle: number) => boolean) => number

/** Which inodes names were parted from: in this batch, and by batches before it. */
export class Parting {
  readonly #sys: Sys
  readonly #copying: Sys
  readonly #swaps: () => boolean
  readonly #left = new Set<string>()
  readonly #row = new Uint32Array(statWidth)

  readonly #parts: boolean

  /**
   * `swaps`: whether names can be exchanged here. Without `parts` names keep the inodes that they have. `copying` is what
   * content is copied with: it may end a copy by a throw of `cancelled`.
   */
  constructor(sys: Sys, swaps: () => boolean, parts: boolean, copying: Sys) {
    this.#parts = parts
    this.#sys = sys
    this.#copying = copying
    this.#swaps = swaps
  }

  /** Whether a row is what was seen. Where a name was parted from the inode, that moved its ctime. */
  isAsSeen(row: Uint32Array, seen: Uint32Array): boolean {
    if (!this.#left.has(inodeOf(seen, 0))) return isAsSeen(row, 0, seen, 0)
    return sameFile(row, 0, seen, 0) && row[statMode] === seen[statMode]
  }

  /** Those of `names` names that a batch took one from: what moved the ctime of the others is no change of anybody else's. */
  readonly shared: string[] = []

  /** What batches before this one left. */
  learn(inodes: readonly string[]): void {
    for (const inode of inodes) this.#left.add(inode)
  }

  /** A name was taken from this inode, which has so many: that moved the ctime that its others were seen with. */
  leave(seen: Uint32Array, names: number): void {
    const inode = inodeOf(seen, 0)
    if (names > 1 && !this.#left.has(inode)) this.shared.push(inode)
    this.#left.add(inode)
  }

  /** The same for what was seen below a directory that goes. */
  forgive(below: readonly SeenDirectory[]): void {
    if (this.#left.size === 0) return
    for (const { names, rows } of below)
      for (let at = 0; at < names.length * statWidth; at += statWidth)
        if (this.#left.has(inodeOf(rows.subarray(at, at + statWidth), 0))) forgetCtime(rows, at)
  }

  /**
   * Sets on the file at a name, which is as `seen`, and on no other name, unless it has just `together` of them: then on
   * all. Zero or a negative errno.
   */
  set(place: NamedPlace, seen: Uint32Array, set: Setter, together = 1): number {
    let names = 0
    const code = set((handle) => {
      const looked = this.#sys.statFile(handle, this.#row, 0)
      if (looked < 0 || !this.isAsSeen(this.#row, seen)) return false
      names = namesOf(looked)
      return names === 1 || names === together || !this.#parts
    })
    if (code >= 0 || names <= 1) return code
    const own = new Uint32Array(statWidth)
    const parted = part(this.#sys, this.#copying, place, seen, own, this.#swaps())
    if (parted < 0) return parted
    this.leave(seen, names)
    return set((handle) => this.#sys.statHandle(handle, this.#row, 0) === 0 && sameFile(this.#row, 0, own, 0))
  }
}

/** Gives the file at a name an inode of its own, whose row goes into `row`. Where that fails, the name is what it was. */
function part(sys: Sys, copying: Sys, place: NamedPlace, seen: Uint32Array, row: Uint32Array, swaps: boolean): number {
  const { directory, name, staging } = place
  const own = utf8(`f${randomName()}`)
  const source = sys.openFile(directory, name)
  if (source < 0) return source
  const made = sys.createFile(staging, own, 0o600)
  if (made < 0) {
    sys.close(source)
    return made
  }
  const now = new Uint32Array(statWidth)
  let code = copyOf(copying, source, made, sizeOf(seen, 0))
  if (code === 0 && (sys.statHandle(source, now, 0) < 0 || !sameFile(now, 0, seen, 0))) code = -errno.EEXIST
  if (code === 0) code = sys.setTimes(made, mtimeSecondsOf(seen, 0), seen[statMtimeNs] as number)
  if (code === 0) code = sys.setMode(made, (seen[statMode] as number) & 0o777)
  // It is on disk before it has the name: the group that it belongs to was synced before.
  if (code === 0) code = sys.syncHandle(made)
  if (code === 0) code = swaps ? exchange(sys, place, own, seen) : replace(sys, place, own, seen)
  if (code === 0) code = sys.statHandle(made, row, 0)
  sys.close(source)
  sys.close(made)
  // Ours, or the name that the shared inode had here: it has others.
  sys.unlink(staging, own)
  return code
}

/** Zero; or why there is no copy: what the system refused, EEXIST where the content was another one, ECANCELED. */
function copyOf(sys: Sys, source: number, made: number, sizeBytes: number): number {
  let refused = -errno.EEXIST
  const noting: Sys = {
    ...sys,
    write(...input) {
      const code = sys.write(...input)
      if (code < 0) refused = code
      return code
    },
  }
  try {
    return copyContent(noting, source, made, sizeBytes) === undefined ? refused : 0
  } catch (error) {
    // The batch that it belongs to is landed to its end all the same.
    if (error instanceof Failure && error.code === 'cancelled') return -errno.ECANCELED
    throw error
  }
}

function exchange(sys: Sys, { directory, name, staging }: NamedPlace, own: Uint8Array, seen: Uint32Array): number {
  const code = sys.exchange(staging, own, directory, name)
  if (code < 0) return code
  const row = new Uint32Array(statWidth)
  if (sys.stat(staging, own, row, 0) === 0 && sameFile(row, 0, seen, 0)) return 0
  // RACE: somebody else's file took the name after the look. It gets it back.
  const back = sys.exchange(staging, own, directory, name)
  return back < 0 ? back : -errno.EEXIST
}

function replace(sys: Sys, { directory, name, staging }: NamedPlace, own: Uint8Array, seen: Uint32Array): number {
  const row = new Uint32Array(statWidth)
  // RACE: what takes the name between this look and the rename is replaced; threats.md names the window.
  if (sys.stat(directory, name, row, 0) < 0 || !sameFile(row, 0, seen, 0)) return -errno.EEXIST
  return sys.renameOver(staging, own, directory, name)
}
