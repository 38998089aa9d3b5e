// Digests on their way back to the tree they belong to: what reading or writing a file taught us, with the signature it
// was taken under. One flat buffer, since there may be one for every file of a tree.

import { digestBytes } from '../core/page.ts'
import type { RelPath } from '../core/path.ts'
import { sameFile, sameSignature, statWidth } from '../core/stat.ts'
import type { Tree } from '../core/tree.ts'
import { ByteReader, ByteWriter } from '../std/bytes.ts'

/** A file's digest, taken under exactly this stat row. */
export type Learned = {
  readonly directory: RelPath
  readonly name: Uint8Array
  readonly stats: Uint32Array
  readonly digest: Uint8Array
}

/** Collects what a batch learned. Entries of one directory should come together. */
export class LearnedWriter {
  readonly #writer = new ByteWriter(4096)
  #directory: string | undefined

  add(learned: Learned): void {
    const writer = this.#writer
    const sameDirectory = this.#directory === learned.directory
    writer.u8(sameDirectory ? 1 : 0)
    if (!sameDirectory) writer.text(learned.directory)
    this.#directory = learned.directory
    writer.block(learned.name)
    const { buffer, byteOffset } = learned.stats
    writer.bytes(new Uint8Array(buffer, byteOffset, statBytes))
    writer.bytes(learned.digest)
  }

  take(): Uint8Array {
    return this.#writer.take()
  }
}

const statBytes = 4 * statWidth

export function* readLearned(bytes: Uint8Array): Generator<Learned> {
  const reader = new ByteReader(bytes)
  let directory = '' as RelPath
  while (reader.left > 0) {
    if (reader.u8() === 0) directory = reader.name(4096) as RelPath
    const name = reader.block(1024)
    // A copy starts on a boundary of 4, wherever it was taken from.
    const stats = new Uint32Array(reader.bytes(statBytes).slice().buffer)
    yield { directory, name, stats, digest: reader.bytes(digestBytes) }
  }
}

/**
 * Puts digests into the records of a tree, wherever the record still says what was learned. `renamed`: the files were
 * renamed after they were looked at, which moved their ctime; inode, size and mtime must do.
 */
export function applyLearned(tree: Tree, learned: Uint8Array, renamed: boolean): void {
  const matches = renamed ? sameFile : sameSignature
  for (const { directory, name, stats, digest } of readLearned(learned)) {
    const record = tree.record(directory)
    const row = record?.find(name) ?? -1
    if (record === undefined || row < 0 || !matches(record.stats(row), record.at(row), stats, 0)) continue
    record.setDigest(row, digest)
  }
}
