// The row `bwlimit`: what really goes over under `--bwlimit`, seen from outside. Both machines are ours, in a network
// namespace whose loopback nobody else uses; its counters are read twenty times a second while a run is under way. Told are
// the mean, from a tenth of what passed to nine tenths, and the fastest second of the whole run, its first included, both
// as parts of the limit; headers of TCP and IP are taken off, TLS and all that Nightferry says are not.

import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { figures, mustHaveEnded, type Run } from './cycle.ts'
import { measure } from './measure.ts'
import { loopback, type Network } from './network.ts'
import { nightferry } from './nightferry.ts'
import type { Place } from './places.ts'
import { must, run } from './processes.ts'

const rates = [100_000, 1_000_000, 10_000_000] as const
/** As much as goes over in so many seconds. */
const forSeconds = 6
const everyMs = 50
/** Ethernet, IP and TCP with time stamps. */
const headerBytes = 66

type Load = { readonly name: string; readonly options: readonly string[]; grow(folder: string, bytes: number): void }

const loads: readonly Load[] = [
  { name: 'large file', options: ['--compress', 'off'], grow: (folder, bytes) => write(folder, 'large', noise(bytes)) },
  {
    name: 'small files',
    options: ['--compress', 'off'],
    grow(folder, bytes) {
      const count = Math.ceil(bytes / 2000)
      for (let i = 0; i < count; i++) write(join(folder, `d${i % 50}`), `${i}`, noise(1800))
    },
  },
  {
    name: 'squeezed',
    options: ['--compress', '3'],
    // Half of each line is noise: about half of it is left.
    grow: (folder, bytes) => write(folder, 'text', Buffer.from(noise(bytes).toString('hex'))),
  },
]

function noise(bytes: number): Buffer {
  return randomBytes(bytes)
}

function write(folder: string, name: string, content: Uint8Array): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, name), content)
}

export async function runLimits(
  number: number,
  place: Place,
  done: (run: Run) => void,
  signal: AbortSignal,
): Promise<void> {
  await using scope = new AsyncDisposableStack()
  const network = await openQuietLoopback(scope, signal)
  const target = await place.freshTarget(scope)
  const source = { tree: join(target.beside, 'here'), beside: join(target.beside, 'source') }
  for (const folder of Object.values(source)) mkdirSync(folder, { recursive: true })
  const { command, daemonPid = 0 } = await nightferry.open({ source, target, network }, scope, signal)
  for (const rate of rates)
    for (const { name, options, grow } of loads)
      for (const way of ['push', 'pull'] as const) {
        const sub = `${way} ${name} ${rate}`.replaceAll(' ', '-')
        const [here, there] = [join(source.tree, sub), join(target.tree, sub)]
        grow(way === 'push' ? here : there, rate * forSeconds)
        mkdirSync(way === 'push' ? there : here, { recursive: true })
        const far = command.indexOf(source.tree)
        const names = [here, `${command[far + 1]}/${sub}`]
        const ends = way === 'push' ? names : names.toReversed()
        const limited = command.with(far, ends[0] ?? '').with(far + 1, ends[1] ?? '')
        const seen = watch(daemonPid)
        const measured = await measure([...limited, '--bwlimit', `${rate}`, ...options], daemonPid, network, signal)
        const limit = seen.end(rate)
        mustHaveEnded(sub, measured)
        done({
          ...figures(measured),
          row: 'bwlimit',
          step: `${rate / 1000} kB/s`,
          place: place.name,
          peer: `${way}, ${name}`,
          cycle: number,
          settleSeconds: 0,
          verified: 'not',
          told: { limit },
        })
      }
}

/** A namespace of its own, in which both machines are. */
async function openQuietLoopback(scope: AsyncDisposableStack, signal: AbortSignal): Promise<Network> {
  const space = `nightferry-bench-${process.pid}-limits`
  scope.defer(async () => {
    await run(['ip', 'netns', 'del', space])
  })
  await must(['ip', 'netns', 'add', space], signal)
  await must(['ip', '-n', space, 'link', 'set', 'lo', 'up'], signal)
  const within = (argv: readonly string[]): string[] => ['nsenter', `--net=/run/netns/${space}`, '--', ...argv]
  return {
    ...loopback,
    onSource: within,
    onTarget: within,
    passedBytes: (pid) => (pid === undefined ? 0 : passed(pid)),
  }
}

/** What passed so far, without headers. */
function passed(pid: number): number {
  const fields = /^ *lo: *(.*)$/m.exec(readFileSync(`/proc/${pid}/net/dev`, 'latin1'))?.[1]?.split(/ +/) ?? []
  return Number(fields[0] ?? 0) - Number(fields[1] ?? 0) * headerBytes
}

/** What share of a limit was used, in the mean and in the fastest second. */
export type LimitSeen = { readonly mean: number; readonly fastest: number }

function watch(pid: number): { end(rate: number): LimitSeen } {
  const seen: { readonly atMs: number; readonly bytes: number }[] = []
  const look = (): void => void seen.push({ atMs: performance.now(), bytes: passed(pid) })
  look()
  const timer = setInterval(look, everyMs)
  return {
    end(rate) {
      clearInterval(timer)
      look()
      return shareOf(seen, rate)
    },
  }
}

/** Pure: what samples of a counter say of a limit. */
export function shareOf(seen: readonly { readonly atMs: number; readonly bytes: number }[], rate: number): LimitSeen {
  const [first, last] = [seen[0]?.bytes ?? 0, seen.at(-1)?.bytes ?? 0]
  const at = (part: number) => seen.find(({ bytes }) => bytes >= first + (last - first) * part)
  const [from, to] = [at(0.1), at(0.9)]
  const mean = from === undefined || to === undefined ? 0 : (to.bytes - from.bytes) / (to.atMs - from.atMs)
  let fastest = 0
  for (const start of seen) {
    const end = seen.find(({ atMs }) => atMs >= start.atMs + 1000)
    if (end !== undefined) fastest = Math.max(fastest, (end.bytes - start.bytes) / (end.atMs - start.atMs))
  }
  return { mean: (mean * 1000) / rate, fastest: (fastest * 1000) / rate }
}
