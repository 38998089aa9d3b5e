// Directories of a tree as they are told to the other end: whole, by their outline where they are long, or some that
// nobody asked for by name, along with others. Reads the tree; never the disk.

import { allLevels, changedLevels } from '../core/levels.ts'
import { type RelPath, rootPath } from '../core/path.ts'
import { encodeTop } from '../core/top.ts'
import type { Tree } from '../core/tree.ts'

/** One directory as it is told to the other end. */
export type DirectoryListing = {
  readonly bytes: Uint8Array
  /** The directory's own time: a courtesy, not part of the listing. */
  readonly mtimeSeconds: number
  readonly mtimeNs: number
  /** Of the root, where the top folder itself is carried: as `encodeTop`. */
  readonly top?: Uint8Array
}

/** The same, where a long listing is told by its outline: `bytes` are none then. */
export type OutlinedListing = DirectoryListing & { readonly outline?: Uint8Array }

/** One that is told along with others. */
export type ToldListing = OutlinedListing & { readonly path: RelPath }

/** What is told along: what is not as it was stored, from the root on; or everything below what is asked for. */
export type Along = 'changed' | 'all'

/** What is told along by a guess may turn out to be of no use: over a slow line it is as long as a round trip over a far one. */
export const guessedBytes: number = 64 * 1024

/** What a listing costs besides its bytes and its path: its time, and the names of its fields. */
const toldOverhead = 48

/** Undefined where the directory is not known. */
export function wholeListing(tree: Tree, path: RelPath): DirectoryListing | undefined {
  const record = tree.record(path)
  const bytes = tree.listing(path)
  if (record === undefined || bytes === undefined) return undefined
  const { mtimeSeconds, mtimeNs } = record.own
  return { bytes, mtimeSeconds, mtimeNs, ...toldTop(tree, path) }
}

/** Undefined where the directory is not known. */
export function outlinedListing(tree: Tree, path: RelPath): OutlinedListing | undefined {
  const record = tree.record(path)
  const outline = tree.outline(path)
  const bytes = outline === undefined ? tree.listing(path) : new Uint8Array(0)
  if (record === undefined || bytes === undefined) return undefined
  const { mtimeSeconds, mtimeNs } = record.own
  return { bytes, ...(outline && { outline }), mtimeSeconds, mtimeNs, ...toldTop(tree, path) }
}

function toldTop(tree: Tree, path: RelPath): { top?: Uint8Array } {
  const top = path === rootPath ? tree.shownTop : undefined
  return top === undefined ? {} : { top: encodeTop(top) }
}

/** What a listing weighs, whatever it is told as. */
export function toldBytes({ bytes, outline, top }: Pick<OutlinedListing, 'bytes' | 'outline' | 'top'>): number {
  return bytes.length + (outline?.length ?? 0) + (top?.length ?? 0)
}

/** Whole levels first, as many as come to `maxBytes`, and none of those that are asked for by name; without any, from the root on. */
export function listingsAlong(tree: Tree, asked: readonly RelPath[], along: Along, maxBytes: number): ToldListing[] {
  const named = new Set(asked)
  const told: ToldListing[] = []
  let bytes = 0
  for (const path of along === 'changed' ? changedLevels(tree) : allLevels(tree, asked)) {
    const listing = named.has(path) ? undefined : outlinedListing(tree, path)
    if (listing === undefined) continue
    bytes += toldBytes(listing) + path.length + toldOverhead
    if (bytes > maxBytes) break
    told.push({ path, ...listing })
  }
  return told
}
