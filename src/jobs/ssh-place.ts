// What a person writes as an end by ssh, `ssh://[user@]host[:port]/path`, and how it is written back. The path is taken as
// it is typed (`%20` is no space): `/path` from the top of that machine, `/~/path` from the home of the user there. Pure.
// What ssh or a program in its configuration could take for an option or for a piece of shell is refused here.

import { parseRelPath, type RelPath } from '../core/path.ts'
import { Failure } from '../std/failure.ts'

/** Whom ssh is to call. What is not named here is for the user's ssh configuration to say. */
export type SshTarget = { readonly host: string; readonly user: string | undefined; readonly port: number | undefined }

/** The two names under which the answering side of a session by ssh knows its folders. */
export const topShare = '/'
export const homeShare = '~'

export type SshPlace = { readonly ssh: SshTarget; readonly share: string; readonly sub: RelPath }

const scheme = 'ssh://'

/** As ssh takes them, without what a shell would take apart: hosts end up in the ProxyCommand of a configuration. */
const hostPattern = /^[\p{L}\p{N}_][\p{L}\p{N}._-]{0,254}$/u
const addressPattern = /^[0-9A-Fa-f:.]{2,45}(%[\p{L}\p{N}._-]{1,32})?$/u
const userPattern = /^[\p{L}\p{N}_][\p{L}\p{N}._@+-]{0,127}$/u
const authorityPattern = /^(?:(.*)@)?(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d{1,5}))?$/s

/** Whether the text means an end by ssh. A machine that is paired under the name `ssh` is written `ssh:share`. */
export function isSshPlace(text: string): boolean {
  return text.startsWith(scheme)
}

/** Parses an end that `isSshPlace`. Throws `bad-end`. */
export function parseSshPlace(text: string): SshPlace {
  const slash = text.indexOf('/', scheme.length)
  if (slash < 0) throw bad(text, 'names no path', `write ${text}/path, or ${text}/~ for the home of the user there`)
  const match = authorityPattern.exec(text.slice(scheme.length, slash))
  const [, user, address, name, digits] = match ?? []
  const host = address ?? name ?? ''
  const port = digits === undefined ? undefined : Number(digits)
  const isHost = address === undefined ? hostPattern.test(host) : addressPattern.test(host)
  if (match === null || !isHost) throw bad(text, 'names no host', 'write ssh://[user@]host[:port]/path')
  if (user !== undefined && !userPattern.test(user)) {
    throw bad(text, 'names no user', 'give the host a name with User in ~/.ssh/config, and write that name')
  }
  if (port !== undefined && (port < 1 || port > 65_535)) throw bad(text, 'names no port', 'a port is 1 to 65535')
  return { ssh: { host, user, port }, ...pathOf(text, text.slice(slash)) }
}

function pathOf(text: string, path: string): { share: string; sub: RelPath } {
  const names = path.split('/').filter((name) => name !== '')
  const [first = ''] = names
  const isHome = first === '~'
  if (first.startsWith('~') && !isHome) {
    throw bad(text, 'begins with the home of a user', 'write the whole path of that folder, or log in as that user')
  }
  const sub = parseRelPath((isHome ? names.slice(1) : names).join('/'))
  if (sub === undefined) {
    throw bad(
      text,
      'names no folder that could be an end',
      'write its path without . and .., and outside of .nightferry',
    )
  }
  return { share: isHome ? homeShare : topShare, sub }
}

function bad(text: string, what: string, hint: string): Failure {
  return new Failure('bad-end', `${text} ${what}`, { hint })
}

/** The end as one text that is equal for equal ends; it parses to the same. */
export function sshPlaceText({ ssh, share, sub }: SshPlace): string {
  const { host, user, port } = ssh
  const who = user === undefined ? '' : `${user}@`
  const where = host.includes(':') ? `[${host}]` : host
  const path = share === topShare ? `/${sub}` : sub === '' ? '/~' : `/~/${sub}`
  return `${scheme}${who}${where}${port === undefined ? '' : `:${port}`}${path}`
}

/** What the other machine is called towards people. */
export function sshName({ user, host }: SshTarget): string {
  return user === undefined ? host : `${user}@${host}`
}

/** Whether this can be a folder for old versions on a machine that is reached by ssh: absolute, or below the home there. */
export function isVersionsFolder(text: string): boolean {
  return /^~?\/./.test(text) && !text.includes('\0') && text.isWellFormed() && !text.split('/').includes('..')
}
