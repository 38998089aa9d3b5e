// What a seat does with the memory of a tree: what was loaded goes when the tree is closed, and not before what is saved
// of it was taken.

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { RelPath } from '../core/path.ts'
import { decodeShelf } from '../core/shelf.ts'
import { statWidth } from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import { Handover } from '../std/crew.ts'
import { Stop } from '../std/stop.ts'
import { encodeDisplaced } from './displaced.ts'
import { errno } from './sys.ts'
import { systemSys } from './system.ts'
import { tasks } from './tasks.ts'
import type { RunPlace } from './versions.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-tasks-'))
after(() => rmSync(home, { recursive: true, force: true }))
const rules = { overrides: [], ignoreFiles: [] }

function openTree(path: string, shelves: readonly Uint8Array[]): { tree: number; root: number } {
  const root = systemSys().openRoot(path)
  tasks.scan({ tree: 1, root, shelves, viewId: 'view', rules, stop: new Stop().memory })
  return { tree: 1, root }
}

function taken(maxBytes?: number): { put: Uint8Array[]; more: boolean } {
  const handover = tasks.takeChanges({ tree: 1, ...(maxBytes !== undefined && { maxBytes }) })
  assert.ok(handover instanceof Handover)
  return handover.value
}

function closeTree({ tree, root }: { tree: number; root: number }): void {
  tasks.closeTree({ tree })
  systemSys().close(root)
}

describe('the tree of a seat', () => {
  const folder = join(home, 'tree')
  for (let i = 0; i < 40; i++) {
    mkdirSync(join(folder, `d${i}`), { recursive: true })
    for (let k = 0; k < 100; k++) writeFileSync(join(folder, `d${i}`, `f${k}`), '')
  }
  const keysOf = (shelves: readonly Uint8Array[]): string[] =>
    shelves.flatMap((shelf) => decodeShelf(shelf, 'view').map(({ key }) => key))

  it('gives back what was loaded, whether it was saved again or not', () => {
    const first = openTree(folder, [])
    const stored = taken().put
    closeTree(first)
    assert.equal(keysOf(stored).length, 41)

    for (const asksToSave of [false, true]) {
      const loaded = stored.map((shelf) => shelf.slice())
      const again = openTree(folder, loaded)
      if (asksToSave) assert.equal(taken(1 << 20).put.length, 0)
      assert.ok(!loaded.some(({ buffer }) => buffer.detached))
      closeTree(again)
      assert.ok(
        loaded.every(({ buffer }) => buffer.detached),
        `saved: ${asksToSave}`,
      )
    }
  })

  it('loses nothing of a shelf of which only a part is saved', () => {
    const first = openTree(folder, [])
    const stored = taken().put
    closeTree(first)
    writeFileSync(join(folder, 'd7', 'new'), '')
    const loaded = stored.map((shelf) => shelf.slice())
    const again = openTree(folder, loaded)
    const parts: Uint8Array[] = []
    for (let more = true; more; ) {
      const part = taken(1)
      parts.push(...part.put)
      more = part.more
    }
    assert.deepEqual(keysOf(parts), ['d7'])
    closeTree(again)
    assert.ok(loaded.every(({ buffer }) => buffer.detached))
  })
})

describe('what a run displaced', () => {
  for (const [what, fails, isGone] of [
    ['is dropped, and then its journal', undefined, true],
    ['is known by its journal as long as a version of it may not be on disk', 'syncHandle', false],
    ['is known by its journal as long as it lies where it was displaced to', 'renameNoReplace', false],
  ] as const) {
    it(what, () => {
      const place = mkdtempSync(join(home, 'displaced-'))
      for (const name of ['staging', 'root', 'files']) mkdirSync(join(place, name))
      for (const name of ['staging/slot', 'journal']) writeFileSync(join(place, name), name)
      const sys = systemSys()
      const at = (name: string): number => sys.openRoot(join(place, name))
      const handles = { root: at('root'), staging: at('staging') }
      const expected = new Uint32Array(statWidth)
      assert.equal(sys.stat(handles.staging, utf8('slot'), expected, 0), 0)
      const aside = { slot: 'slot', path: 'f' as RelPath, expected, below: undefined, isDeleted: true }
      const run: RunPlace = { run: 'run', handle: -1, files: at('files') }
      const { renameNoReplace, syncHandle } = sys
      if (fails !== undefined) sys[fails] = () => -errno.EIO
      try {
        tasks.dropDisplaced({ handles, own: at('.'), displaced: [encodeDisplaced([aside])], place: run })
      } finally {
        Object.assign(sys, { renameNoReplace, syncHandle })
      }
      assert.equal(existsSync(join(place, 'journal')), !isGone)
      assert.equal(existsSync(join(place, fails === 'renameNoReplace' ? 'staging/slot' : 'files/f')), true)
    })
  }
})
