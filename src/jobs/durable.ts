// When what a run writes to a target of this machine is synced, at the level that the run asked for. Under `none` nothing
// that is new is; what was there before is as safe as ever: the journal is synced before anything is displaced, and before
// anything is let go for good, what took its place is on disk. The target remembers such a run before its first name.

import { textId } from '../chunk/identifier.ts'
import type { Durability } from '../core/durability.ts'
import type { IgnoreText } from '../core/ignore.ts'
import { flagUnsynced } from '../core/page.ts'
import type { RelPath } from '../core/path.ts'
import type { DiskTasks } from '../disk/tasks.ts'
import { forgetUnsynced, noteUnsynced } from '../disk/unsynced.ts'
import type { Seat } from '../std/crew.ts'

/** Up to this many steps each file is synced by itself; above, whole groups are. */
const syncEachMax = 16

/** Where a target remembers it. */
export type UnsyncedPlace = { readonly place: string; readonly root: number; readonly job: string }

/** Names a job for that: what other rules left out was not looked at by it. */
export function unsyncedJob(job: string, overrides: readonly IgnoreText[]): string {
  const rules = overrides.map(({ label, text }) => `${label}\0${text}`)
  return rules.length === 0 ? job : `${job} ${textId('rules of a run', rules.join('\0\0'))}`
}

export class Durable {
  readonly level: Durability
  /** Each file and directory is synced by itself. */
  readonly each: boolean
  readonly #root: number

  private constructor(level: Durability, steps: number, root: number) {
    this.level = level
    this.each = level === 'group' && steps <= syncEachMax
    this.#root = root
  }

  /** For a run of so many steps. Where it can't be remembered that it does not sync, it does. */
  static open(asked: Durability, steps: number, where: UnsyncedPlace): Durable {
    const isNone = asked === 'none' && noteUnsynced(where.place, where.root, where.job)
    return new Durable(isNone ? 'none' : 'group', steps, where.root)
  }

  get #isNone(): boolean {
    return this.level === 'none'
  }

  /** Whether what is about to happen has to be told durably before; `displaces`: something that was there is in it. */
  tellsDurably(displaces: boolean): boolean {
    return !this.#isNone || displaces
  }

  /** Flags that what landed has in the target's tree. */
  get marks(): number {
    return this.#isNone ? flagUnsynced : 0
  }

  /** Before a group gets its names. Zero or a negative errno. */
  async written(seat: Seat<DiskTasks>, staging: number): Promise<number> {
    return this.each || this.#isNone ? 0 : await seat.run('sync', { handle: staging })
  }

  /**
   * Once all names are given. `letsGo`: something that was there is about to go for good, or the only name that is known
   * to be on disk is. Zero or a negative errno.
   */
  async named(seat: Seat<DiskTasks>, touched: Iterable<RelPath>, letsGo: boolean): Promise<number> {
    if (this.each) return await seat.run('syncDirectories', { root: this.#root, paths: [...touched] })
    return this.#isNone && !letsGo ? 0 : await seat.run('sync', { handle: this.#root })
  }
}

/** What the job had left in doubt was read by this run, and what it found is kept. */
export function settledDoubt({ place, root, job }: UnsyncedPlace, run: Durable | undefined): void {
  forgetUnsynced(place, root, job, run?.level === 'none')
}
