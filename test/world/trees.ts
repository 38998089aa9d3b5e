// The vocabulary of tests about trees: small made-up directories, written down as plain data, and what a scan of them
// would give (records, a filled tree, listings). Nothing here touches a disk. Properties run from one seed, which
// NIGHTFERRY_SEED replaces; what fails prints it.

import { createHash } from 'node:crypto'
import fc from 'fast-check'
import type { Entry } from '../../src/core/entry.ts'
import { readListing } from '../../src/core/listing.ts'
import { editShift } from '../../src/core/page.ts'
import { joinPath, nameOf, type RelPath, rootPath } from '../../src/core/path.ts'
import { type Decision, type Rules, reconcile, settleDigests } from '../../src/core/reconcile.ts'
import { buildRecord, type DirectoryRecord, type RecordRow } from '../../src/core/record.ts'
import { isOutside } from '../../src/core/selection.ts'
import {
  statCtimeSeconds,
  statDevice,
  statErrno,
  statInodeLow,
  statMode,
  statMtimeNs,
  statMtimeSeconds,
  statMtimeSecondsHigh,
  statSizeHigh,
  statSizeLow,
  statWidth,
  typeDirectory,
  typeFile,
  typeSymlink,
} from '../../src/core/stat.ts'
import { type ListingDigester, Tree } from '../../src/core/tree.ts'
import type { View } from '../../src/core/view.ts'
import { compareBytes, utf8 } from '../../src/std/bytes.ts'

// ---- what lies in a directory --------------------------------------------------------------------------------------

type Time = { readonly seconds: number; readonly ns: number }
export type FileItem = Time & {
  readonly kind: 'file'
  readonly text: string
  readonly mode: number
  readonly edits: number
}
export type SymlinkItem = Time & { readonly kind: 'symlink'; readonly to: string }
export type DirectoryItem = {
  readonly kind: 'directory'
  readonly mode: number
  readonly items: ReadonlyMap<string, Item>
}
/** A name of more than 255 bytes is a bad name, whatever lies there. */
export type Item =
  | FileItem
  | SymlinkItem
  | DirectoryItem
  | { readonly kind: 'special' }
  | { readonly kind: 'unreadable' }

export const special: Item = { kind: 'special' }
export const unreadable: Item = { kind: 'unreadable' }

export function file(text: string, facts: Partial<Omit<FileItem, 'kind' | 'text'>> = {}): FileItem {
  return { kind: 'file', text, mode: 0o644, seconds: 1000, ns: 0, edits: 0, ...facts }
}

export function symlink(to: string, time: Partial<Time> = {}): SymlinkItem {
  return { kind: 'symlink', to, seconds: 1000, ns: 0, ...time }
}

export function directory(items: Readonly<Record<string, Item>> = {}, mode = 0o755): DirectoryItem {
  return { kind: 'directory', mode, items: new Map(Object.entries(items)) }
}

/** Too long to be carried, whatever lies there. */
export function isBadName(name: string): boolean {
  return utf8(name).length > 255
}

/** What lies at a path, or undefined. */
export function itemAt(root: DirectoryItem, path: string): Item | undefined {
  let at: Item | undefined = root
  for (const name of path === '' ? [] : path.split('/')) at = at?.kind === 'directory' ? at.items.get(name) : undefined
  return at
}

/** The same tree with something else (undefined: nothing) at a path whose parent is a directory. */
export function withItem(root: DirectoryItem, path: string, item: Item | undefined): DirectoryItem {
  const slash = path.indexOf('/')
  const name = slash < 0 ? path : path.slice(0, slash)
  const items = new Map(root.items)
  const child = items.get(name)
  if (slash >= 0 && child?.kind === 'directory') items.set(name, withItem(child, path.slice(slash + 1), item))
  else if (slash < 0 && item !== undefined) items.set(name, item)
  else if (slash < 0) items.delete(name)
  return { ...root, items }
}

/** The paths of all directories that can be entered, the root first. */
export function directoryPaths(root: DirectoryItem, at: RelPath = rootPath): RelPath[] {
  const below = [...root.items].flatMap(([name, item]) =>
    item.kind === 'directory' && !isBadName(name) ? directoryPaths(item, joinPath(at, name)) : [],
  )
  return [at, ...below]
}

// ---- what a scan gives ---------------------------------------------------------------------------------------------

export const plainView: View = { modeMask: 0o777, timeGrainNs: 1, overrides: [], texts: [] }

/** A stand-in for the digest that names contents and listings: 32 bytes that differ where the bytes differ. */
export function testDigest(content: Uint8Array | string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(content).digest())
}

/** The same of a listing that comes in pieces. */
export function openTestDigester(): ListingDigester {
  const hash = createHash('sha256')
  return { update: (piece) => void hash.update(piece), finish: () => new Uint8Array(hash.digest()) }
}

/** A stat row as a scan would take it. Sizes and times may be any that a row holds. */
export function statRow(facts: {
  type?: number
  mode?: number
  seconds?: number
  ns?: number
  sizeBytes?: number
  inode?: number
  flags?: number
  errno?: number
}): Uint32Array {
  const row = new Uint32Array(statWidth)
  const { type = typeFile, mode = 0o644, seconds = 0, ns = 0, sizeBytes = 0, inode = 1, flags = 0, errno = 0 } = facts
  row[statMode] = type | mode
  row[statInodeLow] = inode
  row[statCtimeSeconds] = inode + 5
  row[statMtimeSeconds] = seconds
  row[statMtimeSecondsHigh] = Math.floor(seconds / 2 ** 32)
  row[statMtimeNs] = ns
  row[statSizeLow] = sizeBytes
  row[statSizeHigh] = Math.floor(sizeBytes / 2 ** 32)
  row[statDevice] = flags
  row[statErrno] = errno
  return row
}

function rowOf(name: string, item: Item, digests: boolean): RecordRow {
  const plain = { name: utf8(name), at: 0, flags: 0, link: undefined, digest: undefined }
  switch (item.kind) {
    case 'file': {
      const stats = statRow({ ...item, sizeBytes: utf8(item.text).length })
      const digest = digests ? testDigest(item.text) : undefined
      return { ...plain, flags: item.edits << editShift, stats, digest }
    }
    case 'symlink':
      return { ...plain, stats: statRow({ ...item, type: typeSymlink, mode: 0o777 }), link: utf8(item.to) }
    case 'directory':
      return { ...plain, stats: statRow({ type: typeDirectory, mode: item.mode }) }
    case 'special':
      return { ...plain, stats: statRow({ type: 0o010000 }) }
    case 'unreadable':
      return { ...plain, stats: statRow({ type: 0, mode: 0, errno: 13 }) }
  }
}

/** The record that a scan makes of one directory; with `digests` all contents are known. */
export function recordOf(root: DirectoryItem, digests = false): DirectoryRecord {
  const rows = [...root.items].map(([name, item]) => rowOf(name, item, digests))
  rows.sort((a, b) => compareBytes(a.name, b.name))
  return buildRecord(rows, { mtimeSeconds: 7, mtimeNs: 8, inodeLow: 9, inodeHigh: 0 })
}

/** A tree as a scan fills it. `viewId` names the view. */
export function treeOf(root: DirectoryItem, view: View = plainView, viewId = 'view', digests = false): Tree {
  const tree = new Tree([], '', openTestDigester)
  for (const path of directoryPaths(root)) tree.put(path, recordOf(itemAt(root, path) as DirectoryItem, digests))
  tree.setView(view, viewId)
  return tree
}

/** The entries of a directory as the other end reads them. */
export function entriesOf(root: DirectoryItem, view: View = plainView): Entry[] {
  return readListing(treeOf(root, view).listing(rootPath) as Uint8Array)
}

export function entryOf(name: string, item: Item): Entry {
  return entriesOf(directory({ [name]: item }))[0] as Entry
}

// ---- what a run does -----------------------------------------------------------------------------------------------

/** What became of the right, and what was decided on the way: `kind path`, problems as `code path`. */
export type Brought = {
  readonly right: DirectoryItem
  readonly decisions: readonly string[]
  readonly problems: readonly string[]
}

/** Reconciles two trees and carries the decisions out on the right, in memory, as a run does on disk. */
export function bring(left: DirectoryItem, right: DirectoryItem, rules: Rules, view: View = plainView): Brought {
  const [leftTree, rightTree] = [treeOf(left, view), treeOf(right, view)]
  const read = (tree: Tree, at: RelPath): Entry[] => readListing(tree.listing(at) as Uint8Array)
  const [decisions, problems]: [string[], string[]] = [[], []]
  let now = right

  const textOf = (root: DirectoryItem, at: string): Uint8Array => testDigest((itemAt(root, at) as FileItem).text)
  const settle = (at: RelPath, one: Decision): Decision[] => {
    if (one.kind !== 'digests') return [one]
    const path = joinPath(at, one.left.name)
    const digests = { left: textOf(left, path), right: textOf(right, path) }
    return [settleDigests(one.left, one.right, digests, rules) ?? []].flat()
  }
  const come = (path: RelPath, entry: Entry): void => {
    now = withItem(now, path, landed(entry, itemAt(left, path) as Item))
    if (entry.kind === 'directory') walk(path, [])
  }
  const carryOut = (at: RelPath, one: Decision): void => {
    if (one.kind === 'problem') {
      problems.push(`${one.code} ${joinPath(at, one.name)}`)
      return
    }
    if (one.kind === 'skip') return
    const path = joinPath(at, one.kind === 'delete' ? one.right.name : one.left.name)
    if (one.kind === 'enter') return walk(path, read(rightTree, path))
    decisions.push(`${one.kind} ${path}`)
    if (one.kind === 'create' || one.kind === 'replace') return come(path, one.left)
    if (one.kind === 'attributes') {
      now = withItem(now, path, dressed(itemAt(now, path) as Item, one.left, view))
      return
    }
    // What is never copied, or hidden, stays where it is; a name that is still taken by it can't be taken by another.
    const rest = leftover(path, itemAt(now, path) as Item, rightTree)
    if (rest !== undefined) problems.push(`not-empty ${path}`)
    if (one.kind === 'delete') now = withItem(now, path, rest)
    else if (one.kind === 'retype' && rest === undefined) come(path, one.left)
  }
  const walk = (at: RelPath, theirs: readonly Entry[]): void => {
    const all = [...reconcile(read(leftTree, at), theirs, rules)].flatMap((one) => settle(at, one))
    for (const one of all) carryOut(at, one)
  }
  walk(rootPath, read(rightTree, rootPath))
  return { right: now, decisions, problems }
}

/** An entry as it lies there when it came: as the listing told, with the content from the left. */
function landed(entry: Entry, source: Item): Item {
  const time = { seconds: entry.mtimeSeconds, ns: entry.mtimeNs }
  if (source.kind === 'file') return { ...source, ...time, mode: entry.mode, edits: 0 }
  return source.kind === 'symlink' ? { ...source, ...time } : directory({}, entry.mode)
}

function dressed(item: Item, entry: Entry, view: View): Item {
  const time = { seconds: entry.mtimeSeconds, ns: entry.mtimeNs }
  const modeOf = (mode: number): number => (mode & ~view.modeMask) | entry.mode
  if (item.kind === 'file') return { ...item, ...time, mode: modeOf(item.mode) }
  if (item.kind === 'directory') return { ...item, mode: modeOf(item.mode) }
  return item.kind === 'symlink' ? { ...item, ...time } : item
}

/** What stays of something that shall go: what is never copied, what the rules hide and what the sizes leave out, with the directories above it. */
function leftover(path: RelPath, item: Item, tree: Tree): Item | undefined {
  if (item.kind === 'special' || item.kind === 'unreadable' || isBadName(nameOf(path))) return item
  if (item.kind === 'file' && isOutside(utf8(item.text).length, tree.sizes)) return item
  if (item.kind !== 'directory') return undefined
  const scope = tree.scopeAt(path)
  const items = new Map<string, Item>()
  for (const [name, child] of item.items) {
    const isHidden = !isBadName(name) && scope.match(name, child.kind === 'directory')?.negated === false
    const rest = isHidden ? child : leftover(joinPath(path, name), child, tree)
    if (rest !== undefined) items.set(name, rest)
  }
  return items.size === 0 ? undefined : { ...item, items }
}

// ---- chance --------------------------------------------------------------------------------------------------------

const seed = Number(process.env.NIGHTFERRY_SEED ?? 20261121)

/** Checks a property from the seed; a failure names the seed and the smallest example found. */
export function check<Values>(property: fc.IProperty<Values>, numRuns = 300): void {
  fc.assert(property, { seed, numRuns })
}

export type Chances = {
  /** Special, unreadable and badly named items too. */
  readonly uncopied?: boolean
  readonly edits?: boolean
}

const plainNames = ['a', 'b', 'B', 'c.o', '.x', 'ä', '\u{1f600}', '\ufffd', '\udcff', 'a\udc80b']
const badNames = ['x'.repeat(256)]
const someTime = fc.record({
  seconds: fc.constantFrom(-2, -1, 0, 1, 2, 3, 1000, 1001, 5_000_000_000),
  ns: fc.constantFrom(0, 1, 999, 1000, 1500, 500_000_000, 999_999_999),
})
const someMode = fc.constantFrom(0o644, 0o600, 0o755, 0o4755)

export function someItem(chances: Chances, depth: number): fc.Arbitrary<Item> {
  const edits = chances.edits === true ? fc.constantFrom(0, 0, 0, 1, 200) : fc.constant(0)
  const someFile = fc
    .tuple(fc.constantFrom('', 'x', 'y', 'xx', 'xy'), someMode, someTime, edits)
    .map(([text, mode, time, count]) => file(text, { mode, ...time, edits: count }))
  const someSymlink = fc.tuple(fc.constantFrom('a', '../b', '/c'), someTime).map(([to, time]) => symlink(to, time))
  return fc.oneof(
    { weight: 4, arbitrary: someFile },
    { weight: 1, arbitrary: someSymlink },
    ...(chances.uncopied === true ? [{ weight: 1, arbitrary: fc.constantFrom(special, unreadable) }] : []),
    ...(depth > 0 ? [{ weight: 3, arbitrary: someDirectory(chances, depth - 1) }] : []),
  )
}

/** Small trees that often hold the same names, contents, times and modes. */
export function someDirectory(chances: Chances = {}, depth = 2): fc.Arbitrary<DirectoryItem> {
  const names = [...plainNames, ...(chances.uncopied === true ? badNames : [])]
  const pairs = fc.uniqueArray(fc.tuple(fc.constantFrom(...names), someItem(chances, depth)), {
    selector: ([name]) => name,
    maxLength: 5,
  })
  return fc
    .tuple(pairs, fc.constantFrom(0o755, 0o700))
    .map(([items, mode]) => ({ kind: 'directory', mode, items: new Map(items) }))
}

/** Bytes with a few of them changed, left out, doubled or cut off: what a damaged disk or a hostile peer may send. */
export function mutated(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  const byte = fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.integer({ min: 0, max: 255 }))
  const edit = fc.tuple(fc.constantFrom('set', 'insert', 'remove', 'cut', 'repeat'), place, byte)
  return fc.tuple(bytes, fc.array(edit, { minLength: 1, maxLength: 4 })).map(([whole, edits]) => {
    let now = [...whole]
    for (const [kind, where, value] of edits) {
      const at = Math.floor(where * now.length)
      if (kind === 'set') now[at] = value
      else if (kind === 'insert') now.splice(at, 0, value)
      else if (kind === 'remove') now.splice(at, 1)
      else if (kind === 'cut') now = now.slice(0, at)
      else now.splice(at, 0, ...now.slice(at, at + value))
    }
    return Uint8Array.from(now)
  })
}
