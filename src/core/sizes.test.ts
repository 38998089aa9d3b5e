// Finding files by size: every one that is there and no other, those with a known digest first, never too many.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  check,
  type DirectoryItem,
  directory,
  file,
  recordOf,
  someDirectory,
  special,
  statRow,
  symlink,
  treeOf,
} from '../../test/world/trees.ts'
import { utf8 } from '../std/bytes.ts'
import { type RelPath, rootPath } from './path.ts'
import { buildRecord, type RecordRow } from './record.ts'
import { SizeIndex } from './sizes.ts'
import { sizeOf, typeFile } from './stat.ts'
import type { Tree } from './tree.ts'

const max = 16

function found(tree: Tree, sizeBytes: number): string[] {
  return new SizeIndex(tree).places(sizeBytes).map(({ directory, record, row }) => `${directory}/${record.name(row)}`)
}

/** All files of a size, looked up in the plainest way. */
function expected(tree: Tree, sizeBytes: number): string[] {
  const all: string[] = []
  for (const path of tree.paths()) {
    const record = tree.record(path)
    for (let row = 0; record !== undefined && row < record.count; row++) {
      if (record.type(row) !== typeFile || sizeOf(record.stats(row), record.at(row)) !== sizeBytes) continue
      all.push(`${path}/${record.name(row)}`)
    }
  }
  return all
}

function manyFiles(prefix: string, count: number): DirectoryItem {
  return directory(Object.fromEntries(Array.from({ length: count }, (_, at) => [`${prefix}${at}`, file('xy')])))
}

describe('sizes', () => {
  it('finds every file of a size, and nothing else', () => {
    check(
      fc.property(someDirectory({ uncopied: true }, 3), fc.constantFrom(1, 2, 3), (root, sizeBytes) => {
        const tree = treeOf(root)
        const [ours, theirs] = [found(tree, sizeBytes).sort(), expected(tree, sizeBytes).sort()]
        if (theirs.length <= max) assert.deepEqual(ours, theirs)
        else assert.ok(ours.length === max && ours.every((place) => theirs.includes(place)))
      }),
    )
  })

  it('knows no empty files, links, directories or others', () => {
    const tree = treeOf(directory({ a: file(''), b: symlink('x'), c: special, d: directory(), e: file('x') }))
    assert.deepEqual(found(tree, 0), [])
    assert.deepEqual(found(tree, 1), ['/e'])
    assert.deepEqual(found(tree, 2), [])
    assert.deepEqual(found(treeOf(directory()), 1), [])
  })

  it('names those with a known digest first, however many others there are', () => {
    const root = directory({ a: manyFiles('unknown', 40), b: manyFiles('known', 3), c: file('x') })
    const tree = treeOf(root)
    tree.put('b' as RelPath, recordOf(manyFiles('known', 3), true))
    const names = found(tree, 2)
    assert.deepEqual(names.slice(0, 3), ['b/known0', 'b/known1', 'b/known2'])
    assert.equal(names.length, max)
    assert.ok(names.slice(3).every((name) => name.startsWith('a/')))
  })

  it('names at most 16, known or not', () => {
    for (const digests of [true, false]) {
      const tree = treeOf(manyFiles('a', 100))
      tree.put(rootPath, recordOf(manyFiles('a', 100), digests))
      assert.equal(found(tree, 2).length, max)
    }
  })

  it('tells large sizes apart', () => {
    const tree = treeOf(directory({ a: file('x'.repeat(1000)), b: file('x'.repeat(1001)) }))
    assert.deepEqual(
      [999, 1000, 1001, 1002].map((size) => found(tree, size)),
      [[], ['/a'], ['/b'], []],
    )
  })

  it('tells sizes with one hash apart, and passes a million of another size by', () => {
    // Their products with 0x9e3779b1 are 8 and 9 modulo 2 ** 32, and the hash is without the three lowest bits.
    const [size, alike] = [1_952_021_128, 2_196_023_769]
    const rows = (count: number, sizeBytes: number, from: number): RecordRow[] =>
      Array.from({ length: count }, (_, i) => {
        const stats = statRow({ sizeBytes })
        const name = utf8(`f${String(from + i).padStart(5, '0')}`)
        return { name, stats, at: 0, flags: 0, link: undefined, digest: undefined }
      })
    const tree = treeOf(directory())
    const own = { mtimeSeconds: 0, mtimeNs: 0, inodeLow: 0, inodeHigh: 0 }
    tree.put(rootPath, buildRecord([...rows(3, size, 0), ...rows(3, alike, 3)], own))
    assert.deepEqual(found(tree, size), ['/f00000', '/f00001', '/f00002'])
    assert.deepEqual(found(tree, alike), ['/f00003', '/f00004', '/f00005'])
    tree.put(rootPath, buildRecord([...rows(2000, size, 0), ...rows(1, alike, 2000)], own))
    assert.deepEqual([found(tree, size).length, found(tree, alike)], [max, []])
  })

  it('names the right files of many directories, empty ones among them', () => {
    const sizes = Array.from({ length: 300 }, (_, i) => i + 1)
    const items = Object.fromEntries(
      sizes.map((size) => [`d${size}`, directory(size % 3 === 0 ? {} : { f: file('x'.repeat(size)) })]),
    )
    const index = new SizeIndex(treeOf(directory(items)))
    for (const size of sizes) {
      const names = index.places(size).map(({ directory: path, record, row }) => `${path}/${record.name(row)}`)
      assert.deepEqual(names, size % 3 === 0 ? [] : [`d${size}/f`])
    }
  })
})
