// What was looked at, as a record: the rows of a table that hold one directory, with what is known from before carried
// over. Content is read in one case only: a file whose signature moved while its size and mtime did not, and whose digest
// is known (a suspect). Knows no tree and no rules.

import { joinPath, pathMaxBytes, type RelPath } from '../core/path.ts'
import type { Problem } from '../core/problem.ts'
import {
  type DirectoryRecord,
  editShift,
  flagBadName,
  flagRacy,
  type Own,
  type RecordRow,
  RecordWriter,
  recordRow,
} from '../core/record.ts'
import {
  sameSignature,
  sameTypeSizeTime,
  sizeOf,
  statErrno,
  statMode,
  statWidth,
  typeDirectory,
  typeFile,
  typeMask,
  typeSymlink,
} from '../core/stat.ts'
import { decodeName, equalBytes, fromUtf8, utf8 } from '../std/bytes.ts'
import type { IsStopped } from '../std/stop.ts'
import { digestFile } from './content.ts'
import { isRacy } from './racy.ts'
import { type EntryTable, errno, errnoName, type Sys } from './sys.ts'

/** What a look needs: the table that was filled, and where problems of single paths go. */
export type Look = {
  readonly sys: Sys
  readonly table: EntryTable
  readonly problems: Problem[]
  readonly isStopped: IsStopped
}

/** The record of a directory, from the rows of the table; `before` is what was known of it. */
export function recordOf(
  look: Look,
  handle: number,
  path: RelPath,
  before: DirectoryRecord | undefined,
  order: Int32Array,
  own: Own,
  nowMs: number,
): DirectoryRecord {
  const { names, nameStarts, nameEnds, stats } = look.table
  let nameBytes = 0
  for (const row of order) nameBytes += (nameEnds[row] as number) - (nameStarts[row] as number)
  const writer = new RecordWriter(order.length, nameBytes, own)
  const nameBytesMax = pathMaxBytes - utf8(path).length - 1
  let old = 0
  for (const row of order) {
    // Both are in the order of names, so what was known of this one is found by going along.
    let comparison = -1
    while (before !== undefined && old < before.count) {
      comparison = compareName(look.table, row, before, old)
      if (comparison <= 0) break
      old++
    }
    const known = before !== undefined && comparison === 0 ? recordRow(before, old) : undefined
    // It has a name, but no path that could be told. Directories are told when they are entered.
    const isTooLong = (nameEnds[row] as number) - (nameStarts[row] as number) > nameBytesMax
    const at = row * statWidth
    if (isTooLong && ((stats[at + statMode] as number) & typeMask) !== typeDirectory)
      stats[at + statErrno] = errno.ENAMETOOLONG
    const content = contentOf(look, handle, path, row, known, nowMs)
    writer.add(names, nameStarts[row] as number, nameEnds[row] as number, stats, row * statWidth, content.flags)
    if (content.link !== undefined) writer.link(content.link)
    if (content.digest !== undefined) writer.digest(content.digest)
  }
  return writer.finish()
}

type Content = {
  readonly flags: number
  readonly link: Uint8Array | undefined
  readonly digest: Uint8Array | undefined
}
const plain: Content = { flags: 0, link: undefined, digest: undefined }
const young: Content = { ...plain, flags: flagRacy }
const badName: Content = { ...plain, flags: flagBadName }
const noLink = new Uint8Array(0)

/** What a row of the table does not say of an entry. */
function contentOf(
  look: Look,
  handle: number,
  path: RelPath,
  row: number,
  known: RecordRow | undefined,
  nowMs: number,
): Content {
  const { table } = look
  const at = row * statWidth
  const type = (table.stats[at + statMode] as number) & typeMask
  if (!isUtf8(table, row)) return type === typeSymlink ? { ...badName, link: noLink } : badName
  const code = table.stats[at + statErrno] as number
  if (code !== 0) {
    const name = fromUtf8(table.name(row)) as string
    look.problems.push({ path: joinPath(path, name), code: 'unreadable', detail: errnoName(code) })
    return plain
  }
  const isYoung = (type === typeFile || type === typeSymlink) && isRacy(table.stats, at, nowMs)
  if (type === typeFile) {
    if (known === undefined) return isYoung ? young : plain
    const { flags, digest } = fileContent(look, handle, table.name(row).slice(), at, known)
    return { flags: flags | (isYoung ? flagRacy : 0), link: undefined, digest }
  }
  if (type !== typeSymlink) return plain
  const text = look.sys.readLink(handle, table.name(row))
  if (typeof text === 'number') table.stats[at + statErrno] = -text
  return { flags: isYoung ? flagRacy : 0, link: typeof text === 'number' ? noLink : text, digest: undefined }
}

function isUtf8({ names, nameStarts, nameEnds }: EntryTable, row: number): boolean {
  const end = nameEnds[row] as number
  for (let i = nameStarts[row] as number; i < end; i++) {
    if ((names[i] as number) >= 0x80) return decodeName(names, nameStarts[row] as number, end) !== undefined
  }
  return true
}

/** What is known of a file's content: carried from before where nothing can have changed it, taken now for a suspect. */
function fileContent(
  look: Look,
  handle: number,
  name: Uint8Array,
  at: number,
  known: RecordRow,
): { flags: number; digest: Uint8Array | undefined } {
  const { stats } = look.table
  if (!sameTypeSizeTime(stats, at, known.stats, known.at)) return { flags: 0, digest: undefined }
  const edits = known.flags >>> editShift
  const racy = (known.flags & flagRacy) !== 0
  const same = sameSignature(stats, at, known.stats, known.at)
  if (same && (!racy || known.digest === undefined)) return { flags: edits << editShift, digest: known.digest }
  if (known.digest === undefined) {
    // Nobody knows what it was. A change of mode explains a moved ctime; anything else may hide an edit.
    const isExplained = stats[at + statMode] !== known.stats[known.at + statMode]
    return { flags: (isExplained ? edits : edits + 1) << editShift, digest: undefined }
  }
  // Size and mtime say "same", something else moved: only the content can tell.
  const digest = digestFile(look.sys, handle, name, sizeOf(stats, at), look.isStopped)
  // Unknown is not "the same": an edit too many costs a comparison, one too few hides a change for ever.
  if (digest === undefined) return { flags: (edits + 1) << editShift, digest: undefined }
  return { flags: (equalBytes(digest, known.digest) ? edits : edits + 1) << editShift, digest }
}

/** Order of the name of a table's row and that of a record's. */
export function compareName(table: EntryTable, row: number, before: DirectoryRecord, beforeRow: number): number {
  const { names, nameStarts, nameEnds } = table
  const end = nameEnds[row] as number
  const beforeEnd = before.nameEnd(beforeRow)
  let i = nameStarts[row] as number
  let j = before.nameStart(beforeRow)
  for (; i < end && j < beforeEnd; i++, j++) {
    const difference = (names[i] as number) - (before.bytes[j] as number)
    if (difference !== 0) return difference
  }
  return end - i - (beforeEnd - j)
}
