// What a target has, wants, and saw.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { FaultySys } from '../../test/world/faulty-sys.ts'
import { later } from '../../test/world/one-mirror.ts'
import { scanned } from '../../test/world/one-scan.ts'
import type { Folder } from '../../test/world/planted.ts'
import { batchBytes, change, create, head, type Sections } from '../../test/world/steps.ts'
import { digestOf } from '../chunk/digest.ts'
import type { RelPath } from '../core/path.ts'
import { statMode, typeFile, typeMask } from '../core/stat.ts'
import type { Tree } from '../core/tree.ts'
import { utf8 } from '../std/bytes.ts'
import { Failure } from '../std/failure.ts'
import { scanRoot } from './scan.ts'
import { type Staged, Stager } from './stage.ts'
import { errno, type Sys } from './sys.ts'
import { systemSys } from './system.ts'
import { decodeWants } from './wants.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-stage-'))
after(() => rmSync(home, { recursive: true, force: true }))
const real = systemSys()
let made = 0

type Target = { readonly path: string; readonly tree: Tree; stager(sys?: Sys, modeMask?: number): Stager }

/** A scanned target under rules of its root. */
function target(folder: Folder, rules = '', sys: Sys = real): Target {
  const { path, tree, scan } = scanned(join(home, `case-${++made}`), folder)
  execFileSync('mkfifo', [join(path, 'fifo')])
  const root = real.openRoot(path)
  scan({ sys, nowMs: later })
  const texts = rules === '' ? [] : [{ directory: '', label: 'rules', text: rules }]
  const view = { modeMask: 0o777, timeGrainNs: 1, overrides: [], texts }
  tree.setView(view, JSON.stringify(view))
  return {
    path,
    tree,
    stager: (by = real, modeMask = 0o777) => new Stager(by, root, tree, { modeMask, syncEach: false }),
  }
}

function learn(tree: Tree, directory: string, name: string, text: string): void {
  const record = tree.record(directory as RelPath)
  assert.ok(record !== undefined)
  record.setDigest(record.find(utf8(name)), digestOf(utf8(text)))
  tree.record(directory as RelPath)?.touch()
}

function names(wants: Uint8Array): string[] {
  return decodeWants(wants).flatMap(({ path, names }) => names.map((name) => join(path, name)))
}

function stale(staged: Staged): number[] {
  return [...staged.order.notes].filter(([, note]) => note.refused === 'target-changed').map(([number]) => number)
}

const large = 'x'.repeat(70_000)

describe('stage', () => {
  it('wants what the target has not, in the order of the plan, and asks about what it may have', () => {
    const { tree, stager } = target({ 'a/known': 'known', 'a/other': 'other!!', big: large })
    learn(tree, 'a', 'known', 'known')
    const sections: Sections = [
      [head(''), [create('new', 'longer than all'), create('same size', 'KNOWN'), create('empty', '')]],
      [head('b', 'new'), [create('known', 'known'), create('unknown digest', 'OTHER!!'), create('large', large)]],
    ]
    const one = stager()
    const staged = one.stage(7, batchBytes(sections))
    assert.deepEqual(names(staged.wants), ['new', 'b/unknown digest'])
    assert.deepEqual(names(staged.asks), ['same size', 'b/known', 'b/large'])
    assert.deepEqual([staged.wantCount, staged.askCount, staged.deletes, staged.replaces], [2, 3, 0, 0])
    const answered = one.answer(7, [digestOf(utf8('KNOWN')), digestOf(utf8('known')), digestOf(utf8(large))])
    assert.deepEqual(names(answered.wants), ['new', 'same size', 'b/unknown digest'])
    assert.equal(answered.askCount, 0)
    const donors = [...answered.order.notes].map(
      ([number, { donor }]) => `${number} ${join(donor?.directory ?? '', Buffer.from(donor?.name ?? []).toString())}`,
    )
    assert.deepEqual(donors, ['3 a/known', '5 big'])
    assert.deepEqual([...answered.order.wanted], [1, 1, 0, 0, 1, 0])
  })

  it('wants what the source could not tell, and is asked for nothing twice', () => {
    const { tree, stager } = target({ known: 'known' })
    learn(tree, '', 'known', 'known')
    const one = stager()
    assert.equal(one.stage(0, batchBytes([[head('b', 'new'), [create('f', 'known')]]])).askCount, 1)
    const answered = one.answer(0, [])
    assert.deepEqual(names(answered.wants), ['b/f'])
    for (const batch of [0, 1]) {
      assert.throws(
        () => one.answer(batch, []),
        (error) => error instanceof Failure && error.code === 'protocol-broken',
      )
    }
  })

  it('reads a local file without a known digest once, however many contents it may be', () => {
    const { stager } = target({ a: large, b: large.replace('x', 'y') })
    const sys = new FaultySys(real)
    let opened = 0
    sys.on('openFile', { sticky: true, before: () => void opened++ })
    const one = stager(sys)
    const wanted = Array.from({ length: 20 }, (_, i) => `${large.slice(10)}${String(i).padStart(10)}`)
    const staged = one.stage(0, batchBytes([[head('new', 'new'), wanted.map((text, i) => create(`f${i}`, text))]]))
    assert.equal(staged.askCount, 20)
    assert.equal(
      one.answer(
        0,
        wanted.map((text) => digestOf(utf8(text))),
      ).wantCount,
      20,
    )
    assert.equal(opened, 2)
    const unreadable = new FaultySys(real).on('openFile', { sticky: true, result: -errno.EACCES })
    const other = stager(unreadable)
    other.stage(0, batchBytes([[head('new', 'new'), [create('f', large)]]]))
    assert.equal(other.answer(0, [digestOf(utf8(large))]).wantCount, 1)
  })

  it('takes the very file that only moved, if it is one and has the size', () => {
    const { stager } = target({ 'a/moves': 'moves', 'a/d/in': 'x', hidden: 'moves' }, 'hidden\n')
    const moved = (from: string): Staged =>
      stager().stage(0, batchBytes([[head(''), [create('to', 'moves', {}, from)]]]))
    const staged = moved('a/moves')
    assert.deepEqual([staged.wantCount, staged.askCount], [0, 0])
    assert.equal(staged.order.notes.get(0)?.donor?.moves, true)
    for (const from of ['a/missing', 'a/d', 'fifo', 'hidden', 'no/such']) {
      assert.notEqual(moved(from).order.notes.get(0)?.donor?.moves, true, from)
    }
  })

  it('counts no deletion for the old name of a file that moved, and every other one, however often it moves', () => {
    const { stager } = target({ moves: 'moves', one: '1', two: '2', 'd/moves too': 'it moves', 'd/three': '3' })
    const one = stager()
    const copies = ['a', 'b', 'c'].map((name) => create(name, 'moves', {}, 'moves'))
    one.stage(0, batchBytes([[head(''), [...copies, create('e', 'it moves', {}, 'd/moves too')]]]))
    const goes = (name: string): number => one.stage(1, batchBytes([[head(''), [change('delete', name)]]])).deletes
    assert.deepEqual(['moves', 'one', 'two', 'd'].map(goes), [0, 1, 1, 2])
  })

  it('notes what the scan saw, and lets its old name go when a file moved', () => {
    const { stager } = target({ f: 'f', 'd/in': 'in', 'd/e/deep': 'deep' })
    const one = stager()
    one.stage(0, batchBytes([[head(''), [create('to', 'deep', {}, 'd/e/deep')]]]))
    const staged = one.stage(
      1,
      batchBytes([
        [
          head(''),
          [
            change('delete', 'd', {
              kind: 'directory',
              summary: { fingerprint: new Uint8Array(32), files: 2, directories: 1, sizeBytes: 0 },
            }),
            change('replace', 'f'),
          ],
        ],
      ]),
    )
    assert.deepEqual([staged.deletes, staged.replaces], [3, 1])
    const [directory, file] = [staged.order.notes.get(0), staged.order.notes.get(1)]
    assert.deepEqual(
      directory?.below?.map(({ path, names }) => `${path}: ${names.map((name) => Buffer.from(name)).join()}`),
      ['d: e,in', 'd/e: deep'],
    )
    assert.equal(((file?.expected?.[statMode] ?? 0) & typeMask) === typeFile, true)
  })

  it('counts as the driver does: what is hidden, special or unreadable is not counted, and not to be removed', () => {
    const { path, tree } = target({
      'd/f': 'f',
      'd/l': { link: 'x' },
      'd/e/g': 'g',
      'd/a.keep': 'k',
      'd/closed/h': 'h',
      'd/e/b.keep': 'k',
    })
    execFileSync('mkfifo', [join(path, 'd/fifo')])
    writeFileSync(Buffer.from(`${path}/d/raw\xff`, 'latin1'), 'b')
    const root = real.openRoot(path)
    scanRoot(
      new FaultySys(real).on('openDirectory', { name: 'd/closed', result: -errno.EACCES }),
      root,
      tree,
      { overrides: [], ignoreFiles: [] },
      later,
    )
    const view = {
      modeMask: 0o777,
      timeGrainNs: 1,
      overrides: [],
      texts: [{ directory: '', label: 'r', text: '*.keep\n' }],
    }
    tree.setView(view, 'view')
    const summary = tree.summary('d' as RelPath)
    assert.ok(summary !== undefined)
    for (const [action, extra] of [
      ['delete', 1],
      ['retype', 0],
    ] as const) {
      const stager = new Stager(real, root, tree, { modeMask: 0o777, syncEach: false })
      const kind =
        action === 'delete'
          ? ({ kind: 'directory', summary } as const)
          : ({ kind: 'symlink', link: utf8('x') } as const)
      const staged = stager.stage(0, batchBytes([[head(''), [change(action, 'd', kind)]]]))
      assert.equal(staged.deletes, summary.files + summary.directories + extra, action)
      const seen = staged.order.notes
        .get(0)
        ?.below?.flatMap(({ path: at, names }) => names.map((name) => `${at}/${Buffer.from(name).toString('latin1')}`))
      assert.deepEqual(seen, ['d/e', 'd/f', 'd/l', 'd/raw\xff', 'd/e/g'])
    }
    real.close(root)
  })

  it('does nothing to what is missing, hidden by the rules, or nothing that is ever copied', () => {
    const { stager } = target({ shown: 's', 'a.keep': 'k', 'out/f': 'f', 'out/d/g': 'g', d: {} }, '*.keep\nout/\n')
    const actions = ['delete', 'replace', 'retype', 'attributes'] as const
    const at = (directory: string, name: string): Sections => [
      [head(directory), actions.map((action) => change(action, name))],
    ]
    for (const [directory, name] of [
      ['', 'missing'],
      ['', 'a.keep'],
      ['', 'out'],
      ['out', 'f'],
      ['out/d', 'g'],
      ['', 'fifo'],
      ['no/such', 'f'],
    ] as const) {
      const staged = stager().stage(0, batchBytes(at(directory, name)))
      assert.deepEqual(stale(staged), [0, 1, 2, 3], `${directory} ${name}`)
      assert.deepEqual([staged.deletes, staged.replaces, staged.wantCount, staged.askCount], [0, 0, 0, 0])
    }
    assert.deepEqual(stale(stager().stage(0, batchBytes(at('', 'shown')))), [])
  })

  it('gives directories only the permission bits of the job', () => {
    const staged = target({})
      .stager(real, 0o755)
      .stage(0, batchBytes([[head('d', 'new', 0o7777), []]]))
    assert.deepEqual(
      staged.heads.map(({ mode }) => mode),
      [0o755],
    )
  })

  it('wants everything for an empty target, and asks nothing', () => {
    const path = join(home, 'empty')
    const { tree, scan } = scanned(path, {})
    scan()
    const root = real.openRoot(path)
    const stager = new Stager(real, root, tree, { modeMask: 0o777, syncEach: true })
    const staged = stager.stage(0, batchBytes([[head('d', 'new'), [create('a', large), create('b', '')]]]))
    assert.deepEqual([names(staged.wants), staged.askCount, staged.order.syncEach], [['d/a'], 0, true])
    real.close(root)
  })
})
