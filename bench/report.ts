// What the benchmark prints at the end: for every step of a row a table with medians and the verdicts, and on request the
// same as Markdown for the README. All figures of a table come from one session.

import type { Run } from './cycle.ts'
import { groupSyncs } from './durability.ts'
import type { Row } from './rows.ts'
import { median, megabytes, ofPeer, seconds, verdictsOf } from './verdicts.ts'
import type { Work } from './work.ts'

/** The runs of a row at one place, and what they were made with. */
export type Reported = {
  readonly row: Row
  /** What lies below and between, in words. */
  readonly kind: string
  readonly work: Work
  readonly runs: readonly Run[]
}

const headings = [
  '',
  'runs',
  'wall s',
  'min-max',
  'CPU s',
  'source',
  'target',
  'memory MB',
  'source',
  'target',
  'sync s',
  'wire MB',
  'link MB',
]

/** One line while the benchmark goes on. */
export function progressLine(run: Run): string {
  const name = run.row === run.step ? run.row : `${run.row}, ${run.step}`
  const cpu = seconds(run.cpuSeconds.source + run.cpuSeconds.target)
  return `  ${run.place} ${run.cycle} ${name.padEnd(12)} ${run.peer.padEnd(14)} ${seconds(run.wallSeconds)} s, CPU ${cpu} s`
}

/** The tables and verdicts of one row. */
export function rowReport(reported: Reported): string {
  const { row, kind, work, runs } = reported
  const steps = [...new Set(runs.map(({ step }) => step))]
  const { files, directories, sizeBytes } = work.census
  const tree = `${work.name}: ${files} files, ${directories} directories, ${megabytes(sizeBytes)} MB`
  const title = row.kind === 'start' ? `${row.name} · ${kind}` : `${row.name} · ${kind} · ${tree}`
  if (steps.length === 0) return `${title}\n  nothing was measured\n`
  return [title, ...steps.flatMap((step) => stepReport(reported, step)), ''].join('\n')
}

function stepReport({ row, runs: all }: Reported, step: string): string[] {
  const runs = all.filter((run) => run.step === step)
  const table = aligned([
    headings,
    ...peersOf(runs).map((peer) => tableLine(peer, ofPeer(runs, peer), row.network !== 'loopback')),
  ])
  if (row.kind === 'bwlimit') return [`  - ${step}`, ...runs.map(limitLine)]
  const goals = row.goals.filter((goal) => goal.step === step)
  const heading = step === row.name ? [] : [`  - ${step}`]
  return [...heading, ...table, ...verdictsOf(goals, runs, ownName(row)), ...phases(runs)]
}

/** How honest a limit was in one run. */
function limitLine({ peer, told, wallSeconds }: Run): string {
  const { mean = Number.NaN, fastest = Number.NaN } = told.limit ?? {}
  const shares = `${mean.toFixed(3)} of it in the mean, ${fastest.toFixed(3)} in the fastest second`
  return `  ${peer.padEnd(20)} ${shares}, ${seconds(wallSeconds)} s`
}

/** Whom a row is about. */
function ownName(row: Row): string {
  return row.kind === 'durability' ? groupSyncs : 'nightferry'
}

function tableLine(peer: string, runs: readonly Run[], isOnlyOurs: boolean): string[] {
  const walls = runs.map(({ wallSeconds }) => wallSeconds)
  const of = (pick: (run: Run) => number): number => median(runs.map(pick))
  const wire = of(({ told }) => told.wireBytes ?? Number.NaN)
  const isOneSided = runs.every(({ memoryBytes }) => memoryBytes.target === 0)
  return [
    peer,
    String(runs.length),
    seconds(median(walls)),
    `${seconds(Math.min(...walls))}-${seconds(Math.max(...walls))}`,
    seconds(cpuOf(runs)),
    seconds(of(({ cpuSeconds }) => cpuSeconds.source)),
    isOneSided ? '-' : seconds(of(({ cpuSeconds }) => cpuSeconds.target)),
    seenMegabytes(of(({ memoryBytes }) => memoryBytes.source + memoryBytes.target)),
    seenMegabytes(of(({ memoryBytes }) => memoryBytes.source)),
    seenMegabytes(of(({ memoryBytes }) => memoryBytes.target)),
    seconds(of(({ settleSeconds }) => settleSeconds)),
    Number.isNaN(wire) ? '-' : (wire / 1e6).toFixed(3),
    // Of loopback only an upper bound is known, which the results hold.
    isOnlyOurs ? (of(({ networkBytes }) => networkBytes) / 1e6).toFixed(3) : '-',
  ]
}

/** Nothing was seen where there is no such side, or where it was gone before it could be looked at. */
function seenMegabytes(sizeBytes: number): string {
  return sizeBytes === 0 ? '-' : megabytes(sizeBytes)
}

/** Where our time goes. */
function phases(runs: readonly Run[]): string[] {
  const told = ofPeer(runs, 'nightferry').flatMap((run) => (run.told.phases === undefined ? [] : [run.told.phases]))
  const names = [...new Set(told.flatMap((one) => Object.keys(one)))]
  if (names.length === 0) return []
  const times = names.map((name) => `${name} ${seconds(median(told.map((one) => one[name] ?? 0)))}`)
  return [`  our time: ${times.join(', ')}`]
}

/** A Markdown table for each kind of row and what it ran on; a cell says wall, CPU and memory of both sides, bytes sent, and when it was on the disk. */
export function markdownReport(all: readonly Reported[]): string {
  const tables = Map.groupBy(all, ({ row, kind }) => `${row.kind === 'mirror' ? 'work' : row.name}, ${kind}`)
  return [...tables].map(([title, rows]) => markdownTable(title, rows)).join('\n')
}

function markdownTable(title: string, reported: readonly Reported[]): string {
  const peers = peersOf(reported.flatMap(({ runs }) => runs))
  const lines = reported.flatMap(({ row, runs }) => {
    const steps = [...new Set(runs.map(({ step }) => step))]
    return steps.map((step) => {
      const ofStep = runs.filter((run) => run.step === step)
      const goals = row.goals.filter((goal) => goal.step === step)
      const verdicts = goals.length === 0 ? [] : verdictsOf(goals, ofStep, ownName(row)).slice(0, goals.length)
      const name = step === row.name ? step : `${row.name}: ${step}`
      const cells = peers.map((peer) => markdownCell(ofPeer(ofStep, peer)))
      return [name, ...cells, verdicts.map((verdict) => verdict.trim()).join('; ') || '-']
    })
  })
  const table = [[title, ...peers, 'target'], ['---', ...peers.map(() => '---'), '---'], ...lines]
  return table.map((cells) => `| ${cells.join(' | ')} |\n`).join('')
}

function markdownCell(runs: readonly Run[]): string {
  if (runs.length === 0) return '-'
  const wall = seconds(median(runs.map(({ wallSeconds }) => wallSeconds)))
  const memory = seenMegabytes(median(runs.map(({ memoryBytes }) => memoryBytes.source + memoryBytes.target)))
  const wire = median(runs.map(({ told }) => told.wireBytes ?? Number.NaN))
  const settle = median(runs.map(({ settleSeconds }) => settleSeconds))
  return [
    `${wall} s`,
    `CPU ${seconds(cpuOf(runs))} s`,
    ...(memory === '-' ? [] : [`${memory} MB`]),
    ...(Number.isNaN(wire) ? [] : [`${wire < 1e6 ? `${(wire / 1e3).toFixed(1)} kB` : `${megabytes(wire)} MB`} sent`]),
    ...(settle === 0 ? [] : [`on the disk ${seconds(settle)} s later`]),
  ].join(', ')
}

/**
 * Both sides together. The system counts in steps of 10 ms: of runs that short a mean says more than a median.
 */
function cpuOf(runs: readonly Run[]): number {
  const cpu = runs.map(({ cpuSeconds }) => cpuSeconds.source + cpuSeconds.target)
  const middle = median(cpu)
  return middle < 0.2 ? cpu.reduce((sum, one) => sum + one, 0) / cpu.length : middle
}

/** In the order of their first run in the first cycle. */
function peersOf(runs: readonly Run[]): string[] {
  return [...new Set(runs.map(({ peer }) => peer))]
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  return rows.map((row) => {
    const cells = row.map((cell, column) => {
      const width = widths[column] ?? 0
      return column === 0 ? cell.padEnd(width) : cell.padStart(width)
    })
    return `  ${cells.join('  ')}`
  })
}
