// What a root holds of the attributes that a job asks for: tried out on a file of our own in a target, or what this machine can
// read of a source. What is asked for and can't be held is told with the reason, and the run goes on without it.

import {
  type AttributeKind,
  kindsIn,
  maskOf,
  wantsAcls,
  wantsExtended,
  wantsHardLinks,
  wantsMax,
  wantsOwner,
  wantsSetId,
  wantsSystemXattrs,
  wantsXattrs,
} from '../core/attributes.ts'
import { extraGid, extraUid, extraWidth, statMode, statWidth } from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import { errno, type Sys } from './sys.ts'
import { hasXattrs, readXattr, setXattr } from './sys-xattrs.ts'

/** As far as traits speak of attributes. */
type DressTraits = { readonly modeMask: number; readonly attributes?: number; readonly refused?: readonly Refusal[] }

/** Why something that a job asks for is not held. */
export type Refusal = { readonly what: AttributeKind; readonly why: RefusalReason }

/** `disk`: the file system has none. `right`: this user may not set it. `form`: the portable form can't. `share`: its owner does not allow it. */
export type RefusalReason = (typeof refusalReasons)[number]
const refusalReasons = ['disk', 'right', 'form', 'share'] as const

export function isRefusalReason(text: string): text is RefusalReason {
  return refusalReasons.some((reason) => reason === text)
}

/** The same traits without what may not be set here. */
export function withoutAttributes<Known extends DressTraits>(
  traits: Known,
  refused: number,
  why: RefusalReason,
): Known {
  if (refused === 0) return traits
  const all = [...kindsIn(refused).map((what) => ({ what, why })), ...(traits.refused ?? [])]
  return { ...traits, attributes: traits.attributes ?? 0, refused: all }
}

export const permissionBits = 0o777
const specialBits = 0o7000

/** What is held of what is asked for, where these are refused; nothing is said where nothing is asked. */
export function dressTraits(modeMask: number, asks: number, refused: readonly Refusal[]): DressTraits {
  if (asks === 0) return { modeMask }
  const attributes = asks & ~maskOf(refused.map(({ what }) => what))
  const special = (attributes & wantsSetId) !== 0 && modeMask !== 0 ? specialBits : 0
  return { modeMask: modeMask | special, attributes, refused }
}

/**
 * What can be read of a source, whose root is open. One that can have no attributes says nothing of them: taken for a source
 * that has none, it would take away what the target has.
 */
export function readable(sys: Sys, wanted = 0, root = -1): DressTraits & { timeGrainNs: number } {
  const asks = wanted & wantsMax
  const isAble = hasXattrs(sys)
  const missing = isAble ? lackingAt(root, asks) : asks & wantsExtended
  const refused = kindsIn(missing).map((what) => ({ what, why: isAble ? ('disk' as const) : ('form' as const) }))
  return { timeGrainNs: sys.timeGrainNs, ...dressTraits(permissionBits, asks, refused) }
}

/** Which of these attributes the file system of an open directory can't have. */
function lackingAt(root: number, asks: number): number {
  if (root < 0) return 0
  const lacks = (bit: number, name: string): number =>
    (asks & bit) !== 0 && readXattr(root, utf8(name)) === -errno.EOPNOTSUPP ? bit : 0
  return (
    lacks(wantsXattrs, 'user.nightferry') |
    lacks(wantsSystemXattrs, 'trusted.nightferry') |
    lacks(wantsAcls, 'system.posix_acl_access')
  )
}

/** What a target is taken to hold that may not be tried out, for a dry run. */
export function assumed(sys: Sys, asks = 0): DressTraits & { timeGrainNs: number } {
  return readable(sys, asks)
}

/** Tries each of `asks` on a file of our own that is about to go. */
export function tryAttributes(sys: Sys, handle: number, asks: number): Refusal[] {
  const refused: Refusal[] = []
  const attempt = (bit: number, code: () => number): void => {
    const [what] = (asks & bit) === 0 ? [] : kindsIn(bit)
    if (what === undefined) return
    if ((bit & wantsExtended) !== 0 && !hasXattrs(sys)) refused.push({ what, why: 'form' })
    else {
      const answer = code()
      if (answer < 0)
        refused.push({ what, why: answer === -errno.EPERM || answer === -errno.EACCES ? 'right' : 'disk' })
    }
  }
  const value = utf8('1')
  attempt(wantsXattrs, () => setXattr(handle, utf8('user.nightferry'), value))
  attempt(wantsSystemXattrs, () => setXattr(handle, utf8('trusted.nightferry'), value))
  attempt(wantsAcls, () => {
    const acl = readXattr(handle, utf8('system.posix_acl_access'))
    return typeof acl === 'number' && acl !== -errno.ENODATA ? acl : 0
  })
  // Takes set-id bits away, so these come after it.
  attempt(wantsOwner, () => tryOwner(sys, handle))
  attempt(wantsSetId, () => trySetId(sys, handle))
  return refused
}

/** The same of a second name for it. */
export function tryLink(sys: Sys, staging: number, name: string, asks: number): Refusal[] {
  if ((asks & wantsHardLinks) === 0) return []
  const second = utf8(`${name}2`)
  const code = sys.link(staging, utf8(name), staging, second)
  if (code === 0) sys.unlink(staging, second)
  return code < 0 ? [{ what: 'hard-links', why: code === -errno.EACCES ? 'right' : 'disk' }] : []
}

/** An owner that is none of ours: who may give a file to anybody may give it to this one. */
const strangeId = 65_533

function tryOwner(sys: Sys, handle: number): number {
  const extras = new Uint32Array(extraWidth)
  const code = sys.setOwner(handle, strangeId, strangeId)
  if (code < 0) return code
  const looked = sys.statHandle(handle, new Uint32Array(statWidth), 0, extras)
  if (looked < 0) return looked
  return extras[extraUid] === strangeId && extras[extraGid] === strangeId ? 0 : -errno.EOPNOTSUPP
}

function trySetId(sys: Sys, handle: number): number {
  const row = new Uint32Array(statWidth)
  const code = sys.setMode(handle, 0o7700)
  const looked = code < 0 ? code : sys.statHandle(handle, row, 0)
  if (looked < 0) return looked
  return ((row[statMode] as number) & specialBits) === specialBits ? 0 : -errno.EOPNOTSUPP
}
