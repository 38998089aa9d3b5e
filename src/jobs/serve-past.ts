// The answering side of what a peer asks about old versions: within what it is granted (grants.ts). Looking is allowed in
// every share; bringing back and undoing only where it may write. A session has one undo open at most, and one undelete at a
// time; when it ends, what was begun comes to a point at which the target is whole, and this machine's history (of an
// undelete its log) says what came of it.

import { parseRelPath } from '../core/path.ts'
import { encodeBatch } from '../core/plan.ts'
import type { Placed } from '../disk/find-target.ts'
import { isRunId } from '../disk/versions.ts'
import { findRuns } from '../state/history.ts'
import { endServedRun, type RunEnd, startRun } from '../state/runs.ts'
import { processMark } from '../std/alive.ts'
import { hex } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import type { CallHandlers, CallInput, CallOutput } from './bulk.ts'
import type { Grants, PastGrant } from './grants.ts'
import type { Workshop } from './local.ts'
import { versionsAt } from './past.ts'
import { LocalUndelete, type UndeleteSlice } from './undelete-end.ts'
import { undoEnd } from './undo.ts'
import { LocalUndo, toldProblems, type UndoSlice } from './undo-end.ts'

const listedMax = 10_000
const toldMax = 10_000

export type PastOptions = { readonly workshop: Workshop; readonly grants: Grants; readonly machine: string }

export type PastHandlers = Pick<
  CallHandlers,
  | 'versions'
  | 'undelete'
  | 'undeleteMore'
  | 'undeleteStop'
  | 'undo'
  | 'undoLook'
  | 'undoList'
  | 'undoBegin'
  | 'undoCarry'
>

type OpenUndo = { readonly undo: LocalUndo; readonly job: string; readonly rootPath: string; as: string | undefined }

/** What one session asks about old versions. */
export class ServedPast {
  readonly #options: PastOptions
  #opening: Promise<unknown> = Promise.resolve()
  #isOpening = false
  #open: OpenUndo | undefined
  #isUndeleting = false
  #undelete: LocalUndelete | undefined

  constructor(options: PastOptions) {
    this.#options = options
  }

  readonly handlers: PastHandlers = {
    versions: async ({ share, sub, run }) =>
      await within(this.#options, { share, sub, writes: false }, async (placed): Promise<CallOutput<'versions'>> => {
        const { versions, more } = await versionsAt(this.#options.workshop, placed, { run, max: listedMax })
        return { versions: versions.map((one) => ({ ...one, mtimeSeconds: BigInt(one.mtimeSeconds) })), more }
      }),
    undelete: async (request) => {
      if (this.#isUndeleting) throw new Failure('protocol-broken', 'a session has one undelete at a time')
      this.#isUndeleting = true
      const opening = this.#openUndelete(request)
      this.#opening = Promise.allSettled([this.#opening, opening])
      try {
        return { root: await opening }
      } catch (error) {
        this.#isUndeleting = false
        throw error
      }
    },
    undeleteMore: async () => await this.#undeleteMore(),
    undeleteStop: async () => {
      this.#undelete?.stop()
      return {}
    },
    undo: async (request) => {
      if (this.#isOpening) throw new Failure('protocol-broken', 'a session opens one undo')
      this.#isOpening = true
      const opening = this.#openUndo(request)
      this.#opening = Promise.allSettled([this.#opening, opening])
      await opening
      return {}
    },
    undoLook: async () => {
      const { names, found } = await this.#mustOpen().undo.look()
      return found === undefined ? { names } : { names, found: { ...found, conflicts: [...found.conflicts] } }
    },
    undoList: async () => {
      const part = await this.#mustOpen().undo.list()
      return part === undefined ? {} : { page: { moves: [...part.moves], sections: encodeBatch(part.sections) } }
    },
    undoBegin: async ({ as }) => {
      const open = this.#mustOpen()
      if (!isRunId(as)) throw new Failure('protocol-broken', 'the id of a run is none')
      await open.undo.begin(as)
      this.#begun(open, as)
      return {}
    },
    undoCarry: async ({ stop }) => {
      const open = this.#mustOpen()
      try {
        return toldSlice(await open.undo.carry(stop))
      } finally {
        this.#record(open)
      }
    },
  }

  async #openUndelete({ share, sub, run, as }: CallInput<'undelete'>): Promise<string> {
    return await within(this.#options, { share, sub, writes: true }, async (placed, grant) => {
      const to = as === undefined ? undefined : parseRelPath(as)
      if (as !== undefined && to === undefined) throw new Failure('protocol-broken', 'a path is none below a root')
      const { workshop, machine } = this.#options
      this.#undelete = await LocalUndelete.at(workshop, placed, { run, as: to, by: machine, links: grant.links })
      return grant.relative(placed)
    })
  }

  /** When it has ended, the target is free again, and the session may begin another. */
  async #undeleteMore(): Promise<CallOutput<'undeleteMore'>> {
    const undelete = this.#undelete
    if (undelete === undefined) throw new Failure('protocol-broken', 'no undelete is open in this session')
    let end: UndeleteSlice['end'] = 'stopped'
    try {
      const slice = await undelete.more()
      end = slice.end
      const { brought, existing, problems } = slice
      const told = { brought: [...brought], existing: [...existing], problems: problems.slice(0, toldMax) }
      return { ...told, isDone: end !== undefined, isStopped: end === 'stopped' }
    } finally {
      if (end !== undefined && this.#undelete === undelete) {
        this.#undelete = undefined
        await undelete.close()
        this.#isUndeleting = false
      }
    }
  }

  async #openUndo({ share, sub, run, job }: CallInput<'undo'>): Promise<void> {
    if (job.length !== 16) throw new Failure('protocol-broken', 'a run has a name that is none')
    const { workshop, machine } = this.#options
    await within(this.#options, { share, sub, writes: true }, async ({ rootPath, path }, { ownerLimit }) => {
      if (path !== '') throw new Failure('no-versions', 'no run wrote to that folder')
      // Which job is to be held is not the peer's word where this machine knows it.
      const known = findRuns(workshop.state, run).find(({ runId }) => runId === run)
      const request = { run, job: known?.job ?? hex(job), by: machine, limit: ownerLimit }
      const undo = await LocalUndo.open(workshop, rootPath, request)
      this.#open = { undo, job: request.job, rootPath, as: undefined }
    })
  }

  #mustOpen(): OpenUndo {
    if (this.#open === undefined) throw new Failure('protocol-broken', 'no undo is open in this session')
    return this.#open
  }

  /** From here on it is a run in this machine's history, as any other that a peer drives. */
  #begun(open: OpenUndo, as: string): void {
    open.as = as
    const { job, rootPath } = open
    const { workshop, machine } = this.#options
    const run = { runId: as, job, source: '', target: rootPath, mode: 'undo', driver: machine }
    startRun(workshop.state, { ...run, process: processMark() })
  }

  /** Notes how it ended, once it has. */
  #record(open: OpenUndo, failure?: Failure): void {
    const { as, undo } = open
    if (as === undefined || undo.ended === undefined) return
    open.as = undefined
    const { workshop, machine } = this.#options
    const { isStopped } = undo.ended
    const { code, message, hint, exitCode } = failure ?? new Failure('disk-error', 'the undo broke')
    const cut: RunEnd = { ...undoEnd(undo.ended), exitCode, failure: { code, message, hint } }
    endServedRun(
      workshop.state,
      { runId: as, driver: machine },
      isStopped && failure !== undefined ? cut : undoEnd(undo.ended),
    )
  }

  /** The session is over, and `failure` says why where it was cut. */
  async close(failure: Failure | undefined): Promise<void> {
    await this.#opening.catch(() => {})
    const undelete = this.#undelete
    this.#undelete = undefined
    await undelete?.close()
    const open = this.#open
    this.#open = undefined
    if (open === undefined) return
    try {
      await open.undo.close()
    } finally {
      this.#record(open, failure)
    }
  }
}

function toldSlice({ phase, steps, part, ended }: UndoSlice): CallOutput<'undoCarry'> {
  const { moves, sections } = part
  const told = { phase, steps, moved: [...moves], ...(sections.length > 0 && { sections: encodeBatch(sections) }) }
  if (ended === undefined) return told
  const { counts, problems, problemCount, isBegun, isStopped } = ended
  const { created, replaced, attributes, renamed, deleted } = counts
  const done = { created, replaced, attributes, renamed, deleted, problemCount, isBegun, isStopped }
  return { ...told, done: { ...done, problems: problems.slice(0, toldProblems) } }
}

async function within<Answer>(
  { grants, machine, workshop }: PastOptions,
  { share, sub, writes }: { share: string; sub: string; writes: boolean },
  work: (placed: Placed, grant: PastGrant) => Promise<Answer>,
): Promise<Answer> {
  const grant = grants.past(share, sub)
  if (writes) grant.mayWrite()
  const { placed, label } = grant
  if (placed === undefined) throw new Failure('no-versions', `nothing was ever mirrored to ${label}`)
  workshop.log.note('past-asked', { machine, share, path: sub, writes })
  try {
    return await work(placed, grant)
  } catch (error) {
    throw grant.told(error)
  }
}
