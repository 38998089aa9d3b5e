// A view says what of a directory a job looks at: which mode bits, how fine the times, which names the rules hide.
// Two ends that use equal views get equal fingerprints for equal trees. `viewListing` turns a raw local record into the
// listing that travels; what is hidden is simply not in it.

import { ByteWriter } from '../std/bytes.ts'
import { modeMaskOf, toldBlock, wantsHardLinks } from './attributes.ts'
import { type Entry, isCopied, type Kind, type Summary } from './entry.ts'
import type { IgnoreScope, IgnoreText } from './ignore.ts'
import { putEntry, startListing } from './listing.ts'
import { mapOwner, type OwnerMap } from './owners.ts'
import { editShift, flagUnreadable } from './page.ts'
import { nameMaxBytes, pathMaxBytes } from './path.ts'
import type { DirectoryRecord } from './record.ts'
import { isOutside, type SizeLimits } from './selection.ts'
import {
  mtimeSecondsOf,
  sizeOf,
  statErrno,
  statMode,
  statMtimeNs,
  typeDirectory,
  typeFile,
  typeSymlink,
} from './stat.ts'

export type View = {
  /** Permission bits that both ends can hold and the job compares. */
  readonly modeMask: number
  /** The coarser of both ends' time grains. */
  readonly timeGrainNs: number
  /** Rules of the command line, which win over every ignore file. */
  readonly overrides: readonly IgnoreText[]
  /** Ignore files found in the tree that decides the rules, in the order of their directories. */
  readonly texts: readonly IgnoreText[]
  /** Files of other sizes are listed, but nothing is ever done to them. */
  readonly sizes?: SizeLimits
  /** What else of an entry is looked at, as a mask of attributes.ts; nothing where it is missing. */
  readonly attributes?: number
  /** Of a source: what its owners are at the target; the same numbers where it is missing. */
  readonly owners?: OwnerMap
}

/** Text that is equal exactly when two views are; its digest is the view's id. */
export function viewText(view: View): string {
  const { modeMask, timeGrainNs, overrides, texts, sizes, attributes = 0, owners } = view
  const limits = sizes === undefined ? [] : [sizes.minBytes, sizes.maxBytes]
  const more = attributes === 0 ? [] : [{ attributes, ...(owners && { owners }) }]
  return JSON.stringify(['view 1', modeMask, timeGrainNs, overrides, texts, ...limits, ...more])
}

/** What shows the same names and contents, and nothing that a job carries besides; the view itself where it carries nothing. */
export function bareView(view: View): View {
  const { attributes = 0, owners: _, ...rest } = view
  const modeMask = modeMaskOf(view.modeMask, 0)
  return attributes === 0 && modeMask === view.modeMask ? view : { ...rest, modeMask }
}

/** The kind of a row. What no listing could carry (a name, a size, a link) is one of the kinds that are never copied. */
export function kindOf(record: DirectoryRecord, row: number): Kind {
  const flags = record.flags(row)
  if (record.nameLength(row) > nameMaxBytes) return 'bad-name'
  const stats = record.stats(row)
  const at = record.at(row)
  if ((flags & flagUnreadable) !== 0 || stats[at + statErrno] !== 0) return 'unreadable'
  const type = record.type(row)
  if (type === typeFile) return sizeOf(stats, at) > Number.MAX_SAFE_INTEGER ? 'unreadable' : 'file'
  if (type === typeDirectory) return 'directory'
  if (type !== typeSymlink) return 'special'
  const link = record.link(row)
  return link.length === 0 || link.length > pathMaxBytes || link.includes(0) ? 'unreadable' : 'symlink'
}

/** A time at the grain: the same moment, read from two file systems that keep times to the grain, gives the same. */
function floorTime(seconds: number, ns: number, grainNs: number): { seconds: number; ns: number } {
  if (grainNs <= 1) return { seconds, ns }
  if (grainNs <= 1e9) return { seconds, ns: ns - (ns % grainNs) }
  const grainSeconds = Math.ceil(grainNs / 1e9)
  return { seconds: Math.floor(seconds / grainSeconds) * grainSeconds, ns: 0 }
}

const noTime = { seconds: 0, ns: 0 }

/** The entry of a record's row under a view. `summary` is asked for directories only. */
export function viewEntry(
  record: DirectoryRecord,
  row: number,
  view: View,
  summary: (name: string) => Summary | undefined,
): Entry {
  const kind = kindOf(record, row)
  const stats = record.stats(row)
  const at = record.at(row)
  const name = record.name(row)
  const timed = kind === 'file' || kind === 'symlink'
  const time = timed
    ? floorTime(mtimeSecondsOf(stats, at), stats[at + statMtimeNs] as number, view.timeGrainNs)
    : noTime
  const entry: Entry = {
    kind,
    name,
    mode: kind === 'file' || kind === 'directory' ? (stats[at + statMode] as number) & view.modeMask : 0,
    mtimeSeconds: time.seconds,
    mtimeNs: time.ns,
    sizeBytes: kind === 'file' ? sizeOf(stats, at) : 0,
    edits: kind === 'file' ? record.flags(row) >>> editShift : 0,
    link: kind === 'symlink' ? record.link(row) : undefined,
    summary: kind === 'directory' ? summary(name) : undefined,
  }
  const seen = isCopied(kind) ? record.attributes(row) : undefined
  const told = ((view.attributes ?? 0) & wantsHardLinks) === 0 ? seen : toldBlock(seen)
  const attributes = mapOwner(told, view.owners)
  return attributes === undefined ? entry : { ...entry, attributes }
}

/** Whether this row is a file whose size is outside the limits: it is never taken away, whoever asks. */
export function isOutsideRow(record: DirectoryRecord, row: number, limits: SizeLimits | undefined): boolean {
  if (limits === undefined || record.type(row) !== typeFile) return false
  return isOutside(sizeOf(record.stats(row), record.at(row)), limits)
}

/** Whether the rules hide this row. */
export function isHidden(record: DirectoryRecord, row: number, scope: IgnoreScope): boolean {
  if (scope.idle) return false
  const rule = scope.match(record.name(row), record.type(row) === typeDirectory)
  return rule !== undefined && !rule.negated
}

export type ListingTotals = { files: number; directories: number; sizeBytes: number }

/** Takes an entry and its name as bytes. */
export type TakeEntry = (entry: Entry, name: Uint8Array) => void

/**
 * Gives what a view shows of the rows `[start, end)` of a record. `summary` gives what is known of each sub-directory; one
 * without a summary (it could not be read) is unreadable.
 */
export function viewEntries(
  record: DirectoryRecord,
  view: View,
  scope: IgnoreScope,
  summary: (name: string) => Summary | undefined,
  take: TakeEntry,
  start = 0,
  end: number = record.count,
): void {
  for (let row = start; row < end; row++) {
    if (isHidden(record, row, scope)) continue
    const seen = viewEntry(record, row, view, summary)
    const entry: Entry =
      seen.kind === 'directory' && seen.summary === undefined
        ? { ...seen, kind: 'unreadable', mode: 0, attributes: undefined }
        : seen
    take(entry, record.nameBytes(row))
  }
}

/** What a listing is told in at a time where nobody needs it whole. */
const pieceBytes = 256 * 1024

/**
 * The listing of a record under a view and the totals of what it and its sub-directories hold. With `drain` a long listing is
 * handed over in pieces, each valid for the time of the call, and `bytes` is the rest of it.
 */
export function viewListing(
  record: DirectoryRecord,
  view: View,
  scope: IgnoreScope,
  summary: (name: string) => Summary | undefined,
  drain?: (piece: Uint8Array) => void,
): { bytes: Uint8Array; totals: ListingTotals } {
  const wholeBytes = 64 + record.count * 40
  const writer = new ByteWriter(drain === undefined ? wholeBytes : Math.min(wholeBytes, 2 * pieceBytes))
  const totals: ListingTotals = { files: 0, directories: 0, sizeBytes: 0 }
  startListing(writer)
  viewEntries(record, view, scope, summary, (entry, name) => {
    if (drain !== undefined && writer.length >= pieceBytes) writer.drain(drain)
    putEntry(writer, entry, name)
    addTotals(totals, entry)
  })
  return { bytes: writer.take(), totals }
}

function addTotals(totals: ListingTotals, entry: Entry): void {
  if (entry.kind === 'directory') {
    totals.directories += 1 + (entry.summary?.directories ?? 0)
    totals.files += entry.summary?.files ?? 0
    addSize(totals, entry.summary?.sizeBytes ?? 0)
  } else if (entry.kind === 'file' || entry.kind === 'symlink') {
    totals.files++
    addSize(totals, entry.sizeBytes)
  }
}

/** A few sparse files can claim more than a number holds exactly: the sum stays at the most that it does. */
function addSize(totals: ListingTotals, sizeBytes: number): void {
  totals.sizeBytes = Math.min(Number.MAX_SAFE_INTEGER, totals.sizeBytes + sizeBytes)
}
