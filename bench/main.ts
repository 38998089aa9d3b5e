// npm run bench -- [ROW ...] [--runs N] [--on tmpfs|ext4] [--peer NAME] [--files N] [--markdown]
// Mirrors a large tree between two machines on this computer, by Nightferry and by the programs that people use today, in
// turns, and prints how we stand to the targets of the design. bench/README.md says how to read it. Whatever happens,
// ctrl-C included, what it started is ended and what it mounted or wrote (but for bench/results) is removed.

import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { runLimits } from './bwlimit.ts'
import { type Run, runCycle } from './cycle.ts'
import { runDurability } from './durability.ts'
import { checkCounting } from './measure.ts'
import { loopback, openLink } from './network.ts'
import { nightferry, nightferryOverSsh } from './nightferry.ts'
import { barePipes, type Peer, rclone, rsyncDaemon, rsyncOverSsh } from './peers.ts'
import { openPlace, ownFolder, type PlaceName, placeNames } from './places.ts'
import { markdownReport, progressLine, type Reported, rowReport } from './report.ts'
import { describeSession, openResults } from './results.ts'
import { chooseRows, groupRows, type Row, rotated, rows, tasksOf } from './rows.ts'
import { runStart } from './start.ts'
import { expectedRoom, prepareWork } from './work.ts'

type Wanted = {
  readonly rows: readonly Row[]
  readonly places: readonly PlaceName[]
  readonly peers: readonly Peer[]
  readonly runs: number
  readonly files: number | undefined
  readonly markdown: boolean
}

const usage = `npm run bench -- [ROW ...] [--runs N] [--on PLACE] [--peer NAME] [--files N] [--markdown]
  ROW        first, unchanged, edits, rename, moved, front-insert, append, vm-image, slow, start,
             durability (all of these);
             slow-large, lan, lan-large, far, bwlimit, ssh, floor (only when named); million, million-flat, million-equal
             (too: they take long and up to 20 GB of memory)
  --runs N   cycles; the figures are medians over them (3)
  --on       tmpfs, ext4 (both, where the row runs on both)
  --peer     nightferry, "nightferry over ssh", "rsync daemon", "rsync over ssh", rclone, "bare pipe",
             "bare pipe, unhashed" (all); may be repeated
  --files N  generated trees, N files in place of 78,579, for a quick look that writes no results
  --markdown prints the tables once more, for a README`

const peers: readonly Peer[] = [nightferry, nightferryOverSsh, rsyncDaemon, rsyncOverSsh, rclone, ...barePipes]

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
  const reported: Reported[] = []
  const there = { ...wanted, peers: wanted.peers.filter(({ name }) => name in versions) }
  for (const place of wanted.places)
    for (const group of groupRows(wanted.rows.filter((row) => row.places.includes(place)))) {
      const measured = await benchGroup(place, group, there, results.add, signal)
      failures.push(...measured.failures)
      reported.push(...measured.reported)
      console.log('')
      for (const one of measured.reported) console.log(rowReport(one))
    }
  if (wanted.markdown) console.log(markdownReport(reported))
  for (const file of results.files) console.log(`written: ${file}`)
  for (const failure of failures) console.log(`FAILED ${failure}`)
  return failures.length === 0 ? 0 : 1
}

type Outcome = { readonly failures: readonly string[]; readonly reported: readonly Reported[] }

/** All cycles of rows that share a tree, at one place. A program that failed is left out from then on. */
async function benchGroup(
  name: PlaceName,
  group: readonly Row[],
  { runs: cycles, peers: all, files }: Wanted,
  add: ReturnType<typeof openResults>['add'],
  signal: AbortSignal,
): Promise<Outcome> {
  const titles = group.map((row) => row.name).join(', ')
  const skip = (why: string): Outcome => {
    console.log(`skipped: ${titles} on ${name}: ${why}`)
    return { failures: [], reported: [] }
  }
  const [first] = group
  if (first === undefined) return skip('no rows')
  await using scope = new AsyncDisposableStack()
  const network = first.network === 'loopback' ? loopback : await openLink(first.network, scope, signal)
  if ('missing' in network) return skip(network.missing)
  const place = await openPlace(name, expectedRoom(first.work, files), scope, signal)
  if ('missing' in place) return skip(place.missing)
  console.error(`bench: ${titles} on ${place.kind}: making the source tree`)
  const work = await prepareWork(first.work, place.source.tree, files, signal)
  await place.settle(work.folder)
  const runs: Run[] = []
  const failures: string[] = []
  const done = (run: Run): void => {
    runs.push(run)
    if (files === undefined) add(run, work, place.kind, network.kind)
    // A start is timed so often that its lines would hide the others.
    if (run.row !== 'start') console.error(progressLine(run))
  }
  const failed = new Set<string>()
  /** A failure of one program does not end the others' cycles. */
  const attempt = async (what: string, go: () => Promise<void>): Promise<void> => {
    if (failed.has(what)) return
    try {
      await go()
    } catch (error) {
      signal.throwIfAborted()
      failed.add(what)
      failures.push(`${what} on ${place.kind} (${titles}): ${error instanceof Error ? error.message : String(error)}`)
      console.error(`bench: ${failures.at(-1)}`)
    }
  }
  for (let number = 1; number <= cycles; number++) {
    for (const peer of rotated(all, number)) {
      const tasks = tasksOf(group, peer.name)
      await attempt(peer.name, () => runCycle({ number, tasks, peer, place, network, work, done }, signal))
    }
    for (const { kind } of group) {
      if (kind === 'start') await attempt(kind, () => runStart(number, place, all, done, signal))
      if (kind === 'bwlimit') await attempt(kind, () => runLimits(number, place, done, signal))
      if (kind === 'durability') await attempt(kind, () => runDurability(number, place, work, done, signal))
    }
  }
  const kind = network === loopback ? place.kind : `${place.kind}, ${network.kind}`
  const reported = group.map((row) => ({ row, kind, work, runs: runs.filter((run) => run.row === row.name) }))
  return { failures, reported }
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
      markdown: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  })
  const known = chosen(
    rows.map(({ name }) => name),
    positionals,
  )
  const places = chosen(placeNames, values.on)
  const names = chosen(
    peers.map(({ name }) => name),
    values.peer,
  )
  const [runs, files] = [Number(values.runs), values.files === undefined ? undefined : Number(values.files)]
  if (values.help === true || known === undefined || places === undefined || names === undefined) return usage
  if (!Number.isInteger(runs) || runs < 1) return '--runs: a number from 1 on'
  if (files !== undefined && (!Number.isInteger(files) || files < 100)) return '--files: a number from 100 on'
  const named = chooseRows(positionals)
  const nowhere = named.filter((row) => !row.places.some((place) => places.includes(place))).map(({ name }) => name)
  if (positionals.length > 0 && nowhere.length > 0) return `${nowhere.join(', ')}: not on ${places.join(' or ')}`
  return {
    rows: named,
    places,
    peers: peers.filter(({ name }) => names.includes(name)),
    runs,
    files,
    markdown: values.markdown,
  }
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
