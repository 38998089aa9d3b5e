// An end on this machine: a root of disk, worked on by the seats of a crew. The tree lives in one seat; reading and
// writing of batches are spread over all. Carries what was seen from the state database to the tree and back, since disk
// knows no database. Never decides what a job does: that is the cycle's.

import { textId } from '../chunk/identifier.ts'
import { splitDigests } from '../core/digests.ts'
import type { Summary } from '../core/entry.ts'
import { splitSets } from '../core/extended.ts'
import type { LinkedFile } from '../core/link-table.ts'
import type { LinkPolicy } from '../core/links.ts'
import type { NameRange } from '../core/outline.ts'
import type { Owners } from '../core/owners.ts'
import type { RelPath } from '../core/path.ts'
import { decodeShelf } from '../core/shelf.ts'
import type { View } from '../core/view.ts'
import { type Root, realPath } from '../disk/root.ts'
import type { ScanReport, ScanRules } from '../disk/scan.ts'
import type { DiskTasks } from '../disk/tasks.ts'
import type { Along, DirectoryListing, OutlinedListing, ToldListing } from '../disk/told-listings.ts'
import { clearUndone, undoneMark } from '../disk/undone.ts'
import { encodeWants, type WantedDirectory } from '../disk/wants.ts'
import type { State } from '../state/open.ts'
import { takeLease } from '../state/runs.ts'
import { forgetTree, loadTreeShelves, saveTreePart, type TreeChanges } from '../state/trees.ts'
import { discard } from '../std/bytes.ts'
import type { Clock } from '../std/clock.ts'
import type { Crew, Seat } from '../std/crew.ts'
import { Failure } from '../std/failure.ts'
import { type Log, logWith } from '../std/log.ts'
import { Stop } from '../std/stop.ts'
import type { EndFacts } from './endpoint.ts'
import { emptyListing } from './places.ts'
import type { SlabStore } from './slabs.ts'
import { takeLinked } from './told-links.ts'

/** What ends of this machine share; owned by the process. */
export type Workshop = {
  readonly crew: Crew<DiskTasks>
  readonly slabs: SlabStore
  readonly state: State
  readonly clock: Clock
  readonly log: Log
  /** This machine's name. */
  readonly machine: string
}

/** Changes of a remembered tree, on their way to the database. */
export type TakenTree = { readonly treeKey: string; readonly viewId: string; readonly changes: TreeChanges }

/** What content is read with: the end's own. */
export type Reading = {
  readonly workshop: Workshop
  readonly tree: number
  readonly treeSeat: Seat<DiskTasks>
  /** The seat of a batch. */
  seat(batch: number): Seat<DiskTasks>
  readonly root: number
  readonly log: Log
  readonly label: string
}

export type LocalOptions = {
  readonly treeKey: string
  /** The other end is behind the wire. */
  readonly isApart: boolean
  /** The run that works on it, for the log. */
  readonly runId: string
  /** Of a two-way run: which side it is, for the log. */
  readonly side?: 'left' | 'right' | undefined
  /** What the end is called in what is told; its path unless given. */
  readonly label?: string
  /** Of a target: which symlinks its owner lets in. */
  readonly links?: LinkPolicy | undefined
}

const savedPartBytes = 8 * 1024 * 1024

let lastId = 0

/** A number for something that lives in a seat; never used twice in a process. */
export function nextSeatId(): number {
  return ++lastId
}

/** Where a root's tree is kept in the state database: jobs with other rules see other trees. */
export function treeKeyOf(role: 'source' | 'target', path: string, job: string): string {
  return `${role} ${textId('tree key', `${realPath(path)}\0${job}`)}`
}

/** The same for a peer's job, which it names as it likes: all keys of one folder begin with its `place`. */
export function servedTreeKeys(role: 'source' | 'target', path: string, job: string): { place: string; key: string } {
  const place = `served ${role} ${textId('tree place', realPath(path))} `
  return { place, key: `${place}${job}` }
}

/** The epoch of a run on a target. A root that no end comes to own is closed, or its lock would stay. */
export function leaseOf({ state }: Workshop, root: Root, job: string): number {
  try {
    return root.own === undefined ? 0 : takeLease(state, root.id, job)
  } catch (error) {
    root.close()
    throw error
  }
}

/** What both kinds of local end do. */
export class LocalEnd {
  readonly facts: EndFacts
  /** Says of each line which run it belongs to. */
  protected readonly log: Log
  protected readonly workshop: Workshop
  protected readonly root: Root
  /** What this end is called in what is told: a peer never learns where a share lies. */
  protected readonly label: string
  protected readonly tree: number = nextSeatId()
  protected readonly treeSeat: Seat<DiskTasks>
  /** For what closing itself still has to do. */
  protected readonly rawTreeSeat: Seat<DiskTasks>
  /** From here on no task is given to a seat any more: handles are about to be closed. */
  protected closing = false
  /** What the run carries of modes and, as a mask of core's attributes, besides: nothing beyond what this root holds, and may. */
  protected carries: { readonly modeMask: number; readonly attributes: number }
  /** The crew's, from the one that was held on. */
  readonly #seats: readonly Seat<DiskTasks>[]
  readonly #rawSeats: readonly Seat<DiskTasks>[]
  readonly #held: number
  readonly #spread: number
  readonly #treeKey: string
  readonly #stop = new Stop()
  #viewId = ''
  #scanning: Promise<ScanReport> | undefined
  /** The tree is open in its seat. */
  #isScanned = false

  /** The job whose target this is; undefined for a source. */
  readonly #targetOf: string | undefined

  constructor(workshop: Workshop, root: Root, options: LocalOptions & { epoch?: number; targetOf?: string }) {
    const { runId, epoch = 0, targetOf, side } = options
    this.#targetOf = targetOf
    this.workshop = workshop
    this.log = logWith(workshop.log, { runId, ...(epoch > 0 && { epoch }), ...(side && { side }) })
    this.root = root
    this.carries = { modeMask: root.traits.modeMask, attributes: 0 }
    this.label = options.label ?? root.path
    this.#treeKey = options.treeKey
    const { seats } = workshop.crew
    this.#held = workshop.crew.hold()
    const first = this.#held
    this.#rawSeats = [...seats.slice(first), ...seats.slice(0, first)]
    this.#seats = this.#rawSeats.map((seat) => this.#guard(seat))
    // The main thread is busy with the wire then, and wants a processor too.
    this.#spread = options.isApart ? Math.max(1, seats.length - 1) : seats.length
    this.rawTreeSeat = this.rawSeat(0)
    this.treeSeat = this.#guard(this.rawTreeSeat)
    this.facts = {
      machine: workshop.machine,
      path: root.path,
      rootId: root.id,
      traits: root.traits,
      empty: root.empty,
      mode: root.mode,
      epoch,
      nowMs: workshop.clock.nowMs(),
      recovered: [
        ...root.recovered,
        ...(root.recoveredMore > 0 ? [{ path: '', outcome: `more ${root.recoveredMore}` }] : []),
        ...root.rebound.map((outcome) => ({ path: '', outcome })),
      ],
      links: options.links,
      undone: targetOf === undefined || root.own === undefined ? undefined : undoneMark(root.own.place, targetOf),
    }
    for (const { path, outcome } of root.recovered) this.log.note('recovered', { path, outcome })
    if (root.recoveredMore > 0) this.log.note('recovered-more', { count: root.recoveredMore })
  }

  /** The seats of the crew, for this end, until it is closed. */
  #guard(seat: Seat<DiskTasks>): Seat<DiskTasks> {
    return {
      run: (name, input, transfer) => {
        if (this.closing) return Promise.reject(new Failure('cancelled', `the end ${this.label} was closed`))
        return seat.run(name, input, transfer)
      },
      tell: (name, input) => seat.tell(name, input),
      get isStarted() {
        return seat.isStarted
      },
    }
  }

  /**
   * The run is over before its end: looking and reading that is under way ends within a moment. What is being written
   * ends as it would.
   */
  stop(): void {
    this.#stop.set()
  }

  /** Whether content of it is about to be asked for. */
  protected get isRead(): boolean {
    return this.#targetOf === undefined
  }

  protected get stopMemory(): SharedArrayBuffer {
    return this.#stop.memory
  }

  /** The seat for a batch; the tree's own is that of batch 0. */
  protected seat(batch: number): Seat<DiskTasks> {
    return this.#seats[batch % this.#spread] as Seat<DiskTasks>
  }

  /** The same for what closing still has to do. */
  protected rawSeat(batch: number): Seat<DiskTasks> {
    return this.#rawSeats[batch % this.#spread] as Seat<DiskTasks>
  }

  /** What content of it is read with. */
  protected get reading(): Reading {
    const { workshop, tree, treeSeat, log, label } = this
    return { workshop, tree, treeSeat, seat: (batch) => this.seat(batch), root: this.root.handle, log, label }
  }

  /** A seat that does no batches, where there is one. */
  protected get spareSeat(): Seat<DiskTasks> {
    return this.#seats[this.#spread % this.#seats.length] as Seat<DiskTasks>
  }

  /** Once: who asks again gets the same scan, begun or done. */
  scan(rules: ScanRules): Promise<ScanReport> {
    this.#scanning ??= this.scanNow(rules)
    return this.#scanning
  }

  protected async scanNow(rules: ScanRules): Promise<ScanReport> {
    const { viewId, shelves } = loadTreeShelves(this.workshop.state, this.#treeKey)
    this.#viewId = viewId
    const input = { tree: this.tree, root: this.root.handle, viewId, rules, stop: this.stopMemory }
    const buffers = shelves.map((shelf) => shelf.buffer as ArrayBuffer)
    const report = await this.treeSeat.run('scan', { ...input, shelves }, buffers).catch(async (error: unknown) => {
      if (!(error instanceof Failure) || error.code !== 'state-broken') throw error
      // What was remembered is damaged: the whole root is looked at again.
      forgetTree(this.workshop.state, this.#treeKey)
      return await this.treeSeat.run('scan', { ...input, shelves: [] })
    })
    this.#isScanned = true
    return report
  }

  async view(view: View, viewId: string): Promise<Summary | undefined> {
    this.#viewId = viewId
    const { modeMask, attributes = 0 } = this.root.traits
    this.carries = { modeMask: modeMask & view.modeMask, attributes: attributes & (view.attributes ?? 0) }
    return await this.treeSeat.run('view', { tree: this.tree, view, viewId })
  }

  async listings(paths: readonly RelPath[]): Promise<(DirectoryListing | undefined)[]> {
    return await this.treeSeat.run('listings', { tree: this.tree, paths })
  }

  /** What may be told along with listings that are asked for by name. */
  async listingsAlong(asked: readonly RelPath[], along: Along, maxBytes: number): Promise<ToldListing[]> {
    return await this.treeSeat.run('listingsAlong', { tree: this.tree, asked, along, maxBytes })
  }

  /** The first directories in which something is not as the last run left it, those above such ones among them. */
  async changedPaths(max: number): Promise<RelPath[]> {
    return await this.treeSeat.run('changedPaths', { tree: this.tree, max })
  }

  async outlines(paths: readonly RelPath[]): Promise<(OutlinedListing | undefined)[]> {
    return await this.treeSeat.run('outlines', { tree: this.tree, paths })
  }

  async listingPart(path: RelPath, ranges: readonly NameRange[]): Promise<Uint8Array> {
    return (await this.treeSeat.run('listingPart', { tree: this.tree, path, ranges })) ?? emptyListing
  }

  async digests(files: readonly WantedDirectory[], fresh: boolean): Promise<(Uint8Array | undefined)[]> {
    const input = { tree: this.tree, files: encodeWants(files), fresh, tells: this.isRead }
    return splitDigests(await this.treeSeat.run('digests', input))
  }

  async attributes(files: readonly WantedDirectory[]): Promise<readonly Uint8Array[]> {
    const input = { root: this.root.handle, files: encodeWants(files), looks: this.carries.attributes }
    return splitSets(await this.spareSeat.run('extendedOf', input))
  }

  async owners(): Promise<Owners> {
    return await this.treeSeat.run('ownersOf', { tree: this.tree })
  }

  /** Some of the files that have several names, as the wire tells them. */
  async linkedPart(from: number): Promise<{ readonly bytes: Uint8Array; readonly next?: number }> {
    const { bytes, next } = await this.treeSeat.run('linked', { tree: this.tree, from })
    return next === undefined ? { bytes } : { bytes, next }
  }

  async linkedFiles(): Promise<readonly LinkedFile[]> {
    return await takeLinked((from) => this.linkedPart(from))
  }

  /**
   * What the tree saw and the database does not hold yet; undefined where that is nothing. Whoever takes it saves it, in
   * the transaction of its choice: it is not handed out again.
   */
  async takeTree(): Promise<TakenTree | undefined> {
    if (this.root.handle < 0) return undefined
    const { put, removed } = await this.rawTreeSeat.run('takeChanges', { tree: this.tree })
    if (put.length === 0 && removed.length === 0) return undefined
    const changes = { put: put.flatMap((shelf) => decodeShelf(shelf, this.#viewId)), removed }
    return { treeKey: this.#treeKey, viewId: this.#viewId, changes }
  }

  /** Saves what was not taken, a part at a time: no two copies of a large tree are ever held. */
  async #saveTree(): Promise<void> {
    for (let parts = 1; ; parts++) {
      const part = await this.rawTreeSeat.run('takeChanges', { tree: this.tree, maxBytes: savedPartBytes })
      const { removed, more, sizeBytes } = part
      if (parts === 1 && !more && part.put.length === 0 && removed.length === 0) return
      const put = part.put.flatMap((shelf) => decodeShelf(shelf, this.#viewId))
      saveTreePart(this.workshop.state, this.#treeKey, this.#viewId, { put, removed, more, sizeBytes })
      part.put.forEach(discard)
      if (!more) return
    }
  }

  /** What held the job because its last run was undone does so no more. */
  protected forgetUndone(): void {
    if (this.facts.undone === undefined || this.#targetOf === undefined || this.root.own === undefined) return
    clearUndone(this.root.own.place, this.#targetOf)
  }

  /** What was seen is in the database. */
  protected saved(): void {}

  async close(save: boolean): Promise<void> {
    this.closing = true
    try {
      await this.closeOwn()
      if (save) this.forgetUndone()
      if (save && this.#isScanned && this.root.handle >= 0) {
        await this.#saveTree()
        this.saved()
      }
    } finally {
      this.workshop.crew.release(this.#held)
      try {
        await this.rawTreeSeat.run('closeTree', { tree: this.tree })
      } finally {
        // Whatever else fails: who keeps the root open keeps its lock, and a daemon would for as long as it runs.
        this.root.close()
      }
    }
  }

  /**
   * Closes what an end has open besides its tree; waits until every task that was given before has ended. A handle that
   * is closed while a seat works with it would soon be the handle of another root.
   */
  protected async closeOwn(): Promise<void> {
    const started = this.workshop.crew.seats.filter((seat) => seat.isStarted)
    await Promise.allSettled(started.map((seat) => seat.run('pause', {})))
  }
}
