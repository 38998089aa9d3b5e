// What lies between the two "machines": the loopback interface, or a link between two network namespaces of our own.
// A namespace sees nothing of the machine's networks, and its name carries our process id; namespaces and link go with the
// scope they were opened in. A link is looked at before it is used: what it is like is measured, not claimed.

import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { farLine, type Line, slowLine } from './lane.ts'
import { findProgram, must, run, startDaemon } from './processes.ts'

export type Network = {
  /** What lies between, for the record. */
  readonly kind: string
  /** Where daemons listen and commands dial. */
  readonly host: string
  /** So slow that a person would compress. */
  readonly isSlow: boolean
  /** The command that runs this command on the source's machine, or the target's. */
  onSource(argv: readonly string[]): readonly string[]
  onTarget(argv: readonly string[]): readonly string[]
  /** Bytes that have passed so far, headers included, either way; counted where this daemon runs. */
  passedBytes(daemonPid: number | undefined): number
}

export const loopback: Network = {
  kind: 'loopback',
  host: '127.0.0.1',
  isSlow: false,
  onSource: (argv) => argv,
  onTarget: (argv) => argv,
  passedBytes: () => counted('/proc/net/dev', 'lo').received,
}

/** Addresses that are nobody's (RFC 5737). */
const addresses = { source: '192.0.2.1', target: '192.0.2.2' } as const
const bench = dirname(fileURLToPath(import.meta.url))

/** One that a program could not carry: the kernel's own, held to its rate by tbf. */
const lanLine: Line = { bytesPerSecond: 125_000_000, oneWayMs: 0, queueBytes: 2_500_000 }
const lines = { slow: slowLine, far: farLine, lan: lanLine } as const
export type LineName = keyof typeof lines

/** Opens a link, or says why there is none on this machine. */
export async function openLink(
  line: LineName,
  scope: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Network | { readonly missing: string }> {
  const ip = findProgram('ip')
  if (process.getuid?.() !== 0) return { missing: 'network namespaces need root' }
  if (ip === undefined) return { missing: 'ip is not installed (Debian: apt install iproute2)' }
  if (!existsSync('/dev/net/tun')) return { missing: 'this kernel makes no network devices (/dev/net/tun)' }
  try {
    return await makeLink(line, ip, scope, signal)
  } catch (error) {
    signal.throwIfAborted()
    return { missing: error instanceof Error ? error.message : String(error) }
  }
}

async function makeLink(
  line: LineName,
  ip: string,
  scope: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Network> {
  // Whatever fails in the middle, what was made before it goes with the scope.
  const spaces = { source: `nightferry-bench-${process.pid}-source`, target: `nightferry-bench-${process.pid}-target` }
  const devices = { source: `nfb${process.pid}s`, target: `nfb${process.pid}t` }
  for (const space of Object.values(spaces)) {
    // Before it is made, since ctrl-C may come in between; what is not there is not deleted, which does no harm.
    scope.defer(async () => {
      await run([ip, 'netns', 'del', space])
    })
    await must([ip, 'netns', 'add', space], signal)
  }
  if (line === 'lan')
    await must([ip, 'link', 'add', devices.source, 'type', 'veth', 'peer', 'name', devices.target], signal)
  else {
    const shaper = [...nodeScript('shaper.ts'), devices.source, devices.target, line]
    const carrier = await startDaemon(shaper, (output) => output.includes('ready'), signal)
    scope.defer(() => carrier.end())
  }
  for (const side of ['source', 'target'] as const) {
    const [device, space, other] = [devices[side], spaces[side], side === 'source' ? 'target' : 'source'] as const
    await must([ip, 'link', 'set', device, 'netns', space], signal)
    if (line === 'lan') await must([ip, 'netns', 'exec', space, ...rateOf(device, lines[line])], signal)
    await must([ip, '-n', space, 'addr', 'add', addresses[side], 'peer', addresses[other], 'dev', device], signal)
    for (const one of ['lo', device]) await must([ip, '-n', space, 'link', 'set', one, 'up'], signal)
  }
  const within = (space: string, argv: readonly string[]): string[] => [
    'nsenter',
    `--net=/run/netns/${space}`,
    '--',
    ...argv,
  ]
  const link = {
    host: addresses.target,
    isSlow: line !== 'lan',
    onSource: (argv: readonly string[]) => within(spaces.source, argv),
    onTarget: (argv: readonly string[]) => within(spaces.target, argv),
    passedBytes(daemonPid: number | undefined) {
      const { received, sent } = counted(`/proc/${daemonPid}/net/dev`, devices.target)
      return received + sent
    },
  }
  return { ...link, kind: await look(line, link, signal) }
}

/** Holds what a device sends to the rate of a line. */
function rateOf(device: string, { bytesPerSecond, queueBytes }: Line): string[] {
  const rate = ['rate', `${(bytesPerSecond * 8) / 1000}kbit`, 'burst', '128kb', 'limit', `${queueBytes}b`]
  return ['tc', 'qdisc', 'add', 'dev', device, 'root', 'tbf', ...rate]
}

/** What the link is like: fails where it is not what lane.ts promises, since its figures would mean nothing. */
async function look(
  name: LineName,
  { host, onSource, onTarget }: Omit<Network, 'kind'>,
  signal: AbortSignal,
): Promise<string> {
  const { bytesPerSecond, oneWayMs } = lines[name]
  const [megabits, tripMs] = [bytesPerSecond / 125_000, oneWayMs * 2]
  // What a fast link carries in a tenth of a second says nothing of its rate.
  const where = [host, '5001', name === 'lan' ? '100000000' : '2000000']
  const serve = onTarget([...nodeScript('probe.ts'), 'serve', ...where])
  const server = await startDaemon(serve, (output) => output.includes('listening'), signal)
  try {
    const congestion = readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim()
    for (let round = 1; ; round++) {
      const told = await must(onSource([...nodeScript('probe.ts'), 'dial', ...where]), signal)
      const { roundTripMs = Number.NaN, megabitsPerSecond = Number.NaN } = JSON.parse(told) as Record<string, number>
      const seen = `${megabitsPerSecond.toFixed(1)} Mbit/s, ${roundTripMs.toFixed(1)} ms round trip`
      // What two megabytes reach on a far line is bounded by TCP's start more than by the line.
      const least = name === 'far' ? megabits / 10 : megabits * 0.6
      const isRate = megabitsPerSecond > least && megabitsPerSecond < megabits * 1.01
      const isRight = isRate && roundTripMs >= tripMs && roundTripMs < tripMs + 10
      if (isRight) return `link of ${megabits} Mbit/s and ${tripMs} ms (measured through TCP ${congestion}: ${seen})`
      // A busy machine carries packets late; three times is too busy to measure anything.
      if (round === 3) throw new Error(`the ${name} link is not what it should be: ${seen}`)
    }
  } finally {
    await server.end()
  }
}

/** A script of this folder, as a command of the Node that runs us. */
export function nodeScript(name: string): string[] {
  return [process.execPath, '--disable-warning=ExperimentalWarning', join(bench, name)]
}

function counted(path: string, device: string): { readonly received: number; readonly sent: number } {
  try {
    const fields = new RegExp(`^ *${device}: *(.*)$`, 'm').exec(readFileSync(path, 'latin1'))?.[1]?.split(/ +/)
    return { received: Number(fields?.[0] ?? 0), sent: Number(fields?.[8] ?? 0) }
  } catch {
    return { received: 0, sent: 0 }
  }
}
