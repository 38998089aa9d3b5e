// A mirror of one folder into another in this thread, by the classes of disk and with a Sys of the test's choice: what
// jobs does across seats and wires, in one readable sequence with places to step in. For tests only.

import { openDomainDigester } from '../../src/chunk/digest.ts'
import { parentOf, type RelPath } from '../../src/core/path.ts'
import { cutBatches, encodeBatch, type SectionHead } from '../../src/core/plan.ts'
import type { Problem } from '../../src/core/problem.ts'
import { sizeOf } from '../../src/core/stat.ts'
import { pathOfKey, Tree } from '../../src/core/tree.ts'
import type { View } from '../../src/core/view.ts'
import { Apply } from '../../src/disk/apply.ts'
import { type Aside, dropDisplaced, isStuck, Kept } from '../../src/disk/aside.ts'
import { digestFile } from '../../src/disk/content.ts'
import { finishDirectory } from '../../src/disk/directories.ts'
import { intentsOf, refusedOf } from '../../src/disk/intents.ts'
import {
  clearJournal,
  createJournal,
  type Displacement,
  encodeDisplacements,
  writeJournal,
} from '../../src/disk/journal.ts'
import type { LandCounts } from '../../src/disk/landed.ts'
import { Landing } from '../../src/disk/landing.ts'
import { applyLearned } from '../../src/disk/learned.ts'
import { encodeChanges, readManifest, writePart } from '../../src/disk/manifest.ts'
import { moveCorrections, moveDirectories, moveIntents } from '../../src/disk/moves.ts'
import { respellings } from '../../src/disk/respell.ts'
import { openSource, openTarget, type Root } from '../../src/disk/root.ts'
import { rescanDirectories, type ScanReport, scanRoot } from '../../src/disk/scan.ts'
import { Stager } from '../../src/disk/stage.ts'
import { Supply } from '../../src/disk/supply.ts'
import type { Sys } from '../../src/disk/sys.ts'
import { carryOutUndo, type Undone, undoGroupSteps } from '../../src/disk/undo.ts'
import { planUndo } from '../../src/disk/undo-plan.ts'
import type { UndoPlan } from '../../src/disk/undo-steps.ts'
import {
  closeRunPlace,
  makeRunPlace,
  openRunPlace,
  openStore,
  type RunPlace,
  readStoreSettings,
} from '../../src/disk/versions.ts'
import { decodeWants, encodeWants, type WantedDirectory } from '../../src/disk/wants.ts'
import { compare } from '../../src/jobs/compare.ts'
import type { End, SourceEnd } from '../../src/jobs/endpoint.ts'
import { Spellings, spelledSource } from '../../src/jobs/spellings.ts'
import { present } from '../../src/std/assert.ts'
import { utf8 } from '../../src/std/bytes.ts'

export type MirrorOptions = {
  readonly source: string
  readonly target: string
  /** Works on the target; the source is read with it too, unless `sourceSys` is given. */
  readonly sys: Sys
  readonly sourceSys?: Sys
  /** Trees of the run before, as `mirror` returned them. */
  readonly before?: Mirrored
  readonly ignoreFiles?: readonly string[]
  readonly syncEach?: boolean
  readonly modeMask?: number
  readonly mode?: 'mirror' | 'update'
  /** What is replaced and deleted is kept as versions of this run. */
  readonly run?: string
  /** Years from now unless given: nothing is young enough to be looked at again. */
  readonly nowMs?: () => number
  /** Both roots were scanned. */
  scanned?(): void
  /** All contents are written and verified; nothing has its name. */
  written?(): void
  /** All names are given; what was displaced lies in the staging directory. */
  landed?(): void
}

export type Mirrored = {
  readonly sourceTree: Tree
  readonly targetTree: Tree
  readonly scan: ScanReport
  readonly counts: LandCounts
  /** Directories that were renamed. */
  renamed: number
  copiedLocally: number
  readonly problems: Problem[]
  readonly recovered: Root['recovered']
}

/** Years later than anything that a test plants. */
export const later = (): number => Date.now() + 1e12

export function newTree(): Tree {
  return new Tree([], '', () => openDomainDigester('listing 1'))
}

/** One run. What it throws (a Failure, a Death) leaves the folders as a process that died would; handles are closed. */
export async function mirror(options: MirrorOptions): Promise<Mirrored> {
  const { sys } = options
  const source = openSource(options.sourceSys ?? sys, options.source)
  try {
    const target = openTarget(sys, options.target, { create: true, machine: 'test', expectedId: undefined })
    try {
      return await run(options, source, target)
    } finally {
      target.close()
    }
  } finally {
    source.close()
  }
}

async function run(options: MirrorOptions, source: Root, target: Root): Promise<Mirrored> {
  const { sys, sourceSys = sys, ignoreFiles = [], nowMs = later } = options
  const sourceTree = options.before?.sourceTree ?? newTree()
  const targetTree = options.before?.targetTree ?? newTree()
  const scan = scanRoot(sourceSys, source.handle, sourceTree, { overrides: [], ignoreFiles }, nowMs)
  scanRoot(sys, target.handle, targetTree, { overrides: [], ignoreFiles: [] }, nowMs)
  const view: View = {
    modeMask: options.modeMask ?? 0o777,
    timeGrainNs: Math.max(sys.timeGrainNs, sourceSys.timeGrainNs),
    overrides: [],
    texts: scan.texts,
  }
  sourceTree.setView(view, JSON.stringify(view))
  targetTree.setView(view, JSON.stringify(view))
  options.scanned?.()

  const left = endOf(sourceSys, source, sourceTree)
  const right = endOf(sys, target, targetTree)
  sourceTree.summary('' as RelPath)
  targetTree.summary('' as RelPath)
  const { naming } = target.traits
  const rules = {
    mode: options.mode ?? 'mirror',
    timeGrainNs: view.timeGrainNs,
    checksum: false,
    ...(naming && { naming }),
  } as const
  const spellings = new Spellings()
  const spelled = spelledSource(left as SourceEnd, spellings)
  const plan = await compare(spelled, right, rules, scan.moves, spellings)
  const mirrored: Mirrored = {
    sourceTree,
    targetTree,
    scan,
    counts: { created: 0, replaced: 0, attributes: 0, deleted: 0 },
    renamed: 0,
    copiedLocally: 0,
    problems: [...scan.problems, ...plan.problems],
    recovered: target.recovered,
  }
  const place = options.run === undefined ? undefined : openPlace(sys, target, options.run)
  const intents = moveIntents(targetTree, plan.moves, naming)
  if (place !== undefined) must(writePart(sys, place.handle, 0, [encodeChanges(intents)]))
  const journal = { handle: -1, own: target.own?.handle ?? -1, at: 0 }
  const slots = respellings(targetTree, plan.moves, naming)
  tell(sys, journal, [...slots.values()], options.run)
  const { moved, made, problems } = moveDirectories(sys, target.handle, targetTree, plan.moves, undefined, {
    staging: target.own?.staging ?? -1,
    slots,
    nowMs,
  })
  if (place !== undefined) must(writePart(sys, place.handle, 1, [encodeChanges(moveCorrections(intents, moved, made))]))
  mirrored.renamed += moved.length
  mirrored.problems.push(...problems)
  const batches = [...cutBatches(plan.sections), ...cutBatches(plan.deletions)]
  const stager = new Stager(sys, target.handle, targetTree, {
    modeMask: options.modeMask ?? 0o777,
    syncEach: options.syncEach ?? false,
  })
  const landings: Landing[] = []
  const heads: SectionHead[] = []
  for (const [batch, sections] of batches.entries()) {
    let staged = stager.stage(batch, encodeBatch(sections))
    if (staged.askCount > 0) staged = stager.answer(batch, await spelled.digests(decodeWants(staged.asks), false))
    heads.push(...staged.heads)
    const landing = new Landing(sys, handlesOf(target), staged.order, process.umask())
    landings.push(landing)
    landing.begin()
    for (const part of carry(landing, sourceSys, source, spellings.wantsToSource(staged.wants), nowMs))
      applyLearned(sourceTree, part, false)
  }
  options.written?.()
  land(options, target, landings, heads, mirrored, place, journal)
  if (place !== undefined) closeRunPlace(sys, place)
  return mirrored
}

function handlesOf(target: Root): { root: number; staging: number; own: number } {
  return { root: target.handle, staging: target.own?.staging ?? -1, own: target.own?.handle ?? -1 }
}

/** Reads what is wanted and writes it, in as many rounds as jobs would. What reading taught. */
function carry(landing: Landing, sys: Sys, source: Root, wants: Uint8Array, nowMs: () => number): Uint8Array[] {
  const learned: Uint8Array[] = []
  for (let round = 1; ; round++) {
    const supply = new Supply(sys, source.handle, decodeWants(wants), nowMs)
    const slab = new Uint8Array(256 * 1024)
    for (let done = false; !done; ) {
      const filled = supply.fill(slab)
      landing.receive(slab.subarray(0, filled.length))
      done = filled.done
    }
    learned.push(supply.learned.take())
    const again = landing.finishWriting()
    if (again.length === 0 || round === 3) return learned
    landing.wantAgain(again)
    wants = encodeWants(landing.batch.namesOf(again))
  }
}

function land(
  options: MirrorOptions,
  target: Root,
  landings: Landing[],
  heads: SectionHead[],
  into: Mirrored,
  place: RunPlace | undefined,
  journal: { handle: number; readonly own: number; at: number },
): void {
  const { sys, nowMs = later } = options
  const handles = handlesOf(target)
  const touched = new Set<RelPath>()
  const displaced: Aside[] = []
  // A group each: what jobs does with a hundred megabytes, it does here with a file.
  for (const [i, landing] of landings.entries()) {
    const apply = new Apply(sys, handles, landing, nowMs)
    tell(sys, journal, apply.displacements, options.run)
    if (place !== undefined) must(writePart(sys, place.handle, 2 * i + 2, [encodeChanges(intentsOf(landing.batch))]))
    must(sys.syncFileSystem(handles.staging))
    const landed = apply.land()
    for (const key of ['created', 'replaced', 'attributes', 'deleted'] as const) into.counts[key] += landed.counts[key]
    into.problems.push(...landed.problems)
    for (const path of landed.touched) touched.add(path)
    for (const { key } of landed.built) touched.add(pathOfKey(key)).add(parentOf(pathOfKey(key)))
    displaced.push(...landed.displaced)
    for (const path of landed.removed) into.targetTree.removeWithin(path)
  }
  if (journal.handle >= 0) sys.close(journal.handle)
  const refused = refusedOf(into.problems.map(({ path }) => path))
  if (place !== undefined && refused.length > 0)
    must(writePart(sys, place.handle, 2 * landings.length + 2, [encodeChanges(refused)]))
  for (const landing of landings) into.copiedLocally += landing.copied + landing.moved
  for (const head of [...heads].sort((a, b) => b.path.length - a.path.length)) {
    finishDirectory(sys, handles.root, head)
  }
  options.landed?.()
  must(sys.syncFileSystem(handles.root))
  const kept = new Kept(place?.files ?? -1)
  const dropped = dropDisplaced(sys, handles, displaced, kept)
  must(kept.sync(sys))
  into.problems.push(...dropped)
  for (const { path } of dropped) touched.add(parentOf(path as RelPath))
  if (!dropped.some(isStuck)) clearJournal(sys, handles.own)
  into.problems.push(...rescanDirectories(sys, handles.root, into.targetTree, touched, nowMs))
}

function tell(
  sys: Sys,
  journal: { handle: number; readonly own: number; at: number },
  displacements: readonly Displacement[],
  run: string | undefined,
): void {
  if (displacements.length === 0) return
  if (journal.handle < 0) journal.handle = createJournal(sys, journal.own)
  must(journal.handle)
  const end = writeJournal(sys, journal, encodeDisplacements(displacements), run)
  must(end)
  journal.at = end
}

/** The place of a run in the target's own store, made where it is missing; the caller closes it. */
export function openPlace(sys: Sys, target: Root, run: string): RunPlace {
  const ownPath = `${target.path}/.nightferry`
  const root = { own: target.own?.handle ?? -1, id: target.id, ownPath }
  const store = present(openStore(sys, root, readStoreSettings(ownPath), true), 'a store is made')
  try {
    return openRunPlace(sys, store, run) ?? makeRunPlace(sys, store, run, { atMs: 0 })
  } finally {
    sys.close(store.handle)
  }
}

/**
 * Undoes a run as a run of its own. What the plan refused, or what was done. `stopAt`: at which safe point it is asked to
 * stop, counted from 1; groups are as small as they can be then.
 */
export function undo(
  sys: Sys,
  path: string,
  run: string,
  as: string,
  stopAt: number = Number.POSITIVE_INFINITY,
): { conflicts: UndoPlan['conflicts']; undone?: Undone } {
  const target = openTarget(sys, path, { create: true, machine: 'test', expectedId: undefined })
  try {
    const handles = handlesOf(target)
    const undone = openPlace(sys, target, run)
    const manifest = readManifest(sys, undone.handle)
    if (typeof manifest === 'number') throw new Error('no manifest')
    const plan = toItsEnd(planUndo(sys, handles.root, undone.files, manifest, target.traits))
    if (plan.conflicts.length > 0) return { conflicts: plan.conflicts }
    const place = openPlace(sys, target, as)
    const groupSteps = Number.isFinite(stopAt) ? 1 : undoGroupSteps
    const umask = process.umask()
    const options = { undone, place, modeMask: target.traits.modeMask, umask, nowMs: later, groupSteps }
    const pieces = carryOutUndo(sys, handles, plan, options)
    let safe = 0
    let next = pieces.next(false)
    while (next.done !== true) {
      if (next.value.isSafe) safe++
      next = pieces.next(safe >= stopAt)
    }
    const done = next.value
    closeRunPlace(sys, undone)
    closeRunPlace(sys, place)
    return { conflicts: [], undone: done }
  } finally {
    target.close()
  }
}

function toItsEnd<Result>(steps: Generator<unknown, Result>): Result {
  let next = steps.next()
  while (next.done !== true) next = steps.next()
  return next.value
}

function must(code: number): void {
  if (code < 0) throw new Error(`the disk refused (${code})`)
}

/** What `compare` asks of an end, over a tree of this thread. */
function endOf(sys: Sys, root: Root, tree: Tree): End {
  const unused = (): never => {
    throw new Error('not asked of this end')
  }
  const digestIn = (path: RelPath, name: string): Uint8Array | undefined => {
    const record = tree.record(path)
    const row = record?.find(utf8(name)) ?? -1
    if (record === undefined || row < 0) return undefined
    const handle = sys.openDirectory(root.handle, utf8(path))
    const digest = record.digest(row) ?? digestFile(sys, handle, utf8(name), sizeOf(record.stats(row), record.at(row)))
    sys.close(handle)
    return digest
  }
  return {
    facts: {
      machine: 't',
      path: root.path,
      rootId: root.id,
      traits: root.traits,
      empty: root.empty,
      nowMs: 0,
      epoch: 0,
      recovered: [],
    },
    scan: unused,
    view: unused,
    close: unused,
    linkedFiles: async () => [],
    listings: async (paths) =>
      paths.map((path) => {
        const bytes = tree.listing(path)
        const own = tree.record(path)?.own
        return bytes && own && { bytes, mtimeSeconds: own.mtimeSeconds, mtimeNs: own.mtimeNs }
      }),
    outlines: async (paths) =>
      paths.map((path) => {
        const outline = tree.outline(path)
        const bytes = outline === undefined ? tree.listing(path) : new Uint8Array(0)
        const own = tree.record(path)?.own
        return (
          bytes && own && { bytes, ...(outline && { outline }), mtimeSeconds: own.mtimeSeconds, mtimeNs: own.mtimeNs }
        )
      }),
    listingPart: async (path, ranges) => tree.listingPart(path, ranges) ?? new Uint8Array([1]),
    digests: async (files: readonly WantedDirectory[]) =>
      files.flatMap(({ path, names }) => names.map((name) => digestIn(path, name))),
  }
}

/** `path: code` of each problem, sorted. */
export function problemsOf(mirrored: Mirrored): string[] {
  return mirrored.problems.map(({ path, code }) => `${path}: ${code}`).sort()
}
