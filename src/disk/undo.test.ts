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
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Death, FaultySys } from '../../test/world/faulty-sys.ts'
import { type MirrorOptions, mirror, problemsOf, undo } from '../../test/world/one-mirror.ts'
import { allTexts, contents, type Folder, facts, plant, staging } from '../../test/world/planted.ts'
import { openTarget } from './root.ts'
import { errno, type Sys } from './sys.ts'
import { openLinuxSys } from './sys-linux.ts'
import { openPortableSys } from './sys-portable.ts'

const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-undo-'))
after(() => rmSync(home, { recursive: true, force: true }))

const runA = '20260101T000000000Z-aaaaaaaa'
const runB = '20260102T000000000Z-bbbbbbbb'
const runC = '20260103T000000000Z-cccccccc'

type Scenario = {
  readonly first: Folder
  readonly second: Folder
  readonly moves?: readonly (readonly [string, string])[]
}

/** The source as it is first, and what lies there at the second run; `moves` are renames in between. */
const scenarios: Readonly<Record<string, Scenario>> = {
  'create, replace, delete, attributes': {
    first: {
      replaced: 'old',
      'd/replaced': 'older',
      mode: 'm',
      'goes file': 'goes 1',
      'goes/below/file': 'goes 2',
      'goes/link': { link: 'y' },
      'goes/empty dir': {},
      'goes/empty': '',
      link: { link: 'old target' },
    },
    second: {
      'new file': 'n',
      'new/deep/file': 'nd',
      'new/link': { link: 'x' },
      'new/empty': '',
      replaced: 'the new version',
      'd/replaced': 'the newer version',
      'd/added': 'added',
      mode: { text: 'm', mode: 0o600 },
      link: { link: 'new target' },
    },
  },
  retypes: {
    first: {
      'dir to file/in': 'was in a directory',
      'file to dir': 'was a file',
      'link to file': { link: 'old target' },
      'dir to link/in': 'was in another directory',
      'file to link': 'was another file',
    },
    second: {
      'dir to file': 'now a file',
      'file to dir/in': 'now in a directory',
      'file to dir/deep/in': 'deeper',
      'link to file': 'was a link',
      'dir to link': { link: 'target' },
      'file to link': { link: 'x' },
    },
  },
  renames: {
    first: {
      'moves from': 'it moves',
      'moves closed': { text: 'it moves, and is opened', mode: 0o600 },
      'dir moves/f': 'in a directory that moves',
      'dir moves/g': 'replaced in there',
      'dir moves/goes': 'deleted in there',
      'whole/deep/f': 'in a directory that is renamed',
      'whole/g': 'g',
      'changed/f': 'stays the same',
      'changed/sub/g': 'stays too',
      'changed/h': 'changes',
      'gone/moved out': 'moved out of a directory that goes',
      'gone/stays away': 'goes with it',
      other: 'o',
    },
    second: {
      'moves to': 'it moves',
      'moved open': { text: 'it moves, and is opened', mode: 0o644 },
      'whole moved/deep/f': 'in a directory that is renamed',
      'whole moved/g': 'g',
      'dir moved/f': 'in a directory that moves',
      'dir moved/g': 'replaced in there, later',
      'dir moved/new': 'new in there',
      'moved out': 'moved out of a directory that goes',
      'into/new parents/changed/f': 'stays the same',
      'into/new parents/changed/sub/g': 'stays too',
      'into/new parents/changed/h': 'changes, later',
      'into/beside': 'b',
      other: 'o',
    },
    moves: [
      ['moves from', 'moves to'],
      ['moves closed', 'moved open'],
      ['dir moves', 'dir moved'],
      ['whole', 'whole moved'],
      ['changed', 'into/new parents/changed'],
      ['gone/moved out', 'moved out'],
    ],
  },
  // As a scan sees it too where a new directory was given the inode of one that went.
  'directories that leave directories': {
    first: {
      'gone/deep/f': 'stays the same',
      'gone/deep/g': 'goes',
      'gone/stays away': 'goes with it',
      'outer/inner/f': 'in both',
      'outer/inner/most/g': 'in all three',
      'outer/h': 'beside',
      'file now/in/f': 'under a name that is a file later',
    },
    second: {
      'new/f': 'stays the same',
      'new/h': 'new in there',
      'moved/h': 'beside',
      'inner moved/f': 'in both',
      'most/g': 'in all three',
      'in moved/f': 'under a name that is a file later',
      'file now': 'a file',
    },
    moves: [
      ['gone/deep', 'new'],
      ['outer', 'moved'],
      ['moved/inner', 'inner moved'],
      ['inner moved/most', 'most'],
      ['file now/in', 'in moved'],
    ],
  },
}

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
  const quick = (): FaultySys =>
    new FaultySys(real).on('syncFileSystem', { sticky: true, result: 0 }).on('syncHandle', { sticky: true, result: 0 })

  /** A target that was mirrored twice: how it was between, and after. */
  const twice = async (
    scenario: Scenario,
  ): Promise<{ target: string; source: string; before: Record<string, string>; done: Record<string, string> }> => {
    const path = join(home, `case-${++made}`)
    mkdirSync(path)
    const [source, target] = [join(path, 'source'), join(path, 'target')]
    const options = (run: string): MirrorOptions => ({ sys: quick(), source, target, run })
    plant(source, scenario.first)
    const first = await mirror(options(runA))
    assert.deepEqual(problemsOf(first), [])
    const before = facts(target)
    if (scenario.moves !== undefined) {
      for (const [from, to] of scenario.moves) {
        mkdirSync(join(source, to, '..'), { recursive: true })
        renameSync(join(source, from), join(source, to))
      }
      for (const name of Object.keys(contents(source)).reverse())
        if (!(name in scenario.second) && !Object.keys(scenario.second).some((one) => one.startsWith(`${name}/`)))
          rmSync(join(source, name), { recursive: true })
      for (const [name, what] of Object.entries(scenario.second)) {
        const was = contents(source)[name]
        if (was === '/' && typeof what === 'string') rmSync(join(source, name), { recursive: true })
        if (was !== what) plant(source, { [name]: what })
      }
    } else {
      rmSync(source, { recursive: true })
      plant(source, scenario.second)
      // Other content has another time; what only changes its mode has not.
      for (const [name, text] of Object.entries(contents(source)))
        if (name !== 'mode' && text !== '/' && !text.startsWith('->')) utimesSync(join(source, name), 1.7e9, 1.7e9)
    }
    const second = await mirror({ ...options(runB), before: first })
    assert.deepEqual(problemsOf(second), [])
    assert.ok(scenario.moves === undefined || second.renamed > 0, 'a directory is renamed')
    const done = facts(target)
    assert.deepEqual(done, facts(source))
    return { source, target, before, done }
  }

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
        const { target } = await twice(scenarios['renames'] as Scenario)
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
