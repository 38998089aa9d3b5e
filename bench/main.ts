// npm run bench -- [ROW ...] [--runs N] [--on tmpfs|ext4] [--peer NAME] [--files N]
// Mirrors a large tree between two machines on this computer, by Nightferry and by the programs that people use today, in
// turns, and prints how we stand to the targets of the design. bench/README.md says how to read it. Whatever happens,
// ctrl-C included, what it started is ended and what it mounted or wrote (but for bench/results) is removed.

import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { checkCounting } from './measure.ts'
import { nightferry } from './nightferry.ts'
import { type Peer, rsyncDaemon, rsyncOverSsh } from './peers.ts'
import { openPlace, ownFolder, type PlaceName, placeNames } from './places.ts'
import { describeSession, openResults, progressLine, rowReport } from './report.ts'
import { type RowName, type Run, rowNames, runCycle } from './rows.ts'
import { expectedBytes, prepareWork } from './work.ts'

type Wanted = {
  readonly rows: readonly RowName[]
  readonly places: readonly PlaceName[]
  readonly peers: readonly Peer[]
  readonly runs: number
  readonly files: number | undefined
}

const usage = `npm run bench -- [ROW ...] [--runs N] [--on PLACE] [--peer NAME] [--files N]
  ROW        first, unchanged, rename (all)
  --runs N   cycles; the figures are medians over them (3)
  --on       tmpfs, ext4 (both)
  --peer     nightferry, "rsync daemon", "rsync over ssh" (all); may be repeated
  --files N  a generated tree of N files, for a quick look that writes no results (the kernel source)`

const peers: readonly Peer[] = [nightferry, rsyncDaemon, rsyncOverSsh]

/** Measures what is wanted; the exit code is 1 when a program that is there failed or left the trees different. */
async function bench(wanted: Wanted, signal: AbortSignal): Promise<number> {
  await using scope = new AsyncDisposableStack()
  console.error(`bench: counting CPU: ${await checkCounting(ownFolder(tmpdir(), scope), signal)}`)
  const skipped: Record<string, string> = {}
  const versions: Record<string, string> = {}
  for (const peer of wanted.peers) {
    const found = await peer.look(signal)
    if ('version' in found) versions[peer.name] = found.version
    else skipped[peer.name] = found.missing
  }
  const session = await describeSession(versions, skipped, signal)
  const { machine, commit, dirty } = session
  const state = dirty ? `${commit} with changes` : commit
  console.log(`${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, commit ${state}`)
  for (const [name, version] of Object.entries(versions)) console.log(`${name}: ${version}`)
  for (const [name, why] of Object.entries(skipped)) console.log(`skipped: ${name}: ${why}`)
  const results = openResults(session)
  const failures: string[] = []
  for (const place of wanted.places)
    failures.push(...(await benchPlace(place, { ...wanted, peers: wanted.peers.filter(isThere) }, results.add, signal)))
  for (const file of results.files) console.log(`written: ${file}`)
  for (const failure of failures) console.log(`FAILED ${failure}`)
  return failures.length === 0 ? 0 : 1

  function isThere({ name }: Peer): boolean {
    return name in versions
  }
}

/** All cycles at one place and their report; returns what failed. A program that failed is left out from then on. */
async function benchPlace(
  name: PlaceName,
  { rows, runs: cycles, peers: all, files }: Wanted,
  add: ReturnType<typeof openResults>['add'],
  signal: AbortSignal,
): Promise<string[]> {
  await using scope = new AsyncDisposableStack()
  const place = await openPlace(name, expectedBytes(files), scope, signal)
  if ('missing' in place) {
    console.log(`skipped: ${name}: ${place.missing}`)
    return []
  }
  console.error(`bench: ${place.kind}: making the source tree`)
  const work = await prepareWork(place.source.tree, files, signal)
  await place.settle(work.folder)
  const runs: Run[] = []
  const failed = new Map<Peer, string>()
  const done = (run: Run): void => {
    runs.push(run)
    if (files === undefined) add(run, work, place.kind)
    console.error(progressLine(run))
  }
  for (let number = 1; number <= cycles; number++)
    for (const peer of all.filter((one) => !failed.has(one)))
      try {
        await runCycle({ number, rows, peer, place, work, done }, signal)
      } catch (error) {
        signal.throwIfAborted()
        failed.set(peer, `${peer.name} on ${place.kind}: ${error instanceof Error ? error.message : String(error)}`)
        console.error(`bench: ${failed.get(peer)}`)
      }
  console.log('')
  for (const row of rows) console.log(rowReport(row, name, place.kind, work, runs))
  return [...failed.values()]
}

function readArguments(args: readonly string[]): Wanted | string {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      runs: { type: 'string', default: '3' },
      on: { type: 'string', multiple: true },
      peer: { type: 'string', multiple: true },
      files: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  const rows = chosen(rowNames, positionals)
  const places = chosen(placeNames, values.on)
  const names = chosen(
    peers.map(({ name }) => name),
    values.peer,
  )
  const [runs, files] = [Number(values.runs), values.files === undefined ? undefined : Number(values.files)]
  if (values.help === true || rows === undefined || places === undefined || names === undefined) return usage
  if (!Number.isInteger(runs) || runs < 1) return '--runs: a number from 1 on'
  if (files !== undefined && (!Number.isInteger(files) || files < 100)) return '--files: a number from 100 on'
  return { rows, places, peers: peers.filter(({ name }) => names.includes(name)), runs, files }
}

/** The names asked for, in our order; all when none is; undefined when one is unknown. */
function chosen<Name extends string>(all: readonly Name[], asked: readonly string[] = []): Name[] | undefined {
  if (asked.some((name) => !all.some((known) => known === name))) return undefined
  return all.filter((name) => asked.length === 0 || asked.includes(name))
}

async function main(): Promise<number> {
  let wanted: Wanted | string
  try {
    wanted = readArguments(process.argv.slice(2))
  } catch (error) {
    wanted = `${error instanceof Error ? error.message : String(error)}\n${usage}`
  }
  if (typeof wanted === 'string') {
    console.error(wanted)
    return 2
  }
  if (process.platform !== 'linux') {
    console.error('bench: only Linux is measured (it counts with /proc)')
    return 2
  }
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(name, () => {
      if (!stop.signal.aborted) console.error('bench: stopping and clearing up')
      stop.abort()
    })
  try {
    return await bench(wanted, stop.signal)
  } catch (error) {
    if (stop.signal.aborted) return 130
    throw error
  }
}

process.exitCode = await main()
