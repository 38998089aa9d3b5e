// The top folder itself: looked at, and given its owner, attributes and mode, by the handle that the root was opened with.
// Its name is not ours.

import { entryMask, wantsExtended, wantsOwner } from '../core/attributes.ts'
import { joinSets } from '../core/extended.ts'
import { rootPath } from '../core/path.ts'
import type { Problem } from '../core/problem.ts'
import { extraWidth, mtimeSecondsOf, statMode, statMtimeNs, statWidth } from '../core/stat.ts'
import { isSameTop, type Top } from '../core/top.ts'
import { fromHex, hex } from '../std/bytes.ts'
import { extendedDigest, type Had, lookAtAttributes, readExtended } from './attributes.ts'
import { setDirectoryMode } from './directories.ts'
import { dress, Wardrobe } from './dress.ts'
import type { TopChange } from './manifest.ts'
import { errno, errnoName, type Sys } from './sys.ts'

/** What the top folder is, as far as `looks`, a mask of core's attributes, asks; a negative errno where it can't be told. */
export function lookAtTop(sys: Sys, root: number, looks: number): Top | number {
  const row = new Uint32Array(statWidth)
  const extras = new Uint32Array(extraWidth)
  const looked = sys.statHandle(root, row, 0, extras)
  if (looked < 0) return looked
  const mode = row[statMode] as number
  const mask = entryMask(looks)
  const { block, code } = lookAtAttributes(sys, root, mode, extras, 0, mask)
  if (code < 0) return code
  const set = (mask & wantsExtended) === 0 ? new Uint8Array(0) : readExtended(sys, root, mask)
  const time = { mtimeSeconds: mtimeSecondsOf(row, 0), mtimeNs: row[statMtimeNs] as number }
  return typeof set === 'number' ? set : { mode: mode & 0o7777, attributes: block, set, ...time }
}

export function topProblem(code: number): Problem {
  return { path: rootPath, code: 'attributes-unreadable', detail: errnoName(code) }
}

/** What a run sets of a top: a mask of core's attributes, and mode bits. */
export type TopRights = { readonly mask: number; readonly modeMask: number }

/**
 * Gives the top folder what it shall be, as far as the rights go. `isChanged` where it was not that before; `code` is that of what
 * could not be given.
 */
export function giveTop(
  sys: Sys,
  root: number,
  top: Top,
  { mask, modeMask }: TopRights,
): { isChanged: boolean; code: number } {
  const looks = entryMask(mask)
  const before = lookAtTop(sys, root, looks)
  const digest = top.set.length === 0 ? undefined : extendedDigest(top.set)
  const sets = digest === undefined ? undefined : joinSets([top.set])
  const wardrobe = new Wardrobe(looks, modeMask, sets)
  const dressed = dress(sys, root, { mode: top.mode & modeMask, attributes: top.attributes }, wardrobe)
  const code = modeMask === 0 ? 0 : setDirectoryMode(sys, root, dressed.mode, wardrobe.setsSpecial)
  sys.setTimes(root, top.mtimeSeconds, top.mtimeNs)
  const after = lookAtTop(sys, root, looks)
  const isChanged = typeof before === 'number' || typeof after === 'number' || !isSameTop(before, after)
  return { isChanged, code: dressed.code < 0 ? dressed.code : code }
}

const everything = wantsOwner | wantsExtended

/** The line of what is about to be taken away; undefined where that can't be told. */
export function topChange(sys: Sys, root: number, mode: number): TopChange | undefined {
  const before = lookAtTop(sys, root, everything)
  if (typeof before === 'number') return undefined
  return { a: 'top', path: rootPath, was: before.mode, had: hadOf(before), mode }
}

/** What an open directory has besides mode and times; undefined where it can't be told. */
export function dressOf(sys: Sys, directory: number): Had | undefined {
  const looked = lookAtTop(sys, directory, everything)
  return typeof looked === 'number' ? undefined : hadOf(looked)
}

function hadOf({ attributes, set }: Top): Had {
  return { block: hex(attributes ?? new Uint8Array(0)), set: hex(set) }
}

/**
 * What the top folder becomes again where a run changed it: `already` where it is that, `changed` where it is neither as the run
 * left it nor as it was.
 */
export function topBefore(sys: Sys, root: number, { was, had, mode }: TopChange): Top | 'already' | 'changed' {
  const now = lookAtTop(sys, root, everything)
  if (typeof now === 'number') return 'changed'
  const { mtimeSeconds, mtimeNs } = now
  // The block names the set by its digest.
  if (now.mode === was && hadOf(now).block === had.block) return 'already'
  if (((now.mode ^ mode) & 0o777) !== 0 && now.mode !== was) return 'changed'
  return { mode: was, attributes: fromHex(had.block), set: fromHex(had.set), mtimeSeconds, mtimeNs }
}

/** What gives it back, whole. */
export const ownRights: TopRights = { mask: everything, modeMask: 0o7777 }

/** What is said of a top that could not be given all. */
export function topRefused(code: number): Problem[] {
  return code < 0 && code !== -errno.ENODATA
    ? [{ path: rootPath, code: 'attributes-refused', detail: errnoName(code) }]
    : []
}
