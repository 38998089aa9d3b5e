// What the file system below a root can hold, tried out in our own staging directory: modes, times, and what it makes of
// names. A disk that fails while it is tried is told as failing, never taken for another kind of disk.

import { exactNaming, isExact, type Naming } from '../core/naming.ts'
import type { TimeRange } from '../core/reconcile.ts'
import { mtimeSecondsOf, statMode, statMtimeNs, statWidth } from '../core/stat.ts'
import {
  countsCharacters,
  refusesBytes,
  refusesCharacters,
  refusesDevices,
  refusesEndDots,
  refusesEndSpaces,
} from '../core/stored-names.ts'
import { decodeName, utf8 } from '../std/bytes.ts'
import { randomName } from '../std/random.ts'
import { dressTraits, permissionBits, type Refusal, tryAttributes, tryLink } from './dress-traits.ts'
import { notWritable } from './refusal.ts'
import { EntryTable, errno, errnoName, type Sys } from './sys.ts'

/** What a root can hold. */
export type Traits = {
  readonly timeGrainNs: number
  /** Undefined where it holds every time that travels. */
  readonly times?: TimeRange | undefined
  /** Mode bits that stick: permissions, and the set-id bits where a job asks for them. */
  readonly modeMask: number
  /** Of what a job asks for besides modes and times, what is held: a mask of core's attributes. */
  readonly attributes?: number
  readonly refused?: readonly Refusal[]
  /** Undefined where it takes every name as it is. */
  readonly naming?: Naming | undefined
}

/** What was tried out; and of what it refuses, what can be stored there under another name. */
export type Probed = Traits & { readonly storable: number }

/** What a root holds that stores names by this mask, on a disk with these traits. */
export function traitsWithStored({ storable: _, ...traits }: Probed, stores: number): Traits {
  if (stores === 0) return traits
  const naming = traits.naming ?? exactNaming
  return { ...traits, naming: { ...naming, refuses: naming.refuses & ~stores, stores } }
}

/** Finds out what the file system of the target at `path` keeps, in its staging directory; also of what a job asks for. */
export function probe(sys: Sys, staging: number, path: string, asks = 0): Probed {
  const name = `p${randomName()}`
  const handle = sys.createFile(staging, utf8(name), 0o600)
  if (handle < 0) throw notWritable(path, errnoName(handle))
  const row = new Uint32Array(statWidth)
  const told = [sys.setMode(handle, 0o651), sys.setTimes(handle, 1_700_000_001, 123_456_789)]
  const looked = sys.statHandle(handle, row, 0)
  const times = looked < 0 ? undefined : probeTimes(sys, handle)
  const refused = asks === 0 ? [] : [...tryAttributes(sys, handle, asks), ...tryLink(sys, staging, name, asks)]
  sys.close(handle)
  const named = probeNaming(sys, staging, name)
  // A disk that fails for a moment is no other kind of disk: by other traits the next run would see all in another way.
  const failed = [...told.filter((code) => !cannotHold.includes(-code)), looked].find((code) => code < 0)
  if (failed !== undefined) throw notWritable(path, errnoName(failed))
  if (typeof named === 'number') throw notWritable(path, errnoName(named))
  const { naming, storable } = named
  const modeMask = ((row[statMode] as number) & permissionBits) === 0o651 ? permissionBits : 0
  return {
    ...dressTraits(modeMask, asks, refused),
    timeGrainNs: Math.max(sys.timeGrainNs, grainOf(mtimeSecondsOf(row, 0), row[statMtimeNs] as number)),
    ...(times && { times }),
    ...(isExact(naming) ? {} : { naming }),
    storable,
  }
}

/** What file systems say that have no modes or times to set. */
const cannotHold: readonly number[] = [errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL]

function grainOf(seconds: number, ns: number): number {
  if (seconds !== 1_700_000_001) return 2_000_000_000
  if (ns === 123_456_789) return 1
  if (ns === 123_456_700) return 100
  if (ns === 123_456_000) return 1000
  return ns === 123_000_000 ? 1_000_000 : 1_000_000_000
}

/** Beyond every date that a person has: what keeps these two has no bounds that matter. */
const farFuture = 2 ** 40
const farPast = -(2 ** 40)

/** The range of times that an open file of ours can have; undefined where it has no bounds. */
function probeTimes(sys: Sys, handle: number): TimeRange | undefined {
  const row = new Uint32Array(statWidth)
  /** Where the disk, or the system, does not take a time at all, the file keeps the one that it had: no bound is learned. */
  const nearest = (seconds: number): number | undefined => {
    const set = sys.setTimes(handle, seconds, 0)
    if (set < 0) return undefined
    return sys.statHandle(handle, row, 0) < 0 ? undefined : mtimeSecondsOf(row, 0)
  }
  const max = nearest(farFuture)
  const min = nearest(farPast)
  if (max === undefined || min === undefined || min >= max) return undefined
  return max === farFuture && min === farPast ? undefined : { min, max }
}

/** What file systems say of names that they do not take. */
const cannotName: readonly number[] = [
  ...[errno.EINVAL, errno.EILSEQ, errno.ENOENT, errno.EPERM, errno.EOPNOTSUPP],
  errno.ENAMETOOLONG,
]

/**
 * What becomes of the names of one file of ours, which is gone afterwards; or a negative errno of a disk that failed. Five
 * calls where every name is taken as it is; more where not.
 */
function probeNaming(
  sys: Sys,
  staging: number,
  first: string,
): { readonly naming: Naming; readonly storable: number } | number {
  const row = new Uint32Array(statWidth)
  let current = first
  let failure = 0
  /** Gives the file another name; false where there can be none such. */
  const becomes = (name: string): boolean => {
    const code = sys.renameOver(staging, utf8(current), staging, utf8(name))
    if (code === 0) current = name
    else if (!cannotName.includes(-code)) failure = code
    return code === 0
  }
  const answersTo = (name: string): boolean => {
    const code = sys.stat(staging, utf8(name), row, 0)
    if (code < 0 && !cannotName.includes(-code)) failure = code
    return code === 0
  }
  const comesBack = (name: string): boolean => becomes(name) && namesIn(sys, staging).has(name)
  const hasRaw = becomes(`${first}\udcff`)
  const hasColon = becomes(`${first}:`)
  // `\u00e9` decomposed and in capitals: what answers to one of them has more to be asked.
  const hasAccents = becomes(`${first}a\u00e9`)
  const foldsForm = hasAccents && answersTo(`${first}ae\u0301`)
  const foldsAscii = answersTo(hasAccents ? `${first}A\u00e9` : first.toUpperCase())
  let naming: Naming = { ...exactNaming, foldsForm, folds: foldsAscii ? 'ascii' : 'no' }
  if (foldsForm || foldsAscii) {
    // A capital, and a character that can be taken apart, where there are such.
    const told = hasAccents ? `${first}X\u00e9` : `${first}X`
    const keeps = becomes(told) ? keptForm(namesIn(sys, staging), told) : 'all'
    const foldsAll = hasAccents && foldsAscii && answersTo(`${first}X\u00c9`)
    const folds = !foldsAll ? naming.folds : becomes(`${first}\u00df`) && answersTo(`${first}ss`) ? 'full' : 'simple'
    const ignores = becomes(`${first}\u200b-`) && answersTo(`${first}-`)
    naming = { ...naming, keeps, folds, ignores }
  }
  let storable = 0
  if (!hasRaw || !hasColon) {
    const refuses = (hasRaw ? 0 : refusesBytes) | (hasColon ? 0 : refusesCharacters | refusedBesides(first, comesBack))
    naming = { ...naming, refuses }
    const counts = becomes(`${first}${'\uf03a'.repeat(100)}`) ? countsCharacters : 0
    if (comesBack(`${first}\uf03a\uf0ff`)) storable = refuses | counts
  }
  const gone = sys.unlink(staging, utf8(current))
  if (failure === 0 && gone < 0) failure = gone
  return failure === 0 ? { naming, storable } : failure
}

/** What else is refused by a disk that refuses some characters: not every one has all that Windows has not. */
function refusedBesides(first: string, comesBack: (name: string) => boolean): number {
  const dots = comesBack(`${first}.`) ? 0 : refusesEndDots
  const spaces = comesBack(`${first} `) ? 0 : refusesEndSpaces
  return dots | spaces | (comesBack('aux') ? 0 : refusesDevices)
}

/** How the name of a file that is there comes back. */
function keptForm(names: ReadonlySet<string>, name: string): Naming['keeps'] {
  if (names.has(name)) return 'all'
  if (names.has(name.normalize('NFD'))) return 'nfd'
  return names.has(name.toLowerCase()) ? 'lower' : 'nothing'
}

function namesIn(sys: Sys, directory: number): Set<string> {
  const table = new EntryTable()
  const count = Math.max(0, sys.list(directory, table, 0))
  return new Set(Array.from({ length: count }, (_, row) => decodeName(table.name(row))))
}
