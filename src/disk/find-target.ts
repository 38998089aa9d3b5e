// Which target a path belongs to: the nearest folder at or above it that holds our marker. The path itself may be gone.

import { lstatSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { ownDirectory, parseRelPath, type RelPath } from '../core/path.ts'
import { knownName, storedName } from '../core/stored-names.ts'
import { Failure } from '../std/failure.ts'
import { storesAt } from './marker.ts'

export type Placed = { readonly rootPath: string; readonly path: RelPath }

/**
 * The target at or below `base` (which has no symlink on its way) that holds `names`, and the path within it. No symlink
 * is followed. Undefined where no folder on the way is a target.
 */
export function findTarget(base: string, names: readonly string[]): Placed | undefined {
  let found: Placed | undefined
  let at = base
  for (let i = 0; ; i++) {
    if (isTarget(at)) {
      const path = parseRelPath(names.slice(i).join('/'))
      found = path === undefined ? undefined : { rootPath: at, path }
    }
    const name = names[i]
    if (name === undefined) return found
    at = join(at, name)
    if (lstatSync(at, { throwIfNoEntry: false })?.isDirectory() !== true) return found
  }
}

/** The same for a path as a person types it: links on the way to what exists are followed first. */
export function findTyped(text: string): Placed | undefined {
  const rest: string[] = []
  for (let at = resolve(text); ; at = dirname(at)) {
    const real = realOf(at, rest.length > 0)
    if (real !== undefined) return asKnown(findTarget('/', [...real.split('/').filter((name) => name !== ''), ...rest]))
    rest.unshift(basename(at))
  }
}

function asKnown(placed: Placed | undefined): Placed | undefined {
  if (placed === undefined) return undefined
  const path = parseRelPath(knownBelow(placed.rootPath, placed.path))
  return path === undefined ? undefined : { ...placed, path }
}

/**
 * A path below a root as runs know it. What a person typed, or had completed by a shell, may be the names that stand on the
 * disk, where these are other ones: a name that is there is one of those.
 */
export function knownBelow(root: string, path: string): string {
  const mask = path === '' ? 0 : storedAt(root)
  if (mask === 0) return path
  let at = root
  const names = path.split('/').map((name) => {
    const isThere = isEntry(join(at, name))
    at = join(at, isThere ? name : storedName(name, mask))
    return isThere ? (knownName(name, mask) ?? name) : name
  })
  return names.join('/')
}

/** The last part of a path may be a link itself: then it is what is meant, not what it leads to. */
function realOf(path: string, isParent: boolean): string | undefined {
  try {
    const isLink = !isParent && lstatSync(path).isSymbolicLink()
    return isLink ? join(realpathSync(dirname(path)), basename(path)) : realpathSync(path)
  } catch {
    return undefined
  }
}

/** A marker that can't be believed is told by whoever opens the root. */
function storedAt(root: string): number {
  try {
    return storesAt(root)
  } catch (error) {
    if (error instanceof Failure) return 0
    throw error
  }
}

function isEntry(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch {
    return false
  }
}

function isTarget(path: string): boolean {
  try {
    return lstatSync(join(path, ownDirectory, 'root.json'), { throwIfNoEntry: false })?.isFile() === true
  } catch {
    return false
  }
}
