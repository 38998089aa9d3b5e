// What files have besides content, mode and time, for tests: given, taken away, and told as text.

import assert from 'node:assert/strict'
import { closeSync, constants, lstatSync, openSync } from 'node:fs'
import { type Held, listXattrs, readXattr, removeXattr, setXattr } from '../../src/disk/sys-xattrs.ts'
import { utf8 } from '../../src/std/bytes.ts'

/** A symlink is held by itself: nothing of what it leads to is looked at. */
const linkFlags = 0o10000000 | constants.O_NOFOLLOW

function withHandle<Result>(path: string, work: (held: Held) => Result): Result {
  const isLink = lstatSync(path).isSymbolicLink()
  const handle = openSync(path, isLink ? linkFlags : 'r')
  try {
    return work(isLink ? { link: handle } : handle)
  } finally {
    closeSync(handle)
  }
}

/** Gives a file or folder an extended attribute. */
export function set(path: string, name: string, value: string | Uint8Array): void {
  const bytes = typeof value === 'string' ? utf8(value) : value
  assert.equal(
    withHandle(path, (handle) => setXattr(handle, utf8(name), bytes)),
    0,
    `${name} of ${path}`,
  )
}

/** Takes one away. */
export function drop(path: string, name: string): void {
  assert.equal(
    withHandle(path, (handle) => removeXattr(handle, utf8(name))),
    0,
  )
}

/** An access or default ACL in which user 1234 has `bits`. */
export function acl(bits: number): Uint8Array {
  return aclOf({ users: [1234], bits, mask: 7 })
}

/** One in which these users and groups, in rising order, have `bits`, as far as the mask lets them. */
export function aclOf(said: {
  readonly users?: readonly number[]
  readonly groups?: readonly number[]
  readonly bits: number
  readonly mask: number
}): Uint8Array {
  const { users = [], groups = [], bits, mask } = said
  const nobody = 0xffffffff
  const entries = [
    [1, 7, nobody],
    ...users.map((id) => [2, bits, id]),
    [4, 5, nobody],
    ...groups.map((id) => [8, bits, id]),
    [0x10, mask, nobody],
    [0x20, 0, nobody],
  ] as const
  const bytes = Buffer.alloc(4 + 8 * entries.length)
  bytes.writeUInt32LE(2)
  entries.forEach(([tag = 0, perm = 0, id = 0], i) => {
    bytes.writeUInt16LE(tag, 4 + 8 * i)
    bytes.writeUInt16LE(perm, 6 + 8 * i)
    bytes.writeUInt32LE(id, 8 + 8 * i)
  })
  return bytes
}

/** All that a file has besides content and time, as text. */
export function dressOf(path: string): string {
  const { uid, gid, mode } = lstatSync(path)
  const found = withHandle(path, (held) => {
    const names = listXattrs(held)
    const texts = typeof names === 'number' ? [] : Buffer.from(names).toString('utf8').split('\0')
    return texts
      .filter((text) => text !== '')
      .sort()
      .map((name) => {
        const value = readXattr(held, utf8(name))
        return `${name}=${typeof value === 'number' ? value : Buffer.from(value).toString('hex')}`
      })
  })
  return [`${uid}:${gid}`, (mode & 0o7777).toString(8), ...found].join(' ')
}
