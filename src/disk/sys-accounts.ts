// The users and groups of this machine, by number and by name: asked of libc, so that directories of accounts (LDAP, SSSD) count;
// where node:ffi does not load, of /etc/passwd and /etc/group. Only looks; a source that does not answer is never taken
// for one that does not know.

import { createRequire } from 'node:module'
import {
  type Account,
  isAccountName,
  mapAccounts,
  type OwnerIds,
  type OwnerMap,
  type Owners,
  ownersMax,
} from '../core/owners.ts'
import { fromUtf8, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { readOwnFile } from '../std/files.ts'
import { errno, errnoName } from './sys.ts'

export type AccountKind = 'user' | 'group'

type Pointer = bigint
type Lookup = (key: number | Pointer, into: Pointer, buffer: Pointer, length: bigint, result: Pointer) => number
type Libc = { getpwuid_r: Lookup; getpwnam_r: Lookup; getgrgid_r: Lookup; getgrnam_r: Lookup }
type Ffi = {
  dlopen(library: string, definitions: Record<keyof Libc, object>): { functions: Libc }
  getRawPointer(source: ArrayBufferView): Pointer
}

/** Both structs begin with the name, the password and the number: two pointers and 32 bits. */
const idAt = 16
const structBytes = 64
const nameMaxBytes = 1024
/** A group may have many members, which are in the answer. */
const bufferMaxBytes = 16 * 1024 * 1024

/** What some systems answer where others say "none". */
const unknown: readonly number[] = [0, errno.ENOENT, errno.ESRCH, errno.EBADF, errno.EPERM]

const struct = new Uint8Array(structBytes)
const result = new Uint8Array(8)
const key = new Uint8Array(nameMaxBytes)
let buffer = new Uint8Array(16 * 1024)
let loaded: { readonly ffi: Ffi; readonly libc: Libc } | 'none' | undefined

function load(): typeof loaded {
  if (loaded !== undefined) return loaded
  try {
    const ffi = createRequire(import.meta.url)('node:ffi') as Ffi
    const rest = ['pointer', 'pointer', 'u64', 'pointer']
    const byId = { arguments: ['u32', ...rest], return: 'i32' }
    const byName = { arguments: ['pointer', ...rest], return: 'i32' }
    const calls = { getpwuid_r: byId, getpwnam_r: byName, getgrgid_r: byId, getgrnam_r: byName }
    loaded = { ffi, libc: ffi.dlopen('libc.so.6', calls).functions }
  } catch {
    loaded = 'none'
  }
  return loaded
}

/** The name of a user or group here; undefined where it has none. Throws `disk-error` where that can't be told. */
export function nameOfAccount(kind: AccountKind, id: number): string | undefined {
  const calls = load()
  if (calls === 'none' || calls === undefined) return listed(kind).find((one) => one.id === id)?.name
  const { libc, ffi } = calls
  if (!ask(kind === 'user' ? libc.getpwuid_r : libc.getgrgid_r, id, ffi)) return undefined
  const start = Number(new DataView(struct.buffer).getBigUint64(0, true) - ffi.getRawPointer(buffer))
  const end = buffer.indexOf(0, start)
  return start < 0 || start >= buffer.length || end < 0 ? undefined : fromUtf8(buffer.subarray(start, end))
}

/** The number of a user or group here; undefined where nobody is called so. Throws `disk-error` where that can't be told. */
export function idOfAccount(kind: AccountKind, name: string): number | undefined {
  const calls = load()
  if (calls === 'none' || calls === undefined) return listed(kind).find((one) => one.name === name)?.id
  const bytes = utf8(name)
  if (bytes.length >= key.length || bytes.includes(0)) return undefined
  key.set(bytes)
  key[bytes.length] = 0
  const { libc, ffi } = calls
  if (!ask(kind === 'user' ? libc.getpwnam_r : libc.getgrnam_r, ffi.getRawPointer(key), ffi)) return undefined
  return new DataView(struct.buffer).getUint32(idAt, true)
}

/** The accounts behind numbers, by name. Throws `limit-exceeded` where there are more than are told. */
export function ownersOf({ users, groups }: OwnerIds): Owners {
  return { users: accountsOf('user', users), groups: accountsOf('group', groups) }
}

function accountsOf(kind: AccountKind, ids: ReadonlySet<number>): Account[] {
  if (ids.size > ownersMax) {
    throw new Failure('limit-exceeded', `the files belong to more than ${ownersMax} ${kind}s`, {
      hint: 'carry owners by number: --numeric-ids',
    })
  }
  return [...ids]
    .sort((a, b) => a - b)
    .flatMap((id) => {
      const name = id === 0 ? undefined : nameOfAccount(kind, id)
      return name !== undefined && isAccountName(name) ? [{ id, name }] : []
    })
}

/** What the accounts of another machine are here. */
export function ownersHere({ users, groups }: Owners): OwnerMap {
  return {
    users: mapAccounts(users, (name) => idOfAccount('user', name)),
    groups: mapAccounts(groups, (name) => idOfAccount('group', name)),
  }
}

/** Whether there is such an account; `struct` says which. */
function ask(look: Lookup, by: number | Pointer, ffi: Ffi): boolean {
  for (;;) {
    const [structPlace, resultPlace] = [ffi.getRawPointer(struct), ffi.getRawPointer(result)]
    const code = look(by, structPlace, ffi.getRawPointer(buffer), BigInt(buffer.length), resultPlace)
    if (code === errno.EINTR) continue
    if (code === errno.ERANGE && buffer.length < bufferMaxBytes) {
      buffer = new Uint8Array(buffer.length * 4)
      continue
    }
    if (!unknown.includes(code)) {
      throw new Failure('disk-error', `the users and groups of this machine can't be looked up (${errnoName(code)})`, {
        hint: 'carry owners by number (--numeric-ids), or run again when the directory of accounts answers',
      })
    }
    return code === 0 && result.some((byte) => byte !== 0)
  }
}

const fileMaxBytes = 16 * 1024 * 1024

/** The accounts in the file of this kind, in its order: the first one counts. */
function listed(kind: AccountKind): { readonly name: string; readonly id: number }[] {
  const path = kind === 'user' ? '/etc/passwd' : '/etc/group'
  const text = fromUtf8(readOwnFile(path, { maxBytes: fileMaxBytes }) ?? new Uint8Array(0)) ?? ''
  return text.split('\n').flatMap((line) => {
    const [name = '', , id = ''] = line.split(':')
    return name !== '' && /^\d{1,10}$/.test(id) ? [{ name, id: Number(id) }] : []
  })
}
