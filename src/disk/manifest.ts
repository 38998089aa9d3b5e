// What a run did to a target, as lines of JSON in parts: what was at a name before, what is there after. Lines are
// written and synced before the change they tell, so nothing happens that is not in here; whoever reads them looks at
// each name first and believes only what is there. A change that was refused gets a line of its own afterwards.
// A line that can't be read was never finished, and so never carried out.

import { digestOf } from '../chunk/digest.ts'
import { isWithin, parentOf, parseRelPath, type RelPath } from '../core/path.ts'
import {
  statMode,
  statMtimeNs,
  statMtimeSeconds,
  statMtimeSecondsHigh,
  statSizeHigh,
  statSizeLow,
  statWidth,
  typeMask,
} from '../core/stat.ts'
import { ByteWriter, compareBytes, concatBytes, fromUtf8, hex, utf8 } from '../std/bytes.ts'
import type { Had } from './attributes.ts'
import { EntryTable, errno, type Sys } from './sys.ts'

/** A stat row as it stands in a line: plain numbers. */
export type Row = readonly number[]

export type Change =
  /** A new directory that landed whole; `digest` is of what it held, `listingDigest`. */
  | { readonly a: 'made'; readonly path: RelPath; readonly digest: string }
  | { readonly a: 'created'; readonly path: RelPath; readonly after: Row; readonly digest?: string }
  /** `movedTo`: what was here only moved, and no version of it is kept. */
  | {
      readonly a: 'replaced' | 'retyped'
      readonly path: RelPath
      readonly before: Row
      /** None where it is a directory now. */
      readonly after?: Row
      readonly digest?: string
      readonly movedTo?: RelPath
      /** Of all that went with a directory. */
      readonly sizeBytes?: number
    }
  | {
      readonly a: 'attributes'
      readonly path: RelPath
      readonly before: Row
      readonly mode: number
      readonly mtimeSeconds: number
      readonly mtimeNs: number
      /** What it had besides, where the run carried more than modes and times. */
      readonly had?: Had
    }
  | {
      readonly a: 'deleted'
      readonly path: RelPath
      readonly before: Row
      readonly movedTo?: RelPath
      /** Of all that went with it. */
      readonly sizeBytes: number
    }
  | TopChange
  | MoveChange
  /** The change that was told for this path did not happen; with `movedTo`: the directory's move. */
  | { readonly a: 'refused'; readonly path: RelPath; readonly movedTo?: RelPath }

/** The top folder itself got another mode, owner or attributes: what it had, and the mode that it gets. */
export type TopChange = {
  readonly a: 'top'
  readonly path: RelPath
  readonly was: number
  readonly had: Had
  readonly mode: number
}

export type MoveChange = {
  readonly a: 'moved-directory'
  readonly path: RelPath
  readonly movedTo: RelPath
  readonly before: Row
  /** Directories that were made above `movedTo` for it, parents first. */
  readonly parents: readonly RelPath[]
  /** Directories above `path` that went with it (an undo took away what a move had made), with their modes. */
  readonly above?: readonly { readonly path: RelPath; readonly mode: number }[]
  /** It came after all other changes, whose paths are those of before (an undo); else before them. */
  readonly isLast?: true
}

export type Manifest = {
  /** One a path, the last that was told; refused ones left out. Directories' moves are apart. */
  readonly changes: ReadonlyMap<RelPath, Change>
  /** In the order in which they were made. */
  readonly moves: readonly MoveChange[]
}

const partPattern = /^part-\d{6}$/
const partMaxBytes = 256 * 1024 * 1024
const pathMark = '"path":'

/** Changes as the lines of a part. */
export function encodeChanges(changes: readonly Change[]): Uint8Array {
  return utf8(changes.map((change) => `${JSON.stringify(change)}\n`).join(''))
}

/** Writes one part, and syncs it unless it need not last. Parts are numbered from 0, each once. Zero or a negative errno. */
export function writePart(sys: Sys, run: number, number: number, lines: readonly Uint8Array[], durably = true): number {
  const name = utf8(`part-${String(number).padStart(6, '0')}`)
  const handle = sys.createFile(run, name, 0o600)
  if (handle < 0) return handle
  let code = 0
  for (const some of lines) if (code === 0) code = sys.write(handle, some, 0, some.length)
  if (code === 0 && durably) code = sys.syncHandle(handle)
  sys.close(handle)
  return code < 0 || !durably ? code : sys.syncHandle(run)
}

/** All of a run's parts, in order; a negative errno where one can't be read. */
export function readManifest(sys: Sys, run: number): Manifest | number {
  const changes = new Map<RelPath, Change>()
  const moves: MoveChange[] = []
  const code = eachChange(sys, run, (change) => take(change, changes, moves))
  return code < 0 ? code : { changes, moves }
}

/**
 * Calls `visit` with each line that was told, in order, one part in memory at a time; `mayMatter` spares the parsing of
 * lines. Zero or a negative errno.
 */
export function eachChange(
  sys: Sys,
  run: number,
  visit: (change: Change) => void,
  mayMatter: (line: string) => boolean = () => true,
): number {
  const table = new EntryTable()
  const listed = sys.list(run, table)
  if (listed < 0) return listed
  const names: string[] = []
  for (let row = 0; row < table.count; row++) names.push(fromUtf8(table.name(row)) ?? '')
  for (const name of names.filter((one) => partPattern.test(one)).sort()) {
    const bytes = readSmall(sys, run, utf8(name), partMaxBytes)
    if (typeof bytes === 'number') return bytes
    for (const line of linesIn(bytes)) {
      const change = mayMatter(line) ? parseChange(line) : undefined
      if (change !== undefined) visit(change)
    }
  }
  return 0
}

function* linesIn(bytes: Uint8Array): Generator<string> {
  const newline = 0x0a
  for (let start = 0; start < bytes.length; ) {
    const found = bytes.indexOf(newline, start)
    const end = found < 0 ? bytes.length : found
    yield fromUtf8(bytes.subarray(start, end)) ?? ''
    start = end + 1
  }
}

/**
 * What a run told about versions that may hold `path` or something below it: the changes at it, below it, and of
 * directories above it. What was refused is left out. A negative errno where a part can't be read.
 */
export function changesAbout(sys: Sys, run: number, path: RelPath): Map<RelPath, Change> | number {
  const changes = new Map<RelPath, Change>()
  // Our own lines put the path second: only what begins like one of these is worth parsing.
  const own = path === '' ? '' : JSON.stringify(path).slice(0, -1)
  const above: string[] = []
  for (let at = path; at !== ''; at = parentOf(at)) above.push(JSON.stringify(at))
  const code = eachChange(
    sys,
    run,
    (change) => {
      if (isWithin(change.path, path) || isWithin(path, change.path)) take(change, changes, [])
    },
    (line) => {
      const start = line.indexOf(pathMark) + pathMark.length
      if (start < pathMark.length || line.startsWith(own, start)) return true
      return above.some((text) => line.startsWith(text, start))
    },
  )
  return code < 0 ? code : changes
}

/** A later line about the same thing holds. */
function take(change: Change, changes: Map<RelPath, Change>, moves: MoveChange[]): void {
  const { a, path } = change
  const isMove = 'movedTo' in change && (a === 'moved-directory' || a === 'refused')
  if (!isMove) {
    if (a === 'refused') changes.delete(path)
    else changes.set(path, change)
    return
  }
  const known = moves.findIndex((move) => move.path === path && move.movedTo === change.movedTo)
  if (a === 'refused') {
    if (known >= 0) moves.splice(known, 1)
  } else if (known >= 0) moves[known] = change
  else moves.push(change)
}

/** All of a file of ours, or a negative errno. */
export function readSmall(sys: Sys, directory: number, name: Uint8Array, maxBytes: number): Uint8Array | number {
  const handle = sys.openFile(directory, name)
  if (handle < 0) return handle
  const pieces: Uint8Array[] = []
  let length = 0
  for (;;) {
    const piece = new Uint8Array(64 * 1024)
    const count = sys.read(handle, piece, 0, piece.length, -1)
    length += Math.max(0, count)
    if (count <= 0 || length > maxBytes) {
      sys.close(handle)
      return count < 0 ? count : length > maxBytes ? -errno.EFBIG : concatBytes(pieces)
    }
    pieces.push(piece.subarray(0, count))
  }
}

/** What a file says of itself, whatever its inode: for telling whether a built directory is as it was left. */
export type ListedFile = { readonly name: Uint8Array; readonly stats: Uint32Array; readonly at: number }

const toldColumns = [statSizeLow, statSizeHigh, statMtimeSeconds, statMtimeSecondsHigh, statMtimeNs]

/** A short digest of names, kinds, sizes and times; the order does not matter. */
export function listingDigest(files: readonly ListedFile[]): string {
  const sorted = [...files].sort((a, b) => compareBytes(a.name, b.name))
  const writer = new ByteWriter(64 * files.length + 1)
  for (const { name, stats, at } of sorted) {
    writer.block(name)
    writer.u32((stats[at + statMode] as number) & typeMask)
    for (const column of toldColumns) writer.u32(stats[at + column] as number)
  }
  return hex(digestOf(writer.take()).subarray(0, 16))
}

function parseChange(line: string): Change | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return isChange(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Our own lines, from a disk that others may write to: nothing in them may lead out of the root. */
function isChange(value: unknown): value is Change {
  if (typeof value !== 'object' || value === null) return false
  const fields = value as Record<string, unknown>
  const { a, path, movedTo, before, after, digest } = fields
  if (!isPath(path) || (path === '') !== (a === 'top')) return false
  if (movedTo !== undefined && (!isPath(movedTo) || movedTo === '')) return false
  if (before !== undefined && !isRow(before)) return false
  if (after !== undefined && !isRow(after)) return false
  if (digest !== undefined && typeof digest !== 'string') return false
  switch (a) {
    case 'made':
      return digest !== undefined
    case 'created':
      return after !== undefined
    case 'replaced':
      return before !== undefined && after !== undefined
    case 'retyped':
      return before !== undefined && (fields['sizeBytes'] === undefined || isCount(fields['sizeBytes']))
    case 'deleted':
      return before !== undefined && isCount(fields['sizeBytes'])
    case 'attributes':
      return (
        isHad(fields['had']) &&
        before !== undefined &&
        isCount(fields['mode']) &&
        isCount(fields['mtimeNs']) &&
        isWhole(fields['mtimeSeconds'])
      )
    case 'top':
      return fields['had'] !== undefined && isHad(fields['had']) && isCount(fields['was']) && isCount(fields['mode'])
    case 'moved-directory':
      return before !== undefined && movedTo !== undefined && areParents(fields['parents']) && isAbove(fields['above'])
    default:
      return a === 'refused'
  }
}

const hexPattern = /^(?:[0-9a-f]{2})*$/

function isHad(value: unknown): boolean {
  if (value === undefined) return true
  if (typeof value !== 'object' || value === null) return false
  const { block, set } = value as Record<string, unknown>
  return [block, set].every((text) => typeof text === 'string' && hexPattern.test(text))
}

function isPath(value: unknown): value is RelPath {
  return typeof value === 'string' && parseRelPath(value) !== undefined
}

function areParents(value: unknown): boolean {
  return Array.isArray(value) && value.every((path) => isPath(path) && path !== '')
}

function isAbove(value: unknown): boolean {
  if (value === undefined) return true
  if (!Array.isArray(value)) return false
  return value.every((one: unknown) => {
    if (typeof one !== 'object' || one === null) return false
    const { path, mode } = one as Record<string, unknown>
    return isPath(path) && path !== '' && isCount(mode)
  })
}

function isRow(value: unknown): value is Row {
  return Array.isArray(value) && value.length === statWidth && value.every(isCount)
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

function isCount(value: unknown): value is number {
  return isWhole(value) && value >= 0
}
