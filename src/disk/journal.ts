// What is about to be displaced, written before it is: if the machine dies between taking something away and looking at
// what was taken, the next run finds it here and puts it back. One line of JSON for each, in `.nightferry/journal`;
// emptied when everything it names was looked at and the change is on disk. Never names a path outside the root.

import { parseRelPath, type RelPath } from '../core/path.ts'
import { sameFile, statWidth } from '../core/stat.ts'
import { fromUtf8, utf8 } from '../std/bytes.ts'
import { errno, type Sys } from './sys.ts'

export type Displacement = {
  /** Name in the staging directory under which the displaced thing lies, or will. */
  readonly slot: string
  readonly path: RelPath
  /** What the scan saw at `path`. */
  readonly expected: readonly number[]
  /** The row of what was staged under `slot` to take its place, for an exchange. */
  readonly staged: readonly number[] | undefined
}

const journalName = utf8('journal')
const journalMaxBytes = 256 * 1024 * 1024

/** Adds lines to the journal and syncs it. `own` is the handle of `.nightferry`. */
export function writeJournal(sys: Sys, own: number, displacements: readonly Displacement[]): number {
  if (displacements.length === 0) return 0
  const kept = readJournalBytes(sys, own)
  const lines = utf8(displacements.map((line) => `${JSON.stringify(line)}\n`).join(''))
  const temporary = utf8('journal.new')
  sys.unlink(own, temporary)
  const handle = sys.createFile(own, temporary, 0o600)
  if (handle < 0) return handle
  let code = kept === undefined ? 0 : sys.write(handle, kept, 0, kept.length)
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

function readJournalBytes(sys: Sys, own: number): Uint8Array | undefined {
  const handle = sys.openFile(own, journalName)
  if (handle < 0) return undefined
  const piece = new Uint8Array(1 << 20)
  let bytes = new Uint8Array(0)
  for (let count = sys.read(handle, piece, 0, piece.length, -1); count > 0 && bytes.length < journalMaxBytes; ) {
    const grown = new Uint8Array(bytes.length + count)
    grown.set(bytes)
    grown.set(piece.subarray(0, count), bytes.length)
    bytes = grown
    count = sys.read(handle, piece, 0, piece.length, -1)
  }
  sys.close(handle)
  return bytes
}

export type Recovered = { readonly path: RelPath; readonly outcome: 'put-back' | 'kept-aside' }

/**
 * Settles what a run that died left: what was taken away and is missing goes back; what was exchanged without having
 * been looked at, and is not what the scan saw, is exchanged back. Afterwards the staging directory holds our own
 * unfinished work only.
 */
export function recoverJournal(sys: Sys, handles: { root: number; own: number; staging: number }): Recovered[] {
  const bytes = readJournalBytes(sys, handles.own)
  if (bytes === undefined) return []
  const recovered: Recovered[] = []
  for (const line of (fromUtf8(bytes) ?? '').split('\n')) {
    const displacement = parseLine(line)
    if (displacement === undefined) continue
    const outcome = settle(sys, handles, displacement)
    if (outcome !== undefined) recovered.push({ path: displacement.path, outcome })
  }
  return recovered
}

function parseLine(line: string): Displacement | undefined {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value !== 'object' || value === null) return undefined
    const { slot, path, expected, staged } = value as Record<string, unknown>
    const parsed = typeof path === 'string' ? parseRelPath(path) : undefined
    if (typeof slot !== 'string' || !/^[a-z0-9]{1,40}$/.test(slot) || parsed === undefined || parsed === '') return undefined
    if (!isRow(expected) || (staged !== undefined && !isRow(staged))) return undefined
    return { slot, path: parsed, expected, staged }
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
): Recovered['outcome'] | undefined {
  const slot = utf8(displacement.slot)
  const row = new Uint32Array(statWidth)
  if (sys.stat(handles.staging, slot, row, 0) < 0) return undefined
  // Still ours: it never took the place of anything.
  if (displacement.staged !== undefined && sameFile(row, 0, Uint32Array.from(displacement.staged), 0)) return undefined
  const slash = displacement.path.lastIndexOf('/')
  const parent = sys.openDirectory(handles.root, utf8(slash < 0 ? '' : displacement.path.slice(0, slash)))
  if (parent < 0) return keepAside(sys, handles, slot)
  const name = utf8(displacement.path.slice(slash + 1))
  const back = sys.renameNoReplace(handles.staging, slot, parent, name)
  let outcome: Recovered['outcome'] | undefined = 'put-back'
  if (back === -errno.EEXIST) {
    // The new version is in place. What was displaced is either what the scan saw, and done with, or a person's.
    const seen = sameFile(row, 0, Uint32Array.from(displacement.expected), 0)
    outcome = seen ? undefined : keepAside(sys, handles, slot)
  } else if (back < 0) outcome = keepAside(sys, handles, slot)
  sys.close(parent)
  return outcome
}

/** Content that nobody looked at and whose place is taken: it stays, in `.nightferry/kept`. */
function keepAside(sys: Sys, handles: { own: number; staging: number }, slot: Uint8Array): 'kept-aside' {
  const kept = utf8('kept')
  sys.makeDirectory(handles.own, kept, 0o700)
  const directory = sys.openDirectory(handles.own, kept)
  if (directory >= 0) {
    sys.renameNoReplace(handles.staging, slot, directory, slot)
    sys.close(directory)
  }
  return 'kept-aside'
}
