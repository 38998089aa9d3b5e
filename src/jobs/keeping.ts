// What a run on a target of this machine does about old versions: decides the policy, prunes before the first change,
// writes journal and manifest ahead of each group of changes, makes room when the disk is full, and closes the books.
// One object a run; it exists once the plan was announced. The target's lock is held by whoever made it.

import { join } from 'node:path'
import { ownDirectory } from '../core/path.ts'
import { decideKeep, type Keep, keepText } from '../core/retention.ts'
import { Gathering, type Told, toldOf } from '../disk/holdings.ts'
import { refusedOf } from '../disk/intents.ts'
import { createJournal } from '../disk/journal.ts'
import type { Change } from '../disk/manifest.ts'
import type { Root } from '../disk/root.ts'
import { errno } from '../disk/sys.ts'
import { systemSys } from '../disk/system.ts'
import type { DiskTasks } from '../disk/tasks.ts'
import {
  checkStoreDirectory,
  closeRunPlace,
  dropRunPlace,
  isRunId,
  makeRunPlace,
  moveStore,
  openStore,
  type Pruned,
  type RunPlace,
  readStoreSettings,
  type Store,
  type StoreSettings,
  writeRunFacts,
  writeStoreSettings,
} from '../disk/versions.ts'
import type { IndexedRun } from '../state/kept.ts'
import type { Seat } from '../std/crew.ts'
import { Failure } from '../std/failure.ts'
import { closeIndex, type KeptIndex, pruneStore, refreshIndex } from './kept.ts'
import type { Workshop } from './local.ts'

/** How versions are to be kept, as whoever opens the target wants it. */
export type KeepWish = {
  readonly asked: Keep | undefined
  /** What the owner of a share wants at least; a peer can't go below. */
  readonly floor: Keep | undefined
  /** A folder elsewhere on the same file system; undefined: where they lie already. */
  readonly directory: string | undefined
}

/** More than a group's journal and manifest take. */
const bookBytes = 16 * 1024 * 1024

export class Keeping {
  readonly keep: Keep
  /** Undefined where nothing is kept. */
  readonly place: RunPlace | undefined
  readonly #store: Store
  readonly #own: number
  readonly #seat: Seat<DiskTasks>
  readonly #index: KeptIndex
  readonly #atMs: number
  readonly #gathering = new Gathering()
  #journal = { handle: -1, at: 0 }
  #parts = 0
  #sizeBytes = 0
  #early = 0

  private constructor(parts: {
    store: Store
    keep: Keep
    own: number
    run: string
    index: KeptIndex
    atMs: number
  }) {
    this.#store = parts.store
    this.#own = parts.own
    this.#seat = parts.index.seat
    this.#index = parts.index
    this.#atMs = parts.atMs
    this.keep = parts.keep
    this.place =
      parts.keep.kind === 'none' ? undefined : makeRunPlace(systemSys(), parts.store, parts.run, { atMs: parts.atMs })
  }

  /**
   * Prunes what is kept already, then opens the store for a run and remembers how it is to be kept. `run` may be a
   * peer's. Where the store is of a newer format, nothing is written.
   */
  static async open(
    root: Root,
    wish: KeepWish,
    run: string,
    seat: Seat<DiskTasks>,
    { clock, log, state }: Pick<Workshop, 'clock' | 'log' | 'state'>,
  ): Promise<{ keeping: Keeping; pruned: Pruned }> {
    if (!isRunId(run)) throw new Failure('protocol-broken', 'the id of a run is none')
    const ownPath = join(root.path, ownDirectory)
    const { handle: own = -1, place: ownPlace = ownPath } = root.own ?? {}
    const place = { own, id: root.id, ownPath }
    const sys = systemSys()
    const settings = readStoreSettings(ownPlace)
    const keep = decideKeep(wish.asked, settings.keep, wish.floor)
    const directory = wish.directory === undefined ? settings.directory : checkStoreDirectory(wish.directory, root.path)
    const next: StoreSettings = { directory, keep }
    const former = openStore(sys, place, settings, false)
    const index = { state, clock, seat, root: root.id }
    let store: Store | undefined
    try {
      if (former !== undefined) await refreshIndex(index, former, true)
      const pruned =
        former === undefined
          ? { expired: 0, early: 0 }
          : await pruneStore(index, former, { own, keep, neededBytes: 0, spare: undefined })
      store = openStore(sys, place, next, true) as Store
      const isElsewhere = directory !== settings.directory
      if (isElsewhere && former !== undefined) moveStore(sys, former, store)
      const isRemembered = !isElsewhere && settings.keep !== undefined && keepText(settings.keep) === keepText(keep)
      if (!isRemembered) writeStoreSettings(ownPlace, next)
      if (pruned.expired + pruned.early > 0) log.note('versions-pruned', { ...pruned })
      return { keeping: new Keeping({ store, keep, own, run, index, atMs: clock.nowMs() }), pruned }
    } catch (error) {
      if (store !== undefined) sys.close(store.handle)
      throw error
    } finally {
      if (former !== undefined) sys.close(former.handle)
    }
  }

  get run(): string | undefined {
    return this.place?.run
  }

  /** Runs whose versions went sooner than was promised, since the run began. */
  get early(): number {
    return this.#early
  }

  /** Applies the policy. Never touches what this run keeps. */
  async prune(neededBytes: number): Promise<Pruned> {
    const { keep } = this
    const pruned = await pruneStore(this.#index, this.#store, { own: this.#own, keep, neededBytes, spare: this.run })
    this.#early += pruned.early
    return pruned
  }

  /** Writes our own books, which have to be on disk before what they tell; on a full disk, old versions make room for them. */
  async store(write: () => Promise<number>): Promise<number> {
    const code = await write()
    if (code !== -errno.ENOSPC) return code
    const { expired, early } = await this.prune(bookBytes)
    return expired + early > 0 ? await write() : code
  }

  /** Journals what is about to be displaced; it is on disk when this resolves. Zero or a negative errno. */
  async foresee(displacements: readonly Uint8Array[]): Promise<number> {
    if (displacements.length === 0) return 0
    if (this.#journal.handle < 0) this.#journal.handle = createJournal(systemSys(), this.#own)
    if (this.#journal.handle < 0) return this.#journal.handle
    const journal = { ...this.#journal, own: this.#own }
    const end = await this.#seat.run('writeJournal', { journal, displacements, run: this.run })
    if (end < 0) return end
    this.#journal.at = end
    return 0
  }

  /** Tells what is about to happen; it is on disk when this resolves, if it is told durably. Zero or a negative errno. */
  async tell(told: readonly Told[], durably = true): Promise<number> {
    const lines = told.map((one) => one.lines)
    if (this.place === undefined || lines.every(({ length }) => length === 0)) return 0
    const code = await this.#seat.run('writePart', { place: this.place, number: this.#parts++, lines, durably })
    if (code < 0) return code
    for (const { sizeBytes, holdings } of told) {
      this.#sizeBytes += sizeBytes
      this.#gathering.addAll(holdings)
    }
    return code
  }

  /** The same for single changes, which may be renames of directories and take back what was told before. */
  async tellChanges(changes: readonly Change[]): Promise<number> {
    const { lines, sizeBytes } = toldOf(changes)
    const code = await this.tell([{ lines, sizeBytes, holdings: { places: [], moves: [] } }])
    if (code === 0) for (const change of changes) this.#gathering.add(change)
    return code
  }

  /** Tells that the changes of these paths did not happen. */
  async takeBack(paths: readonly string[]): Promise<number> {
    return await this.tellChanges(refusedOf(paths))
  }

  /** Closes the books: what was told is all that happened. */
  close(): void {
    const sys = systemSys()
    if (this.#journal.handle >= 0) sys.close(this.#journal.handle)
    if (this.place !== undefined) {
      if (this.#parts === 0) dropRunPlace(sys, this.#store, this.place)
      else {
        writeRunFacts(sys, this.place, { atMs: this.#atMs, sizeBytes: this.#sizeBytes })
        closeRunPlace(sys, this.place)
      }
    }
    try {
      closeIndex(this.#index, this.#store, this.#indexed())
    } catch {
      // The index is found to be behind then, and the next run brings it up to date.
    }
    sys.close(this.#store.handle)
  }

  #indexed(): Omit<IndexedRun, 'stamp'> | undefined {
    if (this.run === undefined || this.#parts === 0) return undefined
    return { run: this.run, atMs: this.#atMs, sizeBytes: this.#sizeBytes, holdings: this.#gathering.take() }
  }
}
