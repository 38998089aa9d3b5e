// One cycle of one program at one place: a fresh target, the first mirror, then step by step what changes in the source and
// the mirror after it. The clock runs only while a command runs; making targets, starting daemons, changing the source and
// looking whether both trees are equal happen outside of it. A cycle leaves the source as it found it.

import { existsSync, lstatSync } from 'node:fs'
import { join } from 'node:path'
import { type Change, editFiles, editLarge, movePath } from './changes.ts'
import { compareContent, compareMetadata } from './compare.ts'
import { type Measured, measure, type Sides } from './measure.ts'
import type { Network } from './network.ts'
import type { Peer, Ready, Told } from './peers.ts'
import { type Ground, ownFolder, type Place, type PlaceName } from './places.ts'
import type { RowName, StepName, Task } from './rows.ts'
import type { Work } from './work.ts'

/** One timed command that went well and left both trees equal. */
export type Run = {
  readonly row: RowName
  readonly step: string
  readonly place: PlaceName
  /** The program, or in the row `durability` the way of writing. */
  readonly peer: string
  /** 1, 2, ...: all programs run once in a cycle, one after the other. */
  readonly cycle: number
  readonly wallSeconds: number
  readonly cpuSeconds: Sides
  readonly memoryBytes: Sides
  /** What `sync` then took until all of it was on the disk; 0 where the program had seen to that, or on tmpfs. */
  readonly settleSeconds: number
  readonly networkBytes: number
  readonly harnessCpuSeconds: number
  /** How the trees were compared afterwards; `not` where a command makes none. */
  readonly verified: 'content' | 'metadata' | 'not'
  readonly told: Told
  /** Where something got another place: whether on the target it is still the same one (its inode). */
  readonly sameInode?: boolean
}

export type Cycle = {
  readonly number: number
  readonly tasks: readonly Task[]
  readonly peer: Peer
  readonly place: Place
  readonly network: Network
  readonly work: Work
  /** Called after each timed command, whatever comes later. */
  readonly done: (run: Run) => void
}

/** Runs the tasks for one program; throws when a command fails or leaves the trees different. */
export async function runCycle(cycle: Cycle, signal: AbortSignal): Promise<void> {
  const { place, work, tasks, peer, network, done } = cycle
  if (tasks.length === 0) return
  await using scope = new AsyncDisposableStack()
  const target = await place.freshTarget(scope)
  const source: Ground = { tree: work.folder, beside: ownFolder(place.source.beside, scope) }
  const ready = await peer.open({ source, target, network }, scope, signal)
  // Taken back in reverse when the cycle ends: each step finds what the steps before it changed and mirrored.
  using changes = new DisposableStack()
  const mirror = async (task: Task, verified: Run['verified']): Promise<Run> => {
    const change = changeFor(task.step, work)
    if (change !== undefined) changes.defer(() => change.undo())
    return runTask(cycle, task, verified, change, target, ready, signal)
  }
  // The other steps begin where a first mirror ends, asked for or not.
  if (tasks[0]?.step !== 'first') await mirror({ row: 'first', step: 'first', times: 1 }, 'metadata')
  for (const task of tasks)
    for (let i = 0; i < task.times; i++) {
      // Every byte is compared once for each program, place and step; names, sizes and times after every other run.
      done(await mirror(task, cycle.number === 1 && i === 0 ? 'content' : 'metadata'))
    }
}

function changeFor(step: StepName, work: Work): Change | undefined {
  if (step === 'edits') return editFiles(work.folder)
  if (step === 'first' || step === 'unchanged') return undefined
  if (work.move === undefined) throw new Error(`${work.name}: nothing is there to be moved`)
  if (step === 'rename' || step === 'moved') return movePath(work.folder, ...work.move)
  return editLarge(join(work.folder, work.move.find((path) => existsSync(join(work.folder, path))) ?? ''), step)
}

async function runTask(
  { number, place, work, peer, network }: Cycle,
  { row, step }: Task,
  verified: Run['verified'],
  change: Change | undefined,
  target: Ground,
  ready: Ready,
  signal: AbortSignal,
): Promise<Run> {
  const moved = change?.moved
  const before = moved === undefined ? undefined : inodeOf(join(target.tree, moved.from))
  await place.settle(target.tree)
  const measured = await measure(ready.command, ready.daemonPid, network, signal)
  const settleSeconds = await untilSettled(place, target.tree)
  mustHaveEnded(step, measured)
  const difference =
    verified === 'content'
      ? await compareContent(work.folder, target.tree, ready.keeps, signal)
      : compareMetadata(work.folder, target.tree, ready.keeps)
  if (difference !== '') throw new Error(`${step}: the trees differ afterwards (${verified}): ${difference}`)
  return {
    ...figures(measured),
    row,
    step,
    place: place.name,
    peer: peer.name,
    cycle: number,
    settleSeconds,
    verified,
    told: ready.read(measured),
    ...(moved === undefined ? {} : { sameInode: inodeOf(join(target.tree, moved.to)) === before }),
  }
}

/** What of a measurement goes into a run. */
export function figures({
  wallSeconds,
  cpuSeconds,
  memoryBytes,
  networkBytes,
  harnessCpuSeconds,
}: Measured): Pick<Run, 'wallSeconds' | 'cpuSeconds' | 'memoryBytes' | 'networkBytes' | 'harnessCpuSeconds'> {
  return { wallSeconds, cpuSeconds, memoryBytes, networkBytes, harnessCpuSeconds }
}

/** How long it takes until all that a command wrote is on the disk; 0 where there is none. */
export async function untilSettled(place: Place, folder: string): Promise<number> {
  const endedMs = performance.now()
  await place.settle(folder)
  return place.name === 'tmpfs' ? 0 : (performance.now() - endedMs) / 1000
}

export function mustHaveEnded(what: string, { exitCode, stderr, output }: Measured): void {
  if (exitCode === 0) return
  const text = stderr.trim() !== '' ? stderr : output.map((piece) => piece.text).join('')
  throw new Error(`${what} ended with code ${exitCode}: ${text.trim().slice(-500)}`)
}

function inodeOf(path: string): number | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.ino
}
