// `nightferry share`: the folders that paired machines may use.

import { linksOf } from '../api/narrow.ts'
import { allowedOf, keepOf } from '../api/request.ts'
import { type GuardLimit, guardLimitText, parseGuardLimit } from '../core/guard.ts'
import type { LinkPolicy } from '../core/links.ts'
import { bytesText, parseBytes } from '../core/quantity.ts'
import { keepText } from '../core/retention.ts'
import { openPlaces } from '../daemon/config.ts'
import { openSource } from '../disk/root.ts'
import { systemSys } from '../disk/system.ts'
import { checkStoreDirectory } from '../disk/versions.ts'
import { addShare, allowShare, limitShare, loadShares, notShared, removeShare, type Share } from '../jobs/shares.ts'
import { systemClock } from '../std/clock.ts'
import { Failure } from '../std/failure.ts'
import { openPeers } from '../wire/peers.ts'
import type { GlobalOptions } from './machine.ts'
import { safeText } from './print.ts'

export type ShareOptions = GlobalOptions & {
  readonly readOnly?: true
  readonly for?: readonly string[]
  readonly maxDelete?: string
  readonly links?: string
  readonly maxBytes?: string
  readonly allow?: readonly string[]
  readonly keepVersions?: string
  readonly versions?: string
  readonly json?: true
}

export function shareAdd(name: string, path: string, options: ShareOptions): number {
  const maxDelete = options.maxDelete === undefined ? undefined : limitOf(options.maxDelete)
  const maxBytes = options.maxBytes === undefined ? undefined : bytesOf(options.maxBytes)
  const places = openPlaces(options.state, process.env)
  const root = openSource(systemSys(), path)
  root.close()
  const { readOnly = false } = options
  const machines = options.for === undefined ? undefined : [...new Set(options.for)]
  const keep = options.keepVersions === undefined ? undefined : keepOf(options.keepVersions)
  const links = linksOf(options.links)
  const versions = options.versions === undefined ? undefined : checkStoreDirectory(options.versions, root.path)
  const allows = allowedOf(options.allow ?? [])
  const kept = {
    ...(keep && { keepVersions: keepText(keep) }),
    ...(versions && { versions }),
    ...(links && { links }),
    ...(maxBytes !== undefined && { maxBytes }),
    ...(allows && { allows }),
  }
  addShare(places.config, { name, path: root.path, readOnly, for: machines, maxDelete, ...kept })
  const whom = machines === undefined ? 'every paired machine' : machines.join(', ')
  const limits = limitsOf({ maxDelete, maxBytes }).map((text) => `; ${text}`)
  const how = readOnly ? ', to be read only' : limits.join('')
  const time = keep === undefined ? '' : `; ${keptText(keepText(keep))}`
  const which = links === undefined ? '' : `; ${linksText(links)}`
  const rights = allows === undefined ? '' : `; ${allowedText(allows)}`
  process.stdout.write(`${safeText(root.path)} is shared as ${name} with ${whom}${how}${time}${which}${rights}\n`)
  const peers = openPeers(places.config, systemClock)
  for (const machine of machines ?? [])
    if (peers.byName(machine) === undefined)
      process.stdout.write(`${safeText(machine)} is not paired with this machine yet\n`)
  return 0
}

function limitOf(text: string): GuardLimit {
  const limit = parseGuardLimit(text)
  if (limit !== undefined) return limit
  throw new Failure('bad-usage', `a share's limit is a number or a percentage, not ${JSON.stringify(text)}`)
}

function bytesOf(text: string): number {
  const bytes = parseBytes(text)
  if (bytes !== undefined) return bytes
  throw new Failure('bad-usage', `a share's limit in bytes is a size (500M, 2TB), not ${JSON.stringify(text)}`)
}

/** What the owner lets a run do, in words; nothing where there is no limit. */
function limitsOf({ maxDelete, maxBytes }: Pick<Share, 'maxDelete' | 'maxBytes'>): string[] {
  return [
    ...(maxDelete === undefined ? [] : [`a run may delete and replace ${guardLimitText(maxDelete)} at most`]),
    ...(maxBytes === undefined ? [] : [`a run may bring ${bytesText(maxBytes)} at most`]),
  ]
}

function keptText(keep: string): string {
  return `keeps versions: ${/^\d/.test(keep) ? `${keep} days` : keep}`
}

function linksText(links: LinkPolicy): string {
  return links === 'portable' ? 'only links that stay within are let in' : 'every link is let in'
}

/** `share limit NAME [LIMIT]`: the only way past a share's limits is its owner's. */
export function shareLimit(name: string, text: string | undefined, options: ShareOptions): number {
  const { maxBytes } = options
  const links = linksOf(options.links)
  if (text === undefined && maxBytes === undefined && links === undefined) {
    const hint = 'a limit is N, P% or none'
    throw new Failure('bad-usage', 'share limit takes a limit, --max-bytes or --links', { hint })
  }
  const share = limitShare(openPlaces(options.state, process.env).config, name, {
    ...(text !== undefined && { maxDelete: text === 'none' ? undefined : limitOf(text) }),
    ...(maxBytes !== undefined && { maxBytes: maxBytes === 'none' ? undefined : bytesOf(maxBytes) }),
    ...(links && { links }),
  })
  const limits = limitsOf(share)
  const isLimit = text !== undefined || maxBytes !== undefined
  const told = [
    ...limits,
    ...(limits.length === 0 && isLimit ? ['no limit of its own'] : []),
    ...(links ? [linksText(links)] : []),
  ]
  process.stdout.write(`${name}: ${told.join('; ')}, from the next run on\n`)
  return 0
}

function allowedText(allows: Share['allows']): string {
  if (allows === undefined)
    return 'other machines set no owner, no set-id bits, no attributes of the system, and nothing of the folder itself'
  const sets = allows.filter((kind) => kind !== 'no-sync')
  const told = [
    ...(sets.length === 0 ? [] : [`set ${sets.join(', ')}`]),
    ...(sets.length === allows.length ? [] : ['leave out syncs']),
  ]
  return `other machines may ${told.join(' and ')}`
}

/** `share allow NAME WHAT...`: what a run of another machine may set besides what any user may. */
export function shareAllow(name: string, what: readonly string[], options: ShareOptions): number {
  const places = openPlaces(options.state, process.env)
  const share = allowShare(places.config, name, allowedOf(what) ?? [])
  process.stdout.write(`${name}: ${allowedText(share.allows)}, from the next run on\n`)
  return 0
}

export function shareList(options: ShareOptions): number {
  const shares = loadShares(openPlaces(options.state, process.env).config)
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ schema: 1, shares: shares.map(withLimitText) })}\n`)
    return 0
  }
  if (shares.length === 0) process.stdout.write('nothing is shared; nightferry share add NAME FOLDER shares a folder\n')
  for (const share of shares) {
    const { name, path, readOnly, for: machines, maxDelete, maxBytes, links, keepVersions, versions, allows } = share
    const access = readOnly ? 'read only' : 'read and write'
    const whom = machines?.join(', ') ?? 'every paired machine'
    const more = [
      ...limitsOf({ maxDelete, maxBytes }),
      ...(links === undefined ? [] : [linksText(links)]),
      ...(keepVersions === undefined ? [] : [keptText(keepVersions)]),
      ...(versions === undefined ? [] : [`versions in ${safeText(versions)}`]),
      ...(allows === undefined ? [] : [allowedText(allows)]),
    ]
    process.stdout.write(`${[name, safeText(path), access, whom, ...more].join('\t')}\n`)
  }
  return 0
}

function withLimitText({ maxDelete, ...share }: Share): object {
  return { ...share, maxDelete: maxDelete === undefined ? undefined : guardLimitText(maxDelete) }
}

export function shareRemove(name: string, options: ShareOptions): number {
  const removed = removeShare(openPlaces(options.state, process.env).config, name)
  if (removed === undefined) throw notShared(name)
  process.stdout.write(`${safeText(removed.path)} is not shared as ${name} any more; the folder stays as it is\n`)
  return 0
}
