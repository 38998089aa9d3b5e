// The command lines of a session by ssh: the arguments of the ssh program here, and what the login shell of the other side
// is given to run there. Here no shell is involved. There one always is, so each word is quoted for it unless it needs no
// quotes in any shell: nothing that a person writes as the command can become an operator, a variable or a second command.
// Pure.

import { Failure } from '../std/failure.ts'
import type { SshTarget } from './ssh-place.ts'

export const defaultRemoteCommand = 'nightferry'

const wordsMax = 64
const charsMax = 4096

/** Words as a shell splits them: at blanks, with '...', "..." and \ around and before what belongs together. */
export function wordsOf(text: string): string[] {
  const words: string[] = []
  let word: string | undefined
  const pieces = /(\s+)|'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^\s'"\\]+)|(.)/gsu
  for (const [, blank, plain, quoted, escaped, bare, stray] of text.matchAll(pieces)) {
    if (stray !== undefined) throw bad(text, 'has a quote without an end')
    if (blank !== undefined) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = (word ?? '') + (plain ?? quoted?.replace(/\\(["\\$`])/g, '$1') ?? escaped ?? bare ?? '')
  }
  if (word !== undefined) words.push(word)
  return words
}

/** A word that stays one, and stays what it is, in the command line of a POSIX shell. */
function quoted(word: string): string {
  return /^[\w@%+:,./-][\w@%+=:,./-]*$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

/** What the other side's shell runs. A first word that begins with `~/` is below the home there. Throws `bad-usage`. */
export function remoteCommandLine(text: string): string {
  const words = wordsOf(text)
  const [program = ''] = words
  if (program === '') throw bad(text, 'names no program')
  if (words.length > wordsMax || text.length > charsMax) throw bad(text, 'is too long')
  if (/\p{Cc}/u.test(text)) throw bad(text, 'has control characters in it')
  // A word like NAME=value would be no program to a shell, but the setting of a variable.
  if (/^\w+=/.test(program)) throw bad(text, 'names no program', 'write: env NAME=value program')
  if (program.startsWith('-')) throw bad(text, 'names no program')
  const first = program.startsWith('~/') && program.length > 2 ? `~/${quoted(program.slice(2))}` : quoted(program)
  return [first, ...words.slice(1).map(quoted), 'serve', '--stdio'].join(' ')
}

function bad(
  text: string,
  what: string,
  hint = 'write how Nightferry is started there: --remote-command /opt/nightferry/nightferry',
): Failure {
  return new Failure('bad-usage', `the remote command ${JSON.stringify(text)} ${what}`, { hint })
}

/**
 * The arguments of ssh. All that a configuration may add to a login and that a session has no use for is off: terminals,
 * forwardings, commands. Where nobody is there to be asked (`isAttended` is false), ssh asks nothing and fails instead.
 */
export function sshArguments(
  { host, user, port }: SshTarget,
  options: { readonly commandLine: string; readonly isAttended: boolean },
): string[] {
  const off = [
    'ForwardAgent=no',
    'ForwardX11=no',
    'ClearAllForwardings=yes',
    'PermitLocalCommand=no',
    'RemoteCommand=none',
  ]
  return [
    '-T',
    ...off.map((option) => `-o${option}`),
    ...(options.isAttended ? [] : ['-oBatchMode=yes']),
    ...(user === undefined ? [] : ['-l', user]),
    ...(port === undefined ? [] : ['-p', String(port)]),
    '--',
    host,
    options.commandLine,
  ]
}
