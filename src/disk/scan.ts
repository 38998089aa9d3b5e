// Scans a root: looks at every directory, compares it with what was seen before, and builds new records only where
// something differs. Content is read in one case only: a file whose signature moved while its size and mtime did not,
// and whose digest is known (a suspect). Absence is never guessed: what could not be read is recorded as unreadable.

import { lookMask, wantsHardLinks, wantsTop } from '../core/attributes.ts'
import { type IgnoreScope, type IgnoreText, ignoreScope } from '../core/ignore.ts'
import {
  isReservedName,
  joinPath,
  nameMaxBytes,
  ownDirectory,
  pathMaxBytes,
  type RelPath,
  rootPath,
} from '../core/path.ts'
import type { Problem, ProblemCode } from '../core/problem.ts'
import type { DirectoryRecord } from '../core/record.ts'
import { type Specials, withSpecial } from '../core/specials.ts'
import { statErrno, statMode, statWidth, typeDirectory, typeFile, typeMask, typeSymlink } from '../core/stat.ts'
import type { Tree } from '../core/tree.ts'
import { kindOf } from '../core/view.ts'
import { compareBytes, decodeName, fromUtf8, utf8 } from '../std/bytes.ts'
import { type IsStopped, neverStopped, stopped } from '../std/stop.ts'
import { Lineage } from './lineage.ts'
import { isLostFound } from './lost-found.ts'
import { isMarked } from './marker.ts'
import { compareName, isSamePage, recordOf, sameOwn, settleDirectoryRows, wholeRowsMax } from './observed.ts'
import { ownFacts } from './own.ts'
import { Spelled } from './spelled.ts'
import { EntryTable, errno, errnoName, type Sys } from './sys.ts'
import { lookAtTop, topProblem } from './top.ts'

const ignoreFileMaxBytes = 1 << 20
const depthMax = 1000

export type ScanRules = {
  /** Rules known before the scan: what they ignore is not entered. */
  readonly overrides: readonly IgnoreText[]
  /** Names of per-directory ignore files, in rising precedence; empty where this root's ignore files do not count. */
  readonly ignoreFiles: readonly string[]
  /** Which attributes are looked at, as a mask of core's attributes; none where it is missing. */
  readonly attributes?: number
  /** Of a target: a run that did not sync wrote to it before the machine or the disk went down. */
  readonly doubts?: boolean
}

export type ScanReport = {
  readonly entries: number
  readonly problems: readonly Problem[]
  /** The ignore files that were found, in the order of directories. */
  readonly texts: readonly IgnoreText[]
  /** Directories that lie elsewhere than they did, by inode: enough to propose a rename. */
  readonly moves: readonly { readonly from: RelPath; readonly to: RelPath }[]
  /** Directories below that are targets of their own. */
  readonly nested: readonly RelPath[]
  /** Files of the size they had and another time, the first of them. */
  readonly retimed: readonly RelPath[]
  /** Devices, FIFOs and sockets that the rules known here show. */
  readonly specials?: Specials | undefined
}

type Visit = {
  readonly path: RelPath
  /** The rules in force within `scopeAt`: the parent, or one further up where no rule can match in between. */
  readonly scope: IgnoreScope
  readonly scopeAt: RelPath
  readonly depth: number
}

type Scan = {
  readonly sys: Sys
  readonly root: number
  readonly tree: Tree
  readonly rules: ScanRules
  readonly nowMs: () => number
  readonly isStopped: IsStopped
  readonly table: EntryTable
  readonly stack: Visit[]
  readonly problems: Problem[]
  readonly retimed: RelPath[]
  readonly texts: IgnoreText[]
  readonly nested: RelPath[]
  specials: Specials | undefined
  entries: number
  readonly lineage: Lineage
  readonly looks: number
  readonly isOurs: boolean
  readonly marks: number
  readonly doubts: boolean
  readonly linked?: ReadonlySet<string>
}

/**
 * Scans the whole root into `tree`. Throws nothing for a path that can't be read: that is a problem; and `cancelled` once
 * it is stopped, where the tree is of no use any more.
 */
export function scanRoot(
  sys: Sys,
  root: number,
  tree: Tree,
  rules: ScanRules,
  nowMs: () => number,
  isStopped: IsStopped = neverStopped,
): ScanReport {
  tree.looks = lookMask(rules.attributes ?? 0)
  const scan = startScan(sys, root, tree, rules, nowMs, isStopped)
  if (((rules.attributes ?? 0) & wantsTop) !== 0) scan.problems.push(...lookAgainAtTop(sys, root, tree))
  const before = new Set(tree.paths())
  const fresh: RelPath[] = []
  const scope = ignoreScope([], { overrides: [...rules.overrides] })
  scan.stack.push({ path: rootPath, scope, scopeAt: rootPath, depth: 0 })
  for (let visit = scan.stack.pop(); visit !== undefined; visit = scan.stack.pop()) {
    if (isStopped()) throw stopped()
    if (scanDirectory(scan, visit, true) !== 0) continue
    if (!before.delete(visit.path)) fresh.push(visit.path)
  }
  scan.table.end()
  const moves = before.size > 0 ? scan.lineage.moves(before, fresh) : []
  for (const path of before) tree.remove(path)
  scan.texts.sort((a, b) => (a.directory < b.directory ? -1 : a.directory > b.directory ? 1 : 0))
  const { entries, problems, retimed, texts, nested, specials } = scan
  return { entries, problems, retimed, texts, moves, nested, specials }
}

/**
 * Looks again at the named directories only, and at whole new directories below them; those that are gone are removed
 * with all below. For after an apply. `marks`: flags that what is new gets; `linked`: inodes whose ctime only moved because
 * one of their names came or went.
 */
export function rescanDirectories(
  sys: Sys,
  root: number,
  tree: Tree,
  paths: Iterable<RelPath>,
  nowMs: () => number,
  { marks = 0, linked }: { readonly marks?: number; readonly linked?: ReadonlySet<string> | undefined } = {},
): readonly Problem[] {
  const plain = startScan(sys, root, tree, { overrides: [], ignoreFiles: [] }, nowMs, neverStopped, true)
  const scan = { ...plain, marks, ...(linked && { linked }) }
  const scope = ignoreScope([])
  for (const path of paths) {
    scan.stack.push({ path, scope, scopeAt: path, depth: 0 })
    for (let visit = scan.stack.pop(); visit !== undefined; visit = scan.stack.pop()) {
      const code = scanDirectory(scan, visit, false)
      if (isGone(code)) {
        tree.removeWithin(visit.path)
        // A folder that somebody took away needs no word; the root does.
        if (visit.path !== rootPath) scan.problems.pop()
      }
    }
  }
  scan.table.end()
  return scan.problems
}

/** Looks at the top folder itself; what can't be looked at is a problem, and no part of the fingerprint. */
export function lookAgainAtTop(sys: Sys, root: number, tree: Tree): Problem[] {
  const top = lookAtTop(sys, root, tree.looks)
  tree.setTop(typeof top === 'number' ? undefined : top)
  return typeof top === 'number' ? [topProblem(top)] : []
}

function startScan(
  sys: Sys,
  root: number,
  tree: Tree,
  rules: ScanRules,
  nowMs: () => number,
  isStopped: IsStopped,
  isOurs = false,
): Scan {
  return {
    sys,
    root,
    tree,
    rules,
    nowMs,
    isStopped,
    table: new EntryTable(tree.looks !== 0),
    stack: [],
    problems: [],
    retimed: [],
    texts: [],
    nested: [],
    specials: undefined,
    entries: 0,
    lineage: new Lineage(tree),
    looks: tree.looks,
    isOurs,
    marks: 0,
    doubts: rules.doubts === true,
  }
}

/** No directory has this path any more. */
export function isGone(code: number): boolean {
  return code === -errno.ENOENT || code === -errno.ENOTDIR || code === -errno.ELOOP
}

function note(scan: Scan, path: string, code: ProblemCode, detail: string): void {
  scan.problems.push({ path, code, detail })
}

/** What was a directory when its parent was looked at is gone, or is something else by now. */
function whyNotListed(code: number): ProblemCode {
  if (code === -errno.ENOENT) return 'vanished'
  return code === -errno.ENOTDIR || code === -errno.ELOOP ? 'changing' : 'unreadable'
}

/**
 * Scans one directory; with `deep`, all its sub-directories are visited after it, else only those that are new. Zero, or
 * the negative errno for which nothing is known of it: its problem is the last one then.
 */
function scanDirectory(scan: Scan, visit: Visit, deep: boolean): number {
  const { sys, tree, table } = scan
  const nowMs = scan.nowMs()
  const path = utf8(visit.path)
  const isTooLong = visit.depth > depthMax || path.length > pathMaxBytes
  const handle = isTooLong ? -errno.ENAMETOOLONG : sys.openDirectory(scan.root, path)
  const listed = handle < 0 ? handle : sys.list(handle, table, wholeRowsMax)
  if (listed < 0) {
    if (handle >= 0) sys.close(handle)
    note(scan, visit.path, whyNotListed(listed), errnoName(listed))
    return listed
  }
  const before = tree.record(visit.path)
  const listedRows = sortedRows(scan, visit.path)
  const isWhole = table.count <= wholeRowsMax
  const same = isWhole && before !== undefined && isUnchanged(before, table, listedRows, scan.looks)
  const order = same || before === undefined ? listedRows : completeRows(scan, handle, visit.path, before, listedRows)
  const scope = enterRules(scan, handle, visit, order)
  if (scope === undefined) {
    sys.close(handle)
    return -errno.EACCES
  }
  scan.entries += order.length
  const own = ownFacts(sys, handle)
  if ((scan.looks & wantsHardLinks) !== 0) tree.setDevice(visit.path, own.device)
  if (!same) {
    const known = before ?? scan.lineage.former(own)
    const record = recordOf(scan, handle, visit.path, known, before !== undefined, order, own, nowMs)
    if (before === undefined || !hasSamePages(before, record)) tree.put(visit.path, record)
  } else if (!sameOwn(before.own, own)) before.setOwn(own)
  sys.close(handle)
  pushDirectories(scan, visit, scope, deep)
  return 0
}

/**
 * The rows of what is in the directory. A listing may leave out a name while others are renamed in it (tmpfs does), so
 * a name that was there before is looked for by itself: only then is it gone, or where it is another one's other spelling.
 */
function completeRows(
  scan: Scan,
  handle: number,
  path: RelPath,
  before: DirectoryRecord,
  order: Int32Array,
): Int32Array {
  const { sys, table } = scan
  let isMissed = false
  let spelled: Spelled | undefined
  for (const name of missingNames(before, table, order)) {
    const there = sys.stat(handle, name, lone, 0)
    if (there === -errno.ENOENT) continue
    spelled ??= new Spelled(sys, handle, table)
    if (there === 0 && spelled.isListed(name, lone)) continue
    const isWhole = table.count < wholeRowsMax
    const row = table.add(name, 0, name.length, isWhole)
    const code = isWhole ? sys.stat(handle, name, table.stats, row, table.extras) : sys.stat(handle, name, lone, 0)
    if (code === -errno.ENOENT) table.drop()
    else if (code < 0 && isWhole) table.unseen(row, code)
    isMissed ||= code !== -errno.ENOENT
  }
  return isMissed ? sortedRows(scan, path) : order
}

/** Names that were there before and are not in the listing. */
function missingNames(before: DirectoryRecord, table: EntryTable, order: Int32Array): Uint8Array[] {
  const missing: Uint8Array[] = []
  let at = 0
  for (let row = 0; row < before.count; row++) {
    let comparison = 1
    while (at < order.length) {
      comparison = compareName(table, order[at] as number, before, row)
      if (comparison >= 0) break
      at++
    }
    if (at === order.length || comparison > 0) missing.push(before.nameBytes(row))
    else at++
  }
  return missing
}

/** Rows of the table in the order of name bytes, without what is ours or the file system's, and what vanished while we looked. */
function sortedRows(scan: Scan, path: RelPath): Int32Array {
  const { table } = scan
  const { names, nameStarts, nameEnds, stats } = table
  const order = new Int32Array(table.count)
  const isWhole = table.count <= wholeRowsMax
  let kept = 0
  for (let row = 0; row < table.count; row++) {
    if (isWhole && stats[row * statWidth + statErrno] === errno.ENOENT) continue
    const first = names[nameStarts[row] as number] as number
    const mayBeOurs = first === 0x2e || first === 0x4e || first === 0x6e || first >= 0x80
    if (mayBeOurs && isOurs(scan, path, row)) continue
    if (path === rootPath && isLostFound(scan.sys, scan.root, table, row)) continue
    order[kept++] = row
  }
  const compare = (a: number, b: number): number => {
    let i = nameStarts[a] as number
    let j = nameStarts[b] as number
    const iEnd = nameEnds[a] as number
    const jEnd = nameEnds[b] as number
    for (; i < iEnd && j < jEnd; i++, j++) {
      const difference = (names[i] as number) - (names[j] as number)
      if (difference !== 0) return difference
    }
    return iEnd - i - (jEnd - j)
  }
  const sorted = order.subarray(0, kept).sort(compare)
  if (isWhole) settleDirectoryRows(table, sorted, scan.looks)
  return sorted
}

function isOurs(scan: Scan, path: RelPath, row: number): boolean {
  const { table } = scan
  const name = decodeName(table.names, table.nameStarts[row] as number, table.nameEnds[row] as number)
  if (!isReservedName(name)) return false
  if (name !== ownDirectory) note(scan, joinPath(path, name), 'reserved-name', '')
  else if (path !== rootPath && isMarked(scan.sys, scan.root, path)) scan.nested.push(path)
  return true
}

/** A row for a look at one name. */
const lone = new Uint32Array(statWidth)

/** The stat row of a row of the table: the one that is there, or, in a large directory, one that is taken now. */
function rowAt({ sys, table }: Scan, handle: number, name: Uint8Array, row: number): [stats: Uint32Array, at: number] {
  if (table.count <= wholeRowsMax) return [table.stats, row * statWidth]
  lone[statErrno] = 0
  const code = sys.stat(handle, name, lone, 0)
  if (code < 0) lone[statErrno] = -code
  return [lone, 0]
}

/** The row of a name, or -1; `order` has the rows in the order of names. */
function findRow(table: EntryTable, order: Int32Array, name: Uint8Array): number {
  let low = 0
  let high = order.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const row = order[middle] as number
    const comparison = compareBytes(table.name(row), name)
    if (comparison === 0) return row
    if (comparison < 0) low = middle + 1
    else high = middle - 1
  }
  return -1
}

function hasSamePages(before: DirectoryRecord, after: DirectoryRecord): boolean {
  return before.pages.length === after.pages.length && before.pages.every((page, i) => page === after.pages[i])
}

function isUnchanged(before: DirectoryRecord, table: EntryTable, order: Int32Array, looks: number): boolean {
  if (before.count !== order.length) return false
  let from = 0
  for (const page of before.pages) {
    if (!isSamePage(page, table, order, from, looks)) return false
    from += page.count
  }
  return true
}

/**
 * The rules in force within this directory, its own ignore files included. Undefined where one of these can't be read:
 * then nothing tells what is ignored here, and everything must be left alone.
 */
function enterRules(scan: Scan, handle: number, visit: Visit, order: Int32Array): IgnoreScope | undefined {
  if (scan.rules.ignoreFiles.length === 0) return enterScope(scan, visit, [])
  const found: IgnoreText[] = []
  for (const label of scan.rules.ignoreFiles) {
    const name = utf8(label)
    const row = findRow(scan.table, order, name)
    if (row < 0) continue
    const [stats, at] = rowAt(scan, handle, name, row)
    const code = stats[at + statErrno] as number
    if (code === 0 && ((stats[at + statMode] as number) & typeMask) !== typeFile) continue
    const text = code === 0 ? readText(scan.sys, handle, name) : undefined
    if (text === undefined) {
      note(scan, joinPath(visit.path, label), 'unreadable', 'rules')
      return undefined
    }
    found.push({ directory: visit.path, label, text })
  }
  scan.texts.push(...found)
  return enterScope(scan, visit, found)
}

function enterScope(scan: Scan, visit: Visit, found: readonly IgnoreText[]): IgnoreScope {
  if (found.length === 0 && (visit.path === rootPath || visit.scope.idle)) return visit.scope
  if (visit.path === rootPath) return ignoreScope(found, { overrides: [...scan.rules.overrides] })
  const above = visit.scopeAt === rootPath ? 0 : visit.scopeAt.length + 1
  const names = visit.path.slice(above).split('/')
  const name = names.pop() as string
  return names.reduce((scope, between) => scope.enter(between, []), visit.scope).enter(name, found)
}

/** The text of an ignore file, or undefined where it can't be read, is too long, or is not UTF-8. */
export function readText(sys: Sys, directory: number, name: Uint8Array): string | undefined {
  const handle = sys.openFile(directory, name)
  if (handle < 0) return undefined
  const bytes = new Uint8Array(ignoreFileMaxBytes + 1)
  const length = sys.read(handle, bytes, 0, bytes.length, 0)
  sys.close(handle)
  return length < 0 || length > ignoreFileMaxBytes ? undefined : fromUtf8(bytes.subarray(0, length))
}

function noteSpecial(scan: Scan, visit: Visit, record: DirectoryRecord, row: number, scope: IgnoreScope): void {
  if (kindOf(record, row) !== 'special') return
  const name = record.name(row)
  const rule = scope.idle ? undefined : scope.match(name, false)
  if (rule === undefined || rule.negated) scan.specials = withSpecial(scan.specials, joinPath(visit.path, name))
}

function pushDirectories(scan: Scan, visit: Visit, scope: IgnoreScope, deep: boolean): void {
  const record = scan.tree.record(visit.path)
  if (record === undefined) return
  for (let row = record.count - 1; row >= 0; row--) {
    const type = record.type(row)
    if (type !== typeDirectory && type !== typeFile && type !== typeSymlink)
      noteSpecial(scan, visit, record, row, scope)
    if (type !== typeDirectory || record.nameLength(row) > nameMaxBytes) continue
    const name = record.name(row)
    const path = joinPath(visit.path, name)
    if (!deep && scan.tree.record(path) !== undefined) continue
    const rule = scope.idle ? undefined : scope.match(name, true)
    if (rule !== undefined && !rule.negated) continue
    scan.stack.push({
      path,
      scope,
      scopeAt: scope === visit.scope ? visit.scopeAt : visit.path,
      depth: visit.depth + 1,
    })
  }
}
