// One run from the names of its ends to its entry in the history: opens both ends wherever they are, runs the cycle,
// closes them whatever happens, and records the outcome. The command line, the demo and (later) the daemon's engine all
// come through here.

import { textId } from '../chunk/identifier.ts'
import type { Problem } from '../core/problem.ts'
import { isOneFolder } from '../disk/marker.ts'
import { realPath } from '../disk/root.ts'
import { wentTheOtherWay } from '../state/runs.ts'
import type { Clock } from '../std/clock.ts'
import { asFailure, Failure } from '../std/failure.ts'
import type { Session } from '../wire/session.ts'
import { Chronicle } from './chronicle.ts'
import { runCycle } from './cycle.ts'
import { leftOut } from './dress.ts'
import type { BothEnd, RunListener, SourceEnd, TargetEnd } from './endpoint.ts'
import { checkEnds, checkVersionsFolder, type EndName, endText, parseEnd, type RemoteName } from './ends.ts'
import { isTwoWay, type Job, type OneWayJob, type RunContext, type RunEnd, type RunRequest } from './job.ts'
import { LocalEnd, type TakenTree, type Workshop } from './local.ts'
import {
  aheadOf,
  lineTo,
  type Opened,
  openBothEnd,
  openSourceHere,
  openSourceThere,
  openTargetEnd,
} from './open-ends.ts'
import type { SshWays } from './ssh.ts'
import { defaultRemoteCommand, remoteCommandLine } from './ssh-command.ts'
import { isVersionsFolder, type SshTarget } from './ssh-place.ts'
import { runTwoWay } from './two-way.ts'
import { Untried } from './untried.ts'
import { verifyRun } from './verify.ts'

/** How a run reaches other machines; from the machine's settings. */
export type Reach = {
  isMachine(name: string): boolean
  /** A session with a paired machine. Throws `unreachable` and its like. */
  connect(machine: string, signal: AbortSignal): Promise<Session>
  /** A session with the Nightferry that ssh starts on another machine. Throws `unreachable`, `wrong-peer` and their like. */
  connectSsh(target: SshTarget, ways: SshWays, signal: AbortSignal): Promise<Session>
}

/** A session with the machine of an end, however that is reached. */
export async function connectTo(reach: Reach, end: RemoteName, ways: SshWays, signal: AbortSignal): Promise<Session> {
  if (end.ssh !== undefined) return await reach.connectSsh(end.ssh, ways, signal)
  checkSshOnly(ways.remoteCommand)
  return await reach.connect(end.machine, signal)
}

/** Throws `bad-usage` where ways of ssh are given, and nothing is reached by ssh. */
export function checkSshOnly(remoteCommand: string | undefined): void {
  if (remoteCommand === undefined) return
  throw new Failure('bad-usage', '--remote-command says how an ssh:// end starts Nightferry, and no such end is named')
}

/** A run that has its place in the history. */
export type FinishedRun = Omit<RunEnd, 'found'> & {
  readonly runId: string
  /** Bytes on the wire, encryption counted; 0 where both ends are here. */
  readonly wireBytesOut: number
  readonly wireBytesIn: number
}

/** Runs once. Throws Failure where no run came about or it broke; everything else is in the result. */
export async function runOnce(
  workshop: Workshop,
  reach: Reach,
  request: RunRequest,
  listen: RunListener,
  signal: AbortSignal,
): Promise<FinishedRun> {
  const source = parseEnd(request.source, reach.isMachine)
  const target = parseEnd(request.target, reach.isMachine)
  checkEnds(source, target, realPath, isOneFolder)
  checkVersions(request, source, target)
  const isBySsh = [source, target].some((end) => end.kind === 'remote' && end.ssh !== undefined)
  // What is typed wrong is no run: it stands in no history, and says nothing of how the job is.
  if (!isBySsh) checkSshOnly(request.remoteCommand)
  else remoteCommandLine(request.remoteCommand ?? defaultRemoteCommand)
  const job = jobOf(request, source, target)
  const names = { source: endText(source, realPath), target: endText(target, realPath) }
  const targetIsRemote = target.kind === 'remote' || (isTwoWay(job) && source.kind === 'remote')
  const chronicle = new Chronicle(workshop, { job: job.id, ...names, targetIsRemote }, request)
  const opened: Opened = { request, job, source, target, chronicle }
  try {
    return await runEnds(workshop, reach, opened, listen, signal)
  } catch (error) {
    const failure = signal.aborted ? cancelled() : notOurs(asFailure(error, 'disk-error'))
    chronicle.failed(failure)
    throw failure
  }
}

/** Where the versions of a share lie is for its owner to say; by ssh the account may say it. */
function checkVersions({ versions }: RunRequest, source: EndName, target: EndName): void {
  if (versions === undefined) return
  if (target.kind === 'local') return checkVersionsFolder(versions, source, realPath)
  if (target.ssh === undefined) {
    throw new Failure('bad-usage', '--versions names a folder for a target here, or one that is reached by ssh', {
      hint: `on ${target.machine}: nightferry share add ${target.share} FOLDER --versions DIR`,
    })
  }
  if (isVersionsFolder(versions)) return
  throw new Failure('bad-usage', `--versions names no folder of ${target.machine}: ${JSON.stringify(versions)}`, {
    hint: 'write its path there, from the top (/mnt/old) or from the home there (~/old), without ..',
  })
}

/** Nobody here cancelled: a peer that says so has failed. */
function notOurs(failure: Failure): Failure {
  if (failure.code !== 'cancelled') return failure
  return new Failure('peer-failed', failure.message, { hint: failure.hint, cause: failure })
}

function cancelled(): Failure {
  return new Failure('cancelled', 'the run was cancelled', {
    hint: 'what was complete is in place; the next run goes on from there',
  })
}

/** Opens both ends, which locks them, runs, and closes them whatever happens. */
async function runEnds(
  workshop: Workshop,
  reach: Reach,
  opened: Opened,
  listen: RunListener,
  signal: AbortSignal,
): Promise<FinishedRun> {
  const { job, source, target } = opened
  const remote = source.kind === 'remote' ? source : target.kind === 'remote' ? target : undefined
  const tell = (text: string): void => listen({ type: 'notice', text })
  const ways = { remoteCommand: opened.request.remoteCommand, tell }
  let session: Session | undefined
  let left: SourceEnd | undefined
  let right: TargetEnd | undefined
  const abort = (): void => {
    session?.close()
    for (const end of [left, right]) if (end instanceof LocalEnd) end.stop()
  }
  signal.addEventListener('abort', abort, { once: true })
  let save = false
  try {
    let cycle: Cycle
    if (isTwoWay(job)) {
      session = remote && (await connectTo(reach, remote, ways, signal))
      const one = await openBothEnd(workshop, session, opened, 'left')
      left = one
      const other = await openBothEnd(workshop, session, opened, 'right')
      right = other
      cycle = (context) => runTwoWay(job, one, other, context)
    } else {
      // A folder here is looked at while the other machine is being reached.
      const line = remote && lineTo(() => session)
      const here = source.kind === 'local' ? openSourceHere(workshop, source.path, line, opened) : undefined
      left = here
      const ahead = here && remote && aheadOf(workshop, opened, here)
      session = remote && (await connectTo(reach, remote, ways, signal))
      const from = here ?? (await openSourceThere(workshop, session as Session, opened))
      left = from
      const to = await openTargetEnd(workshop, session, opened, from.facts.mode, ahead)
      right = to
      cycle = (context) => runOneWay(opened.request, job as OneWayJob, from, to, context)
    }
    signal.throwIfAborted()
    const run = await runRecorded(workshop, opened, { left, right }, cycle, listen, signal)
    save = remembers(job, run)
    return { ...run, wireBytesOut: session?.link.bytesWritten ?? 0, wireBytesIn: session?.link.bytesRead ?? 0 }
  } catch (error) {
    throw session === undefined ? error : await whyOver(error, session, workshop.clock)
  } finally {
    signal.removeEventListener('abort', abort)
    await closeBoth(left, right, save)
    session?.close()
  }
}

/** What a run does once its ends are open. */
type Cycle = (context: RunContext) => Promise<RunEnd>

/** The run itself, with its entry in the history and the log. Both roots are locked: no other run of this job is alive. */
async function runRecorded(
  workshop: Workshop,
  opened: Opened,
  { left, right }: { left: SourceEnd; right: TargetEnd },
  cycle: Cycle,
  listen: RunListener,
  signal: AbortSignal,
): Promise<Omit<RunEnd, 'found'> & { runId: string }> {
  const { state, clock } = workshop
  const { request, job, chronicle } = opened
  const { runId, planned, found } = chronicle
  chronicle.begin(isTwoWay(job) && opened.source.kind === 'remote' ? (left as BothEnd) : right)
  listen({ type: 'run-start', runId, source: request.source, target: request.target, mode: job.mode })
  const { listsChanges } = request
  const heard = chronicle.listener(listen)
  const [from, to] = [endText(opened.source, realPath), endText(opened.target, realPath)]
  if (job.mode !== 'two-way' && wentTheOtherWay(state, { runId, source: from, target: to }))
    heard({ type: 'notice', text: `the last run between these two went the other way, to ${from}` })
  const end = await cycle({ state, clock, runId, listen: heard, planned, found, listsChanges, signal })
  chronicle.ended(end, exitCodeOf(end), remembers(job, end) ? await takeTrees(left, right) : [])
  const { found: _, ...rest } = end
  return { ...rest, runId }
}

/** A mirror or an update, and what it is besides its cycle: what the ends can't hold is told, and the target read again where that was asked for. */
async function runOneWay(
  request: RunRequest,
  job: OneWayJob,
  left: SourceEnd,
  right: TargetEnd,
  context: RunContext,
): Promise<RunEnd> {
  const untried = job.dryRun && right.facts.rootId === '' ? new Untried(context.listen) : undefined
  const heard = { ...context, listen: untried?.listener ?? context.listen }
  const cycle = withLeftOut(
    await runCycle(job, left, right, heard),
    leftOut(job.attributes, left.facts.traits, right.facts.traits),
  )
  untried?.tell()
  return request.verify === true ? await verifyRun(job, cycle, left, right, heard) : cycle
}

/** What the ends can't hold is told by every run, and is no reason to compare again. */
function withLeftOut(end: RunEnd, problems: readonly Problem[]): RunEnd {
  if (problems.length === 0) return end
  const outcome = end.outcome === 'done' || end.outcome === 'unchanged' ? 'partial' : end.outcome
  return { ...end, outcome, problems: [...problems, ...end.problems] }
}

/**
 * Whether what was seen is kept. Not while a plan is only shown or held: the source would forget what moved since the last
 * run, and the plan that a person releases would be another one.
 */
function remembers(job: Job, { outcome }: Pick<RunEnd, 'outcome'>): boolean {
  return !job.dryRun && outcome !== 'halted'
}

/** The trees of the ends on this machine. The other machine saves its own when its end is closed. */
async function takeTrees(...ends: readonly (SourceEnd | TargetEnd)[]): Promise<TakenTree[]> {
  const taken = await Promise.all(ends.map((end) => (end instanceof LocalEnd ? end.takeTree() : undefined)))
  return taken.filter((tree) => tree !== undefined)
}

export function exitCodeOf(end: Pick<RunEnd, 'outcome' | 'problems'>): number {
  if (end.outcome === 'halted') return 15
  return end.problems.length > 0 ? 3 : 0
}

/** So long it may take until it is known how a session ended: ssh is asked for its exit code. */
const endingMs = 3_000

/** Whoever was writing hears first that a line is broken; the session knows why. */
async function whyOver(error: unknown, session: Session, clock: Clock): Promise<unknown> {
  if (!(error instanceof Failure) || error.code !== 'connection-lost') return error
  const ending = new AbortController()
  const told = await Promise.race([session.closed, clock.sleep(endingMs, ending.signal)])
  ending.abort()
  return told ?? error
}

/** Both ends are closed, whatever the other one does. */
async function closeBoth(left: SourceEnd | undefined, right: TargetEnd | undefined, save: boolean): Promise<void> {
  const ended = await Promise.allSettled([left?.close(save), right?.close(save)])
  for (const one of ended) if (one.status === 'rejected') throw one.reason
}

function jobOf(request: RunRequest, source: EndName, target: EndName): Job {
  const {
    mode,
    checksum,
    selection = {},
    dryRun,
    overrides,
    ignoreFiles,
    limit,
    release,
    keep,
    durability = 'group',
    attributes = 0,
  } = request
  const ends = [endText(source, realPath), endText(target, realPath)]
  // Two folders of one machine know the same names.
  const ownersByName = request.numericIds !== true && (source.kind === 'remote' || target.kind === 'remote')
  const asked = { limit, release, keep, durability, attributes, ownersByName }
  const rest = { checksum, selection, dryRun, overrides, ignoreFiles, ...asked }
  if (mode !== 'two-way') return { id: textId('job 1', ends.join('\0')), mode, ...rest }
  // The same two ends are the same job, whichever is named first.
  const sorted = [...ends].sort()
  const id = textId('two-way job 1', sorted.join('\0'))
  return { id, mode, isSwapped: sorted[0] !== ends[0], conflicts: request.conflicts ?? [], ...rest }
}
