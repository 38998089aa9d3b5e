import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { wantsTop, wantsXattrs } from '../../src/core/attributes.ts'
import { systemSys } from '../../src/disk/system.ts'
import { openState } from '../../src/state/open.ts'
import { systemClock } from '../../src/std/clock.ts'
import { Failure } from '../../src/std/failure.ts'
import { contents, type Folder, facts, kept, plant, staging } from '../world/planted.ts'
import { type Trial, trialIn } from '../world/trial.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-durable-'))
after(() => rmSync(home, { recursive: true, force: true }))
let made = 0

function trial(): Trial {
  return trialIn(join(home, `case-${++made}`))
}

const many = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`many/${i}`, `${i}`]))

/** Brings both folders together, then changes the source: something comes, is replaced and goes. */
async function prepared(size: 'small' | 'large'): Promise<Trial & { readonly before: Record<string, string> }> {
  const one = trial()
  const base: Folder = { replaced: 'old', goes: 'goes', 'dir/goes too': 'goes too', ...(size === 'large' ? many : {}) }
  plant(one.source, base)
  await one.run()
  assert.deepEqual(facts(one.target), facts(one.source))
  writeFileSync(join(one.source, 'replaced'), 'the new version')
  rmSync(join(one.source, 'goes'))
  rmSync(join(one.source, 'dir'), { recursive: true })
  plant(one.source, { 'new/file': 'new' })
  if (size === 'large') {
    for (let i = 0; i < 30; i++) writeFileSync(join(one.source, `many/${i}`), `changed ${i}`)
  }
  return { ...one, before: contents(one.target) }
}

async function failsToSync(running: Promise<unknown>, code = 'sync-failed'): Promise<void> {
  await assert.rejects(running, (error) => error instanceof Failure && error.code === code)
}

describe('what is on disk, in what order', () => {
  it('a large run: journal, sync, names, sync, and only then is dropped and remembered', async () => {
    const { run } = await prepared('large')
    const one = await prepared('large')
    await one.run()
    assert.deepEqual(
      one.trail.filter((task, i) => task !== one.trail[i - 1]),
      [
        'writeJournal',
        'writePart',
        'sync',
        'land',
        'finishDirectories',
        'sync',
        'dropDisplaced',
        'settleTree',
        'takeChanges',
      ],
    )
    assert.equal((await run()).outcome, 'done')
    assert.equal((await run()).outcome, 'unchanged')
  })

  it('a small run: each file is synced as it is written, and each directory that was touched', async () => {
    const one = await prepared('small')
    await one.run()
    assert.deepEqual(
      one.trail.filter((task, i) => task !== one.trail[i - 1]),
      [
        'writeJournal',
        'writePart',
        'land',
        'finishDirectories',
        'syncDirectories',
        'dropDisplaced',
        'settleTree',
        'takeChanges',
      ],
    )
  })

  it('without syncs: none where all is new, and else what was there is as safe as ever', async () => {
    const none = { durability: 'none' } as const
    const fresh = trial()
    plant(fresh.source, many)
    await fresh.run([], none)
    const steps = (one: Trial): string[] => one.trail.filter((task, i) => task !== one.trail[i - 1])
    const end = ['finishDirectories', 'dropDisplaced', 'settleTree', 'takeChanges']
    assert.deepEqual(steps(fresh), ['writePart', 'land', ...end])
    const one = await prepared('large')
    await one.run([], none)
    assert.deepEqual(steps(one), ['writeJournal', 'writePart', 'land', ...end])
    assert.deepEqual(facts(one.target), facts(one.source))
    // What is let go for good is replaced on disk first; so is the only name of what moved.
    const gone = await prepared('small')
    await gone.run([], { ...none, keep: { kind: 'none' } })
    const synced = ['writeJournal', 'land', 'finishDirectories', 'sync', ...end.slice(1)]
    assert.deepEqual(steps(gone), synced)
    const moved = await prepared('small')
    await moved.run()
    renameSync(join(moved.source, 'new/file'), join(moved.source, 'moved'))
    assert.equal((await moved.run([], none)).counts.renamed, 1)
    assert.deepEqual(steps(moved), ['writeJournal', 'writePart', ...synced.slice(1)])
  })

  it('a journal or a sync that fails before the names: nothing of the group gets one, and the next run completes', async () => {
    for (const task of ['writeJournal', 'writePart', 'sync'] as const) {
      const one = await prepared('large')
      await failsToSync(one.run([{ task, nth: 1 }]))
      assert.deepEqual(contents(one.target), one.before, task)
      assert.ok(!one.trail.includes('land'))
      const end = await one.run()
      assert.equal(end.outcome, 'done')
      assert.deepEqual(facts(one.target), facts(one.source))
      assert.deepEqual(kept(one.target), [])
      assert.equal((await one.run()).outcome, 'unchanged')
    }
  })

  it('a disk that is full when the journal is written, or synced, is told as full, and nothing gets a name', async () => {
    const { ENOSPC, EDQUOT } = constants.errno
    for (const [task, errno] of [
      ['writeJournal', ENOSPC],
      ['writeJournal', EDQUOT],
      ['sync', ENOSPC],
    ] as const) {
      const one = await prepared('large')
      await failsToSync(one.run([{ task, nth: 1, code: -errno }]), 'target-full')
      assert.deepEqual(contents(one.target), one.before, task)
      assert.equal((await one.run()).outcome, 'done')
    }
  })

  it('counts as deleted what is gone, not what went back, and not what was kept from a replacement', async () => {
    const one = trial()
    const edit = (): void => {
      // Whoever had the old version open goes on writing to it.
      const slots = staging(one.target).map((name) => join(one.target, '.nightferry/staging', name))
      for (const slot of slots)
        if (statSync(slot).isFile()) writeFileSync(slot, `written to ${slot} after it was displaced`)
    }
    plant(one.source, { f: 'old', 'dir/a': 'a', goes: 'g' })
    await one.run()
    rmSync(join(one.source, 'dir'), { recursive: true })
    writeFileSync(join(one.source, 'f'), 'the new version')
    const end = await one.run([{ task: 'land', nth: 1, before: () => plant(one.target, { 'dir/mine': 'mine' }) }])
    assert.deepEqual(
      end.problems.map(({ path, code }) => `${path}: ${code}`),
      ['dir: not-empty'],
    )
    assert.equal(end.counts.deleted, 0)
    rmSync(join(one.source, 'goes'))
    writeFileSync(join(one.source, 'f'), 'a newer version')
    const late = await one.run([{ task: 'dropDisplaced', nth: 1, before: edit }])
    assert.deepEqual(late.problems.map(({ path, code }) => `${path}: ${code}`).sort(), [
      'f: target-changed',
      'goes: target-changed',
    ])
    assert.deepEqual([late.counts.replaced, late.counts.deleted], [1, 2])
    await one.run()
    assert.equal(kept(one.target).length, 2)
  })

  it('the end of a run, its pair and both trees are remembered together, or not at all', async () => {
    const one = await prepared('small')
    const stored = (): unknown => {
      using state = openState({ directory: join(one.directory, 'state'), clock: systemClock })
      const all = (sql: string): unknown =>
        state.read(() =>
          state
            .prepare(sql)
            .all()
            .map((row) => ({ ...row })),
        )
      return [
        all('SELECT count(target_fingerprint) AS known FROM pairs'),
        all('SELECT outcome FROM runs ORDER BY id DESC LIMIT 1'),
        all('SELECT generation FROM trees ORDER BY id'),
      ]
    }
    const change = (sql: string): void => {
      using state = openState({ directory: join(one.directory, 'state'), clock: systemClock })
      state.write(() => state.prepare(sql).run())
    }
    assert.deepEqual(stored(), [[{ known: 1 }], [{ outcome: 'done' }], [{ generation: 1 }, { generation: 1 }]])
    // The second of the two trees can't be saved.
    change(`CREATE TRIGGER refuse BEFORE UPDATE ON trees WHEN NEW.tree_key LIKE 'target %'
      BEGIN SELECT RAISE(ABORT, 'refused'); END`)
    await assert.rejects(one.run())
    assert.deepEqual(stored(), [[{ known: 0 }], [{ outcome: 'failed' }], [{ generation: 1 }, { generation: 1 }]])
    change('DROP TRIGGER refuse')
    assert.equal((await one.run()).outcome, 'unchanged')
    assert.deepEqual(facts(one.target), facts(one.source))
    assert.deepEqual(stored(), [[{ known: 1 }], [{ outcome: 'unchanged' }], [{ generation: 2 }, { generation: 2 }]])
  })

  it('a directory whose owner may not read it is filled, gets its mode, and is synced all the same', async (t) => {
    const { seteuid } = process
    if (seteuid === undefined || process.getuid?.() !== 0) return t.skip('only root can be two users')
    const one = trial()
    plant(one.source, { 'd/e/f': 'f', 'flat/g': 'g' })
    for (const path of [home, one.directory]) chmodSync(path, 0o777)
    // Others may read it, its owner may not.
    for (const name of ['d', 'flat']) chmodSync(join(one.source, name), 0o377)
    let synced = 0
    const sync = systemSys().syncFileSystem
    systemSys().syncFileSystem = (handle) => {
      synced++
      return sync(handle)
    }
    seteuid(65_534)
    try {
      const { problems } = await one.run()
      assert.deepEqual(problems.map(({ path, code }) => `${path}: ${code}`).sort(), ['d: unreadable'])
    } finally {
      seteuid(0)
      systemSys().syncFileSystem = sync
    }
    assert.deepEqual(facts(one.target), facts(one.source))
    assert.ok(synced > 0, 'what could not be opened for its own sync was synced with all else')
  })

  it('a sync that fails after the names: nothing that was displaced is dropped, nothing is remembered', async () => {
    for (const [size, task, nth] of [
      ['large', 'sync', 2],
      ['small', 'syncDirectories', 1],
    ] as const) {
      const one = await prepared(size)
      await failsToSync(one.run([{ task, nth }]))
      assert.ok(!one.trail.includes('dropDisplaced') && !one.trail.includes('takeChanges'))
      assert.ok(existsSync(join(one.target, '.nightferry/journal')))
      assert.ok(staging(one.target).length >= 3)
      const end = await one.run()
      assert.equal(end.outcome, 'done')
      assert.deepEqual(facts(one.target), facts(one.source))
      assert.equal((await one.run()).outcome, 'unchanged')
      assert.deepEqual(readdirSync(join(one.target, '.nightferry/staging')), [])
    }
  })

  it('a version that is not on disk: the run fails, its journal stays, and nothing is remembered', async () => {
    const one = await prepared('large')
    const sys = systemSys()
    const { syncHandle } = sys
    const before = (): void => {
      sys.syncHandle = () => -constants.errno.EIO
    }
    try {
      await failsToSync(one.run([{ task: 'dropDisplaced', nth: 1, before }]))
    } finally {
      sys.syncHandle = syncHandle
    }
    assert.ok(existsSync(join(one.target, '.nightferry/journal')))
    assert.ok(!one.trail.includes('takeChanges'))
    assert.equal((await one.run()).outcome, 'unchanged')
    assert.deepEqual(facts(one.target), facts(one.source))
  })

  it('the top folder: what it had is told before it is changed, or it stays', async () => {
    const one = trial()
    const attributes = wantsXattrs | wantsTop
    const modeOf = (path: string): number => statSync(path).mode & 0o777
    plant(one.source, { a: 'a' })
    await one.run([], { attributes })
    chmodSync(one.source, 0o750)
    await failsToSync(one.run([{ task: 'writePart', nth: 1 }], { attributes }))
    assert.notEqual(modeOf(one.target), 0o750)
    assert.equal((await one.run([], { attributes })).outcome, 'done')
    assert.ok(one.trail.includes('writePart'))
    assert.equal(modeOf(one.target), 0o750)
  })
})
