// Holes: parts of a file that read as zeros and take no room. What a file is made of is asked of the file system, a run at
// a time, and only of files that have fewer blocks than their size needs; so a file without holes costs nothing. A hole
// travels as its length and is hashed as the zeros that it stands for. Where the system can't tell, all is data.

import type { Digester } from '../chunk/digest.ts'
import { errno, type Sys } from './sys.ts'

/** One record of a pack tells no longer hole, so that each is hashed in a moment. */
export const holeBytesMax: number = 64 * 1024 * 1024
/** All holes of one pack together: a pack is made, and taken, in one task. */
export const packHolesMax: number = 4 * holeBytesMax

/** Whether `from` lies in a hole, and where what lies there ends. */
export type Run = { readonly isHole: boolean; readonly end: number }

/** What lies at `from` of an open file of this size; `from` is below it. */
export function runAt(sys: Sys, handle: number, from: number, sizeBytes: number): Run {
  const data = sys.seek(handle, from, 'data')
  // No more data until its end.
  if (data === -errno.ENXIO) return { isHole: true, end: sizeBytes }
  if (data > from) return { isHole: true, end: Math.min(data, sizeBytes) }
  const hole = data < 0 ? data : sys.seek(handle, from, 'hole')
  return { isHole: false, end: hole > from ? Math.min(hole, sizeBytes) : sizeBytes }
}

/** Zeros that nobody writes to. */
const zeros = new Uint8Array(1 << 20)

export function hashZeros(digester: Digester, bytes: number): void {
  for (let left = bytes; left > 0; left -= zeros.length) {
    digester.update(left < zeros.length ? zeros.subarray(0, left) : zeros)
  }
}
