// A session over the stdio of ssh: starts the system's ssh program, which finds the machine, proves who it is and logs in,
// all by the user's own configuration, keys and agent; waits until Nightferry speaks on the other side; and opens a
// session over that. Questions (a password, a new host key) are between ssh and the person at the terminal: none passes
// through here. However the session ends, ssh ends, and how it ended becomes a failure that says so.

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import type { Clock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { readGreeting } from '../wire/greeting.ts'
import { linkOver } from '../wire/link.ts'
import { openSession, type Session } from '../wire/session.ts'
import { printable } from '../wire/told-failure.ts'
import { Overheard } from './overheard.ts'
import { defaultRemoteCommand, remoteCommandLine, sshArguments } from './ssh-command.ts'
import { endedEarly, endedLate, type SshEnding } from './ssh-ending.ts'
import { type SshTarget, sshName } from './ssh-place.ts'

/** What a command says of how it wants to reach a machine by ssh. */
export type SshWays = {
  /** How Nightferry is started there; undefined: `nightferry`. */
  readonly remoteCommand: string | undefined
  /** Told each line that ssh or the other side says beside the session. */
  readonly tell: (line: string) => void
}

export type SshOptions = SshWays & {
  /** What this machine calls itself. */
  readonly machine: string
  readonly productVersion: string
  /** Somebody sits at the terminal and may be asked. */
  readonly isAttended: boolean
  readonly clock: Clock
}

/** Until Nightferry speaks there: name, connection, login, the shell's start. A person may have to find a password. */
const attendedMs = 600_000
const unattendedMs = 120_000
/** How long ssh may take to say how it ended, and to end when it is told to. */
const endingMs = 2_000
const graceMs = 100

type Ssh = ChildProcessByStdio<Writable, Readable, Readable>

/**
 * Opens a session with the Nightferry that ssh starts on another machine. Throws Failure: `bad-config` without an ssh
 * program, `wrong-peer` where ssh may not log in or no Nightferry answers, `unreachable`, `timed-out`, `cancelled`,
 * `version-mismatch`, and what `openSession` throws.
 */
export async function connectSsh(target: SshTarget, options: SshOptions, signal: AbortSignal): Promise<Session> {
  const { remoteCommand: program = defaultRemoteCommand, isAttended, clock, machine, productVersion } = options
  const peer = sshName(target)
  if (signal.aborted) throw cancelled(peer)
  const words = sshArguments(target, { commandLine: remoteCommandLine(program), isAttended })
  const ssh = new SshProcess(spawn('ssh', words, { stdio: ['pipe', 'pipe', 'pipe'] }), clock, options.tell)
  const abort = (): void => ssh.kill()
  signal.addEventListener('abort', abort, { once: true })
  try {
    const { stdin, stdout } = ssh.child
    const timeoutMs = isAttended ? attendedMs : unattendedMs
    await readGreeting(stdout, { peer, clock, timeoutMs, noise: (bytes) => ssh.heard(bytes, peer) })
    const whyEnded = async (): Promise<Failure | undefined> => {
      const ending = await ssh.ending()
      return ending === undefined ? undefined : endedLate(ending, peer)
    }
    const facts = { peerId: undefined, machine: peer, remoteAddress: target.host }
    const link = linkOver({ input: stdout, output: stdin, whyEnded }, facts, clock)
    const session = await openSession(link, {
      side: 'dialer',
      hello: { machine, productVersion },
      clock,
      // The driver asks; nobody asks the driver.
      onRequest: () => undefined,
      onStream: () => false,
    })
    // What was cut off takes no farewell.
    void session.closed.then(() => (stdin.destroyed ? ssh.kill() : ssh.leave()))
    return session
  } catch (error) {
    const isEnded = error instanceof Failure && error.code === 'connection-lost'
    const ending = isEnded && !signal.aborted ? await ssh.ending() : undefined
    ssh.kill()
    if (signal.aborted) throw cancelled(peer)
    if (ssh.startError !== undefined) throw notStarted(ssh.startError)
    throw ending === undefined ? error : endedEarly(ending, peer, program)
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function cancelled(peer: string): Failure {
  return new Failure('cancelled', `calling ${peer} was cancelled`)
}

function notStarted(error: NodeJS.ErrnoException): Failure {
  const what =
    error.code === 'ENOENT' ? 'there is no ssh program on this machine' : `ssh cannot be started (${error.code})`
  return new Failure('bad-config', what, {
    hint: 'Install OpenSSH (Debian: apt install openssh-client), or mend PATH.',
  })
}

const noiseShownBytes = 200

class SshProcess {
  readonly child: Ssh
  readonly #clock: Clock
  readonly #overheard: Overheard
  readonly #exited: Promise<SshEnding>
  #isGone = false
  startError: NodeJS.ErrnoException | undefined

  constructor(child: Ssh, clock: Clock, tell: (line: string) => void) {
    this.child = child
    this.#clock = clock
    this.#overheard = new Overheard(tell)
    child.stderr.on('data', (chunk: Uint8Array) => this.#overheard.push(chunk))
    // Errors of the streams are the link's to tell; before there is a link, and after it, they are the end of ssh.
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', () => {})
    this.#exited = new Promise((resolve) => {
      const gone = (code: number | undefined, signal: string | undefined): void => {
        this.#isGone = true
        resolve({ code, signal, lastLines: this.#overheard.lastLines })
      }
      child.once('error', (error) => {
        this.startError ??= error
        gone(undefined, undefined)
      })
      // Not `close`: a connection that ssh shares and leaves behind holds standard error open for ever.
      child.once('exit', (code, signal) => {
        const told = (): void => {
          this.#overheard.end()
          gone(code ?? undefined, signal ?? undefined)
          child.stderr.destroy()
        }
        // What it said last may not have been read yet.
        if (child.stderr.readableEnded) told()
        else {
          const late = clock.timer(100, told)
          child.stderr.once('end', () => {
            late.cancel()
            told()
          })
        }
      })
    })
  }

  /** What login files printed into the session: it costs nothing, is worth mending, and may say why nothing else comes. */
  heard(noise: Uint8Array, peer: string): void {
    const text = new TextDecoder().decode(noise.subarray(0, noiseShownBytes))
    const said = printable(text).replace(/\s+/g, ' ').trim()
    const more = noise.length > noiseShownBytes ? ' ...' : ''
    if (said !== '') this.#overheard.note(`${peer} prints before Nightferry speaks there: ${said}${more}`)
  }

  /** How it ended; undefined where it does not within a moment. */
  async ending(): Promise<SshEnding | undefined> {
    const waited = Promise.withResolvers<undefined>()
    const deadline = this.#clock.timer(endingMs, () => waited.resolve(undefined))
    const ending = await Promise.race([this.#exited, waited.promise])
    deadline.cancel()
    // A ctrl-C at the terminal ends ssh too, and this process may hear of it a moment later: it is no broken connection.
    if (ending !== undefined && ending.code !== 0) await this.#clock.sleep(graceMs)
    return ending
  }

  /** The session is over: it ends by itself, or is ended. */
  leave(): void {
    // Who wanted the session has what it wanted: a farewell of ssh is no news.
    this.#overheard.hush()
    this.child.stdin.end()
    this.#clock.timer(endingMs, () => this.kill())
  }

  kill(): void {
    if (this.#isGone) return
    this.child.kill('SIGTERM')
    this.#clock.timer(endingMs, () => {
      if (!this.#isGone) this.child.kill('SIGKILL')
    })
  }
}
