// What an empty target is brought: every entry of the left once, directories before what lies in them, and no part
// larger than a batch, however many entries a directory has.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { directory, file, treeOf } from '../../test/world/trees.ts'
import { nameOf, parentOf, type RelPath, rootPath } from '../core/path.ts'
import { batchFilesMax, type PackedSection, stepsOf } from '../core/plan.ts'
import type { Problem } from '../core/problem.ts'
import type { Rules } from '../core/reconcile.ts'
import type { Tree } from '../core/tree.ts'
import { bringAll } from './bring.ts'
import type { End } from './endpoint.ts'

const rules = { mode: 'mirror', timeGrainNs: 1, checksum: false } as Rules

function endOf(tree: Tree, missing: readonly string[] = []): End {
  return {
    listings: (paths: readonly RelPath[]) =>
      Promise.resolve(
        paths.map((path) => {
          const bytes = missing.includes(path) ? undefined : tree.listing(path)
          return bytes === undefined ? undefined : { bytes, mtimeSeconds: 1, mtimeNs: 0 }
        }),
      ),
  } as unknown as End
}

async function brought(end: End): Promise<{ sections: PackedSection[]; problems: Problem[] }> {
  const problems: Problem[] = []
  const sections: PackedSection[] = []
  for await (const section of bringAll(end, rules, { problems, giveTop: () => {} })) sections.push(section)
  return { sections, problems }
}

const pathsOf = (sections: readonly PackedSection[]): string[] =>
  sections.flatMap((section) => [...stepsOf(section)].map(({ entry }) => `${section.path}/${entry.name}`))

const many = (count: number) =>
  directory(
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${String(i).padStart(5, '0')}`, file(`${i}`)])),
  )

test('large directories come in parts: made first and alone, then found present', async () => {
  const count = 2 * batchFilesMax + 7
  const tree = treeOf(directory({ big: many(count), exact: many(batchFilesMax), empty: directory(), a: file('a') }))
  const { sections, problems } = await brought(endOf(tree))
  assert.deepEqual(problems, [])
  const paths = pathsOf(sections)
  assert.equal(paths.length, count + batchFilesMax + 1)
  assert.equal(new Set(paths).size, paths.length)
  assert.ok(sections.every(({ stepCount }) => stepCount <= batchFilesMax))
  assert.deepEqual(
    sections.filter(({ path }) => path === 'big').map(({ state, stepCount }) => [state, stepCount]),
    [
      ['new', 0],
      ['present', batchFilesMax],
      ['present', batchFilesMax],
      ['present', 7],
    ],
  )
  assert.deepEqual(
    sections.filter(({ path }) => path !== 'big').map(({ path, state, stepCount }) => [path, state, stepCount]),
    [
      [rootPath, 'present', 1],
      ['empty', 'new', 0],
      ['exact', 'new', batchFilesMax],
    ],
  )
})

test('a root of many files comes in parts too, and every directory after the one that it lies in', async () => {
  const root = many(batchFilesMax + 1)
  const deep = treeOf(directory({ x: directory({ y: directory({ z: directory({ f: file('f') }) }) }) }))
  assert.equal(pathsOf((await brought(endOf(treeOf(root)))).sections).length, batchFilesMax + 1)
  const made = (await brought(endOf(deep))).sections.map(({ path }) => path)
  assert.deepEqual(made.map(nameOf), ['x', 'y', 'z'])
  made.forEach((path, i) => assert.ok(i === 0 || parentOf(path) === made[i - 1]))
})

test('a directory that can not be listed is a problem, and the rest comes', async () => {
  const tree = treeOf(directory({ bad: directory({ f: file('f') }), good: directory({ f: file('f') }) }))
  const { sections, problems } = await brought(endOf(tree, ['bad']))
  assert.deepEqual(problems, [{ path: 'bad', code: 'unreadable', detail: '' }])
  assert.deepEqual(pathsOf(sections), ['good/f'])
})
