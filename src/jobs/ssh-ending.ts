// What it means that ssh ended: from its exit code and from what it and the other side said last on standard error, a
// failure in words that a person can act on. ssh's own troubles are code 255, anything else is the other side's. Only to
// tell "may not log in" from "is not there" are ssh's words looked at; where they say neither, the milder is assumed.
// Pure.

import { Failure } from '../std/failure.ts'

export type SshEnding = {
  /** Undefined where a signal ended it. */
  readonly code: number | undefined
  readonly signal: string | undefined
  /** The last lines of standard error, cleaned. */
  readonly lastLines: readonly string[]
}

const sshFailed = 255
const notFound = 127
const notExecutable = 126

const refusedLogin =
  /Permission denied|Too many authentication failures|Host key verification failed|No supported authentication methods/

/** ssh ended before Nightferry spoke on the other side. `program` is what was to be run there. */
export function endedEarly(ending: SshEnding, machine: string, program: string): Failure {
  const { code, signal, lastLines } = ending
  if (code === undefined)
    return new Failure('connection-lost', `ssh to ${machine} was ended (${signal ?? 'by a signal'})`)
  if (code === sshFailed) return loginFailed(machine, lastLines)
  if (code === notFound || code === notExecutable) {
    const what = code === notFound ? 'finds no program' : 'cannot start'
    return new Failure('wrong-peer', `${machine} ${what} ${program}${saying(lastLines)}`, {
      hint: 'Install Nightferry there, or say how it is started: --remote-command /opt/nightferry/nightferry',
    })
  }
  if (lastLines.some((line) => line.includes("unknown option '--stdio'"))) {
    return new Failure('version-mismatch', `the Nightferry of ${machine} is too old for sessions by ssh`, {
      hint: `Update Nightferry on ${machine}.`,
    })
  }
  if (code === 0) {
    return new Failure('wrong-peer', `what was started on ${machine} is not Nightferry, and ended`, {
      hint: `It was ${program} serve --stdio. Does the account or its key force another command?`,
    })
  }
  return new Failure('peer-failed', `${program} on ${machine} ended with code ${code}${saying(lastLines)}`, {
    hint: `Log in with ssh ${machine}, and try what it runs: its doctor says what is wrong.`,
  })
}

function loginFailed(machine: string, lastLines: readonly string[]): Failure {
  if (lastLines.some((line) => refusedLogin.test(line))) {
    return new Failure('wrong-peer', `ssh may not log in to ${machine}${saying(lastLines)}`, {
      hint: `Try it by hand: ssh ${machine}. Where nobody can be asked, a key is needed that asks for nothing.`,
    })
  }
  return new Failure('unreachable', `ssh cannot reach ${machine}${saying(lastLines)}`, {
    hint: `Is it on? Try it by hand: ssh ${machine}`,
  })
}

/** ssh ended while a session was open; undefined where it ended in good order. */
export function endedLate(ending: SshEnding, machine: string): Failure | undefined {
  const { code, signal, lastLines } = ending
  if (code === 0) return undefined
  const how = code === undefined ? `ssh was ended by ${signal ?? 'a signal'}` : `ssh ended with code ${code}`
  const hint =
    code === undefined || code === sshFailed
      ? ''
      : `That is what Nightferry on ${machine} ended with; its log may say why.`
  return new Failure('connection-lost', `the connection to ${machine} broke: ${how}${saying(lastLines)}`, { hint })
}

const saidChars = 300

/** The last thing that was said, where anything was. */
function saying(lastLines: readonly string[]): string {
  const last = lastLines.at(-1)
  return last === undefined ? '' : ` (${last.slice(0, saidChars)})`
}
