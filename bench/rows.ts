// The rows of the benchmark, and one cycle of them for one program at one place: a fresh target, the first mirror, the
// same again, the largest directory renamed. The clock runs only while a command runs; making targets, starting daemons
// and looking whether both trees are equal happen outside of it. A cycle leaves the source as it found it.

import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { type Measured, measure, type Sides } from './measure.ts'
import type { Peer, PeerName, Ready, Told } from './peers.ts'
import { type Ground, ownFolder, type Place, type PlaceName } from './places.ts'
import { compareContent, compareMetadata, renameHeavy, type Work } from './work.ts'

export type RowName = 'first' | 'unchanged' | 'rename'
export const rowNames: readonly RowName[] = ['first', 'unchanged', 'rename']

/** One timed command that went well and left both trees equal. */
export type Run = {
  readonly row: RowName
  readonly place: PlaceName
  readonly peer: PeerName
  /** 1, 2, ...: all programs run once in a cycle, one after the other. */
  readonly cycle: number
  readonly wallSeconds: number
  readonly cpuSeconds: Sides
  readonly memoryBytes: Sides
  /** What `sync` then took until all of it was on the disk; 0 where the program had seen to that, or on tmpfs. */
  readonly settleSeconds: number
  readonly loopbackBytes: number
  readonly harnessCpuSeconds: number
  readonly verified: 'content' | 'metadata'
  readonly told: Told
  /** Row rename: whether the directory on the target is still the same one (its inode). */
  readonly sameDirectory?: boolean
}

export type Cycle = {
  readonly number: number
  readonly rows: readonly RowName[]
  readonly peer: Peer
  readonly place: Place
  readonly work: Work
  /** Called after each timed command, whatever comes later. */
  readonly done: (run: Run) => void
}

/** Short commands are timed more than once in a cycle. */
const timesUnchanged = 3

/** Runs the rows for one program; throws when a command fails or leaves the trees different. */
export async function runCycle(cycle: Cycle, signal: AbortSignal): Promise<void> {
  const { place, work, rows, peer } = cycle
  await using scope = new AsyncDisposableStack()
  const target = await place.freshTarget(scope)
  const source: Ground = { tree: work.folder, beside: ownFolder(place.source.beside, scope) }
  const ready = await peer.open(source, target, scope, signal)
  // Every byte is compared once for each program, place and row; names, sizes and times after every other run.
  const read = new Set<RowName>(cycle.number === 1 ? rows : [])
  const timed = async (row: RowName): Promise<void> => {
    const verify = read.delete(row) ? 'content' : 'metadata'
    const run = await runRow(cycle, row, verify, target, ready, signal)
    // The other rows begin where a first mirror ends, asked for or not.
    if (rows.includes(row)) cycle.done(run)
  }
  await timed('first')
  if (rows.includes('unchanged')) for (let i = 0; i < timesUnchanged; i++) await timed('unchanged')
  if (!rows.includes('rename')) return
  const renamed = renameHeavy(work)
  try {
    await timed('rename')
  } finally {
    renamed.undo()
  }
}

async function runRow(
  cycle: Cycle,
  row: RowName,
  verified: Run['verified'],
  target: Ground,
  ready: Ready,
  signal: AbortSignal,
): Promise<Run> {
  const { place, work, peer } = cycle
  await place.settle(target.tree)
  const heavyBefore = inodeOf(join(target.tree, work.heavy))
  const measured = await measure(ready.command, ready.daemonPid, signal)
  const endedMs = performance.now()
  await place.settle(target.tree)
  const settleSeconds = place.name === 'tmpfs' ? 0 : (performance.now() - endedMs) / 1000
  if (measured.exitCode !== 0) throw new Error(`${row} ended with code ${measured.exitCode}: ${lastWords(measured)}`)
  const links = ready.rewritesLinks ? 'normalized' : 'exact'
  const difference =
    verified === 'content'
      ? await compareContent(work.folder, target.tree, links, signal)
      : compareMetadata(work.folder, target.tree, links)
  if (difference !== '') throw new Error(`${row}: the trees differ afterwards (${verified}): ${difference}`)
  const { wallSeconds, cpuSeconds, memoryBytes, loopbackBytes, harnessCpuSeconds } = measured
  return {
    row,
    place: place.name,
    peer: peer.name,
    cycle: cycle.number,
    wallSeconds,
    cpuSeconds,
    memoryBytes,
    settleSeconds,
    loopbackBytes,
    harnessCpuSeconds,
    verified,
    told: ready.read(measured),
    ...(row === 'rename' ? { sameDirectory: inodeOf(join(target.tree, `${work.heavy}-renamed`)) === heavyBefore } : {}),
  }
}

function inodeOf(path: string): number | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.ino
}

function lastWords({ stderr, output }: Measured): string {
  const text = stderr.trim() !== '' ? stderr : output.map((piece) => piece.text).join('')
  return text.trim().slice(-500)
}
