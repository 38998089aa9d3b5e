// The library, used as a program uses it.

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { rejectsWith } from '../../test/world/links.ts'
import { Failure, type Machine, openMachine, type RunEvent, type UndoEvent } from './main.ts'

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
    const limits = {
      maxDelete: '5%',
      maxBytes: '2M',
      links: 'portable',
      keepVersions: 40,
      allow: ['top', 'no-sync'],
    } as const
    nas.share({ name: 'limited', path: folder(), readOnly: true, ...limits })
    assert.partialDeepStrictEqual(nas.unshare('limited'), {
      readOnly: true,
      maxDelete: { kind: 'percent', percent: 5 },
      maxBytes: 2 * 1024 * 1024,
      links: 'portable',
      keepVersions: '40',
      allows: ['top', 'no-sync'],
    })
    for (const wrong of [{ maxBytes: 'x' }, { links: 'all' as 'portable' }, { allow: ['root'] }])
      assert.throws(() => nas.share({ name: 'wrong', path: folder(), ...wrong }), { code: 'bad-usage' })
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

  it('tells what was done, and goes back', async () => {
    await using one = machine()
    const [source, target] = [folder('a', 'b', 'c'), folder()]
    await one.sync({ source, target })
    writeFileSync(join(source, 'a'), 'another a')
    rmSync(join(source, 'b'))
    const { runId } = await one.sync({ source, target })
    const { run, state, changes } = one.run(runId.slice(0, 19))
    assert.deepEqual([run.runId, state], [runId, 'done'])
    assert.deepEqual(changes.map(({ action, path }) => `${action} ${path}`).sort(), ['deleted b', 'replaced a'])
    const [answer] = one.why(join(target, 'b'))
    assert.deepEqual([answer?.role, answer?.path, answer?.state], ['target', 'b', 'missing'])
    assert.match(answer?.statements[0]?.text ?? '', /^It was deleted on the target .* of /)
    assert.deepEqual(one.why(home), [])
    assert.deepEqual(
      one.why(join(target, 'c'), { run: runId }).map(({ path }) => path),
      ['c'],
    )
    const { versions, more } = await one.versions(target)
    assert.deepEqual([versions.map(({ path, why }) => `${why} ${path}`), more], [['replaced a', 'deleted b'], false])
    assert.deepEqual((await one.versions(target, { run: 'none' })).versions, [])

    const elsewhere = folder()
    const copied = await one.undelete(target, { run: runId, to: elsewhere })
    assert.deepEqual([copied.restored, copied.to], [2, elsewhere])
    assert.equal(readFileSync(join(elsewhere, 'a'), 'utf8'), 'a')
    const back = await one.undelete(join(target, 'b'))
    assert.deepEqual([back.restored, back.existingCount], [1, 0])
    assert.match(
      one.why(join(target, 'b'))[0]?.statements[0]?.text ?? '',
      new RegExp(`from its version of run ${runId}`),
    )
    rmSync(join(target, 'b'))

    const events: UndoEvent[] = []
    const onEvent = (event: UndoEvent): number => events.push(event)
    const planned = await one.undo(runId, { dryRun: true }, { onEvent })
    assert.deepEqual([planned.outcome, planned.exitCode, planned.runId], ['planned', 0, ''])
    const listed = events.flatMap((event) => (event.type === 'change' ? [`${event.action} ${event.path}`] : []))
    assert.deepEqual(listed, ['replace-file a', 'create-file b'])
    await rejectsWith(one.undo(runId, {}, { signal: AbortSignal.abort() }), 'cancelled')
    assert.equal(readFileSync(join(target, 'a'), 'utf8'), 'another a')
    writeFileSync(join(target, 'a'), 'a person wrote this')
    const refused = await one.undo(runId)
    assert.deepEqual(
      [refused.outcome, refused.exitCode, refused.conflicts],
      ['refused', 15, [{ path: 'a', why: 'changed' }]],
    )
    rmSync(join(target, 'a'))
    writeFileSync(join(target, 'a'), 'another a')
    await one.sync({ source, target, checksum: true })
    for (const call of [() => one.run('none'), () => one.why(''), () => one.why(target, { run: 'none' })])
      assert.throws(call, Failure)
    await rejectsWith(one.undo('none'), 'bad-usage')
    await rejectsWith(one.versions(source), 'no-versions')
    await rejectsWith(one.undelete(join(target, 'never')), 'no-versions')
  })

  it('undoes, is held, and undoes the undo', async () => {
    await using one = machine()
    const [source, target] = [folder('a'), folder()]
    await one.sync({ source, target })
    writeFileSync(join(source, 'a'), 'another a')
    const { runId } = await one.sync({ source, target })
    const undone = await one.undo(runId)
    assert.deepEqual([undone.outcome, undone.exitCode, undone.counts.replaced], ['done', 0, 1])
    assert.equal(readFileSync(join(target, 'a'), 'utf8'), 'a')
    assert.equal((await one.sync({ source, target })).outcome, 'halted')
    assert.equal((await one.undo(undone.runId)).outcome, 'done')
    assert.equal((await one.sync({ source, target })).outcome, 'unchanged')
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
