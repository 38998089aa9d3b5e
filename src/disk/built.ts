// The record of a directory that was built aside and landed whole: we wrote every entry of it, so nothing has to be
// looked at again. Its files had no name that others could use until now, so their signatures hold, unless they are so
// young that a later write could share their time stamp.

import { flagRacy, type Own } from '../core/page.ts'
import { buildRecord, type RecordRow } from '../core/record.ts'
import { statWidth } from '../core/stat.ts'
import { type StoredPage, storedPages } from '../core/tree.ts'
import { isRacy } from './racy.ts'
import type { StagedBatch, StagedSection } from './staged.ts'

/** The directory as a scan would find it, digests included. Steps that were not written are not in it. */
export function builtDirectory(batch: StagedBatch, section: StagedSection, own: Own, nowMs: number): StoredPage[] {
  const rows: RecordRow[] = []
  const { rows: stats, digests, looked } = batch
  for (const staged of batch.steps(section.firstStep, section.endStep)) {
    if (!staged.isWritten) continue
    const at = staged.number * statWidth
    const flags = isRacy(stats, at, nowMs) ? flagRacy : 0
    const link = staged.kind === 'symlink' ? staged.entry.link : undefined
    rows.push({ name: staged.nameBytes, stats, at, flags, link, digest: digests.get(staged.number), looked })
  }
  return storedPages({ path: section.head.path, record: buildRecord(rows, own), viewId: '', summary: undefined })
}
