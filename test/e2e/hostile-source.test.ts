// A paired machine that is hostile, as the source of a pull: it has the right key and tells whatever it likes. The run
// ends with a failure or a problem and never with a crash; nothing outside the target is touched, nothing gets a name
// that was not verified, and what was there stays complete.

import assert from 'node:assert/strict'
import { lstatSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { digestOf } from '../../src/chunk/digest.ts'
import type { Entry } from '../../src/core/entry.ts'
import { decodeWants } from '../../src/disk/wants.ts'
import type { CallHandlers } from '../../src/jobs/bulk.ts'
import { utf8 } from '../../src/std/bytes.ts'
import { readTree, writeTree } from '../world/disk-trees.ts'
import { type EvilSource, evilSource, goodText, hostileNames, listingOf } from '../world/hostile.ts'
import { type Pair, pairedMachines, type Synced } from '../world/machines.ts'
import { fileEntry } from '../world/steps.ts'

type Answers = Partial<CallHandlers>
const time = { mtimeSeconds: 1_600_000_000n, mtimeNs: 0 }

describe('a hostile source', () => {
  let pair: Pair
  let source: EvilSource
  let outside: string
  let target: string
  let number = 0

  before(async () => {
    pair = await pairedMachines()
    await pair.nas.stop()
    source = await evilSource(pair)
    outside = pair.world.folder('outside')
    writeTree(outside, { x: 'canary' })
  })
  after(async () => {
    source?.close()
    await pair?.world.close()
  })
  beforeEach(() => {
    target = pair.world.folder(`target-${++number}`)
    writeTree(target, { mine: 'mine' })
  })

  /** A run against these answers. It must end by itself, without a stack, and leave the outside alone. */
  async function pull(answers: Answers, ...options: readonly string[]): Promise<Synced> {
    source.answer(answers)
    const run = await pair.laptop.sync('nas:data', target, ...options)
    assert.equal(run.signal, undefined)
    assert.doesNotMatch(run.stderr, /\n {4}at /, 'it crashed')
    assert.deepEqual(
      readTree(outside).map((line) => line.split(' ')[0]),
      ['x'],
    )
    assert.equal(readFileSync(join(outside, 'x'), 'utf8'), 'canary')
    return run
  }

  async function pullUpdate(answers: Answers): Promise<Synced> {
    return await pull(answers, '--mode', 'update')
  }

  const listings =
    (bytes: (path: string) => Uint8Array): CallHandlers['listings'] =>
    async ({ paths }) => ({ listings: paths.map((path) => ({ ...time, known: true, bytes: bytes(path) })) })
  const directory = (name: string): Entry => ({
    ...fileEntry(name, 0),
    kind: 'directory',
    summary: { fingerprint: new Uint8Array(32), files: 1, directories: 1, sizeBytes: 1 },
  })
  const symlink = (name: string, to: string): Entry => ({ ...fileEntry(name, 0), kind: 'symlink', link: utf8(to) })

  it('is a source like any other as long as it is honest', async () => {
    const run = await pull({})
    assert.equal(run.outcome, 'halted', run.stdout + run.stderr)
    const released = await pull({}, '--release')
    assert.equal(released.outcome, 'done', released.stdout + released.stderr)
    assert.deepEqual(
      readTree(target).map((line) => line.split(' ')[0]),
      ['good'],
    )
    assert.equal(readFileSync(join(target, 'good'), 'utf8'), goodText)
  })

  it('names nothing that is no name, nothing twice, and nothing below a symlink', async () => {
    const seen = readTree(target)
    const bad: readonly Uint8Array[] = [
      ...hostileNames.filter((_, i) => i % 5 === 0).map((name) => listingOf(fileEntry(name, 4))),
      ...['../outside/x', '', 'a/b'].map((name) => listingOf(fileEntry(name, 4))),
      listingOf(fileEntry('b', 1), fileEntry('a', 1)),
      listingOf(symlink('d', outside), directory('d')),
      Uint8Array.from([2]),
      Uint8Array.from([1, 1, 1]),
    ]
    for (const bytes of bad) {
      const run = await pull({ listings: listings(() => bytes) }, '--release')
      assert.equal(run.failure?.code, 'protocol-broken', run.stdout + run.stderr)
      assert.deepEqual(readTree(target), seen)
    }
  })

  it('tells no outline where a listing was asked for, and lists nothing beyond what was asked', async () => {
    const outline = Uint8Array.from([1, 4, ...utf8('good'), 0])
    const listed = (outlined: boolean): Answers => ({
      listings: async (asked) => ({
        listings: asked.paths.map(() => ({
          ...time,
          known: true,
          bytes: outlined === asked.outlined ? new Uint8Array(0) : listingOf(fileEntry('good', goodText.length)),
          ...(outlined === asked.outlined && { outline }),
        })),
      }),
      listingPart: async () => ({ bytes: listingOf(directory('..')) }),
    })
    // Into an empty target listings are asked for; where something is there, outlines.
    rmSync(join(target, 'mine'))
    const first = await pull(listed(false), '--release')
    assert.equal(first.failure?.code, 'protocol-broken', first.stdout + first.stderr)
    writeTree(target, { mine: 'mine' })
    const second = await pull(listed(true), '--release')
    assert.equal(second.failure?.code, 'protocol-broken', second.stdout + second.stderr)
    assert.equal(readFileSync(join(target, 'mine'), 'utf8'), 'mine')
  })

  it('has no tree without an end', async () => {
    const run = await pullUpdate({ listings: listings(() => listingOf(directory('d'))) })
    assert.ok(run.code === 1 || run.code === 3, run.stdout + run.stderr)
    assert.equal(readFileSync(join(target, 'mine'), 'utf8'), 'mine')
    const wide = Array.from({ length: 3 }, (_, i) => directory(`${i}`.repeat(255)))
    const deep = await pullUpdate({
      listings: listings((path) => listingOf(...(path.length > 2500 ? [] : wide.slice(0, 1)))),
    })
    assert.ok(deep.code === 1 || deep.code === 3 || deep.code === 0, deep.stdout + deep.stderr)
  })

  it('sends nothing that was not asked for, and not more than it says', async () => {
    for (const [what, supply] of Object.entries<CallHandlers['supply']>({
      'another file': async ({ batch }) => {
        await source.send(batch, { number: 1, text: 'evil' })
        return { packs: 1 }
      },
      'another batch': async ({ batch }) => {
        await source.send(batch + 7, { number: 0, text: 'evil' })
        return { packs: 1 }
      },
      'a file twice': async ({ batch }) => {
        await source.send(batch, { number: 0, text: goodText }, { number: 0, text: 'evil' })
        return { packs: 1 }
      },
      'more packs than it says': async ({ batch }) => {
        await source.send(batch, { number: 0, text: goodText })
        await source.send(batch, { number: 0, text: 'evil' })
        return { packs: 1 }
      },
    })) {
      const seen = readTree(target)
      const run = await pullUpdate({ supply })
      assert.equal(run.failure?.code, 'unsolicited', `${what}: ${run.stdout}${run.stderr}`)
      assert.deepEqual(readTree(target), seen, what)
    }
  })

  it('gets no name for content that is not what its digest says, three times asked', async () => {
    await pullUpdate({})
    const newer = listings(() => listingOf(fileEntry('good', 5, { mtimeSeconds: 1_700_000_000 })))
    let asked = 0
    const run = await pullUpdate({
      listings: newer,
      supply: async ({ batch }) => {
        asked++
        await source.send(batch, { number: 0, text: 'evil', digest: digestOf(utf8('good')) })
        return { packs: 1 }
      },
    })
    assert.deepEqual([asked, run.code], [3, 3], run.stdout + run.stderr)
    assert.deepEqual(
      run.problems.map(({ path, code }) => [path, code]),
      [['good', 'damaged-in-transit']],
    )
    assert.equal(readFileSync(join(target, 'good'), 'utf8'), goodText)
    // Damaged once and whole then: the second time it lands.
    asked = 0
    const mended = await pullUpdate({
      listings: newer,
      supply: async ({ batch }) => {
        const damage = asked++ === 0 ? { digest: digestOf(utf8('other')) } : {}
        await source.send(batch, { number: 0, text: 'newer', ...damage })
        return { packs: 1 }
      },
    })
    assert.deepEqual([asked, mended.outcome], [2, 'done'], mended.stdout + mended.stderr)
    assert.equal(readFileSync(join(target, 'good'), 'utf8'), 'newer')
  })

  it('reserves no room for what it only claims, and sets no bit beyond the permissions', async () => {
    const huge = { ...fileEntry('huge', Number.MAX_SAFE_INTEGER), mode: 0o7777 }
    const run = await pullUpdate({
      listings: listings((path) =>
        path === '' ? listingOf({ ...fileEntry('bits', 4), mode: 0o7777 }, huge) : listingOf(),
      ),
      supply: async ({ batch, wants }) => {
        const names = decodeWants(wants).flatMap((wanted) => wanted.names)
        const lie = (name: string): object => (name === 'huge' ? { sizeBytes: 2 ** 52 } : { mode: 0o7777 })
        await source.send(batch, ...names.map((name, i) => ({ number: i, text: 'text', ...lie(name) })))
        return { packs: 1 }
      },
    })
    assert.equal(run.code, 3, run.stdout + run.stderr)
    assert.deepEqual(
      run.problems.map(({ path }) => path),
      ['huge'],
    )
    assert.equal(lstatSync(join(target, 'bits')).mode & 0o7777, 0o777)
  })

  it('steers no terminal, and no rule reaches out of the folder', async () => {
    const evil = '\u001b[2J\u202e../../x\n\u009b'
    const run = await pullUpdate({
      scan: async () => ({
        entries: 1,
        problems: [{ path: `../${evil}`, code: `${evil}`, detail: evil }],
        texts: [
          { directory: '../..', label: '.nightferryignore', text: '*' },
          { directory: '/etc', label: evil, text: '!*\n'.repeat(1000) },
          { directory: '', label: '.nightferryignore', text: `${'*a'.repeat(50)}\n${'[!x]'.repeat(60)}**/\n` },
        ],
        moves: [
          { from: '../outside', to: 'taken' },
          { from: 'mine', to: '../outside/mine' },
        ],
      }),
    })
    assert.equal(run.code, 3, run.stdout + run.stderr)
    const plain = await pair.laptop.run('sync', 'nas:data', target, '--mode', 'update')
    for (const text of [plain.stdout, plain.stderr, pair.laptop.logText('sync')]) {
      assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e]/u)
    }
    assert.equal(readFileSync(join(target, 'mine'), 'utf8'), 'mine')
  })

  it('answers as many as were asked, and what it says of itself is bounded', async () => {
    const lies: Readonly<Record<string, Answers>> = {
      'a listing too few': { listings: async () => ({ listings: [] }) },
      'a listing too many': {
        listings: async () => ({ listings: Array(3).fill({ ...time, known: true, bytes: listingOf() }) }),
      },
      'no root': { view: async () => ({}) },
      'a clock of another century': {
        open: async () => ({
          path: 'data',
          rootId: 'evil',
          timeGrainNs: 1,
          modeMask: 0o777,
          empty: false,
          nowMs: 4e12,
          recovered: [],
        }),
      },
    }
    for (const [what, answers] of Object.entries(lies)) {
      const seen = readTree(target)
      const run = await pullUpdate(answers)
      assert.ok(run.failure !== undefined, `${what}: ${run.stdout}`)
      assert.deepEqual(readTree(target), seen, what)
    }
  })
})
