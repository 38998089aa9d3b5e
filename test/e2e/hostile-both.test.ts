// A paired machine that is hostile in a two-way run: as the driver of an end that is read from and written to, whose calls
// come when it likes; and as such an end, which tells whatever it likes. Nothing is taken away that was not announced and
// judged, nothing hidden is sent or replaced, and whoever serves goes on serving.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import type { RelPath } from '../../src/core/path.ts'
import { encodeWants } from '../../src/disk/wants.ts'
import { type CallHandlers, call } from '../../src/jobs/bulk.ts'
import { readTree, writeTree } from '../world/disk-trees.ts'
import {
  type EvilSource,
  evilSource,
  goodText,
  hostileNames,
  listingOf,
  opening,
  politeTarget,
  sessionOf,
} from '../world/hostile.ts'
import { type Pair, pairedMachines, type Synced } from '../world/machines.ts'
import { batchBytes, change, fileEntry, head } from '../world/steps.ts'

const refusedCodes = ['protocol-broken', 'limit-exceeded', 'unsolicited']
const wanting = (path: string, name: string): Uint8Array => encodeWants([{ path: path as RelPath, names: [name] }])

describe('a hostile driver of both ways', () => {
  let pair: Pair
  let number = 0

  before(async () => {
    pair = await pairedMachines()
  })
  after(() => pair?.world.close())

  function place(files: Record<string, string>): { sub: string; path: string } {
    const sub = `place-${++number}`
    const path = pair.world.folder(`shared/${sub}`)
    writeTree(path, files)
    return { sub, path }
  }

  async function refused(what: string, attempt: () => Promise<unknown>): Promise<void> {
    await assert.rejects(attempt, (error: { code?: string }) => {
      assert.ok(refusedCodes.includes(String(error.code)), `${what}: ${error.code} ${error}`)
      return true
    })
  }

  async function assertServes(): Promise<void> {
    const source = pair.world.folder(`good-${++number}`)
    writeTree(source, { good: 'good' })
    await pair.laptop.mustSync('done', source, `nas:data/good-${number}`)
  }

  it('gets nothing out of an end that is read and written before it was looked at, nor once it has finished', async () => {
    const { sub, path } = place({ x: 'x' })
    const wants = wanting('', 'x')
    const session = await sessionOf(pair.laptop, 'nas')
    session.openStream('packs', new Uint8Array(0))
    const supply = (batch: number): Promise<unknown> => call(session, 'supply', { batch, wants })
    await refused('before it is opened', () => supply(0))
    await call(session, 'open', opening({ share: 'data', sub, role: 'both', create: true }))
    await refused('before it is scanned', () => supply(0))
    await call(session, 'scan', { overrides: [], ignoreFiles: [] })
    await refused('before it is viewed', () => supply(0))
    await call(session, 'view', { modeMask: 0o777, timeGrainNs: 1, overrides: [], texts: [] })
    await refused('a batch without a plan', () =>
      call(session, 'stage', { batch: 0, bytes: batchBytes([[head(''), []]]) }),
    )
    const totals = {
      deletes: 0,
      replaces: 0,
      steps: 9,
      hasBase: true,
      leftEntries: 9,
      limitKind: 'default',
      limitValue: 0,
    }
    await call(session, 'begin', { ...totals, released: false })
    await refused('two plans', () => call(session, 'begin', { ...totals, released: true }))
    const goes = batchBytes([[head(''), [change('delete', 'x')]]])
    await refused('a deletion that was not announced', () => call(session, 'stage', { batch: 0, bytes: goes }))
    await call(session, 'finish', {})
    await refused('after the end', () => supply(1))
    await refused('after the end', () => call(session, 'stage', { batch: 1, bytes: goes }))
    await refused('a second end', () =>
      call(session, 'open', opening({ share: 'data', sub, role: 'source', create: false })),
    )
    session.close()
    assert.equal(readFileSync(join(path, 'x'), 'utf8'), 'x')
    await assertServes()
  })

  it('sends no pack to an end that it reads from and writes to, but for a batch that wants one', async () => {
    for (const isBegun of [false, true]) {
      const { sub, path } = place({ x: 'x' })
      const seen = readTree(path)
      const session = await sessionOf(pair.laptop, 'nas')
      const packs = session.openStream('packs', new Uint8Array(0))
      await call(session, 'open', opening({ share: 'data', sub, role: 'both', create: true }))
      await call(session, 'scan', { overrides: [], ignoreFiles: [] })
      await call(session, 'view', { modeMask: 0o777, timeGrainNs: 1, overrides: [], texts: [] })
      const totals = {
        deletes: 0,
        replaces: 0,
        steps: 9,
        hasBase: true,
        leftEntries: 9,
        limitKind: 'default',
        limitValue: 0,
      }
      if (isBegun) await call(session, 'begin', { ...totals, released: false })
      await packs.send(new Uint8Array(80))
      const failure = await session.closed
      assert.equal(failure?.code, 'unsolicited')
      assert.deepEqual(readTree(path), seen)
      await assertServes()
    }
  })
})

describe('a hostile end of a two-way run', () => {
  let pair: Pair
  let end: EvilSource
  let here: string
  let number = 0
  type Answers = Partial<CallHandlers>
  const time = { mtimeSeconds: 1_600_000_000n, mtimeNs: 0 }
  const none = encodeWants([])

  before(async () => {
    pair = await pairedMachines()
    await pair.nas.stop()
    end = await evilSource(pair)
  })
  after(async () => {
    end?.close()
    await pair?.world.close()
  })
  beforeEach(() => {
    here = pair.world.folder(`here-${++number}`)
    writeTree(here, { mine: 'mine', 'd/mine': 'mine too', '.env': 'canary', 'd/.env': 'canary' })
  })

  /** A run against these answers, with `.env` left out. It ends by itself, without a stack; what is hidden stays and is not sent. */
  async function both(answers: Answers, ...options: readonly string[]): Promise<Synced> {
    const { listings, digests, supply, view } = end.honest
    end.answer({ ...politeTarget, listings, digests, supply, view, ...answers })
    const run = await pair.laptop.sync('--mode', 'two-way', here, `nas:data/${number}`, '--exclude', '.env', ...options)
    assert.equal(run.signal, undefined)
    assert.doesNotMatch(run.stderr, /\n {4}at /, 'it crashed')
    assert.doesNotMatch(end.received(), /canary/, 'a file was sent that was left out')
    assert.deepEqual(
      [readFileSync(join(here, '.env'), 'utf8'), readFileSync(join(here, 'd/.env'), 'utf8')],
      ['canary', 'canary'],
    )
    return run
  }

  const listings =
    (bytes: (path: string) => Uint8Array): CallHandlers['listings'] =>
    async ({ paths }) => ({ listings: paths.map((path) => ({ ...time, known: true, bytes: bytes(path) })) })

  it('brings its file, and is offered what is here', async () => {
    const run = await both({})
    assert.ok(run.failure === undefined, run.stdout + run.stderr)
    assert.equal(readFileSync(join(here, 'good'), 'utf8'), goodText)
    assert.equal(readFileSync(join(here, 'mine'), 'utf8'), 'mine')
  })

  it('names nothing that is no name, and replaces nothing that it does not see', async () => {
    const seen = readTree(here)
    for (const name of [...hostileNames.filter((_, i) => i % 5 === 0), '../x', 'a/b', '']) {
      const run = await both({ listings: listings(() => listingOf(fileEntry(name, 4))) })
      assert.equal(run.failure?.code, 'protocol-broken', run.stdout + run.stderr)
      assert.deepEqual(readTree(here), seen)
    }
    const run = await both({
      listings: listings((path) => (path === '' ? listingOf(fileEntry('.env', goodText.length)) : listingOf())),
    })
    assert.notEqual(run.code, 0, run.stdout)
  })

  it('is sent no file that it was not offered, whichever way it asks', async () => {
    for (const [path, name] of [
      ['', '.env'],
      ['d', '.env'],
      ['e', 'nothing'],
    ] as const) {
      const wants = wanting(path, name)
      for (const [how, answers] of Object.entries<Answers>({
        'as wanted': { stage: async () => ({ wants, wantCount: 1, asks: none, askCount: 0 }) },
        'as asked': { stage: async () => ({ wants: none, wantCount: 0, asks: wants, askCount: 1 }) },
        'once more': { written: async () => ({ again: wants, count: 1 }) },
      })) {
        const run = await both(answers)
        assert.equal(run.failure?.code, 'unsolicited', `${path}/${name} ${how}: ${run.stdout}${run.stderr}`)
      }
    }
  })

  it('sends nothing that was not asked for', async () => {
    for (const [what, supply] of Object.entries<CallHandlers['supply']>({
      'another batch': async ({ batch }) => {
        await end.send(batch + 7, { number: 0, text: 'evil' })
        return { packs: 1 }
      },
      'a file twice': async ({ batch }) => {
        await end.send(batch, { number: 0, text: goodText }, { number: 0, text: 'evil' })
        return { packs: 1 }
      },
    })) {
      const run = await both({ supply })
      assert.equal(run.failure?.code, 'unsolicited', `${what}: ${run.stdout}${run.stderr}`)
      assert.ok(!readTree(here).some((line) => line.startsWith('good ')), what)
    }
  })

  it('empties nothing here by being empty itself', async () => {
    const empty: Answers = { listings: listings(() => listingOf()) }
    for (let runs = 0; runs < 3; runs++) {
      await both(empty)
      assert.deepEqual(
        ['mine', 'd/mine'].map((name) => readFileSync(join(here, name), 'utf8')),
        ['mine', 'mine too'],
      )
    }
  })

  it('answers as many as were asked', async () => {
    const lies: Readonly<Record<string, Answers>> = {
      'a listing too few': { listings: async () => ({ listings: [] }) },
      'no root': { view: async () => ({}) },
      'digests too few': {
        listings: listings((path) => (path === '' ? listingOf(fileEntry('mine', 4)) : listingOf())),
        digests: async () => ({ digests: new Uint8Array(0) }),
      },
      'an end without what was done': { finish: async () => ({}) },
    }
    for (const [what, answers] of Object.entries(lies)) {
      const run = await both(answers)
      assert.ok(run.failure !== undefined, `${what}: ${run.stdout}`)
      assert.equal(readFileSync(join(here, 'mine'), 'utf8'), 'mine', what)
    }
  })
})
