// What a seat does with the memory of a tree: what was loaded goes when the tree is closed, and not before what is saved
// of it was taken.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { decodeShelf } from '../core/shelf.ts'
import { Handover } from '../std/crew.ts'
import { Stop } from '../std/stop.ts'
import { systemSys } from './system.ts'
import { tasks } from './tasks.ts'

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
