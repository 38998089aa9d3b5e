// What the threads of a crew do for disk: the table of tasks, and the state that a seat keeps between them. A tree lives
// in one seat for a whole run; a batch of wants or of landing lives in the seat that it was given. Each task does a
// bounded piece of work and returns; buffers go both ways without being copied.

import { type Digester, openDomainDigester } from '../chunk/digest.ts'
import { expand, squeeze } from '../chunk/squeeze.ts'
import { joinDigests, splitDigests } from '../core/digests.ts'
import type { Summary } from '../core/entry.ts'
import { changedLevels } from '../core/levels.ts'
import type { encodeLinked } from '../core/link-table.ts'
import type { LinkPolicy } from '../core/links.ts'
import type { Naming } from '../core/naming.ts'
import type { NameRange } from '../core/outline.ts'
import type { Owners } from '../core/owners.ts'
import { RecordPage } from '../core/page.ts'
import { parentOf, type RelPath } from '../core/path.ts'
import type { SectionHead } from '../core/plan.ts'
import type { Problem } from '../core/problem.ts'
import { DirectoryRecord } from '../core/record.ts'
import type { DirectoryMove } from '../core/renames.ts'
import { decodeShelf, encodeShelf } from '../core/shelf.ts'
import { joinStored, Tree } from '../core/tree.ts'
import type { View } from '../core/view.ts'
import { present } from '../std/assert.ts'
import { discard, utf8 } from '../std/bytes.ts'
import { blockMs, systemClock } from '../std/clock.ts'
import { Handover } from '../std/crew.ts'
import { type IsStopped, stopOf } from '../std/stop.ts'
import { batchTasks } from './batch-tasks.ts'
import { deltaTasks } from './delta-tasks.ts'
import { digestsOf } from './digests.ts'
import { finishDirectory } from './directories.ts'
import { encodeDisplacements } from './journal.ts'
import { KnownLinks } from './known-links.ts'
import { type ContentPlace, placesOfContents } from './large.ts'
import { applyLearned } from './learned.ts'
import type { MoveChange } from './manifest.ts'
import { type Moved, moveDirectories, moveIntents } from './moves.ts'
import { racyMs } from './racy.ts'
import { type Respelling, respellings } from './respell.ts'
import { isGone, lookAgainAtTop, rescanDirectories, type ScanReport, type ScanRules, scanRoot } from './scan.ts'
import { type Staged, type StageOptions, Stager } from './stage.ts'
import { ownersOf } from './sys-accounts.ts'
import { systemSys } from './system.ts'
import {
  type Along,
  type DirectoryListing,
  listingsAlong,
  type OutlinedListing,
  outlinedListing,
  type ToldListing,
  wholeListing,
} from './told-listings.ts'
import { topTasks } from './top-tasks.ts'
import {
  distrustFiles,
  shownDirectories,
  type VerifyPoint,
  type VerifyReport,
  verifyChunk,
  verifyChunks,
} from './verify.ts'
import { versionTasks } from './version-tasks.ts'
import { decodeWants } from './wants.ts'

const sys = systemSys()
const nowMs = systemClock.nowMs
type OpenTree = {
  readonly tree: Tree
  readonly root: number
  readonly isStopped: IsStopped
  stager: Stager | undefined
  /** What pages lie in that the tree has given up: given back when nothing of it is used any more. */
  readonly dropped: Set<ArrayBufferLike>
  readonly links: KnownLinks
  /** Of a target: shelves of directories that landed whole, and what is known of other files that landed. */
  readonly landed: { readonly built: Uint8Array[]; readonly learned: { bytes: Uint8Array; word: number }[] }
  /** While its files are read again: the directories that the view shows. */
  shown?: readonly RelPath[]
}
const trees = new Map<number, OpenTree>()

function openFingerprint(): Digester {
  return openDomainDigester('listing 1')
}

function treeOf(id: number): OpenTree {
  return present(trees.get(id), 'a tree is open in its seat')
}

/** Records that are copied at a time on their way out of a tree. */
const drainedBytes = 64 * 1024
/** A process that has grown to this gives back what a run took: a daemon may have nothing to do until tomorrow. */
const trimmedBytes = 192 * 1024 * 1024

/** Whether nothing else lies in the page's buffer: those of a loaded shelf share it. */
function ownsBuffer({ bytes }: RecordPage): boolean {
  return bytes.length === bytes.buffer.byteLength
}

/** Asking opens a file: where none can be opened any more, nothing is worth failing for that. */
function residentBytes(): number {
  try {
    return process.memoryUsage.rss()
  } catch {
    return 0
  }
}

/** More than one batch can teach. */
const learnedMaxBytes = 1 << 24

/** For keeping: of a directory of a million files as much is learned as is known of it, and held until all of it has landed. */
function packed(learned: Uint8Array): { bytes: Uint8Array; word: number } {
  if (learned.length < drainedBytes) return { bytes: learned, word: 0 }
  const { length, word } = squeeze(learned, 1)
  if (word === 0) return { bytes: learned, word }
  const bytes = learned.slice(0, length)
  discard(learned)
  return { bytes, word }
}

/** After work that needed much for a moment: what the process does not use any more goes back to the system. */
function giveBack(): void {
  if (residentBytes() > trimmedBytes) sys.trimMemory()
}

export const tasks = {
  /** Opens a tree with what is stored of it, and scans its root. */
  scan(input: {
    tree: number
    root: number
    shelves: readonly Uint8Array[]
    viewId: string
    rules: ScanRules
    stop: SharedArrayBuffer
  }): ScanReport {
    const { root, rules } = input
    const stored = input.shelves.flatMap((shelf) => decodeShelf(shelf, input.viewId))
    const tree = new Tree(stored, input.viewId, openFingerprint)
    const isStopped = stopOf(input.stop)
    trees.set(input.tree, {
      tree,
      root,
      isStopped,
      stager: undefined,
      dropped: new Set(),
      links: new KnownLinks(tree),
      landed: { built: [], learned: [] },
    })
    if (root < 0) return emptyReport
    const report = scanRoot(sys, root, tree, rules, nowMs, isStopped)
    giveBack()
    return report
  },

  /** Sets the view; the root's summary under it. */
  view(input: { tree: number; view: View; viewId: string }): Summary | undefined {
    const { tree, links } = treeOf(input.tree)
    tree.setView(input.view, input.viewId)
    links.forget()
    const summary = links.summary()
    giveBack()
    return summary
  },

  summary(input: { tree: number }): Summary | undefined {
    return treeOf(input.tree).tree.summary('' as RelPath)
  },

  listings(input: { tree: number; paths: readonly RelPath[] }): Handover<(DirectoryListing | undefined)[]> {
    const { tree } = treeOf(input.tree)
    const listings = input.paths.map((path) => wholeListing(tree, path))
    // Small ones are copied sooner than handed over.
    const large = listings.flatMap((listing) =>
      listing !== undefined && listing.bytes.length > drainedBytes ? [listing] : [],
    )
    return new Handover(
      listings,
      large.map(({ bytes }) => bytes.buffer as ArrayBuffer),
    )
  },

  outlines(input: { tree: number; paths: readonly RelPath[] }): (OutlinedListing | undefined)[] {
    const { tree } = treeOf(input.tree)
    const listings = input.paths.map((path) => outlinedListing(tree, path))
    giveBack()
    return listings
  },

  listingsAlong(input: { tree: number; asked: readonly RelPath[]; along: Along; maxBytes: number }): ToldListing[] {
    return listingsAlong(treeOf(input.tree).tree, input.asked, input.along, input.maxBytes)
  },

  /** The first directories in which something is not as it was stored. */
  changedPaths(input: { tree: number; max: number }): RelPath[] {
    return [...changedLevels(treeOf(input.tree).tree).take(input.max)]
  },

  listingPart(input: { tree: number; path: RelPath; ranges: readonly NameRange[] }): Uint8Array | undefined {
    return treeOf(input.tree).tree.listingPart(input.path, input.ranges)
  },

  /**
   * Digests of files as the tree knows them; what is unknown is read now. With `fresh` everything is read, and content
   * that differs under an unchanged signature is damage. With `tells` large ones are about to be told. Side by side; zero
   * where not to be had.
   */
  digests(input: { tree: number; files: Uint8Array; fresh: boolean; tells?: boolean }): Uint8Array {
    const { tree, root, isStopped } = treeOf(input.tree)
    const asking = { fresh: input.fresh, scope: input.tells === true ? input.tree : undefined, nowMs, isStopped }
    return joinDigests(digestsOf(sys, root, tree, decodeWants(input.files), asking))
  },

  /** Prepares the tree of a target for staging. */
  beginStaging({ tree, ...options }: StageOptions & { readonly tree: number }): void {
    const open = treeOf(tree)
    open.stager = new Stager(sys, open.root, open.tree, options)
  },

  stage(input: { tree: number; batch: number; bytes: Uint8Array }): Staged {
    return present(treeOf(input.tree).stager, 'staging was begun').stage(input.batch, input.bytes)
  },

  answer(input: { tree: number; batch: number; digests: Uint8Array }): Staged {
    return present(treeOf(input.tree).stager, 'staging was begun').answer(input.batch, splitDigests(input.digests))
  },

  /** What was staged before has landed, and the tree knows it: further names may be made of what is there. */
  beginLinks(input: { tree: number }): void {
    present(treeOf(input.tree).stager, 'staging was begun').beginLinks()
  },

  /** Some of the files that have several names, from this number on. */
  linked(input: { tree: number; from: number }): ReturnType<typeof encodeLinked> {
    return treeOf(input.tree).links.part(input.from)
  },

  /** What `moveDirectories` is about to do, for the run's manifest. */
  moveIntents(input: { tree: number; moves: readonly DirectoryMove[]; naming: Naming | undefined }): MoveChange[] {
    return moveIntents(treeOf(input.tree).tree, input.moves, input.naming)
  },

  /** Which of them only spell a name otherwise, and where each entry lies in between: for the journal. */
  respellings(input: { tree: number; moves: readonly DirectoryMove[]; naming: Naming | undefined }): {
    slots: Map<RelPath, Respelling>
    displacements: Uint8Array[]
  } {
    const slots = respellings(treeOf(input.tree).tree, input.moves, input.naming)
    return { slots, displacements: encodeDisplacements([...slots.values()]) }
  },

  /** Renames directories on disk and in the tree, in the order given, making missing parents of their new names. */
  moveDirectories(input: {
    tree: number
    moves: readonly DirectoryMove[]
    links?: LinkPolicy | undefined
    staging: number
    slots: ReadonlyMap<RelPath, Respelling>
  }): Moved {
    const { tree, root } = treeOf(input.tree)
    return moveDirectories(sys, root, tree, input.moves, input.links, { ...input, nowMs })
  },

  /** Keeps what landing taught until the tree is settled. */
  keepLanded(input: { tree: number; built: Uint8Array | undefined; learned: Uint8Array }): void {
    const { landed } = treeOf(input.tree)
    if (input.built !== undefined) landed.built.push(input.built)
    if (input.learned.length > 0) landed.learned.push(packed(input.learned))
  },

  /**
   * Looks again at what a run touched, and learns the digests of what landed. `marks`: flags of what is new; `goesOn`: more is
   * staged. The root's new summary.
   */
  settleTree(input: {
    tree: number
    touched: readonly RelPath[]
    removed: readonly RelPath[]
    marks: number
    goesOn?: boolean
  }): {
    summary: Summary | undefined
    problems: readonly Problem[]
  } {
    const open = treeOf(input.tree)
    const { tree, root, landed, stager, links } = open
    links.forget()
    // Where nothing is staged any more, what was known for it is much where a directory is huge.
    if (input.goesOn !== true) open.stager = undefined
    giveBack()
    for (const path of input.removed) tree.removeWithin(path)
    const parents = new Set<RelPath>()
    for (const shelf of landed.built) {
      for (const { path, record } of joinStored(decodeShelf(shelf, ''))) {
        // On their own, so that each can be given away by itself.
        const pages = record.pages.map(({ bytes }) => new RecordPage(bytes.slice()))
        if (input.marks !== 0) for (const page of pages) page.mark(input.marks)
        tree.put(path, new DirectoryRecord(pages))
        if (path !== '') parents.add(parentOf(path))
      }
      discard(shelf)
    }
    // What was built whole is known, unless something was put into it afterwards.
    const again = new Set([...input.touched, ...parents])
    // The row of a directory has its ctime where attributes count: that of one that was worked in is another one now.
    if (tree.looks !== 0) for (const path of input.touched) if (path !== '') again.add(parentOf(path))
    // Young signatures are racy; a moment's wait makes those that are taken now trustworthy.
    blockMs(racyMs + 5)
    const { marks } = input
    const problems = [...rescanDirectories(sys, root, tree, again, nowMs, { marks, linked: stager?.linked })]
    if (tree.top !== undefined) problems.push(...lookAgainAtTop(sys, root, tree))
    for (let part = landed.learned.pop(); part !== undefined; part = landed.learned.pop())
      applyLearned(tree, expand(part.bytes, part.word, learnedMaxBytes), true)
    landed.built.length = 0
    giveBack()
    return { summary: links.summary(), problems }
  },

  /** Files of the tree to be read again, a chunk a seat and time; and where to go on. */
  verifyList(input: { tree: number; from: VerifyPoint }): { chunks: Uint8Array[]; next: VerifyPoint | undefined } {
    const open = treeOf(input.tree)
    if (open.shown === undefined || (input.from.directory === 0 && input.from.row === 0))
      open.shown = shownDirectories(open.tree)
    return verifyChunks(open.tree, open.shown, input.from)
  },

  /** Reads a chunk of files, whose tree lives elsewhere. */
  verifyChunk(input: { root: number; chunk: Uint8Array; stop: SharedArrayBuffer }): VerifyReport {
    return verifyChunk(sys, input.root, input.chunk, stopOf(input.stop))
  },

  /** What these files hold is not what it should be: the next run compares and brings them. */
  distrust(input: { tree: number; files: Uint8Array; damaged: boolean }): void {
    distrustFiles(treeOf(input.tree).tree, decodeWants(input.files), input.damaged)
  },

  /** Where these contents lie, as far as the tree knows; `digests` side by side. */
  placesOf(input: { tree: number; digests: Uint8Array }): ContentPlace[] {
    return placesOfContents(treeOf(input.tree).tree, input.digests)
  },

  /** Adds what reading taught a source's tree. */
  learn(input: { tree: number; learned: Uint8Array }): void {
    applyLearned(treeOf(input.tree).tree, input.learned, false)
  },

  /**
   * What differs from what is stored, on shelves: all of it, or about `maxBytes` with more to come. It is given away: the
   * tree is empty afterwards. `sizeBytes` is what the tree had before.
   */
  takeChanges(input: { tree: number; maxBytes?: number }): Handover<{
    put: Uint8Array[]
    removed: string[]
    more: boolean
    sizeBytes: number
  }> {
    const { tree, dropped } = treeOf(input.tree)
    const { maxBytes = Number.POSITIVE_INFINITY } = input
    const { sizeBytes } = tree
    let taken = 0
    const removed: string[] = []
    const shelves: Uint8Array[] = []
    for (;;) {
      const changes = tree.takeChanges(drainedBytes, ({ bytes }) => dropped.add(bytes.buffer))
      removed.push(...changes.removed)
      if (changes.put.length === 0) break
      const shelf = encodeShelf(changes.put)
      for (const { page } of changes.put) if (ownsBuffer(page)) discard(page.bytes)
      shelves.push(shelf)
      taken += shelf.length
      if (taken >= maxBytes) break
    }
    return new Handover(
      { put: shelves, removed, more: taken >= maxBytes, sizeBytes },
      shelves.map((shelf) => shelf.buffer as ArrayBuffer),
    )
  },

  /** Does nothing, after everything that was asked before it. */
  pause(_input: object): void {},

  closeTree(input: { tree: number }): void {
    const open = trees.get(input.tree)
    trees.delete(input.tree)
    if (open === undefined) return
    for (const path of open.tree.paths()) {
      for (const { bytes } of open.tree.record(path)?.pages ?? []) open.dropped.add(bytes.buffer)
    }
    for (const buffer of open.dropped) discard({ buffer })
    giveBack()
  },

  /** Everything written to the file system of `handle` is on disk afterwards. Zero or a negative errno. */
  sync(input: { handle: number }): number {
    return sys.syncFileSystem(input.handle)
  },

  /** Syncs the named directories one by one: the small run's form of `sync`. */
  syncDirectories(input: { root: number; paths: readonly RelPath[] }): number {
    let worst = 0
    let isRefused = false
    for (const path of input.paths) {
      const handle = sys.openDirectory(input.root, utf8(path))
      // A directory that is gone again has nothing to sync; one that we may not open is synced with everything else.
      if (handle < 0) isRefused ||= !isGone(handle)
      if (handle < 0) continue
      const code = sys.syncHandle(handle)
      sys.close(handle)
      if (code < 0) worst = code
    }
    return worst === 0 && isRefused ? sys.syncFileSystem(input.root) : worst
  },

  /** Sets modes and times of directories, deepest first. */
  finishDirectories(input: { root: number; heads: readonly SectionHead[]; setsSpecial: boolean }): void {
    const heads = [...input.heads].sort((a, b) => b.path.length - a.path.length)
    for (const head of heads) finishDirectory(sys, input.root, head, input.setsSpecial)
  },

  /** The accounts that own something in the tree, by their names here. */
  ownersOf(input: { tree: number }): Owners {
    return ownersOf(treeOf(input.tree).tree.ownerIds())
  },

  ...batchTasks,
  ...deltaTasks,
  ...topTasks,
  ...versionTasks,
}

export type DiskTasks = typeof tasks

const emptyReport: ScanReport = { entries: 0, problems: [], retimed: [], texts: [], moves: [], nested: [] }
