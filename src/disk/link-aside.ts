// A second name in the staging directory for a file of the target: of one that moved, of a version that comes back, or of one
// that is to have a further name. Looked at before and after, so that no other file gets a name for it. Copies nothing.

import { isAsSeen, sameFile, statWidth } from '../core/stat.ts'
import type { Donor, StagedBatch } from './staged.ts'
import { errno, type Sys } from './sys.ts'

/** What is there is not what was seen. */
const notSeen: number = -errno.ESTALE

/**
 * Gives the file of a donor, whose directory is open as `from`, the name at `to`; its row goes to that of the step. Zero or a
 * negative errno, `notSeen` among them.
 */
export function linkAside(
  sys: Sys,
  donor: Donor,
  from: number,
  to: { readonly directory: number; readonly name: Uint8Array },
  batch: Pick<StagedBatch, 'rows'>,
  number: number,
): number {
  const { rows } = batch
  const at = number * statWidth
  // Before the link, which moves the ctime: an edit that kept size and mtime would pass for the content that is meant.
  const isSeen = sys.stat(from, donor.name, rows, number) === 0 && isAsSeen(rows, at, donor.stats, 0)
  const code = isSeen ? sys.link(from, donor.name, to.directory, to.name) : notSeen
  if (code < 0) return code
  const isLinked = sys.stat(to.directory, to.name, rows, number) === 0 && sameFile(rows, at, donor.stats, 0)
  if (!isLinked) sys.unlink(to.directory, to.name)
  return isLinked ? 0 : notSeen
}
