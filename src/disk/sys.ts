// What we ask of an operating system about user files: some twenty synchronous calls that take (directory handle, name)
// and never a path that could be redirected under us. Like the kernel they return a number: zero or a handle when it
// went well, a negative errno when not; nothing is thrown, so that hot loops stay flat. Names are bytes.
// Two forms pass one contract suite: Linux by node:ffi (exact times, NOREPLACE, EXCHANGE, syncfs) and node:fs.

import { constants as osConstants } from 'node:os'
import { extraWidth, statErrno, statWidth } from '../core/stat.ts'

/** The entries of one directory, reused from call to call: grow-only scratch, one per thread. */
export class EntryTable {
  count = 0
  stats: Uint32Array = new Uint32Array(256 * statWidth)
  /** Beside each stat row what an ordinary run does not need: `extraWidth` numbers, where the table was made for them. */
  extras: Uint32Array | undefined
  /** Where each name starts in `names`; a name ends at `nameEnds[i]`. */
  nameStarts: Uint32Array = new Uint32Array(256)
  nameEnds: Uint32Array = new Uint32Array(256)
  names: Uint8Array = new Uint8Array(64 * 1024)
  #namesLength = 0

  constructor(hasExtras = false) {
    if (hasExtras) this.extras = new Uint32Array(256 * extraWidth)
  }

  clear(): void {
    this.count = 0
    this.#namesLength = 0
  }

  /** Gives its memory back; it is of no use any more. */
  end(): void {
    const all = [this.stats, this.nameStarts, this.nameEnds, this.names, this.extras]
    for (const some of all) (some?.buffer as ArrayBuffer | undefined)?.transfer(0)
  }

  /** Adds a name (copied from `bytes`) and returns its row; `looks` says that its stat row will be written. */
  add(bytes: Uint8Array, start: number, end: number, looks = true): number {
    const row = this.count++
    if (row >= this.nameEnds.length) this.#growRows()
    if (looks && (row + 1) * statWidth > this.stats.length) this.#growStats()
    const length = end - start
    if (this.#namesLength + length > this.names.length) this.#growNames(length)
    this.nameStarts[row] = this.#namesLength
    for (let i = start; i < end; i++) this.names[this.#namesLength++] = bytes[i] as number
    this.nameEnds[row] = this.#namesLength
    return row
  }

  /** Takes back the row that was added last. */
  drop(): void {
    this.count--
    this.#namesLength = this.nameStarts[this.count] as number
  }

  /** Gives a row another name, no longer than the one it has. */
  rename(row: number, name: Uint8Array): void {
    const start = this.nameStarts[row] as number
    this.names.set(name, start)
    this.nameEnds[row] = start + name.length
  }

  /** Notes that a row could not be looked at; `code` is negative, as Sys answers it. */
  unseen(row: number, code: number): void {
    this.stats.fill(0, row * statWidth, (row + 1) * statWidth)
    this.stats[row * statWidth + statErrno] = -code
  }

  name(row: number): Uint8Array {
    return this.names.subarray(this.nameStarts[row], this.nameEnds[row])
  }

  #growStats(): void {
    this.stats = grown(this.stats, this.stats.length * 2)
    if (this.extras !== undefined) this.extras = grown(this.extras, this.extras.length * 2)
  }

  #growRows(): void {
    const rows = this.nameEnds.length * 2
    this.nameStarts = grown(this.nameStarts, rows)
    this.nameEnds = grown(this.nameEnds, rows)
  }

  #growNames(needed: number): void {
    const bytes = Math.max(this.names.length * 2, this.#namesLength + needed)
    this.names = new Uint8Array((this.names.buffer as ArrayBuffer).transfer(bytes))
  }
}

/** The same words in a buffer of more; the old one's memory is given back at once. */
function grown({ buffer }: Uint32Array, words: number): Uint32Array {
  return new Uint32Array((buffer as ArrayBuffer).transfer(4 * words))
}

export interface Sys {
  readonly form: 'linux-ffi' | 'portable'
  /** The smallest step of a time that this form can read and set. */
  readonly timeGrainNs: number
  /** Whether `exchange` and an atomic `renameNoReplace` exist, as far as the file system knows them. */
  readonly exactRenames: boolean
  /** Opens the directory that a person named; symlinks on the way are followed. */
  openRoot(path: string): number
  /** Opens a directory at or below `dir`; `path` may have several components; no symlink is followed, nothing above `dir` is reached. */
  openDirectory(dir: number, path: Uint8Array): number
  close(handle: number): void
  /**
   * Fills `into` with every entry but `.` and `..`, in no order: names, and a stat row for each of the first `looks`. With
   * `most`, stops once there are as many or a few more.
   */
  list(dir: number, into: EntryTable, looks?: number, most?: number): number
  /** Stats `name` without following it, into row `row` of `into`, and of `extras`, where these are given. */
  stat(dir: number, name: Uint8Array, into: Uint32Array, row: number, extras?: Uint32Array): number
  statHandle(handle: number, into: Uint32Array, row: number, extras?: Uint32Array): number
  /** As `statHandle` of a file; what it answers, `mayHaveHoles` and `namesOf` read. */
  statFile(handle: number, into: Uint32Array, row: number): number
  /** Where the next data, or the next hole, begins at or after `from`; -ENXIO where none does. Moves where the handle stands. */
  seek(handle: number, from: number, to: 'data' | 'hole'): number
  readLink(dir: number, name: Uint8Array): Uint8Array | number
  /** Opens a regular file for reading; never blocks on a FIFO, never follows a symlink. */
  openFile(dir: number, name: Uint8Array): number
  /** Makes a file that must not exist, for writing. */
  createFile(dir: number, name: Uint8Array, mode: number): number
  /** Reads at `position` (or on from where the handle stands, with -1). */
  read(handle: number, into: Uint8Array, offset: number, length: number, position: number): number
  /** Opens a regular file of our own again, to read and to write: never one of a user's. */
  reopenFile(dir: number, name: Uint8Array): number
  /** Writes all of it or fails; at `position`, or on from where the handle stands. */
  write(handle: number, from: Uint8Array, offset: number, length: number, position?: number): number
  /** Lets the file at `toAt` share what the other has at `fromAt`, where the file system can; a negative errno where not. */
  clone(from: number, fromAt: number, to: number, toAt: number, length: number): number
  /** Cuts the file off, or lets it end with a hole. */
  setLength(handle: number, sizeBytes: number): number
  setTimes(handle: number, mtimeSeconds: number, mtimeNs: number): number
  /** Sets the times of `name` itself, also when it is a symlink. */
  setTimesAt(dir: number, name: Uint8Array, mtimeSeconds: number, mtimeNs: number): number
  setMode(handle: number, mode: number): number
  /** Takes set-id bits away, as every system does. */
  setOwner(handle: number, uid: number, gid: number): number
  /** Opens a symlink itself, to be looked at and given an owner; -ENOSYS where this form can't. */
  openLink(dir: number, name: Uint8Array): number
  /** The same for `name` itself, also when it is a symlink; with no name, for what `openLink` opened. */
  setOwnerAt(dir: number, name: Uint8Array, uid: number, gid: number): number
  makeDirectory(dir: number, name: Uint8Array, mode: number): number
  makeSymlink(dir: number, name: Uint8Array, target: Uint8Array): number
  link(fromDir: number, fromName: Uint8Array, toDir: number, toName: Uint8Array): number
  /** Renames only if the new name is free (-EEXIST else). */
  renameNoReplace(fromDir: number, fromName: Uint8Array, toDir: number, toName: Uint8Array): number
  /** Renames over what is there. Only for places where what is there was looked at, or is our own. */
  renameOver(fromDir: number, fromName: Uint8Array, toDir: number, toName: Uint8Array): number
  /** Swaps two names at one instant; -ENOSYS or -EINVAL where the system can't. */
  exchange(fromDir: number, fromName: Uint8Array, toDir: number, toName: Uint8Array): number
  unlink(dir: number, name: Uint8Array): number
  removeDirectory(dir: number, name: Uint8Array): number
  syncHandle(handle: number): number
  /** Everything written to the handle's file system so far is on disk. */
  syncFileSystem(handle: number): number
  /** Gives memory that the process no longer uses back to the system, as far as it can; takes some milliseconds. */
  trimMemory(): void
}

/** Of what `statFile` answered: whether fewer blocks are the file's own than its size needs. */
export function mayHaveHoles(answer: number): boolean {
  return answer > 0 && (answer & 1) === 1
}

/** Of what `statFile` answered: how many names the file has. */
export function namesOf(answer: number): number {
  return answer >> 1
}

/** What `statFile` answers. */
export function fileAnswer(names: number, hasFewBlocks: boolean): number {
  return (names << 1) | (hasFewBlocks ? 1 : 0)
}

const errnoNames = new Map<number, string>(Object.entries(osConstants.errno).map(([name, value]) => [value, name]))

export const errno: Readonly<typeof osConstants.errno> = osConstants.errno

/** `ENOENT` for 2 or -2. */
export function errnoName(value: number): string {
  return errnoNames.get(Math.abs(value)) ?? `errno ${Math.abs(value)}`
}

/** Whether a link failed because such a thing, or such a file system, has none: a plain rename may still work. */
export function cannotLink(code: number): boolean {
  return [errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK].includes(-code)
}
