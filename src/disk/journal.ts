// What is about to be displaced, written before it is: if the machine dies between taking something away and looking at
// what was taken, the next run finds it here and puts it back. One line of JSON for each, in `.nightferry/journal`;
// emptied when everything it names was looked at and the change is on disk. Never names a path outside the root.

import { nameOf, parentOf, parseRelPath, type RelPath } from '../core/path.ts'
import { sameFile, statWidth } from '../core/stat.ts'
import { concatBytes, fromUtf8, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { isKept, Kept, keepAside } from './aside.ts'
import { sameDirectory, unlockDirectory } from './directories.ts'
import { EntryTable, errno, errnoName, type Sys } from './sys.ts'

export type Displacement = {
  /** Name in the staging directory under which the displaced thing lies, or will. */
  readonly slot: string
  readonly path: RelPath
  /** What the scan saw at `path`. */
  readonly expected: readonly number[]
  /** The row of what was staged under `slot` to take its place, for an exchange. */
  readonly staged: readonly number[] | undefined
  /** The run whose versions it belongs to, where any are kept. */
  readonly run?: string | undefined
}

/** Where a run's versions lie, by its id: a handle that the caller closes, or a negative one where there is none. */
export type FilesOfRun = (run: string) => number

const journalName = utf8('journal')
const journalMaxBytes = 256 * 1024 * 1024

/**
 * Adds lines to the journal and syncs it. `own` is the handle of `.nightferry`; `run`: whose versions what is displaced
 * will be. Zero or a negative errno.
 */
export function writeJournal(sys: Sys, own: number, displacements: readonly Displacement[], run?: string): number {
  if (displacements.length === 0) return 0
  const kept = readJournalBytes(sys, own)
  if (typeof kept === 'number') return kept
  const lines = utf8(displacements.map((line) => `${JSON.stringify({ ...line, run })}\n`).join(''))
  if (kept.length + lines.length > journalMaxBytes) return -errno.EFBIG
  const temporary = utf8('journal.new')
  sys.unlink(own, temporary)
  const handle = sys.createFile(own, temporary, 0o600)
  if (handle < 0) return handle
  let code = sys.write(handle, kept, 0, kept.length)
  if (code === 0) code = sys.write(handle, lines, 0, lines.length)
  if (code === 0) code = sys.syncHandle(handle)
  sys.close(handle)
  if (code < 0) return code
  code = sys.renameOver(own, temporary, own, journalName)
  return code < 0 ? code : sys.syncHandle(own)
}

/** Everything it named is settled. */
export function clearJournal(sys: Sys, own: number): void {
  sys.unlink(own, journalName)
}

/** All of it, nothing where there is none, or a negative errno: half a journal is not one. */
function readJournalBytes(sys: Sys, own: number): Uint8Array | number {
  const handle = sys.openFile(own, journalName)
  if (handle < 0) return handle === -errno.ENOENT ? new Uint8Array(0) : handle
  const pieces: Uint8Array[] = []
  let length = 0
  for (;;) {
    const piece = new Uint8Array(1 << 20)
    const count = sys.read(handle, piece, 0, piece.length, -1)
    length += Math.max(0, count)
    if (count <= 0 || length > journalMaxBytes) {
      sys.close(handle)
      return count < 0 ? count : length > journalMaxBytes ? -errno.EFBIG : concatBytes(pieces)
    }
    pieces.push(piece.subarray(0, count))
  }
}

export type Recovered = { readonly path: RelPath; readonly outcome: 'put-back' | 'kept-aside' }

/**
 * Settles what a run that died left: what was taken away and is missing goes back; what was displaced without having
 * been looked at, and is not what the scan saw, is kept aside. Afterwards the staging directory holds our own unfinished
 * work and what `keepAside` marked. Throws `target-not-writable` where something can't be settled: nothing in the staging
 * directory may be cleared away then.
 */
export function recoverJournal(
  sys: Sys,
  handles: { root: number; own: number; staging: number },
  filesOf: FilesOfRun,
): Recovered[] {
  const bytes = readJournalBytes(sys, handles.own)
  if (typeof bytes === 'number') throw unsettled(errnoName(bytes))
  const recovered: Recovered[] = []
  const lines = (fromUtf8(bytes) ?? 'damaged').split('\n').filter((line) => line !== '')
  for (const line of lines) {
    const displacement = parseLine(line)
    const outcome = displacement === undefined ? undefined : settle(sys, handles, displacement, filesOf)
    if (displacement !== undefined && outcome !== undefined) recovered.push({ path: displacement.path, outcome })
  }
  // Without its line nothing says whose something is that lies there: then it stays.
  if (lines.some((line) => parseLine(line) === undefined)) keepAll(sys, handles.staging, recovered)
  // What has a name again has it on disk before its line goes: else a power cut could leave it in staging without one.
  const synced = lines.length === 0 ? 0 : sys.syncFileSystem(handles.own)
  if (synced < 0) throw unsettled(errnoName(synced))
  return recovered
}

function keepAll(sys: Sys, staging: number, recovered: Recovered[]): void {
  const table = new EntryTable()
  sys.list(staging, table)
  for (let row = 0; row < table.count; row++) {
    const name = table.name(row).slice()
    const path = (fromUtf8(name) ?? '') as RelPath
    if (!isKept(name)) recovered.push({ path, outcome: keep(sys, staging, name, path) })
  }
}

function unsettled(why: string): Failure {
  return new Failure('target-not-writable', `what a run that was cut off had taken aside can't be put back (${why})`, {
    hint: 'it lies in .nightferry/staging of the target, and nothing there was touched',
  })
}

function parseLine(line: string): Displacement | undefined {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value !== 'object' || value === null) return undefined
    const { slot, path, expected, staged, run } = value as Record<string, unknown>
    const parsed = typeof path === 'string' ? parseRelPath(path) : undefined
    if (typeof slot !== 'string' || !/^[a-z0-9]{1,40}$/.test(slot) || parsed === undefined || parsed === '')
      return undefined
    if (!isRow(expected) || (staged !== undefined && !isRow(staged))) return undefined
    if (run !== undefined && typeof run !== 'string') return undefined
    return { slot, path: parsed, expected, staged, run }
  } catch {
    return undefined
  }
}

function isRow(value: unknown): value is number[] {
  return Array.isArray(value) && value.length === statWidth && value.every((part) => Number.isInteger(part))
}

function settle(
  sys: Sys,
  handles: { root: number; own: number; staging: number },
  displacement: Displacement,
  filesOf: FilesOfRun,
): Recovered['outcome'] | undefined {
  const slot = utf8(displacement.slot)
  const row = new Uint32Array(statWidth)
  if (sys.stat(handles.staging, slot, row, 0) < 0) return undefined
  // Still ours: it never took the place of anything.
  if (displacement.staged !== undefined && sameFile(row, 0, Uint32Array.from(displacement.staged), 0)) return undefined
  const { path } = displacement
  const parent = sys.openDirectory(handles.root, utf8(parentOf(path)))
  if (parent < 0) return keep(sys, handles.staging, slot, path)
  const lock = unlockDirectory(sys, parent)
  const back = sys.renameNoReplace(handles.staging, slot, parent, utf8(nameOf(path)))
  lock?.()
  sys.close(parent)
  if (back === 0) return 'put-back'
  // The new version is in place. What was displaced is either what the scan saw, and done with, or a person's.
  const isSeen = back === -errno.EEXIST && isDisplaced(row, displacement)
  if (!isSeen) return keep(sys, handles.staging, slot, path)
  return keepVersion(sys, handles.staging, displacement, filesOf) ? undefined : keep(sys, handles.staging, slot, path)
}

/** Whether a row is of what the scan saw. A directory was looked through before its name was given away. */
function isDisplaced(row: Uint32Array, { expected, run }: Displacement): boolean {
  const seen = Uint32Array.from(expected)
  return sameFile(row, 0, seen, 0) || (run !== undefined && sameDirectory(row, seen))
}

/** What was replaced goes where the run would have brought it. True where it may go from the staging directory now. */
function keepVersion(sys: Sys, staging: number, displacement: Displacement, filesOf: FilesOfRun): boolean {
  const { run, slot, path } = displacement
  if (run === undefined) return true
  const files = filesOf(run)
  if (files < 0) return false
  const code = new Kept(files).take(sys, staging, utf8(slot), path)
  sys.close(files)
  return code === 0
}

function keep(sys: Sys, staging: number, slot: Uint8Array, path: RelPath): 'kept-aside' {
  if (!keepAside(sys, staging, slot, path)) throw unsettled('it could not be renamed')
  return 'kept-aside'
}
