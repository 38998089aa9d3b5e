// Damage to a file that nothing tells of: another byte under the same size and times. A disk does that; here it is shown
// by writing the byte, which moves the ctime, and then telling the machine's memory (state.db) that the ctime always was
// the one that the file has now. What the program finds is what it would find on a bad disk.

import assert from 'node:assert/strict'
import { closeSync, lstatSync, openSync, readSync, utimesSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { decodeShelf } from '../../src/core/shelf.ts'
import { statCtimeNs, statCtimeSeconds, statInodeLow } from '../../src/core/stat.ts'
import type { Machine } from './machines.ts'

/** Another first byte in the file; size and mtime stay, the ctime moves. */
export function flipByte(file: string): void {
  const { atimeMs, mtimeMs } = lstatSync(file)
  const byte = new Uint8Array(1)
  const handle = openSync(file, 'r+')
  readSync(handle, byte, 0, 1, 0)
  byte[0] = (byte[0] as number) ^ 1
  writeSync(handle, byte, 0, 1, 0)
  closeSync(handle)
  utimesSync(file, atimeMs / 1000, mtimeMs / 1000)
}

/** As `flipByte`, and this machine has always known the file with the ctime that it has now. */
export function rot(machine: Machine, root: string, path: string): void {
  const file = join(root, path)
  flipByte(file)
  const { ino, ctimeNs } = lstatSync(file, { bigint: true })
  // A daemon keeps what it learned a moment after its run was told to have ended.
  const database = new DatabaseSync(join(machine.state, 'state', 'state.db'), { timeout: 10_000 })
  let patched = 0
  for (const { tree, shelf, body } of database.prepare('SELECT tree, shelf, body FROM shelves').all()) {
    const bytes = (body as Uint8Array).slice()
    for (const { page } of decodeShelf(bytes, '')) {
      const name = new TextEncoder().encode(path.slice(path.lastIndexOf('/') + 1))
      let row = page.count - 1
      while (row >= 0 && page.compareName(row, name, 0, name.length) !== 0) row--
      const at = row < 0 ? 0 : page.at(row)
      if (row < 0 || page.stats[at + statInodeLow] !== Number(ino & 0xffff_ffffn)) continue
      page.stats[at + statCtimeSeconds] = Number(ctimeNs / 1_000_000_000n)
      page.stats[at + statCtimeNs] = Number(ctimeNs % 1_000_000_000n)
      patched++
    }
    database
      .prepare('UPDATE shelves SET body = ? WHERE tree = ? AND shelf = ?')
      .run(bytes, tree as number, shelf as number)
  }
  database.close()
  assert.ok(patched > 0, `${machine.name} does not know ${path}`)
}
