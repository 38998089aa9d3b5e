// Gives an inode that is held what it shall have besides content and times: owner, extended attributes and ACLs, mode; in this
// order, since a new owner takes set-id bits away, and nobody else's file is ever set-id for a moment. By open handle, before
// the inode has a name that others use. What can't be given is told, and what could hurt then is left out.

import {
  AttributeWriter,
  entryMask,
  extendedOf,
  ownerOf,
  wantsExtended,
  wantsOwner,
  wantsSystemXattrs,
} from '../core/attributes.ts'
import type { Entry } from '../core/entry.ts'
import { decodeExtended, type Extended, isCarried, joinSets, splitSets } from '../core/extended.ts'
import { extraGid, extraUid, extraWidth, statMode, statWidth } from '../core/stat.ts'
import { compareBytes, equalBytes, hex } from '../std/bytes.ts'
import { extendedDigest, readExtended } from './attributes.ts'
import { errno, type Sys } from './sys.ts'
import { type Held, removeXattr, setXattr } from './sys-xattrs.ts'

const specialBits = 0o7000
const ownerMayWrite = 0o200

/** What a landing sets besides permissions and times. */
export class Wardrobe {
  /** Of each entry, a mask of core's attributes; 0: nothing. */
  readonly mask: number
  /** Set-id bits are the plan's to set; else a directory keeps its own, and a file gets none. */
  readonly setsSpecial: boolean
  readonly #sets = new Map<string, Uint8Array>()

  /** `sets`: values of extended attributes, as `joinSets`; each is known by its digest and nothing else. */
  constructor(mask = 0, modeMask = 0, sets: Uint8Array = new Uint8Array(0)) {
    this.mask = entryMask(mask)
    this.setsSpecial = (modeMask & specialBits) !== 0
    for (const set of splitSets(sets)) if (set.length > 0) this.#sets.set(hex(extendedDigest(set)), set)
  }

  /** What the digest is of; undefined where it did not come. */
  extended(digest: Uint8Array): readonly Extended[] | undefined {
    const set = this.#sets.get(hex(digest))
    return set === undefined ? undefined : decodeExtended(set)
  }
}

export type Dressed = {
  /** What the mode may be now: without set-id bits where the owner could not be set. */
  readonly mode: number
  /** Zero, or the negative errno of what could not be given. */
  readonly code: number
}

/** Gives an open file or directory its owner and extended attributes; the mode that is left to be set is the caller's. */
export function dress(
  sys: Sys,
  handle: number,
  wanted: { readonly mode: number; readonly attributes?: Uint8Array | undefined },
  wardrobe: Wardrobe,
): Dressed {
  const { mask } = wardrobe
  // Where owners are carried every entry has one: what has no block was told nothing of, and keeps what it has.
  const isUntold = (mask & wantsOwner) !== 0 && wanted.attributes === undefined
  if (mask === 0 || isUntold) return { mode: wanted.mode, code: 0 }
  const owned = (mask & wantsOwner) === 0 ? 0 : giveOwner(sys, handle, wanted.attributes)
  const given = (mask & wantsExtended) === 0 ? 0 : giveExtended(sys, handle, wanted.attributes, wardrobe)
  return { mode: owned < 0 ? wanted.mode & ~specialBits : wanted.mode, code: owned < 0 ? owned : given }
}

/** The same as another inode that is held has it, set-id bits and all: for a copy of something of this machine. */
export function dressLike(sys: Sys, from: number, to: number): Dressed {
  const row = new Uint32Array(statWidth)
  const extras = new Uint32Array(extraWidth)
  const looked = sys.statHandle(from, row, 0, extras)
  if (looked < 0) return { mode: 0o600, code: looked }
  const set = readExtended(sys, from, wantsExtended)
  const writer = new AttributeWriter()
  writer.owner(extras[extraUid] as number, extras[extraGid] as number)
  if (typeof set === 'number') writer.extended(undefined)
  else if (set.length > 0) writer.extended(extendedDigest(set))
  const sets = typeof set === 'number' || set.length === 0 ? undefined : joinSets([set])
  const wardrobe = new Wardrobe(wantsOwner | wantsExtended, 0, sets)
  const wanted = { mode: (row[statMode] as number) & 0o7777, attributes: writer.take() }
  const dressed = dress(sys, to, wanted, wardrobe)
  return typeof set === 'number' && dressed.code === 0 ? { ...dressed, code: set } : dressed
}

function giveOwner(sys: Sys, handle: number, block: Uint8Array | undefined): number {
  const owner = ownerOf(block)
  if (owner === undefined) return 0
  const extras = new Uint32Array(extraWidth)
  if (sys.statHandle(handle, new Uint32Array(statWidth), 0, extras) < 0) return -errno.EIO
  if (extras[extraUid] === owner.uid && extras[extraGid] === owner.gid) return 0
  return sys.setOwner(handle, owner.uid, owner.gid)
}

/** What a symlink that may not be touched says, as Sys would. */
export const notSeen: number = -errno.EEXIST

/**
 * The same for a symlink, which is held while it is given anything: the name may be another's meanwhile. `isSeen` is asked about
 * it; `notSeen` where it says no.
 */
export function dressSymlink(
  sys: Sys,
  directory: number,
  name: Uint8Array,
  block: Uint8Array | undefined,
  wardrobe: Wardrobe,
  isSeen: (handle: number) => boolean = () => true,
): number {
  const owner = (wardrobe.mask & wantsOwner) === 0 ? undefined : ownerOf(block)
  const mask = wardrobe.mask & wantsSystemXattrs
  if (owner === undefined && mask === 0) return 0
  const handle = sys.openLink(directory, name)
  if (handle === -errno.ENOSYS) return owner === undefined ? 0 : sys.setOwnerAt(directory, name, owner.uid, owner.gid)
  if (handle < 0) return handle
  try {
    if (!isSeen(handle)) return notSeen
    const owned = owner === undefined ? 0 : sys.setOwnerAt(handle, new Uint8Array(0), owner.uid, owner.gid)
    const given = mask === 0 ? 0 : giveExtended(sys, { link: handle }, block, wardrobe, mask)
    return owned < 0 ? owned : given
  } finally {
    sys.close(handle)
  }
}

/** Makes the extended attributes what they shall be: those that are carried, and no other one is touched. */
function giveExtended(
  sys: Sys,
  held: Held,
  block: Uint8Array | undefined,
  wardrobe: Wardrobe,
  mask = wardrobe.mask,
): number {
  const digest = extendedOf(block)
  if (digest === 'unknown') return 0
  const had = readExtended(sys, held, mask)
  if (typeof had === 'number') return had
  const before = had.length === 0 ? [] : decodeExtended(had.slice())
  if (digest !== 'none' && had.length > 0 && equalBytes(extendedDigest(had), digest)) return 0
  const after = digest === 'none' ? [] : wardrobe.extended(digest)
  if (after === undefined) return -errno.ESTALE
  if (before.length === 0 && after.length === 0) return 0
  const set = (): number => change(held, before, after, mask)
  return typeof held === 'number' ? withWriteBit(sys, held, set) : set()
}

function change(held: Held, before: readonly Extended[], after: readonly Extended[], mask: number): number {
  let worst = 0
  for (const { name } of before) {
    if (after.some((one) => compareBytes(one.name, name) === 0)) continue
    const code = removeXattr(held, name)
    if (code < 0 && code !== -errno.ENODATA) worst = code
  }
  for (const { name, value } of after) {
    // Whatever a peer sends under a digest, only what this run carries is ever set.
    if (!isCarried(name, mask)) return -errno.EINVAL
    const known = before.find((one) => compareBytes(one.name, name) === 0)
    if (known !== undefined && equalBytes(known.value, value)) continue
    const code = setXattr(held, name, value)
    if (code < 0) worst = code
  }
  return worst
}

/** An attribute of the name space `user` may be set by who may write the file: its mode comes last. */
function withWriteBit(sys: Sys, handle: number, work: () => number): number {
  const row = new Uint32Array(statWidth)
  const mode = sys.statHandle(handle, row, 0) < 0 ? 0o7777 : (row[statMode] as number) & 0o7777
  if ((mode & ownerMayWrite) !== 0 || sys.setMode(handle, mode | ownerMayWrite) < 0) return work()
  const code = work()
  sys.setMode(handle, mode)
  return code
}

/**
 * Makes a symlink aside, with its time and what else it has: zero and its row, or the negative errno for which there is
 * none. `lacks`: the errno of its time, or what else could not be set, as `dressSymlink` tells it.
 */
export function stageSymlink(
  sys: Sys,
  { directory, name }: { readonly directory: number; readonly name: Uint8Array },
  { link, mtimeSeconds, mtimeNs, attributes }: Entry,
  wardrobe: Wardrobe,
  { rows, row }: { readonly rows: Uint32Array; readonly row: number },
): { readonly code: number; readonly lacks: number } {
  const made = sys.makeSymlink(directory, name, link as Uint8Array)
  if (made < 0) return { code: made, lacks: 0 }
  const timed = sys.setTimesAt(directory, name, mtimeSeconds, mtimeNs)
  const dressed = dressSymlink(sys, directory, name, attributes, wardrobe)
  const lacks = timed < 0 ? timed : dressed
  const code = sys.stat(directory, name, rows, row)
  if (code < 0) sys.unlink(directory, name)
  return { code, lacks }
}
