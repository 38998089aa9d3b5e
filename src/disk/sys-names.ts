// Names that a disk refuses, stored there under others (core/stored-names.ts): the layer below which only stored names
// exist, and above which nobody sees one. By handles: one of a directory says in itself how names are stored in it, and
// what is opened below says the same, in every thread. A handle of any other root is the system's own number, and all it
// meets here is one comparison. What lies on such a disk under a name that this layer would not have given is listed as
// unreadable: it can't be meant by any name, so it is never touched.

import { knownName, storedName } from '../core/stored-names.ts'
import { decodeName, utf8 } from '../std/bytes.ts'
import { type EntryTable, errno, type Sys } from './sys.ts'

/** Above what the system numbers: the rest of a handle, in units of this, is the mask by which names are stored. */
const unit = 2 ** 32

/** The same directory, with names stored by this mask in it and below; what is no handle stays what it is. */
export function storingHandle(handle: number, mask: number): number {
  return handle < 0 ? handle : descriptorOf(handle) + mask * unit
}

/** How names are stored in this directory; 0 where every name is itself. */
export function storesIn(handle: number): number {
  return handle < unit ? 0 : Math.floor(handle / unit)
}

/** The system's own number of a handle: for what asks the system past `Sys`. */
export function descriptorOf(handle: number): number {
  return handle < unit ? handle : handle % unit
}

/** What the system calls an entry of this directory. */
export function nameIn(directory: number, name: Uint8Array): Uint8Array {
  return directory < unit ? name : storedBytes(name, storesIn(directory))
}

function storedBytes(name: Uint8Array, mask: number): Uint8Array {
  const known = decodeName(name)
  const stored = storedName(known, mask)
  return stored === known ? name : utf8(stored)
}

function storedPath(path: Uint8Array, mask: number): Uint8Array {
  const names = decodeName(path).split('/')
  return utf8(names.map((name) => storedName(name, mask)).join('/'))
}

/** The same calls, with names as they are known. */
export function sysWithNames(real: Sys): Sys {
  return {
    ...real,
    openDirectory(dir, path) {
      if (dir < unit) return real.openDirectory(dir, path)
      const mask = storesIn(dir)
      return storingHandle(real.openDirectory(descriptorOf(dir), storedPath(path, mask)), mask)
    },
    close: (handle) => real.close(descriptorOf(handle)),
    list(dir, into, looks = Number.POSITIVE_INFINITY, most = Number.POSITIVE_INFINITY) {
      if (dir < unit) return real.list(dir, into, looks, most)
      const count = real.list(descriptorOf(dir), into, looks, most)
      return count < 0 ? count : makeKnown(into, looks, storesIn(dir))
    },
    stat: (dir, name, into, row, extras) => real.stat(descriptorOf(dir), nameIn(dir, name), into, row, extras),
    statHandle: (handle, into, row, extras) => real.statHandle(descriptorOf(handle), into, row, extras),
    openLink: (dir, name) => real.openLink(descriptorOf(dir), nameIn(dir, name)),
    readLink: (dir, name) => real.readLink(descriptorOf(dir), nameIn(dir, name)),
    openFile: (dir, name) => real.openFile(descriptorOf(dir), nameIn(dir, name)),
    createFile: (dir, name, mode) => real.createFile(descriptorOf(dir), nameIn(dir, name), mode),
    reopenFile: (dir, name) => real.reopenFile(descriptorOf(dir), nameIn(dir, name)),
    setTimes: (handle, seconds, ns) => real.setTimes(descriptorOf(handle), seconds, ns),
    setTimesAt: (dir, name, seconds, ns) => real.setTimesAt(descriptorOf(dir), nameIn(dir, name), seconds, ns),
    setMode: (handle, mode) => real.setMode(descriptorOf(handle), mode),
    setOwner: (handle, uid, gid) => real.setOwner(descriptorOf(handle), uid, gid),
    setOwnerAt: (dir, name, uid, gid) => real.setOwnerAt(descriptorOf(dir), nameIn(dir, name), uid, gid),
    makeDirectory: (dir, name, mode) => real.makeDirectory(descriptorOf(dir), nameIn(dir, name), mode),
    makeSymlink: (dir, name, target) => real.makeSymlink(descriptorOf(dir), nameIn(dir, name), target),
    link: (from, name, to, other) =>
      real.link(descriptorOf(from), nameIn(from, name), descriptorOf(to), nameIn(to, other)),
    renameNoReplace: (from, name, to, other) =>
      real.renameNoReplace(descriptorOf(from), nameIn(from, name), descriptorOf(to), nameIn(to, other)),
    renameOver: (from, name, to, other) =>
      real.renameOver(descriptorOf(from), nameIn(from, name), descriptorOf(to), nameIn(to, other)),
    exchange: (from, name, to, other) =>
      real.exchange(descriptorOf(from), nameIn(from, name), descriptorOf(to), nameIn(to, other)),
    unlink: (dir, name) => real.unlink(descriptorOf(dir), nameIn(dir, name)),
    removeDirectory: (dir, name) => real.removeDirectory(descriptorOf(dir), nameIn(dir, name)),
    syncHandle: (handle) => real.syncHandle(descriptorOf(handle)),
    syncFileSystem: (handle) => real.syncFileSystem(descriptorOf(handle)),
  }
}

/**
 * Gives the rows of a listing the names that are meant. Where one has a name that means none, it is noted as unreadable;
 * where even that would leave a doubt (another is known by just this name, or it was not looked at) the directory is.
 */
function makeKnown(table: EntryTable, looks: number, mask: number): number {
  const foreign: number[] = []
  for (let row = 0; row < table.count; row++) {
    const stored = decodeName(table.name(row))
    const name = knownName(stored, mask)
    if (name === undefined) foreign.push(row)
    else if (name !== stored) table.rename(row, utf8(name))
  }
  // Who asks for names alone, to do nothing by them, gets those that are there.
  if (foreign.length === 0 || looks === 0) return table.count
  const names = Array.from({ length: table.count }, (_, row) => decodeName(table.name(row)))
  const isDoubtful = foreign.some((row) => row >= looks) || new Set(names).size < names.length
  if (isDoubtful) return -errno.EILSEQ
  for (const row of foreign) table.unseen(row, -errno.EILSEQ)
  return table.count
}
