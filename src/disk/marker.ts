// The marker of a target, `.nightferry/root.json`: a random id, bound to the machine, path, device and inode at which it
// was last seen. It says whether the folder at a path is the one that earlier runs wrote to, whether it moved since, and
// whether it was copied: the same id in two places says nothing about either. Written when a run opens the target, never
// by a dry run. A marker that can't be read, or can't be believed, ends the run before anything is touched.

import { type BigIntStats, existsSync, readdirSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { joinPath, ownDirectory, type RelPath } from '../core/path.ts'
import { statWidth } from '../core/stat.ts'
import { storesMax } from '../core/stored-names.ts'
import { utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { readOwnFile, writeOwnFile } from '../std/files.ts'
import { randomName } from '../std/random.ts'
import type { Sys } from './sys.ts'

/** The second one has names that are stored under others: a program that does not know of it would take them for other names. */
const markerVersion = 2
/** A path of 4,096 bytes, each written as an escape, and some more. */
const markerMaxBytes = 32 * 1024
const markerFile = 'root.json'

export type Marker = {
  readonly id: string
  readonly machine: string
  readonly path: string
  /** Undefined in a marker of a version that did not look. */
  readonly device: string | undefined
  readonly inode: string | undefined
  /** How names that its disk refuses are stored: a mask of core/stored-names.ts. */
  readonly stores: number
}

/** What differs from what the marker says, what a new target holds that is left alone, and what it may not hold; for a notice. */
export type Rebound = 'root-moved' | 'root-other-disk' | 'lost-found' | 'unsynced'

/** The marker in `ownPath`, or undefined where there is none. `path` is the target, for people. */
export function readMarker(ownPath: string, path: string): Marker | undefined {
  const bytes = readMarkerBytes(ownPath, path)
  if (bytes === undefined) return undefined
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch (error) {
    throw new Failure('root-replaced', `the marker in ${join(path, ownDirectory)} is damaged`, { cause: error })
  }
  const { version, id, machine, path: place, device, inode, stores = 0 } = (value ?? {}) as Record<string, unknown>
  if (typeof version === 'number' && (version > markerVersion || Number(stores) > storesMax)) {
    throw new Failure('format-too-new', `${path} was written by a newer Nightferry`, { hint: 'update this machine' })
  }
  const isStoring = version === markerVersion && Number.isInteger(stores) && Number(stores) > 0
  if (!(isStoring || (version === 1 && stores === 0)) || typeof id !== 'string' || !/^[a-z0-9]{8,64}$/.test(id)) {
    throw new Failure('root-replaced', `the marker in ${join(path, ownDirectory)} is damaged`)
  }
  const textOf = (field: unknown): string | undefined => (typeof field === 'string' ? field : undefined)
  const bound = { machine: textOf(machine) ?? '', path: textOf(place) ?? '' }
  return { id, ...bound, device: textOf(device), inode: textOf(inode), stores: Number(stores) }
}

function readMarkerBytes(ownPath: string, path: string): Uint8Array | undefined {
  try {
    return readOwnFile(join(ownPath, markerFile), { maxBytes: markerMaxBytes })
  } catch (error) {
    const isDenied = error instanceof Failure && (error.cause as { code?: string } | undefined)?.code === 'EACCES'
    if (isDenied)
      throw new Failure('target-not-writable', `the marker of ${path} can't be read (EACCES)`, { cause: error })
    throw new Failure('root-replaced', `the marker in ${join(path, ownDirectory)} is damaged`, { cause: error })
  }
}

/**
 * An empty file whose name has what names are stored with, and a letter that disks keep in more than one way: where it does
 * not answer to this name any more, the disk is mounted with another character set, and no name on it is what it was.
 */
const sampleName = 'names-\u00e4\uf03a\uf0ff'

/** Whether the disk keeps the names that are stored with. */
function plantSample(ownPath: string): boolean {
  const file = join(ownPath, sampleName)
  try {
    writeFileSync(file, '', { mode: 0o600 })
    return readdirSync(ownPath).includes(sampleName)
  } catch {
    return false
  }
}

function checkSample({ stores }: Marker, ownPath: string, path: string): void {
  if (stores === 0 || existsSync(join(ownPath, sampleName))) return
  throw new Failure('names-changed', `names in ${path} do not come back as they were stored`, {
    hint: 'nothing was changed; mount its disk with the character set that it had before. If it is a copy, and its names are as they shall be: run into it once with --new-target',
  })
}

/**
 * How names are stored in the folder at `path`, if it is a target, or in the target that it lies in: what was run into is
 * read by it, whoever reads it later. Throws `names-changed`, and as `readMarker` does.
 */
export function storesAt(path: string): number {
  for (let at = path; ; at = dirname(at)) {
    const own = join(at, ownDirectory)
    const marker = existsSync(join(own, markerFile)) ? readMarker(own, at) : undefined
    if (marker !== undefined) {
      checkSample(marker, own, at)
      // Another disk that is mounted in it holds names as they are.
      return marker.stores !== 0 && at !== path && deviceOf(at) !== deviceOf(path) ? 0 : marker.stores
    }
    if (at === dirname(at)) return 0
  }
}

/**
 * The id of the target at `path`, whose `.nightferry` is `place` by a path that can't be redirected; made where there is none, with what differs from what its marker said. With `write` the
 * marker is bound to where it lies now; without, the id may be undefined. `isNew`: a person says that this is another
 * folder than the one it was copied from. `storable` tries out what can be stored under other names: that is settled with
 * the id, since what lies there is read by it. Throws `root-replaced` for a copy, `names-changed`.
 */
export function bindMarker(
  path: string,
  options: {
    readonly place: string
    readonly machine: string
    readonly write: boolean
    readonly isNew: boolean
    readonly storable: () => number
  },
): { id: string | undefined; rebound: Rebound[]; stores: number } {
  const ownPath = options.place
  const place = realpathSync(path)
  const facts = statSync(path, { bigint: true })
  const known = readMarker(ownPath, path)
  if (known !== undefined && !options.isNew) checkSample(known, ownPath, path)
  if (known === undefined && !options.write) return { id: undefined, rebound: [], stores: 0 }
  const isElsewhere = known !== undefined && known.path !== place
  const other = isElsewhere ? markedFolder(known) : undefined
  // The same folder by another path (a bind mount) is no other place, and stays bound to the first.
  if (known !== undefined && other !== undefined && isSameFolder(other, facts))
    return { id: known.id, rebound: [], stores: known.stores }
  const isCopy = other !== undefined
  if (isCopy && !options.isNew) throw copied(path)
  const stores =
    options.write && (known === undefined || options.isNew) ? storesFrom(known, options) : (known?.stores ?? 0)
  // With other names nothing that lies there is what a run before agreed on.
  const isOther = known === undefined || isCopy || stores !== known.stores
  const id = isOther ? randomName(24) : known.id
  const rebound: Rebound[] = []
  if (isElsewhere && !isCopy) rebound.push('root-moved')
  else if (known?.inode !== undefined && !isCopy && !isSameFolder(known, facts)) rebound.push('root-other-disk')
  const told = stores === 0 ? { version: 1 } : { version: markerVersion, stores }
  const marker = { ...told, id, machine: options.machine, path: place, ...placeOf(facts) }
  const isBound = known?.id === id && known.machine === options.machine && rebound.length === 0
  if (options.write && !(isBound && known.inode !== undefined)) {
    writeOwnFile(join(ownPath, markerFile), utf8(`${JSON.stringify(marker)}\n`), { mode: 0o600 })
  }
  return { id, rebound, stores }
}

/** What lies there under other names stays so; what its disk refuses besides comes to it. */
function storesFrom(
  known: Marker | undefined,
  { place, storable }: { readonly place: string; readonly storable: () => number },
): number {
  const stores = (known?.stores ?? 0) | storable()
  return stores !== 0 && plantSample(place) ? stores : (known?.stores ?? 0)
}

function deviceOf(path: string): bigint | undefined {
  return factsOf(path)?.dev
}

function placeOf({ dev, ino }: BigIntStats): { device: string; inode: string } {
  return { device: String(dev), inode: String(ino) }
}

function isSameFolder(known: { device: string | undefined; inode: string | undefined }, facts: BigIntStats): boolean {
  const { device, inode } = placeOf(facts)
  return known.device === device && known.inode === inode
}

/** The folder that the marker names, where that folder still has a marker of the same id. In doubt it is there. */
function markedFolder(known: Marker): { device: string | undefined; inode: string | undefined } | undefined {
  if (!existsSync(known.path)) return undefined
  try {
    const marker = readMarker(join(known.path, ownDirectory), known.path)
    return marker?.id === known.id ? placeOf(statSync(known.path, { bigint: true })) : undefined
  } catch {
    return { device: undefined, inode: undefined }
  }
}

function copied(path: string): Failure {
  return new Failure(
    'root-replaced',
    `${path} is a copy of another target, with its marker, and that one is still there`,
    {
      hint: `nothing was changed; if both shall be targets, run once with --new-target, or remove ${ownDirectory} in the copy`,
    },
  )
}

/**
 * Refuses a folder (`place`, which may not be there yet) inside another target: two runs would write to the same files. Throws
 * `nested-ends`, which names the other one by its way from here only.
 */
export function refuseNested(path: string, place: string): void {
  for (let at = dirname(place); ; at = dirname(at)) {
    if (existsSync(join(at, ownDirectory, markerFile))) {
      throw new Failure(
        'nested-ends',
        `the target ${path} lies inside another target, ${aboveText(relative(place, at).split('/').length)}`,
        {
          hint: `run that one instead; if its run leaves this folder out (--exclude), run this once with --new-target; if it is a target no more, remove its ${ownDirectory}`,
        },
      )
    }
    if (at === dirname(at)) return
  }
}

/** How far above: a peer learns no more of where a share lies. */
function aboveText(levels: number): string {
  return levels === 1 ? 'the folder above it' : `the folder ${levels} levels above it`
}

/** Whether a directory below a root has a marker of ours: then it is the target of some run. */
export function isMarked(sys: Sys, root: number, path: RelPath): boolean {
  const handle = sys.openDirectory(root, utf8(joinPath(path, ownDirectory)))
  if (handle < 0) return false
  const code = sys.stat(handle, utf8(markerFile), new Uint32Array(statWidth), 0)
  sys.close(handle)
  return code === 0
}

/** Whether two paths lead to one folder, by links, mounts or names. */
export function isOneFolder(one: string, other: string): boolean {
  const [a, b] = [one, other].map(factsOf)
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino
}

/** What can't be looked at (a circle of links, say) is for who opens it to tell. */
function factsOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false })
  } catch {
    return undefined
  }
}
