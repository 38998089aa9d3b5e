// An undelete and an undo against a hostile moment: at each single call that they make, in turn, directories of the target,
// or of its store, are swapped for symlinks that lead out. Whatever is hit: nothing outside is read or touched, the store
// keeps what it had, and once the swapping ends a plain repeat does the rest. Which call it was stands in the message.

import assert from 'node:assert/strict'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, it } from 'node:test'
import { undo } from '../../test/world/one-mirror.ts'
import { contents, type Folder, facts, plant } from '../../test/world/planted.ts'
import { runA, runB, runC, type Scenario, scenarios, twice } from '../../test/world/two-runs.ts'
import { mirrors, restoreAll, sought, withStore } from '../../test/world/version-stores.ts'
import { isWithin, type RelPath } from '../core/path.ts'
import { Bug } from '../std/assert.ts'
import { openOutside } from './outside.ts'
import type { Restored } from './restore.ts'
import { openTarget } from './root.ts'
import type { Sys } from './sys.ts'
import { openLinuxSys } from './sys-linux.ts'
import { openPortableSys } from './sys-portable.ts'

// In memory where there is such a place: some thousand tries make no syncs, but many names.
const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-swaps-'))
after(() => rmSync(home, { recursive: true, force: true }))
let made = 0

/** Calls `before` with the number of each call, counted from 1. Nothing is synced. */
function watched(real: Sys, before: (number: number, name: string) => void): Sys {
  let number = 0
  return new Proxy(real, {
    get(target, name, receiver): unknown {
      const value: unknown = Reflect.get(target, name, receiver)
      if (typeof value !== 'function' || name === 'close') return value
      return (...args: unknown[]) => {
        before(++number, String(name))
        return String(name).startsWith('sync') ? 0 : Reflect.apply(value, receiver, args)
      }
    },
  })
}

const outsideNames = [
  'g',
  'h',
  'f',
  'e/g',
  'e/h',
  'file',
  'in',
  'below/file',
  'deep/f',
  'deep/file',
  'replaced',
  'added',
]

/** A folder that nobody may look into, and what takes directories away for symlinks to it. */
class Swaps {
  readonly outside = join(home, `outside-${++made}`)
  readonly #away = join(home, `away-${made}`)
  readonly #swapped: { readonly at: string; readonly away: string | undefined }[] = []
  readonly #before: string[]

  constructor() {
    plant(this.outside, Object.fromEntries(outsideNames.map((name) => [name, `outside ${name}`])))
    mkdirSync(this.#away)
    this.#before = this.#picture()
  }

  swap(paths: readonly string[]): void {
    for (const at of paths) {
      const isThere = lstatSync(at, { throwIfNoEntry: false })
      if (isThere !== undefined && !isThere.isDirectory()) continue
      const away = isThere === undefined ? undefined : join(this.#away, String(this.#swapped.length))
      if (away !== undefined) renameSync(at, away)
      // A name that is not there yet is taken too.
      else if (lstatSync(dirname(at), { throwIfNoEntry: false })?.isDirectory() !== true) continue
      symlinkSync(this.outside, at)
      this.#swapped.push({ at, away })
    }
  }

  /** As it was, but for what was done meanwhile. */
  end(places: readonly string[]): void {
    for (const { at, away } of this.#swapped.toReversed()) {
      if (lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink() === true) rmSync(at)
      if (away === undefined) continue
      // A run may have made the directory anew, or moved the symlink away.
      if (lstatSync(at, { throwIfNoEntry: false }) === undefined) {
        mkdirSync(dirname(at), { recursive: true })
        renameSync(away, at)
      } else merge(away, at)
    }
    this.#swapped.length = 0
    // A symlink that lay in the store in place of a directory is a version of that name, and comes as its text.
    for (const at of places.flatMap(linksIn)) if (readlinkSync(at) === this.outside) rmSync(at)
  }

  check(where: string): void {
    assert.deepEqual(this.#picture(), this.#before, where)
  }

  #picture(): string[] {
    return ['', ...readdirSync(this.outside, { recursive: true, encoding: 'utf8' })].sort().map((name) => {
      const { mode, mtimeMs, ctimeMs, atimeMs, ino, nlink, isFile } = lstatSync(join(this.outside, name))
      return `${name} ${mode} ${mtimeMs} ${ctimeMs} ${ino} ${isFile === undefined ? '' : nlink} ${(mode & 0o40000) === 0 ? atimeMs : ''}`
    })
  }
}

function merge(from: string, to: string): void {
  for (const name of readdirSync(from)) {
    const [a, b] = [join(from, name), join(to, name)]
    if (lstatSync(b, { throwIfNoEntry: false }) === undefined) renameSync(a, b)
    else if (lstatSync(a).isDirectory() && lstatSync(b).isDirectory()) merge(a, b)
  }
}

/** The contents of all files below, no symlink followed. */
function textsIn(path: string): string[] {
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const at = join(path, entry.name)
    return entry.isDirectory() ? textsIn(at) : entry.isFile() ? [readFileSync(at, 'utf8')] : []
  })
}

function linksIn(path: string): string[] {
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const at = join(path, entry.name)
    return entry.isDirectory() ? linksIn(at) : entry.isSymbolicLink() ? [at] : []
  })
}

function fileTexts(folder: Folder): string[] {
  return Object.values(folder).flatMap((what) =>
    typeof what === 'string' ? [what] : 'text' in what ? [what.text] : [],
  )
}

/** What it may throw is no bug. */
function tries<Result>(work: () => Result): Result | string {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof Error) || error instanceof Bug || error instanceof TypeError) throw error
    return error.message
  }
}

const forms: readonly (() => Sys)[] = process.platform === 'linux' ? [openLinuxSys, openPortableSys] : [openPortableSys]

for (const open of forms) {
  const real = open()
  const everyNth = real.exactRenames ? 1 : 5
  const quiet = (): Sys => watched(real, () => {})

  describe(`swaps ${real.form}: an undelete`, () => {
    const kept = { 'd/e/g': 'version g', 'd/e/h': 'h'.repeat(3000), 'd/f': 'version f', 'd/link': { link: 'x' } }
    const prepare = async (): Promise<string> => {
      const path = join(home, `case-${++made}`)
      mkdirSync(path)
      const folders = { source: join(path, 'source'), target: join(path, 'target') }
      await mirrors(folders, { [runA]: { ...kept, 'd/stays': 's' }, [runB]: { 'd/stays': 's' } })
      mkdirSync(join(path, 'to'))
      return path
    }
    /** Opened before anything is swapped, as a run opens its target; then brought by `sys`. */
    const bring = (path: string, to: 'own' | 'other', sys: Sys): Restored => {
      const target = join(path, 'target')
      const root = openTarget(quiet(), target, { create: true, machine: 'test', expectedId: undefined })
      const other = real.openRoot(join(path, 'to'))
      const outside =
        to === 'own' ? undefined : openOutside(quiet(), join(target, '.nightferry'), join(path, 'to'), other)
      try {
        const handles =
          outside === undefined
            ? { target: root.handle, staging: root.own?.staging ?? -1 }
            : { target: other, staging: outside.staging }
        const own = 'd' as RelPath
        return withStore(
          target,
          (store) => restoreAll(sys, store, handles, { sought: sought(store, own), path: own, as: own }),
          quiet(),
        )
      } finally {
        outside?.close()
        real.close(other)
        root.close()
      }
    }
    const files = `.nightferry/versions/${runB}/files`
    for (const [to, paths] of [
      [
        'own',
        [
          'd',
          'd/e',
          `${files}/d`,
          `${files}/d/e`,
          files,
          `.nightferry/versions/${runB}`,
          '.nightferry/staging',
          '.nightferry',
        ],
      ],
      ['other', ['../to/d', '../to/d/e', `${files}/d/e`, '../to', '.nightferry']],
    ] as const) {
      for (const one of paths) {
        it(`${to === 'own' ? 'to its own place' : 'to another folder'}, and ${one}: nothing outside is touched or read, and a repeat brings the rest`, async () => {
          let calls = 0
          bring(
            await prepare(),
            to,
            watched(real, (number) => (calls = number)),
          )
          assert.ok(calls > 40, `${calls} calls`)
          for (let at = 1; at <= calls; at += everyNth * Math.ceil(calls / 25)) {
            const path = await prepare()
            const [target, swaps] = [join(path, 'target'), new Swaps()]
            let hit = ''
            const told = tries(() =>
              bring(
                path,
                to,
                watched(real, (number, name) => {
                  if (number !== at) return
                  hit = name
                  swaps.swap([join(target, one)])
                }),
              ),
            )
            const where = `at call ${at}, ${hit} (${typeof told === 'string' ? told : JSON.stringify(told.problems)})`
            swaps.check(where)
            swaps.end([target, join(path, 'to')])
            assert.ok(![target, join(path, 'to')].flatMap(textsIn).some((text) => text.startsWith('outside')), where)
            const again = bring(path, to, quiet())
            assert.deepEqual(again.problems, [], where)
            const brought = contents(join(path, to === 'own' ? 'target' : 'to'))
            for (const [name, text] of Object.entries(kept))
              assert.equal(brought[name], typeof text === 'string' ? text : `-> ${text.link}`, `${where}: ${name}`)
            for (const [name, text] of Object.entries(kept))
              if (typeof text === 'string') assert.equal(readFileSync(join(target, files, name), 'utf8'), text, where)
            rmSync(path, { recursive: true })
          }
        })
      }
    }
  })

  describe(`swaps ${real.form}: an undo`, () => {
    for (const [name, paths] of [
      ['create, replace, delete, attributes', ['d', 'goes', 'new', 'new/deep']],
      ['retypes', ['dir to file', 'file to dir', 'file to dir/deep', 'dir to link']],
      ['renames', ['dir moved', 'whole moved', 'into', 'into/new parents', 'changed', 'gone']],
    ] as const) {
      for (const one of [
        ...paths,
        `.nightferry/versions/${runB}/files`,
        `.nightferry/versions/${runC}`,
        '.nightferry/staging',
        '.nightferry',
      ]) {
        it(`of a run that did ${name}, and ${one}: nothing outside is touched or read, and a repeat undoes the rest`, async () => {
          const scenario = scenarios[name] as Scenario
          const prepare = (): Promise<{ target: string; before: Record<string, string> }> => {
            return twice(real, join(home, `undo-${++made}`), scenario)
          }
          let calls = 0
          const first = await prepare()
          assert.deepEqual(
            undo(
              watched(real, (number) => (calls = number)),
              first.target,
              runB,
              runC,
            ).conflicts,
            [],
          )
          const step = everyNth * Math.ceil(calls / 20)
          for (let at = 1; at <= calls; at += step) {
            const { target, before } = await prepare()
            const swaps = new Swaps()
            let hit = ''
            const told = tries(() =>
              undo(
                watched(real, (number, name) => {
                  if (number !== at) return
                  hit = name
                  swaps.swap([join(target, one)])
                }),
                target,
                runB,
                runC,
              ),
            )
            const where = `at call ${at}, ${hit} (${typeof told === 'string' ? told : JSON.stringify([told.conflicts, told.undone?.problems])})`
            swaps.check(where)
            swaps.end([target])
            assert.ok(!textsIn(target).some((text) => text.startsWith('outside')), where)
            const again = undo(quiet(), target, runB, '20260104T000000000Z-dddddddd')
            if (again.conflicts.length === 0) {
              assert.deepEqual(again.undone?.problems, [], where)
              assert.deepEqual(facts(target), before, where)
            } else {
              // What the symlink kept from its name, or left half taken away, is told and stays as it is; it lies in the store.
              for (const { path } of again.conflicts)
                assert.ok(isWithin(path, one as RelPath) || isWithin(one as RelPath, path), `${where}: ${path}`)
              assert.ok(typeof told !== 'string' && (told.undone?.problems.length ?? 0) > 0, where)
            }
            const texts = new Set(textsIn(target))
            for (const text of [...fileTexts(scenario.first), ...fileTexts(scenario.second)])
              assert.ok(texts.has(text), `${where}: ${text} is lost`)
            rmSync(dirname(target), { recursive: true })
          }
        })
      }
    }
  })
}
