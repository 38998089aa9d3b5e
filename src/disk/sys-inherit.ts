// What a directory gives to what is made in it, and a rename from elsewhere does not bring: its group (set-group-id) and
// its default ACL. Asked of open handles, by node:fs and node:ffi; only the Linux form has such handles. Where something
// can't be told or can't be given, the file has what it would have had without: an owner's own group and mode.

import { fchownSync, fstatSync } from 'node:fs'
import { createRequire } from 'node:module'
import { wantsAcls, wantsOwner } from '../core/attributes.ts'
import { statMode, statWidth } from '../core/stat.ts'
import type { Sys } from './sys.ts'
import { descriptorOf } from './sys-names.ts'

export type Inheritance = {
  /** The group of what is made there, where it is the directory's. */
  readonly group: number | undefined
  readonly acl: Uint8Array | undefined
}

type Xattrs = {
  fgetxattr(handle: number, name: bigint, into: bigint, length: bigint): bigint
  fsetxattr(handle: number, name: bigint, from: bigint, length: bigint, flags: number): number
}
type Ffi = {
  dlopen(library: string, definitions: Record<string, object>): { functions: Xattrs }
  getRawPointer(source: ArrayBufferView): bigint
}

const setGroupId = 0o2000
const aclMaxBytes = 64 * 1024
const [defaultAcl, accessAcl] = ['default', 'access'].map((kind) => Buffer.from(`system.posix_acl_${kind}\0`)) as [
  Buffer,
  Buffer,
]

type Calls = {
  readonly ffi: Ffi
  readonly libc: Xattrs
  readonly into: Uint8Array
  readonly intoAt: bigint
  readonly nameAt: bigint
}

/** Once a thread: this is asked for every directory that something is made in. */
let loaded: Calls | undefined
let isMissing = false

function load(): Calls | undefined {
  if (loaded !== undefined || isMissing) return loaded
  try {
    const ffi = createRequire(import.meta.url)('node:ffi') as Ffi
    const libc = ffi.dlopen('libc.so.6', {
      fgetxattr: { arguments: ['i32', 'pointer', 'pointer', 'u64'], return: 'i64' },
      fsetxattr: { arguments: ['i32', 'pointer', 'pointer', 'u64', 'i32'], return: 'i32' },
    }).functions
    const into = new Uint8Array(aclMaxBytes)
    loaded = { ffi, libc, into, intoAt: ffi.getRawPointer(into), nameAt: ffi.getRawPointer(defaultAcl) }
  } catch {
    isMissing = true
  }
  return loaded
}

/**
 * What the open directory gives to what is made in it, as far as a plan that carries `given`, a mask of core's attributes,
 * does not give it; undefined where that is nothing, or can't be told.
 */
export function inheritanceOf(sys: Sys, directory: number, given = 0): Inheritance | undefined {
  const row = new Uint32Array(statWidth)
  if (sys.statHandle(directory, row, 0) < 0) return undefined
  const isSetGroup = (given & wantsOwner) === 0 && ((row[statMode] as number) & setGroupId) !== 0
  const acl = sys.form === 'linux-ffi' && (given & wantsAcls) === 0 ? readDefaultAcl(directory) : undefined
  if (!isSetGroup && acl === undefined) return undefined
  return { group: isSetGroup && sys.form === 'linux-ffi' ? fstatSync(descriptorOf(directory)).gid : undefined, acl }
}

function readDefaultAcl(directory: number): Uint8Array | undefined {
  const calls = load()
  if (calls === undefined) return undefined
  const { libc, into, intoAt, nameAt } = calls
  const length = Number(libc.fgetxattr(descriptorOf(directory), nameAt, intoAt, BigInt(into.length)))
  return length > 0 ? into.slice(0, length) : undefined
}

/** Gives a file of ours, written aside, what it would have been given if it had been made in that directory. */
export function inherit(
  sys: Sys,
  from: number,
  name: Uint8Array,
  { group, acl }: Inheritance,
  options: { readonly mode: number; readonly sync: boolean },
): void {
  if (sys.form !== 'linux-ffi') return
  const file = sys.openFile(from, name)
  if (file < 0) return
  try {
    if (group !== undefined) fchownSync(file, -1, group)
  } catch {
    // Not a member of that group: only the kernel could have given it.
  }
  const calls = acl === undefined ? undefined : load()
  if (calls !== undefined && acl !== undefined) {
    const { ffi, libc } = calls
    libc.fsetxattr(file, ffi.getRawPointer(accessAcl), ffi.getRawPointer(acl), BigInt(acl.length), 0)
  }
  // Cuts what the ACL gives to what the mode allows, as making the file with that mode would have done.
  sys.setMode(file, options.mode)
  if (options.sync) sys.syncHandle(file)
  sys.close(file)
}
