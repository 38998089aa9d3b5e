// Steps of an undo that are about one file under several names: the first of them moves the file's ctime, so that none of the
// others would find it as it was looked at. What has the same inode as another one is held to inode, size and time instead.

import { forgetCtime, isCtimeForgotten, statInodeHigh, statInodeLow, statWidth } from '../core/stat.ts'
import type { StepNote } from './staged.ts'

/** Forgets the ctime of all rows in these notes whose inode another one is about too. Eight bytes a row, no object. */
export function forgetShared(notes: Iterable<StepNote>): void {
  const all = [...notes]
  // What goes back to its old name is held to no ctime anyway, and says nothing about the file that it is taken from.
  const seen = inodesOf(all, eachSeen)
  const donors = inodesOf(all, eachDonor)
  for (const note of all) {
    eachSeen(note, (rows, at) => {
      if (isShared(rows, at, seen, donors)) forgetCtime(rows, at)
    })
    eachDonor(note, (rows, at) => {
      if (isShared(rows, at, donors, seen)) forgetCtime(rows, at)
    })
  }
}

type Visit = (rows: Uint32Array, at: number) => void

function eachSeen({ expected, below = [] }: StepNote, visit: Visit): void {
  if (expected !== undefined && !isCtimeForgotten(expected)) visit(expected, 0)
  for (const { rows } of below)
    for (let at = 0; at < rows.length; at += statWidth) if (!isCtimeForgotten(rows, at)) visit(rows, at)
}

function eachDonor({ donor }: StepNote, visit: Visit): void {
  if (donor !== undefined) visit(donor.stats, 0)
}

function inodesOf(notes: readonly StepNote[], each: (note: StepNote, visit: Visit) => void): Float64Array {
  let count = 0
  for (const note of notes) each(note, () => count++)
  const inodes = new Float64Array(count)
  let next = 0
  for (const note of notes)
    each(note, (rows, at) => {
      inodes[next++] = inodeNumber(rows, at)
    })
  return inodes.sort()
}

/** Whether the inode of a row is among its own more than once, or among the others. */
function isShared(rows: Uint32Array, at: number, own: Float64Array, others: Float64Array): boolean {
  const inode = inodeNumber(rows, at)
  const first = firstAt(own, inode)
  return own[first + 1] === inode || others[firstAt(others, inode)] === inode
}

/** Beyond 2^53 two inodes may look like one: then a ctime is forgotten that need not be. */
function inodeNumber(rows: Uint32Array, at: number): number {
  return (rows[at + statInodeHigh] as number) * 0x1_0000_0000 + (rows[at + statInodeLow] as number)
}

function firstAt(sorted: Float64Array, value: number): number {
  let low = 0
  for (let high = sorted.length; low < high; ) {
    const middle = (low + high) >> 1
    if ((sorted[middle] as number) < value) low = middle + 1
    else high = middle
  }
  return low
}
