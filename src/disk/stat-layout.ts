// Where Linux's `struct stat` has what a row and its extras hold, by words of 32 bits; x64 and arm64, both little endian.

import {
  extraGid,
  extraLinks,
  extraUid,
  extraWidth,
  statCtimeNs,
  statCtimeSeconds,
  statDevice,
  statErrno,
  statInodeHigh,
  statInodeLow,
  statMode,
  statMtimeNs,
  statMtimeSeconds,
  statMtimeSecondsHigh,
  statSizeHigh,
  statSizeLow,
  statWidth,
} from '../core/stat.ts'

/** Where `struct stat` has the mode, in words; all else that is read of it lies alike on both supported processors. */
const modeWord = process.arch === 'arm64' ? 4 : 6

/** And how many names the inode has. */
export const namesWord: number = process.arch === 'arm64' ? 5 : 4

/** The row of a `struct stat`, by its words; both supported processors are little endian. */
export function putStat(stat: Uint32Array, into: Uint32Array, row: number, extras: Uint32Array | undefined): void {
  if (extras !== undefined) putExtras(stat, extras, row)
  const at = row * statWidth
  into[at + statMode] = stat[modeWord] as number
  into[at + statInodeLow] = stat[2] as number
  into[at + statInodeHigh] = stat[3] as number
  into[at + statSizeLow] = stat[12] as number
  into[at + statSizeHigh] = stat[13] as number
  into[at + statMtimeSeconds] = stat[22] as number
  into[at + statMtimeSecondsHigh] = stat[23] as number
  into[at + statMtimeNs] = stat[24] as number
  into[at + statCtimeSeconds] = stat[26] as number
  into[at + statCtimeNs] = stat[28] as number
  into[at + statDevice] = stat[0] as number
  into[at + statErrno] = 0
}

/** Whether a `struct stat` has fewer blocks of 512 bytes than its size needs. */
export function hasFewBlocks(stat: Uint32Array): boolean {
  const blocks = (stat[17] as number) * 0x1_0000_0000 + (stat[16] as number)
  return blocks * 512 < (stat[13] as number) * 0x1_0000_0000 + (stat[12] as number)
}

/** Owner and group follow the mode; the number of names stands before it, or right after. */
function putExtras(stat: Uint32Array, into: Uint32Array, row: number): void {
  const at = row * extraWidth
  const ownerWord = process.arch === 'arm64' ? 6 : 7
  into[at + extraUid] = stat[ownerWord] as number
  into[at + extraGid] = stat[ownerWord + 1] as number
  into[at + extraLinks] = stat[namesWord] as number
}
