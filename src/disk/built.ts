// The record of a directory that was built aside and landed whole: we wrote every entry of it, so nothing has to be
// looked at again. Its files had no name that others could use until now, so their signatures hold, unless they are so
// young that a later write could share their time stamp.

import type { Section } from '../core/plan.ts'
import { buildRecord, type DirectoryRecord, flagRacy, type Own, type RecordRow } from '../core/record.ts'
import { statWidth } from '../core/stat.ts'
import type { StoredDirectory } from '../core/tree.ts'
import { utf8 } from '../std/bytes.ts'
import type { Landing, StagedSection, StagedStep } from './landing.ts'
import { isRacy } from './racy.ts'

/** The directory as a scan would find it, digests included. Steps that were not written are not in it. */
export function builtDirectory(landing: Landing, section: StagedSection, own: Own, nowMs: number): StoredDirectory {
  const rows: RecordRow[] = []
  for (let number = section.firstStep; number < section.endStep; number++) {
    const staged = landing.steps[number] as StagedStep
    if (staged.staged === undefined) continue
    const at = number * statWidth
    const flags = isRacy(landing.rows, at, nowMs) ? flagRacy : 0
    const { link } = staged.step.entry
    rows.push({
      name: utf8(staged.step.entry.name),
      stats: landing.rows,
      at,
      flags,
      link,
      digest: landing.digests.get(number),
    })
  }
  return stored(section.head, buildRecord(rows, own))
}

function stored({ path }: Section, record: DirectoryRecord): StoredDirectory {
  return { path, record, viewId: '', summary: undefined }
}
