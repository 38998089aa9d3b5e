// What the file system below a root can hold, tried out in our own staging directory: modes, times, and what it makes of
// names. A disk that fails while it is tried is told as failing, never taken for another kind of disk.

import { exactNaming, isExact, type Naming } from '../core/naming.ts'
import type { TimeRange } from '../core/reconcile.ts'
import { mtimeSecondsOf, statMode, statMtimeNs, statWidth } from '../core/stat.ts'
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

/** Finds out what the file system of the target at `path` keeps, in its staging directory; also of what a job asks for. */
export function probe(sys: Sys, staging: number, path: string, asks = 0): Traits {
  const name = `p${randomName()}`
  const handle = sys.createFile(staging, utf8(name), 0o600)
  if (handle < 0) throw notWritable(path, errnoName(handle))
  const row = new Uint32Array(statWidth)
  const told = [sys.setMode(handle, 0o651), sys.setTimes(handle, 1_700_000_001, 123_456_789)]
  const looked = sys.statHandle(handle, row, 0)
  const times = looked < 0 ? undefined : probeTimes(sys, handle)
  const refused = asks === 0 ? [] : [...tryAttributes(sys, handle, asks), ...tryLink(sys, staging, name, asks)]
  sys.close(handle)
  const naming = probeNaming(sys, staging, name)
  // A disk that fails for a moment is no other kind of disk: by other traits the next run would see all in another way.
  const failed = [...told.filter((code) => !cannotHold.includes(-code)), looked].find((code) => code < 0)
  if (failed !== undefined) throw notWritable(path, errnoName(failed))
  if (typeof naming === 'number') throw notWritable(path, errnoName(naming))
  const modeMask = ((row[statMode] as number) & permissionBits) === 0o651 ? permissionBits : 0
  return {
    ...dressTraits(modeMask, asks, refused),
    timeGrainNs: Math.max(sys.timeGrainNs, grainOf(mtimeSecondsOf(row, 0), row[statMtimeNs] as number)),
    ...(times && { times }),
    ...(isExact(naming) ? {} : { naming }),
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
const cannotName: readonly number[] = [errno.EINVAL, errno.EILSEQ, errno.ENOENT, errno.EPERM, errno.EOPNOTSUPP]

/**
 * What becomes of the names of one file of ours, which is gone afterwards; or a negative errno of a disk that failed. Five
 * calls where every name is taken as it is; more where not.
 */
function probeNaming(sys: Sys, staging: number, first: string): Naming | number {
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
  const textOnly = !becomes(`${first}\udcff`)
  const narrow = !becomes(`${first}:`)
  // `\u00e9` decomposed and in capitals: what answers to one of them has more to be asked.
  const hasAccents = becomes(`${first}a\u00e9`)
  const foldsForm = hasAccents && answersTo(`${first}ae\u0301`)
  const foldsAscii = answersTo(hasAccents ? `${first}A\u00e9` : first.toUpperCase())
  let naming: Naming = { ...exactNaming, textOnly, narrow, foldsForm, folds: foldsAscii ? 'ascii' : 'no' }
  if (foldsForm || foldsAscii) {
    const keeps = hasAccents ? keptForm(sys, staging, `${first}a\u00e9`) : 'all'
    const foldsAll = hasAccents && foldsAscii && answersTo(`${first}a\u00c9`)
    const folds = !foldsAll ? naming.folds : becomes(`${first}\u00df`) && answersTo(`${first}ss`) ? 'full' : 'simple'
    const ignores = becomes(`${first}\u200b-`) && answersTo(`${first}-`)
    naming = { ...naming, keeps, folds, ignores }
  }
  const gone = sys.unlink(staging, utf8(current))
  if (failure === 0 && gone < 0) failure = gone
  return failure === 0 ? naming : failure
}

/** How the name of a file that is there comes back. */
function keptForm(sys: Sys, staging: number, name: string): Naming['keeps'] {
  const table = new EntryTable()
  if (sys.list(staging, table, 0) < 0) return 'nothing'
  const names = new Set<string>()
  for (let row = 0; row < table.count; row++) names.add(decodeName(table.name(row)))
  if (names.has(name)) return 'all'
  return names.has(name.normalize('NFD')) ? 'nfd' : 'nothing'
}
