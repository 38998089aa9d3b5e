// A paired machine that is hostile, as the driver: real processes and real TLS, and calls that no honest driver makes.
// Whatever it sends: nothing outside of the share is read or touched, nothing is taken away that it did not announce,
// nothing gets a name that was not verified, and the daemon goes on serving.

import assert from 'node:assert/strict'
import {
  existsSync,
  linkSync,
  lstatSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { digestOf } from '../../src/chunk/digest.ts'
import { wholeRange } from '../../src/core/outline.ts'
import type { RelPath } from '../../src/core/path.ts'
import { call } from '../../src/jobs/bulk.ts'
import { utf8 } from '../../src/std/bytes.ts'
import { systemClock } from '../../src/std/clock.ts'
import { Failure } from '../../src/std/failure.ts'
import { assertSameTree, contentOf, readTree, writeTree } from '../world/disk-trees.ts'
import { hostileNames, hostilePaths, intrude, opening, sessionOf } from '../world/hostile.ts'
import { type Pair, pairedMachines } from '../world/machines.ts'
import { batchBytes, change, create, fileEntry, head } from '../world/steps.ts'

const nothing = { fingerprint: new Uint8Array(32), files: 0, directories: 0, sizeBytes: 0 }
const refusedCodes = ['protocol-broken', 'limit-exceeded', 'unknown-share', 'unsolicited', 'source-missing']

/** Asks again as long as the end of the session before has not been closed over there. */
async function onceFree(ask: () => Promise<unknown>): Promise<void> {
  for (;;) {
    const isBusy = await ask().then(
      () => false,
      (error: unknown) => {
        if (error instanceof Failure && error.code === 'root-locked') return true
        throw error
      },
    )
    if (!isBusy) return
    await systemClock.sleep(20)
  }
}

describe('a hostile driver', () => {
  let pair: Pair
  let outside: string
  let before_: string[]
  let number = 0

  before(async () => {
    pair = await pairedMachines()
    outside = pair.world.folder('outside')
    writeTree(outside, { x: 'canary', 'sub/y': 'canary' })
    before_ = everywhere()
  })
  after(() => pair?.world.close())

  /** All that lies beside the share. */
  function everywhere(): string[] {
    return ['outside', 'private'].flatMap((name) => {
      const path = join(pair.world.directory, name)
      return existsSync(path) ? readTree(path) : []
    })
  }

  /** A folder of the share with these files. */
  function place(files: Record<string, string> = {}): { sub: string; path: string } {
    const sub = `place-${++number}`
    const path = pair.world.folder(`shared/${sub}`)
    writeTree(path, files)
    return { sub, path }
  }

  async function refused(what: string, attempt: () => Promise<unknown>): Promise<void> {
    await assert.rejects(attempt, (error: { code?: string }) => {
      assert.ok(refusedCodes.includes(String(error.code)), `${JSON.stringify(what)}: ${error.code} ${error}`)
      return true
    })
  }

  async function assertServes(): Promise<void> {
    assert.deepEqual(everywhere(), before_)
    const source = pair.world.folder(`good-${++number}`)
    writeTree(source, { good: 'good' })
    await pair.laptop.mustSync('done', source, `nas:data/good-${number}`)
  }

  it('names no path that is none below the share, in any call', async () => {
    const { sub, path } = place({ 'a/b': 'b', x: 'x' })
    const seen = readTree(path)
    const { session, target } = await intrude(pair, sub, { deletes: 100, replaces: 100, released: true })
    let batch = 0
    for (const text of hostilePaths) {
      const bad = text as RelPath
      await refused(text, () => call(session, 'listings', { paths: [bad], outlined: false }))
      await refused(text, () => call(session, 'listings', { paths: [bad], outlined: true }))
      await refused(text, () => call(session, 'listingPart', { path: bad, ranges: [wholeRange] }))
      await refused(text, () => target.moveDirectories([{ from: bad, to: 'new' as RelPath }]))
      await refused(text, () => target.moveDirectories([{ from: 'a' as RelPath, to: bad }]))
      await refused(text, () => target.digests([{ path: bad, names: ['x'] }], true))
      await refused(text, () => target.stage(batch++, batchBytes([[head(text), [create('x', 'evil')]]])))
      await refused(text, () => target.stage(batch++, batchBytes([[head(text, 'new'), []]])))
      await refused(text, () => target.stage(batch++, batchBytes([[head(''), [create('n', 'evil', {}, text)]]])))
    }
    for (const name of [...hostileNames, 'a/b', '/', '', '../x']) {
      await refused(name, () => target.digests([{ path: '' as RelPath, names: [name] }], true))
      for (const step of [create(name, 'evil'), change('delete', name), change('retype', name)])
        await refused(name, () => target.stage(batch++, batchBytes([[head(''), [step]]])))
    }
    const [a, b] = [utf8('a'), utf8('b')]
    for (const ranges of [[{ from: b, to: a }], [{ from: a, to: b }, wholeRange], [wholeRange, { from: a, to: b }]])
      await refused('ranges out of order', () => call(session, 'listingPart', { path: '', ranges }))
    session.close()
    for (const text of hostilePaths) {
      const other = await sessionOf(pair.laptop, 'nas')
      for (const role of ['source', 'target']) {
        const request = opening({ share: 'data', sub: text, role, create: true })
        await refused(text, () => call(other, 'open', request))
      }
      other.close()
    }
    assert.deepEqual(readTree(path), seen)
    await assertServes()
  })

  for (const role of ['source', 'both']) {
    it(`reads no path that is none below the share, of an end that it opened as ${role}`, async () => {
      const { sub } = place({ x: 'x' })
      const session = await sessionOf(pair.laptop, 'nas')
      await call(session, 'open', opening({ share: 'data', sub, role, create: true }))
      session.openStream('packs', new Uint8Array(0))
      await call(session, 'scan', { overrides: [], ignoreFiles: [] })
      const wants = (path: string, name: string): Uint8Array => Uint8Array.from([1, ...block(path), 1, ...block(name)])
      for (const text of hostilePaths.filter((path) => path.length < 100)) {
        await refused(text, () => call(session, 'supply', { batch: 0, wants: wants(text, 'x') }))
        await refused(text, () => call(session, 'digests', { files: wants(text, 'x'), fresh: true }))
        await refused(text, () => call(session, 'listings', { paths: [text], outlined: true }))
      }
      session.close()
      await assertServes()
    })
  }

  it('puts no file through a symlink that it made, in the same batch, in the next one, or in the next session', async () => {
    const { sub, path } = place()
    const link = { kind: 'symlink', mode: 0, sizeBytes: 0, link: utf8(outside) } as const
    const first = await intrude(pair, sub)
    await first.put([[head(''), [create('d', '', link)]]])
    await first.put([[head('d'), [create('x', 'evil')]]], [{ number: 0, text: 'evil' }])
    await first.put([[head('d', 'new'), [create('z', 'evil')]]], [{ number: 0, text: 'evil' }])
    await first.put([[head('d/sub'), [create('y', 'evil')]]], [{ number: 0, text: 'evil' }])
    const { problems } = await first.target.finish()
    assert.deepEqual(
      problems.map(({ code }) => code),
      ['target-changed', 'target-changed', 'target-changed'],
    )
    await first.target.close(true)
    assert.equal(readlinkSync(join(path, 'd')), outside)

    const second = await intrude(pair, sub, { replaces: 9, released: true })
    await second.put([[head('d'), [create('x', 'evil')]]], [{ number: 0, text: 'evil' }])
    await second.put([[head('d'), [change('attributes', 'x', { mode: 0o777 }), change('delete', 'x')]]])
    await second.put(
      [
        [head('e', 'new'), [create('f', '', link)]],
        [head('e/f', 'new'), [create('x', 'evil')]],
      ],
      [{ number: 0, text: 'evil' }],
    )
    await second.put([[head('e/f', 'retype', 0o777), []]])
    const end = await second.target.finish()
    assert.ok(end.problems.length >= 3, JSON.stringify(end.problems))
    await second.target.close(true)
    await assertServes()
  })

  it('makes symlinks that lead anywhere, which are text: nobody follows them', async () => {
    const { sub, path } = place()
    const texts = [
      outside,
      '/',
      '..',
      '../../outside',
      '.',
      './d',
      'no/where',
      '../'.repeat(20),
      'a\nb',
      '\\\\?\\C:',
      '-',
    ]
    const { target, put } = await intrude(pair, sub)
    const links = texts.map((text, i) =>
      create(`l${i}`, '', { kind: 'symlink', mode: 0, sizeBytes: 0, link: utf8(text) }),
    )
    await put([[head(''), links]])
    assert.deepEqual((await target.finish()).problems, [])
    await target.close(true)
    assert.deepEqual(
      texts.map((_, i) => readlinkSync(join(path, `l${i}`))),
      texts,
    )
    // Brought on to a third folder they are still text, and nothing was fetched through them.
    const copy = join(pair.world.directory, `copy-${number}`)
    await pair.laptop.mustSync('done', `nas:data/${sub}`, copy)
    assertSameTree(copy, path)
    await pair.laptop.mustSync('unchanged', `nas:data/${sub}`, copy)
    await assertServes()
  })

  it('sets no bit beyond the permissions, by a step, a directory or a pack', async () => {
    const { sub, path } = place({ there: 'there' })
    const { target, put } = await intrude(pair, sub)
    const bits = 0o7777
    await put(
      [
        [head(''), [create('f', 'f', { mode: bits }), create('none', '', { mode: 0o4755, sizeBytes: 0 })]],
        [head('d', 'new', bits), [create('g', 'g', { mode: 0o2755 })]],
      ],
      [
        { number: 0, text: 'f', mode: bits },
        { number: 1, text: 'g', mode: 0o6755 },
      ],
    )
    await put([[head(''), [change('attributes', 'there', { mode: 0o4777, sizeBytes: 5 })]]])
    assert.deepEqual((await target.finish()).problems, [])
    await target.close(false)
    const modes = ['f', 'none', 'd', 'd/g', 'there'].map((name) => lstatSync(join(path, name)).mode & 0o7000)
    assert.deepEqual(modes, [0, 0, 0, 0, 0])
    await assertServes()
  })

  it('takes nothing away beyond what it announced, and never the root', async () => {
    const { sub, path } = place({ a: 'a', b: 'b', 'd/c': 'c', fifo: 'f' })
    const seen = readTree(path)
    for (const steps of [
      [change('delete', 'a')],
      [change('delete', 'd', { kind: 'directory', summary: nothing })],
      [change('replace', 'a')],
      [change('retype', 'd')],
    ]) {
      const { target, session } = await intrude(pair, sub)
      await refused('more than announced', () => target.stage(0, batchBytes([[head(''), steps]])))
      await target.close(false)
      session.close()
      assert.deepEqual(readTree(path), seen)
    }
    // Announced, but beyond the limit that it named, and not released.
    await assert.rejects(intrude(pair, sub, { deletes: 5, limit: { kind: 'count', entries: 4 } }), {
      code: 'root-held',
    })
    await assert.rejects(intrude(pair, sub, { deletes: 1, leftEntries: 0 }), { code: 'root-held' })
    await assert.rejects(intrude(pair, sub, { deletes: 1, hasBase: false }), { code: 'root-held' })
    // What the scan did not see is not deleted, whoever asks.
    const late = await intrude(pair, sub, { deletes: 5, released: true })
    writeFileSync(join(path, 'late'), 'late')
    await late.put([[head(''), [change('delete', 'late'), change('delete', 'nothing')]]])
    assert.deepEqual(
      (await late.target.finish()).problems.map(({ code }) => code),
      ['target-changed', 'target-changed'],
    )
    await late.target.close(true)
    assert.equal(readFileSync(join(path, 'late'), 'utf8'), 'late')
    await assertServes()
  })

  it('is cut off for content that nobody asked for, and nothing of it is kept', async () => {
    for (const attempt of ['no batch', 'not a want', 'twice', 'after the end'] as const) {
      const { sub, path } = place()
      const logged = pair.nas.log('serve').length
      const { session, target, send, put } = await intrude(pair, sub)
      if (attempt === 'no batch') await send(7, { number: 0, text: 'evil' })
      else if (attempt === 'after the end') {
        await put([[head(''), [create('f', 'good')]]], [{ number: 0, text: 'good' }])
        await send(0, { number: 0, text: 'evil' })
      } else {
        await target.stage(0, batchBytes([[head(''), [create('f', 'good')]]]))
        if (attempt === 'not a want') await send(0, { number: 1, text: 'evil' })
        else await send(0, { number: 0, text: 'good' }, { number: 0, text: 'evil' })
      }
      const failure = await session.closed
      assert.equal(failure?.code, 'unsolicited', attempt)
      await pair.nas.logged('unsolicited', logged)
      assert.deepEqual(
        readTree(path).filter((line) => !line.startsWith('f ')),
        [],
        attempt,
      )
    }
    await assertServes()
  })

  it('gives no name to content that is not what it says, and is asked again for what came damaged', async () => {
    const { sub, path } = place({ there: 'the old version' })
    const { target, send } = await intrude(pair, sub, { replaces: 1, released: true })
    const step = change('replace', 'there', { sizeBytes: 4 })
    await target.stage(0, batchBytes([[head(''), [step, create('new', 'good'), create('short', 'good')]]]))
    const wrong = new Uint8Array(32).fill(7)
    await send(0, { number: 0, text: 'evil', digest: wrong })
    await send(0, { number: 1, text: 'goodandmore', sizeBytes: 4 })
    await send(0, { number: 2, text: 'go', sizeBytes: 4, digest: digestOf(utf8('go')) })
    assert.equal((await target.written(0, false)).count, 3)
    await send(0, { number: 1, text: 'good' })
    await send(0, { number: 0, text: 'evil', digest: wrong })
    await send(0, { number: 2, text: 'evil', digest: digestOf(utf8('good')) })
    const again = await target.written(0, true)
    assert.equal(again.count, 0)
    const { problems } = await target.finish()
    assert.deepEqual(problems.map((problem) => `${problem.path} ${problem.code}`).sort(), [
      'short damaged-in-transit',
      'there damaged-in-transit',
    ])
    await target.close(true)
    const texts = readTree(path).map((line) => line.split(' ')[0])
    assert.deepEqual(texts, ['new', 'there'])
    assert.equal(readFileSync(join(path, 'there'), 'utf8'), 'the old version')
    await assertServes()
  })

  it('learns nothing of, and takes nothing from, what another share holds', async () => {
    const secret = contentOf('secret', 100_000)
    const hidden = pair.world.folder('private')
    writeTree(hidden, { secret })
    before_ = everywhere()
    await pair.nas.must('share', 'add', 'private', hidden, '--for', 'somebody')
    const { sub, path } = place({ other: 'x' })
    symlinkSync(hidden, join(path, 'way'))
    const { target } = await intrude(pair, sub)
    const step = create('mine', '', { sizeBytes: secret.length })
    const needs = await target.stage(0, batchBytes([[head(''), [{ ...step, digest: digestOf(secret) }]]]))
    assert.deepEqual([needs.wantCount, needs.askCount], [1, 0], 'it is wanted, though the machine has that content')
    const asked = await target.digests(
      [
        { path: '' as RelPath, names: ['way', 'secret', 'other'] },
        { path: 'way' as RelPath, names: ['secret'] },
      ],
      true,
    )
    assert.deepEqual(
      asked.map((digest) => digest !== undefined),
      [false, false, true, false],
    )
    assert.deepEqual(await target.listings(['way' as RelPath]), [undefined])
    await target.close(false)
    const request = opening({ share: 'private', sub: '', role: 'source', create: false })
    const session = await sessionOf(pair.laptop, 'nas')
    await assert.rejects(call(session, 'open', request), { code: 'unknown-share' })
    session.close()
    await assertServes()
  })

  it('takes an inode along only from within the tree, and changes none that has a name outside', async () => {
    const { sub, path } = place({ 'd/x': 'x' })
    symlinkSync(outside, join(path, 'way'))
    // A person's own second name for a file outside.
    linkSync(join(outside, 'x'), join(path, 'second'))
    before_ = everywhere()
    const { target, put } = await intrude(pair, sub, { replaces: 1, deletes: 1, released: true })
    for (const from of ['way/x', 'nothing/x', 'x']) await put([[head('d'), [create('stolen', 'canary', {}, from)]]])
    await put([[head(''), [change('replace', 'second', { sizeBytes: 4 })]]], [{ number: 0, text: 'evil' }])
    const { problems } = await target.finish()
    await target.close(false)
    assert.deepEqual(
      problems.map(({ path: at, code }) => `${at} ${code}`),
      Array(3).fill('d/stolen changing'),
    )
    assert.ok(!existsSync(join(path, 'd/stolen')))
    assert.equal(readFileSync(join(path, 'second'), 'utf8'), 'evil')
    // The old version is kept, as it was: a second name of the file outside, which nobody wrote to.
    assert.equal(statSync(join(outside, 'x')).nlink, 2)
    assert.equal(readFileSync(join(outside, 'x'), 'utf8'), 'canary')
    await assertServes()
  })

  it('undoes nothing out of order, under no name that is none, and not past a share', async () => {
    const { sub, path } = place()
    const source = pair.world.folder(`undo-${number}`)
    writeTree(source, { a: 'a', b: 'b' })
    const run = String((await pair.laptop.mustSync('done', source, `nas:data/${sub}`)).lines[0]?.runId)
    const seen = readTree(path)
    const job = new Uint8Array(16)
    const session = await sessionOf(pair.laptop, 'nas')
    for (const attempt of [
      () => call(session, 'undoLook', {}),
      () => call(session, 'undoList', {}),
      () => call(session, 'undoBegin', { as: run }),
      () => call(session, 'undoCarry', { stop: false }),
    ])
      await refused('no undo is open', attempt)
    await call(session, 'undo', { share: 'data', sub, run, job })
    await refused('a second one', () => call(session, 'undo', { share: 'data', sub, run, job }))
    await refused('before a look', () => call(session, 'undoList', {}))
    await refused('before a look', () => call(session, 'undoBegin', { as: '20260101T000000000Z-aaaaaaaa' }))
    await call(session, 'undoLook', {})
    await refused('before it was begun', () => call(session, 'undoCarry', { stop: false }))
    for (const as of ['', '..', 'x/y', '../../outside', 'gone-20260101T000000000Z-aaaaaaaa'])
      await refused(as, () => call(session, 'undoBegin', { as }))
    // The name of a run that has kept something is no name for another.
    await refused('a name that is taken', () => call(session, 'undoBegin', { as: run }))
    session.close()
    await pair.nas.logged(
      'session-close',
      pair.nas.log('serve').findLastIndex(({ action }) => action === 'past-asked'),
    )
    // What stands against an undo does so whatever its driver asks for.
    writeFileSync(join(path, 'a'), 'changed by a person')
    const pushing = await sessionOf(pair.laptop, 'nas')
    await onceFree(() => call(pushing, 'undo', { share: 'data', sub, run, job }))
    const { found } = await call(pushing, 'undoLook', {})
    assert.equal(found?.conflictCount, 1)
    await refused('in spite of a conflict', () => call(pushing, 'undoBegin', { as: '20260101T000000000Z-aaaaaaaa' }))
    await refused('nothing was begun', () => call(pushing, 'undoCarry', { stop: false }))
    pushing.close()
    assert.equal(readFileSync(join(path, 'a'), 'utf8'), 'changed by a person')
    writeTree(path, { a: 'a' })
    for (const text of ['', '..', '../..', `${run}/..`, `../versions/${run}`]) {
      const other = await sessionOf(pair.laptop, 'nas')
      await refused(text, () => call(other, 'undo', { share: 'data', sub, run: text, job }))
      other.close()
    }
    const short = await sessionOf(pair.laptop, 'nas')
    await refused('a job', () => call(short, 'undo', { share: 'data', sub, run, job: new Uint8Array(3) }))
    short.close()
    assert.deepEqual(
      readTree(path).map((line) => line.split(' ')[0]),
      seen.map((line) => line.split(' ')[0]),
    )
    await assertServes()
  })

  it('gets an answer for calls out of order, twice, or with nonsense in them, and no more', async () => {
    const { sub, path } = place({ a: 'a' })
    const seen = readTree(path)
    const session = await sessionOf(pair.laptop, 'nas')
    for (const attempt of [
      () => call(session, 'finish', {}),
      () => call(session, 'stage', { batch: 0, bytes: new Uint8Array(0) }),
      () => call(session, 'supply', { batch: 0, wants: new Uint8Array([0]) }),
      () => call(session, 'scan', { overrides: [], ignoreFiles: [] }),
    ])
      await refused('nothing is open', attempt)
    const open = opening({ share: 'data', sub, role: 'target', create: true })
    await call(session, 'open', open)
    for (const attempt of [
      () => call(session, 'open', open),
      () => call(session, 'stage', { batch: 0, bytes: new Uint8Array([0]) }),
      () => call(session, 'finish', {}),
      () => call(session, 'moves', { moves: [{ from: 'a', to: 'b' }] }),
      () => call(session, 'supply', { batch: 0, wants: new Uint8Array([0]) }),
    ])
      await refused('no plan was announced', attempt)
    await call(session, 'close', { save: false })
    session.close()
    const { session: other, target } = await intrude(pair, sub)
    const entry = fileEntry('n', Number.MAX_SAFE_INTEGER)
    for (const bytes of [
      Uint8Array.from([0xff, 0xff, 0xff, 0xff, 0x0f]),
      Uint8Array.from([1, 0, 9]),
      contentOf('nonsense', 5000),
      batchBytes([[head(''), [change('delete', 'a', { kind: 'special' })]]]),
      batchBytes([[head('', 'new'), []]]),
      batchBytes([[head(''), [{ action: 'create', entry, from: '' as RelPath, digest: undefined }]]]),
    ])
      await refused('a batch that is none', () => target.stage(0, bytes))
    await refused('the same number', () => target.stage(0, batchBytes([[head(''), []]])))
    await refused('an answer to nothing', () => target.answer(0, []))
    other.close()
    assert.deepEqual(readTree(path), seen)
    await assertServes()
  })
})

/** A text as wants hold it; short ones only. */
function block(text: string): number[] {
  const bytes = utf8(text)
  return [bytes.length, ...bytes]
}
