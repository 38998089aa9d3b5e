// The system says no, with each errno that a disk may answer, to each single call that a run makes, once or from there on.
// A run goes on without that path, or ends with a failure that has a name; what it says is so; nothing is lost; and the
// next run mends it. In one thread by the calls of disk, and in real processes by the calls of the kernel, SQLite's too.

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { assertSameTree, readTree } from '../world/disk-trees.ts'
import { partitionOf } from '../world/link-trees.ts'
import { assertNothingLost, assertOldOrNew, assertStateWhole, assertTidy, holdingOf } from '../world/oracle.ts'
import { Simulation } from '../world/simulation.ts'
import { noTracing } from '../world/traced.ts'
import { asksOf, type Extent, writeState } from '../world/two-states.ts'
import { casesOf, chanceFor, isLeftOut, isWhole, only, playing, replay, sliceOf } from './options.ts'
import { Scene } from './scene.ts'

const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-refusals-'))
after(() => rmSync(home, { recursive: true, force: true }))

const refusals = [
  ...['ENOSPC', 'EDQUOT', 'EFBIG', 'EROFS', 'EIO', 'EACCES', 'EPERM', 'EMFILE', 'ENFILE', 'ETXTBSY', 'EBUSY'],
  ...['ENAMETOOLONG', 'ELOOP', 'ESTALE', 'ENOENT', 'EINTR', 'ENOMEM'],
] as const
/** What is interrupted is asked again, by Node and by SQLite themselves: for ever, where it is interrupted for ever. */
const lasting = refusals.filter((name) => name !== 'EINTR')
const errnoOf = (name: string): number => (constants.errno as Readonly<Record<string, number>>)[name] as number

/** How a run may fail as a whole when its disk refuses something. */
const wholeFailures = ['target-full', 'sync-failed', 'target-not-writable', 'source-unreadable', 'disk-error']

describe('a call that the system refuses', { skip: process.platform !== 'linux' && 'the disk is Linux' }, () => {
  let made = 0

  async function prepared(extent: Extent): Promise<Simulation> {
    const simulation = new Simulation(join(home, `${++made}`), 'local')
    writeState(simulation.source, 0, extent)
    assert.equal((await simulation.run({}, { attributes: asksOf(extent) })).end?.outcome, 'done')
    writeState(simulation.source, 1, extent)
    return simulation
  }

  for (const [extent, sticky, sample] of [
    ['few', false, 12],
    ['few', true, 6],
    ['linked', false, 12],
    ['linked', true, 4],
  ] as const) {
    const part = `refusals-${sticky ? 'from' : 'once'}${extent === 'linked' ? '-linked' : ''}`
    const asks = { attributes: asksOf(extent) }
    it(`${sticky ? 'and all after it' : 'once'}, ${extent} changes, by each errno: nothing is lost, it is told, and mended`, {
      skip: isLeftOut(part),
    }, async (t) => {
      const whole = await prepared(extent)
      const { asked } = await whole.run({}, asks)
      whole.close()
      const count = asked * refusals.length
      t.diagnostic(`${part}: ${asked} calls, ${refusals.length} errnos`)
      const codes = new Map<string, number>()
      for (const number of casesOf(count, sample, part)) {
        const at = Math.floor((number - 1) / refusals.length) + 1
        const name = refusals[(number - 1) % refusals.length] as string
        const simulation = await prepared(extent)
        const { source, target } = simulation
        const [old, next] = [holdingOf(target), holdingOf(source)]
        const refuse = { at, code: errnoOf(name), sticky }
        const run = await simulation.run({ refuse }, asks).catch((cause: unknown) => {
          throw new Error(`${name} at call ${at} (${replay(part, number)})`, { cause })
        })
        const where = `${name} at call ${at}, ${run.refused} (${replay(part, number)})`
        assertOldOrNew(target, old, next, where)
        assertNothingLost(target, old, where)
        const { end, failure } = run
        if (end === undefined) {
          assert.ok(failure !== undefined && wholeFailures.includes(failure.code), `${where}: ${failure?.code}`)
          const isNamed = /\(E[A-Z]+\)|errno \d+|space/.test(failure.message)
          assert.ok(isNamed, `${where}: ${failure.code} ${failure.message}`)
        } else if (end.outcome === 'halted') {
          // A root that lost what it could hold, as it seems, is looked at by a person before anything goes.
          assert.deepEqual(holdingOf(target), old, where)
        } else if (end.problems.length === 0) {
          assert.match(end.outcome, /^(done|unchanged)$/, where)
          assert.deepEqual(readTree(target), readTree(source), where)
        }
        const key = failure?.code ?? end?.outcome ?? ''
        codes.set(key, (codes.get(key) ?? 0) + 1)
        for (const last of [await simulation.run({}, asks), await simulation.run({}, asks)])
          assert.match(`${last.end?.outcome}`, /^(done|unchanged)$/, `${where}, then ${last.failure?.message}`)
        assertSameTree(target, source)
        if (extent === 'linked') assert.equal(partitionOf(target), partitionOf(source), where)
        assertTidy(target, where)
        assertNothingLost(target, old, where)
        simulation.close()
      }
      t.diagnostic(JSON.stringify([...codes]))
    })
  }
})

describe('a call of a process that the system refuses', { skip: noTracing }, () => {
  for (const [side, sticky, sample] of [
    ['driver', false, 2],
    ['driver', true, 0],
    ['daemon', false, 0],
    ['daemon', true, 1],
  ] as const) {
    if (sample === 0 && !isWhole) continue
    const part = `refusals-${sticky ? 'from' : 'once'}-${side}`
    const errnos = sticky ? lasting : refusals
    it(`of the ${side}, ${sticky ? 'and all after it' : 'once'}: it is told, nothing is lost, and mended`, {
      skip: isLeftOut(part),
    }, async (t) => {
      const scene = await new Scene(side === 'driver' ? 'local' : 'push', 'few').open()
      try {
        scene.nextState()
        const { calls } = (await scene.traced(side)).report
        const count = calls.length * errnos.length
        // One errno a call, another one with another seed.
        const isEach = isWhole && only === undefined
        const each = calls.map((_, index) => index * errnos.length + 1 + chanceFor(`${part} ${index}`)(errnos.length))
        for (const number of isEach ? playing(sliceOf(each), part) : casesOf(count, sample, part)) {
          const at = Math.floor((number - 1) / errnos.length) + 1
          const how = errnos[(number - 1) % errnos.length] as string
          scene.nextState()
          const [old, next] = [holdingOf(scene.target), holdingOf(scene.source)]
          const { report, run } = await scene.traced(side, { at, how, sticky })
          const where = `${how} at call ${at}, ${report.hit} (${replay(part, number)})`
          const said = `${run.code} ${run.outcome} ${run.failure?.code} ${run.failure?.message} ${run.stderr}`
          if (isWhole) t.diagnostic(`${where}: ${said}`)
          assert.ok([0, 1, 3, 11, 13].includes(run.code ?? -1), `${where}: ${said}`)
          assert.doesNotMatch(run.stderr, /\n {4}at |\bBug\b/, `${where}: ${said}`)
          assertOldOrNew(scene.target, old, next, where)
          assertNothingLost(scene.target, old, where)
          assertStateWhole((side === 'driver' ? scene.laptop : scene.nas).state, where)
          await scene.converges(`${where}, ${said}`)
          assertNothingLost(scene.target, old, where)
        }
      } finally {
        await scene.close()
      }
    })
  }
})
