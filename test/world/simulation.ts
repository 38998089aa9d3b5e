// Machines in one thread: the real engine (runs, sessions, the serving side, state databases) over a disk that forgets,
// a line that is cut, stalls and hands bytes on in pieces, and clocks that jump. Nothing here waits for real time, and what
// happens is decided by a number, so that a run is made again by saying it. For tests only.

import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Sys } from '../../src/disk/sys.ts'
import { openLinuxSys } from '../../src/disk/sys-linux.ts'
import { systemSys } from '../../src/disk/system.ts'
import type { RunListener } from '../../src/jobs/endpoint.ts'
import type { RunRequest } from '../../src/jobs/job.ts'
import type { Workshop } from '../../src/jobs/local.ts'
import { type FinishedRun, type Reach, runOnce } from '../../src/jobs/run.ts'
import { type AllowedKind, addShare } from '../../src/jobs/shares.ts'
import { SlabStore } from '../../src/jobs/slabs.ts'
import { type UndoResult, undoRun } from '../../src/jobs/undo.ts'
import { openState } from '../../src/state/open.ts'
import { Bug } from '../../src/std/assert.ts'
import type { Clock } from '../../src/std/clock.ts'
import { Failure } from '../../src/std/failure.ts'
import { linkOver } from '../../src/wire/link.ts'
import { openSession, type Session } from '../../src/wire/session.ts'
import type { Chance } from './disk-trees.ts'
import { Death } from './faulty-sys.ts'
import { type LineTrouble, lineWith } from './line.ts'
import { type TestClock, testClock } from './links.ts'
import { type Loss, LossyDisk } from './lossy-disk.ts'
import { requestOf } from './requests.ts'
import { crewHere } from './seat-here.ts'
import { servedTo } from './served.ts'

export type Way = 'local' | 'push' | 'pull'

/** What a run meets. */
export type Trouble = LineTrouble & {
  /** The machine with the target loses its power in front of this call, from 1. */
  readonly dieAt?: number
  /** And what it keeps. Without `dieAt`: when the run has ended. */
  readonly loss?: Loss
  /** The driver dies when the target has answered that it finished: it keeps nothing of what it learned by that. */
  readonly forgets?: true
  /** So many ms are added to the wall clocks, from the start or from this call on the target's disk on. */
  readonly jumpMs?: number
  readonly jumpAt?: number
  /** The wall clock of the far machine is so many ms ahead. */
  readonly skewMs?: number
  /** Runs in front of this call on the target's disk. */
  readonly meanwhile?: { readonly at: number; act(): void }
  /** The system refuses this call, of all that are made on either disk, from 1; or that one and all after it. */
  readonly refuse?: { readonly at: number; readonly code: number; readonly sticky: boolean }
}

export type Simulated<End> = {
  readonly end: End | undefined
  readonly failure: Failure | undefined
  /** Calls that change or sync something, on the target. */
  readonly calls: number
  readonly trail: readonly string[]
  readonly died: boolean
  /** All calls, of both disks; and the one that was refused. */
  readonly asked: number
  readonly refused: string | undefined
}

/** Nobody cancels. */
const never = new AbortController().signal

/** Installs a Sys in the place of this thread's. */
function install(sys: Sys): void {
  Object.assign(systemSys(), sys)
}

/** One store for all: the seat knows slabs by number. */
const slabs = new SlabStore(crewHere)
const log = { note: () => {}, flush: () => {} }

export class Simulation {
  readonly directory: string
  readonly source: string
  readonly target: string
  readonly way: Way
  readonly #disk: LossyDisk
  readonly #real: Sys
  readonly #clock: TestClock = testClock()
  #jumpedMs = 0
  #skewMs = 0

  /** Below a new folder `directory`; `allows`: what the share of the far machine lets runs do. */
  constructor(directory: string, way: Way, allows?: readonly AllowedKind[]) {
    this.directory = directory
    this.way = way
    this.source = join(directory, 'source')
    this.target = join(directory, 'target')
    mkdirSync(this.source, { recursive: true })
    this.#real = openLinuxSys()
    this.#disk = new LossyDisk(this.#real, join(directory, 'graveyard'))
    mkdirSync(this.target)
    if (way !== 'local')
      addShare(this.#configOf('nas'), {
        name: 'there',
        path: way === 'push' ? this.target : this.source,
        readOnly: false,
        for: undefined,
        maxDelete: undefined,
        ...(allows && { allows }),
      })
  }

  #stateOf(machine: string): string {
    return join(this.directory, machine, 'state')
  }

  #configOf(machine: string): string {
    return join(this.directory, machine, 'config')
  }

  /** The machine with the target. */
  get #keeper(): string {
    return this.way === 'push' ? 'nas' : 'laptop'
  }

  /** One run, as a person starts it, with what it meets. */
  async run(trouble: Trouble = {}, change: Partial<RunRequest> = {}): Promise<Simulated<FinishedRun>> {
    const far = 'nas:there'
    const source = this.way === 'pull' ? far : this.source
    const target = this.way === 'push' ? far : this.target
    const request = requestOf(source, target, change)
    const known = join(this.directory, 'state before the end')
    const listen: RunListener = (event) => {
      // Nothing is noted between this and the target's answer.
      if (trouble.forgets && event.type === 'phase' && event.phase === 'apply')
        copyState(this.#stateOf('laptop'), known)
    }
    const end = await this.#meet(trouble, (laptop, reach) => runOnce(laptop, reach, request, listen, never))
    if (trouble.forgets && existsSync(known)) copyState(known, this.#stateOf('laptop'))
    return end
  }

  /** An undo of a run, by its id. */
  async undo(run: string, trouble: Trouble = {}): Promise<Simulated<UndoResult>> {
    const ways = { remoteCommand: undefined, tell: () => {} }
    const request = { prefix: run, dryRun: false, ways }
    return await this.#meet(trouble, (laptop, reach) => undoRun(laptop, reach, request, () => {}, never))
  }

  async #meet<End>(trouble: Trouble, work: (laptop: Workshop, reach: Reach) => Promise<End>): Promise<Simulated<End>> {
    const { jumpMs = 0, jumpAt, skewMs = 0 } = trouble
    if (jumpAt === undefined) this.#jumpedMs += jumpMs
    this.#skewMs = skewMs
    const disk = this.#disk
    const saved = join(this.directory, 'state at the end')
    disk.begin(trouble.dieAt, () => copyState(this.#stateOf(this.#keeper), saved))
    const jump = { at: jumpAt ?? 0, act: () => void (this.#jumpedMs += jumpMs) }
    const watch = new Watch(disk, trouble, jumpAt === undefined ? [] : [jump])
    install(watch.sys)
    let end: End | undefined
    let failure: Failure | undefined
    try {
      end = await this.#work(trouble, work)
    } catch (error) {
      if (error instanceof Failure && !(error.cause instanceof Bug)) failure = error
      else if (!(error instanceof Death)) throw error
    } finally {
      install(this.#real)
    }
    const { calls, isDead: died } = disk
    const trail = [...disk.trail]
    if (died) copyState(saved, this.#stateOf(this.#keeper))
    const loss = died || trouble.dieAt === undefined ? (trouble.loss ?? 'most') : 'most'
    disk.crash(loss)
    if (loss !== 'most') restartMachine(this.target)
    return { end, failure, calls, trail, died, asked: watch.asked, refused: watch.refused }
  }

  async #work<End>(trouble: Trouble, work: (laptop: Workshop, reach: Reach) => Promise<End>): Promise<End> {
    const laptop = this.#workshop('laptop')
    const nas = this.way === 'local' ? undefined : this.#workshop('nas')
    const attached: Promise<void>[] = []
    try {
      const connect = (): Promise<Session> => this.#connect(nas as Workshop, trouble, attached)
      const connectSsh = (): Promise<Session> => Promise.reject(new Bug('no simulation goes by ssh'))
      return await work(laptop, { isMachine: (name) => name === 'nas', connect, connectSsh })
    } finally {
      await Promise.all(attached)
      laptop.state[Symbol.dispose]()
      nas?.state[Symbol.dispose]()
    }
  }

  #workshop(machine: string): Workshop {
    const clock = this.#jumpedClock(machine)
    const state = openState({ directory: this.#stateOf(machine), clock })
    return { crew: crewHere, slabs, state, clock, log, machine }
  }

  #jumpedClock(machine: string): Clock {
    const { monotonicMs, sleep, timer } = this.#clock
    const nowMs = (): number => Date.now() + this.#jumpedMs + (machine === 'nas' ? this.#skewMs : 0)
    return { monotonicMs, sleep, timer, nowMs }
  }

  async #connect(nas: Workshop, trouble: Trouble, attached: Promise<void>[]): Promise<Session> {
    const [near, far] = lineWith(trouble, (ms) => this.#clock.advance(ms))
    const facts = { peerId: undefined, remoteAddress: 'memory' }
    const served = servedTo('laptop', nas, this.#configOf('nas'))
    const onRequest = (): undefined => undefined
    const hello = (machine: string): { machine: string; productVersion: string } => ({ machine, productVersion: '0' })
    const answering = openSession(linkOver(far, { ...facts, machine: 'laptop' }, nas.clock), {
      onRequest,
      clock: nas.clock,
      side: 'listener',
      hello: hello('nas'),
      onStream: served.onStream,
    })
    attached.push(
      answering.then(
        (session) => served.attach(session),
        () => {},
      ),
    )
    const clock = this.#jumpedClock('laptop')
    return await openSession(linkOver(near, { ...facts, machine: 'nas' }, clock), {
      onRequest,
      clock,
      side: 'dialer',
      hello: hello('laptop'),
      onStream: () => false,
    })
  }

  close(): void {
    this.#disk.close()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** What a target remembers of the life of its file system is of an earlier one now. */
function restartMachine(target: string): void {
  const path = join(target, '.nightferry', 'unsynced.json')
  if (!existsSync(path)) return
  const { version, jobs } = JSON.parse(readFileSync(path, 'utf8')) as { version: number; jobs: Record<string, string> }
  const past = Object.fromEntries(Object.keys(jobs).map((job) => [job, 'before the machine started']))
  writeFileSync(path, JSON.stringify({ version, jobs: past }))
}

/** What is committed survives a power cut: the database as it is at this moment. */
function copyState(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true })
  cpSync(from, to, { recursive: true, filter: (path) => !path.endsWith('-shm') })
}

type Moment = { readonly at: number; act(): void }

/** The same disk, on which something happens in front of a call, or which refuses some. */
class Watch {
  readonly sys: Sys
  asked = 0
  refused: string | undefined

  constructor(disk: LossyDisk, { meanwhile, refuse }: Trouble, more: readonly Moment[]) {
    const moments = [...(meanwhile === undefined ? [] : [meanwhile]), ...more]
    this.sys = new Proxy(disk.sys, {
      get: (sys, name, receiver): unknown => {
        const value: unknown = Reflect.get(sys, name, receiver)
        if (typeof value !== 'function' || name === 'close') return value
        return (...args: unknown[]) => {
          this.asked++
          const due = disk.isDead ? -1 : moments.findIndex(({ at }) => disk.calls + 1 >= at)
          if (due >= 0) for (const { act } of moments.splice(due, 1)) act()
          const isDue = refuse !== undefined && (refuse.sticky ? this.asked >= refuse.at : this.asked === refuse.at)
          if (!isDue) return Reflect.apply(value, sys, args)
          this.refused ??= String(name)
          return -refuse.code
        }
      },
    })
  }
}

/** A loss that chance decides. */
export function lossOf(chance: Chance): Loss {
  const what = chance(4)
  return what === 0 ? 'least' : what === 1 ? 'most' : chance
}
