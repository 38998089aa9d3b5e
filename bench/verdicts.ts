// How a row stands: medians, our ratios to the others, and whether the targets of the design are met. Pure: runs in, lines
// out. A figure that was not measured is said to be missing, never guessed.

import type { Run } from './cycle.ts'
import type { Goal } from './rows.ts'

/** The middle value; of an even number the mean of the middle two; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]]
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2
}

/** Seconds with as many digits as a person compares: a short time gets three. */
export function seconds(value: number): string {
  return value.toFixed(value < 1 ? 3 : 2)
}

export function megabytes(sizeBytes: number): string {
  return (sizeBytes / 1e6).toFixed(sizeBytes < 10e6 ? 1 : 0)
}

export function ofPeer(runs: readonly Run[], peer: string): Run[] {
  return runs.filter((run) => run.peer === peer)
}

/** What the runs of one step say: a line for each goal, then our ratio to each of the others that has no goal. */
export function verdictsOf(goals: readonly Goal[], runs: readonly Run[], ours: string): string[] {
  const own = ofPeer(runs, ours)
  if (own.length === 0) return [`  ${ours} did not run: nothing to compare`]
  const judged = goals.map((goal) => judge(goal, own, runs))
  const others = [...new Set(runs.map(({ peer }) => peer))].filter(
    (peer) => peer !== ours && !goals.some((goal) => goal.what === 'ratio' && goal.against === peer),
  )
  const rest = others.map((peer) => `  ${ratioTo(own, ofPeer(runs, peer), peer)} (no target)`)
  return [...judged, ...rest]
}

function judge(goal: Goal, own: readonly Run[], runs: readonly Run[]): string {
  switch (goal.what) {
    case 'ratio': {
      const theirs = ofPeer(runs, goal.against)
      if (theirs.length === 0) return `  ? x ${goal.against} (target: at most ${goal.most}): it did not run`
      const verdict = verdictOf(wallOf(own) / wallOf(theirs), goal.most)
      return `  ${ratioTo(own, theirs, goal.against)} (target: at most ${goal.most}): ${verdict}`
    }
    case 'one rename': {
      const wireBytes = Math.max(...own.map(({ told }) => told.wireBytes ?? Number.NaN))
      const one = own.every(({ sameInode, told }) => sameInode === true && told.renamed === 1)
      const verdict = wireBytes < goal.mostWireBytes && one ? 'met' : 'MISSED'
      const renames = one ? 'one rename on the target' : 'NOT one rename on the target'
      return `  ${wireBytes} bytes on the wire at most, ${renames} (target: below ${goal.mostWireBytes}, one): ${verdict}`
    }
    case 'wire': {
      const wireBytes = Math.max(...own.map(({ told }) => told.wireBytes ?? Number.NaN))
      const verdict = verdictOf(wireBytes, goal.mostWireBytes)
      return `  ${wireBytes} bytes on the wire at most (target: at most ${goal.mostWireBytes}): ${verdict}`
    }
    case 'seconds': {
      const wall = wallOf(own)
      return `  ${seconds(wall)} s (target: at most ${goal.most}): ${verdictOf(wall, goal.most)}`
    }
    case 'memory': {
      const source = Math.max(...own.map(({ memoryBytes }) => memoryBytes.source))
      const target = Math.max(...own.map(({ memoryBytes }) => memoryBytes.target))
      const verdict = verdictOf(Math.max(source, target), goal.mostBytes)
      const most = megabytes(goal.mostBytes)
      return `  memory ${megabytes(source)} MB (source) and ${megabytes(target)} MB (target) at most (target: ${most}): ${verdict}`
    }
  }
}

function verdictOf(value: number, most: number): string {
  if (Number.isNaN(value)) return 'MISSED: it was not told'
  return value <= most ? 'met' : `MISSED by ${Math.round((value / most - 1) * 100)} %`
}

/** Seconds of ours through seconds of theirs; where syncing took them time, also until all was on the disk. */
function ratioTo(own: readonly Run[], theirs: readonly Run[], peer: string): string {
  const durable = (runs: readonly Run[]): number =>
    median(runs.map(({ wallSeconds, settleSeconds }) => wallSeconds + settleSeconds))
  const until = theirs.some(({ settleSeconds }) => settleSeconds > 0)
    ? `, until on the disk ${(durable(own) / durable(theirs)).toFixed(2)}`
    : ''
  return `${(wallOf(own) / wallOf(theirs)).toFixed(2)} x ${peer}${until}`
}

function wallOf(runs: readonly Run[]): number {
  return median(runs.map(({ wallSeconds }) => wallSeconds))
}
