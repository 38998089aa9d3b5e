// Looks at what an entry has besides mode, times and size, as far as a job asks for it, and makes the block of it that stands in
// records and listings. Reads; sets nothing. What it costs is paid once for each change: a block is kept with the signature
// that it was taken under, and a change of any of it moves the ctime.

import { domainDigest } from '../chunk/digest.ts'
import { AttributeWriter, wantsExtended, wantsHardLinks, wantsOwner, wantsSystemXattrs } from '../core/attributes.ts'
import { type Extended, encodeExtended, extendedCountMax, extendedMaxBytes, isCarried } from '../core/extended.ts'
import {
  extraGid,
  extraLinks,
  extraUid,
  extraWidth,
  statMode,
  statWidth,
  typeDirectory,
  typeFile,
  typeMask,
  typeSymlink,
} from '../core/stat.ts'
import { hex } from '../std/bytes.ts'
import { errno, type Sys } from './sys.ts'
import { hasXattrs, listXattrs, type Place, readXattr } from './sys-xattrs.ts'

/** Names the content of a set. */
export function extendedDigest(set: Uint8Array): Uint8Array {
  return domainDigest('extended 1', set)
}

export type Looked = {
  readonly block: Uint8Array | undefined /** Negative where something could not be read. */
  readonly code: number
}

/**
 * The block of an entry whose row and extras start at row `row` of `stats` and `extras`; `looks` is a mask of core's
 * attributes.
 */
export function lookAtAttributes(
  sys: Sys,
  place: Place,
  mode: number,
  extras: Uint32Array | undefined,
  row: number,
  looks: number,
): Looked {
  const writer = new AttributeWriter()
  if ((looks & wantsOwner) !== 0 && extras !== undefined) {
    const at = row * extraWidth
    writer.owner(extras[at + extraUid] as number, extras[at + extraGid] as number)
  }
  const mask = extendedMask(mode, looks)
  const set = mask === 0 ? new Uint8Array(0) : readExtended(sys, place, mask)
  if (typeof set === 'number') writer.extended(undefined)
  else if (set.length > 0) writer.extended(extendedDigest(set))
  if ((looks & wantsHardLinks) !== 0 && extras !== undefined && (mode & typeMask) === typeFile)
    writer.names(extras[row * extraWidth + extraLinks] as number)
  return { block: writer.take(), code: typeof set === 'number' ? set : 0 }
}

/** Which of these an entry may have: a symlink only what root may set, and what is never copied none that count. */
function extendedMask(mode: number, looks: number): number {
  const type = mode & typeMask
  if (type === typeSymlink) return looks & wantsSystemXattrs
  return type === typeFile || type === typeDirectory ? looks & wantsExtended : 0
}

/** The set of what an entry has of extended attributes and ACLs, as far as `looks` asks; no bytes where it has none, or a negative errno. */
export function readExtended(sys: Sys, place: Place, looks: number): Uint8Array | number {
  if (!hasXattrs(sys)) return new Uint8Array(0)
  const names = listXattrs(place)
  if (typeof names === 'number') return isNone(names) ? new Uint8Array(0) : names
  const wanted = splitNames(names).filter((name) => isCarried(name, looks))
  if (wanted.length > extendedCountMax) return -errno.E2BIG
  const found: Extended[] = []
  let bytes = 0
  for (const name of wanted) {
    const value = readXattr(place, name)
    // Gone since it was listed: its going moved the ctime, and the next look is at what is there then.
    if (typeof value === 'number' && value === -errno.ENODATA) continue
    if (typeof value === 'number') return value
    bytes += name.length + value.length
    if (bytes > extendedMaxBytes) return -errno.E2BIG
    found.push({ name, value: value.slice() })
  }
  return found.length === 0 ? new Uint8Array(0) : encodeExtended(found)
}

/** What an entry has besides content, mode and times, all of it: for giving it back. In hexadecimal, as lines hold it. */
export type Had = { readonly block: string; readonly set: string }

/** The same of what has this name now; undefined where it can't be told. */
export function wholeDress(sys: Sys, directory: number, name: Uint8Array): Had | undefined {
  const row = new Uint32Array(statWidth)
  const extras = new Uint32Array(extraWidth)
  if (sys.stat(directory, name, row, 0, extras) < 0) return undefined
  const mode = row[statMode] as number
  const { block, code } = lookAtAttributes(sys, { directory, name }, mode, extras, 0, wantsOwner | wantsExtended)
  const mask = extendedMask(mode, wantsExtended)
  const set = mask === 0 ? new Uint8Array(0) : readExtended(sys, { directory, name }, mask)
  if (block === undefined || code < 0 || typeof set === 'number') return undefined
  return { block: hex(block), set: hex(set) }
}

/** What a file system says that has none. */
function isNone(code: number): boolean {
  return [errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENODATA].includes(-code)
}

function splitNames(names: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = []
  for (let start = 0; start < names.length; ) {
    const end = names.indexOf(0, start)
    if (end < 0) break
    if (end > start) found.push(names.slice(start, end))
    start = end + 1
  }
  return found
}
