// What only moved: pairs are made of equal things, each is used once, and nothing without content is ever paired.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { check, directory, entryOf, file, testDigest } from '../../test/world/trees.ts'
import { equalBytes } from '../std/bytes.ts'
import type { Entry } from './entry.ts'
import { nameOf, type RelPath } from './path.ts'
import {
  type DirectoryMatch,
  type DirectoryMove,
  doubtfulDirectories,
  type FileMove,
  type FoundDirectory,
  type FoundFile,
  isAlike,
  Lineage,
  type LostDirectory,
  lostAbove,
  matchDirectories,
  proposeFileMoves,
} from './renames.ts'

function tree(path: string, content: string, files = 1): FoundDirectory {
  return { path: path as RelPath, summary: { fingerprint: testDigest(content), files, directories: 0, sizeBytes: 1 } }
}

function deep(path: string, content: string, directories: number): FoundDirectory {
  const { summary } = tree(path, content)
  return { path: path as RelPath, summary: { ...summary, directories } }
}

function lostTree(path: string, content: string, files = 1, origin = path): LostDirectory {
  return { ...tree(path, content, files), origin: origin as RelPath }
}

/** `a -> b`, with a `*` where what is in it has to be compared. */
function shown(matched: readonly DirectoryMatch[]): string[] {
  return matched.map(({ lost, to, isSame }) => `${lost.path} -> ${to}${isSame ? '' : ' *'}`)
}

function move(from: string, to: string): DirectoryMove {
  return { from: from as RelPath, to: to as RelPath }
}

function found(path: string, text = 'x', time: { seconds?: number; ns?: number } = {}): FoundFile {
  return { path: path as RelPath, entry: entryOf(nameOf(path as RelPath), file(text, time)) }
}

function pairs(moves: readonly FileMove[]): string[] {
  return moves.map(({ from, to }) => `${from.path} -> ${to.path}`)
}

describe('renames', () => {
  const rows: [what: string, lost: LostDirectory[], fresh: FoundDirectory[], moves: DirectoryMove[], string[]][] = [
    ['a directory that moved', [lostTree('a', 'x')], [tree('b', 'x')], [move('a', 'b')], ['a -> b']],
    ['into another directory', [lostTree('a', 'x')], [tree('c/d', 'x')], [move('a', 'c/d')], ['a -> c/d']],
    ['not one that is only alike', [lostTree('a', 'x')], [tree('b', 'x')], [], []],
    ['one that changed below', [lostTree('a', 'x')], [tree('b', 'y')], [move('a', 'b')], ['a -> b *']],
    ['not one that the right never had', [], [tree('b', 'x')], [move('a', 'b')], []],
    ['not one that the right has at its place', [lostTree('c', 'x')], [tree('b', 'x')], [move('a', 'b')], []],
    ['not one that is already there', [lostTree('a', 'x')], [], [move('a', 'b')], []],
    ['not one without files', [lostTree('a', 'x', 0)], [tree('b', 'x', 0)], [move('a', 'b')], []],
    ['not into itself', [lostTree('a', 'x')], [tree('a/b', 'x')], [move('a', 'a/b')], []],
    [
      'one place only',
      [lostTree('a', 'x')],
      [tree('b', 'x'), tree('c', 'x')],
      [move('a', 'b'), move('a', 'c')],
      ['a -> b'],
    ],
    [
      'two that changed places with new names',
      [lostTree('a', 'x'), lostTree('b', 'y')],
      [tree('c', 'x'), tree('d', 'y')],
      [move('b', 'd'), move('a', 'c')],
      ['a -> c', 'b -> d'],
    ],
    [
      'by where it lay, and from where it lies once the directory around it has moved',
      [lostTree('new/sub', 'x', 1, 'old/sub')],
      [tree('elsewhere', 'x')],
      [move('old', 'new'), move('old/sub', 'elsewhere')],
      ['new/sub -> elsewhere'],
    ],
    [
      'as the same only where all below came along',
      [lostTree('a', 'x'), lostTree('b', 'x')],
      [deep('c', 'x', 2), deep('d', 'x', 2)],
      [
        move('a', 'c'),
        move('a/s', 'c/s'),
        move('a/s/t', 'c/s/t'),
        move('b', 'd'),
        move('b/s', 'd/s'),
        move('b/u', 'd/s/t'),
      ],
      ['a -> c', 'b -> d *'],
    ],
  ]
  for (const [what, lost, fresh, moves, expected] of rows) {
    it(`pairs directories: ${what}`, () =>
      assert.deepEqual(shown(matchDirectories(lost, fresh, new Lineage(moves))), expected))
  }

  it('pairs directories only where the inode says so, each once, and calls the same only what is equal', () => {
    const path = fc.constantFrom('a', 'b', 'c', 'a/b')
    const some = fc.uniqueArray(fc.tuple(path, fc.constantFrom('x', 'y'), fc.nat(2)), { selector: ([at]) => at })
    const moves = fc.uniqueArray(fc.tuple(path, path), { selector: ([, to]) => to })
    check(
      fc.property(some, some, moves, (left, right, told) => {
        const lost = left.map(([at, content, files]) => lostTree(at, content, files))
        const fresh = right.map(([at, content, files]) => tree(at, content, files))
        const matched = matchDirectories(lost, fresh, new Lineage(told.map(([from, to]) => move(from, to))))
        assert.equal(new Set(matched.map((one) => one.lost)).size, matched.length)
        assert.equal(new Set(matched.map(({ to }) => to)).size, matched.length)
        for (const { lost: from, to, isSame } of matched) {
          const there = fresh.find(({ path: at }) => at === to)
          assert.ok(there !== undefined && there.summary.files > 0)
          assert.ok(!isSame || equalBytes(from.summary.fingerprint, there.summary.fingerprint))
          assert.ok(told.some((one) => one[0] === from.origin && one[1] === to))
        }
      }),
      1000,
    )
  })

  it('looks into what is lost only on the way to what moved out of it, and not into what moved itself', () => {
    const lineage = new Lineage([move('a/b/c', 'x'), move('d', 'y'), move('d/e', 'z'), move('f', 'w')])
    const lost = ['a', 'd', 'f', 'g'].map((path) => lostTree(path, path))
    const above = (...paths: string[]): string[] =>
      [
        ...lostAbove(
          lost,
          paths.map((path) => tree(path, 'x')),
          lineage,
        ),
      ].map(({ path }) => path)
    assert.deepEqual(above('x', 'y', 'z', 'w', 'never moved'), ['a'])
    assert.deepEqual(above('y', 'w'), [])
  })

  it('takes two listings for one directory when half of the smaller one is in both', () => {
    const listing = (...names: string[]): Entry[] => names.map((name) => entryOf(name, file('x')))
    const rows: [left: string[], right: string[], boolean][] = [
      [['a'], ['a'], true],
      [['a'], ['a', 'b', 'c', 'd'], true],
      [['a', 'b'], ['a', 'c'], true],
      [['a', 'b', 'c'], ['a', 'd', 'e'], false],
      [['a'], ['b'], false],
      [[], ['a'], false],
      [[], [], false],
    ]
    for (const [left, right, alike] of rows) assert.equal(isAlike(listing(...left), listing(...right)), alike)
    assert.equal(isAlike([entryOf('a', file('x'))], [entryOf('a', directory())]), false)
  })

  it('doubts what looks the same in a moved directory and did not come along', () => {
    const named = (name: string, content: string): Entry => ({
      ...entryOf(name, directory()),
      summary: tree('', content).summary,
    })
    const left = [named('came', 'x'), named('other', 'x'), named('differs', 'y'), named('new', 'x')]
    const right = [named('came', 'x'), named('other', 'x'), named('differs', 'x')]
    const lineage = new Lineage([move('a', 'b'), move('a/came', 'b/came'), move('c', 'b/other')])
    assert.deepEqual(doubtfulDirectories(move('a', 'b'), left, right, lineage), ['other'])
  })

  const files: [what: string, lost: FoundFile[], fresh: FoundFile[], expected: string[]][] = [
    ['a file that moved', [found('a')], [found('b')], ['a -> b']],
    ['not one of another size', [found('a', 'x')], [found('b', 'xx')], []],
    ['not one of another time', [found('a', 'x', { seconds: 1 })], [found('b', 'x', { seconds: 2 })], []],
    ['not one of another nanosecond', [found('a', 'x', { ns: 1 })], [found('b', 'x', { ns: 2 })], []],
    ['never empty files', [found('a', '')], [found('b', '')], []],
    ['each once', [found('a')], [found('b'), found('c')], ['a -> b']],
    [
      'the one of the same name first',
      [found('a/x'), found('a/y')],
      [found('b/y'), found('b/x')],
      ['a/y -> b/y', 'a/x -> b/x'],
    ],
    ['some other where none has the name', [found('a/x'), found('a/y')], [found('z')], ['a/x -> z']],
  ]
  for (const [what, lost, fresh, expected] of files) {
    it(`proposes files: ${what}`, () => assert.deepEqual(pairs(proposeFileMoves(lost, fresh)), expected))
  }

  it('proposes at most 16 of a size', () => {
    const many = (prefix: string, text: string): FoundFile[] =>
      Array.from({ length: 20 }, (_, at) => found(`${prefix}${at}`, text))
    const lost = [...many('a', 'x'), ...many('b', 'xx')]
    const fresh = [...many('c', 'x'), ...many('d', 'xx')]
    assert.equal(proposeFileMoves(lost, fresh).length, 32)
  })

  it('proposes only files of equal size and time, each once', () => {
    const some = fc.array(
      fc.tuple(
        fc.constantFrom('a', 'b', 'c/a', 'c/b', 'd/a'),
        fc.constantFrom('', 'x', 'y', 'xx'),
        fc.nat(1),
        fc.nat(1),
      ),
      { maxLength: 30 },
    )
    check(
      fc.property(some, some, (left, right) => {
        const all = (rows: typeof left): FoundFile[] =>
          rows.map(([at, text, seconds, ns]) => found(at, text, { seconds, ns }))
        const [lost, fresh] = [all(left), all(right)]
        const proposed = proposeFileMoves(lost, fresh)
        assert.equal(new Set(proposed.map(({ from }) => from)).size, proposed.length)
        assert.equal(new Set(proposed.map(({ to }) => to)).size, proposed.length)
        const perSize = new Map<number, number>()
        for (const { from, to } of proposed) {
          assert.ok(lost.includes(from) && fresh.includes(to) && from.entry.sizeBytes > 0)
          const facts = ({ entry }: FoundFile): number[] => [entry.sizeBytes, entry.mtimeSeconds, entry.mtimeNs]
          assert.deepEqual(facts(from), facts(to))
          perSize.set(from.entry.sizeBytes, (perSize.get(from.entry.sizeBytes) ?? 0) + 1)
        }
        for (const count of perSize.values()) assert.ok(count <= 16)
      }),
    )
  })
})
