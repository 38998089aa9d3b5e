// What was looked at, as a record: the rows of a table that hold one directory, with what is known from before carried
// over. Content is read in one case only: a file whose signature moved while its size and mtime did not, and whose digest
// is known (a suspect). Knows no tree and no rules.

import { sameAttributes } from '../core/attributes.ts'
import { editShift, flagRacy, flagUnsynced, type Own, PageWriter, type RecordPage } from '../core/page.ts'
import { joinPath, pathMaxBytes, type RelPath } from '../core/path.ts'
import type { Problem } from '../core/problem.ts'
import { DirectoryRecord, nameHash, pageEnds, type RecordRow, recordRow } from '../core/record.ts'
import {
  inodeOf,
  mtimeSecondsOf,
  sameFile,
  sameSignature,
  sameTypeSizeTime,
  sizeOf,
  statCtimeSeconds,
  statErrno,
  statMode,
  statMtimeSeconds,
  statWidth,
  typeDirectory,
  typeFile,
  typeMask,
  typeSymlink,
} from '../core/stat.ts'
import { decodeName, equalBytes, utf8 } from '../std/bytes.ts'
import type { IsStopped } from '../std/stop.ts'
import { lookAtAttributes } from './attributes.ts'
import { digestFile } from './content.ts'
import { isRacy } from './racy.ts'
import { EntryTable, errno, errnoName, type Sys } from './sys.ts'

/** What a look needs: the table that was filled, and where problems of single paths go. */
export type Look = {
  readonly sys: Sys
  readonly table: EntryTable
  readonly problems: Problem[]
  /** Files of the size they had and another time, some of them: only their content tells whether they changed. */
  readonly retimed: RelPath[]
  readonly isStopped: IsStopped
  /** Which attributes are looked at, as a mask of core's attributes; 0 where only mode, times and size count. */
  readonly looks: number
  /** After a run of ours: another mode, or other attributes, are what it has just set, and explain a moved ctime. */
  readonly isOurs: boolean
  /** Flags that the rows of new content get: `flagUnsynced`, after a run that did not sync. */
  readonly marks: number
  /** What is new, and what is marked so, may not be what was written: only content that is read tells. */
  readonly doubts: boolean
  /** Inodes (`inodeOf`) of which a name came or went by our own doing, which moved their ctime. */
  readonly linked?: ReadonlySet<string>
}

/** A directory of more entries is looked at a page at a time: only the names of all of them are held. */
export const wholeRowsMax = 4096

/**
 * The record of a directory, from the rows of the table, whose stat rows are there for a directory that is looked at whole;
 * `known` is what was known of it. With `keeps`, which is known of this very directory, pages in which nothing changed are
 * those of the new record too.
 */
export function recordOf(
  look: Look,
  handle: number,
  path: RelPath,
  known: DirectoryRecord | undefined,
  keeps: boolean,
  order: Int32Array,
  own: Own,
  nowMs: number,
): DirectoryRecord {
  const { names, nameStarts, nameEnds } = look.table
  const hashAt = (i: number): number => {
    const row = order[i] as number
    return nameHash(names, nameStarts[row] as number, nameEnds[row] as number)
  }
  const before = known === undefined ? undefined : new Going(known)
  const window = look.table.count > wholeRowsMax ? new EntryTable(look.looks !== 0) : undefined
  const pages: RecordPage[] = []
  let start = 0
  for (const end of pageEnds(order.length, hashAt)) {
    const rows = order.subarray(start, end)
    const page = pageFrom(window === undefined ? rows : lookAtPage(look, handle, rows, window))
    if (page !== undefined) pages.push(page)
    start = end
  }
  window?.end()
  const record = new DirectoryRecord(pages.length > 0 ? pages : [new PageWriter(0, 0, own, look.looks).finish()])
  if (!sameOwn(record.own, own)) record.setOwn(own)
  return record

  function pageFrom(rows: Int32Array): RecordPage | undefined {
    const seen = window === undefined ? look : { ...look, table: window }
    const kept = keeps ? before?.samePage(seen.table, rows, look.looks) : undefined
    if (kept !== undefined || (rows.length === 0 && window !== undefined)) return kept
    return pageOf(seen, handle, path, before, rows, pages.length === 0 ? own : undefined, nowMs)
  }
}

/** Whether a directory's own inode says the same. */
export function sameOwn(a: Own, b: Own): boolean {
  return (
    a.mtimeSeconds === b.mtimeSeconds &&
    a.mtimeNs === b.mtimeNs &&
    a.inodeLow === b.inodeLow &&
    a.inodeHigh === b.inodeHigh
  )
}

/** Fills `window` with the named rows, looked at now, and gives them in their order, without those that vanished. */
function lookAtPage(
  { sys, table: from, looks }: Look,
  handle: number,
  rows: Int32Array,
  window: EntryTable,
): Int32Array {
  window.clear()
  for (const row of rows) {
    const at = window.add(from.names, from.nameStarts[row] as number, from.nameEnds[row] as number)
    const code = sys.stat(handle, window.name(at), window.stats, at, window.extras)
    if (code === -errno.ENOENT) window.drop()
    else if (code < 0) window.unseen(at, code)
  }
  const seen = Int32Array.from({ length: window.count }, (_, row) => row)
  settleDirectoryRows(window, seen, looks)
  return seen
}

/**
 * A sub-directory's row keeps type, mode and inode only: its times change with its own entries, which are its own
 * record's matter. Where attributes are looked at it keeps its ctime, which alone tells that they may be others.
 */
export function settleDirectoryRows(table: EntryTable, order: Int32Array, looks: number): void {
  const { stats } = table
  const from = looks === 0 ? statCtimeSeconds : statMtimeSeconds
  for (const row of order) {
    const at = row * statWidth
    if (((stats[at + statMode] as number) & typeMask) !== typeDirectory) continue
    for (let column = from; column < statErrno; column++) stats[at + column] = 0
  }
}

function pageOf(
  look: Look,
  handle: number,
  path: RelPath,
  before: Going | undefined,
  rows: Int32Array,
  own: Own | undefined,
  nowMs: number,
): RecordPage {
  const { names, nameStarts, nameEnds, stats } = look.table
  let nameBytes = 0
  for (const row of rows) nameBytes += (nameEnds[row] as number) - (nameStarts[row] as number)
  const writer = new PageWriter(rows.length, nameBytes, own, look.looks)
  const nameBytesMax = pathMaxBytes - utf8(path).length - 1
  for (const row of rows) {
    const known = before?.row(look.table, row)
    // It has a name, but no path that could be told. Directories are told when they are entered.
    const isTooLong = (nameEnds[row] as number) - (nameStarts[row] as number) > nameBytesMax
    const at = row * statWidth
    if (isTooLong && ((stats[at + statMode] as number) & typeMask) !== typeDirectory)
      stats[at + statErrno] = errno.ENAMETOOLONG
    const attributes = look.looks === 0 ? nothingElse : rowAttributes(look, handle, path, row, known)
    const content = contentOf(look, handle, path, row, known, attributes, nowMs)
    writer.add(
      names,
      nameStarts[row] as number,
      nameEnds[row] as number,
      stats,
      row * statWidth,
      content.flags | attributes.flags,
    )
    if (content.link !== undefined) writer.link(content.link)
    if (content.digest !== undefined) writer.digest(content.digest)
    if (look.looks !== 0) writer.attributes(attributes.block)
  }
  return writer.finish()
}

type Attributes = {
  readonly block: Uint8Array | undefined
  /** What was not to be read is looked at, and told, by every scan. */
  readonly flags: number
  /** They are others than those that were known. */
  readonly isNew: boolean
}
const nothingElse: Attributes = { block: undefined, flags: 0, isNew: false }

/** What else an entry has: what was known of it, as long as nothing can have changed it, or a look at it. */
function rowAttributes(
  look: Look,
  handle: number,
  path: RelPath,
  row: number,
  known: RecordRow | undefined,
): Attributes {
  const { sys, table, looks } = look
  const at = row * statWidth
  if (table.stats[at + statErrno] !== 0) return nothingElse
  const isKnown = known !== undefined && known.looked === looks
  if (isKnown && (known.flags & flagRacy) === 0 && sameSignature(table.stats, at, known.stats, known.at))
    return { block: known.attributes, flags: 0, isNew: false }
  const place = { directory: handle, name: table.name(row) }
  const { block, code } = lookAtAttributes(sys, place, table.stats[at + statMode] as number, table.extras, row, looks)
  if (code < 0 && code !== -errno.ENOENT) {
    const name = decodeName(table.name(row))
    look.problems.push({ path: joinPath(path, name), code: 'attributes-unreadable', detail: errnoName(code) })
  }
  return { block, flags: code < 0 ? flagRacy : 0, isNew: isKnown && !sameAttributes(block, known.attributes) }
}

/** What was known, gone along in the order of names, as the rows of a table are. */
class Going {
  readonly #before: DirectoryRecord
  #row = 0
  #page = 0

  constructor(before: DirectoryRecord) {
    this.#before = before
  }

  /** What was known under the name of this row of the table. */
  row(table: EntryTable, row: number): RecordRow | undefined {
    const { names, nameStarts, nameEnds } = table
    const [start, end] = [nameStarts[row] as number, nameEnds[row] as number]
    for (; this.#row < this.#before.count; this.#row++) {
      const order = this.#before.compareName(this.#row, names, start, end)
      if (order === 0) return recordRow(this.#before, this.#row)
      if (order > 0) return undefined
    }
    return undefined
  }

  /** The page that holds exactly these rows, unchanged. */
  samePage(table: EntryTable, rows: Int32Array, looks: number): RecordPage | undefined {
    const [first] = rows
    if (first === undefined) return undefined
    const { names, nameStarts, nameEnds } = table
    const { pages } = this.#before
    for (; this.#page < pages.length; this.#page++) {
      const page = pages[this.#page] as RecordPage
      if (page.count === 0) return undefined
      const order = page.compareName(0, names, nameStarts[first] as number, nameEnds[first] as number)
      if (order < 0) continue
      return order === 0 && page.count === rows.length && isSamePage(page, table, rows, 0, looks) ? page : undefined
    }
    return undefined
  }
}

/**
 * Whether the page holds what the table does from `from` on, in the order of names, to the last bit of each signature, and
 * knows of each entry what is looked at.
 */
export function isSamePage(
  page: RecordPage,
  table: EntryTable,
  order: Int32Array,
  from: number,
  looks: number,
): boolean {
  if (page.looked !== looks) return false
  const { names, nameStarts, nameEnds, stats } = table
  const { bytes } = page
  for (let i = 0; i < page.count; i++) {
    const row = order[from + i] as number
    let at = nameStarts[row] as number
    const end = nameEnds[row] as number
    let beforeAt = page.nameStart(i)
    if (page.nameEnd(i) - beforeAt !== end - at) return false
    for (; at < end; at++, beforeAt++) if (names[at] !== bytes[beforeAt]) return false
    if (
      (page.flags(i) & (flagRacy | flagUnsynced)) !== 0 ||
      !sameSignature(stats, row * statWidth, page.stats, page.at(i))
    )
      return false
  }
  return true
}

type Content = {
  readonly flags: number
  readonly link: Uint8Array | undefined
  readonly digest: Uint8Array | undefined
}
const plain: Content = { flags: 0, link: undefined, digest: undefined }
const young: Content = { ...plain, flags: flagRacy }
const noLink = new Uint8Array(0)

/** What a row of the table does not say of an entry. */
function contentOf(
  look: Look,
  handle: number,
  path: RelPath,
  row: number,
  known: RecordRow | undefined,
  attributes: Attributes,
  nowMs: number,
): Content {
  const { table } = look
  const at = row * statWidth
  const type = (table.stats[at + statMode] as number) & typeMask
  const code = table.stats[at + statErrno] as number
  if (code !== 0) {
    look.problems.push({
      path: joinPath(path, decodeName(table.name(row))),
      code: 'unreadable',
      detail: errnoName(code),
    })
    return plain
  }
  const hasTime = type === typeFile || type === typeSymlink || (type === typeDirectory && look.looks !== 0)
  const isYoung = hasTime && isRacy(table.stats, at, nowMs)
  if (type === typeFile) {
    if (known === undefined) return newContent(look, isYoung)
    if (look.retimed.length < retimedMax && isRetimed(table.stats, at, known)) {
      look.retimed.push(joinPath(path, decodeName(table.name(row))))
    }
    const { flags, digest } = fileContent(look, handle, table.name(row).slice(), at, known, attributes.isNew)
    return { flags: flags | (isYoung ? flagRacy : 0), link: undefined, digest }
  }
  if (type !== typeSymlink) return isYoung ? young : plain
  const text = look.sys.readLink(handle, table.name(row))
  if (typeof text === 'number') table.stats[at + statErrno] = -text
  const flags = (isYoung ? flagRacy : 0) | look.marks
  return { flags, link: typeof text === 'number' ? noLink : text, digest: undefined }
}

function newContent({ marks, doubts }: Look, isYoung: boolean): Content {
  if (marks === 0 && !doubts) return isYoung ? young : plain
  return { ...plain, flags: (isYoung ? flagRacy : 0) | marks | (doubts ? oneEdit : 0) }
}

/** An edit that is only feared: the content is compared before it counts as what its size and time say. */
const oneEdit = 1 << editShift

/** More are not worth to be asked about before it is known that they have to be. */
const retimedMax = 1000

function isRetimed(stats: Uint32Array, at: number, known: RecordRow): boolean {
  return (
    ((known.stats[known.at + statMode] as number) & typeMask) === typeFile &&
    sizeOf(stats, at) === sizeOf(known.stats, known.at) &&
    !sameTypeSizeTime(stats, at, known.stats, known.at)
  )
}

/** What is known of a file's content: carried from before where nothing can have changed it, taken now for a suspect. */
function fileContent(
  look: Look,
  handle: number,
  name: Uint8Array,
  at: number,
  known: RecordRow,
  hasNewAttributes: boolean,
): { flags: number; digest: Uint8Array | undefined } {
  const { table, marks, doubts } = look
  const { stats } = table
  const edits = known.flags >>> editShift
  if (!sameTypeSizeTime(stats, at, known.stats, known.at)) {
    // Where the other end keeps times less finely, both may be one time there: the count tells them apart.
    const isNear = isSameTimeSomewhere(stats, at, known.stats, known.at)
    const feared = doubts ? oneEdit : 0
    return { flags: marks | (isNear ? (edits + 1) << editShift : feared), digest: undefined }
  }
  const racy = (known.flags & flagRacy) !== 0
  const same = sameSignature(stats, at, known.stats, known.at)
  const isDoubted = doubts && (known.flags & flagUnsynced) !== 0
  const asKnown = { flags: (edits << editShift) | (known.flags & marks), digest: known.digest }
  if (same && !isDoubted && (!racy || known.digest === undefined)) return asKnown
  const isLinked = look.linked?.has(inodeOf(stats, at)) === true
  if (isLinked && sameFile(stats, at, known.stats, known.at)) return asKnown
  if (known.digest === undefined) {
    // Nobody knows what it was: whatever moved the ctime may hide an edit, another mode and attributes too, unless we set them.
    const hasNewMode = stats[at + statMode] !== known.stats[known.at + statMode]
    const isExplained = look.isOurs && (hasNewMode || hasNewAttributes) && sameFile(stats, at, known.stats, known.at)
    return { flags: ((isExplained ? edits : edits + 1) << editShift) | marks, digest: undefined }
  }
  // Size and mtime say "same", something else moved: only the content can tell.
  const digest = digestFile(look.sys, handle, name, sizeOf(stats, at), look.isStopped)
  // Unknown is not "the same": an edit too many costs a comparison, one too few hides a change for ever.
  if (digest === undefined) return { flags: ((edits + 1) << editShift) | marks, digest: undefined }
  return { flags: ((equalBytes(digest, known.digest) ? edits : edits + 1) << editShift) | marks, digest }
}

/** Whether two rows of equal type and size have the same time where whole seconds are kept, as on many a disk. */
function isSameTimeSomewhere(a: Uint32Array, aAt: number, b: Uint32Array, bAt: number): boolean {
  const isAlike =
    ((a[aAt + statMode] as number) & typeMask) === ((b[bAt + statMode] as number) & typeMask) &&
    sizeOf(a, aAt) === sizeOf(b, bAt)
  return isAlike && mtimeSecondsOf(a, aAt) === mtimeSecondsOf(b, bAt)
}

/** Order of the name of a table's row and that of a record's. */
export function compareName(table: EntryTable, row: number, before: DirectoryRecord, beforeRow: number): number {
  const { names, nameStarts, nameEnds } = table
  return -before.compareName(beforeRow, names, nameStarts[row] as number, nameEnds[row] as number)
}
