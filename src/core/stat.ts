// One entry as a row of twelve 32-bit numbers: what an operating system said of it. Rows stand side by side in one
// Uint32Array, so a million entries are one buffer and comparing two rows creates nothing. Times are seconds and
// nanoseconds; 64-bit values are a low and a high half. Rows never leave the machine that took them.

export const statWidth = 12
export const statMode = 0
export const statInodeLow = 1
export const statInodeHigh = 2
export const statCtimeSeconds = 3
export const statCtimeNs = 4
export const statMtimeSeconds = 5
export const statMtimeNs = 6
export const statSizeLow = 7
export const statSizeHigh = 8
/** High half of the mtime's seconds, so that times before 1970 and after 2106 are exact. */
export const statMtimeSecondsHigh = 9
/** In a fresh row: the device. In a record's row: our flags (see record.ts). */
export const statDevice = 10
/** A positive errno where this entry could not be looked at. */
export const statErrno = 11

/**
 * What stands beside a row where it is asked for: three more numbers. Kept apart, since an ordinary run needs none of
 * them.
 */
export const extraWidth = 3
export const extraUid = 0
export const extraGid = 1
/** How many names the inode has. */
export const extraLinks = 2

export const typeMask = 0o170000
export const typeDirectory = 0o040000
export const typeFile = 0o100000
export const typeSymlink = 0o120000

/** Low and high half as a number; above 2^53 the last bits are lost. */
function wide(low: number, high: number): number {
  return high * 0x1_0000_0000 + low
}

/** Seconds since 1970 of a row's mtime, negative before. `at` is where the row starts. */
export function mtimeSecondsOf(stats: Uint32Array, at: number): number {
  return ((stats[at + statMtimeSecondsHigh] as number) | 0) * 0x1_0000_0000 + (stats[at + statMtimeSeconds] as number)
}

export function sizeOf(stats: Uint32Array, at: number): number {
  return wide(stats[at + statSizeLow] as number, stats[at + statSizeHigh] as number)
}

/** The entry's signature: everything but the flags says the same. Mode is part of it, since a chmod moves the ctime. */
export function sameSignature(a: Uint32Array, aAt: number, b: Uint32Array, bAt: number): boolean {
  for (let column = 0; column <= statMtimeSecondsHigh; column++) {
    if (a[aAt + column] !== b[bAt + column]) return false
  }
  return a[aAt + statErrno] === b[bAt + statErrno]
}

/**
 * Whether `row` is what was seen. A seen row whose ctime is zero is of a file that we gave a second name meanwhile, which
 * moves the ctime: inode, type, size and mtime must do.
 */
export function isAsSeen(row: Uint32Array, rowAt: number, seen: Uint32Array, seenAt: number): boolean {
  if (isCtimeForgotten(seen, seenAt)) return sameFile(row, rowAt, seen, seenAt)
  return sameSignature(row, rowAt, seen, seenAt)
}

/** Whether `forgetCtime` was called for this row. */
export function isCtimeForgotten(seen: Uint32Array | undefined, at = 0): boolean {
  return seen !== undefined && seen[at + statCtimeSeconds] === 0 && seen[at + statCtimeNs] === 0
}

/** Forgets the ctime of a seen row: our own link is about to move it. */
export function forgetCtime(seen: Uint32Array, at: number): void {
  seen[at + statCtimeSeconds] = 0
  seen[at + statCtimeNs] = 0
}

/** Names an inode on its file system. */
export function inodeOf(stats: Uint32Array, at: number): string {
  return `${stats[at + statInodeHigh]} ${stats[at + statInodeLow]}`
}

/** Same inode, type, size and mtime: the same file as far as a rename or a chmod leaves it (both move the ctime). */
export function sameFile(a: Uint32Array, aAt: number, b: Uint32Array, bAt: number): boolean {
  return (
    a[aAt + statInodeLow] === b[bAt + statInodeLow] &&
    a[aAt + statInodeHigh] === b[bAt + statInodeHigh] &&
    sameTypeSizeTime(a, aAt, b, bAt)
  )
}

export function sameTypeSizeTime(a: Uint32Array, aAt: number, b: Uint32Array, bAt: number): boolean {
  return (
    ((a[aAt + statMode] as number) & typeMask) === ((b[bAt + statMode] as number) & typeMask) &&
    a[aAt + statSizeLow] === b[bAt + statSizeLow] &&
    a[aAt + statSizeHigh] === b[bAt + statSizeHigh] &&
    a[aAt + statMtimeSeconds] === b[bAt + statMtimeSeconds] &&
    a[aAt + statMtimeSecondsHigh] === b[bAt + statMtimeSecondsHigh] &&
    a[aAt + statMtimeNs] === b[bAt + statMtimeNs]
  )
}
