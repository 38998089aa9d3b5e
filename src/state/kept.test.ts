// The index of old versions: what it is asked, it answers as a walk over all runs would.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { systemClock } from '../std/clock.ts'
import {
  compareIndex,
  type IndexedRun,
  indexedSignature,
  indexRuns,
  movesTo,
  runsKeeping,
  signIndex,
  unindexRuns,
  withKeptRuns,
} from './kept.ts'
import { openState } from './open.ts'

const directory = mkdtempSync(join(tmpdir(), 'nf-kept-'))
const state = openState({ directory, clock: systemClock })
after(() => {
  state[Symbol.dispose]()
  rmSync(directory, { recursive: true, force: true })
})

const ever = Number.MAX_SAFE_INTEGER

function run(
  number: number,
  places: readonly string[],
  moves: readonly (readonly [string, string])[] = [],
): IndexedRun {
  return {
    run: `run-${number}`,
    atMs: number,
    sizeBytes: number,
    stamp: `stamp ${number}`,
    holdings: {
      // A slash at the end: the directory itself went.
      places: places.map((text) => ({ path: text.replace(/\/$/, ''), isWhole: text.endsWith('/') })),
      moves: moves.map(([from, to]) => ({ from, to })),
    },
  }
}

describe('index of versions', () => {
  it('finds the runs that may keep a path: in its directory, below it, or with a directory above it', () => {
    const runs = [run(1, ['', 'a']), run(2, ['a/b']), run(3, ['a/b/c/']), run(4, ['ab', 'a-b/']), run(5, ['a/'])]
    indexRuns(state, 'find', runs)
    for (const [path, wanted] of [
      ['', '5 4 3 2 1'],
      ['a', '5 3 2 1'],
      ['a/x', '5 1'],
      ['a/b', '5 3 2 1'],
      ['a/b/x', '5 2'],
      ['a/b/c', '5 3 2'],
      ['a/b/c/d/e', '5 3'],
      ['a/b/cc', '5 2'],
      ['ab', '4 1'],
      ['ab/x', '4'],
      ['a-b', '4 1'],
      ['a-b/x', '4'],
      ['z', '1'],
      ['z/z', ''],
    ] as const) {
      const found = runsKeeping(state, 'find', path, ever).map(({ atMs }) => atMs)
      assert.equal(found.join(' '), wanted, path)
      assert.deepEqual(
        runsKeeping(state, 'find', path, 3).map(({ atMs }) => atMs),
        found.filter((atMs) => atMs <= 3),
        path,
      )
    }
    assert.deepEqual(runsKeeping(state, 'another', '', ever), [])
  })

  it('finds what was renamed to a path, above it and below it, newest first and no more than asked', () => {
    indexRuns(state, 'moves', [
      run(1, [], [['old', 'new']]),
      run(
        2,
        [],
        [
          ['older', 'new'],
          ['from', 'new/sub/deep'],
        ],
      ),
      run(
        3,
        [],
        [
          ['else', 'newer'],
          ['x', 'new/sub'],
        ],
      ),
    ])
    const to = (path: string, untilMs = ever, max = 10): string =>
      movesTo(state, 'moves', path, untilMs, max)
        .map(({ from, to, atMs }) => `${from}>${to}@${atMs}`)
        .join(' ')
    assert.equal(to('new/sub/f'), 'x>new/sub@3 older>new@2 old>new@1')
    assert.equal(to('new'), 'older>new@2 old>new@1 x>new/sub@3 from>new/sub/deep@2')
    assert.equal(to('new', 1), 'old>new@1')
    assert.equal(to('new', ever, 1), 'older>new@2 x>new/sub@3')
    assert.equal(to(''), '')
  })

  it('gives the oldest first, with the sums of all but the run under way', () => {
    indexRuns(state, 'age', [run(3, []), run(1, []), run(2, [])])
    const ask = (spare: string | undefined): string =>
      withKeptRuns(state, 'age', spare, ({ sizeBytes, newestMs, oldestFirst }) =>
        [sizeBytes, newestMs, ...[...oldestFirst].map((one) => one.run)].join(' '),
      )
    assert.equal(ask(undefined), '6 3 run-1 run-2 run-3')
    assert.equal(ask('run-3'), '3 2 run-1 run-2')
    // Who has enough of them early asks no more.
    assert.equal(
      withKeptRuns(state, 'age', undefined, ({ oldestFirst }) => {
        for (const { run: first } of oldestFirst) return first
        return ''
      }),
      'run-1',
    )
    assert.equal(
      withKeptRuns(state, 'none', undefined, ({ sizeBytes, newestMs }) => `${sizeBytes} ${newestMs}`),
      '0 0',
    )
  })

  it('says which runs it does not know as they are, and forgets those that went', () => {
    indexRuns(state, 'same', [run(1, ['a'], [['b', 'a']]), run(2, ['a'])])
    const there = [1, 2, 3].map((number) => ({ run: `run-${number}`, stamp: `stamp ${number === 2 ? 7 : number}` }))
    assert.deepEqual(compareIndex(state, 'same', there), { unknown: ['run-2', 'run-3'], gone: [] })
    assert.deepEqual(compareIndex(state, 'same', there.slice(1, 2)), { unknown: ['run-2'], gone: ['run-1'] })
    unindexRuns(state, 'same', ['run-1', 'run-9'])
    assert.deepEqual(movesTo(state, 'same', 'a', ever, 9), [])
    assert.deepEqual(runsKeeping(state, 'same', 'a/x', ever), [{ run: 'run-2', atMs: 2 }])
    indexRuns(state, 'same', [run(2, ['z'])])
    assert.deepEqual(runsKeeping(state, 'same', 'a/x', ever), [])
    assert.equal(indexedSignature(state, 'same'), undefined)
    signIndex(state, 'same', 'signed')
    assert.equal(indexedSignature(state, 'same'), 'signed')
    signIndex(state, 'same', undefined)
    assert.equal(indexedSignature(state, 'same'), undefined)
  })
})
