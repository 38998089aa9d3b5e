// What a directory says of itself, by its handle.

import type { Own } from '../core/page.ts'
import { mtimeSecondsOf, statDevice, statInodeHigh, statInodeLow, statMtimeNs, statWidth } from '../core/stat.ts'
import type { Sys } from './sys.ts'

/** What a directory's own inode says, and the device that it is on, which is stored nowhere. */
export function ownFacts(sys: Sys, handle: number): Own & { readonly device: number } {
  const row = new Uint32Array(statWidth)
  sys.statHandle(handle, row, 0)
  return {
    mtimeSeconds: mtimeSecondsOf(row, 0),
    mtimeNs: row[statMtimeNs] as number,
    inodeLow: row[statInodeLow] as number,
    inodeHigh: row[statInodeHigh] as number,
    device: row[statDevice] as number,
  }
}
