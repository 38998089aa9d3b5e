// One command measured together with the daemon that answers it: wall seconds, CPU seconds and peak memory of every
// process on both sides. What runs on the commanding machine is the source side, the daemon and what it starts the target.
//
// CPU: the kernel adds the time of a process to its parent when the parent reaps it, all the way up. So the source side is
// what was added to our own reaped children, and the target side is what the daemon used and reaped; it is read when the
// daemon's children are gone and its clock stands. Steps of 10 ms. `checkCounting` proves it with a known burner.
// Memory: a sample of all processes every 20 ms or more: anonymous pages (those shared after a fork divided among those
// that share them) plus the largest file mapping of a side; the peak is the largest sum. Our own cost is reported too.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { loopback, type Network } from './network.ts'
import { childEnvironment, descendants, endTree, must, startDaemon } from './processes.ts'

export type Sides = { readonly source: number; readonly target: number }

export type Measured = {
  readonly exitCode: number
  /** From before the command is started until it has ended. */
  readonly wallSeconds: number
  /** User and system, every process. */
  readonly cpuSeconds: Sides
  readonly memoryBytes: Sides
  /** Bytes that passed the network in that time, headers included; on loopback strangers' too: an upper bound. */
  readonly networkBytes: number
  /** What the measuring itself used of the machine's processors. */
  readonly harnessCpuSeconds: number
  /** The command's standard output, with the time at which each piece arrived. */
  readonly output: readonly { readonly atSeconds: number; readonly text: string }[]
  readonly stderr: string
}

const ticksPerSecond = 100
const leastPauseMs = 20

/** Runs `argv` to its end and measures it with its daemon; rejects when `signal` aborts, after having ended the command. */
export async function measure(
  argv: readonly string[],
  daemonPid: number | undefined,
  network: Network,
  signal: AbortSignal,
): Promise<Measured> {
  signal.throwIfAborted()
  const [program = '', ...args] = argv
  const daemonBefore = daemonPid === undefined ? 0 : cpuSeconds(daemonPid)
  const before = { own: reapedSeconds(), daemon: daemonBefore, passed: network.passedBytes(daemonPid) }
  const harness = process.cpuUsage()
  const output: { atSeconds: number; text: string }[] = []
  let stderr = ''
  const startedMs = performance.now()
  const child = spawn(program, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: childEnvironment() })
  const pid = child.pid
  const closed = once(child, 'close')
  closed.catch(() => {})
  if (pid === undefined) throw new Error(`${program} does not start: ${await closed.catch(String)}`)
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.push({ atSeconds: (performance.now() - startedMs) / 1000, text })
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  let wallSeconds = 0
  child.once('exit', () => {
    wallSeconds = (performance.now() - startedMs) / 1000
  })
  const stop = (): void => endTree(pid, 'SIGTERM')
  signal.addEventListener('abort', stop, { once: true })
  const sampler = sampleMemory(pid, daemonPid)
  const [code] = (await closed) as [number | null]
  const memoryBytes = sampler.stop()
  signal.removeEventListener('abort', stop)
  signal.throwIfAborted()
  const { user, system } = process.cpuUsage(harness)
  const used = { own: reapedSeconds(), passed: network.passedBytes(daemonPid) }
  const daemon = daemonPid === undefined ? 0 : await untilQuiet(daemonPid)
  return {
    exitCode: code ?? 128,
    wallSeconds,
    cpuSeconds: { source: rounded(used.own - before.own), target: rounded(daemon - before.daemon) },
    memoryBytes,
    networkBytes: used.passed - before.passed,
    harnessCpuSeconds: (user + system) / 1e6,
    output,
    stderr,
  }
}

/** Proves the counting of CPU: a grandchild of a command, and a child of a daemon, that say what they burned. */
export async function checkCounting(folder: string, signal: AbortSignal): Promise<string> {
  const burn = `sh -c 'i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done; times'; true`
  const bell = join(folder, 'bell')
  await must(['mkfifo', bell], signal)
  const served = `echo ready; while read -r line <"$0"; do ${burn}; done`
  const daemon = await startDaemon(['sh', '-c', served, bell], (text) => text.includes('ready'), signal)
  try {
    const counted = await measure(['sh', '-c', `echo go >"$0"; ${burn}`, bell], daemon.pid, loopback, signal)
    const said = { source: burned(counted.output.map(({ text }) => text).join('')), target: burned(daemon.output()) }
    for (const side of ['source', 'target'] as const)
      if (said[side] < 0.03 || Math.abs(counted.cpuSeconds[side] - said[side]) > 0.06)
        throw new Error(`CPU of the ${side} side: ${said[side]} s burned, ${counted.cpuSeconds[side]} s counted`)
    const { source, target } = counted.cpuSeconds
    return `burned ${said.source} s in a grandchild and ${said.target} s below a daemon, counted ${source} and ${target}`
  } finally {
    await daemon.end()
  }
}

/** Seconds of the lines that `times` prints, as `0m0.25s`. */
function burned(text: string): number {
  return rounded([...text.matchAll(/(\d+)m([\d.]+)s/g)].reduce((sum, [, m, s]) => sum + Number(m) * 60 + Number(s), 0))
}

/** User and system time of a process and those below it, with what each has reaped. */
function cpuSeconds(pid: number): number {
  const ticks = [pid, ...descendants(pid)].flatMap((one) => statFields(one).slice(11, 15))
  return ticks.reduce((sum, count) => sum + count, 0) / ticksPerSecond
}

function reapedSeconds(): number {
  return (
    statFields('self')
      .slice(13, 15)
      .reduce((sum, ticks) => sum + ticks, 0) / ticksPerSecond
  )
}

/** The fields of /proc/PID/stat from the state on. */
function statFields(pid: number | 'self'): number[] {
  const text = readText(`/proc/${pid}/stat`)
  return text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
}

/** The CPU time of a daemon once what it started is gone and its clock stood for 100 ms; after 5 s as it is then. */
async function untilQuiet(pid: number): Promise<number> {
  let seconds = cpuSeconds(pid)
  let quiet = 0
  for (let round = 0; round < 100 && quiet < 2; round++) {
    await sleep(50)
    const now = cpuSeconds(pid)
    // One tick is what an idle process may use by waking up.
    quiet = descendants(pid).length === 0 && now - seconds <= 1 / ticksPerSecond ? quiet + 1 : 0
    seconds = now
  }
  return seconds
}

function sampleMemory(source: number, target: number | undefined): { stop(): Sides } {
  const peak = { source: 0, target: 0 }
  let timer: NodeJS.Timeout | undefined
  const take = (): void => {
    const before = process.threadCpuUsage()
    peak.source = Math.max(peak.source, sideBytes(source))
    if (target !== undefined) peak.target = Math.max(peak.target, sideBytes(target))
    // At most 2 % of one processor for looking; by its own CPU, since on a busy machine waiting is no reason to look less.
    const { user, system } = process.threadCpuUsage(before)
    timer = setTimeout(take, Math.max(leastPauseMs, ((user + system) / 1000) * 50))
  }
  timer = setTimeout(take, 5)
  return {
    stop() {
      clearTimeout(timer)
      return peak
    },
  }
}

/**
 * What a side holds at this moment. Of a process alone the system keeps the count; of several, which share what they had
 * when they forked, it has to walk their pages. A large process must not be walked: that takes so long that peaks escape.
 */
function sideBytes(pid: number): number {
  const processes = [pid, ...descendants(pid)]
  let anonymous = 0
  let mapped = 0
  for (const one of processes) {
    const text = readText(`/proc/${one}/${processes.length === 1 ? 'status' : 'smaps_rollup'}`)
    if (processes.length === 1) return (kib(text, 'RssAnon') + kib(text, 'RssFile') + kib(text, 'RssShmem')) * 1024
    anonymous += kib(text, 'Pss_Anon')
    mapped = Math.max(mapped, kib(text, 'Rss') - kib(text, 'Anonymous'))
  }
  return (anonymous + mapped) * 1024
}

function kib(text: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0)
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

function rounded(seconds: number): number {
  return Math.round(seconds * 100) / 100
}
