// A root: the directory that a person named. Says who it is (a marker of ours in a target; inode and birth of a source),
// what it can hold, whether it is empty, and keeps others out while a run works on it. A source is never written to.
// A target's `.nightferry` (0700) holds the marker, the lock, the staging directory and the journal.

import { type BigIntStats, existsSync, lstatSync, mkdirSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ownDirectory } from '../core/path.ts'
import { fromUtf8, utf8 } from '../std/bytes.ts'
import { Failure, systemHint } from '../std/failure.ts'
import { clearStaging, KeptPlace } from './aside.ts'
import { setDirectoryMode } from './directories.ts'
import { assumed, readable } from './dress-traits.ts'
import { clearJournal } from './journal.ts'
import { holdsLostFound, isLostFound } from './lost-found.ts'
import { bindMarker, type Rebound, readMarker, refuseNested, storesAt } from './marker.ts'
import { clearOutside } from './outside.ts'
import { type Recovered, type Recovery, recoverJournal } from './recovery.ts'
import { notWritable } from './refusal.ts'
import { EntryTable, errno, errnoName, type Sys } from './sys.ts'
import { descriptorOf, storingHandle } from './sys-names.ts'
import { type Probed, probe, type Traits, traitsWithStored } from './traits.ts'
import { settleUnsynced } from './unsynced.ts'
import { closeRunPlace, openRunPlace, openStore, readStoreSettings, type StoreSettings } from './versions.ts'

export type Root = {
  readonly path: string
  readonly handle: number
  /** Stays the same for the same folder on the same disk; another folder or disk at the path has another. */
  readonly id: string
  readonly traits: Traits
  readonly empty: boolean
  /** Its permissions, where its disk has any. Sources only. */
  readonly mode?: number
  /** What a run that died had left, settled while opening. Targets only. */
  readonly recovered: readonly Recovered[]
  /** So much more was settled than `recovered` tells. */
  readonly recoveredMore: number
  /** What of its marker no longer was so, and is from now on. Targets only. */
  readonly rebound: readonly Rebound[]
  /** A run that did not sync wrote to it before the machine or the disk went down. Targets only. */
  readonly doubts?: boolean
  /** Targets only. */
  readonly own: { readonly handle: number; readonly staging: number; readonly place: string } | undefined
  close(): void
}

/** Opens a folder to read from; `asks` is what a job asks for besides modes and times. Throws `source-missing`, `source-not-directory`, `source-unreadable`, `root-locked`. */
export function openSource(sys: Sys, path: string, asks = 0): Root {
  const facts = lookAt(path, 'source-unreadable')
  if (facts === undefined) throw new Failure('source-missing', `there is no folder ${path}`)
  if (!facts.isDirectory()) {
    throw new Failure('source-not-directory', `${path} is not a folder`, { hint: 'name the folder that holds it' })
  }
  const handle = openKnown(sys, path)
  if (handle < 0) {
    const word = errnoName(handle)
    const hint = systemHint(word)
    throw new Failure('source-unreadable', `the folder ${path} can't be opened (${word})`, { hint })
  }
  try {
    const table = new EntryTable()
    const count = sys.list(handle, table, 0, enoughRows)
    if (count < 0) throw new Failure('source-unreadable', `the folder ${path} can't be read (${errnoName(count)})`)
    const release = shareLock(path)
    const traits = readable(sys, asks, handle)
    return {
      path: realpathSync(path),
      handle,
      id: `inode-${facts.ino}-${facts.birthtimeNs}`,
      traits,
      ...((traits.modeMask & 0o777) === 0o777 && { mode: Number(facts.mode) & 0o777 }),
      empty: isEmpty(sys, handle, table),
      recovered: [],
      recoveredMore: 0,
      rebound: [],
      own: undefined,
      close() {
        release()
        sys.close(handle)
      },
    }
  } catch (error) {
    sys.close(handle)
    throw error
  }
}

/** As `Sys` opens a folder that a person named, with the names that it was stored with. Throws as `storesAt` does. */
export function openKnown(sys: Sys, path: string): number {
  const stores = storesAt(realPath(path))
  return storingHandle(sys.openRoot(path), stores)
}

/** What a person's path leads to, or undefined where that is nothing. Throws `code` where it can't be looked at. */
function lookAt(path: string, code: 'source-unreadable' | 'target-not-writable'): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false })
  } catch (error) {
    const word = errorCode(error)
    const hint = systemHint(word)
    throw new Failure(code, `the folder ${path} can't be looked at (${word})`, { hint, cause: error })
  }
}

function errorCode(error: unknown): string {
  return (error as { code?: string } | undefined)?.code ?? 'unknown'
}

function rowsOf(table: EntryTable): number[] {
  return Array.from({ length: table.count }, (_, row) => row)
}

/** So many entries are too many for a root that holds nothing: the rest of a large one is not listed. */
const enoughRows = 3

/** Whether a root holds nothing but our own directory, and the file system's. */
function isEmpty(sys: Sys, root: number, table: EntryTable): boolean {
  if (table.count >= enoughRows) return false
  return rowsOf(table).every((row) => fromUtf8(table.name(row)) === ownDirectory || isLostFound(sys, root, table, row))
}

/** A folder that is a target of some other job may not be read while that job writes it. */
function shareLock(path: string): () => void {
  const file = join(path, ownDirectory, 'lock')
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return () => {}
  try {
    const lock = new DatabaseSync(file, { readOnly: true, timeout: 0 })
    try {
      lock.exec('BEGIN; SELECT count(*) FROM sqlite_schema')
    } catch (error) {
      lock.close()
      throw error
    }
    return () => lock.close()
  } catch (error) {
    if (isBusy(error)) throw lockedFailure(path)
    // A lock file that can't be opened at all (another user's) can't be waited for either.
    return () => {}
  }
}

/** Whether a run works on this target now. */
export function isTargetLocked(path: string): boolean {
  try {
    shareLock(path)()
    return false
  } catch (error) {
    if (error instanceof Failure && error.code === 'root-locked') return true
    throw error
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && (error.errcode === 5 || error.errcode === 261)
}

function lockedFailure(path: string): Failure {
  return new Failure('root-locked', `another run is working on ${path}`, { hint: 'wait until it has ended' })
}

export type TargetOptions = {
  readonly create: boolean
  /** This machine's name, for the marker. */
  readonly machine: string
  /** The id that the last run found here. Another one, or none, throws `root-replaced` before anything is made. */
  readonly expectedId: string | undefined
  /** A person says that this folder is a target of its own, though it is a copy of one or lies inside one. */
  readonly isNew?: boolean
  /** What the job asks for besides modes and times, as a mask of core's attributes, as far as it may be set here. */
  readonly asks?: number
  /** It is there already, or is a slip: a folder that is missing is not made. */
  readonly mustExist?: boolean
  /** The permissions of the source's folder: one that is made here gets them, so that nobody sees more than there. */
  readonly mode?: number | undefined
}

/**
 * Opens a folder to write to, making it (one level) where it is missing. `create: false` opens it for a dry run: nothing
 * is made, and `own` is undefined where there is none yet. Throws `target-not-directory`, `target-not-writable`,
 * `root-locked`, `root-replaced`, `nested-ends`, `format-too-new`.
 */
export function openTarget(sys: Sys, path: string, options: TargetOptions): Root {
  const there = lookAt(path, 'target-not-writable')
  const marked = there?.isDirectory() === true && hasOwn(path)
  const found = marked ? readMarker(join(path, ownDirectory), path)?.id : undefined
  if (marked) readStoreSettings(join(path, ownDirectory))
  if (options.expectedId !== undefined && found !== options.expectedId) throw replaced(path, found)
  if (there === undefined && options.mustExist === true)
    throw new Failure('source-missing', `there is no folder ${path}`)
  if (!marked && options.isNew !== true) refuseNested(path, realPath(path))
  if (there === undefined && !options.create) return missingTarget(sys, path, options.asks)
  if (there === undefined) makeTarget(path, options.mode)
  else if (!there.isDirectory()) throw new Failure('target-not-directory', `${path} is not a folder`)
  const handle = sys.openRoot(path)
  if (handle < 0) throw notWritable(path, errnoName(handle), `the folder ${path} can't be opened`)
  if (there === undefined && options.mode !== undefined) setDirectoryMode(sys, handle, options.mode | 0o700, false)
  try {
    const table = new EntryTable()
    const count = sys.list(handle, table, 0, enoughRows)
    if (count < 0) throw notWritable(path, errnoName(count), `the folder ${path} can't be read`)
    const empty = isEmpty(sys, handle, table)
    if (!marked && !options.create) return { ...unmarkedTarget(sys, path, handle, options.asks), empty }
    const root = openMarked(sys, path, handle, empty, options)
    return !marked && holdsLostFound(sys, handle) ? { ...root, rebound: [...root.rebound, 'lost-found'] } : root
  } catch (error) {
    sys.close(handle)
    throw error
  }
}

/** Opens what a target has of ours, made before where it is missing, under the lock. */
function openMarked(sys: Sys, path: string, handle: number, empty: boolean, options: TargetOptions): Root {
  const ownPath = join(path, ownDirectory)
  if (options.create) makeOwn(path, ownPath)
  // From here on by its handle: whoever may rename in the target could put a symlink in its place.
  const own = openOwn(sys, path, handle)
  let lock: DatabaseSync | undefined
  const release = (): void => {
    sys.close(own.staging)
    sys.close(own.handle)
    lock?.close()
  }
  try {
    const place = placeOf(own.handle, ownPath)
    const { machine, create, isNew = false, asks = 0 } = options
    if (create) makeTag(place, path)
    lock = takeLock(place, path)
    let tried: Probed | undefined
    const tryOut = (): Probed => {
      tried ??= probe(sys, own.staging, path, asks)
      return tried
    }
    const storable = (): number => tryOut().storable
    const { id, rebound, stores } = bindMarker(path, { place, machine, write: create, isNew, storable })
    const known = (other: number): number => storingHandle(other, stores)
    const [root, ours] = [known(handle), { handle: known(own.handle), staging: known(own.staging), place }]
    const { told, more } = create ? recoverStaging(sys, path, root, ours) : { told: [], more: 0 }
    const doubts = settleUnsynced(sys, place, root, create)
    return {
      path: realpathSync(path),
      handle: root,
      id: id ?? '',
      traits: traitsWithStored(create ? tryOut() : { ...assumed(sys, asks), storable: 0 }, stores),
      empty,
      recovered: told,
      recoveredMore: more,
      rebound: doubts ? [...rebound, 'unsynced'] : rebound,
      doubts,
      own: ours,
      close() {
        release()
        sys.close(handle)
      },
    }
  } catch (error) {
    release()
    throw error
  }
}

/** Whether the folder has our directory. One that is a symlink, or no directory, is not ours to use. */
function hasOwn(path: string): boolean {
  const ownPath = join(path, ownDirectory)
  try {
    const own = lstatSync(ownPath, { throwIfNoEntry: false })
    if (own !== undefined && !own.isDirectory()) {
      throw new Failure('target-not-writable', `${ownPath} is not a folder`, {
        hint: 'Nightferry keeps its working files there; move what is there away',
      })
    }
    return own !== undefined
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure('target-not-writable', `the folder ${path} can't be looked at (${errorCode(error)})`, {
      cause: error,
    })
  }
}

function replaced(path: string, found: string | undefined): Failure {
  const what = found === undefined ? 'holds no marker of the folder' : 'is not the folder'
  return new Failure('root-replaced', `${path} ${what} that the last run wrote to`, {
    hint: 'Is its disk mounted? If the folder was replaced on purpose, run once with --new-target.',
  })
}

function missingTarget(sys: Sys, path: string, asks?: number): Root {
  const parent = lookAt(dirname(path), 'target-not-writable')
  if (parent?.isDirectory() !== true) throw parentMissing(path)
  const traits = { ...assumed(sys, asks), timeGrainNs: 1 }
  const nothing = { empty: true, recovered: [], recoveredMore: 0, rebound: [], own: undefined }
  return { path, handle: -1, id: '', traits, ...nothing, close: () => {} }
}

function unmarkedTarget(sys: Sys, path: string, handle: number, asks?: number): Root {
  const traits = assumed(sys, asks)
  const close = (): void => sys.close(handle)
  return {
    path: realpathSync(path),
    handle,
    id: '',
    traits,
    empty: false,
    recovered: [],
    recoveredMore: 0,
    rebound: [],
    own: undefined,
    close,
  }
}

function parentMissing(path: string): Failure {
  return new Failure(
    'target-not-directory',
    `the folder ${dirname(path)}, in which ${path} would be made, is missing`,
    {
      hint: 'is its disk mounted? else make the folder first',
    },
  )
}

function makeTarget(path: string, mode = 0o777): void {
  try {
    mkdirSync(path, mode | 0o700)
  } catch (error) {
    const code = errorCode(error)
    const isMissing = statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory() !== true
    if (isMissing && (code === 'ENOENT' || code === 'ENOTDIR')) throw parentMissing(path)
    if (code === 'EEXIST') {
      throw new Failure('target-not-directory', `${path} is a link that leads nowhere`, {
        hint: 'is the disk mounted that it leads to? else name the folder itself',
      })
    }
    throw notWritable(path, code, `the folder ${path} can't be made`)
  }
}

function makeOwn(path: string, ownPath: string): void {
  try {
    mkdirSync(ownPath, 0o700)
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw notWritable(path, errorCode(error))
  }
}

function makeTag(place: string, path: string): void {
  const text = 'Signature: 8a477f597d28d172789f06886806bc55\n# Working files of Nightferry; not worth a backup.\n'
  try {
    if (!existsSync(join(place, 'CACHEDIR.TAG'))) writeFileSync(join(place, 'CACHEDIR.TAG'), text, { mode: 0o600 })
  } catch (error) {
    throw notWritable(path, errorCode(error))
  }
}

/** A path to an open directory that no rename redirects; where there is none, the path it was opened by. */
export function placeOf(handle: number, path: string): string {
  return process.platform === 'linux' ? `/proc/self/fd/${descriptorOf(handle)}` : path
}

function takeLock(place: string, path: string): DatabaseSync {
  let lock: DatabaseSync
  try {
    lock = new DatabaseSync(join(place, 'lock'), { timeout: 0 })
  } catch (error) {
    throw new Failure('target-not-writable', `the lock of ${path} can't be opened`, { cause: error })
  }
  try {
    // Nothing is ever written to it, so it needs no journal either.
    lock.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    return lock
  } catch (error) {
    lock.close()
    if (isBusy(error)) throw lockedFailure(path)
    throw new Failure('target-not-writable', `the lock of ${path} can't be taken`, { cause: error })
  }
}

/** The id in a target's marker, without locking it; '' where it has none. Throws as `openTarget` does for what is damaged. */
export function targetId(path: string): string {
  return readMarker(join(path, ownDirectory), path)?.id ?? ''
}

const stagingName = utf8('staging')

function openOwn(sys: Sys, path: string, root: number): { handle: number; staging: number } {
  const handle = sys.openDirectory(root, utf8(ownDirectory))
  if (handle < 0) throw notWritable(path, errnoName(handle), `the ${ownDirectory} of ${path} can't be opened`)
  sys.makeDirectory(handle, stagingName, 0o700)
  const staging = sys.openDirectory(handle, stagingName)
  if (staging >= 0) return { handle, staging }
  sys.close(handle)
  throw notWritable(path, errnoName(staging), `the staging directory of ${path} can't be opened`)
}

/**
 * Settles the journal of a run that died, then empties the staging directory: what is left there is our own unfinished
 * work, except what was marked to be kept.
 */
function recoverStaging(
  sys: Sys,
  path: string,
  root: number,
  own: { handle: number; staging: number; place: string },
): Recovery {
  const settings = readStoreSettings(own.place)
  const handles = { root, own: own.handle, staging: own.staging }
  const recovery = recoverJournal(sys, handles, (run) => filesOfRun(sys, path, own, settings, run))
  const kept = new KeptPlace(sys, own.handle, own.staging)
  clearStaging(sys, own.staging, kept)
  kept.close()
  clearOutside(sys, own.place)
  const cleared = clearJournal(sys, own.handle)
  if (cleared < 0) throw notWritable(path, errnoName(cleared), `the settled journal of ${path} can't be removed`)
  return recovery
}

function filesOfRun(
  sys: Sys,
  path: string,
  own: { handle: number; place: string },
  settings: StoreSettings,
  run: string,
): number {
  const id = readMarker(own.place, path)?.id ?? ''
  const ownPath = join(path, ownDirectory)
  const store = openStore(sys, { own: own.handle, id, ownPath }, settings, false)
  const place = store === undefined ? undefined : openRunPlace(sys, store, run)
  const files = place === undefined ? -errno.ENOENT : sys.openDirectory(place.files, utf8(''))
  if (place !== undefined) closeRunPlace(sys, place)
  if (store !== undefined) sys.close(store.handle)
  return files
}

/** What a person typed as the ends of a local job, after links are followed; for refusing nested and equal ones. */
export function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    try {
      return join(realpathSync(dirname(path)), basename(path))
    } catch {
      return path
    }
  }
}
