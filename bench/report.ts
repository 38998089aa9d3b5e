// What the benchmark leaves: a line of JSON for the session and for every run, written as they come, and at the end a
// table with medians and the ratios to the targets of the design. All figures of a table come from one session.

import { appendFileSync, mkdirSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { PeerName } from './peers.ts'
import type { PlaceName } from './places.ts'
import { run } from './processes.ts'
import type { RowName, Run } from './rows.ts'
import type { Census, Work } from './work.ts'

export type Session = {
  /** When it began; with the process id, the name that its lines share. */
  readonly id: string
  readonly machine: {
    readonly cpu: string
    readonly cores: number
    readonly kernel: string
    readonly memoryBytes: number
  }
  readonly commit: string
  /** Whether the clone held changes that are not in the commit, results apart. */
  readonly dirty: boolean
  readonly versions: Readonly<Record<string, string>>
  readonly skipped: Readonly<Record<string, string>>
}

type Ratio = { readonly row: RowName; readonly against: PeerName; readonly most: number }

/** Seconds of ours through seconds of theirs, at most. */
const ratios: readonly Ratio[] = [
  { row: 'first', against: 'rsync over ssh', most: 0.5 },
  { row: 'first', against: 'rsync daemon', most: 0.8 },
  { row: 'unchanged', against: 'rsync daemon', most: 0.5 },
]
const mostRenameBytes = 1_000_000

const bench = dirname(fileURLToPath(import.meta.url))

export async function describeSession(
  versions: Session['versions'],
  skipped: Session['skipped'],
  signal: AbortSignal,
): Promise<Session> {
  const git = (...args: string[]): Promise<string> =>
    run(['git', '-c', 'safe.directory=*', '-C', join(bench, '..'), ...args], signal).then(({ code, stdout }) =>
      code === 0 ? stdout.trim() : '',
    )
  const [cpu] = cpus()
  return {
    id: `${new Date().toISOString()}-${process.pid}`,
    machine: { cpu: cpu?.model ?? '?', cores: cpus().length, kernel: release(), memoryBytes: totalmem() },
    commit: (await git('rev-parse', '--verify', '-q', 'HEAD')) || 'none',
    dirty: (await git('status', '--porcelain', '--', '.', ':!bench/results')) !== '',
    versions,
    skipped,
  }
}

/** Opens the result files of a session; each row's file gets the session's line before its first run. */
export function openResults(session: Session): {
  add(run: Run, work: { readonly name: string; readonly census: Census }, kind: string): void
  readonly files: ReadonlySet<string>
} {
  const files = new Set<string>()
  return {
    files,
    add(run, { name, census }, kind) {
      const file = join(bench, 'results', `${session.id.slice(0, 10)}-${run.row}.jsonl`)
      const lines: object[] = [{ schema: 1, type: 'run', session: session.id, work: { name, ...census }, kind, ...run }]
      if (!files.has(file)) lines.unshift({ schema: 1, type: 'session', ...session })
      mkdirSync(dirname(file), { recursive: true })
      appendFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
      files.add(file)
    },
  }
}

/** One line while the benchmark goes on. */
export function progressLine(run: Run): string {
  const cpu = run.cpuSeconds.source + run.cpuSeconds.target
  return `  ${run.place} ${run.cycle} ${run.row.padEnd(9)} ${run.peer.padEnd(14)} ${seconds(run.wallSeconds)} s, CPU ${seconds(cpu)} s`
}

/** The table and the ratios of one row at one place. */
export function rowReport(row: RowName, place: PlaceName, kind: string, work: Work, all: readonly Run[]): string {
  const runs = all.filter((run) => run.row === row && run.place === place)
  const peers = [...new Set(runs.map(({ peer }) => peer))]
  const { files, directories, sizeBytes } = work.census
  const title = `${row} · ${kind} · ${work.name}: ${files} files, ${directories} directories, ${megabytes(sizeBytes)} MB`
  const table = [
    [
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
    ],
    ...peers.map((peer) => tableLine(peer, ofPeer(runs, peer))),
  ]
  return [title, ...aligned(table), ...verdicts(row, runs), ...phases(runs), ''].join('\n')
}

function tableLine(peer: PeerName, runs: readonly Run[]): string[] {
  const walls = runs.map(({ wallSeconds }) => wallSeconds)
  const of = (pick: (run: Run) => number): number => median(runs.map(pick))
  const wire = of(({ told }) => told.wireBytes ?? Number.NaN)
  return [
    peer,
    String(runs.length),
    seconds(median(walls)),
    `${seconds(Math.min(...walls))}-${seconds(Math.max(...walls))}`,
    seconds(of(({ cpuSeconds }) => cpuSeconds.source + cpuSeconds.target)),
    seconds(of(({ cpuSeconds }) => cpuSeconds.source)),
    seconds(of(({ cpuSeconds }) => cpuSeconds.target)),
    megabytes(of(({ memoryBytes }) => memoryBytes.source + memoryBytes.target)),
    megabytes(of(({ memoryBytes }) => memoryBytes.source)),
    megabytes(of(({ memoryBytes }) => memoryBytes.target)),
    seconds(of(({ settleSeconds }) => settleSeconds)),
    Number.isNaN(wire) ? '?' : (wire / 1e6).toFixed(3),
  ]
}

function verdicts(row: RowName, runs: readonly Run[]): string[] {
  const ours = ofPeer(runs, 'nightferry')
  if (ours.length === 0) return ['  nightferry did not run: nothing to compare']
  if (row === 'rename') return [renameVerdict(ours)]
  return ratios
    .filter((ratio) => ratio.row === row)
    .map((ratio) => ratioVerdict(ratio, ours, ofPeer(runs, ratio.against)))
}

function ratioVerdict({ against, most }: Ratio, ours: readonly Run[], theirs: readonly Run[]): string {
  if (theirs.length === 0) return `  ? x ${against} (target: at most ${most}): it did not run`
  const through = (pick: (run: Run) => number): number => median(ours.map(pick)) / median(theirs.map(pick))
  const ratio = through(({ wallSeconds }) => wallSeconds)
  const durable = through(({ wallSeconds, settleSeconds }) => wallSeconds + settleSeconds)
  const verdict = ratio <= most ? 'met' : `MISSED by ${Math.round((ratio / most - 1) * 100)} %`
  const until = theirs.some(({ settleSeconds }) => settleSeconds > 0) ? `; until on the disk ${durable.toFixed(2)}` : ''
  return `  ${ratio.toFixed(2)} x ${against} (target: at most ${most}): ${verdict}${until}`
}

function renameVerdict(ours: readonly Run[]): string {
  const wireBytes = Math.max(...ours.map(({ told }) => told.wireBytes ?? Number.NaN))
  const one = ours.every(({ sameDirectory, told }) => sameDirectory === true && told.renamed === 1)
  const verdict = wireBytes < mostRenameBytes && one ? 'met' : 'MISSED'
  const renames = one ? 'one rename on the target' : 'NOT one rename on the target'
  return `  ${wireBytes} bytes on the wire at most, ${renames} (target: below ${mostRenameBytes}, one): ${verdict}`
}

/** Where our time goes. */
function phases(runs: readonly Run[]): string[] {
  const told = ofPeer(runs, 'nightferry').flatMap((run) => (run.told.phases === undefined ? [] : [run.told.phases]))
  const names = [...new Set(told.flatMap((one) => Object.keys(one)))]
  if (names.length === 0) return []
  return [
    `  our time: ${names.map((name) => `${name} ${seconds(median(told.map((one) => one[name] ?? 0)))}`).join(', ')}`,
  ]
}

function ofPeer(runs: readonly Run[], peer: PeerName): Run[] {
  return runs.filter((run) => run.peer === peer)
}

/** The middle value; of an even number the mean of the middle two; NaN of none. */
function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]]
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2
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

function seconds(value: number): string {
  return value.toFixed(2)
}

function megabytes(sizeBytes: number): string {
  return (sizeBytes / 1e6).toFixed(0)
}
