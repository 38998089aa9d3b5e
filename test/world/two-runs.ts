// A target that was mirrored twice, by runs that did this and that, so that the second one can be undone. For tests only.

import assert from 'node:assert/strict'
import { mkdirSync, renameSync, rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import type { Sys } from '../../src/disk/sys.ts'
import { FaultySys } from './faulty-sys.ts'
import { type MirrorOptions, mirror, problemsOf } from './one-mirror.ts'
import { contents, type Folder, facts, plant } from './planted.ts'

export const runA = '20260101T000000000Z-aaaaaaaa'
export const runB = '20260102T000000000Z-bbbbbbbb'
export const runC = '20260103T000000000Z-cccccccc'

export type Scenario = {
  readonly first: Folder
  readonly second: Folder
  readonly moves?: readonly (readonly [string, string])[]
}

/** The source as it is first, and what lies there at the second run; `moves` are renames in between. */
export const scenarios: Readonly<Record<string, Scenario>> = {
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

export type Twice = {
  readonly source: string
  readonly target: string
  /** Facts of the target between the two runs, and after the second. */
  readonly before: Record<string, string>
  readonly done: Record<string, string>
}

/** Calls that sync nothing: on a disk that is not real it makes no difference. */
export function unsynced(real: Sys): FaultySys {
  return new FaultySys(real)
    .on('syncFileSystem', { sticky: true, result: 0 })
    .on('syncHandle', { sticky: true, result: 0 })
}

/** A target that was mirrored twice: how it was between, and after. */
export async function twice(real: Sys, path: string, scenario: Scenario): Promise<Twice> {
  mkdirSync(path)
  const [source, target] = [join(path, 'source'), join(path, 'target')]
  const options = (run: string): MirrorOptions => ({ sys: unsynced(real), source, target, run })
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
