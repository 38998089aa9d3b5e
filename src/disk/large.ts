// Which wants of a batch are large, and what the target had at their names: those are told in portions where that may pay.

import { chunkedFromBytes } from '../chunk/split.ts'
import { digestBytes } from '../core/page.ts'
import { joinPath, type RelPath } from '../core/path.ts'
import type { Section } from '../core/plan.ts'
import { sizeOf, statWidth, typeFile } from '../core/stat.ts'
import type { Tree } from '../core/tree.ts'
import { hex, utf8 } from '../std/bytes.ts'

/** A large file that is wanted. */
export type LargeWant = {
  /** Among all steps of the batch, and among its wants. */
  readonly number: number
  readonly want: number
  readonly directory: RelPath
  readonly name: string
  readonly sizeBytes: number
  /** The file of some size that it replaces, as the scan saw it. */
  readonly old: { readonly stats: Uint32Array; readonly digest: Uint8Array | undefined } | undefined
}

/** Below, an old file is not worth looking into. */
const oldFromBytes = chunkedFromBytes / 4

export function largeWants(tree: Tree, sections: readonly Section[], wanted: Uint8Array): LargeWant[] {
  const large: LargeWant[] = []
  let number = 0
  let want = 0
  for (const { path: directory, steps } of sections) {
    for (const { action, entry } of steps) {
      const isWanted = wanted[number++] === 1
      if (isWanted) want++
      if (!isWanted || entry.sizeBytes < chunkedFromBytes) continue
      const old = action === 'replace' ? oldFile(tree, directory, entry.name) : undefined
      large.push({ number: number - 1, want: want - 1, directory, name: entry.name, sizeBytes: entry.sizeBytes, old })
    }
  }
  return large
}

function oldFile(tree: Tree, directory: RelPath, name: string): LargeWant['old'] {
  const record = tree.record(directory)
  const row = record?.find(utf8(name)) ?? -1
  if (record === undefined || row < 0 || record.type(row) !== typeFile) return undefined
  const at = record.at(row)
  if (sizeOf(record.stats(row), at) < oldFromBytes) return undefined
  return { stats: record.stats(row).slice(at, at + statWidth), digest: record.digest(row)?.slice() }
}

/** A file of the tree that holds a content. */
export type ContentPlace = {
  /** Among the contents that were asked for. */
  readonly content: number
  readonly directory: RelPath
  readonly name: Uint8Array
  readonly stats: Uint32Array
}

/** A file of the tree for each content of which one is known; `digests` side by side. */
export function placesOfContents(tree: Tree, digests: Uint8Array): ContentPlace[] {
  const wanted = new Map<string, number>()
  for (let at = 0; at < digests.length; at += digestBytes) {
    wanted.set(hex(digests.subarray(at, at + digestBytes)), at / digestBytes)
  }
  const places: ContentPlace[] = []
  for (const directory of tree.paths()) {
    const record = tree.record(directory)
    for (let row = 0; record !== undefined && row < record.count && wanted.size > 0; row++) {
      const at = record.at(row)
      if (record.type(row) !== typeFile || sizeOf(record.stats(row), at) < oldFromBytes) continue
      const digest = record.digest(row)
      const key = digest === undefined ? '' : hex(digest)
      const content = wanted.get(key)
      if (content === undefined) continue
      wanted.delete(key)
      const stats = record.stats(row).slice(at, at + statWidth)
      places.push({ content, directory, name: record.nameBytes(row).slice(), stats })
    }
  }
  return places
}

/** The path of a large want. */
export function pathOfLarge({ directory, name }: LargeWant): RelPath {
  return joinPath(directory, name)
}
