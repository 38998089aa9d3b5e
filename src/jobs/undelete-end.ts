// An undelete where the versions lie: carried out in slices, and stopped between any two versions or within the copy of a
// large one. It has two forms, a target on this machine and one behind the wire, so that whoever drives it never asks which
// it has. While it is open, the target's lock is held. What came stays, however it is left; nothing is left aside.

import { sep } from 'node:path'
import type { LinkPolicy } from '../core/links.ts'
import { isReservedName, joinPath, parentOf, parseRelPath, type RelPath } from '../core/path.ts'
import type { Problem } from '../core/problem.ts'
import { findTyped, type Placed } from '../disk/find-target.ts'
import { makeFolder, openOutside } from '../disk/outside.ts'
import type { Sought } from '../disk/past.ts'
import { openSource, type Root } from '../disk/root.ts'
import { errno } from '../disk/sys.ts'
import { systemSys } from '../disk/system.ts'
import type { DiskTasks } from '../disk/tasks.ts'
import { utf8 } from '../std/bytes.ts'
import type { Seat } from '../std/crew.ts'
import { Failure } from '../std/failure.ts'
import { Stop } from '../std/stop.ts'
import type { Session } from '../wire/session.ts'
import { call } from './bulk.ts'
import { type RemoteName, remoteText } from './ends.ts'
import { nextSeatId, type Workshop } from './local.ts'
import { type OpenTarget, openPast, soughtIn } from './past.ts'
import { checkedProblems } from './remote.ts'

/** What came since the slice before. */
export type UndeleteSlice = {
  readonly brought: readonly { readonly path: string; readonly run: string; readonly sizeBytes: number }[]
  /** Names that are in use, which were left alone. */
  readonly existing: readonly string[]
  readonly problems: readonly Problem[]
  readonly end: 'done' | 'stopped' | undefined
}

export interface UndeleteEnd {
  /** Brings some more. After the end it tells of nothing but that. */
  more(): Promise<UndeleteSlice>
  /** Lets the slice that is under way, or the next one, end as soon as it may: it is the last one. */
  stop(): void
  close(): Promise<void>
}

type Opened = {
  readonly handles: { readonly target: number; readonly staging: number }
  readonly sought: readonly Sought[]
  readonly path: RelPath
  readonly as: RelPath
  readonly links?: LinkPolicy | undefined
  /** Told of each slice. */
  readonly log: (slice: UndeleteSlice) => void
  close(): void
}

/** An undelete on a target of this machine. */
export class LocalUndelete implements UndeleteEnd {
  readonly #workshop: Workshop
  readonly #opened: Opened
  readonly #held: number
  readonly #seat: Seat<DiskTasks>
  readonly #restore: number = nextSeatId()
  readonly #stop = new Stop()
  #last: Promise<unknown> = Promise.resolve()
  #end: UndeleteSlice['end']
  #isClosed = false

  private constructor(workshop: Workshop, opened: Opened) {
    this.#workshop = workshop
    this.#opened = opened
    this.#held = workshop.crew.hold()
    this.#seat = workshop.crew.seats[this.#held] as Seat<DiskTasks>
  }

  static async #open(workshop: Workshop, target: OpenTarget, opened: Opened): Promise<LocalUndelete> {
    const undelete = new LocalUndelete(workshop, opened)
    try {
      const { handles, sought, path, as, links } = opened
      const places = { store: target.store, ...handles, stop: undelete.#stop.memory }
      await undelete.#seat.run('openRestore', { restore: undelete.#restore, ...places, sought, path, as, links })
      return undelete
    } catch (error) {
      await undelete.close()
      throw error
    }
  }

  /** Within the target, at their own path or at `as`. What is there stays. */
  static async at(
    workshop: Workshop,
    placed: Placed,
    options: { run: string | undefined; as: RelPath | undefined; by: string; links?: LinkPolicy | undefined },
  ): Promise<LocalUndelete> {
    const { rootPath, path } = placed
    const { run, as = path, by, links } = options
    const target = openPast(workshop, rootPath)
    let opened: Opened
    try {
      const { root, store, staging } = target
      checkFolder(root, parentOf(as))
      const sought = await soughtIn(workshop, store, root.id, { path, run, isOwner: true })
      const log = ({ brought }: UndeleteSlice): void => noteUndeleted(workshop, rootPath, by, brought)
      opened = { handles: { target: root.handle, staging }, sought, path, as, links, log, close: target.close }
    } catch (error) {
      target.close()
      throw error
    }
    return await LocalUndelete.#open(workshop, target, opened)
  }

  /**
   * Into another folder of this machine, which is made with its parents where it is missing; undefined where nothing is
   * kept: then nothing is made. The target itself is only read, unless the folder lies in it.
   */
  static async into(
    workshop: Workshop,
    placed: Placed,
    options: { run: string | undefined; directory: string; as: RelPath },
  ): Promise<LocalUndelete | undefined> {
    const { directory, run, as } = options
    const { rootPath, path } = placed
    if (directory.split(sep).some(isReservedName))
      throw new Failure('bad-usage', `${directory} lies among the working files of a target`, {
        hint: 'name another folder',
      })
    const within = findTyped(directory)
    if (within?.rootPath === rootPath) {
      const there = as === '' ? within.path : joinPath(within.path, as)
      return await LocalUndelete.at(workshop, placed, { run, as: there, by: workshop.machine })
    }
    const target = openPast(workshop, rootPath)
    const closers: (() => void)[] = [target.close]
    const close = (): void => {
      for (const one of closers.splice(0).reverse()) one()
    }
    let opened: Opened
    try {
      const { root, store, place } = target
      const sys = systemSys()
      const sought = await soughtIn(workshop, store, root.id, { path, run, isOwner: true })
      const seat = workshop.crew.seats[0] as Seat<DiskTasks>
      const { versions } = await seat.run('listVersions', { store, sought, max: 1 })
      if (versions.length === 0) {
        close()
        return undefined
      }
      makeFolder(directory)
      const folder = openSource(sys, directory)
      closers.push(() => folder.close())
      const outside = openOutside(sys, place, folder.path, folder.handle)
      closers.push(() => outside.close())
      let restored = 0
      const log = ({ brought, end }: UndeleteSlice): void => {
        restored += brought.length
        if (end !== undefined)
          workshop.log.note('undeleted-elsewhere', { root: rootPath, path, to: directory, restored })
      }
      opened = { handles: { target: folder.handle, staging: outside.staging }, sought, path, as, log, close }
    } catch (error) {
      close()
      throw error
    }
    return await LocalUndelete.#open(workshop, target, opened)
  }

  /** One after the other: whoever closes it waits for what is at work. */
  more(): Promise<UndeleteSlice> {
    const next = this.#last.then(async (): Promise<UndeleteSlice> => {
      if (this.#end !== undefined || this.#isClosed) return { brought: [], existing: [], problems: [], end: this.#end }
      const slice = await this.#seat.run('restoreMore', { restore: this.#restore })
      this.#opened.log(slice)
      this.#end = slice.end
      return slice
    })
    this.#last = next.catch(() => {})
    return next
  }

  stop(): void {
    this.#stop.set()
  }

  /** What it is at comes to its end as if it had been stopped, and is logged. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.stop()
    await this.#last
    this.#isClosed = true
    try {
      await this.#seat.run('closeRestore', { restore: this.#restore })
    } finally {
      this.#workshop.crew.release(this.#held)
      this.#opened.close()
    }
  }
}

/** The folder that versions come into may be missing, and is made then; another thing can't be in its place. */
function checkFolder(root: Root, path: RelPath): void {
  const sys = systemSys()
  const handle = sys.openDirectory(root.handle, utf8(path))
  if (handle >= 0) sys.close(handle)
  if (handle === -errno.ENOTDIR || handle === -errno.ELOOP)
    throw new Failure('target-not-directory', `${path} is not a folder, and nothing can be brought into it`)
}

/** Logs what came back below a root, as this machine calls it: a line for each directory and run. */
function noteUndeleted({ log }: Workshop, root: string, by: string, brought: UndeleteSlice['brought']): void {
  const lines = new Map<string, { directory: string; version: string; names: string[] }>()
  for (const { path, run: version } of brought) {
    const slash = path.lastIndexOf('/')
    const directory = path.slice(0, Math.max(0, slash))
    const line = lines.getOrInsert(`${version} ${directory}`, { directory, version, names: [] })
    line.names.push(path.slice(slash + 1))
  }
  for (const { names, ...line } of lines.values())
    log.note('undeleted', { root, by, ...line, names: names.join('/'), count: names.length })
}

/** An undelete on a target behind the wire. The session is its own from here on. */
export class RemoteUndelete implements UndeleteEnd {
  readonly #session: Session
  readonly #workshop: Workshop
  /** What the target is called here; undefined where what it said of that is no path. */
  readonly #root: string | undefined

  private constructor(session: Session, workshop: Workshop, root: string | undefined) {
    this.#session = session
    this.#workshop = workshop
    this.#root = root
  }

  static async open(
    session: Session,
    workshop: Workshop,
    end: RemoteName,
    { run, as }: { readonly run: string | undefined; readonly as: RelPath | undefined },
  ): Promise<RemoteUndelete> {
    const { share, sub } = end
    const request = { share, sub, ...(run !== undefined && { run }), ...(as !== undefined && { as }) }
    const inner = parseRelPath((await call(session, 'undelete', request)).root)
    const root = inner === undefined ? undefined : remoteText({ ...end, sub: inner })
    return new RemoteUndelete(session, workshop, root)
  }

  async more(): Promise<UndeleteSlice> {
    const { brought, existing, problems, isDone, isStopped } = await call(this.#session, 'undeleteMore', {})
    // The other machine's log has it too; this one is asked here.
    if (this.#root !== undefined) noteUndeleted(this.#workshop, this.#root, this.#workshop.machine, brought)
    const end = isStopped ? 'stopped' : isDone ? 'done' : undefined
    return { brought, existing, problems: checkedProblems(problems), end }
  }

  stop(): void {
    // Where it does not come through, the session is over, and so is the undelete.
    call(this.#session, 'undeleteStop', {}).catch(() => {})
  }

  async close(): Promise<void> {
    this.#session.close()
  }
}
