// What only moved: pairs are made of equal things, each is used once, and nothing without content is ever paired.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { check, entryOf, file, testDigest } from '../../test/world/trees.ts'
import { equalBytes } from '../std/bytes.ts'
import { nameOf, type RelPath } from './path.ts'
import {
  type DirectoryMove,
  type FileMove,
  type FoundDirectory,
  type FoundFile,
  matchDirectories,
  proposeFileMoves,
} from './renames.ts'

function tree(path: string, content: string, files = 1): FoundDirectory {
  return { path: path as RelPath, summary: { fingerprint: testDigest(content), files, directories: 0, sizeBytes: 1 } }
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
  const rows: [
    what: string,
    lost: FoundDirectory[],
    fresh: FoundDirectory[],
    moves: DirectoryMove[],
    DirectoryMove[],
  ][] = [
    ['a directory that moved', [tree('a', 'x')], [tree('b', 'x')], [move('a', 'b')], [move('a', 'b')]],
    ['into another directory', [tree('a', 'x')], [tree('c/d', 'x')], [move('a', 'c/d')], [move('a', 'c/d')]],
    ['not one that is only alike', [tree('a', 'x')], [tree('b', 'x')], [], []],
    ['not one that changed below', [tree('a', 'x')], [tree('b', 'y')], [move('a', 'b')], []],
    ['not one that the right never had', [], [tree('b', 'x')], [move('a', 'b')], []],
    ['not one that the right has at its place', [tree('c', 'x')], [tree('b', 'x')], [move('a', 'b')], []],
    ['not one that is already there', [tree('a', 'x')], [], [move('a', 'b')], []],
    ['not one without files', [tree('a', 'x', 0)], [tree('b', 'x', 0)], [move('a', 'b')], []],
    [
      'one place only',
      [tree('a', 'x')],
      [tree('b', 'x'), tree('c', 'x')],
      [move('a', 'b'), move('a', 'c')],
      [move('a', 'b')],
    ],
    [
      'two that changed places with new names',
      [tree('a', 'x'), tree('b', 'y')],
      [tree('c', 'x'), tree('d', 'y')],
      [move('b', 'd'), move('a', 'c')],
      [move('a', 'c'), move('b', 'd')],
    ],
  ]
  for (const [what, lost, fresh, moves, expected] of rows) {
    it(`pairs directories: ${what}`, () => assert.deepEqual(matchDirectories(lost, fresh, moves), expected))
  }

  it('pairs directories only where inode and fingerprint agree, each once', () => {
    const path = fc.constantFrom('a', 'b', 'c', 'a/b')
    const some = fc.uniqueArray(fc.tuple(path, fc.constantFrom('x', 'y'), fc.nat(2)), { selector: ([at]) => at })
    const moves = fc.array(fc.tuple(path, path))
    check(
      fc.property(some, some, moves, (left, right, told) => {
        const [lost, fresh] = [left, right].map((all) =>
          all.map(([at, content, files]) => tree(at, content, files)),
        ) as [FoundDirectory[], FoundDirectory[]]
        const matched = matchDirectories(
          lost,
          fresh,
          told.map(([from, to]) => move(from, to)),
        )
        assert.equal(new Set(matched.map(({ from }) => from)).size, matched.length)
        assert.equal(new Set(matched.map(({ to }) => to)).size, matched.length)
        for (const { from, to } of matched) {
          const [a, b] = [lost.find(({ path }) => path === from), fresh.find(({ path }) => path === to)]
          assert.ok(a !== undefined && b !== undefined && b.summary.files > 0)
          assert.ok(equalBytes(a.summary.fingerprint, b.summary.fingerprint))
          assert.ok(told.some((one) => one[0] === from && one[1] === to))
        }
      }),
      1000,
    )
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
