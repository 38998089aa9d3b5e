// The marker of a target, `.nightferry/root.json`: a random id, bound to the machine, path, device and inode at which it
// was last seen. It says whether the folder at a path is the one that earlier runs wrote to, whether it moved since, and
// whether it was copied: the same id in two places says nothing about either. Written when a run opens the target, never
// by a dry run. A marker that can't be read, or can't be believed, ends the run before anything is touched.

import { type BigIntStats, existsSync, realpathSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { joinPath, ownDirectory, type RelPath } from '../core/path.ts'
import { statWidth } from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { readOwnFile, writeOwnFile } from '../std/files.ts'
import { randomName } from '../std/random.ts'
import type { Sys } from './sys.ts'

const markerVersion = 1
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
  const { version, id, machine, path: place, device, inode } = (value ?? {}) as Record<string, unknown>
  if (typeof version === 'number' && version > markerVersion) {
    throw new Failure('format-too-new', `${path} was written by a newer Nightferry`, { hint: 'update this machine' })
  }
  if (version !== markerVersion || typeof id !== 'string' || !/^[a-z0-9]{8,64}$/.test(id)) {
    throw new Failure('root-replaced', `the marker in ${join(path, ownDirectory)} is damaged`)
  }
  const textOf = (field: unknown): string | undefined => (typeof field === 'string' ? field : undefined)
  return { id, machine: textOf(machine) ?? '', path: textOf(place) ?? '', device: textOf(device), inode: textOf(inode) }
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
 * The id of the target at `path`, whose `.nightferry` is `place` by a path that can't be redirected; made where there is none, with what differs from what its marker said. With `write` the
 * marker is bound to where it lies now; without, the id may be undefined. `isNew`: a person says that this is another
 * folder than the one it was copied from. Throws `root-replaced` for a copy.
 */
export function bindMarker(
  path: string,
  options: { readonly place: string; readonly machine: string; readonly write: boolean; readonly isNew: boolean },
): { id: string | undefined; rebound: Rebound[] } {
  const ownPath = options.place
  const place = realpathSync(path)
  const facts = statSync(path, { bigint: true })
  const known = readMarker(ownPath, path)
  if (known === undefined && !options.write) return { id: undefined, rebound: [] }
  const isElsewhere = known !== undefined && known.path !== place
  const other = isElsewhere ? markedFolder(known) : undefined
  // The same folder by another path (a bind mount) is no other place, and stays bound to the first.
  if (known !== undefined && other !== undefined && isSameFolder(other, facts)) return { id: known.id, rebound: [] }
  const isCopy = other !== undefined
  if (isCopy && !options.isNew) throw copied(path)
  const id = known === undefined || isCopy ? randomName(24) : known.id
  const rebound: Rebound[] = []
  if (isElsewhere && !isCopy) rebound.push('root-moved')
  else if (known?.inode !== undefined && !isCopy && !isSameFolder(known, facts)) rebound.push('root-other-disk')
  const marker = { version: markerVersion, id, machine: options.machine, path: place, ...placeOf(facts) }
  const isBound = known?.id === id && known.machine === options.machine && rebound.length === 0
  if (options.write && !(isBound && known.inode !== undefined)) {
    writeOwnFile(join(ownPath, markerFile), utf8(`${JSON.stringify(marker)}\n`), { mode: 0o600 })
  }
  return { id, rebound }
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
  if (known.path === '' || !existsSync(known.path)) return undefined
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
