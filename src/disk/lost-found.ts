// The `lost+found` that an ext file system makes for itself in its top directory: not the user's, and as little a part of
// what is mirrored as our own folder is. It is known by its place (ext gives the top the inode 2 and it the inode 11) and
// left alone while nothing was found that is lost: empty, or closed to whoever looks. One with something in it is a folder
// like any other.

import { statInodeHigh, statInodeLow, statMode, statWidth, typeDirectory, typeMask } from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import { EntryTable, errno, type Sys } from './sys.ts'

const name = utf8('lost+found')
const topInode = 2
const ownInode = 11

/** Whether the row of a table of the root's entries is it. */
export function isLostFound(sys: Sys, root: number, table: EntryTable, row: number): boolean {
  const start = table.nameStarts[row] as number
  if (table.names[start] !== name[0] || Buffer.compare(table.name(row), name) !== 0) return false
  const seen = new Uint32Array(statWidth)
  if (sys.stat(root, name, seen, 0) !== 0 || !hasInode(seen, ownInode)) return false
  if (((seen[statMode] as number) & typeMask) !== typeDirectory) return false
  return sys.statHandle(root, seen, 0) === 0 && hasInode(seen, topInode) && holdsNothing(sys, root)
}

/** Whether the root holds it, as it was made. */
export function holdsLostFound(sys: Sys, root: number): boolean {
  const table = new EntryTable()
  return isLostFound(sys, root, table, table.add(name, 0, name.length))
}

function hasInode(row: Uint32Array, inode: number): boolean {
  return row[statInodeLow] === inode && row[statInodeHigh] === 0
}

function holdsNothing(sys: Sys, root: number): boolean {
  const handle = sys.openDirectory(root, name)
  if (handle < 0) return handle === -errno.EACCES
  const below = new EntryTable()
  const code = sys.list(handle, below)
  sys.close(handle)
  return code >= 0 && below.count === 0
}
