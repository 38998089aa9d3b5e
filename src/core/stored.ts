// Stored directories as one buffer, for handing a whole tree to another thread or taking its changes back: no object a
// directory is copied. {path block, view id block, summary flag and summary, padding to 4, record block}.

import { ByteReader, ByteWriter } from '../std/bytes.ts'
import { putSummary, takeSummary } from './listing.ts'
import { pathMaxBytes, type RelPath } from './path.ts'
import { DirectoryRecord } from './record.ts'
import type { StoredDirectory } from './tree.ts'

export function packStored(directories: Iterable<StoredDirectory>): Uint8Array {
  const writer = new ByteWriter(1 << 20)
  for (const { path, record, viewId, summary } of directories) {
    writer.text(path)
    writer.text(viewId)
    writer.u8(summary === undefined ? 0 : 1)
    if (summary !== undefined) putSummary(writer, summary)
    writer.u32(record.bytes.length)
    while (writer.length % 4 !== 0) writer.u8(0)
    writer.bytes(record.bytes)
  }
  return writer.take()
}

/** The records are views into `bytes`, which must start on a boundary of 4. */
export function* unpackStored(bytes: Uint8Array): Generator<StoredDirectory> {
  const reader = new ByteReader(bytes)
  while (reader.left > 0) {
    const path = reader.text(pathMaxBytes) as RelPath
    const viewId = reader.text(256)
    const summary = reader.u8() === 0 ? undefined : takeSummary(reader)
    const length = reader.u32()
    while (reader.offset % 4 !== 0) reader.u8()
    yield { path, record: new DirectoryRecord(reader.bytes(length)), viewId, summary }
  }
}
