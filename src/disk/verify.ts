// Reads what a target holds again and holds it against what is known of it. The tree's seat says what there is, a chunk
// at a time; any seat reads a chunk; the tree's seat takes in what came out. A content that is not what it was is never
// believed again: its digest is forgotten and an edit is counted, so that the next run compares it and brings it anew.

import { damagedDigest, joinDigests } from '../core/digests.ts'
import { digestBytes, editShift, flagRacy } from '../core/page.ts'
import { joinPath, type RelPath, rootPath } from '../core/path.ts'
import type { Problem } from '../core/problem.ts'
import { buildRecord, recordRow } from '../core/record.ts'
import { sameSignature, sizeOf, statDevice, statWidth, typeDirectory } from '../core/stat.ts'
import type { Tree } from '../core/tree.ts'
import { isHidden, isOutsideRow, kindOf } from '../core/view.ts'
import { decodeName, equalBytes, utf8 } from '../std/bytes.ts'
import { type IsStopped, stopped } from '../std/stop.ts'
import { digestFile } from './content.ts'
import { type Learned, LearnedWriter, readLearned } from './learned.ts'
import { errno, type Sys } from './sys.ts'
import { encodeWants, type WantedDirectory } from './wants.ts'

/** What one seat reads at once, unless a single file is larger. */
const chunkFilesMax = 500
const chunkBytesMax = 8 * 1024 * 1024
const chunksMax = 16

/** Where a look goes on: a directory, by its number among those that the view shows, and a row in it. */
export type VerifyPoint = { readonly directory: number; readonly row: number }

export type VerifyReport = {
  /** Files that hold what was known of them. */
  readonly files: number
  readonly bytes: number
  readonly problems: readonly Problem[]
  /** Files whose content is not what it was. */
  readonly bad: readonly WantedDirectory[]
  /** Files of which nothing was known, as wants, with what was read of each, as digests side by side. */
  readonly asks: Uint8Array
  readonly digests: Uint8Array
  /** What was read of these, for the tree. */
  readonly learned: Uint8Array
}

/** The directories that the view shows, parents first. */
export function shownDirectories(tree: Tree): RelPath[] {
  const shown: RelPath[] = []
  const stack: RelPath[] = [rootPath]
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    const record = tree.record(at)
    if (record === undefined) continue
    shown.push(at)
    const scope = tree.scopeAt(at)
    for (let row = record.count - 1; row >= 0; row--) {
      const name = record.type(row) === typeDirectory ? record.name(row) : undefined
      if (name !== undefined && !isHidden(record, row, scope)) stack.push(joinPath(at, name))
    }
  }
  return shown
}

const unknown = new Uint8Array(digestBytes)

/** Chunks of files to be read from `from` on, with what is known of each, and where to go on; undefined at the end. */
export function verifyChunks(
  tree: Tree,
  directories: readonly RelPath[],
  from: VerifyPoint,
): { chunks: Uint8Array[]; next: VerifyPoint | undefined } {
  const chunks: Uint8Array[] = []
  let writer = new LearnedWriter()
  let files = 0
  let bytes = 0
  const cut = (): void => {
    if (files > 0) chunks.push(writer.take())
    writer = new LearnedWriter()
    files = 0
    bytes = 0
  }
  for (let number = from.directory; number < directories.length; number++) {
    const directory = directories[number] as RelPath
    const record = tree.record(directory)
    if (record === undefined) continue
    const scope = tree.scopeAt(directory)
    for (let row = number === from.directory ? from.row : 0; row < record.count; row++) {
      if (kindOf(record, row) !== 'file' || isHidden(record, row, scope) || isOutsideRow(record, row, tree.sizes))
        continue
      const at = record.at(row)
      const stats = record.stats(row).slice(at, at + statWidth)
      const sizeBytes = sizeOf(stats, 0)
      if (files >= chunkFilesMax || (files > 0 && bytes + sizeBytes > chunkBytesMax)) cut()
      if (chunks.length === chunksMax) return { chunks, next: { directory: number, row } }
      writer.add({ directory, name: record.nameBytes(row), stats, digest: record.digest(row) ?? unknown })
      files++
      bytes += sizeBytes
    }
  }
  cut()
  return { chunks, next: undefined }
}

/** Reads the files of a chunk. Once it is stopped, what it answers is of no use. */
export function verifyChunk(sys: Sys, root: number, chunk: Uint8Array, isStopped: IsStopped): VerifyReport {
  const report = { files: 0, bytes: 0, problems: [] as Problem[] }
  const bad = new Grouped()
  const asks = new Grouped()
  const digests: Uint8Array[] = []
  const learned = new LearnedWriter()
  let path: RelPath | undefined
  let handle = -1
  for (const file of readLearned(chunk)) {
    if (file.directory !== path) {
      if (handle >= 0) sys.close(handle)
      path = file.directory
      handle = sys.openDirectory(root, utf8(path))
    }
    const name = decodeName(file.name)
    if (isStopped()) break
    const found = readAgain(sys, handle, file, isStopped)
    if (typeof found === 'string') {
      report.problems.push({ path: joinPath(file.directory, name), code: found, detail: '' })
      if (found === 'damaged-on-disk') bad.add(file.directory, name)
      continue
    }
    if (equalBytes(file.digest, unknown)) {
      asks.add(file.directory, name)
      digests.push(found)
      learned.add({ ...file, digest: found })
    } else {
      report.files++
      report.bytes += sizeOf(file.stats, 0)
    }
  }
  if (handle >= 0) sys.close(handle)
  if (isStopped()) throw stopped()
  return {
    ...report,
    bad: bad.directories,
    asks: encodeWants(asks.directories),
    digests: joinDigests(digests),
    learned: learned.take(),
  }
}

/** The digest of a file that is as it was seen and holds what was known of it, if anything was; else what is wrong. */
function readAgain(sys: Sys, directory: number, file: Learned, isStopped: IsStopped): Uint8Array | Problem['code'] {
  const sizeBytes = sizeOf(file.stats, 0)
  const digest = directory < 0 ? undefined : digestFile(sys, directory, file.name, sizeBytes, isStopped)
  const now = new Uint32Array(statWidth)
  const code = directory < 0 ? directory : sys.stat(directory, file.name, now, 0)
  // Whoever wrote to it meanwhile left a trace that the next scan finds.
  if (code === -errno.ENOENT || (code === 0 && !sameSignature(now, 0, file.stats, 0))) return 'target-changed'
  if (code < 0 || digest === undefined) return 'unreadable'
  if (equalBytes(file.digest, unknown) || equalBytes(file.digest, digest)) return digest
  return ((file.stats[statDevice] as number) & flagRacy) === 0 ? 'damaged-on-disk' : 'target-changed'
}

/**
 * From here on nothing of what is known of these files' contents counts; of those that are damaged it is known that they
 * are, until they are written again: what they hold now is never taken for content that somebody wanted there.
 */
export function distrustFiles(tree: Tree, files: readonly WantedDirectory[], damaged: boolean): void {
  for (const { path, names } of files) {
    const record = tree.record(path)
    if (record === undefined) continue
    const rows = new Set(names.map((name) => record.find(utf8(name))))
    const changed = Array.from({ length: record.count }, (_, row) => {
      const kept = recordRow(record, row)
      if (!rows.has(row)) return kept
      // The upper bits of the flags count edits; one more is one in them.
      return { ...kept, flags: kept.flags + (1 << editShift), digest: damaged ? damagedDigest : undefined }
    })
    tree.put(path, buildRecord(changed, record.own))
  }
}

/** Names by directory, in the order in which they come. */
class Grouped {
  readonly directories: { path: RelPath; names: string[] }[] = []

  add(path: RelPath, name: string): void {
    const last = this.directories.at(-1)
    if (last?.path === path) last.names.push(name)
    else this.directories.push({ path, names: [name] })
  }
}
