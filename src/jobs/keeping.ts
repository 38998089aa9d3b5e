// What a run on a target of this machine does about old versions: decides the policy, prunes before the first change,
// writes the run's manifest ahead of each group of changes, makes room when the disk is full, and closes the books.
// One object a run; it exists once the plan was announced. The target's lock is held by whoever made it.

import { join } from 'node:path'
import { ownDirectory } from '../core/path.ts'
import { decideKeep, type Keep, keepText } from '../core/retention.ts'
import { refusedOf } from '../disk/intents.ts'
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
  sizeKept,
  writeRunFacts,
  writeStoreSettings,
} from '../disk/versions.ts'
import type { Seat } from '../std/crew.ts'
import { Failure } from '../std/failure.ts'
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
  readonly #atMs: number
  #parts = 0
  #sizeBytes = 0
  #early = 0

  private constructor(parts: {
    store: Store
    keep: Keep
    own: number
    run: string
    seat: Seat<DiskTasks>
    atMs: number
  }) {
    this.#store = parts.store
    this.#own = parts.own
    this.#seat = parts.seat
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
    { clock, log }: Pick<Workshop, 'clock' | 'log'>,
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
    let store: Store | undefined
    try {
      const pruned =
        former === undefined
          ? { expired: 0, early: 0 }
          : await seat.run('prune', { store: former, own, keep, neededBytes: 0, spare: undefined })
      store = openStore(sys, place, next, true) as Store
      const isElsewhere = directory !== settings.directory
      if (isElsewhere && former !== undefined) moveStore(sys, former, store)
      const isRemembered = !isElsewhere && settings.keep !== undefined && keepText(settings.keep) === keepText(keep)
      if (!isRemembered) writeStoreSettings(ownPlace, next)
      if (pruned.expired + pruned.early > 0) log.note('versions-pruned', { ...pruned })
      return { keeping: new Keeping({ store, keep, own, run, seat, atMs: clock.nowMs() }), pruned }
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
    const pruned = await this.#seat.run('prune', {
      store: this.#store,
      own: this.#own,
      keep,
      neededBytes,
      spare: this.run,
    })
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

  /** Tells what is about to happen; it is on disk when this resolves. Zero or a negative errno. */
  async tell(changes: readonly Change[]): Promise<number> {
    if (this.place === undefined || changes.length === 0) return 0
    for (const change of changes) this.#sizeBytes += sizeKept(change)
    return await this.#seat.run('writePart', { place: this.place, number: this.#parts++, changes })
  }

  /** Tells that the changes of these paths did not happen. */
  async takeBack(paths: readonly string[]): Promise<number> {
    return await this.tell(refusedOf(paths))
  }

  /** Closes the books: what was told is all that happened. */
  close(): void {
    const sys = systemSys()
    if (this.place !== undefined) {
      if (this.#parts === 0) dropRunPlace(sys, this.#store, this.place)
      else {
        writeRunFacts(sys, this.place, { atMs: this.#atMs, sizeBytes: this.#sizeBytes })
        closeRunPlace(sys, this.place)
      }
    }
    sys.close(this.#store.handle)
  }
}
