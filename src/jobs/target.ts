// A target on this machine. Batches are written side by side and landed in their order, in groups: one sync before the
// names are given, one after, and only then is removed what was displaced. Holds its own guard: a plan that takes away
// more than was announced ends the session, whoever planned it.

import { wantsHardLinks } from '../core/attributes.ts'
import { joinDigests } from '../core/digests.ts'
import { inspect } from '../core/guard.ts'
import { checkOwnerBytes, checkOwnerLimit, type OwnerLimit } from '../core/owner-limit.ts'
import type { OwnerMap, Owners } from '../core/owners.ts'
import type { RelPath } from '../core/path.ts'
import type { SectionHead } from '../core/plan.ts'
import { type Problem, undoneBy } from '../core/problem.ts'
import type { DirectoryMove } from '../core/renames.ts'
import type { Top } from '../core/top.ts'
import type { LandReport } from '../disk/batch-tasks.ts'
import { unfinishedHeads } from '../disk/directories.ts'
import type { TargetHandles } from '../disk/landing.ts'
import { moveCorrections } from '../disk/moves.ts'
import { openPartials } from '../disk/partials.ts'
import { targetFull } from '../disk/refusal.ts'
import type { Root } from '../disk/root.ts'
import type { ScanReport, ScanRules } from '../disk/scan.ts'
import type { Staged } from '../disk/stage.ts'
import { systemSys } from '../disk/system.ts'
import type { DiskTasks } from '../disk/tasks.ts'
import type { VerifyPoint } from '../disk/verify.ts'
import { encodeWants, type WantedDirectory } from '../disk/wants.ts'
import type { Written } from '../disk/written.ts'
import { currentEpoch } from '../state/runs.ts'
import { present } from '../std/assert.ts'
import type { TaskResult } from '../std/crew.ts'
import { Failure } from '../std/failure.ts'
import { ArrivedContents } from './arrived.ts'
import { Deltas } from './deltas.ts'
import { Durable, settledDoubt, type UnsyncedPlace, unsyncedJob } from './durable.ts'
import {
  type Again,
  type ApplyResult,
  type Begun,
  batchOf,
  type Needs,
  type PlanTotals,
  payloadHeadBytes,
  type TargetEnd,
  type Verified,
  wordOf,
} from './endpoint.ts'
import { Keeping, type KeepWish } from './keeping.ts'
import { LocalEnd, type LocalOptions, leaseOf, nextSeatId, type Workshop } from './local.ts'
import { ownersHere } from './owners.ts'
import { Tally } from './tally.ts'
import { groupContentBytes, groupSteps, type TargetBatch } from './target-batch.ts'
import { mustSync, settledSummary } from './target-failures.ts'
import { askedTop, dressTop } from './top.ts'
import { eachSeat, joinReports } from './verify.ts'
import { Weighed } from './weighed.ts'

export type LocalTargetOptions = LocalOptions & {
  readonly job: string
  readonly versions: KeepWish
  readonly ownerLimit?: OwnerLimit | undefined
  readonly mustSync?: boolean
}

export class LocalTarget extends LocalEnd implements TargetEnd {
  #handles: TargetHandles
  readonly #own: number
  readonly #batches = new Map<number, TargetBatch>()
  readonly #heads: SectionHead[] = []
  readonly #tally: Tally
  #totals: PlanTotals | undefined
  #weighed: Weighed | undefined
  #beginning: Promise<Begun> | undefined
  #nextToLand = 0
  #waitingGroups = 0
  #landing: Promise<void> = Promise.resolve()
  #landFailure: unknown
  readonly #job: string
  readonly #ownerLimit: OwnerLimit | undefined
  readonly #keepWish: KeepWish
  readonly #mustSync: boolean
  readonly #runId: string
  #keeping: Keeping | undefined
  #deltas: Deltas | undefined
  #top: Top | undefined
  readonly #arrived = new ArrivedContents()
  #unsyncedJob = ''
  #durable: Durable | undefined

  constructor(workshop: Workshop, root: Root, options: LocalTargetOptions) {
    const epoch = leaseOf(workshop, root, options.job)
    super(workshop, root, { ...options, epoch, targetOf: options.job })
    this.#job = options.job
    this.#ownerLimit = options.ownerLimit
    this.#keepWish = options.versions
    this.#mustSync = options.mustSync === true
    this.#runId = options.runId
    this.#tally = new Tally(this.log)
    this.#handles = { root: root.handle, staging: root.own?.staging ?? -1 }
    this.#own = root.own?.handle ?? -1
  }

  /** A folder in here that another run writes to is no part of this one: it would be emptied, or filled from two sides. */
  protected override async scanNow(rules: ScanRules): Promise<ScanReport> {
    this.#unsyncedJob = unsyncedJob(this.#job, rules.overrides)
    const report = await super.scanNow(this.root.doubts === true ? { ...rules, doubts: true } : rules)
    const [nested] = report.nested
    if (nested === undefined) return report
    throw new Failure('nested-ends', `${nested}, inside the target ${this.label}, is a target of its own`, {
      hint: `leave it out (--exclude '/${nested}'), or remove its .nightferry if it is a target no more; nothing was changed`,
    })
  }

  get #unsynced(): UnsyncedPlace {
    const { place } = present(this.root.own, 'a target that is written to has a place of our own')
    return { place, root: this.#handles.root, job: this.#unsyncedJob }
  }

  async ownersHere(owners: Owners): Promise<OwnerMap> {
    return await ownersHere(this.treeSeat, owners, this.root.traits)
  }

  begin(totals: PlanTotals): Promise<Begun> {
    this.#beginning = this.#begin(totals)
    return this.#beginning
  }

  async #begin(totals: PlanTotals): Promise<Begun> {
    if (this.#own < 0 || this.#totals !== undefined)
      throw new Failure('protocol-broken', 'this target can begin nothing now')
    this.#checkLease()
    const entries = await this.#entries()
    checkOwnerLimit(this.#ownerLimit, totals.deletes + totals.replaces, entries)
    checkOwnerBytes(this.#ownerLimit, totals.bringsBytes ?? 0, false)
    if (totals.released) this.forgetUndone()
    const facts = { ...totals, rightEntries: entries, undone: this.facts.undone !== undefined }
    const halt = totals.released ? undefined : inspect(facts, totals.limit)
    if (halt !== undefined) {
      const text = `the target refuses a plan that deletes ${halt.deletes} and replaces ${halt.replaces}`
      throw new Failure('root-held', text)
    }
    this.#totals = totals
    this.#weighed = new Weighed(totals, this.#ownerLimit)
    const durable = Durable.open(this.#mustSync ? 'group' : totals.durability, totals.steps, this.#unsynced)
    this.#durable = durable
    if (durable.level === 'none') this.log.note('not-synced', {})
    const wish = { ...this.#keepWish, asked: totals.keep ?? this.#keepWish.asked }
    const opened = await Keeping.open(this.root, wish, this.#runId, this.rawTreeSeat, this.workshop)
    this.#keeping = opened.keeping
    this.#openPartials()
    const linksFiles = (this.carries.attributes & wantsHardLinks) !== 0
    const dress = { ...this.carries, linksFiles, links: this.facts.links, naming: this.root.traits.naming }
    const holdsSizes = this.#ownerLimit?.bringsBytes !== undefined
    await this.treeSeat.run('beginStaging', { tree: this.tree, ...dress, holdsSizes, syncEach: durable.each })
    return { durability: durable.level, keep: opened.keeping.keep, ...opened.pruned }
  }

  /** What a break left of large files counts as content that is here. */
  #openPartials(): void {
    const place = { path: this.root.path, nowMs: this.workshop.clock.nowMs() }
    const { handle, names } = openPartials(systemSys(), this.#own, place)
    this.#handles = { ...this.#handles, partials: handle }
    const facts = { tree: this.tree, root: this.#handles.root, partials: names }
    this.#deltas = new Deltas(this.workshop, this.treeSeat, facts)
  }

  #deltasOf(): Deltas {
    return present(this.#deltas, 'a plan was announced')
  }

  #durableOf(): Durable {
    return present(this.#durable, 'a plan was announced')
  }

  #keepingOf(): Keeping {
    return present(this.#keeping, 'a plan was announced')
  }

  /** A run whose lease was taken over by a later one may not change anything any more. */
  #checkLease(): void {
    if (currentEpoch(this.workshop.state, this.root.id) !== this.facts.epoch) {
      throw new Failure('epoch-stale', `another run of ${this.#job} has taken over the target`, { hint: 'run again' })
    }
  }

  /** Nothing is changed without an announced plan. */
  async #mustBegin(): Promise<void> {
    await this.#beginning
    if (this.#totals === undefined) throw new Failure('protocol-broken', 'no plan was announced')
  }

  async #entries(): Promise<number> {
    const summary = await this.treeSeat.run('summary', { tree: this.tree })
    return summary === undefined ? 0 : summary.files + summary.directories
  }

  async moveDirectories(moves: readonly DirectoryMove[]): Promise<readonly Problem[]> {
    await this.#mustBegin()
    const { tree } = this
    const { naming } = this.root.traits
    const { slots, displacements } = await this.treeSeat.run('respellings', { tree, moves, naming })
    mustSync(this.label, await this.#keepingOf().store(() => this.#keepingOf().foresee(displacements)))
    const intents = await this.treeSeat.run('moveIntents', { tree, moves, naming })
    mustSync(this.label, await this.#keepingOf().store(() => this.#keepingOf().tellChanges(intents)))
    const how = { links: this.facts.links, staging: this.#handles.staging, slots }
    const { moved, made, problems } = await this.treeSeat.run('moveDirectories', { tree, moves, ...how })
    await this.#keepingOf().tellChanges(moveCorrections(intents, moved, made))
    this.#tally.addMoves({ moved, made }, slots)
    return problems
  }

  async stage(batch: number, bytes: Uint8Array, extended?: Uint8Array): Promise<Needs> {
    await this.#mustBegin()
    if (batch < this.#nextToLand || this.#batches.has(batch))
      throw new Failure('protocol-broken', 'a batch was staged twice')
    this.#batches.set(batch, { landing: nextSeatId(), seat: batch, isOpen: false, written: undefined, extended })
    const staged = await this.treeSeat.run('stage', { tree: this.tree, batch, bytes })
    this.#weighed?.add(staged)
    this.#heads.push(...staged.heads)
    for (const path of staged.touches) this.#tally.touched.add(path)
    return await this.#prepare(batch, staged)
  }

  async answer(batch: number, digests: readonly (Uint8Array | undefined)[]): Promise<Needs> {
    const staged = await this.treeSeat.run('answer', { tree: this.tree, batch, digests: joinDigests(digests) })
    return await this.#prepare(batch, staged)
  }

  async #prepare(batch: number, staged: Staged): Promise<Needs> {
    const { wants, wantCount, asks, askCount, order } = staged
    if (askCount > 0) return { wants, wantCount, asks, askCount }
    const { landing, seat: number, extended } = this.#batch(batch)
    const dressed = extended === undefined ? order : { ...order, extended }
    const { portions, ...deltas } = await this.#deltasOf().prepare(this.rawSeat(number), staged.large)
    this.#open(batch)
    const where = { landing, handles: this.#handles, stop: this.stopMemory }
    await this.seat(number).run('openLanding', { ...where, order: dressed, ...deltas })
    return portions.length === 0 ? { wants, wantCount, asks, askCount } : { wants, wantCount, asks, askCount, portions }
  }

  #open(batch: number): void {
    const known = this.#batches.get(batch)
    if (known === undefined || known.isOpen) throw new Failure('protocol-broken', 'a batch was answered twice')
    known.isOpen = true
  }

  /** A batch that content may come for. */
  #receiving(batch: number): TargetBatch {
    const known = this.#batch(batch)
    if (!known.isOpen || known.written !== undefined) {
      throw new Failure('unsolicited', 'content came for a batch that takes none now')
    }
    return known
  }

  #batch(batch: number): TargetBatch {
    const known = this.#batches.get(batch)
    if (known === undefined) throw new Failure('unsolicited', 'content came for a batch that is not open')
    return known
  }

  async receive(payload: Uint8Array): Promise<void> {
    if (payload.length < payloadHeadBytes) throw new Failure('protocol-broken', 'a pack is too short')
    const { landing, seat } = this.#receiving(batchOf(payload))
    const slab = this.workshop.slabs.idOf(payload)
    const start = payload.byteOffset + payloadHeadBytes
    const where =
      slab === undefined
        ? { pack: payload.slice(payloadHeadBytes) }
        : { slab, start, end: payload.byteOffset + payload.length }
    this.#arrived.add(await this.seat(seat).run('receive', { landing, word: wordOf(payload), ...where }))
  }

  async written(batch: number, last: boolean): Promise<Again> {
    const known = this.#receiving(batch)
    const written = await this.#finishWriting(known, last)
    if (written.count === 0) {
      known.written = written
      this.#landGroup(false)
      // What is written and has no name yet is held in memory: whoever writes faster than names are given has to wait.
      if (this.#waitingGroups > 1) await this.#landing
    }
    if (this.#landFailure !== undefined) throw this.#landFailure
    const { again, count, portions } = written
    return portions.length === 0 ? { again, count } : { again, count, portions }
  }

  /** Where the disk is full, old versions make room, and what found none is asked for again. */
  async #finishWriting({ landing, seat }: TargetBatch, last: boolean): Promise<Written> {
    const tells = this.#keepingOf().place !== undefined
    const finish = (full: 'say' | 'again' | 'leave'): Promise<Written> =>
      this.#arrived.finishWriting(this.seat(seat), { landing, last, tells, full })
    const written = await finish(last ? 'leave' : 'say')
    if (written.starvedBytes === 0) return written
    const { expired, early } = await this.#keepingOf().prune(written.starvedBytes * 2)
    const { partials: unfinished = -1 } = this.#handles
    if (unfinished >= 0)
      await this.treeSeat.run('sparePartials', { handle: unfinished, spare: [...this.#deltasOf().inUse] })
    this.workshop.log.note('disk-full', { starvedBytes: written.starvedBytes, expired, early })
    return await finish(expired + early > 0 ? 'again' : 'leave')
  }

  /** Queues the batches that are written without a gap, once they make a group (or `all` is wanted). */
  #landGroup(all: boolean): void {
    const group: TargetBatch[] = []
    let steps = 0
    let contentBytes = 0
    for (let number = this.#nextToLand; ; number++) {
      const batch = this.#batches.get(number)
      if (batch?.written === undefined) break
      group.push(batch)
      steps += batch.written.steps + 1
      contentBytes += batch.written.contentBytes
    }
    if (group.length === 0 || (!all && steps < groupSteps && contentBytes < groupContentBytes)) return
    for (let i = 0; i < group.length; i++) this.#batches.delete(this.#nextToLand++)
    this.#waitingGroups++
    this.#landing = this.#landing
      .then(() => this.#land(group))
      .finally(() => this.#waitingGroups--)
      .catch((error: unknown) => {
        this.#landFailure ??= error
      })
  }

  async #land(group: readonly TargetBatch[]): Promise<void> {
    if (this.#landFailure !== undefined) return
    this.#checkLease()
    const displacements = group.flatMap((batch) => batch.written?.displacements ?? [])
    mustSync(this.label, await this.#keepingOf().store(() => this.#keepingOf().foresee(displacements)))
    const told = group.flatMap((batch) => batch.written?.told ?? [])
    const durably = this.#durableOf().tellsDurably(displacements.length > 0)
    mustSync(this.label, await this.#keepingOf().store(() => this.#keepingOf().tell(told, durably)))
    mustSync(this.label, await this.#durableOf().written(this.spareSeat, this.#handles.staging))
    for (const batch of group) {
      const report = await this.seat(batch.seat).run('land', { landing: batch.landing, shared: this.#tally.shared })
      await this.#keep(report)
      await this.#keepingOf().takeBack(undoneBy(report.problems))
      this.#tally.addLanded(report)
      if (report.problems.some(({ code }) => code === 'no-space')) throw targetFull(this.label)
    }
  }

  /** What was written is known: the tree learns it when it is settled. */
  async #keep({ built, learned, recipes }: LandReport): Promise<void> {
    this.#deltasOf().keep(recipes)
    const buffers = [built, learned].flatMap((bytes) => (bytes === undefined ? [] : [bytes.buffer as ArrayBuffer]))
    await this.treeSeat.run('keepLanded', { tree: this.tree, built, learned }, buffers)
  }

  giveTop(bytes: Uint8Array): void {
    this.#top = askedTop(bytes, this.carries.attributes)
  }

  allSent(): void {}

  async #landAll(): Promise<void> {
    await this.#mustBegin()
    this.#landGroup(true)
    await this.#landing
    if (this.#landFailure !== undefined) throw this.#landFailure
  }

  async landed(): Promise<void> {
    await this.#landAll()
    if (this.#batches.size > 0) throw new Failure('protocol-broken', 'batches are under way that would have to land')
    // Looked at again at the end: its problems are told then.
    await this.#settle(this.#tally.removed.splice(0), true)
    await this.treeSeat.run('beginLinks', { tree: this.tree })
  }

  async finish(): Promise<ApplyResult> {
    await this.#landAll()
    await this.treeSeat.run('finishDirectories', {
      root: this.#handles.root,
      heads: unfinishedHeads(this.#heads),
      setsSpecial: this.carries.modeMask > 0o777,
    })
    if (this.#top !== undefined) {
      const dressed = await dressTop(this.treeSeat, this.#keepingOf(), this.root, this.#top, this.carries)
      mustSync(this.label, dressed.code)
      this.#tally.addTop(dressed)
    }
    const { counts, problems, touched, removed, displaced } = this.#tally
    // What only moved has lost its old name to the staging directory.
    const letsGo = displaced.length > 0 && (this.#keepingOf().place === undefined || counts.renamed > 0)
    mustSync(this.label, await this.#durableOf().named(this.treeSeat, touched, letsGo))
    const dropped = await this.treeSeat.run(
      'dropDisplaced',
      { handles: this.#handles, own: this.#own, displaced, place: this.#keepingOf().place },
      // Given away: a run that replaces a million files has a hundred megabytes of it.
      displaced.flatMap(({ buffer }) => (buffer instanceof ArrayBuffer ? [buffer] : [])),
    )
    mustSync(this.label, dropped.code)
    await this.#keepingOf().takeBack(dropped.problems.flatMap(({ path, detail }) => (detail === 'kept' ? [path] : [])))
    this.#tally.addDropped(dropped.problems, dropped.back)
    const settled = await this.#settle(removed)
    return {
      summary: settledSummary(this.label, settled),
      counts,
      problems: [...problems, ...settled.problems],
      early: this.#keepingOf().early,
    }
  }

  async #settle(removed: readonly RelPath[], goesOn = false): Promise<TaskResult<DiskTasks['settleTree']>> {
    const { marks } = this.#durableOf()
    const facts = { tree: this.tree, touched: [...this.#tally.touched], removed, marks, goesOn }
    return await this.treeSeat.run('settleTree', facts)
  }

  async verify(from: VerifyPoint): Promise<Verified> {
    const { chunks, next } = await this.treeSeat.run('verifyList', { tree: this.tree, from })
    const [root, stop] = [this.#handles.root, this.stopMemory]
    const reports = await eachSeat(this.workshop.crew.seats.length, chunks, (number, chunk) =>
      this.seat(number).run('verifyChunk', { root, chunk, stop }),
    )
    for (const { learned } of reports) {
      if (learned.length > 0) await this.treeSeat.run('learn', { tree: this.tree, learned })
    }
    const bad = reports.flatMap((report) => report.bad)
    await this.distrust(bad, true)
    return joinReports(reports, next)
  }

  async distrust(files: readonly WantedDirectory[], damaged = false): Promise<void> {
    if (files.length > 0) await this.treeSeat.run('distrust', { tree: this.tree, files: encodeWants(files), damaged })
  }

  /** What was in doubt was read, and what was found is kept. */
  protected override saved(): void {
    if (this.root.doubts === true && this.#own >= 0) settledDoubt(this.#unsynced, this.#durable)
  }

  protected override async closeOwn(): Promise<void> {
    await this.#landing
    await super.closeOwn()
    const { partials = -1 } = this.#handles
    try {
      for (const { landing, seat } of this.#batches.values()) await this.rawSeat(seat).run('closeLanding', { landing })
      await this.#deltas?.close()
    } finally {
      if (partials >= 0) systemSys().close(partials)
      this.#keeping?.close()
    }
  }
}
