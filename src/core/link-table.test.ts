// Which names of a tree are one file, from records; how that is told in parts; and bytes from elsewhere, of which none is
// believed.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { newTree } from '../../test/world/one-mirror.ts'
import { ByteWriter, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { AttributeWriter, namesIn, toldBlock, wantsHardLinks } from './attributes.ts'
import { encodeLinked, type LinkedFile, linkedFiles, partitionText, ToldLinks } from './link-table.ts'
import type { RelPath } from './path.ts'
import { buildRecord, type RecordRow } from './record.ts'
import { statInodeLow, statMode, statMtimeSeconds, statSizeLow, statWidth, typeDirectory, typeFile } from './stat.ts'
import type { Tree } from './tree.ts'

const broken = (error: unknown): boolean => error instanceof Failure && error.code === 'protocol-broken'
const own = { mtimeSeconds: 1, mtimeNs: 0, inodeLow: 1, inodeHigh: 0 }

/** `name inode`, with `*n` for how many names its file has, `/` behind a directory, `~` before a time of its own. */
function rowOf(text: string): RecordRow {
  const [name = '', inode = '0', names = '*1'] = text.split(' ')
  const stats = new Uint32Array(statWidth)
  const isDirectory = name.endsWith('/')
  stats[statMode] = (isDirectory ? typeDirectory : typeFile) | 0o644
  stats[statInodeLow] = Number(inode)
  stats[statSizeLow] = 3
  stats[statMtimeSeconds] = inode.length
  const writer = new AttributeWriter()
  writer.names(Number(names.slice(1)))
  const block = writer.take()
  const plain = utf8(name.replace('/', ''))
  return {
    name: plain,
    stats,
    at: 0,
    flags: 0,
    link: undefined,
    digest: undefined,
    looked: wantsHardLinks,
    ...(block && { attributes: block }),
  }
}

function treeOf(directories: Readonly<Record<string, readonly string[]>>, overrides: readonly string[] = []): Tree {
  const tree = newTree()
  tree.looks = wantsHardLinks
  for (const [path, rows] of Object.entries(directories)) tree.put(path as RelPath, buildRecord(rows.map(rowOf), own))
  tree.setView(
    {
      modeMask: 0o777,
      timeGrainNs: 1,
      overrides: overrides.map((text) => ({ directory: '', label: 'x', text })),
      texts: [],
      attributes: wantsHardLinks,
    },
    'v',
  )
  return tree
}

function told(files: readonly LinkedFile[]): string[] {
  return files.map(({ names, paths }) => `${paths.join(' = ')} of ${names}`)
}

describe('names that are one file', () => {
  it('are found wherever they lie, in the order of their first paths', () => {
    const tree = treeOf({
      '': ['a 7 *3', 'b 8 *2', 'c 9', 'd/ 20'],
      d: ['x 8 *2', 'y 7 *3', 'z 7 *3'],
    })
    assert.deepEqual(told(linkedFiles(tree)), ['a = d/y = d/z of 3', 'b = d/x of 2'])
    assert.equal(partitionText(linkedFiles(tree)), 'a\0d/y\0d/z\0\0b\0d/x')
  })

  it('are told with how many there are in all, where some are hidden or lie outside', () => {
    const tree = treeOf({ '': ['a 7 *3', 'hidden 7 *3', 'd/ 20'], d: ['x 8 *2'] }, ['hidden'])
    assert.deepEqual(told(linkedFiles(tree)), ['a of 3', 'd/x of 2'])
    assert.equal(partitionText(linkedFiles(tree)), '')
  })

  it('are none of a directory that the rules hide', () => {
    assert.deepEqual(told(linkedFiles(treeOf({ '': ['a 7 *2', 'd/ 20'], d: ['x 7 *2'] }, ['d']))), ['a of 2'])
  })

  it('are two files where inodes are equal on two devices', () => {
    const tree = treeOf({ '': ['a 7 *2', 'd/ 20'], d: ['b 7 *2'] })
    tree.setDevice('' as RelPath, 1)
    tree.setDevice('d' as RelPath, 2)
    assert.deepEqual(told(linkedFiles(tree)), ['a of 2', 'd/b of 2'])
    tree.setDevice('d' as RelPath, 1)
    assert.deepEqual(told(linkedFiles(tree)), ['a = d/b of 2'])
  })

  it('are none where nobody looked, or files have one name each', () => {
    assert.deepEqual(linkedFiles(treeOf({ '': ['a 7', 'b 7'] })), [])
  })
})

describe('the count of names in a block', () => {
  it('stays in the record, whatever stands beside it', () => {
    for (const [uid, digest] of [
      [undefined, undefined],
      [5, undefined],
      [5, new Uint8Array(32)],
      [undefined, new Uint8Array(32)],
    ] as const) {
      const write = (names: number): Uint8Array | undefined => {
        const writer = new AttributeWriter()
        if (uid !== undefined) writer.owner(uid, uid)
        if (digest !== undefined) writer.extended(digest)
        writer.names(names)
        return writer.take()
      }
      assert.deepEqual(toldBlock(write(300)), write(1))
      assert.deepEqual([namesIn(write(300)), namesIn(write(1)), namesIn(undefined)], [300, 1, 1])
    }
  })
})

const segment = fc.constantFrom('a', 'b', 'é', 'x y', '\udcff', 'long'.repeat(20))
const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/') as RelPath)
const files = fc
  .uniqueArray(path, { maxLength: 60 })
  .chain((paths) => fc.tuple(fc.constant(paths), fc.array(fc.nat({ max: 5 }), { minLength: 60, maxLength: 60 })))
  .map(([paths, sizes]) => {
    const found: LinkedFile[] = []
    for (let at = 0, i = 0; at < paths.length; i++) {
      const some = paths.slice(at, at + 1 + (sizes[i] ?? 0)).sort()
      found.push({ names: some.length + (sizes[i + 1] ?? 0), paths: some })
      at += some.length
    }
    return found
  })

describe('what another end tells', () => {
  it('is what was told', () => {
    fc.assert(
      fc.property(files, (all) => {
        const told = new ToldLinks(1000)
        told.take(encodeLinked(all, 0).bytes)
        assert.deepEqual(told.files, all)
        assert.equal(encodeLinked(all, 0).next, undefined)
      }),
    )
  })

  it('comes in parts, each of which is a beginning of what is left', () => {
    const long = 'directory/'.repeat(300)
    const all = Array.from({ length: 3000 }, (_, i) => ({
      names: 2,
      paths: [`${i}/${long}a`, `${i}/${long}b`] as RelPath[],
    }))
    const told = new ToldLinks(10_000)
    let parts = 0
    for (let from: number | undefined = 0; from !== undefined; parts++) {
      const part = encodeLinked(all, from)
      told.take(part.bytes)
      from = part.next
      if (from !== undefined) assert.equal(from, told.files.length)
    }
    assert.ok(parts > 1, `${parts}`)
    assert.deepEqual(told.files, all)
  })

  type Put = (writer: ByteWriter) => void
  const file =
    (names: number, count: number, ...paths: readonly (readonly [same: number, text: string])[]): Put =>
    (writer) => {
      writer.varint(names)
      writer.varint(count)
      for (const [same, text] of paths) {
        writer.u8(same)
        writer.text(text)
      }
    }
  const rows: readonly (readonly [what: string, ...put: Put[]])[] = [
    ['no name', file(1, 0)],
    ['fewer names than it tells', file(1, 2, [0, 'a'], [0, 'b'])],
    ['a name in the directory of none', file(2, 1, [1, 'a'])],
    ['a path that leads out', file(2, 1, [0, '../a'])],
    ['a name that leads out', file(2, 2, [0, 'd/a'], [1, '..'])],
    ['the root', file(2, 1, [0, ''])],
    ['an absolute path', file(2, 1, [0, '/a'])],
    ['one name twice in a file', file(3, 2, [0, 'd/a'], [1, 'a'])],
    ['one name in two files', file(2, 1, [0, 'a']), file(2, 1, [0, 'a'])],
    ['more names than its tree has entries', file(9, 4, [0, 'a'], [0, 'b'], [0, 'c'], [0, 'd'])],
    ['more names than there are bytes', file(9, 1000, [0, 'a'])],
  ]
  for (const [what, ...put] of rows) {
    it(`with ${what} is refused`, () => {
      const writer = new ByteWriter(64)
      for (const one of put) one(writer)
      assert.throws(() => new ToldLinks(3).take(writer.take()), broken)
    })
  }

  it('that is cut anywhere is refused, or is a beginning of it', () => {
    const all: LinkedFile[] = [
      { names: 2, paths: ['d/a', 'd/b'] as RelPath[] },
      { names: 3, paths: ['e', 'f/g'] as RelPath[] },
    ]
    const { bytes } = encodeLinked(all, 0)
    for (let length = 0; length < bytes.length; length++) {
      const told = new ToldLinks(10)
      try {
        told.take(bytes.subarray(0, length))
        assert.deepEqual(told.files, all.slice(0, told.files.length))
      } catch (error) {
        assert.ok(broken(error), `${length}: ${error}`)
      }
    }
  })
})
