// Where a target keeps old versions: `.nightferry/versions`, or a folder elsewhere on the same file system that a person
// named. Below it a directory a run, in it `run.json`, the parts of the run's manifest, and `files` with what the run
// replaced or deleted under its own path. What lies there got there by one rename and was what the scan saw. Runs go
// whole: renamed first, so that half a run is never taken for one. Never reaches above the store, follows no symlink.

import { mkdirSync, realpathSync, rmdirSync, statfsSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { ownDirectory, type RelPath } from '../core/path.ts'
import { isExpired, type Keep, type KeptRun, keepText, parseKeep, toPrune } from '../core/retention.ts'
import { mtimeSecondsOf, statCtimeSeconds, statMode, statWidth, typeDirectory, typeMask } from '../core/stat.ts'
import { fromUtf8, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { readOwnFile, writeOwnFile } from '../std/files.ts'
import { unlockDirectory } from './directories.ts'
import { readManifest, readSmall } from './manifest.ts'
import { EntryTable, errno, errnoName, type Sys } from './sys.ts'

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
  const parent = directory === undefined ? root.own : sys.openRoot(directory)
  if (parent < 0) {
    if (!create) return undefined
    throw refused(directory ?? root.ownPath, parent)
  }
  const name = directory === undefined ? storeName : utf8(`nightferry-${root.id}`)
  const path = directory === undefined ? join(root.ownPath, 'versions') : join(directory, `nightferry-${root.id}`)
  if (create) sys.makeDirectory(parent, name, 0o700)
  const handle = sys.openDirectory(parent, name)
  if (directory !== undefined) sys.close(parent)
  if (handle >= 0) return { handle, path }
  if (create) throw refused(path, handle)
  return undefined
}

function refused(path: string, code: number): Failure {
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
  for (const run of runNames(sys, from.handle)) sys.renameNoReplace(from.handle, utf8(run), to.handle, utf8(run))
}

/** Makes a run's place. Throws `unsolicited` where the run has one already: no peer adds to what another run kept. */
export function makeRunPlace(sys: Sys, store: Store, run: string, facts: { atMs: number }): RunPlace {
  const made = sys.makeDirectory(store.handle, utf8(run), 0o700)
  if (made === -errno.EEXIST) throw new Failure('unsolicited', `the run ${run} has kept its versions already`)
  if (made < 0) throw refused(store.path, made)
  const place = openRunPlace(sys, store, run)
  if (place === undefined) throw refused(store.path, -errno.EIO)
  writeRunFacts(sys, place, { ...facts, sizeBytes: undefined })
  return place
}

/** The place of a run that kept something, or undefined. */
export function openRunPlace(sys: Sys, store: Store, run: string): RunPlace | undefined {
  const handle = isRunId(run) ? sys.openDirectory(store.handle, utf8(run)) : -1
  if (handle < 0) return undefined
  sys.makeDirectory(handle, filesName, 0o700)
  const files = sys.openDirectory(handle, filesName)
  if (files >= 0) return { run, handle, files }
  sys.close(handle)
  return undefined
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

/** The runs that a store holds, oldest first. Throws `format-too-new` where one is of a newer format. */
export function listRuns(sys: Sys, store: Store): KeptRun[] {
  return runNames(sys, store.handle)
    .sort()
    .flatMap((run) => readRun(sys, store, run) ?? [])
}

function runNames(sys: Sys, store: number): string[] {
  const table = new EntryTable()
  const names: string[] = []
  if (sys.list(store, table) < 0) return names
  for (let row = 0; row < table.count; row++) names.push(fromUtf8(table.name(row)) ?? '')
  return names.filter(isRunId)
}

function readRun(sys: Sys, store: Store, run: string): KeptRun | undefined {
  const handle = sys.openDirectory(store.handle, utf8(run))
  if (handle < 0) return undefined
  try {
    const bytes = readSmall(sys, handle, runFile, smallMaxBytes)
    const facts = typeof bytes === 'number' ? undefined : parseJson(bytes)
    const version = facts?.['version']
    if (typeof version === 'number' && version > formatVersion) throw tooNew(join(store.path, run))
    const row = new Uint32Array(statWidth)
    sys.statHandle(handle, row, 0)
    const atMs = facts?.['atMs']
    const sizeBytes = facts?.['sizeBytes']
    return {
      run,
      atMs: typeof atMs === 'number' ? atMs : mtimeSecondsOf(row, 0) * 1000,
      sizeBytes: typeof sizeBytes === 'number' ? sizeBytes : manifestSize(sys, handle),
    }
  } finally {
    sys.close(handle)
  }
}

/** What a run that did not come to its end has kept, by what it told. */
function manifestSize(sys: Sys, run: number): number {
  const manifest = readManifest(sys, run)
  if (typeof manifest === 'number') return 0
  let sum = 0
  for (const change of manifest.changes.values()) sum += sizeKept(change)
  return sum
}

/** Bytes of old versions that a change leaves in the store. */
export function sizeKept(change: { readonly a: string } & object): number {
  if ('sizeBytes' in change && typeof change.sizeBytes === 'number') return change.sizeBytes
  if (!('before' in change) || !Array.isArray(change.before) || 'movedTo' in change) return 0
  if (change.a !== 'replaced' && change.a !== 'retyped') return 0
  const [mode = 0, , , , , , , low = 0, high = 0] = change.before as number[]
  return (mode & typeMask) === typeDirectory ? 0 : high * 0x1_0000_0000 + low
}

export type Pruned = {
  /** Runs whose versions were older than the policy. */
  readonly expired: number
  /** Runs whose versions went sooner than was promised, for want of space. */
  readonly early: number
}

/**
 * Applies the policy to a store and to what lies in `.nightferry/kept`. `neededBytes`: room that is wanted at once.
 * `spare`: the run that is under way, whose versions are never removed.
 */
export function prune(
  sys: Sys,
  store: Store,
  own: number,
  options: { keep: Keep; nowMs: number; neededBytes: number; spare: string | undefined },
): Pruned {
  clearGone(sys, store)
  const { keep, nowMs, neededBytes, spare } = options
  const runs = listRuns(sys, store).filter(({ run }) => run !== spare)
  const { expired, early } = toPrune(runs, keep, { ...volumeOf(store.path), neededBytes }, nowMs)
  for (const run of [...expired, ...early]) removeRun(sys, store, run)
  pruneKept(sys, own, keep, nowMs)
  return { expired: expired.length, early: early.length }
}

function volumeOf(path: string): { totalBytes: number; freeBytes: number } {
  const { bsize, blocks, bavail } = statfsSync(path)
  return { totalBytes: bsize * blocks, freeBytes: bsize * bavail }
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

function removeRun(sys: Sys, store: Store, run: string): void {
  const gone = utf8(`${goneMark}${run}`)
  if (sys.renameNoReplace(store.handle, utf8(run), store.handle, gone) === 0) removeTree(sys, store.handle, gone)
}

/** Goes on where a machine died while it removed a run. */
function clearGone(sys: Sys, store: Store): void {
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
