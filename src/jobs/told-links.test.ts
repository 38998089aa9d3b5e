// Files of several names, asked for a part at a time: all of them come, and no answer makes the asking endless.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { encodeLinked, type LinkedFile } from '../core/link-table.ts'
import type { RelPath } from '../core/path.ts'
import { takeLinked } from './told-links.ts'

const files: readonly LinkedFile[] = ['a', 'b', 'c'].map((name) => ({
  names: 2,
  paths: [name, `${name} too`] as RelPath[],
}))
const bytes = (from: number, to: number): Uint8Array => encodeLinked(files.slice(from, to), 0).bytes

it('takes parts until there are no more', async () => {
  const asked: number[] = []
  const told = await takeLinked(async (from) => {
    asked.push(from)
    return { bytes: bytes(from, from + 1), next: from < 2 ? from + 1 : undefined }
  })
  assert.deepEqual([told, asked], [files, [0, 1, 2]])
})

it('refuses a part that brings nothing and is not the last, or goes on elsewhere', async () => {
  for (const [what, part] of [
    ['nothing, for ever', () => ({ bytes: bytes(0, 0), next: 0 })],
    ['one, and then nothing', (from: number) => ({ bytes: bytes(from, 1), next: 1 })],
    ['one, and goes back', () => ({ bytes: bytes(0, 1), next: 0 })],
    [
      'one, and passes over another',
      (from: number) => ({ bytes: bytes(from, from + 1), next: from === 0 ? 2 : undefined }),
    ],
  ] as const) {
    let asked = 0
    const taking = takeLinked(async (from) => {
      assert.ok(++asked < 5, what)
      return part(from)
    })
    await assert.rejects(taking, { code: 'protocol-broken' }, what)
  }
})
