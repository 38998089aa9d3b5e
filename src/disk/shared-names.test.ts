// Files of several names in a target: what is known of them, when a further name is allowed, and what becomes of one that the
// system does not make: a copy, or nothing, and told either way.

import assert from 'node:assert/strict'
import { linkSync, lstatSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { FaultySys } from '../../test/world/faulty-sys.ts'
import { partitionOf } from '../../test/world/link-trees.ts'
import { later, newTree } from '../../test/world/one-mirror.ts'
import { type Folder, plant } from '../../test/world/planted.ts'
import { batchBytes, change, head, type Sections } from '../../test/world/steps.ts'
import { digestOf } from '../chunk/digest.ts'
import { wantsHardLinks } from '../core/attributes.ts'
import { ToldLinks } from '../core/link-table.ts'
import type { RelPath } from '../core/path.ts'
import type { Step } from '../core/plan.ts'
import type { Tree } from '../core/tree.ts'
import { utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { Apply } from './apply.ts'
import { KnownLinks } from './known-links.ts'
import { Landing } from './landing.ts'
import { scanRoot } from './scan.ts'
import { type SharedName, SharedNames } from './shared-names.ts'
import { type Staged, Stager } from './stage.ts'
import { errno, errnoName, type Sys } from './sys.ts'
import { systemSys } from './system.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-shared-'))
after(() => rmSync(home, { recursive: true, force: true }))
const real = systemSys()
let made = 0

type Target = {
  readonly path: string
  readonly tree: Tree
  readonly handles: { readonly root: number; readonly staging: number }
  look(): void
}

/** A scanned target, with further names `[from, to]`, under rules of its root. */
function target(folder: Folder, links: readonly (readonly [string, string])[], rules = ''): Target {
  const path = join(home, `case-${++made}`)
  plant(path, folder)
  for (const [from, to] of links) linkSync(join(path, from), join(path, to))
  plant(`${path}-staging`, {})
  const handles = { root: real.openRoot(path), staging: real.openRoot(`${path}-staging`) }
  const tree = newTree()
  const look = (): void => {
    scanRoot(real, handles.root, tree, { overrides: [], ignoreFiles: [], attributes: wantsHardLinks }, later)
    const texts = rules === '' ? [] : [{ directory: '', label: 'rules', text: rules }]
    const view = { modeMask: 0o777, timeGrainNs: 1, overrides: [], texts, attributes: wantsHardLinks }
    tree.setView(view, JSON.stringify(view))
  }
  look()
  return { path, tree, handles, look }
}

function nameAt(tree: Tree, path: string): SharedName {
  const at = path.lastIndexOf('/')
  const directory = path.slice(0, Math.max(0, at)) as RelPath
  const record = tree.record(directory)
  assert.ok(record !== undefined)
  return { directory, record, row: record.find(utf8(path.slice(at + 1))) }
}

describe('names that share a file', () => {
  const folder = { a: 'one', x: 'own', 'd/plain': 'p', 'e/': {}, 'e/f': 'f' }
  const links = [
    ['a', 'd/b'],
    ['a', 'e/c'],
    ['x', 'hidden'],
  ] as const
  const at = (tree: Tree, path: string): SharedName => nameAt(tree, path)

  it('are known where somebody asked, and are nothing where nobody did', () => {
    const { tree, handles } = target(folder, links)
    for (const isAsked of [true, false]) {
      const shared = new SharedNames(real, handles.root, tree, isAsked)
      assert.deepEqual(
        ['a', 'd/b', 'd/plain'].map((path) => shared.isShared(at(tree, path))),
        [isAsked, isAsked, false],
      )
      const touches = new Set<RelPath>()
      shared.touch(at(tree, 'd/b'), touches)
      assert.deepEqual([...touches].sort(), isAsked ? ['', 'd', 'e'] : [])
      assert.equal(shared.changed?.size, isAsked ? 1 : undefined)
      assert.equal(shared.together(at(tree, 'a')), isAsked ? 3 : undefined)
      shared.begin()
      assert.equal(shared.mayLink, isAsked)
    }
  })

  it('are looked at anew once the tree is, for further names', () => {
    const { path, tree, handles, look } = target(folder, links)
    const shared = new SharedNames(real, handles.root, tree, true)
    const touched = (name: string): RelPath[] => {
      const touches = new Set<RelPath>()
      shared.touch(at(tree, name), touches)
      return [...touches].sort()
    }
    assert.deepEqual(touched('a'), ['', 'd', 'e'])
    rmSync(join(path, 'd/b'))
    look()
    shared.begin()
    assert.deepEqual(touched('a'), ['', 'e'])
  })

  it('have all of it set at once, only where the rules show all and none goes', () => {
    const { tree, handles } = target(folder, links, 'hidden')
    const shared = new SharedNames(real, handles.root, tree, true)
    assert.equal(shared.together(at(tree, 'x')), undefined)
    assert.equal(shared.together(at(tree, 'a')), 3)
    shared.leaves(at(tree, 'e/c'))
    assert.equal(shared.together(at(tree, 'a')), undefined)
  })

  it('hold a content that is known, or that is read now', () => {
    const { path, tree, handles } = target(folder, links)
    const shared = new SharedNames(real, handles.root, tree, true)
    assert.equal(shared.holds(at(tree, 'a'), digestOf(utf8('one'))), true)
    assert.equal(shared.holds(at(tree, 'a'), digestOf(utf8('two'))), false)
    rmSync(join(path, 'd/plain'))
    assert.equal(shared.holds(at(tree, 'd/plain'), digestOf(utf8('p'))), false)
  })

  it('are told, and part of what the root says of itself, until they are others', () => {
    const { path, tree, look } = target(folder, links)
    const known = new KnownLinks(tree)
    const before = known.summary()
    assert.notDeepEqual(before?.fingerprint, tree.summary('' as RelPath)?.fingerprint)
    const told = new ToldLinks(20)
    told.take(known.part(0).bytes)
    assert.deepEqual(
      told.files.map(({ paths }) => paths.join()),
      ['a,d/b,e/c', 'hidden,x'],
    )
    rmSync(join(path, 'e/c'))
    linkSync(join(path, 'x'), join(path, 'e/c'))
    look()
    assert.deepEqual(known.summary(), { ...tree.summary('' as RelPath), fingerprint: known.summary()?.fingerprint })
    known.forget()
    assert.notDeepEqual(known.summary()?.fingerprint, before?.fingerprint)
    tree.looks = 0
    assert.deepEqual([known.part(0).bytes.length, known.summary()], [0, tree.summary('' as RelPath)])
  })
})

function further(action: Step['action'], name: string, from: string, text: string): Step {
  const step = change(action, name, { sizeBytes: utf8(text).length })
  return { ...step, from: from as RelPath, digest: digestOf(utf8(text)), links: true }
}

function staged({ tree, handles }: Target, sections: Sections): Staged {
  const stager = new Stager(real, handles.root, tree, { modeMask: 0o777, syncEach: false, linksFiles: true })
  stager.beginLinks()
  const first = stager.stage(0, batchBytes(sections))
  if (first.askCount === 0) return first
  return stager.answer(0, Array(first.askCount).fill(digestOf(utf8('one'))))
}

/** Lands further names with this Sys: the problems, as `path: code detail`. */
function land({ handles }: Target, { order }: Staged, sys: Sys): string[] {
  const landing = new Landing(sys, handles, order, process.umask())
  landing.begin()
  landing.finishWriting()
  const { problems } = new Apply(sys, handles, landing, Date.now).land()
  return problems.map(({ path, code, detail }) => `${path}: ${code} ${detail}`.trim()).sort()
}

describe('further names', () => {
  const folder = { a: 'one', other: 'old', equal: 'one' }
  const sections: Sections = [
    [
      head(''),
      [
        further('create', 'new', 'a', 'one'),
        further('replace', 'other', 'a', 'one'),
        further('replace', 'equal', 'a', 'one'),
      ],
    ],
  ]

  it('are names of the very file', () => {
    const place = target(folder, [])
    const made = staged(place, sections)
    assert.deepEqual([made.wantCount, made.replaces, made.bringsBytes], [0, 1, 0])
    assert.deepEqual(land(place, made, real), [])
    assert.equal(partitionOf(place.path), 'a = equal = new = other')
  })

  for (const code of [errno.EMLINK, errno.EPERM, errno.EXDEV, errno.ENOSPC]) {
    const word = errnoName(-code)
    it(`that the system does not make (${word}) are copies, or stay what they are, and are told`, () => {
      const place = target(folder, [])
      const before = lstatSync(join(place.path, 'equal'), { bigint: true })
      const sys = new FaultySys(real).on('link', { sticky: true, result: -code })
      assert.deepEqual(land(place, staged(place, sections), sys), [
        `equal: stays-apart ${word}`,
        `new: not-linked ${word}`,
        `other: not-linked ${word}`,
      ])
      for (const name of ['a', 'new', 'other', 'equal'])
        assert.equal(readFileSync(join(place.path, name), 'utf8'), 'one')
      assert.equal(partitionOf(place.path), '')
      const { ino, ctimeNs } = lstatSync(join(place.path, 'equal'), { bigint: true })
      assert.deepEqual([ino, ctimeNs], [before.ino, before.ctimeNs])
    })
  }

  it('are none of a file that is another one by now: its content comes, or nothing is done', () => {
    const place = target(folder, [])
    const made = staged(place, sections)
    plant(place.path, { a: { text: 'two', mtimeMs: 1_700_000_000_000 } })
    assert.deepEqual(land(place, made, real), ['equal: stays-apart ESTALE', 'new: changing', 'other: changing'])
    assert.equal(readFileSync(join(place.path, 'other'), 'utf8'), 'old')
  })

  it('of a content that is not what the source says are taken from where it is, or stay', () => {
    const place = target({ ...folder, a: 'two' }, [])
    const made = staged(place, sections)
    assert.deepEqual(land(place, made, real), ['equal: stays-apart', 'new: not-linked', 'other: not-linked'])
    for (const name of ['new', 'other']) assert.equal(readFileSync(join(place.path, name), 'utf8'), 'one')
    assert.equal(partitionOf(place.path), '')
    const nowhere = target({ a: 'two', other: 'old' }, [])
    const wanted = staged(nowhere, [
      [head(''), [further('create', 'new', 'a', 'one'), further('replace', 'other', 'a', 'one')]],
    ])
    assert.deepEqual([wanted.wantCount, wanted.askCount], [2, 0])
  })

  it('are none before what they are names of has landed', () => {
    const { tree, handles } = target(folder, [])
    const stager = new Stager(real, handles.root, tree, { modeMask: 0o777, syncEach: false, linksFiles: true })
    assert.throws(
      () => stager.stage(0, batchBytes(sections)),
      (error) => error instanceof Failure && error.code === 'protocol-broken',
    )
  })

  it('leave a name alone that was changed meanwhile', () => {
    const place = target(folder, [])
    const made = staged(place, sections)
    writeFileSync(join(place.path, 'other'), 'a newer content')
    assert.deepEqual(land(place, made, real), ['other: target-changed'])
    assert.equal(readFileSync(join(place.path, 'other'), 'utf8'), 'a newer content')
    assert.equal(partitionOf(place.path), 'a = equal = new')
  })
})
