// Where a target keeps old versions: `.nightferry/versions`, or a folder elsewhere on the same file system that a person
// named. Below it a directory a run, in it `run.json`, the parts of the run's manifest, and `files` with what the run
// replaced or deleted under its own path. What lies there got there by one rename and was what the scan saw. Runs go
// whole: renamed first, so that half a run is never taken for one. Never reaches above the store, follows no symlink.

import { mkdirSync, realpathSync, rmdirSync, statfsSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { ownDirectory, type RelPath } from '../core/path.ts'
import { isExpired, type Keep, type KeptRun, keepText, parseKeep } from '../core/retention.ts'
import {
  mtimeSecondsOf,
  statCtimeNs,
  statCtimeSeconds,
  statInodeLow,
  statMode,
  statMtimeNs,
  statWidth,
  typeDirectory,
  typeMask,
} from '../core/stat.ts'
import { fromUtf8, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { readOwnFile, writeOwnFile } from '../std/files.ts'
import { unlockDirectory } from './directories.ts'
import { Gathering, type Holdings, sizeKept } from './holdings.ts'
import { eachChange, readSmall } from './manifest.ts'
import { racyMs } from './racy.ts'
import { EntryTable, errno, errnoName, type Sys } from './sys.ts'
import { storesIn, storingHandle } from './sys-names.ts'

const formatVersion = 1
const settingsFile = 'versions.json'
const storeName = utf8('versions')
const filesName = utf8('files')
const runFile = utf8('run.json')
const goneMark = 'gone-'
const smallMaxBytes = 64 * 1024

/** What a target remembers of how its versions are kept. */
export type StoreSettings = {
  /** Absolute; undefined: `.nightferry/versions`. */
  readonly directory: string | undefined
  readonly keep: Keep | undefined
}

/** A target's store, open. The handle belongs to whoever opened it. */
export type Store = { readonly handle: number; readonly path: string }

/** The directory of one run in a store. Both handles belong to whoever opened it. */
export type RunPlace = { readonly run: string; readonly handle: number; readonly files: number }

/** Names are told by peers and become names of directories. */
export function isRunId(text: string): boolean {
  return /^\d{8}T\d{9}Z-[a-z0-9]{4,32}$/.test(text)
}

/** The settings in a target's `.nightferry`. Throws `format-too-new`, and `bad-config` for what is damaged. */
export function readStoreSettings(ownPath: string): StoreSettings {
  const path = join(ownPath, settingsFile)
  const bytes = readOwnFile(path, { maxBytes: smallMaxBytes })
  if (bytes === undefined) return { directory: undefined, keep: undefined }
  const damaged = (): Failure =>
    new Failure('bad-config', `${path} is damaged`, {
      hint: 'It says where old versions lie. Remove it if they lie in .nightferry/versions; nothing was changed.',
    })
  const value = parseJson(bytes)
  if (value === undefined) throw damaged()
  const { version, directory, keep } = value
  if (typeof version === 'number' && version > formatVersion) throw tooNew(path)
  const parsed = typeof keep === 'string' ? parseKeep(keep) : undefined
  if (version !== formatVersion || (keep !== undefined && parsed === undefined)) throw damaged()
  if (directory !== undefined && (typeof directory !== 'string' || resolve(directory) !== directory)) throw damaged()
  return { directory, keep: parsed }
}

function tooNew(path: string): Failure {
  return new Failure('format-too-new', `${path} was written by a newer Nightferry`, {
    hint: 'update this machine; nothing was changed',
  })
}

export function writeStoreSettings(ownPath: string, settings: StoreSettings): void {
  const { directory, keep } = settings
  const value = { version: formatVersion, ...(directory && { directory }), ...(keep && { keep: keepText(keep) }) }
  writeOwnFile(join(ownPath, settingsFile), utf8(`${JSON.stringify(value)}\n`), { mode: 0o600 })
}

function parseJson(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(fromUtf8(bytes) ?? '')
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/**
 * The folder that a person named for versions, resolved and made where it is missing. Throws `bad-usage` where it can't
 * be one: on another file system than the target, or inside of it. `undefined` stands for the target's own place.
 */
export function checkStoreDirectory(text: string, rootPath: string): string | undefined {
  const path = resolve(text)
  const ownPath = join(rootPath, ownDirectory)
  if (path === join(ownPath, 'versions')) return undefined
  const isWithin = (inner: string): boolean => inner === rootPath || inner.startsWith(`${rootPath}/`)
  if (isWithin(path)) throw insideTarget(path)
  const isNew = makeFolder(path)
  try {
    const real = realpathSync(path)
    if (isWithin(real)) throw insideTarget(path)
    const facts = statSync(real)
    if (!facts.isDirectory()) throw new Failure('bad-usage', `${path} is not a folder`)
    if (facts.dev !== statSync(rootPath).dev) {
      throw new Failure('bad-usage', `${path} lies on another file system than the target ${rootPath}`, {
        hint: 'what is replaced is renamed into versions, never copied: name a folder on the same disk',
      })
    }
    return real
  } catch (error) {
    // A mistyped path leaves no folder behind.
    if (isNew) rmdirSync(path)
    throw error
  }
}

/** Whether it was missing. */
function makeFolder(path: string): boolean {
  try {
    mkdirSync(path, { mode: 0o700 })
    return true
  } catch (error) {
    if ((error as { code?: string }).code === 'EEXIST') return false
    throw new Failure('bad-usage', `${path} can't be made (${(error as { code?: string }).code})`, {
      hint: 'name a folder whose parent is there, on the file system of the target',
    })
  }
}

function insideTarget(path: string): Failure {
  return new Failure('bad-usage', `versions can't lie in the target itself (${path})`, {
    hint: 'leave --versions out: they lie in .nightferry/versions then, which is never compared',
  })
}

/** Opens the store of a target. Undefined where there is none and none is to be made. Throws `target-not-writable`. */
export function openStore(
  sys: Sys,
  root: { readonly own: number; readonly id: string; readonly ownPath: string },
  settings: StoreSettings,
  create: boolean,
): Store | undefined {
  const { directory } = settings
  // The names in it are those of the target, whose disk it lies on.
  const parent = directory === undefined ? root.own : storingHandle(sys.openRoot(directory), storesIn(root.own))
  if (parent < 0) {
    if (!create) return undefined
    throw refused(directory ?? root.ownPath, parent)
  }
  const name = directory === undefined ? storeName : utf8(`nightferry-${root.id}`)
  const path = directory === undefined ? join(root.ownPath, 'versions') : join(directory, `nightferry-${root.id}`)
  const made = create ? sys.makeDirectory(parent, name, 0o700) : 0
  const handle = sys.openDirectory(parent, name)
  if (directory !== undefined) sys.close(parent)
  if (handle >= 0) return { handle, path }
  if (create) throw refused(path, made < 0 && made !== -errno.EEXIST ? made : handle)
  return undefined
}

function refused(path: string, code: number): Failure {
  if (code === -errno.ENOSPC || code === -errno.EDQUOT) {
    return new Failure('target-full', `there is no space left for a folder in ${path} (${errnoName(code)})`, {
      hint: 'nothing was changed; free some space, or room for more names, then run again',
    })
  }
  return new Failure(
    'target-not-writable',
    `the folder for old versions ${path} can't be opened (${errnoName(code)})`,
    {
      hint: 'nothing was changed; see to it, or keep them elsewhere with --versions DIR',
    },
  )
}

/** Brings what a store holds to another one on the same file system. */
export function moveStore(sys: Sys, from: Store, to: Store): void {
  for (const { run } of runsIn(sys, from)) sys.renameNoReplace(from.handle, utf8(run), to.handle, utf8(run))
}

/** Makes a run's place. Throws `unsolicited` where the run has one already: no peer adds to what another run kept. */
export function makeRunPlace(sys: Sys, store: Store, run: string, facts: { atMs: number }): RunPlace {
  const made = sys.makeDirectory(store.handle, utf8(run), 0o700)
  if (made === -errno.EEXIST) throw new Failure('unsolicited', `the run ${run} has kept its versions already`)
  if (made < 0) throw refused(store.path, made)
  const handle = sys.openDirectory(store.handle, utf8(run))
  const files = handle < 0 ? handle : openFiles(sys, handle)
  if (files < 0) {
    if (handle >= 0) sys.close(handle)
    // A place in which nothing can be kept would stay for good.
    sys.removeDirectory(store.handle, utf8(run))
    throw refused(store.path, files)
  }
  const place = { run, handle, files }
  writeRunFacts(sys, place, { ...facts, sizeBytes: undefined })
  return place
}

/** The place of a run that kept something, or undefined. */
export function openRunPlace(sys: Sys, store: Store, run: string): RunPlace | undefined {
  const handle = isRunId(run) ? sys.openDirectory(store.handle, utf8(run)) : -1
  if (handle < 0) return undefined
  const files = openFiles(sys, handle)
  if (files >= 0) return { run, handle, files }
  sys.close(handle)
  return undefined
}

/** The handle of what a run keeps, made where it is missing; a negative errno where it can't be. */
function openFiles(sys: Sys, run: number): number {
  const made = sys.makeDirectory(run, filesName, 0o700)
  const files = sys.openDirectory(run, filesName)
  return files < 0 && made < 0 && made !== -errno.EEXIST ? made : files
}

export function closeRunPlace(sys: Sys, place: RunPlace): void {
  sys.close(place.files)
  sys.close(place.handle)
}

/** Says when the run began, and once it ended how much it kept. */
export function writeRunFacts(sys: Sys, place: RunPlace, facts: { atMs: number; sizeBytes: number | undefined }): void {
  const temporary = utf8('run.new')
  sys.unlink(place.handle, temporary)
  const handle = sys.createFile(place.handle, temporary, 0o600)
  if (handle < 0) return
  const bytes = utf8(`${JSON.stringify({ version: formatVersion, run: place.run, ...facts })}\n`)
  const code = sys.write(handle, bytes, 0, bytes.length)
  sys.close(handle)
  // Without it the run's age is that of its directory, and its size that of its manifest.
  if (code === 0) sys.renameOver(place.handle, temporary, place.handle, runFile)
}

/** Removes a place in which nothing was kept and nothing was told. */
export function dropRunPlace(sys: Sys, store: Store, place: RunPlace): void {
  closeRunPlace(sys, place)
  removeRun(sys, store, place.run)
}

/** A run that a store holds; what is known of it holds while its stamp is the same. */
export type Stamped = { readonly run: string; readonly stamp: string }

/** The runs that a store holds, oldest first. */
export function runsIn(sys: Sys, store: Store): Stamped[] {
  const table = new EntryTable()
  const runs: Stamped[] = []
  if (sys.list(store.handle, table) < 0) return runs
  for (let row = 0; row < table.count; row++) {
    const run = idShownAs(fromUtf8(table.name(row)) ?? '')
    if (isRunId(run)) runs.push({ run, stamp: stampOf(table.stats, row * statWidth) })
  }
  return runs.sort((a, b) => (a.run < b.run ? -1 : 1))
}

/** A disk may show every name in lower case, and answers to both. */
function idShownAs(name: string): string {
  return name.replace(/^\d{8}t\d{9}z-/, (time) => time.toUpperCase())
}

/** The stamp of one run now; '' where it has none. */
export function stampIn(sys: Sys, store: Store, run: string): string {
  const row = new Uint32Array(statWidth)
  return sys.stat(store.handle, utf8(run), row, 0) < 0 ? '' : stampOf(row, 0)
}

/** Inode and times of a directory: they move with whatever gets or loses a name in it. */
function stampOf(stats: Uint32Array, at: number): string {
  return [...stats.subarray(at + statInodeLow, at + statMtimeNs + 1)].join(' ')
}

/**
 * Says whether runs came or went: two that are equal are of a store in which none did. Undefined where the last change is
 * so young that another one would not show.
 */
export function storeSignature(sys: Sys, store: Store, nowMs: number): string | undefined {
  const row = new Uint32Array(statWidth)
  if (sys.statHandle(store.handle, row, 0) < 0) return undefined
  const changedMs = (row[statCtimeSeconds] as number) * 1000 + (row[statCtimeNs] as number) / 1e6
  if (Math.abs(nowMs - changedMs) <= racyMs) return undefined
  return stampOf(row, 0)
}

/** What is known of a run that kept something, from its own place. */
export type KeptFacts = KeptRun & {
  readonly stamp: string
  /** It closed its books: what is said here will not change. */
  readonly isEnded: boolean
  readonly holdings: Holdings
}

/** Undefined where the run is gone. Throws `format-too-new` where it is of a newer format. */
export function readRun(sys: Sys, store: Store, run: string): KeptFacts | undefined {
  const handle = sys.openDirectory(store.handle, utf8(run))
  if (handle < 0) return undefined
  try {
    const facts = readRunFile(sys, store, run, handle)
    const row = new Uint32Array(statWidth)
    sys.statHandle(handle, row, 0)
    const atMs = facts?.['atMs']
    const sizeBytes = facts?.['sizeBytes']
    const told = readTold(sys, handle)
    return {
      run,
      stamp: stampOf(row, 0),
      atMs: typeof atMs === 'number' ? atMs : mtimeSecondsOf(row, 0) * 1000,
      // A run that did not come to its end has kept what it told.
      sizeBytes: typeof sizeBytes === 'number' ? sizeBytes : told.sizeBytes,
      isEnded: typeof sizeBytes === 'number',
      holdings: told.holdings,
    }
  } finally {
    sys.close(handle)
  }
}

/** What a run says of itself, if anything. Throws `format-too-new`. */
function readRunFile(sys: Sys, store: Store, run: string, handle: number): Record<string, unknown> | undefined {
  const bytes = readSmall(sys, handle, runFile, smallMaxBytes)
  const facts = typeof bytes === 'number' ? undefined : parseJson(bytes)
  const version = facts?.['version']
  if (typeof version === 'number' && version > formatVersion) throw tooNew(join(store.path, run))
  return facts
}

/** By its manifest, as far as that can be read. */
function readTold(sys: Sys, run: number): { sizeBytes: number; holdings: Holdings } {
  const gathering = new Gathering()
  let sizeBytes = 0
  eachChange(
    sys,
    run,
    (change) => {
      gathering.add(change)
      sizeBytes += sizeKept(change)
    },
    (line) => !/^{"a":"(made|created|attributes)"/.test(line),
  )
  return { sizeBytes, holdings: gathering.take() }
}

export type Pruned = {
  /** Runs whose versions were older than the policy. */
  readonly expired: number
  /** Runs whose versions went sooner than was promised, for want of space. */
  readonly early: number
}

/** Room on the file system that a store lies on. */
export function volumeOf(store: Store): { totalBytes: number; freeBytes: number } {
  const { bsize, blocks, bavail } = statfsSync(store.path)
  return { totalBytes: bsize * blocks, freeBytes: bsize * bavail }
}

/** Removes runs from a store, and what has lain in `.nightferry/kept` for longer than versions are kept. */
export function removeRuns(
  sys: Sys,
  store: Store,
  own: number,
  options: { runs: readonly string[]; keep: Keep; nowMs: number },
): void {
  for (const run of options.runs) removeRun(sys, store, run)
  pruneKept(sys, own, options.keep, options.nowMs)
}

/** What a run that was cut off put aside for a person is not kept for longer than versions are. */
function pruneKept(sys: Sys, own: number, keep: Keep, nowMs: number): void {
  const kept = sys.openDirectory(own, utf8('kept'))
  if (kept < 0) return
  const table = new EntryTable()
  sys.list(kept, table)
  for (let row = 0; row < table.count; row++) {
    // Its ctime is when it was put there; its mtime is the user's.
    const atMs = (table.stats[row * statWidth + statCtimeSeconds] as number) * 1000
    if (isExpired(atMs, keep, nowMs)) removeTree(sys, kept, table.name(row).slice())
  }
  sys.close(kept)
}

/** Throws `format-too-new` before anything was touched: whatever was known of a run, it is asked once more. */
function removeRun(sys: Sys, store: Store, run: string): void {
  const handle = sys.openDirectory(store.handle, utf8(run))
  if (handle < 0) return
  try {
    readRunFile(sys, store, run, handle)
  } finally {
    sys.close(handle)
  }
  const gone = utf8(`${goneMark}${run}`)
  if (sys.renameNoReplace(store.handle, utf8(run), store.handle, gone) === 0) removeTree(sys, store.handle, gone)
}

/** Goes on where a machine died while it removed a run. */
export function clearGone(sys: Sys, store: Store): void {
  const table = new EntryTable()
  if (sys.list(store.handle, table) < 0) return
  for (let row = 0; row < table.count; row++) {
    const name = table.name(row).slice()
    if ((fromUtf8(name) ?? '').startsWith(goneMark)) removeTree(sys, store.handle, name)
  }
}

/** Removes something of a store with all below it. */
function removeTree(sys: Sys, parent: number, name: Uint8Array): void {
  const row = new Uint32Array(statWidth)
  if (sys.stat(parent, name, row, 0) < 0) return
  if (((row[statMode] as number) & typeMask) !== typeDirectory) {
    sys.unlink(parent, name)
    return
  }
  const handle = sys.openDirectory(parent, name)
  if (handle >= 0) {
    unlockDirectory(sys, handle)
    const table = new EntryTable()
    sys.list(handle, table)
    for (let i = 0; i < table.count; i++) removeTree(sys, handle, table.name(i))
    sys.close(handle)
  }
  sys.removeDirectory(parent, name)
}

/** Opens the directory `path` below `files`, made with its parents where it is missing. A negative errno where it can't be. */
export function openPlaceFor(sys: Sys, files: number, path: RelPath): number {
  const there = sys.openDirectory(files, utf8(path))
  if (there !== -errno.ENOENT) return there
  let at = sys.openDirectory(files, new Uint8Array(0))
  for (const name of path.split('/')) {
    if (at < 0) return at
    sys.makeDirectory(at, utf8(name), 0o700)
    const next = sys.openDirectory(at, utf8(name))
    sys.close(at)
    at = next
  }
  return at
}
