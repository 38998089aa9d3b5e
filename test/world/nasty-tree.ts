// A folder of entries that a mirror may get wrong: modes, times, owners, attributes, ACLs, links, holes, names, depths, each with
// what it may have at its strangest. As root only. For tests only.

import {
  chmodSync,
  chownSync,
  closeSync,
  ftruncateSync,
  lchownSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { bytesOf } from './disk-trees.ts'
import { acl, aclOf, set } from './dressed.ts'
import { oddNames } from './odd-names.ts'

type Plan = readonly (readonly [name: string, make: (path: string) => void])[]

function file(path: string, content: string | Uint8Array = path): void {
  mkdirSync(bytesOf(dirname(path)), { recursive: true })
  writeFileSync(bytesOf(path), content)
}

/** Ten folders, each nasty in a way of its own. */
const plans: Plan = [
  ['modes', (at) => modes(at)],
  ['set-id', (at) => [0o4755, 0o2755, 0o6711, 0o1777, 0o7000].forEach((mode, i) => setId(join(at, `f${i}`), mode))],
  ['times', (at) => times(at)],
  ['owners', (at) => owners(at)],
  ['attributes', (at) => attributes(at)],
  ['acls', (at) => acls(at)],
  ['links', (at) => links(at)],
  ['holes', (at) => holes(at)],
  [
    'names',
    (at) =>
      oddNames()
        .filter((_, i) => i % 7 === 0)
        .forEach((name) => file(join(at, name), name)),
  ],
  ['depths', (at) => file(join(at, ...Array.from({ length: 60 }, (_, i) => `d${i}`), 'deep'))],
]

/** Makes them all below `path`, and lets the top be one of them. */
export function nastyTree(path: string): void {
  for (const [name, make] of plans) {
    const at = join(path, name)
    mkdirSync(at)
    make(at)
  }
  chownSync(path, 1111, 2222)
  chmodSync(path, 0o2751)
  set(path, 'user.top', 'yes')
  set(path, 'system.posix_acl_default', acl(5))
  utimesSync(path, 1_234_567_890.123, 1_234_567_890.123)
}

function modes(at: string): void {
  for (const mode of [0, 0o1, 0o20, 0o200, 0o400, 0o444, 0o600, 0o640, 0o777]) {
    file(join(at, `f${mode}`))
    chmodSync(join(at, `f${mode}`), mode)
    file(join(at, `d${mode}`, 'in-it'))
    chmodSync(join(at, `d${mode}`), mode)
  }
}

function setId(path: string, mode: number): void {
  file(path)
  chmodSync(path, mode)
  mkdirSync(`${path}.d`)
  chmodSync(`${path}.d`, mode)
}

function times(at: string): void {
  for (const [i, seconds] of [-1.5, 0, 0.000_000_001, 1, 1e9 + 0.999_999_9, 2 ** 31 - 1, 2 ** 31 + 0.5].entries()) {
    file(join(at, `f${i}`))
    utimesSync(join(at, `f${i}`), seconds, seconds)
    mkdirSync(join(at, `d${i}`))
    utimesSync(join(at, `d${i}`), seconds, seconds)
    symlinkSync('x', join(at, `l${i}`))
    lutimesSync(join(at, `l${i}`), seconds, seconds)
  }
}

function owners(at: string): void {
  for (const [i, [uid, gid]] of [
    [0, 0],
    [1, 0],
    [0, 1],
    [65_534, 65_534],
    [4_000_000_000, 70_000],
  ].entries()) {
    const [f, d, l] = [`f${i}`, `d${i}`, `l${i}`].map((name) => join(at, name)) as [string, string, string]
    file(f)
    mkdirSync(d)
    symlinkSync('x', l)
    for (const path of [f, d, l]) lchownSync(path, uid as number, gid as number)
  }
}

function attributes(at: string): void {
  const named: readonly (readonly [string, string | Uint8Array])[] = [
    ['user.empty', ''],
    ['user.binary', new Uint8Array([0, 255, 10, 13, 0])],
    ['user.ünï', 'x'],
    [`user.${'n'.repeat(240)}`, 'long'],
    ['user.large', new Uint8Array(2000).fill(7)],
    ['trusted.seal', 'wax'],
  ]
  for (const [i, [name, value]] of named.entries()) {
    file(join(at, `f${i}`))
    set(join(at, `f${i}`), name, value)
    mkdirSync(join(at, `d${i}`))
    set(join(at, `d${i}`), name, value)
  }
  file(join(at, 'many'))
  for (let i = 0; i < 30; i++) set(join(at, 'many'), `user.n${i}`, `${i}`)
  file(join(at, 'read-only'))
  set(join(at, 'read-only'), 'user.note', 'x')
  chmodSync(join(at, 'read-only'), 0o400)
  symlinkSync('x', join(at, 'link'))
  set(join(at, 'link'), 'trusted.seal', 'wax')
}

function acls(at: string): void {
  for (const bits of [0, 4, 7]) {
    file(join(at, `f${bits}`))
    set(join(at, `f${bits}`), 'system.posix_acl_access', acl(bits))
    mkdirSync(join(at, `d${bits}`))
    set(join(at, `d${bits}`), 'system.posix_acl_access', acl(bits))
    set(join(at, `d${bits}`), 'system.posix_acl_default', acl(bits))
    // The mask narrows what the ACL gives, and is what the mode says of the group.
    file(join(at, `m${bits}`))
    set(join(at, `m${bits}`), 'system.posix_acl_access', aclOf({ users: [1234], bits, mask: 4 }))
  }
  file(join(at, 'many'))
  const users = Array.from({ length: 100 }, (_, i) => 5000 + i)
  set(join(at, 'many'), 'system.posix_acl_access', aclOf({ users, groups: users, bits: 6, mask: 6 }))
}

function links(at: string): void {
  file(join(at, 'file'))
  const texts = ['file', 'nowhere', '..', '/', '/etc/passwd', '.', 'a//b', 'x'.repeat(1000), 'ü\udcff']
  texts.forEach((text, i) => symlinkSync(bytesOf(text), join(at, `l${i}`)))
}

function holes(at: string): void {
  for (const [name, size, places] of [
    ['all', 5_000_000, []],
    ['middle', 3_000_000, [0, 2_999_990]],
    ['end', 2_000_000, [0]],
    ['empty', 0, []],
  ] as const) {
    const handle = openSync(join(at, name), 'w')
    ftruncateSync(handle, size)
    for (const place of places) writeSync(handle, 'data', place)
    closeSync(handle)
  }
}
