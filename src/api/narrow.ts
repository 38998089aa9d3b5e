// The parts of a request that narrow what a run looks at and say how content goes over: what their values mean. A wrong
// value is refused by value, with what would be right; numbers are bytes, seconds or a level.

import {
  wantsAcls,
  wantsHardLinks,
  wantsOwner,
  wantsSetId,
  wantsSystemXattrs,
  wantsTop,
  wantsXattrs,
} from '../core/attributes.ts'
import { type Flow, parseCompress, rateBytesMin } from '../core/flow.ts'
import { isLinkPolicy, type LinkPolicy } from '../core/links.ts'
import { parseBytes, parseSeconds } from '../core/quantity.ts'
import type { Mode } from '../core/reconcile.ts'
import { type Selection, type SizeLimits, selectionProblem } from '../core/selection.ts'
import { Failure } from '../std/failure.ts'

/** What narrows a run, and how content goes over. */
export type NarrowOptions = {
  /** Brings nothing new: only updates what the target has. */
  readonly existing?: boolean
  /** Only brings what the target lacks; what is there stays as it is. */
  readonly ignoreExisting?: boolean
  /** Files of equal size are equal, whatever their times say. */
  readonly sizeOnly?: boolean
  /** Times that differ by no more seconds are equal; at most a day. */
  readonly modifyWindow?: number | string
  /** Leaves out smaller files: bytes, or a text such as `'10K'` or `'1.5MB'`. What is left out is never deleted. */
  readonly minSize?: number | string
  /** Leaves out larger files. */
  readonly maxSize?: number | string
  /** Which symlinks are made: `'opaque'` (default; every one, as its text) or `'portable'` (only those that stay within the folder). The owner of a share may allow only the latter. */
  readonly links?: LinkPolicy
  /** Content goes over no faster than so many bytes a second; 0 is no limit. */
  readonly bwlimit?: number | string
  /** Squeezes content on its way: `'auto'` (default; where the line is slow), `'off'`, or a level from 1 to 19. */
  readonly compress?: 'auto' | 'off' | number | string
}

/** What is carried besides content, permissions and times. */
export type DressOptions = {
  /** Owner and group; between machines by name where both know it, else by number. Only root may set them. */
  readonly owner?: boolean
  /** With `owner`: by number only. */
  readonly numericIds?: boolean
  /** Set-user-id, set-group-id and sticky bits. */
  readonly setId?: boolean
  /** Extended attributes: `'user'` or true for those of that name space, `'all'` for `security` and `trusted` too. */
  readonly xattrs?: boolean | 'user' | 'all'
  /** POSIX ACLs, whose users and groups are numbers. */
  readonly acls?: boolean
  /** Names that are one file at the source are one file at the target. */
  readonly hardLinks?: boolean
}

/** The mask of core's attributes that the options ask for. Throws `bad-usage`. */
export function attributesOf(options: DressOptions): number {
  const { owner = false, numericIds = false, setId = false, xattrs = false, acls = false, hardLinks = false } = options
  if (numericIds && !owner) throw new Failure('bad-usage', '--numeric-ids says how --owner carries owners: give both')
  if (![true, false, 'user', 'all'].includes(xattrs))
    throw new Failure('bad-usage', `--xattrs takes user or all, not ${JSON.stringify(xattrs)}`)
  const some = xattrs === false ? 0 : xattrs === 'all' ? wantsXattrs | wantsSystemXattrs : wantsXattrs
  const asked = (owner ? wantsOwner : 0) | (setId ? wantsSetId : 0) | some | (acls ? wantsAcls : 0)
  // Names are of files: the top folder is none of theirs.
  return (asked === 0 ? 0 : asked | wantsTop) | (hardLinks ? wantsHardLinks : 0)
}

/** How packs leave. */
export function flowOf({ bwlimit, compress = 'auto' }: NarrowOptions): Flow {
  const parsed = parseCompress(String(compress))
  if (parsed === undefined)
    throw new Failure(
      'bad-usage',
      `--compress takes auto, off or a level from 1 to 19, not ${JSON.stringify(compress)}`,
    )
  return { rateBytes: bwlimit === undefined ? undefined : rateOf(String(bwlimit)), compress: parsed }
}

function rateOf(text: string): number | undefined {
  const rate = parseBytes(text)
  if (rate === 0) return undefined
  if (rate === undefined || rate < rateBytesMin) {
    throw new Failure('bad-usage', `--bwlimit takes at least 1000 bytes a second, not ${JSON.stringify(text)}`, {
      hint: 'write bytes a second, or a number with K, M, G (by 1024) or KB, MB, GB (by 1000); 0 is no limit',
    })
  }
  return rate
}

const windowMaxSeconds = 86_400

/** The selection that the options make. Throws `bad-usage` for a wrong value and for options that do not go together. */
export function selectionOf(options: NarrowOptions, mode: Mode, checksum: boolean): Selection {
  const { existing = false, ignoreExisting = false, sizeOnly } = options
  const only = existing ? ('existing' as const) : ignoreExisting ? ('lacking' as const) : undefined
  const [windowNs, sizes] = [windowOf(options.modifyWindow), sizesOf(options)]
  const selection: Selection = { only, sizeOnly, windowNs, sizes, links: linksOf(options.links) }
  const problem = selectionProblem({ ...selection, existing, ignoreExisting }, mode, checksum)
  if (problem !== undefined) throw new Failure('bad-usage', problem)
  return selection
}

/** A policy for symlinks by its name. Throws `bad-usage`. */
export function linksOf(given: string | undefined): LinkPolicy | undefined {
  if (given === undefined || isLinkPolicy(given)) return given
  throw new Failure('bad-usage', `--links takes opaque or portable, not ${JSON.stringify(given)}`)
}

function windowOf(given: number | string | undefined): number | undefined {
  if (given === undefined) return undefined
  const text = String(given)
  const ns = parseSeconds(text, windowMaxSeconds)
  if (ns === undefined) {
    throw new Failure('bad-usage', `--modify-window takes seconds from 0 to a day, not ${JSON.stringify(text)}`, {
      hint: 'write 2 or 0.5',
    })
  }
  return ns
}

function sizesOf({ minSize, maxSize }: NarrowOptions): SizeLimits | undefined {
  if (minSize === undefined && maxSize === undefined) return undefined
  return {
    minBytes: minSize === undefined ? 0 : sizeOf('--min-size', String(minSize)),
    maxBytes: maxSize === undefined ? Number.MAX_SAFE_INTEGER : sizeOf('--max-size', String(maxSize)),
  }
}

/** A number of bytes as people write it. Throws `bad-usage`. */
export function sizeOf(option: string, text: string): number {
  const bytes = parseBytes(text)
  if (bytes === undefined) {
    throw new Failure('bad-usage', `${option} takes a size, not ${JSON.stringify(text)}`, {
      hint: 'write bytes, or a number with K, M, G (by 1024; KiB is the same) or KB, MB, GB (by 1000)',
    })
  }
  return bytes
}
