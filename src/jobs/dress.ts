// What a job asks for besides modes and times, as far as both ends hold it; and what is told where one does not.

import {
  type AttributeKind,
  kindsIn,
  modeMaskOf,
  toldMask,
  wantsMax,
  wantsSystemXattrs,
  wantsTop,
} from '../core/attributes.ts'
import type { Problem } from '../core/problem.ts'
import type { TimeRange } from '../core/reconcile.ts'
import { type Refusal, type RefusalReason, withoutAttributes } from '../disk/dress-traits.ts'
import { openTarget, type Root, type TargetOptions } from '../disk/root.ts'
import { systemSys } from '../disk/system.ts'
import type { Traits } from '../disk/traits.ts'
import type { OpenAnswer } from '../wire/messages.ts'

/** What both ends hold of what is asked for: mode bits, and a mask of core's attributes. */
export function agreed(asks: number, left: Traits, right: Traits): { modeMask: number; attributes: number } {
  const both = asks & (left.attributes ?? 0) & (right.attributes ?? 0)
  return { modeMask: modeMaskOf(left.modeMask & right.modeMask, both), attributes: toldMask(both) }
}

/** Traits as another machine is told of them. */
export function toldTraits({ timeGrainNs, times, modeMask, naming, attributes, refused = [] }: Traits): ToldTraits {
  const told = {
    timeGrainNs,
    ...(times && toldTimes(times)),
    modeMask,
    ...(naming && { naming }),
  }
  return attributes === undefined ? told : { ...told, attributes, refused: [...refused] }
}

/** Where most disks that have bounds begin: what 32 bits hold. */
const usualEarliest = -(2 ** 31)

function toldTimes({ min, max }: TimeRange): Pick<OpenAnswer, 'latest' | 'earliest'> {
  return { latest: BigInt(max), ...(min !== usualEarliest && { earliest: BigInt(min) }) }
}

/** The times that another machine says it holds. */
export function timesOf({ latest, earliest }: Pick<OpenAnswer, 'latest' | 'earliest'>): TimeRange | undefined {
  return latest === undefined ? undefined : { min: Number(earliest ?? usualEarliest), max: Number(latest) }
}

/** Opens a target that is asked to hold what `asks` says, of which its owner allows what `allows` does. */
export function openAllowed(path: string, options: TargetOptions, asks: number, allows: number): Root {
  const root = openTarget(systemSys(), path, { ...options, asks: asks & allows & wantsMax })
  // That the folder of a share stays its owner's needs no telling in each run.
  return { ...root, traits: withoutAttributes(root.traits, asks & ~allows & wantsMax & ~wantsTop, 'share') }
}

type ToldTraits = Pick<
  OpenAnswer,
  'timeGrainNs' | 'latest' | 'earliest' | 'modeMask' | 'naming' | 'attributes' | 'refused'
>

const reasons: Readonly<Record<RefusalReason, string>> = {
  disk: 'its file system has none',
  right: 'only root may set that',
  form: 'node:ffi is needed',
  share: 'the share does not allow it',
}

/** The problem of a run that is to carry more than its ends hold; one for all, at the root. */
export function leftOut(asks: number, left: Traits, right: Traits): Problem[] {
  if (asks === 0) return []
  const lines = [...(left.refused ?? []).map(told), ...(right.refused ?? []).map(told)]
  const unique = [...new Set(lines)]
  return unique.length === 0 ? [] : [{ path: '', code: 'attributes-left-out', detail: unique.join(', ') }]
}

function told({ what, why }: Refusal): string {
  return `${optionOf(what)}: ${reasons[why]}`
}

/** The options as a person would write them. */
export function dressOptions(asks: number): string[] {
  const kinds = kindsIn(asks & ~wantsTop).filter((kind) => kind !== 'xattrs' || (asks & wantsSystemXattrs) === 0)
  return kinds.map(optionOf)
}

function optionOf(what: AttributeKind): string {
  return what === 'system-xattrs' ? '--xattrs all' : `--${what}`
}
