// What stands against an undo: each way in which a name can be another than the run left it, or its version another than
// was kept. With one of them nothing at all is done, and the path is told.

import assert from 'node:assert/strict'
import {
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
import type { SysCall } from '../../test/world/faulty-sys.ts'
import { undo } from '../../test/world/one-mirror.ts'
import { facts, plant } from '../../test/world/planted.ts'
import { runB, runC, type Scenario, scenarios, twice, unsynced } from '../../test/world/two-runs.ts'
import { errno } from './sys.ts'
import { systemSys } from './system.ts'

const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-refusals-'))
after(() => rmSync(home, { recursive: true, force: true }))
const real = systemSys()
const ordinary = scenarios['create, replace, delete, attributes'] as Scenario
let made = 0

/** Another file at a name, with other text of the same length, and the very time that the one before had. */
function lookalike(target: string, name: string, text?: string): void {
  const path = join(target, name)
  const { size, atime, mtime } = lstatSync(path)
  const other = join(target, '..', 'other')
  writeFileSync(other, text ?? 'x'.repeat(size))
  utimesSync(other, atime, mtime)
  renameSync(other, path)
}

/** The place of what the second run kept under a name. */
function version(target: string, name: string): string {
  return join(target, '.nightferry/versions', runB, 'files', name)
}

type Case = readonly [what: string, scenario: Scenario, conflict: string, change: (target: string) => void]

const refused: readonly Case[] = [
  [
    'another file of the same size and time where the run replaced one',
    ordinary,
    'replaced: changed',
    (target) => lookalike(target, 'replaced'),
  ],
  [
    'a file with its inode, size and content that has another time',
    ordinary,
    'new file: changed',
    (target) => utimesSync(join(target, 'new file'), 1, 1),
  ],
  [
    'another file like the one that the run deleted',
    ordinary,
    'goes file: occupied',
    (target) => {
      writeFileSync(join(target, 'goes file'), 'x'.repeat('goes 1'.length))
      const { atime, mtime } = lstatSync(version(target, 'goes file'))
      utimesSync(join(target, 'goes file'), atime, mtime)
    },
  ],
  [
    'a file of other size where one was deleted',
    ordinary,
    'goes file: occupied',
    (target) => plant(target, { 'goes file': 'of another size' }),
  ],
  [
    'a file where something below a deleted directory was',
    ordinary,
    'goes/below: occupied',
    (target) => plant(target, { 'goes/below': 'a file' }),
  ],
  [
    'another file where one in a deleted directory was',
    ordinary,
    'goes/below/file: occupied',
    (target) => plant(target, { 'goes/below/file': 'a person wrote this' }),
  ],
  [
    'a file that got its mode from the run, and another time since',
    ordinary,
    'mode: changed',
    (target) => utimesSync(join(target, 'mode'), 5, 5),
  ],
  [
    'a file that got its mode from the run, and other content since',
    ordinary,
    'mode: changed',
    (target) => {
      const { atime, mtime } = lstatSync(join(target, 'mode'))
      writeFileSync(join(target, 'mode'), 'longer')
      utimesSync(join(target, 'mode'), atime, mtime)
    },
  ],
  [
    'a file that got its mode from the run, and went since',
    ordinary,
    'mode: gone',
    (target) => rmSync(join(target, 'mode')),
  ],
  [
    'a version that is another one',
    ordinary,
    'replaced: no-version',
    (target) => writeFileSync(version(target, 'replaced'), 'of another size'),
  ],
  [
    'versions of a directory that are gone, where another directory is',
    ordinary,
    'goes: no-version',
    (target) => {
      rmSync(version(target, 'goes'), { recursive: true })
      mkdirSync(join(target, 'goes'))
    },
  ],
  [
    'something more in a directory that was a file',
    scenarios.retypes as Scenario,
    'file to dir: changed',
    (target) => plant(target, { 'file to dir/extra': 'e' }),
  ],
  [
    'another directory at the new name of one',
    scenarios.renames as Scenario,
    'whole moved: changed',
    (target) => {
      renameSync(join(target, 'whole moved'), join(target, '..', 'away'))
      mkdirSync(join(target, 'whole moved'))
      rmSync(join(target, '..', 'away'), { recursive: true })
    },
  ],
  [
    'a directory that is gone, and another one at its old name',
    scenarios.renames as Scenario,
    'whole moved: gone',
    (target) => {
      mkdirSync(join(target, 'whole'))
      renameSync(join(target, 'whole moved'), join(target, '..', 'away'))
      rmSync(join(target, '..', 'away'), { recursive: true })
    },
  ],
]

describe('an undo is refused as a whole by', () => {
  for (const [what, scenario, conflict, change] of refused) {
    it(what, async () => {
      const { target } = await twice(real, join(home, `case-${++made}`), scenario)
      change(target)
      const now = facts(target)
      const { conflicts, undone } = undo(unsynced(real), target, runB, runC)
      assert.deepEqual(
        conflicts.map(({ path, why }) => `${path}: ${why}`),
        [conflict],
      )
      assert.equal(undone, undefined)
      assert.deepEqual(facts(target), now)
    })
  }

  it('one changed file of the many in a directory that landed one by one', async () => {
    const second = Object.fromEntries(Array.from({ length: 1100 }, (_, i) => [`many/f${i}`, `${i}`]))
    const { target } = await twice(real, join(home, `case-${++made}`), { first: { a: 'a' }, second })
    writeFileSync(join(target, 'many/f77'), 'a person wrote this')
    const { conflicts } = undo(unsynced(real), target, runB, runC)
    assert.deepEqual(
      conflicts.map(({ path }) => String(path)),
      ['many/f77'],
    )
  })

  for (const [what, call, name, conflict] of [
    ['a directory of the run that can not be listed', 'list', 1, 'new: changed'],
    ['kept directories that can not be listed', 'list', -1, 'goes: no-version'],
  ] as const satisfies readonly (readonly [string, SysCall, number, string])[]) {
    it(what, async () => {
      const { target } = await twice(real, join(home, `case-${++made}`), ordinary)
      const path = name === 1 ? 'new' : 'goes'
      const sys = unsynced(real)
      // Only the handle of that directory: what is listed is known by what was opened last.
      let opened = ''
      const { openDirectory, list } = sys
      sys.openDirectory = (dir, bytes) => {
        opened = Buffer.from(bytes).toString()
        return openDirectory.call(sys, dir, bytes)
      }
      sys[call] = (...args) => (opened === path ? -errno.EACCES : list.apply(sys, args))
      const { conflicts } = undo(sys, target, runB, runC)
      assert.deepEqual(
        conflicts.map((one) => `${one.path}: ${one.why}`),
        [conflict],
      )
    })
  }
})

describe('an undo is not refused by', () => {
  it('files that are other ones with the same content', async () => {
    const { target, before } = await twice(real, join(home, `case-${++made}`), ordinary)
    lookalike(target, 'replaced', readFileSync(join(target, 'replaced'), 'utf8'))
    lookalike(target, 'new/empty')
    lookalike(target, 'new file', 'n')
    assert.deepEqual(undo(unsynced(real), target, runB, runC).conflicts, [])
    assert.deepEqual(facts(target), before)
  })

  it('a file that is back as it was, with the content of the version', async () => {
    const { target, before } = await twice(real, join(home, `case-${++made}`), ordinary)
    plant(target, { 'goes file': 'goes 1' })
    const { atime, mtime } = lstatSync(version(target, 'goes file'))
    utimesSync(join(target, 'goes file'), atime, mtime)
    assert.deepEqual(undo(unsynced(real), target, runB, runC).conflicts, [])
    assert.equal(facts(target)['goes file'], before['goes file'])
  })

  it('what the run itself put where a directory was', async () => {
    const { target, before } = await twice(real, join(home, `case-${++made}`), {
      first: { 'whole/deep/f': 'in a directory that is renamed', 'whole/g': 'g', other: 'o' },
      second: {
        'whole moved/deep/f': 'in a directory that is renamed',
        'whole moved/g': 'g',
        'whole/another': 'new',
        other: 'o',
      },
      moves: [['whole', 'whole moved']],
    })
    assert.deepEqual(undo(unsynced(real), target, runB, runC).conflicts, [])
    assert.deepEqual(facts(target), before)
  })
})
