// The folders that this machine lets others use: `shares.json` in the configuration directory. A share is given to every
// paired machine or to named ones. Read afresh on each use: another process may have changed it. What is not exactly
// right is refused, never guessed and never overwritten. Paths are kept as they were given: absolute, and resolved by the
// caller; nothing here asks the disk. Shares may lie within each other.

import { isAbsolute, join, normalize } from 'node:path'
import { maskOf, wantsAcls, wantsHardLinks, wantsXattrs } from '../core/attributes.ts'
import { type GuardLimit, guardLimitText, parseGuardLimit } from '../core/guard.ts'
import { isLinkPolicy, type LinkPolicy } from '../core/links.ts'
import type { OwnerLimit } from '../core/owner-limit.ts'
import { defaultKeep, parseKeep } from '../core/retention.ts'
import { fromUtf8, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { ensureOwnDirectory, ownFileMode, readOwnFile, writeOwnFile } from '../std/files.ts'
import { isMachineName } from '../wire/peers.ts'
import type { KeepWish } from './keeping.ts'

/** A folder that other machines may use. */
export type Share = {
  readonly name: string
  /** Absolute, with no symlink on the way when it was shared. */
  readonly path: string
  readonly readOnly: boolean
  /** Names of the machines it is given to; undefined: to every paired machine. */
  readonly for: readonly string[] | undefined
  /** What one run may delete and replace in it at most, whatever its driver plans or releases: the owner's word. */
  readonly maxDelete: GuardLimit | undefined
  /** Which symlinks others may make in it; undefined: every one. */
  readonly links?: LinkPolicy | undefined
  /** How many bytes of content one run may bring to it at most. */
  readonly maxBytes?: number | undefined
  /** How long old versions are kept at least, as `parseKeep` reads it; undefined: the default. A peer may ask for more. */
  readonly keepVersions?: string | undefined
  /** Where they lie, absolute; undefined: in the target itself. */
  readonly versions?: string | undefined
  /** What the runs of other machines may do in it beyond what any user may: set owners, set-id bits, attributes of the system and anything of the shared folder itself, and leave out syncs. */
  readonly allows?: readonly AllowedKind[] | undefined
}

/** What another machine may set only where the owner of a share says so. */
const settableKinds = ['owner', 'set-id', 'system-xattrs', 'top'] as const
/** What another machine may do only where the owner of a share says so: to set these, or to leave out syncs. */
export const allowedKinds = [...settableKinds, 'no-sync'] as const
export type AllowedKind = (typeof allowedKinds)[number]

export function isAllowedKind(text: unknown): text is AllowedKind {
  return allowedKinds.some((kind) => kind === text)
}

/** What a run of another machine may set in the share besides modes and times, as a mask of core's attributes. */
export function allowedIn({ allows = [] }: Pick<Share, 'allows'>): number {
  return wantsXattrs | wantsAcls | wantsHardLinks | maskOf(settableKinds.filter((kind) => allows.includes(kind)))
}

/** Whether the runs of other machines have to sync what they write to the share. */
export function mustSyncIn({ allows = [] }: Pick<Share, 'allows'>): boolean {
  return !allows.includes('no-sync')
}

/** What the owner of a share lets a run do to it. */
export function ownerLimitOf({ name, maxDelete, maxBytes }: Share): OwnerLimit | undefined {
  if (maxDelete === undefined && maxBytes === undefined) return undefined
  return { share: name, takes: maxDelete, bringsBytes: maxBytes }
}

/** How a peer's run has to keep versions in a share: it may ask for longer, never for less. */
export function keepWishOf(share: Share): KeepWish {
  const keep = share.keepVersions === undefined ? undefined : parseKeep(share.keepVersions)
  return { asked: keep, floor: keep ?? defaultKeep, directory: share.versions }
}

const sharesFile = 'shares.json'
const formatVersion = 1
const maxFileBytes = 4 * 1024 * 1024
const maxShares = 1000
const maxPathBytes = 4096

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/

/** All shares, in the order in which they were added. Throws `bad-config` or `format-too-new` for a file that is not ours. */
export function loadShares(configDirectory: string): readonly Share[] {
  const path = join(configDirectory, sharesFile)
  const mode = ownFileMode(path)
  if (mode !== undefined && (mode & 0o022) !== 0) {
    throw new Failure('bad-config', `${path} can be changed by other users`, {
      hint: 'It says which folders others may use. Look through it, then run chmod 600 on it.',
    })
  }
  const bytes = readOwnFile(path, { maxBytes: maxFileBytes })
  if (bytes === undefined) return []
  let content: unknown
  try {
    content = JSON.parse(fromUtf8(bytes) ?? '')
  } catch {
    throw damaged(path, 'it is not JSON')
  }
  return readShares(content, path)
}

/** Adds a share. Its path must be absolute and resolved. Throws `bad-usage` for what can't be one and for a name that is taken. */
export function addShare(configDirectory: string, share: Share): void {
  const fault = faultIn(share)
  if (fault !== undefined) throw new Failure('bad-usage', fault.message, { hint: fault.hint })
  const shares = loadShares(configDirectory)
  const same = shares.find(({ name }) => name.toLowerCase() === share.name.toLowerCase())
  if (same !== undefined) {
    throw new Failure('bad-usage', `${same.path} is shared as ${same.name} already`, { hint: 'Choose another name.' })
  }
  if (shares.length >= maxShares) throw new Failure('limit-exceeded', `more than ${maxShares} folders are shared`)
  writeShares(configDirectory, [...shares, share])
}

/** What was removed, or undefined where no share has the name. Sessions that use it are the caller's to end. */
export function removeShare(configDirectory: string, name: string): Share | undefined {
  const shares = loadShares(configDirectory)
  const share = shares.find((one) => one.name === name)
  if (share !== undefined) {
    writeShares(
      configDirectory,
      shares.filter((one) => one !== share),
    )
  }
  return share
}

/** What of a share's limits changes; what is not named stays. */
export type ShareLimits = Partial<Pick<Share, 'maxDelete' | 'maxBytes' | 'links'>>

/** Gives a share other limits, or none. Throws `unknown-share`. What runs already began under the old ones. */
export function limitShare(configDirectory: string, name: string, limits: ShareLimits): Share {
  const shares = loadShares(configDirectory)
  const share = shares.find((one) => one.name === name)
  if (share === undefined) throw notShared(name)
  const limited = { ...share, ...limits }
  writeShares(
    configDirectory,
    shares.map((one) => (one === share ? limited : one)),
  )
  return limited
}

/** Gives a share's runs other rights, or none. Throws `unknown-share`. */
export function allowShare(configDirectory: string, name: string, allows: readonly AllowedKind[]): Share {
  const shares = loadShares(configDirectory)
  const share = shares.find((one) => one.name === name)
  if (share === undefined) throw notShared(name)
  const allowed = { ...share, allows: allows.length === 0 ? undefined : allows }
  writeShares(
    configDirectory,
    shares.map((one) => (one === share ? allowed : one)),
  )
  return allowed
}

export function notShared(name: string): Failure {
  return new Failure('unknown-share', `nothing is shared as ${name}`, { hint: 'see nightferry share list' })
}

/**
 * The share that a paired machine asks for. One that is not there and one that is not given to this machine give the
 * same `unknown-share`, so that nobody learns what is shared with others.
 */
export function shareFor(shares: readonly Share[], name: string, machine: string): Share {
  const share = shares.find((one) => one.name === name)
  const isGiven = share?.for === undefined || share.for.some((one) => one.toLowerCase() === machine.toLowerCase())
  if (share === undefined || !isGiven) {
    throw new Failure('unknown-share', `this machine is given no share named ${name}`, {
      hint: 'See share list on the machine that holds the folder.',
    })
  }
  return share
}

function writeShares(directory: string, shares: readonly Share[]): void {
  ensureOwnDirectory(directory, 0o700)
  // What is undefined is left out: given to all, without a limit.
  const told = shares.map(({ maxDelete, ...share }) => ({
    ...share,
    maxDelete: maxDelete === undefined ? undefined : guardLimitText(maxDelete),
  }))
  const text = JSON.stringify({ version: formatVersion, shares: told }, undefined, 2)
  writeOwnFile(join(directory, sharesFile), utf8(`${text}\n`), { mode: 0o600 })
}

/** What keeps this from being a share, in words. */
function faultIn({
  name,
  path,
  for: machines,
  keepVersions,
  versions,
}: Share): { message: string; hint: string } | undefined {
  if (!namePattern.test(name)) {
    return {
      message: `${JSON.stringify(name)} cannot name a share`,
      hint: 'A name starts with a letter or digit and has up to 63 letters, digits, dots, dashes and underscores.',
    }
  }
  if (!isResolved(path)) {
    return {
      message: `${JSON.stringify(path)} is not an absolute path`,
      hint: 'Write it from the root, with no . or .. in it.',
    }
  }
  if (keepVersions !== undefined && parseKeep(keepVersions) === undefined) {
    return {
      message: `${JSON.stringify(keepVersions)} does not say how long versions are kept`,
      hint: 'It is a number of days, forever or none.',
    }
  }
  if (versions !== undefined && !isResolved(versions)) {
    return { message: `${JSON.stringify(versions)} is not an absolute path`, hint: 'Name a folder for old versions.' }
  }
  if (machines?.length === 0)
    return { message: 'the share is given to nobody', hint: 'Name a machine, or give it to all.' }
  const wrong = machines?.find((machine) => !isMachineName(machine))
  if (wrong === undefined) return undefined
  return { message: `${JSON.stringify(wrong)} cannot name a machine`, hint: 'See nightferry machines for their names.' }
}

function isResolved(path: string): boolean {
  if (!isAbsolute(path) || !path.isWellFormed() || path.includes('\0') || utf8(path).length > maxPathBytes) return false
  return normalize(path) === path && (path.length === 1 || !/[/\\]$/.test(path))
}

function damaged(path: string, what: string): Failure {
  return new Failure('bad-config', `${path} is damaged: ${what}`, {
    hint: 'Put it back from a backup, or mend it by hand; Nightferry changes nothing in it meanwhile.',
  })
}

function readShares(content: unknown, path: string): readonly Share[] {
  const version: unknown = typeof content === 'object' && content !== null ? Reflect.get(content, 'version') : undefined
  if (typeof version === 'number' && version > formatVersion) {
    throw new Failure('format-too-new', `${path} was written by a newer Nightferry (format ${version})`, {
      hint: 'Update Nightferry on this machine. Nothing was changed.',
    })
  }
  if (version !== formatVersion) throw damaged(path, `its version is not ${formatVersion}`)
  const list = fieldsOf(content, ['version', 'shares'], [], 'it', path).get('shares')
  if (!Array.isArray(list)) throw damaged(path, 'shares is not a list')
  if (list.length > maxShares) throw damaged(path, `shares has more than ${maxShares} entries`)
  const names = new Set<string>()
  return list.map((item: unknown, index) => {
    const where = `shares[${index}]`
    const share = readShare(item, where, path)
    if (names.has(share.name.toLowerCase())) throw damaged(path, `${where}.name is there twice`)
    names.add(share.name.toLowerCase())
    return share
  })
}

function readShare(item: unknown, where: string, path: string): Share {
  const fields = fieldsOf(
    item,
    ['name', 'path', 'readOnly'],
    ['for', 'maxDelete', 'maxBytes', 'keepVersions', 'versions', 'links', 'allows'],
    where,
    path,
  )
  const [name, shared, readOnly] = [fields.get('name'), fields.get('path'), fields.get('readOnly')]
  if (typeof name !== 'string') throw damaged(path, `${where}.name is not a name`)
  if (typeof shared !== 'string') throw damaged(path, `${where}.path is not a path`)
  if (typeof readOnly !== 'boolean') throw damaged(path, `${where}.readOnly is neither true nor false`)
  const [keepVersions, versions] = ['keepVersions', 'versions'].map((key) => {
    const value = fields.get(key)
    if (value !== undefined && typeof value !== 'string') throw damaged(path, `${where}.${key} is no text`)
    return value
  })
  const kept = { ...(keepVersions && { keepVersions }), ...(versions && { versions }) }
  const machines = readMachines(fields, where, path)
  const maxDelete = readLimit(fields, where, path)
  const links = readLinks(fields, where, path)
  const maxBytes = readBytes(fields, where, path)
  const limits = { maxDelete, ...(maxBytes !== undefined && { maxBytes }), ...links }
  const allows = readAllows(fields, where, path)
  const share = { name, path: shared, readOnly, for: machines, ...limits, ...kept, ...(allows && { allows }) }
  const fault = faultIn(share)
  if (fault !== undefined) throw damaged(path, `${where}: ${fault.message}`)
  return share
}

function readAllows(fields: ReadonlyMap<string, unknown>, where: string, path: string): AllowedKind[] | undefined {
  if (!fields.has('allows')) return undefined
  const allows = fields.get('allows')
  if (!Array.isArray(allows)) throw damaged(path, `${where}.allows is not a list`)
  return allows.map((kind: unknown) => {
    if (!isAllowedKind(kind)) throw damaged(path, `${where}.allows holds what nothing is called`)
    return kind
  })
}

function readLimit(fields: ReadonlyMap<string, unknown>, where: string, path: string): GuardLimit | undefined {
  if (!fields.has('maxDelete')) return undefined
  const text = fields.get('maxDelete')
  const limit = typeof text === 'string' ? parseGuardLimit(text) : undefined
  // A limit that nobody understands is never taken for none.
  if (limit === undefined) throw damaged(path, `${where}.maxDelete is no limit`)
  return limit
}

function readLinks(fields: ReadonlyMap<string, unknown>, where: string, path: string): { links?: LinkPolicy } {
  const links = fields.get('links')
  if (links === undefined) return {}
  // A rule that nobody understands is never taken for none.
  if (typeof links !== 'string' || !isLinkPolicy(links)) throw damaged(path, `${where}.links is no rule for links`)
  return { links }
}

function readBytes(fields: ReadonlyMap<string, unknown>, where: string, path: string): number | undefined {
  const bytes = fields.get('maxBytes')
  if (bytes === undefined || (Number.isSafeInteger(bytes) && (bytes as number) >= 0)) return bytes as number | undefined
  throw damaged(path, `${where}.maxBytes is no limit`)
}

function readMachines(fields: ReadonlyMap<string, unknown>, where: string, path: string): string[] | undefined {
  if (!fields.has('for')) return undefined
  const machines = fields.get('for')
  if (!Array.isArray(machines)) throw damaged(path, `${where}.for is not a list`)
  return machines.map((machine: unknown) => {
    if (typeof machine !== 'string') throw damaged(path, `${where}.for holds what is no name`)
    return machine
  })
}

/** The fields of an object that has all of `required`, maybe some of `optional`, and nothing else. */
function fieldsOf(
  value: unknown,
  required: readonly string[],
  optional: readonly string[],
  where: string,
  path: string,
): ReadonlyMap<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw damaged(path, `${where} is not an object`)
  const fields = new Map<string, unknown>(Object.entries(value))
  for (const key of required) if (!fields.has(key)) throw damaged(path, `${where} has no ${key}`)
  for (const key of fields.keys()) {
    if (!required.includes(key) && !optional.includes(key)) throw damaged(path, `${where} has an unknown field`)
  }
  return fields
}
