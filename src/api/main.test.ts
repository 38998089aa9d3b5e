// The library, used as a program uses it.

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { rejectsWith } from '../../test/world/links.ts'
import { Failure, type Machine, openMachine, type RunEvent } from './main.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-library-'))
after(() => rmSync(home, { recursive: true, force: true }))
let made = 0

/** A folder of its own, with these files in it. */
function folder(...names: readonly string[]): string {
  const path = join(home, `folder-${++made}`)
  mkdirSync(path)
  for (const name of names) writeFileSync(join(path, name), name)
  return path
}

function machine(): Machine {
  return openMachine({ stateDirectory: join(home, `state-${++made}`) })
}

describe('a machine in a program', () => {
  it('mirrors, tells what happens, and remembers it', async () => {
    await using one = machine()
    const [source, target] = [folder('a', 'b', 'c.tmp'), folder()]
    const events: RunEvent[] = []
    const first = await one.sync({ source, target, exclude: ['*.tmp'] }, { onEvent: (event) => events.push(event) })
    assert.equal(first.outcome, 'done')
    assert.equal(first.exitCode, 0)
    assert.equal(first.counts.created, 2)
    assert.equal(readFileSync(join(target, 'a'), 'utf8'), 'a')
    assert.ok(!existsSync(join(target, 'c.tmp')))
    assert.deepEqual([...new Set(events.map(({ type }) => type))].slice(0, 3), ['run-start', 'phase', 'change'])
    const again = await one.sync({ source, target, exclude: ['*.tmp'] })
    assert.equal(again.outcome, 'unchanged')
    assert.deepEqual(
      one.log().map(({ runId, outcome }) => [runId, outcome]),
      [
        [again.runId, 'unchanged'],
        [first.runId, 'done'],
      ],
    )
    assert.equal(one.log({ limit: 1 }).length, 1)
    await one.close()
    await one.close()
  })

  it('shows a dry run, halts, and is released', async () => {
    await using one = machine()
    const [source, target] = [folder('a'), folder('theirs')]
    const planned = await one.sync({ source, target, dryRun: true })
    assert.equal(planned.outcome, 'planned')
    const halted = await one.sync({ source, target })
    assert.deepEqual([halted.outcome, halted.exitCode], ['halted', 15])
    assert.ok(existsSync(join(target, 'theirs')))
    const released = await one.sync({ source, target, release: true })
    assert.equal(released.counts.deleted, 1)
  })

  it('throws failures with a code, and is usable after them', async () => {
    await using one = machine()
    const [source, target] = [folder('a'), folder()]
    const cases: readonly (readonly [Parameters<Machine['sync']>[0], ConstructorParameters<typeof Failure>[0]])[] = [
      [{ source: '', target }, 'bad-end'],
      [{ target } as { source: string; target: string }, 'bad-usage'],
      [{ source, target, mode: 'sideways' as 'mirror' }, 'bad-usage'],
      [{ source, target, maxDelete: '200%' }, 'bad-usage'],
      [{ source, target, ignoreFile: [join(home, 'none')] }, 'bad-usage'],
      [{ source, target: source }, 'same-ends'],
      [{ source: join(home, 'missing'), target }, 'source-missing'],
      [{ source, target: 'nas:photos' }, 'unknown-machine'],
    ]
    for (const [options, code] of cases) await rejectsWith(one.sync(options), code)
    await rejectsWith(one.sync({ source, target }, { signal: AbortSignal.abort() }), 'cancelled')
    assert.equal((await one.sync({ source, target, maxDelete: 5 })).outcome, 'done')
  })

  it('runs several at a time, and refuses two on one folder', async () => {
    await using one = machine()
    const pairs = Array.from({ length: 4 }, () => ({ source: folder('a', 'b', 'c'), target: folder() }))
    const runs = await Promise.all(pairs.map((ends) => one.sync(ends)))
    assert.deepEqual(new Set(runs.map(({ outcome }) => outcome)), new Set(['done']))
    const target = folder()
    const both = await Promise.allSettled([0, 1].map(() => one.sync({ source: folder('x'), target, release: true })))
    const refused = both.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []))
    assert.equal(refused.length, 1)
    assert.equal(refused[0].code, 'root-locked')
  })

  it('pairs, serves and shares, and both sides can drive', async () => {
    await using nas = machine()
    await using laptop = machine()
    const shared = folder()
    nas.share({ name: 'data', path: shared })
    assert.deepEqual(nas.shares(), [
      { name: 'data', path: shared, readOnly: false, for: undefined, maxDelete: undefined },
    ])
    assert.throws(() => nas.share({ name: 'none', path: join(home, 'none') }), Failure)
    const serving = await nas.serve({ host: '127.0.0.1', port: 0 })
    await rejectsWith(laptop.pair({ code: 'AAA-AAA-AAA', host: '127.0.0.1', port: serving.port }), 'pairing-failed')
    const offer = serving.offerPairing()
    const { name, peerId } = await laptop.pair({ code: offer.code, host: '127.0.0.1', port: serving.port })
    assert.equal(peerId, nas.peerId)
    assert.equal((await offer.paired).peerId, laptop.peerId)
    const sent = await laptop.sync({ source: folder('a'), target: `${name}:data` })
    assert.equal(sent.counts.created, 1)
    assert.ok(sent.wireBytesOut > 0)
    assert.equal(nas.unshare('data')?.path, shared)
    await rejectsWith(laptop.sync({ source: folder('a'), target: `${name}:data` }), 'unknown-share')
    await serving.close()
    await rejectsWith(laptop.sync({ source: folder('a'), target: `${name}:data` }), 'unreachable')
    assert.equal(laptop.unpair(name)?.peerId, nas.peerId)
    assert.deepEqual(laptop.machines(), [])
  })

  it('is the command line’s: same settings, same history', async () => {
    const directory = join(home, 'both')
    await using one = openMachine({ stateDirectory: directory })
    await one.sync({ source: folder('a'), target: folder() })
    await using other = openMachine({ stateDirectory: directory })
    assert.equal(other.peerId, one.peerId)
    assert.equal(other.log().length, 1)
  })
})
