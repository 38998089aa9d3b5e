// kill -9 in front of each single system call that changes something, SQLite's own among them, of real processes: of a
// run between two folders, of the driver and of the daemon of a run between two machines, either way round; of first runs, of
// large files, of files of several names, prunings, undeletes and undoes. Whichever it was: names hold old or new content, nothing is lost, the state database is whole, and a plain run converges.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { assertNothingLost, assertOldOrNew, assertStateWhole, type Holding, holdingOf } from '../world/oracle.ts'
import { noTracing } from '../world/traced.ts'
import { casesOf, isLeftOut, isWhole, only, replay } from './options.ts'
import { Scene } from './scene.ts'

describe('a process that is killed in front of a system call', { skip: noTracing }, () => {
  for (const [way, side, extent, sample] of [
    ['local', 'driver', 'few', 2],
    ['local', 'driver', 'many', 0],
    ['local', 'driver', 'linked', 2],
    ['push', 'daemon', 'linked', 0],
    ['push', 'daemon', 'many', 1],
    ['push', 'driver', 'few', 0],
    ['pull', 'driver', 'few', 0],
    ['pull', 'driver', 'large', 1],
    ['push', 'daemon', 'large', 0],
    ['pull', 'daemon', 'few', 0],
  ] as const) {
    if (sample === 0 && !isWhole) continue
    const part = `kills-${way}-${side}-${extent}`
    it(`the ${side} of a ${way} run, ${extent} changes: nothing is lost, and a plain run converges`, {
      skip: isLeftOut(part),
    }, async (t) => {
      const scene = await new Scene(way, extent).open()
      try {
        scene.nextState()
        const { report, run } = await scene.traced(side)
        assert.equal(run.code, 0, run.stdout + run.stderr)
        const { calls } = report
        t.diagnostic(`${part}: ${calls.length} calls`)
        assert.ok(calls.length > 20, calls.join('\n'))
        let [tried, hits] = [0, 0]
        for (const at of casesOf(calls.length, sample, part)) {
          scene.nextState()
          const [old, next] = [holdingOf(scene.target), holdingOf(scene.source)]
          const killed = await scene.traced(side, { at, how: 'KILL' })
          const { hit } = killed.report
          const where = `killed in front of call ${at}, ${hit} (${replay(part, at)})`
          tried++
          if (hit !== undefined) hits++
          assertOldOrNew(scene.target, old, next, where)
          assertNothingLost(scene.target, old, where)
          assertStateWhole((side === 'driver' ? scene.laptop : scene.nas).state, where)
          await scene.converges(where)
          assertNothingLost(scene.target, old, where)
        }
        assert.ok(hits > 0 || tried === 0, 'no run was cut short: nothing was shown')
      } finally {
        await scene.close()
      }
    })
  }

  for (const [way, side, extent, sample] of [
    ['local', 'driver', 'many', 1],
    ['pull', 'driver', 'linked', 0],
    ['pull', 'driver', 'large', 0],
    ['push', 'daemon', 'large', 0],
  ] as const) {
    if (sample === 0 && !isWhole) continue
    const part = `kills-first-${way}-${extent}`
    it(`the first ${way} run, into an empty target: names hold whole files, and a plain run converges`, {
      skip: isLeftOut(part),
    }, async (t) => {
      const scene = await new Scene(way, extent).open('empty')
      try {
        const { report, run } = await scene.traced(side)
        assert.equal(run.code, 0, run.stdout + run.stderr)
        t.diagnostic(`${part}: ${report.calls.length} calls`)
        assert.ok(report.calls.length > 50, report.calls.join('\n'))
        for (const at of casesOf(report.calls.length, sample, part)) {
          scene.empty()
          scene.nextState()
          const next = holdingOf(scene.source)
          // The target that went was known.
          const killed = await scene.traced(side, { at, how: 'KILL' }, '--new-target')
          const where = `killed in front of call ${at}, ${killed.report.hit} (${replay(part, at)})`
          for (const [path, what] of holdingOf(scene.target)) assert.equal(what, next.get(path), `${where}: ${path}`)
          assertStateWhole((side === 'driver' ? scene.laptop : scene.nas).state, where)
          await scene.converges(where, '--new-target')
        }
      } finally {
        await scene.close()
      }
    })
  }

  const pruning = 'kills-prune'
  it('a run that removes old versions: none is there in part, and a plain run converges', {
    skip: isWhole || only !== undefined ? isLeftOut(pruning) : 'takes minutes: npm run test:faults',
  }, async (t) => {
    const scene = await new Scene('local', 'few').open()
    const store = join(scene.target, '.nightferry/versions')
    /** Two runs whose versions are older than the policy; what one that comes after them removes. */
    const age = async (): Promise<void> => {
      for (const run of [1, 2]) {
        scene.nextState()
        assert.equal((await scene.sync('--keep-versions', '1000d')).code, 0, `run ${run}`)
      }
      for (const run of readdirSync(store)) makeOld(join(store, run))
      scene.nextState()
    }
    try {
      await age()
      const { report, run } = await scene.traced('driver', undefined, '--keep-versions', '10d')
      assert.equal(run.code, 0, run.stdout + run.stderr)
      t.diagnostic(`${pruning}: ${report.calls.length} calls`)
      assert.ok(
        report.calls.some((call) => call.includes('gone-')),
        'nothing was pruned',
      )
      for (const at of casesOf(report.calls.length, 1, pruning)) {
        await age()
        const [old, next] = [holdingOf(scene.target), holdingOf(scene.source)]
        const killed = await scene.traced('driver', { at, how: 'KILL' }, '--keep-versions', '10d')
        const where = `killed in front of call ${at}, ${killed.report.hit} (${replay(pruning, at)})`
        assertOldOrNew(scene.target, old, next, where)
        assertNothingLost(scene.target, old, where)
        assertStateWhole(scene.laptop.state, where)
        await scene.converges(where)
        assertNothingLost(scene.target, old, where)
        assert.deepEqual(
          readdirSync(store).filter((name) => name.startsWith('gone-')),
          [],
          where,
        )
      }
    } finally {
      await scene.close()
    }
  })

  const bringing = 'kills-undelete'
  it('an undelete: nothing is lost, and the same undelete again ends it', {
    skip: isLeftOut(bringing),
  }, async (t) => {
    const scene = await new Scene('local', 'few').open()
    const { laptop, target, launcher } = scene
    /** Brings back what the last run took away; in front of call `at` it is killed. */
    const undelete = async (at?: number): Promise<readonly string[]> => {
      scene.nextState()
      const goal = holdingOf(target)
      assert.equal((await scene.sync()).code, 0)
      const old = holdingOf(target)
      const gone = [...goal.keys()].filter((path) => path.startsWith('only-') && !old.has(path))
      assert.ok(gone.length > 0)
      const path = join(target, `${gone[0]}`.split('/')[0] as string)
      const trace = launcher.next([laptop.state, target], at === undefined ? undefined : { at, how: 'KILL' })
      await laptop.run('undelete', path)
      const where = `killed in front of call ${at}, ${trace.report().hit} (${replay(bringing, at ?? 1)})`
      for (const held of [old, goal]) assertNothingLost(target, held, where)
      for (const [name, what] of old) assert.equal(holdingOf(target).get(name), what, `${where}: ${name}`)
      assertStateWhole(laptop.state, where)
      const again = await laptop.run('undelete', path)
      assert.ok(again.code === 0 || again.code === 3, `${where}: ${again.stdout}${again.stderr}`)
      const back = holdingOf(target)
      for (const name of gone) assert.equal(back.get(name), goal.get(name), `${where}: ${name}`)
      await scene.converges(where)
      return trace.report().calls
    }
    try {
      const calls = await undelete()
      t.diagnostic(`${bringing}: ${calls.length} calls`)
      for (const at of casesOf(calls.length, 1, bringing)) await undelete(at)
    } finally {
      await scene.close()
    }
  })

  const part = 'kills-undo'
  it('an undo: nothing is lost, and the same undo again ends it', { skip: isLeftOut(part) }, async (t) => {
    const scene = await new Scene('local', 'few').open()
    const { laptop, target, launcher } = scene
    /** Undoes the last run, of which `goal` is what was there before; in front of call `at` it is killed. */
    const undo = async (run: string, goal: Holding, at?: number): Promise<readonly string[]> => {
      const old = holdingOf(target)
      const trace = launcher.next([laptop.state, target], at === undefined ? undefined : { at, how: 'KILL' })
      await laptop.run('undo', run)
      const where = `killed in front of call ${at}, ${trace.report().hit} (${replay(part, at ?? 1)})`
      assertOldOrNew(target, old, goal, where)
      for (const held of [old, goal]) assertNothingLost(target, held, where)
      assertStateWhole(laptop.state, where)
      const again = await laptop.run('undo', run)
      assert.equal(again.code, 0, `${where}: ${again.stdout}${again.stderr}`)
      assert.deepEqual(holdingOf(target), goal, where)
      for (const held of [old, goal]) assertNothingLost(target, held, where)
      return trace.report().calls
    }
    /** A run that brings the target on, or again; its id. */
    const bring = async (): Promise<string> => {
      const held = await scene.sync()
      const run = held.outcome === 'halted' ? await laptop.sync('--release', ...scene.ends) : held
      assert.equal(run.outcome, 'done', run.stdout + run.stderr)
      return `${run.lines[0]?.runId}`
    }
    try {
      const goal = holdingOf(target)
      scene.nextState()
      const calls = await undo(await bring(), goal)
      t.diagnostic(`${part}: ${calls.length} calls`)
      for (const at of casesOf(calls.length, 1, part)) await undo(await bring(), goal, at)
    } finally {
      await scene.close()
    }
  })
})

/** What a run says of its age, a year ago. */
function makeOld(run: string): void {
  const path = join(run, 'run.json')
  const facts = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
  rmSync(path)
  writeFileSync(path, JSON.stringify({ ...facts, atMs: Date.now() - 365 * 86_400_000 }))
  // What is known of a run holds while its place has not changed.
  renameSync(run, `${run}.moved`)
  renameSync(`${run}.moved`, run)
}
