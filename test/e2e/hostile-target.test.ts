// A paired machine that is hostile, as the target of a push: it has the right key and asks for and answers whatever it likes.
// It gets what it was offered and no other file of the source's folder; the run ends with a failure, never with a crash,
// and never goes on without an end.

import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import type { Entry } from '../../src/core/entry.ts'
import type { RelPath } from '../../src/core/path.ts'
import { encodeWants } from '../../src/disk/wants.ts'
import type { CallHandlers } from '../../src/jobs/bulk.ts'
import { writeTree } from '../world/disk-trees.ts'
import { type EvilSource, evilSource, listingOf, politeTarget } from '../world/hostile.ts'
import { type Pair, pairedMachines, type Synced } from '../world/machines.ts'
import { fileEntry } from '../world/steps.ts'

type Answers = Partial<CallHandlers>
const none = encodeWants([])
const asking = (...files: readonly (readonly [string, string])[]): Uint8Array =>
  encodeWants(files.map(([path, name]) => ({ path: path as RelPath, names: [name] })))
const time = { mtimeSeconds: 1_600_000_000n, mtimeNs: 0 }

describe('a hostile target', () => {
  let pair: Pair
  let target: EvilSource
  let source: string
  let number = 0

  before(async () => {
    pair = await pairedMachines()
    await pair.nas.stop()
    target = await evilSource(pair)
  })
  after(async () => {
    target?.close()
    await pair?.world.close()
  })
  beforeEach(() => {
    source = pair.world.folder(`source-${++number}`)
    writeTree(source, { offered: 'offered', 'd/too': 'too', '.env': 'canary', 'd/.env': 'canary' })
  })

  /** A run against these answers; `.env` is left out of it. It must end by itself, without a stack. */
  async function push(answers: Answers, ...options: readonly string[]): Promise<Synced> {
    target.answer({ ...politeTarget, ...answers })
    const run = await pair.laptop.sync(source, 'nas:data', '--exclude', '.env', ...options)
    assert.equal(run.signal, undefined)
    assert.doesNotMatch(run.stderr, /\n {4}at /, 'it crashed')
    assert.doesNotMatch(target.received(), /canary/, 'a file was sent that was left out')
    return run
  }

  it('is a target like any other as long as it is polite', async () => {
    const run = await push({
      stage: async ({ bytes }) => {
        const wants = bytes.includes(0x6f) ? asking(['', 'offered']) : none
        return { wants, wantCount: wants === none ? 0 : 1, asks: none, askCount: 0 }
      },
    })
    assert.equal(run.outcome, 'done', run.stdout + run.stderr)
    assert.match(target.received(), /offered/)
  })

  it('is sent no file that it was not offered, whichever way it asks', async () => {
    const other: readonly (readonly [string, string])[] = [
      ['', '.env'],
      ['d', '.env'],
      ['e', 'nothing'],
      ['offered', 'x'],
    ]
    for (const file of other) {
      const wants = asking(file)
      for (const [how, answers] of Object.entries<Answers>({
        'as wanted': { stage: async () => ({ wants, wantCount: 1, asks: none, askCount: 0 }) },
        'as asked': { stage: async () => ({ wants: none, wantCount: 0, asks: wants, askCount: 1 }) },
        'once more': { written: async () => ({ again: wants, count: 1 }) },
        'after an answer': {
          stage: async () => ({ wants: none, wantCount: 0, asks: asking(['', 'offered']), askCount: 1 }),
          answer: async () => ({ wants, wantCount: 1, asks: none, askCount: 0 }),
        },
      })) {
        const run = await push(answers)
        assert.equal(run.failure?.code, 'unsolicited', `${file.join('/')} ${how}: ${run.stdout}${run.stderr}`)
      }
    }
  })

  it('is not asked without an end, and not believed where it counts in circles', async () => {
    const endless: Answers = {
      stage: async () => ({ wants: asking(['', 'offered']), wantCount: 1, asks: none, askCount: 0 }),
      written: async () => ({ again: asking(['', 'offered']), count: 1 }),
    }
    assert.equal((await push(endless)).failure?.code, 'protocol-broken')
    const circling = {
      ...(await politeTarget.verify?.({ from: { directory: 0, row: 0 } })),
      next: { directory: 0, row: 0 },
    }
    const run = await push({ verify: async () => circling as never }, '--verify')
    assert.equal(run.failure?.code, 'protocol-broken', run.stdout + run.stderr)
    const lying: Answers = { stage: async () => ({ wants: none, wantCount: 5, asks: none, askCount: 0 }) }
    assert.equal((await push(lying)).failure?.code, 'protocol-broken')
  })

  it('has no tree without an end, however wide it is', async () => {
    const directory = (name: string): Entry => ({
      ...fileEntry(name, 0),
      kind: 'directory',
      summary: { fingerprint: new Uint8Array(32).fill(name.length), files: 9, directories: 9, sizeBytes: 9 },
    })
    const wide = listingOf(...Array.from({ length: 200 }, (_, i) => directory(`g${1000 + i}`)))
    let asked = 0
    const run = await push(
      {
        scan: async () => ({ entries: 400, problems: [], texts: [], moves: [] }),
        listings: async ({ paths }) => {
          asked += paths.length
          return { listings: paths.map(() => ({ ...time, known: true, bytes: wide })) }
        },
      },
      '--release',
    )
    assert.ok(run.code !== 0, run.stdout)
    assert.ok(asked < 2000, `${asked} directories were asked for`)
  })
})
