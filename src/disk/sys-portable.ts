// The portable form, by node:fs: what is used where node:ffi does not load. On Linux a (handle, name) pair becomes
// /proc/self/fd/<handle>/<name>, so a directory that is swapped under us redirects nothing. Elsewhere it is a path: the
// window that remains there is named in docs/threats.md. Times have a grain of one microsecond, and are set as grain plus
// half a grain, so that the float that node:fs takes reads back to the same grain (until the year 2242).

import {
  type BigIntStats,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  renameSync,
  rmdirSync,
  type Stats,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import {
  extraGid,
  extraLinks,
  extraUid,
  extraWidth,
  statCtimeNs,
  statCtimeSeconds,
  statDevice,
  statErrno,
  statInodeHigh,
  statInodeLow,
  statMode,
  statMtimeNs,
  statMtimeSeconds,
  statMtimeSecondsHigh,
  statSizeHigh,
  statSizeLow,
  statWidth,
} from '../core/stat.ts'
import { compareBytes, concatBytes, utf8 } from '../std/bytes.ts'
import { cannotLink, errno, fileAnswer, type Sys } from './sys.ts'

const slash = utf8('/')
const onLinux = process.platform === 'linux'

/** Zero, or the negative errno of what was thrown. */
function perform(call: () => void): number {
  return attempt(() => {
    call()
    return 0
  })
}

function attempt(call: () => number): number {
  try {
    return call()
  } catch (error) {
    return (error as { errno?: number }).errno ?? -errno.EIO
  }
}

/**
 * A time in whole microseconds plus half of one, as the seconds that node:fs takes. As text: a negative number would be
 * taken for "now".
 */
function timeText(seconds: number, ns: number): string {
  return String(seconds + (Math.floor(ns / 1000) * 1000 + 500) / 1e9)
}

function putTime(ms: number, into: Uint32Array, secondsAt: number, nsAt: number): number {
  const seconds = Math.floor(ms / 1000)
  into[secondsAt] = seconds
  into[nsAt] = Math.floor((ms - seconds * 1000) * 1000) * 1000
  return seconds
}

/** From 2106 on, milliseconds as a float are too coarse to tell microseconds apart. */
const farMs = 2 ** 32 * 1000

function putStats(
  facts: Stats,
  exact: () => BigIntStats,
  into: Uint32Array,
  row: number,
  extras: Uint32Array | undefined,
): number {
  if (extras !== undefined) {
    extras[row * extraWidth + extraUid] = facts.uid
    extras[row * extraWidth + extraGid] = facts.gid
    extras[row * extraWidth + extraLinks] = facts.nlink
  }
  const at = row * statWidth
  into[at + statMode] = facts.mode
  into[at + statInodeLow] = facts.ino
  into[at + statInodeHigh] = Math.floor(facts.ino / 0x1_0000_0000)
  into[at + statSizeLow] = facts.size
  into[at + statSizeHigh] = Math.floor(facts.size / 0x1_0000_0000)
  putTime(facts.ctimeMs, into, at + statCtimeSeconds, at + statCtimeNs)
  let seconds = putTime(facts.mtimeMs, into, at + statMtimeSeconds, at + statMtimeNs)
  if (facts.mtimeMs >= farMs) {
    const ns = exact().mtimeNs
    seconds = Number(ns / 1_000_000_000n)
    into[at + statMtimeSeconds] = seconds
    into[at + statMtimeNs] = Number((ns % 1_000_000_000n) / 1000n) * 1000
  }
  into[at + statMtimeSecondsHigh] = Math.floor(seconds / 0x1_0000_0000)
  into[at + statDevice] = facts.dev
  into[at + statErrno] = 0
  return 0
}

export function openPortableSys(): Sys {
  const roots = new Map<number, Uint8Array>()
  const at = (dir: number, name: Uint8Array): Buffer => {
    const base = onLinux ? utf8(`/proc/self/fd/${dir}`) : (roots.get(dir) ?? utf8(''))
    return Buffer.from(concatBytes([base, slash, name]))
  }
  const openAt = (dir: number, name: Uint8Array, flags: number): number => {
    const handle = attempt(() => openSync(at(dir, name), flags))
    if (handle >= 0 && !onLinux) roots.set(handle, at(dir, name))
    return handle
  }
  return {
    form: 'portable',
    timeGrainNs: 1000,
    exactRenames: false,
    openRoot(path) {
      const handle = attempt(() => openSync(path, constants.O_RDONLY | (constants.O_DIRECTORY ?? 0)))
      if (handle >= 0 && !onLinux) roots.set(handle, utf8(path))
      return handle
    },
    openDirectory(dir, path) {
      // One component at a time, so that O_NOFOLLOW holds for each.
      const flags = constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | (constants.O_NOFOLLOW ?? 0)
      let handle = openAt(dir, utf8('.'), constants.O_RDONLY | (constants.O_DIRECTORY ?? 0))
      for (const component of splitPath(path)) {
        if (handle < 0) return handle
        if (compareBytes(component, utf8('..')) === 0) {
          closeSync(handle)
          return -errno.EXDEV
        }
        const next = openAt(handle, component, flags)
        closeSync(handle)
        handle = next
      }
      return handle
    },
    close(handle) {
      roots.delete(handle)
      perform(() => closeSync(handle))
    },
    list(dir, into, looks = Number.POSITIVE_INFINITY, most = Number.POSITIVE_INFINITY) {
      into.clear()
      return attempt(() => {
        for (const name of readdirSync(at(dir, utf8('.')), { encoding: 'buffer' })) {
          if (into.count >= most) break
          const row = into.add(name, 0, name.length, into.count < looks)
          if (row >= looks) continue
          const code = this.stat(dir, name, into.stats, row, into.extras)
          if (code < 0) into.unseen(row, code)
        }
        return into.count
      })
    },
    stat: (dir, name, into, row, extras) =>
      attempt(() => {
        const path = at(dir, name)
        return putStats(lstatSync(path), () => lstatSync(path, { bigint: true }), into, row, extras)
      }),
    statHandle: (handle, into, row, extras) =>
      attempt(() => putStats(fstatSync(handle), () => fstatSync(handle, { bigint: true }), into, row, extras)),
    // node:fs can't seek: all is data.
    statFile: (handle, into, row) =>
      attempt(() => {
        const facts = fstatSync(handle)
        putStats(facts, () => fstatSync(handle, { bigint: true }), into, row, undefined)
        return fileAnswer(facts.nlink, false)
      }),
    seek: (_handle, from, to) => (to === 'data' ? from : -errno.ENXIO),
    readLink(dir, name) {
      try {
        return new Uint8Array(readlinkSync(at(dir, name), { encoding: 'buffer' }))
      } catch (error) {
        return (error as { errno?: number }).errno ?? -errno.EIO
      }
    },
    openFile: (dir, name) =>
      openAt(dir, name, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)),
    createFile: (dir, name, mode) => attempt(() => openSync(at(dir, name), 'wx', mode)),
    read: (handle, into, offset, length, position) =>
      attempt(() => readSync(handle, into, offset, length, position < 0 ? null : position)),
    reopenFile: (dir, name) => openAt(dir, name, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0)),
    write(handle, from, offset, length, position) {
      let written = 0
      while (written < length) {
        const at = position === undefined ? null : position + written
        const count = attempt(() => writeSync(handle, from, offset + written, length - written, at))
        if (count < 0) return count
        written += count
      }
      return 0
    },
    clone: () => -errno.ENOSYS,
    setLength: (handle, sizeBytes) => perform(() => ftruncateSync(handle, sizeBytes)),
    setTimes: (handle, seconds, ns) => perform(() => futimesSync(handle, timeText(seconds, ns), timeText(seconds, ns))),
    setTimesAt: (dir, name, seconds, ns) =>
      perform(() => lutimesSync(at(dir, name), timeText(seconds, ns), timeText(seconds, ns))),
    setMode: (handle, mode) => perform(() => fchmodSync(handle, mode)),
    setOwner: (handle, uid, gid) => perform(() => fchownSync(handle, uid, gid)),
    openLink: () => -errno.ENOSYS,
    setOwnerAt: (dir, name, uid, gid) => perform(() => lchownSync(at(dir, name), uid, gid)),
    makeDirectory: (dir, name, mode) => perform(() => mkdirSync(at(dir, name), mode)),
    makeSymlink: (dir, name, target) => perform(() => symlinkSync(Buffer.from(target), at(dir, name))),
    link: (fromDir, fromName, toDir, toName) => perform(() => linkSync(at(fromDir, fromName), at(toDir, toName))),
    renameNoReplace(fromDir, fromName, toDir, toName) {
      const from = at(fromDir, fromName)
      const to = at(toDir, toName)
      // link + unlink is atomic in what matters: the new name is never taken from anyone.
      const linked = perform(() => linkSync(from, to))
      if (linked === 0) return perform(() => unlinkSync(from))
      if (!cannotLink(linked)) return linked
      // RACE: a directory, or a file system without links. What takes the name between this look and the rename is
      // replaced (of directories only an empty one); threats.md names the window.
      return attempt(() => {
        if (lstatSync(to, { throwIfNoEntry: false }) !== undefined) return -errno.EEXIST
        renameSync(from, to)
        return 0
      })
    },
    renameOver: (fromDir, fromName, toDir, toName) =>
      perform(() => renameSync(at(fromDir, fromName), at(toDir, toName))),
    exchange: () => -errno.ENOSYS,
    unlink: (dir, name) => perform(() => unlinkSync(at(dir, name))),
    removeDirectory: (dir, name) => perform(() => rmdirSync(at(dir, name))),
    syncHandle: (handle) => perform(() => fsyncSync(handle)),
    trimMemory() {},
    syncFileSystem(handle) {
      if (!onLinux) return perform(() => fsyncSync(handle))
      // Loaded here: every start of the program would pay for it.
      const { spawnSync } = createRequire(import.meta.url)('node:child_process') as typeof import('node:child_process')
      const ended = spawnSync('sync', ['-f', `/proc/${process.pid}/fd/${handle}`], { stdio: 'ignore' })
      return ended.status === 0 ? 0 : -errno.EIO
    },
  }
}

function* splitPath(path: Uint8Array): Generator<Uint8Array> {
  let start = 0
  for (let i = 0; i <= path.length; i++) {
    if (i < path.length && path[i] !== 0x2f) continue
    if (i > start) yield path.subarray(start, i)
    start = i + 1
  }
}
