// What a manifest's lines say about where versions lie and what was renamed.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RelPath } from '../core/path.ts'
import { statSizeLow, statWidth, typeDirectory, typeFile } from '../core/stat.ts'
import { fromUtf8 } from '../std/bytes.ts'
import { Gathering, movesMax, placesMax, sizeKept, toldOf } from './holdings.ts'
import type { Change, Row } from './manifest.ts'

const path = (text: string): RelPath => text as RelPath
const row = (mode: number, size = 0): Row =>
  Object.assign(new Array<number>(statWidth).fill(0), { 0: mode, [statSizeLow]: size })
const file = row(typeFile, 5)
const directory = row(typeDirectory, 4096)

const changes: readonly Change[] = [
  { a: 'made', path: path('m'), digest: 'd' },
  { a: 'created', path: path('c/f'), after: file },
  { a: 'replaced', path: path('r/f'), before: file, after: file },
  { a: 'replaced', path: path('moved/away'), before: file, after: file, movedTo: path('moved/there') },
  { a: 'retyped', path: path('t/dir'), before: directory, sizeBytes: 9 },
  { a: 'retyped', path: path('t/file'), before: file },
  { a: 'deleted', path: path('gone'), before: file, sizeBytes: 5 },
  { a: 'deleted', path: path('gone dir'), before: directory, sizeBytes: 7 },
  { a: 'deleted', path: path('old name'), before: file, sizeBytes: 0, movedTo: path('new name') },
  { a: 'moved-directory', path: path('d1'), movedTo: path('d2'), before: directory, parents: [] },
  { a: 'moved-directory', path: path('e1'), movedTo: path('e2'), before: directory, parents: [] },
]

describe('holdings', () => {
  it('are the directories that something was kept of, and the renames that happened', () => {
    const gathering = new Gathering()
    for (const change of changes) gathering.add(change)
    gathering.add({ a: 'refused', path: path('e1'), movedTo: path('e2') })
    gathering.add({ a: 'refused', path: path('moved/away') })
    const { places, moves } = gathering.take()
    assert.deepEqual(
      places.map((place) => `${place.path}${place.isWhole ? '/' : ''}`),
      ['r', 't', '', 't/dir/', 'gone dir/'],
    )
    assert.deepEqual(moves, [
      { from: 'd1', to: 'd2' },
      { from: 'old name', to: 'new name' },
    ])
  })

  it('are bounded: a run with too many places may hold anything, and of its renames some are told', () => {
    const gathering = new Gathering()
    for (let i = 0; i <= placesMax; i++)
      gathering.add({ a: 'replaced', path: path(`${i}/f`), before: file, after: file })
    for (let i = 0; i <= movesMax; i++)
      gathering.add({ a: 'deleted', path: path(`f${i}`), before: file, sizeBytes: 0, movedTo: path(`g${i}`) })
    gathering.add({ a: 'moved-directory', path: path('d1'), movedTo: path('d2'), before: directory, parents: [] })
    const { places, moves } = gathering.take()
    assert.deepEqual(places, [{ path: '', isWhole: true }])
    assert.equal(moves.length, movesMax)
    assert.deepEqual(moves[0], { from: 'd1', to: 'd2' })
  })

  it('go with the lines of the manifest and the bytes that are kept', () => {
    assert.deepEqual(changes.map(sizeKept), [0, 0, 5, 0, 9, 5, 5, 7, 0, 0, 0])
    const { lines, sizeBytes, holdings } = toldOf(changes)
    assert.equal(sizeBytes, 31)
    assert.equal(fromUtf8(lines)?.split('\n').length, changes.length + 1)
    const gathering = new Gathering()
    gathering.addAll(holdings)
    assert.deepEqual(gathering.take(), holdings)
  })
})
