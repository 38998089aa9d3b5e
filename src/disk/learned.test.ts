// Digests on their way back to a tree, and the signatures that must match.

import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { scanned } from '../../test/world/one-scan.ts'
import { digestOf } from '../chunk/digest.ts'
import type { RelPath } from '../core/path.ts'
import { statCtimeNs, statMtimeNs, statWidth } from '../core/stat.ts'
import type { Tree } from '../core/tree.ts'
import { hex, utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { applyLearned, type Learned, LearnedWriter, readLearned } from './learned.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-learned-'))
after(() => rmSync(home, { recursive: true, force: true }))
let made = 0

const folder = { a: 'a', b: 'b', 'd/a': 'da', 'd/b': 'db' }

function statsOf(tree: Tree, directory: string, name: string): Uint32Array {
  const record = tree.record(directory as RelPath)
  assert.ok(record !== undefined)
  const row = record.find(utf8(name))
  return record.stats(row).slice(record.at(row), record.at(row) + statWidth)
}

function digestIn(tree: Tree, directory: string, name: string): string | undefined {
  const record = tree.record(directory as RelPath)
  const digest = record?.digest(record.find(utf8(name)))
  return digest && hex(digest)
}

function lesson(
  tree: Tree,
  directory: string,
  name: string,
  text: string,
  change: (stats: Uint32Array) => void = () => {},
): Learned {
  const stats = statsOf(tree, directory, name)
  change(stats)
  return { directory: directory as RelPath, name: utf8(name), stats, digest: digestOf(utf8(text)) }
}

function written(...lessons: readonly Learned[]): Uint8Array {
  const writer = new LearnedWriter()
  for (const one of lessons) writer.add(one)
  return writer.take()
}

function tree(): Tree {
  const one = scanned(join(home, `case-${++made}`), folder)
  one.scan()
  return one.tree
}

describe('learned', () => {
  it('is read back as it was written, directories told once', () => {
    const one = tree()
    const lessons = [
      lesson(one, '', 'a', 'a'),
      lesson(one, '', 'b', 'b'),
      lesson(one, 'd', 'a', 'da'),
      lesson(one, '', 'a', 'a'),
    ]
    const bytes = written(...lessons)
    const back = [...readLearned(bytes)]
    assert.deepEqual(
      back.map(({ directory, name, digest }) => [directory, Buffer.from(name).toString(), hex(digest)]),
      lessons.map(({ directory, name, digest }) => [directory, Buffer.from(name).toString(), hex(digest)]),
    )
    back.forEach(({ stats }, i) => assert.deepEqual(stats, lessons[i]?.stats))
    assert.deepEqual([...readLearned(new Uint8Array(0))], [])
    assert.throws(() => [...readLearned(bytes.subarray(0, bytes.length - 1))], Failure)
  })

  it('goes to the files that still are what was read, and to no other', () => {
    const one = tree()
    const parts = [
      written(
        lesson(one, '', 'a', 'a'),
        lesson(one, '', 'b', 'b', (stats) => stats.fill(7, statCtimeNs, statCtimeNs + 1)),
        lesson(one, 'd', 'a', 'da'),
      ),
      written(
        { ...lesson(one, '', 'a', 'x'), name: utf8('missing') },
        { ...lesson(one, '', 'a', 'x'), directory: 'no/such' as RelPath },
      ),
      written(lesson(one, 'd', 'b', 'db')),
    ]
    for (const part of parts) applyLearned(one, part, false)
    assert.equal(digestIn(one, '', 'a'), hex(digestOf(utf8('a'))))
    assert.equal(digestIn(one, '', 'b'), undefined)
    assert.equal(digestIn(one, 'd', 'a'), hex(digestOf(utf8('da'))))
    assert.equal(digestIn(one, 'd', 'b'), hex(digestOf(utf8('db'))))
  })

  it('forgives a moved ctime only for files that we renamed ourselves', () => {
    const one = tree()
    const moved = (stats: Uint32Array): void => void stats.fill(7, statCtimeNs, statCtimeNs + 1)
    const other = (stats: Uint32Array): void => void stats.fill(7, statMtimeNs, statMtimeNs + 1)
    applyLearned(one, written(lesson(one, '', 'a', 'a', moved), lesson(one, '', 'b', 'b', other)), true)
    assert.equal(digestIn(one, '', 'a'), hex(digestOf(utf8('a'))))
    assert.equal(digestIn(one, '', 'b'), undefined)
  })

  it('is stored with the tree, and is forgotten when the file changes', () => {
    const one = scanned(join(home, 'changes'), folder)
    one.scan()
    one.tree.takeChanges()
    applyLearned(one.tree, written(lesson(one.tree, '', 'a', 'a'), lesson(one.tree, 'd', 'a', 'da')), false)
    assert.deepEqual(
      one.tree
        .takeChanges()
        .put.map(({ key }) => key)
        .sort(),
      ['', 'd'],
    )
    writeFileSync(join(one.path, 'a'), 'other text')
    renameSync(join(one.path, 'd'), join(one.path, 'e'))
    one.scan()
    assert.equal(digestIn(one.tree, '', 'a'), undefined)
    assert.equal(digestIn(one.tree, 'e', 'a'), hex(digestOf(utf8('da'))))
  })
})
