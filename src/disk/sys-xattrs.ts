// Extended attributes of user files, by node:ffi: read by an open handle, or by (directory handle, name) without following a
// symlink; set only on a handle that is held. Only the Linux form of Sys has such handles; where node:ffi does not load there
// are none of these. Like Sys, a negative errno is an answer, and nothing is thrown.

import { createRequire } from 'node:module'
import { concatBytes, utf8 } from '../std/bytes.ts'
import { errno, type Sys } from './sys.ts'
import { descriptorOf, nameIn } from './sys-names.ts'

type Libc = {
  flistxattr(handle: number, into: bigint, length: bigint): bigint
  fgetxattr(handle: number, name: bigint, into: bigint, length: bigint): bigint
  fsetxattr(handle: number, name: bigint, from: bigint, length: bigint, flags: number): number
  fremovexattr(handle: number, name: bigint): number
  listxattr(path: bigint, into: bigint, length: bigint): bigint
  getxattr(path: bigint, name: bigint, into: bigint, length: bigint): bigint
  setxattr(path: bigint, name: bigint, from: bigint, length: bigint, flags: number): number
  removexattr(path: bigint, name: bigint): number
  llistxattr(path: bigint, into: bigint, length: bigint): bigint
  lgetxattr(path: bigint, name: bigint, into: bigint, length: bigint): bigint
  __errno_location(): bigint
}
type Ffi = {
  dlopen(library: string, definitions: Record<keyof Libc, object>): { functions: Libc }
  getRawPointer(source: ArrayBufferView): bigint
  getInt32(pointer: bigint): number
}
type Calls = { readonly libc: Libc; readonly errnoAt: bigint; readonly ffi: Ffi }

/** The kernel's own bound for a value, and for all names of an entry. */
const xattrMaxBytes = 64 * 1024
const nameMaxBytes = 256
const pathMaxBytes = 512

/** One for each thread; calls are synchronous. */
const name = new Uint8Array(nameMaxBytes)
const path = new Uint8Array(pathMaxBytes)
const buffer = new Uint8Array(xattrMaxBytes)
let loaded: (Calls & { readonly nameAt: bigint; readonly pathAt: bigint; readonly bufferAt: bigint }) | undefined
let isMissing = false

function load(): typeof loaded {
  if (loaded !== undefined || isMissing) return loaded
  try {
    const ffi = createRequire(import.meta.url)('node:ffi') as Ffi
    const libc = ffi.dlopen('libc.so.6', {
      flistxattr: { arguments: ['i32', 'pointer', 'u64'], return: 'i64' },
      fgetxattr: { arguments: ['i32', 'pointer', 'pointer', 'u64'], return: 'i64' },
      fsetxattr: { arguments: ['i32', 'pointer', 'pointer', 'u64', 'i32'], return: 'i32' },
      fremovexattr: { arguments: ['i32', 'pointer'], return: 'i32' },
      listxattr: { arguments: ['pointer', 'pointer', 'u64'], return: 'i64' },
      getxattr: { arguments: ['pointer', 'pointer', 'pointer', 'u64'], return: 'i64' },
      setxattr: { arguments: ['pointer', 'pointer', 'pointer', 'u64', 'i32'], return: 'i32' },
      removexattr: { arguments: ['pointer', 'pointer'], return: 'i32' },
      llistxattr: { arguments: ['pointer', 'pointer', 'u64'], return: 'i64' },
      lgetxattr: { arguments: ['pointer', 'pointer', 'pointer', 'u64'], return: 'i64' },
      __errno_location: { arguments: [], return: 'pointer' },
    }).functions
    const at = { nameAt: ffi.getRawPointer(name), pathAt: ffi.getRawPointer(path), bufferAt: ffi.getRawPointer(buffer) }
    loaded = { libc, ffi, errnoAt: libc.__errno_location(), ...at }
  } catch {
    isMissing = true
  }
  return loaded
}

/** Whether there are extended attributes in this form. */
export function hasXattrs(sys: Sys): boolean {
  return sys.form === 'linux-ffi' && load() !== undefined
}

/** Something that is held: an open handle, or a symlink that `Sys.openLink` opened, which the kernel gives no other way to. */
export type Held = number | { readonly link: number }
/** Something that is there: held, or a name in an open directory. */
export type Place = Held | { readonly directory: number; readonly name: Uint8Array }

/** The names of all of them, each ended by NUL; a view until the next call. */
export function listXattrs(place: Place): Uint8Array | number {
  const calls = load()
  if (calls === undefined) return -errno.ENOSYS
  const { libc, bufferAt, pathAt } = calls
  const size = BigInt(buffer.length)
  if (typeof place === 'number') return answer(calls, libc.flistxattr(descriptorOf(place), bufferAt, size))
  if ('link' in place) {
    putLink(place.link)
    return answer(calls, libc.listxattr(pathAt, bufferAt, size))
  }
  if (!putPath(place.directory, place.name)) return -errno.ENAMETOOLONG
  return answer(calls, libc.llistxattr(pathAt, bufferAt, size))
}

/** The value of one; a view until the next call. */
export function readXattr(place: Place, attribute: Uint8Array): Uint8Array | number {
  const calls = load()
  if (calls === undefined) return -errno.ENOSYS
  const { libc, bufferAt, nameAt, pathAt } = calls
  const size = BigInt(buffer.length)
  if (!put(name, attribute, 0)) return -errno.ERANGE
  if (typeof place === 'number') return answer(calls, libc.fgetxattr(descriptorOf(place), nameAt, bufferAt, size))
  if ('link' in place) {
    putLink(place.link)
    return answer(calls, libc.getxattr(pathAt, nameAt, bufferAt, size))
  }
  if (!putPath(place.directory, place.name)) return -errno.ENAMETOOLONG
  return answer(calls, libc.lgetxattr(pathAt, nameAt, bufferAt, size))
}

/** Sets one. Zero or a negative errno. */
export function setXattr(held: Held, attribute: Uint8Array, value: Uint8Array): number {
  const calls = load()
  if (calls === undefined) return -errno.ENOSYS
  if (!put(name, attribute, 0)) return -errno.ERANGE
  if (value.length > buffer.length) return -errno.E2BIG
  buffer.set(value)
  const { libc, nameAt, bufferAt, pathAt } = calls
  const size = BigInt(value.length)
  if (typeof held !== 'number') putLink(held.link)
  const code =
    typeof held === 'number'
      ? libc.fsetxattr(descriptorOf(held), nameAt, bufferAt, size, 0)
      : libc.setxattr(pathAt, nameAt, bufferAt, size, 0)
  return code < 0 ? fail(calls) : 0
}

/** Takes one away. Zero or a negative errno. */
export function removeXattr(held: Held, attribute: Uint8Array): number {
  const calls = load()
  if (calls === undefined) return -errno.ENOSYS
  if (!put(name, attribute, 0)) return -errno.ERANGE
  const { libc, nameAt, pathAt } = calls
  if (typeof held !== 'number') putLink(held.link)
  const code =
    typeof held === 'number' ? libc.fremovexattr(descriptorOf(held), nameAt) : libc.removexattr(pathAt, nameAt)
  return code < 0 ? fail(calls) : 0
}

function answer(calls: Calls, length: bigint): Uint8Array | number {
  return length < 0n ? fail(calls) : buffer.subarray(0, Number(length))
}

function fail({ ffi, errnoAt }: Calls): number {
  return -(ffi.getInt32(errnoAt) || errno.EIO)
}

function put(into: Uint8Array, bytes: Uint8Array, at: number): boolean {
  if (at + bytes.length >= into.length) return false
  into.set(bytes, at)
  into[at + bytes.length] = 0
  return true
}

/** Leads to the very inode that is held: a symlink is not gone through, since it is what this leads to. */
function putLink(handle: number): void {
  put(path, utf8(`/proc/self/fd/${handle}`), 0)
}

/** The handle's own directory, so that one that is swapped redirects nothing; the name itself is not followed. */
function putPath(directory: number, entry: Uint8Array): boolean {
  const bytes = concatBytes([utf8(`/proc/self/fd/${descriptorOf(directory)}/`), nameIn(directory, entry)])
  return put(path, bytes, 0)
}
