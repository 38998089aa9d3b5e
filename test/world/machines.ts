// Machines for end-to-end tests: real processes of the real launcher, each machine a state directory of its own, below
// one temporary folder a world. Daemons listen on free ports of loopback. Every process is known by its child handle and
// ended by it; `close` ends what is left and removes the folder. Nothing here looks inside the program: it types commands
// and reads what they print, log and leave on disk.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** One line of `--json`: a type and what belongs to it. */
export type Line = { readonly type: string; readonly [field: string]: unknown }

export type Ended = {
  /** Undefined where a signal ended it. */
  readonly code: number | undefined
  readonly signal: NodeJS.Signals | undefined
  readonly stdout: string
  readonly stderr: string
}

/** A command that runs. */
export type Started = {
  readonly pid: number
  readonly ended: Promise<Ended>
  /** The first match in what it prints, from its start on. Rejects when it ends without one. */
  printed(pattern: RegExp): Promise<string>
  kill(signal: NodeJS.Signals): void
}

export type Changes = readonly { readonly action: string; readonly path: string; readonly from?: string }[]

/** A run of `sync --json`, read. */
export type Synced = Ended & {
  readonly lines: readonly Line[]
  readonly changes: Changes
  readonly problems: readonly { readonly path: string; readonly code: string }[]
  readonly halt: Line | undefined
  readonly failure: { readonly code: string; readonly message: string; readonly hint: string } | undefined
  /** '' where it failed before its end. */
  readonly outcome: string
  readonly counts: Readonly<Record<string, number>>
  readonly wireBytes: number
}

export type LogLine = { readonly action: string; readonly [field: string]: unknown }

export type User = { readonly uid: number; readonly gid: number }

const clone = join(import.meta.dirname, '..', '..')

/** A temporary folder with machines and folders in it. */
export class World {
  readonly directory: string
  readonly #user: User | undefined
  readonly #launcher: string
  readonly #children = new Set<ChildProcess>()

  /** With `user`, all runs as that user; `launcher` is another clone's, which that user can read. */
  constructor(options: { user?: User; launcher?: string } = {}) {
    this.#user = options.user
    this.#launcher = options.launcher ?? join(clone, 'nightferry')
    this.directory = mkdtempSync(join(tmpdir(), 'nightferry-e2e-'))
    if (this.#user !== undefined) chownSync(this.directory, this.#user.uid, this.#user.gid)
    chmodSync(this.directory, 0o755)
  }

  /** An empty folder, which belongs to the world's user. */
  folder(name: string): string {
    const path = join(this.directory, name)
    mkdirSync(path, { recursive: true })
    if (this.#user !== undefined) chownSync(path, this.#user.uid, this.#user.gid)
    return path
  }

  machine(name: string): Machine {
    return new Machine(this, name, this.folder(`state-${name}`))
  }

  /** Starts the program with these arguments. Its working directory is the world's. */
  start(args: readonly string[]): Started {
    const { PATH = '/usr/bin:/bin' } = process.env
    const child = spawn(this.#launcher, args, {
      cwd: this.directory,
      env: { PATH, HOME: this.directory },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...this.#user,
    })
    this.#children.add(child)
    child.once('close', () => this.#children.delete(child))
    return watch(child)
  }

  /** Ends what still runs, and removes the folder. */
  async close(): Promise<void> {
    const closing = [...this.#children].map(async (child) => {
      const closed = once(child, 'close')
      child.kill('SIGKILL')
      await closed
    })
    await Promise.all(closing)
    // Tests seal folders, and only root can remove what lies in them as it is.
    spawnSync('chmod', ['-R', 'u+rwX', this.directory])
    rmSync(this.directory, { recursive: true, force: true })
  }
}

function watch(child: ChildProcess): Started {
  let stdout = ''
  let stderr = ''
  const readers = new Set<() => void>()
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    for (const read of readers) read()
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) =>
      resolve({ code: code ?? undefined, signal: signal ?? undefined, stdout, stderr }),
    )
  })
  return {
    pid: child.pid ?? 0,
    ended,
    kill: (signal) => void child.kill(signal),
    printed: (pattern) =>
      new Promise((resolve, reject) => {
        const read = (): void => {
          const match = pattern.exec(stdout)
          if (match === null) return
          readers.delete(read)
          resolve(match[1] ?? match[0])
        }
        readers.add(read)
        read()
        ended.then(() => reject(new Error(`it ended without printing ${pattern}:\n${stdout}${stderr}`)), reject)
      }),
  }
}

/** A machine: a state directory, and the commands typed on it. */
export class Machine {
  readonly name: string
  readonly state: string
  readonly #world: World
  #daemon: Started | undefined
  port = 0

  constructor(world: World, name: string, state: string) {
    this.#world = world
    this.name = name
    this.state = state
  }

  start(...args: readonly string[]): Started {
    return this.#world.start(['--state', this.state, ...args])
  }

  /** Runs a command to its end. */
  async run(...args: readonly string[]): Promise<Ended> {
    return await this.start(...args).ended
  }

  /** Runs a command that must succeed; what it printed. */
  async must(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args)
    assert.equal(code, 0, `${args.join(' ')}: ${stdout}${stderr}`)
    return stdout
  }

  async sync(...args: readonly string[]): Promise<Synced> {
    return readRun(await this.run('sync', '--json', ...args))
  }

  /** A run that must end well: code 0 and this outcome. */
  async mustSync(outcome: string, ...args: readonly string[]): Promise<Synced> {
    const run = await this.sync(...args)
    assert.equal(run.outcome, outcome, `${args.join(' ')}: ${run.stdout}${run.stderr}`)
    assert.equal(run.code, 0)
    return run
  }

  /** Starts the daemon, on the port it had before or a free one. */
  async serve(host = '127.0.0.1'): Promise<Started> {
    const daemon = this.start('serve', '--listen', `${host}:${this.port}`, '--name', this.name)
    this.#daemon = daemon
    this.port = Number(await daemon.printed(/listening on .*:(\d+)\n/))
    return daemon
  }

  /** Ends the daemon; how it ended. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    assert.ok(this.#daemon, 'a daemon runs')
    this.#daemon.kill(signal)
    return await this.#daemon.ended
  }

  /** Makes a code here and brings it to `other`; both know each other then, and `other` knows this machine's address. */
  async pairWith(other: Machine, host = '127.0.0.1'): Promise<void> {
    const offering = this.start('pair')
    const code = await offering.printed(/code: (\S+)/)
    await other.must('pair', `${code}@${host}:${this.port}`, '--name', other.name)
    assert.equal((await offering.ended).code, 0)
  }

  /** All log lines of a role, in order; each line must be JSON with a time and an action. */
  log(role: 'sync' | 'serve'): LogLine[] {
    return this.logText(role).split('\n').slice(0, -1).map(readLogLine)
  }

  /** Waits until the daemon's log has a line of this action after its first `before` lines: it logs after the run ended. */
  async logged(action: string, before = 0, maxTries = 1200): Promise<void> {
    await this.#logged(action, 1, before, maxTries)
  }

  /** Waits until so many lines of the daemon's log are of this action, from its first line on. */
  async loggedTimes(action: string, times: number): Promise<void> {
    await this.#logged(action, times, 0, 1200)
  }

  async #logged(action: string, times: number, before: number, maxTries: number): Promise<void> {
    for (let tries = 0; tries < maxTries; tries++) {
      const lines = this.log('serve').filter((line, index) => index >= before && line.action === action)
      if (lines.length >= times) return
      await sleep(25)
    }
    assert.fail(`${this.name} logged no ${action}:\n${this.logText('serve')}`)
  }

  logText(role: 'sync' | 'serve'): string {
    const logs = join(this.state, 'state', 'logs')
    if (!existsSync(logs)) return ''
    const names = readdirSync(logs).filter((name) => name.endsWith(`-${role}.jsonl`))
    return names
      .sort()
      .map((name) => readFileSync(join(logs, name), 'utf8'))
      .join('')
  }
}

function readLogLine(text: string): LogLine {
  const line = JSON.parse(text) as LogLine
  assert.equal(typeof line.action, 'string', text)
  assert.match(String(line.time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  return line
}

/** What a run told a person on the way. */
export function noticesOf(run: Ended): string[] {
  const lines = run.stdout.split('\n').filter((text) => text.includes('"type":"notice"'))
  return lines.map((text) => String((JSON.parse(text) as Line).text))
}

function readRun(ended: Ended): Synced {
  const lines = ended.stdout
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => JSON.parse(text) as Line)
  for (const line of lines) assert.equal(line.schema, 1)
  const end = lines.find(({ type }) => type === 'run-end')
  // What was killed after its last word ends as the killed do, in a shell's way of telling.
  const isKilled = ended.code === undefined || ended.code === 137
  assert.ok(
    end === undefined || isKilled || end.exitCode === ended.code,
    `${ended.code}: ${ended.stdout}${ended.stderr}`,
  )
  const runIds = new Set(lines.map(({ runId }) => runId))
  assert.ok(end === undefined || (runIds.size === 1 && !runIds.has('')), ended.stdout)
  return {
    ...ended,
    lines,
    changes: lines
      .filter(({ type }) => type === 'change')
      .map(({ schema: _, runId: __, type: ___, ...change }) => change) as unknown as Changes,
    problems: lines.filter(({ type }) => type === 'problem') as unknown as Synced['problems'],
    halt: lines.find(({ type }) => type === 'halt'),
    failure: lines.find(({ type }) => type === 'failure') as unknown as Synced['failure'],
    outcome: String(end?.outcome ?? ''),
    counts: (end?.counts ?? {}) as Record<string, number>,
    wireBytes: Number(end?.wireBytesOut ?? 0) + Number(end?.wireBytesIn ?? 0),
  }
}

export type Pair = {
  readonly world: World
  /** Types the commands. */
  readonly laptop: Machine
  /** Runs the daemon and shares `shared` as `data`. */
  readonly nas: Machine
  readonly daemon: Started
  readonly shared: string
}

/** Two machines, paired by the real commands; the NAS serves an empty folder. */
export async function pairedMachines(options: { user?: User; launcher?: string } = {}): Promise<Pair> {
  const world = new World(options)
  const laptop = world.machine('laptop')
  const nas = world.machine('nas')
  const shared = world.folder('shared')
  try {
    const [daemon] = await Promise.all([nas.serve(), nas.must('share', 'add', 'data', shared)])
    await nas.pairWith(laptop)
    return { world, laptop, nas, daemon, shared }
  } catch (error) {
    await world.close()
    throw error
  }
}
