// Linux by node:ffi: the calls that node:fs lacks (openat2, renameat2, utimensat to the nanosecond, syncfs), and the same
// ones for the rest. Only libc is loaded; every pointer points into buffers that this file owns or that live across the
// call. Never throws for a failed call; throws only while loading, and then `portable` is used.
//
// A call of at most three arguments costs 0.1 us, one of more 1.0 us (node:ffi converts them one by one). So a worker
// thread takes a working directory of its own (unshare) and works in it by bare names: open, lstat and mkdir instead of
// openat, statx and mkdirat. It does so only in directories whose handle this form opened, and it leaves one when that
// handle is closed: the working directory never outlives the handle, and pins no file system that the handle does not.

import { constants, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isSeat } from '../std/crew.ts'
import { hasFewBlocks, namesWord, putStat } from './stat-layout.ts'
import { cannotLink, type EntryTable, errno, fileAnswer, type Sys } from './sys.ts'

type Pointer = bigint
type Libc = {
  fstatat(dir: number, name: Pointer, into: Pointer, flags: number): number
  lstat(name: Pointer, into: Pointer): number
  fstat(handle: number, into: Pointer): number
  getdents64(dir: number, into: Pointer, length: bigint): number
  openat(dir: number, name: Pointer, flags: number, mode: number): number
  open(name: Pointer, flags: number, mode: number): number
  mkdir(name: Pointer, mode: number): number
  unlink(name: Pointer): number
  rmdir(name: Pointer): number
  fchdir(handle: number): number
  unshare(flags: number): number
  syscall(number: bigint, a: bigint, b: bigint, c: bigint, d: bigint): number
  mkdirat(dir: number, name: Pointer, mode: number): number
  symlinkat(target: Pointer, dir: number, name: Pointer): number
  readlinkat(dir: number, name: Pointer, into: Pointer, length: bigint): number
  linkat(fromDir: number, from: Pointer, toDir: number, to: Pointer, flags: number): number
  renameat(fromDir: number, from: Pointer, toDir: number, to: Pointer): number
  renameat2(fromDir: number, from: Pointer, toDir: number, to: Pointer, flags: number): number
  unlinkat(dir: number, name: Pointer, flags: number): number
  utimensat(dir: number, name: Pointer, times: Pointer, flags: number): number
  futimens(handle: number, times: Pointer): number
  fchmod(handle: number, mode: number): number
  fchown(handle: number, uid: number, gid: number): number
  fchownat(dir: number, name: Pointer, uid: number, gid: number, flags: number): number
  syncfs(handle: number): number
  malloc_trim(keptBytes: bigint): number
  lseek(handle: number, offset: bigint, whence: number): bigint
  ioctl(handle: number, request: bigint, argument: Pointer): number
  close(handle: number): number
  __errno_location(): Pointer
}
type Ffi = {
  dlopen(library: string, definitions: Record<string, { arguments: string[]; return: string }>): { functions: Libc }
  getRawPointer(source: ArrayBufferView): Pointer
  getInt32(pointer: Pointer): number
}

const signatures: Record<keyof Libc, { arguments: string[]; return: string }> = {
  fstatat: { arguments: ['i32', 'pointer', 'pointer', 'i32'], return: 'i32' },
  lstat: { arguments: ['pointer', 'pointer'], return: 'i32' },
  fstat: { arguments: ['i32', 'pointer'], return: 'i32' },
  getdents64: { arguments: ['i32', 'pointer', 'u64'], return: 'i32' },
  openat: { arguments: ['i32', 'pointer', 'i32', 'u32'], return: 'i32' },
  open: { arguments: ['pointer', 'i32', 'u32'], return: 'i32' },
  mkdir: { arguments: ['pointer', 'u32'], return: 'i32' },
  unlink: { arguments: ['pointer'], return: 'i32' },
  rmdir: { arguments: ['pointer'], return: 'i32' },
  fchdir: { arguments: ['i32'], return: 'i32' },
  unshare: { arguments: ['i32'], return: 'i32' },
  syscall: { arguments: ['i64', 'i64', 'i64', 'i64', 'i64'], return: 'i32' },
  mkdirat: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
  symlinkat: { arguments: ['pointer', 'i32', 'pointer'], return: 'i32' },
  readlinkat: { arguments: ['i32', 'pointer', 'pointer', 'u64'], return: 'i32' },
  linkat: { arguments: ['i32', 'pointer', 'i32', 'pointer', 'i32'], return: 'i32' },
  renameat: { arguments: ['i32', 'pointer', 'i32', 'pointer'], return: 'i32' },
  renameat2: { arguments: ['i32', 'pointer', 'i32', 'pointer', 'u32'], return: 'i32' },
  unlinkat: { arguments: ['i32', 'pointer', 'i32'], return: 'i32' },
  utimensat: { arguments: ['i32', 'pointer', 'pointer', 'i32'], return: 'i32' },
  futimens: { arguments: ['i32', 'pointer'], return: 'i32' },
  fchmod: { arguments: ['i32', 'u32'], return: 'i32' },
  fchown: { arguments: ['i32', 'u32', 'u32'], return: 'i32' },
  fchownat: { arguments: ['i32', 'pointer', 'u32', 'u32', 'i32'], return: 'i32' },
  syncfs: { arguments: ['i32'], return: 'i32' },
  malloc_trim: { arguments: ['u64'], return: 'i32' },
  lseek: { arguments: ['i32', 'i64', 'i32'], return: 'i64' },
  ioctl: { arguments: ['i32', 'u64', 'pointer'], return: 'i32' },
  close: { arguments: ['i32'], return: 'i32' },
  __errno_location: { arguments: [], return: 'pointer' },
}

const O_CLOEXEC = 0o2000000
const AT_SYMLINK_NOFOLLOW = 0x100
const AT_REMOVEDIR = 0x200
const AT_EMPTY_PATH = 0x1000
const O_PATH = 0o10000000
const CLONE_FS = 0x200
const SYS_openat2 = 437n
const RESOLVE_NO_MAGICLINKS = 0x02
const RESOLVE_NO_SYMLINKS = 0x04
const RESOLVE_BENEATH = 0x08
const RENAME_NOREPLACE = 1
const RENAME_EXCHANGE = 2
const SEEK_DATA = 3
const SEEK_HOLE = 4
const FICLONERANGE = 0x4020940dn
const pathMax = 4096

const directoryFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | O_CLOEXEC
const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | O_CLOEXEC
const linkFlags = O_PATH | constants.O_NOFOLLOW | O_CLOEXEC
const reopenFlags = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK | O_CLOEXEC
const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW | O_CLOEXEC

/**
 * Loads libc. Throws where node:ffi, libc or one of the calls is missing, in libc (2.33) or in the kernel (5.6). `roams`
 * takes the thread a working directory of its own: for threads that nobody else's relative paths run in.
 */
export function openLinuxSys(roams: boolean = isSeat): Sys {
  const ffi = createRequire(import.meta.url)('node:ffi') as Ffi
  const libc = ffi.dlopen('libc.so.6', signatures).functions
  const errnoAt = libc.__errno_location()
  const fail = (): number => -(ffi.getInt32(errnoAt) || errno.EIO)
  const settle = (result: number): number => (result < 0 ? fail() : result)

  // One scratch area per thread: two names, a link's text, a stat result, two timespecs, an open_how.
  const scratch = new Uint8Array(4 * pathMax + 1024)
  const scratchAt = ffi.getRawPointer(scratch)
  const secondName = pathMax + 1
  const linkText = 2 * pathMax + 2
  const statOffset = (linkText + pathMax + 64) & ~63
  const timesOffset = statOffset + 256
  const howOffset = timesOffset + 64
  const firstAt = scratchAt
  const secondAt = scratchAt + BigInt(secondName)
  const linkAt = scratchAt + BigInt(linkText)
  const statAt = scratchAt + BigInt(statOffset)
  const timesAt = scratchAt + BigInt(timesOffset)
  const howAt = BigInt.asIntN(64, scratchAt + BigInt(howOffset))
  const stat = new Uint32Array(scratch.buffer, statOffset, 64)
  const times = new DataView(scratch.buffer, timesOffset, 32)
  const how = new DataView(scratch.buffer, howOffset, 24)
  how.setBigUint64(0, BigInt(directoryFlags), true)
  how.setBigUint64(16, BigInt(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS), true)
  const dents = new Uint8Array(128 * 1024)
  const dentsView = new DataView(dents.buffer)
  const dentsAt = ffi.getRawPointer(dents)

  const putName = (name: Uint8Array, offset: number): boolean => {
    if (name.length >= pathMax) return false
    scratch.set(name, offset)
    scratch[offset + name.length] = 0
    return true
  }

  /**
   * NOREPLACE between the names in scratch where the file system has none (NFS, NTFS-3G): a second name, which must be
   * free, then the first one goes. A directory, or a file system without links, is only looked at before.
   */
  const renameByLink = (fromDir: number, toDir: number): number => {
    const linked = settle(libc.linkat(fromDir, firstAt, toDir, secondAt, 0))
    if (linked === 0) return settle(libc.unlinkat(fromDir, firstAt, 0))
    if (!cannotLink(linked)) return linked
    // RACE: what takes the name between this look and the rename is replaced; threats.md names the window.
    if (libc.fstatat(toDir, secondAt, statAt, AT_SYMLINK_NOFOLLOW) === 0) return -errno.EEXIST
    const missing = fail()
    return missing === -errno.ENOENT ? settle(libc.renameat(fromDir, firstAt, toDir, secondAt)) : missing
  }

  // A kernel before 5.6, or a sandbox that has not heard of openat2, would refuse every directory.
  const probe = libc.syscall(SYS_openat2, -100n, BigInt.asIntN(64, dotAt(scratch, firstAt)), howAt, 24n)
  if (probe < 0) throw new Error('this kernel has no openat2')
  libc.close(probe)

  const { enter, came, left } = openWhereabouts(libc, roams)
  const opened = (result: number): number => (result < 0 ? fail() : came(result))

  /** Stats the name in scratch, in `dir` or, with -1, in the working directory. */
  const lookAt = (into: EntryTable, row: number, dir: number): void => {
    const code = dir < 0 ? libc.lstat(firstAt, statAt) : libc.fstatat(dir, firstAt, statAt, AT_SYMLINK_NOFOLLOW)
    if (code === 0) putStat(stat, into.stats, row, into.extras)
    else into.unseen(row, fail())
  }

  return {
    form: 'linux-ffi',
    timeGrainNs: 1,
    exactRenames: true,
    openRoot(path) {
      try {
        return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | O_CLOEXEC)
      } catch (error) {
        return (error as { errno?: number }).errno ?? -errno.EIO
      }
    },
    openDirectory(dir, path) {
      if (path.length === 0) return opened(libc.openat(dir, dotAt(scratch, firstAt), directoryFlags, 0))
      if (!putName(path, 0)) return -errno.ENAMETOOLONG
      return opened(libc.syscall(SYS_openat2, BigInt(dir), BigInt.asIntN(64, firstAt), howAt, 24n))
    },
    close(handle) {
      left(handle)
      libc.close(handle)
    },
    list(dir, into, looks = Number.POSITIVE_INFINITY, most = Number.POSITIVE_INFINITY) {
      into.clear()
      if (libc.lseek(dir, 0n, 0) < 0n) return fail()
      const isHere = enter(dir)
      for (;;) {
        const length = libc.getdents64(dir, dentsAt, BigInt(dents.length))
        if (length < 0) return fail()
        if (length === 0 || into.count >= most) return into.count
        for (let at = 0; at < length; ) {
          const start = at + 19
          // The name is copied to where a pointer exists already: a new one for each name would be garbage.
          let end = start
          for (let byte = dents[end] as number; byte !== 0; byte = dents[++end] as number) scratch[end - start] = byte
          scratch[end - start] = 0
          if (!isDots(dents, start, end)) {
            const row = into.add(dents, start, end, into.count < looks)
            if (row < looks) lookAt(into, row, isHere ? -1 : dir)
          }
          at += dentsView.getUint16(at + 16, true)
        }
      }
    },
    stat(dir, name, into, row, extras) {
      if (!putName(name, 0)) return -errno.ENAMETOOLONG
      const code = enter(dir) ? libc.lstat(firstAt, statAt) : libc.fstatat(dir, firstAt, statAt, AT_SYMLINK_NOFOLLOW)
      if (code < 0) return fail()
      putStat(stat, into, row, extras)
      return 0
    },
    statHandle(handle, into, row, extras) {
      if (libc.fstat(handle, statAt) < 0) return fail()
      putStat(stat, into, row, extras)
      return 0
    },
    statFile(handle, into, row) {
      if (libc.fstat(handle, statAt) < 0) return fail()
      putStat(stat, into, row, undefined)
      return fileAnswer(stat[namesWord] as number, hasFewBlocks(stat))
    },
    seek(handle, from, to) {
      const at = libc.lseek(handle, BigInt(from), to === 'data' ? SEEK_DATA : SEEK_HOLE)
      return at < 0n ? fail() : Number(at)
    },
    readLink(dir, name) {
      if (!putName(name, 0)) return -errno.ENAMETOOLONG
      const length = libc.readlinkat(dir, firstAt, linkAt, BigInt(pathMax))
      return length < 0 ? fail() : scratch.slice(linkText, linkText + length)
    },
    openFile(dir, name) {
      if (!putName(name, 0)) return -errno.ENAMETOOLONG
      return settle(enter(dir) ? libc.open(firstAt, readFlags, 0) : libc.openat(dir, firstAt, readFlags, 0))
    },
    createFile(dir, name, mode) {
      if (!putName(name, 0)) return -errno.ENAMETOOLONG
      return settle(enter(dir) ? libc.open(firstAt, createFlags, mode) : libc.openat(dir, firstAt, createFlags, mode))
    },
    read: (handle, into, offset, length, position) =>
      attempt(() => readSync(handle, into, offset, length, position < 0 ? null : position)),
    reopenFile(dir, name) {
      if (!putName(name, 0)) return -errno.ENAMETOOLONG
      return settle(enter(dir) ? libc.open(firstAt, reopenFlags, 0) : libc.openat(dir, firstAt, reopenFlags, 0))
    },
    write: writeAll,
    clone(from, fromAt, to, toAt, length) {
      const fields = [from, fromAt, length, toAt]
      for (const [i, field] of fields.entries()) times.setBigInt64(8 * i, BigInt(field), true)
      return settle(libc.ioctl(to, FICLONERANGE, timesAt))
    },
    setLength: (handle, sizeBytes) =>
      attempt(() => {
        ftruncateSync(handle, sizeBytes)
        return 0
      }),
    setTimes(handle, mtimeSeconds, mtimeNs) {
      putTimespecs(times, mtimeSeconds, mtimeNs)
      return settle(libc.futimens(handle, timesAt))
    },
    setTimesAt(dir, name, mtimeSeconds, mtimeNs) {
      if (!putName(name, 0)) return -errno.ENAMETOOLONG
      putTimespecs(times, mtimeSeconds, mtimeNs)
      return settle(libc.utimensat(dir, firstAt, timesAt, AT_SYMLINK_NOFOLLOW))
    },
    setMode: (handle, mode) => settle(libc.fchmod(handle, mode)),
    setOwner(handle, uid, gid) {
      return settle(libc.fchown(handle, uid, gid))
    },
    openLink(dir, name) {
      if (!putName(name, 0)) return -errno.ENAMETOOLONG
      return settle(libc.openat(dir, firstAt, linkFlags, 0))
    },
    setOwnerAt(dir, name, uid, gid) {
      if (!putName(name, 0)) return -errno.ENAMETOOLONG
      const flags = name.length === 0 ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW
      return settle(libc.fchownat(dir, firstAt, uid, gid, flags))
    },
    makeDirectory(dir, name, mode) {
      if (!putName(name, 0)) return -errno.ENAMETOOLONG
      return settle(enter(dir) ? libc.mkdir(firstAt, mode) : libc.mkdirat(dir, firstAt, mode))
    },
    makeSymlink(dir, name, target) {
      if (!putName(name, 0) || !putName(target, secondName)) return -errno.ENAMETOOLONG
      return settle(libc.symlinkat(secondAt, dir, firstAt))
    },
    link(fromDir, fromName, toDir, toName) {
      if (!putName(fromName, 0) || !putName(toName, secondName)) return -errno.ENAMETOOLONG
      return settle(libc.linkat(fromDir, firstAt, toDir, secondAt, 0))
    },
    renameNoReplace(fromDir, fromName, toDir, toName) {
      if (!putName(fromName, 0) || !putName(toName, secondName)) return -errno.ENAMETOOLONG
      const code = settle(libc.renameat2(fromDir, firstAt, toDir, secondAt, RENAME_NOREPLACE))
      return code === -errno.EINVAL ? renameByLink(fromDir, toDir) : code
    },
    renameOver(fromDir, fromName, toDir, toName) {
      if (!putName(fromName, 0) || !putName(toName, secondName)) return -errno.ENAMETOOLONG
      return settle(libc.renameat(fromDir, firstAt, toDir, secondAt))
    },
    exchange(fromDir, fromName, toDir, toName) {
      if (!putName(fromName, 0) || !putName(toName, secondName)) return -errno.ENAMETOOLONG
      return settle(libc.renameat2(fromDir, firstAt, toDir, secondAt, RENAME_EXCHANGE))
    },
    unlink(dir, name) {
      if (!putName(name, 0)) return -errno.ENAMETOOLONG
      return settle(enter(dir) ? libc.unlink(firstAt) : libc.unlinkat(dir, firstAt, 0))
    },
    removeDirectory(dir, name) {
      if (!putName(name, 0)) return -errno.ENAMETOOLONG
      return settle(enter(dir) ? libc.rmdir(firstAt) : libc.unlinkat(dir, firstAt, AT_REMOVEDIR))
    },
    syncHandle: (handle) =>
      attempt(() => {
        fsyncSync(handle)
        return 0
      }),
    syncFileSystem: (handle) => settle(libc.syncfs(handle)),
    trimMemory: () => void libc.malloc_trim(0n),
  }
}

/**
 * The working directory of this thread. `enter` says whether bare names mean names in `dir` now; `came` is told of each
 * directory that this form opened, `left` of each handle before it is closed.
 */
function openWhereabouts(
  libc: Libc,
  roams: boolean,
): { enter(dir: number): boolean; came(handle: number): number; left(handle: number): void } {
  // Until it is unshared, the working directory is the whole process's. Where that is refused (a sandbox), nobody moves.
  if (!roams || libc.unshare(CLONE_FS) !== 0) return { enter: () => false, came: (handle) => handle, left: () => {} }
  const home = openSync('/', constants.O_RDONLY | constants.O_DIRECTORY | O_CLOEXEC)
  /** Nobody else closes these, so their numbers stay theirs. */
  const ours = new Set<number>()
  let here = -1
  return {
    enter(dir) {
      if (dir === here) return true
      if (!ours.has(dir) || libc.fchdir(dir) < 0) return false
      here = dir
      return true
    },
    came(handle) {
      ours.add(handle)
      return handle
    },
    left(handle) {
      if (!ours.delete(handle) || handle !== here) return
      here = -1
      libc.fchdir(home)
    },
  }
}

/** The same time twice: of access and of change. */
function putTimespecs(times: DataView, seconds: number, ns: number): void {
  for (const at of [0, 16]) {
    times.setBigInt64(at, BigInt(seconds), true)
    times.setBigInt64(at + 8, BigInt(ns), true)
  }
}

function dotAt(scratch: Uint8Array, pointer: Pointer): Pointer {
  scratch[0] = 0x2e
  scratch[1] = 0
  return pointer
}

function isDots(bytes: Uint8Array, start: number, end: number): boolean {
  if (bytes[start] !== 0x2e) return false
  return end === start + 1 || (end === start + 2 && bytes[start + 1] === 0x2e)
}

function attempt(call: () => number): number {
  try {
    return call()
  } catch (error) {
    return (error as { errno?: number }).errno ?? -errno.EIO
  }
}

function writeAll(handle: number, from: Uint8Array, offset: number, length: number, position?: number): number {
  let written = 0
  while (written < length) {
    const at = position === undefined ? null : position + written
    const count = attempt(() => writeSync(handle, from, offset + written, length - written, at))
    if (count < 0) return count
    written += count
  }
  return 0
}
