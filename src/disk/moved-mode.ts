// The mode of files that only moved. Until one lands it has two names, one of them a user's: whatever is done to it shows
// there too. So it keeps its mode while it waits aside, and gets that of the plan when its batch begins to land.

import { sameFile, statMode, statWidth } from '../core/stat.ts'
import { refusalCode } from './refusal.ts'
import type { StagedBatch, StagedStep } from './staged.ts'
import { errno, errnoName, type Sys } from './sys.ts'

/** Gives the files of a batch that moved their modes, where those are others. One that can't have it does not land. */
export function setMovedModes(sys: Sys, staging: number, batch: StagedBatch, sync: boolean): void {
  for (const staged of batch.moved()) {
    const { number, entry, section, stagingName } = staged
    if (((batch.rows[number * statWidth + statMode] as number) & 0o7777) === entry.mode) continue
    const from = section.build === undefined ? staging : sys.openDirectory(staging, section.build)
    const code = from < 0 ? from : setMovedMode(sys, from, batch, staged, sync)
    if (code < 0) {
      if (from >= 0) sys.unlink(from, stagingName)
      staged.isWritten = false
      staged.problem = { code: refusalCode(code), detail: errnoName(code) }
    }
    if (section.build !== undefined && from >= 0) sys.close(from)
  }
}

function setMovedMode(sys: Sys, from: number, batch: StagedBatch, staged: StagedStep, sync: boolean): number {
  const handle = sys.openFile(from, staged.stagingName)
  if (handle < 0) return handle
  const row = new Uint32Array(statWidth)
  let code = sys.statHandle(handle, row, 0)
  if (code === 0 && !sameFile(row, 0, batch.rows, staged.number * statWidth)) code = -errno.EEXIST
  if (code === 0) code = sys.setMode(handle, staged.entry.mode)
  if (code === 0 && sync) code = sys.syncHandle(handle)
  if (code === 0) code = sys.statHandle(handle, batch.rows, staged.number)
  sys.close(handle)
  return code
}
