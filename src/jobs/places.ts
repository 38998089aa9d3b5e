// Small things that a comparison is made of: where a directory lies on both sides, a step from an entry, and what is asked
// for at once. Values in, values out.

import type { Entry } from '../core/entry.ts'
import { joinPath, nameOf, parentOf, type RelPath } from '../core/path.ts'
import type { SectionHead, Step } from '../core/plan.ts'
import type { DirectoryListing } from '../disk/told-listings.ts'
import type { WantedDirectory } from '../disk/wants.ts'
import { equalBytes } from '../std/bytes.ts'
import type { End } from './endpoint.ts'

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

/** The section of a directory that is to be made, or was moved: as its entry and its listing on the left say. */
export function headOf(
  path: RelPath,
  state: SectionHead['state'],
  listing: DirectoryListing,
  { mode, attributes }: Pick<Entry, 'mode' | 'attributes'>,
): SectionHead {
  const head = { ...timeOf(listing), path, state, mode }
  return attributes === undefined ? head : { ...head, attributes }
}

/** One directory a file: the order of the answers is the order of the paths. */
export function asFiles(paths: readonly RelPath[]): WantedDirectory[] {
  return paths.map((path) => ({ path: parentOf(path), names: [nameOf(path)] }))
}

/** The digests of files of both ends, in the order of their paths; `fresh`: everything is read. */
export async function digestsOf(
  left: End,
  right: End,
  fresh: boolean,
  lefts: readonly RelPath[],
  rights: readonly RelPath[],
): Promise<[(Uint8Array | undefined)[], (Uint8Array | undefined)[]]> {
  const both: [(Uint8Array | undefined)[], (Uint8Array | undefined)[]] = [[], []]
  for (let at = 0; at < lefts.length; at += digestsPerRequest) {
    const found = await Promise.all([
      left.digests(asFiles(lefts.slice(at, at + digestsPerRequest)), fresh),
      right.digests(asFiles(rights.slice(at, at + digestsPerRequest)), fresh),
    ])
    both[0].push(...found[0])
    both[1].push(...found[1])
  }
  return both
}

/** Whether what lies there now is, as far as it is told, what it was. */
export function isStill(a: Entry, b: Entry | undefined): boolean {
  if (b === undefined || a.kind !== b.kind || a.mode !== b.mode || a.sizeBytes !== b.sizeBytes) return false
  if (a.mtimeSeconds !== b.mtimeSeconds || a.mtimeNs !== b.mtimeNs || a.edits !== b.edits) return false
  return sameBytes(a.link, b.link) && sameBytes(a.summary?.fingerprint, b.summary?.fingerprint)
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b)
}
