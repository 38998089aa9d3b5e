// The short form of the fuzzing of test/fuzz: a fixed seed over everything that reads bytes or text from outside, in a
// process with a bounded heap. And what the fuzzer itself promises: it finds what is there, and finds it again.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Failure } from '../src/std/failure.ts'
import { feed } from './fuzz/campaign.ts'
import { loadCorpus } from './fuzz/record.ts'
import { openTargets, type Target } from './fuzz/targets.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-fuzz-short-'))
after(() => rmSync(home, { recursive: true, force: true }))

it('nothing that reads from outside throws what it should not, or holds what it should not', {
  timeout: 120_000,
}, () => {
  const mark = join(home, 'mark')
  const args = [
    '--max-old-space-size=160',
    join(import.meta.dirname, 'fuzz/main.ts'),
    '--rounds',
    '150',
    '--mark',
    mark,
  ]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 110_000 })
  assert.equal(status, 0, `at ${readFileSync(mark, 'utf8')}\n${stdout}${stderr}`)
})

describe('the fuzzer', () => {
  const good = new TextEncoder().encode('{"version":1,"name":"nas"}')
  const target = (run: (text: string) => void): Target => ({
    name: 'planted',
    corpus: [good],
    isText: true,
    run: (bytes) => run(Buffer.from(bytes).toString('latin1')),
  })
  const options = { seed: 5, rounds: 3000, mark: () => {} }

  it('finds a reader that throws anything but a failure, and finds it again', async () => {
    const careless = target((text) => void JSON.parse(text).name.length)
    const { finding } = await feed(careless, options)
    assert.ok(finding !== undefined && !(finding.error instanceof Failure))
    const again = await feed(careless, options)
    assert.deepEqual(again.finding?.input, finding.input)
    assert.notDeepEqual((await feed(careless, { ...options, seed: 6 })).finding?.input, finding.input)
  })

  it('takes failures of the closed codes for an answer', async () => {
    const careful = target(() => {
      throw new Failure('protocol-broken', 'no')
    })
    const { finding, looks } = await feed(careful, options)
    assert.deepEqual([finding, looks], [undefined, 1])
  })

  it('goes deeper along what is answered in a new way', async () => {
    // Three levels, each of which needs what passed the one before.
    const reached = new Set<number>()
    await feed(
      target((text) => {
        const depth = text.includes('[') ? (text.includes('[[') ? (text.includes('[[[') ? 3 : 2) : 1) : 0
        reached.add(depth)
        throw new Failure('protocol-broken', `level ${'x'.repeat(depth)}`)
      }),
      options,
    )
    assert.deepEqual([...reached].sort(), [0, 1, 2, 3])
  })

  it('has a target for every message, and what was recorded is still right', async () => {
    const { targets, close } = openTargets(loadCorpus())
    try {
      for (const { name, corpus, run } of targets) {
        if (/session|pairing|pack|small texts|^(end|path|peer id|rows)/.test(name)) continue
        for (const bytes of corpus) {
          try {
            await run(bytes.slice())
          } catch (error) {
            assert.fail(`${name} has changed: record the corpus anew (npm run test:fuzz -- --record)\n${error}`)
          }
        }
      }
      assert.ok(targets.length > 60)
    } finally {
      close()
    }
  })
})
