// What lies displaced, as bytes: all of it comes back as it was.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RelPath } from '../core/path.ts'
import { statWidth } from '../core/stat.ts'
import { utf8 } from '../std/bytes.ts'
import type { Aside } from './aside.ts'
import { decodeDisplaced, encodeDisplaced } from './displaced.ts'

const rows = (count: number): Uint32Array => Uint32Array.from({ length: count * statWidth }, (_, i) => 2 ** 32 - 1 - i)
const path = (text: string): RelPath => text as RelPath

describe('displaced', () => {
  it('comes back as it was', () => {
    const below = [
      { path: path('d'), names: [utf8('a'), Uint8Array.of(0xff, 0xfe)], rows: rows(2) },
      { path: path('d/e'), names: [], rows: rows(0) },
      { path: path('d/f'), names: [utf8('x'), utf8('y')], rows: rows(2), movedTo: [undefined, path('new/y')] },
    ]
    const displaced: Aside[] = [
      { slot: 'f1', path: path('a/ä'), expected: rows(1), below: undefined, movedTo: undefined, isDeleted: false },
      { slot: 'd2', path: path('gone'), expected: rows(1), below: undefined, movedTo: path('n'), isDeleted: true },
      { slot: 'd3', path: path('d'), expected: rows(1), below, movedTo: undefined, isDeleted: true },
      { slot: 'd4', path: path('empty'), expected: rows(1), below: [], movedTo: undefined, isDeleted: true },
    ]
    assert.deepEqual([...decodeDisplaced(encodeDisplaced(displaced))], displaced)
    assert.deepEqual([...decodeDisplaced(encodeDisplaced([]))], [])
  })
})
