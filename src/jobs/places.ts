// Small things that a comparison is made of: where a directory lies on both sides, a step from an entry, and what is asked
// for at once. Values in, values out.

import type { Entry } from '../core/entry.ts'
import { joinPath, nameOf, parentOf, type RelPath } from '../core/path.ts'
import type { Step } from '../core/plan.ts'
import type { DirectoryListing } from '../disk/tasks.ts'
import type { WantedDirectory } from '../disk/wants.ts'

/** A directory of both ends: its path on the left, and where the right has it now. They differ below what moved. */
export type Place = { readonly path: RelPath; readonly origin: RelPath }

const listingsPerRequest = 400
export const digestsPerRequest = 2000
/** Of a directory that holds nothing. */
export const emptyListing: Uint8Array = new Uint8Array([1])

export function* chunks<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let at = 0; at < items.length; at += listingsPerRequest) yield items.slice(at, at + listingsPerRequest)
}

export function placeIn({ path, origin }: Place, name: string): Place {
  return { path: joinPath(path, name), origin: joinPath(origin, name) }
}

export function stepOf(action: Step['action'], entry: Entry): Step {
  return { action, entry, from: undefined, digest: undefined }
}

export function below(entry: Entry): number {
  return entry.summary === undefined ? 0 : entry.summary.files + entry.summary.directories
}

export function timeOf(listing: DirectoryListing): { mtimeSeconds: number; mtimeNs: number } {
  return { mtimeSeconds: listing.mtimeSeconds, mtimeNs: listing.mtimeNs }
}

/** One directory a file: the order of the answers is the order of the paths. */
export function asFiles(paths: readonly RelPath[]): WantedDirectory[] {
  return paths.map((path) => ({ path: parentOf(path), names: [nameOf(path)] }))
}
