// Undo: a run reversed, the undo reversed, at every instant at which the machine may die, and what is refused.

import assert from 'node:assert/strict'
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Death, type FaultySys } from '../../test/world/faulty-sys.ts'
import { mirror, undo } from '../../test/world/one-mirror.ts'
import { allTexts, contents, facts, plant, staging } from '../../test/world/planted.ts'
import {
  twice as mirroredTwice,
  runA,
  runB,
  runC,
  type Scenario,
  scenarios,
  type Twice,
  unsynced,
} from '../../test/world/two-runs.ts'
import { openTarget } from './root.ts'
import { errno, type Sys } from './sys.ts'
import { openLinuxSys } from './sys-linux.ts'
import { openPortableSys } from './sys-portable.ts'

const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-undo-'))
after(() => rmSync(home, { recursive: true, force: true }))

function withoutModes(table: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(table).map(([path, fact]) => [path, fact.replace(/ [0-7]{3}( \d+)?$/, '$1')]),
  )
}

let made = 0
const forms: readonly (() => Sys)[] = process.platform === 'linux' ? [openLinuxSys, openPortableSys] : [openPortableSys]

for (const open of forms) {
  const real = open()
  const everyNth = real.exactRenames ? 1 : 4
  const quick = (): FaultySys => unsynced(real)
  const twice = (scenario: Scenario): Promise<Twice> => mirroredTwice(real, join(home, `case-${++made}`), scenario)

  const copyOf = (path: string): string => {
    const copy = `${path}-${++made}`
    cpSync(path, copy, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
    // A target of its own: a copy that bears the marker of another is refused.
    rmSync(join(copy, '.nightferry/root.json'))
    return copy
  }

  describe(`undo ${real.form}`, () => {
    for (const [name, scenario] of Object.entries(scenarios)) {
      it(`reverses a run, and its own undo: ${name}`, async () => {
        const { target, before, done } = await twice(scenario)
        const back = undo(quick(), target, runB, runC)
        assert.deepEqual(back.conflicts, [])
        assert.deepEqual(back.undone?.problems, [])
        assert.deepEqual(facts(target), before)
        assert.deepEqual(staging(target), [])
        // A version that has its name back is in no store: whoever writes to one would write to both.
        for (const [path, content] of Object.entries(contents(target)))
          assert.ok(content === '/' || lstatSync(join(target, path)).nlink === 1, path)
        // Again: everything is as it was before.
        assert.deepEqual(undo(quick(), target, runB, '20260104T000000000Z-dddddddd').conflicts, [])
        assert.deepEqual(facts(target), before)
        const again = undo(quick(), target, runC, '20260105T000000000Z-eeeeeeee')
        assert.deepEqual(again.conflicts, [])
        assert.deepEqual(again.undone?.problems, [])
        assert.deepEqual(facts(target), done)
        const thrice = undo(quick(), target, '20260105T000000000Z-eeeeeeee', '20260106T000000000Z-ffffffff')
        assert.deepEqual(thrice.conflicts, [])
        assert.deepEqual(facts(target), before)
      })

      it(`reverses the first run to nothing: ${name}`, async () => {
        const { target, before } = await twice(scenario)
        assert.deepEqual(undo(quick(), target, runB, runC).conflicts, [])
        const last = undo(quick(), target, runA, '20260104T000000000Z-dddddddd')
        assert.deepEqual(last.conflicts, [])
        assert.deepEqual(contents(target), {})
        assert.deepEqual(
          undo(quick(), target, '20260104T000000000Z-dddddddd', '20260105T000000000Z-eeeeeeee').conflicts,
          [],
        )
        assert.deepEqual(facts(target), before)
      })

      it(`loses nothing when the machine dies, and goes on: ${name}`, async () => {
        const trial = await twice(scenario)
        const whole = quick()
        undo(whole, trial.target, runB, runC)
        for (let change = 1; change <= whole.changes; change += everyNth) {
          const { target, before, done } = await twice(scenario)
          const texts = (): Set<string> => allTexts(target)
          const all = [...texts()].filter((text) => !text.startsWith('{'))
          const sys = quick().dieAt(change)
          assert.throws(() => undo(sys, target, runB, runC), Death)
          sys.bury()
          const at = `dead at change ${change}`
          const check = (when: string): void => {
            const here = texts()
            for (const text of all) assert.ok(here.has(text), `${at}${when}: ${text} is lost`)
            // A path holds what it held before or after; below a renamed directory, what it held under its other name.
            const known = new Set([...Object.values(before), ...Object.values(done)].map((fact) => fact.split(' ')[0]))
            for (const [path, fact] of Object.entries(facts(target))) {
              const allowed = scenario.moves === undefined ? [before[path], done[path]] : [...known]
              const isKnown = allowed.some((one) => one?.split(' ')[0] === fact.split(' ')[0])
              assert.ok(fact.startsWith('/') || isKnown, `${at}${when}: ${path}`)
            }
          }
          check('')
          openTarget(quick(), target, { create: true, machine: 'test', expectedId: undefined }).close()
          check(', recovered')
          const again = undo(quick(), target, runB, '20260104T000000000Z-dddddddd')
          assert.deepEqual(again.conflicts, [], at)
          assert.deepEqual(facts(target), before, at)
          assert.deepEqual(staging(target), [], at)
          for (const [path, content] of Object.entries(contents(target)))
            assert.ok(content === '/' || lstatSync(join(target, path)).nlink === 1, `${at}: ${path}`)
        }
      })
    }

    for (const [name, scenario] of Object.entries(scenarios)) {
      it(`stops wherever it may, goes on, and what was done is a run: ${name}`, async () => {
        for (let stopAt = 1, isStopped = true; isStopped; stopAt++) {
          const { target, before, done } = await twice(scenario)
          const at = `stopped at ${stopAt}`
          const known = new Set([...allTexts(target)].filter((text) => !text.startsWith('{')))
          const { conflicts, undone } = undo(quick(), target, runB, runC, stopAt)
          assert.deepEqual(conflicts, [], at)
          assert.deepEqual(undone?.problems, [], at)
          isStopped = undone?.isStopped === true
          assert.deepEqual(staging(target), [], at)
          assert.ok(!existsSync(join(target, '.nightferry/journal')), at)
          const here = allTexts(target)
          for (const text of known) assert.ok(here.has(text), `${at}: ${text} is lost`)
          // No file has a second name, in the store or elsewhere: whoever writes to one would write to both.
          for (const [path, content] of Object.entries(contents(target)))
            assert.ok(content === '/' || lstatSync(join(target, path)).nlink === 1, `${at}: ${path}`)
          if (undone?.isBegun !== true) assert.deepEqual(facts(target), done, at)
          assert.deepEqual(undo(quick(), target, runB, '20260104T000000000Z-dddddddd').conflicts, [], at)
          assert.deepEqual(facts(target), before, at)
          // Or the other way: what was done so far is taken back, and all is as the run had left it.
          const other = await twice(scenario)
          undo(quick(), other.target, runB, runC, stopAt)
          const back = undo(quick(), other.target, runC, '20260105T000000000Z-eeeeeeee')
          assert.deepEqual(back.conflicts, [], at)
          assert.deepEqual(facts(other.target), other.done, at)
          if (!isStopped) assert.ok(stopAt > 3, 'there is more than one place to stop')
        }
      })
    }

    for (const [name, scenario] of Object.entries(scenarios)) {
      it(`loses no version of a run that dies, and reverses what it did: ${name}`, async () => {
        const { source, target, before } = await twice(scenario)
        assert.deepEqual(undo(quick(), target, runB, runC).conflicts, [])
        const whole = quick()
        const run = '20260107T000000000Z-gggggggg'
        const trial = copyOf(target)
        await mirror({ sys: whole, source, target: trial, run })
        for (let change = 1; change <= whole.changes; change += everyNth) {
          const at = `dead at change ${change}`
          const dying = copyOf(target)
          const was = facts(dying)
          const sys = quick().dieAt(change)
          await assert.rejects(mirror({ sys, source, target: dying, run }), (error) => error instanceof Death)
          sys.bury()
          openTarget(quick(), dying, { create: true, machine: 'test', expectedId: undefined }).close()
          const here = allTexts(dying)
          for (const text of Object.values(contents(target)))
            assert.ok(text === '/' || text.startsWith('->') || here.has(text), `${at}: ${text} is lost`)
          const { conflicts } = undo(quick(), dying, run, '20260108T000000000Z-hhhhhhhh')
          assert.deepEqual(conflicts, [], at)
          // Of a file that was to move and change its mode, and died in between, the mode may be the new one.
          if (scenario.moves === undefined) assert.deepEqual(facts(dying), was, at)
          else assert.deepEqual(withoutModes(facts(dying)), withoutModes(was), at)
          rmSync(dying, { recursive: true })
        }
        assert.deepEqual(facts(target), before)
      })
    }

    it('refuses all of it where one path was changed since, and says which', async () => {
      const scenario = scenarios['create, replace, delete, attributes'] as Scenario
      const changes: Readonly<Record<string, (target: string) => void>> = {
        replaced: (target) => writeFileSync(join(target, 'replaced'), 'a person wrote this'),
        'new file': (target) => writeFileSync(join(target, 'new file'), 'and this'),
        'new/deep': (target) => writeFileSync(join(target, 'new/deep/file'), 'xx'),
        'new/deep/extra': (target) => mkdirSync(join(target, 'new/deep/extra')),
        new: (target) => writeFileSync(join(target, 'new/extra'), 'e'),
        'goes file': (target) => writeFileSync(join(target, 'goes file'), 'a new one'),
        goes: (target) => writeFileSync(join(target, 'goes'), 'a file now'),
        'd/replaced': (target) => rmSync(join(target, 'd/replaced')),
        mode: (target) => chmodSync(join(target, 'mode'), 0o640),
        link: (target) => rmSync(join(target, 'link')),
      }
      for (const [path, change] of Object.entries(changes)) {
        const { target } = await twice(scenario)
        change(target)
        const now = facts(target)
        const { conflicts, undone } = undo(quick(), target, runB, runC)
        assert.deepEqual(
          conflicts.map((conflict) => String(conflict.path)),
          [path],
        )
        assert.equal(undone, undefined)
        assert.deepEqual(facts(target), now)
      }
    })

    it('renames nothing back where its name is taken or it is not there', async () => {
      for (const [change, conflict] of [
        [(target: string) => plant(target, { 'whole/new': 'a person made it' }), 'whole'],
        [(target: string) => renameSync(join(target, 'whole moved'), join(target, 'elsewhere')), 'whole moved'],
      ] as const) {
        const { target } = await twice(scenarios.renames as Scenario)
        change(target)
        const now = facts(target)
        const { conflicts } = undo(quick(), target, runB, runC)
        assert.deepEqual(
          conflicts.map(({ path }) => String(path)),
          [conflict],
        )
        assert.deepEqual(facts(target), now)
      }
    })

    it('lets be what the run never touched, and merges into a deleted directory that is there again', async () => {
      const { target, before } = await twice(scenarios['create, replace, delete, attributes'] as Scenario)
      plant(target, { 'a person': 'p', 'goes/new one': 'q' })
      assert.deepEqual(undo(quick(), target, runB, runC).conflicts, [])
      const now = contents(target)
      assert.equal(now['a person'], 'p')
      assert.equal(now['goes/new one'], 'q')
      for (const path of Object.keys(before)) assert.ok(path in now, path)
    })

    it('says which versions it has not any more', async () => {
      const { target } = await twice(scenarios['create, replace, delete, attributes'] as Scenario)
      rmSync(join(target, '.nightferry/versions', runB, 'files/replaced'))
      const { conflicts } = undo(quick(), target, runB, runC)
      assert.deepEqual(conflicts, [{ path: 'replaced', why: 'no-version' }])
    })

    it('copies where there are no links', async () => {
      const { target, before } = await twice(scenarios['create, replace, delete, attributes'] as Scenario)
      const sys = quick().on('link', { sticky: true, result: -errno.EPERM })
      const { conflicts, undone } = undo(sys, target, runB, runC)
      assert.deepEqual(conflicts, [])
      assert.deepEqual(undone?.problems, [])
      assert.deepEqual(facts(target), before)
      assert.deepEqual(undo(quick(), target, runB, '20260104T000000000Z-dddddddd').conflicts, [])
    })

    it('changes nothing where something can not be brought back', async () => {
      const { target } = await twice(scenarios['create, replace, delete, attributes'] as Scenario)
      const now = facts(target)
      for (const code of [-errno.ENOSPC, -errno.EIO]) {
        const sys = quick()
          .on('link', { sticky: true, result: -errno.EPERM })
          .on('createFile', { name: 'file', result: code })
        assert.throws(() => undo(sys, target, runB, '20260104T000000000Z-dddddddd'), /nothing|no space|can't be/)
        assert.deepEqual(facts(target), now)
        rmSync(join(target, '.nightferry/versions/20260104T000000000Z-dddddddd'), { recursive: true })
      }
      assert.equal(readFileSync(join(target, 'replaced'), 'utf8'), 'the new version')
    })
  })
}
