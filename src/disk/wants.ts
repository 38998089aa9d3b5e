// The wants of a batch: which files' content the target needs from the source, by directory and name, and nothing else.
// This is the manifest of S0: the source sends exactly these, numbered in this order, and the target takes nothing else.

import { isEntryName, type RelPath } from '../core/path.ts'
import { takePath } from '../core/plan.ts'
import { ByteReader, ByteWriter } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'

export type WantedDirectory = { readonly path: RelPath; readonly names: readonly string[] }

export const wantsMax = 100_000

export function encodeWants(directories: readonly WantedDirectory[]): Uint8Array {
  const writer = new ByteWriter(1024)
  writer.varint(directories.length)
  for (const { path, names } of directories) {
    writer.text(path)
    writer.varint(names.length)
    for (const name of names) writer.text(name)
  }
  return writer.take()
}

/** Safe for bytes from a peer: paths are parsed, names are entry names, at most `wantsMax` of them. */
export function decodeWants(bytes: Uint8Array): WantedDirectory[] {
  const reader = new ByteReader(bytes)
  const directories: WantedDirectory[] = []
  let total = 0
  const count = reader.varint(wantsMax)
  for (let i = 0; i < count; i++) {
    const path = takePath(reader)
    const names: string[] = []
    const nameCount = reader.varint(wantsMax)
    total += nameCount
    if (total > wantsMax) throw new Failure('limit-exceeded', `more than ${wantsMax} files are asked for at once`)
    for (let n = 0; n < nameCount; n++) {
      const name = reader.name(1024)
      if (!isEntryName(name)) throw new Failure('protocol-broken', 'a file is asked for by a name that is none')
      names.push(name)
    }
    directories.push({ path, names })
  }
  reader.end()
  return directories
}
