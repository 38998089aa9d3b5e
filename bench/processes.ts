// Programs that the benchmark starts: commands that run to their end, and daemons that are ended by their id. Each gets a
// session of its own, so that ctrl-C on the terminal reaches only the benchmark, which then ends what it started: the
// process and those below it, by id. Nothing here is timed; measure.ts does that.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string }

export type Daemon = {
  readonly pid: number
  /** All that it has printed so far, stdout and stderr. */
  output(): string
  /** Resolves with its exit code when it has ended by itself or by `end`. */
  readonly ended: Promise<number>
  end(): Promise<void>
}

/** What children inherit: nothing that would steer rsync, ssh or Node otherwise than as installed. */
export function childEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(RSYNC_|SSH_|NODE_|npm_|LC_|LANG)/.test(name))
  return { ...Object.fromEntries(kept), LC_ALL: 'C' }
}

/** Runs a command to its end. Rejects when it cannot be started, or when `signal` aborts (after having ended it). */
export async function run(argv: readonly string[], signal?: AbortSignal): Promise<Ended> {
  signal?.throwIfAborted()
  const child = start(argv)
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout?.on('data', (bytes: Buffer) => stdout.push(bytes))
  child.stderr?.on('data', (bytes: Buffer) => stderr.push(bytes))
  const code = await untilClosed(child, signal)
  signal?.throwIfAborted()
  return { code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }
}

/** The standard output of a command that must end with code 0. */
export async function must(argv: readonly string[], signal?: AbortSignal): Promise<string> {
  const { code, stdout, stderr } = await run(argv, signal)
  if (code !== 0) throw new Error(`${argv.join(' ')}: code ${code}: ${(stderr || stdout).trim().slice(-500)}`)
  return stdout
}

/** Starts a daemon and waits, 15 s at most, until `isReady` says so of what it has printed or of its process. */
export async function startDaemon(
  argv: readonly string[],
  isReady: (output: string, pid: number) => boolean,
  signal: AbortSignal,
): Promise<Daemon> {
  signal.throwIfAborted()
  const child = start(argv)
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (bytes: Buffer) => {
      output += bytes.toString()
    })
  let code: number | undefined
  const ended = untilClosed(child).then((value) => {
    code = value
    return value
  })
  ended.catch(() => {})
  if (child.pid === undefined) throw new Error(`${argv[0]} does not start: ${await ended.catch(String)}`)
  const { pid } = child
  const daemon: Daemon = { pid, output: () => output, ended, end: () => end(child, ended) }
  const deadline = performance.now() + 15_000
  while (!isReady(output, pid)) {
    const why = code !== undefined ? `ended with code ${code}` : performance.now() > deadline ? 'is not ready' : ''
    if (why === '' && !signal.aborted) {
      await sleep(20)
      continue
    }
    await daemon.end()
    signal.throwIfAborted()
    throw new Error(`${argv.slice(0, 3).join(' ')} ${why}: ${output.trim().slice(-500)}`)
  }
  return daemon
}

/** The process ids below `pid`, children of all its threads included. */
export function descendants(pid: number): number[] {
  const found: number[] = []
  const queue = [pid]
  for (const parent of queue)
    for (const child of childrenOf(parent)) {
      found.push(child)
      queue.push(child)
    }
  return found
}

/** The path of a program, also where it stands in a system folder that is not on the PATH of an ordinary user. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/bin', '/bin']
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(isExecutable)
}

/** The version of an installed Debian package; empty where there is none. */
export async function debianVersion(name: string, signal: AbortSignal): Promise<string> {
  if (findProgram('dpkg-query') === undefined) return ''
  const { code, stdout } = await run(['dpkg-query', '--show', name], signal)
  return code === 0 ? (stdout.trim().split('\t')[1] ?? '') : ''
}

/** A TCP port of 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}

/** Whether a process, in whatever network namespace it runs, sees someone listening on this TCP port. */
export function isListening(pid: number, port: number): boolean {
  const listening = new RegExp(
    `^ *\\d+: [0-9A-F]+:${port.toString(16).toUpperCase().padStart(4, '0')} [0-9A-F:]+ 0A `,
    'm',
  )
  try {
    return listening.test(readFileSync(`/proc/${pid}/net/tcp`, 'latin1'))
  } catch {
    return false
  }
}

function start([program, ...args]: readonly string[]): ChildProcess {
  if (program === undefined) throw new Error('no program')
  return spawn(program, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: childEnvironment() })
}

/** The exit code (128 and more: by a signal) once the process is gone and its output was read. */
async function untilClosed(child: ChildProcess, signal?: AbortSignal): Promise<number> {
  const stop = (): void => endTree(child.pid, 'SIGTERM')
  signal?.addEventListener('abort', stop, { once: true })
  try {
    const [code] = (await once(child, 'close')) as [number | null]
    return code ?? 128
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

async function end(child: ChildProcess, ended: Promise<number>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const left = [child.pid, ...descendants(child.pid)]
  endTree(child.pid, 'SIGTERM')
  const gone = await Promise.race([ended.then(() => true), sleep(5_000, false, { ref: false })])
  // Those below may outlive their parent (an ssh session does): ended only while they are still what we started.
  for (const pid of gone ? left.slice(1).filter(isOrphan) : left) send(pid, 'SIGKILL')
  await ended.catch(() => {})
}

/** Sends a signal to a process that we started and to all below it, by their ids. */
export function endTree(pid: number | undefined, signalName: NodeJS.Signals): void {
  if (pid === undefined) return
  for (const one of [pid, ...descendants(pid)]) send(one, signalName)
}

function send(pid: number, signalName: NodeJS.Signals): void {
  try {
    process.kill(pid, signalName)
  } catch {
    // Gone already.
  }
}

function isOrphan(pid: number): boolean {
  try {
    return /\) \S 1 /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1').split(' ').filter(Boolean).map(Number),
    )
  } catch {
    return []
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Ends the daemon with the scope. */
export function own(daemon: Daemon, scope: AsyncDisposableStack): Daemon {
  scope.defer(() => daemon.end())
  return daemon
}

/** Why a program cannot take part. */
export function lacking(program: string, debianPackage: string): { readonly missing: string } {
  return { missing: `${program} is not installed (Debian: apt install ${debianPackage})` }
}
