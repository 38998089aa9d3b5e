// Digests of files as a tree knows them, and by reading what it does not know. What was read belongs to the signature that
// the tree has, or teaches it nothing.

import { chunkedFromBytes } from '../chunk/split.ts'
import { damagedDigest } from '../core/digests.ts'
import { flagRacy } from '../core/page.ts'
import type { RelPath } from '../core/path.ts'
import type { DirectoryRecord } from '../core/record.ts'
import { sameSignature, sizeOf, statWidth } from '../core/stat.ts'
import type { Tree } from '../core/tree.ts'
import { equalBytes, utf8 } from '../std/bytes.ts'
import { type IsStopped, neverStopped, stopped } from '../std/stop.ts'
import { digestFile } from './content.ts'
import { digestAtHand, keyAtHand, recipesAtHand } from './recipes-at-hand.ts'
import type { Sys } from './sys.ts'
import type { WantedDirectory } from './wants.ts'

export type Asking = {
  /** Everything is read, and content that differs under an unchanged signature is damage. */
  readonly fresh: boolean
  /** Names the recipes of large files, which are about to be asked for; undefined where nobody will. */
  readonly scope: number | undefined
  readonly nowMs: () => number
  readonly isStopped: IsStopped
}

/** Side by side with the files; undefined where not to be had. Throws `cancelled` once it is stopped. */
export function digestsOf(
  sys: Sys,
  root: number,
  tree: Tree,
  files: readonly WantedDirectory[],
  asking: Asking,
): (Uint8Array | undefined)[] {
  const digests: (Uint8Array | undefined)[] = []
  for (const { path, names } of files) {
    const record = tree.record(path)
    const handle = record === undefined ? -1 : sys.openDirectory(root, utf8(path))
    const read = new Map<number, Uint8Array>()
    const digestOfFile = readerFor(path, asking)
    for (const name of names) {
      const row = record?.find(utf8(name)) ?? -1
      const isKnown = record !== undefined && row >= 0 && handle >= 0
      digests.push(isKnown ? contentDigest(sys, record, row, handle, asking, read, digestOfFile) : undefined)
    }
    if (handle >= 0) sys.close(handle)
    if (asking.isStopped()) throw stopped()
    if (record === undefined || read.size === 0) continue
    for (const [row, digest] of read) record.setDigest(row, digest)
  }
  return digests
}

/** Reads a file once for its digest, and for its recipe where that will be asked for, too. */
function readerFor(path: RelPath, { fresh, scope, nowMs }: Asking): typeof digestFile {
  if (scope === undefined || fresh) return digestFile
  return (sys, directory, name, sizeBytes, isStopped = neverStopped) => {
    if (sizeBytes < chunkedFromBytes) return digestFile(sys, directory, name, sizeBytes, isStopped)
    const key = keyAtHand(scope, path, name)
    const place = { directory, name, sizeBytes }
    return digestAtHand(sys, place, nowMs, isStopped, (stats, recipe) => recipesAtHand.put(key, stats, recipe))
  }
}

/** A file's digest: the known one, or its content's by `digestOfFile`, which is put into `read` where it belongs to the known signature. */
function contentDigest(
  sys: Sys,
  record: DirectoryRecord,
  row: number,
  directory: number,
  { fresh, isStopped }: Asking,
  read: Map<number, Uint8Array>,
  digestOfFile: typeof digestFile,
): Uint8Array | undefined {
  const known = record.digest(row)
  if (known !== undefined && !fresh) return known
  const name = record.nameBytes(row)
  const digest = digestOfFile(sys, directory, name, sizeOf(record.stats(row), record.at(row)), isStopped)
  if (digest === undefined) return undefined
  const now = new Uint32Array(statWidth)
  const isUntouched =
    sys.stat(directory, name, now, 0) === 0 && sameSignature(now, 0, record.stats(row), record.at(row))
  if (known === undefined) {
    if (isUntouched) read.set(row, digest)
    return digest
  }
  if (equalBytes(known, digest)) return digest
  // Other content: either someone wrote to it since the scan, or the disk did.
  return isUntouched && (record.flags(row) & flagRacy) === 0 ? damagedDigest : undefined
}
