// What a person writes as an end: a local path; `machine:share[/sub]`, where the text before the first ':' has no '/'
// and names a paired machine (else write `./a:b`); or `ssh://[user@]host[:port]/path`. The bare name of a paired machine is
// no folder either (else `./a`). A trailing slash means nothing.

import { parseRelPath, type RelPath } from '../core/path.ts'
import { Failure } from '../std/failure.ts'
import { isSshPlace, parseSshPlace, type SshTarget, sshName, sshPlaceText } from './ssh-place.ts'

export type RemoteName = {
  readonly kind: 'remote'
  /** What that machine is called towards people. */
  readonly machine: string
  readonly share: string
  readonly sub: RelPath
  /** Where it is reached by ssh, and is not a paired machine. */
  readonly ssh?: SshTarget
}

export type EndName = { readonly kind: 'local'; readonly path: string } | RemoteName

/** Parses an end. Throws `bad-end` or `unknown-machine`. */
export function parseEnd(text: string, isMachine: (name: string) => boolean): EndName {
  if (text === '') throw new Failure('bad-end', 'an end is empty', { hint: 'name a folder, or machine:share' })
  if (isSshPlace(text)) {
    const place = parseSshPlace(text)
    return { kind: 'remote', machine: sshName(place.ssh), ...place }
  }
  const colon = text.indexOf(':')
  const before = colon < 0 ? '' : text.slice(0, colon)
  if (colon < 0 && isMachine(text)) {
    throw new Failure('bad-end', `${text} is a paired machine, and no share of it is named`, {
      hint: `write ${text}:SHARE; if a folder here is meant, write ./${text}`,
    })
  }
  if (colon <= 0 || before.includes('/')) return { kind: 'local', path: text }
  if (!isMachine(before)) {
    throw new Failure('unknown-machine', `no paired machine is named ${before}`, {
      hint: `See nightferry machines. If ${text} is a folder here, write ./${text}`,
    })
  }
  const place = text.slice(colon + 1).replace(/\/+$/, '')
  const slash = place.indexOf('/')
  const share = slash < 0 ? place : place.slice(0, slash)
  const sub = parseRelPath(slash < 0 ? '' : place.slice(slash + 1))
  if (share === '' || sub === undefined) {
    throw new Failure('bad-end', `${text} names no share of ${before}`, {
      hint: `write ${before}:SHARE or ${before}:SHARE/FOLDER`,
    })
  }
  return { kind: 'remote', machine: before, share, sub }
}

/** The end as one line that is equal for equal ends. */
export function endText(end: EndName, realPath: (path: string) => string): string {
  if (end.kind === 'local') return realPath(end.path)
  return remoteText(end)
}

/** The same for an end on another machine. */
export function remoteText({ ssh, ...end }: RemoteName): string {
  if (ssh !== undefined) return sshPlaceText({ ...end, ssh })
  return `${end.machine}:${end.share}${end.sub === '' ? '' : `/${end.sub}`}`
}

/**
 * Refuses two remote ends, ends whose path is not UTF-8, and local ends that are equal or lie within each other. `isOneFolder` tells whether two paths
 * lead to one folder in another way than by links.
 */
export function checkEnds(
  source: EndName,
  target: EndName,
  realPath: (path: string) => string,
  isOneFolder: (one: string, other: string) => boolean,
): void {
  for (const end of [source, target]) {
    // Node opens no folder by such a path; what lies in one is opened by the bytes of its name.
    const path = end.kind === 'local' ? end.path : end.sub
    if (!path.isWellFormed())
      throw new Failure('bad-end', `the path ${path} is not UTF-8, and an end has to be`, {
        hint: 'name a folder above it, and leave the rest out with --exclude; what lies in an end may have any name',
      })
  }
  if (source.kind === 'remote' && target.kind === 'remote') throw twoRemote(source, target)
  if (source.kind !== 'local' || target.kind !== 'local') return
  const from = realPath(source.path)
  const to = realPath(target.path)
  if (from === to || isOneFolder(from, to))
    throw new Failure('same-ends', `source and target are the same folder, ${from}`)
  if (isInside(to, from)) throw new Failure('nested-ends', `the target ${to} lies inside the source ${from}`)
  if (isInside(from, to)) throw new Failure('nested-ends', `the source ${from} lies inside the target ${to}`)
}

/** A source is never written to: no old versions of anything are kept in it. */
export function checkVersionsFolder(folder: string, source: EndName, realPath: (path: string) => string): void {
  if (folder === '') throw new Failure('bad-usage', '--versions names no folder')
  if (source.kind !== 'local') return
  const [place, from] = [realPath(folder), realPath(source.path)]
  if (place === from || isInside(place, from)) {
    throw new Failure('nested-ends', `the folder for old versions ${place} lies inside the source ${from}`, {
      hint: 'a source is never written to; name a folder beside the target, or leave --versions out',
    })
  }
}

function isInside(inner: string, outer: string): boolean {
  return inner.startsWith(outer === '/' ? '/' : `${outer}/`)
}

/** Says which run can do it: the one that is typed where the source lies. */
function twoRemote(source: RemoteName, target: RemoteName): Failure {
  const [from, to] = [source, target].map((end) => endText(end, (path) => path))
  const { machine } = source
  const rule = 'one end of a run is a folder of the machine where it is typed'
  if (machine === target.machine) {
    return new Failure('two-remote-ends', `${from} and ${to} are both on ${machine}; ${rule}`, {
      hint: `type it on ${machine}, with its own folders: nightferry sync FOLDER FOLDER`,
    })
  }
  return new Failure('two-remote-ends', `${from} and ${to} are both on other machines; ${rule}`, {
    hint: `type it on ${machine}, once it is paired with ${target.machine}: nightferry sync FOLDER ${to}`,
  })
}
