// A mirror against a hostile moment: at each single call that it makes, in turn, the system refuses, or a directory is
// swapped for a symlink that leads out. Whatever is hit: a path holds its old or its new version, nothing that was not
// seen is lost, nothing outside is read or touched, and the next run completes. Which call it was stands in the message.

import assert from 'node:assert/strict'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { type MirrorOptions, mirror, problemsOf } from '../../test/world/one-mirror.ts'
import { allTexts, contents, type Folder, facts, plant, staging } from '../../test/world/planted.ts'
import { Bug } from '../std/assert.ts'
import { openTarget } from './root.ts'
import { errno, type Sys } from './sys.ts'
import { openLinuxSys } from './sys-linux.ts'
import { openPortableSys } from './sys-portable.ts'

// In memory where there is such a place: some thousand runs make no syncs, but many names.
const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nf-faults-'))
after(() => rmSync(home, { recursive: true, force: true }))

let made = 0
type Folders = { readonly source: string; readonly target: string }

const source: Folder = {
  'new file': 'n',
  'new/deep/file': 'nd',
  'new/link': { link: 'x' },
  empty: '',
  replaced: 'the new version',
  'd/replaced': 'the newer version',
  'd/large': 'l'.repeat(300_000),
  'd/mode': { text: 'm', mode: 0o600 },
  'd/link': { link: 'new' },
  'dir to file': 'now a file',
  'file to dir/in': 'now in a directory',
  'd/moves to': 'it moves',
}
const target: Folder = {
  replaced: 'old',
  'd/replaced': 'older',
  'd/mode': 'm',
  'd/link': { link: 'old' },
  'd/goes': 'goes 1',
  'goes/below/file': 'goes 2',
  'goes/link': { link: 'y' },
  'dir to file/in': 'was in a directory',
  'file to dir': 'was a file',
  'd/moves from': 'it moves',
}
const marker = JSON.stringify({ version: 1, id: 'abcdefgh', machine: 'test', path: '' })

function prepare(): Folders {
  const path = join(home, `case-${++made}`)
  mkdirSync(path)
  const folders = { source: join(path, 'source'), target: join(path, 'target') }
  plant(folders.source, source)
  // The marker is there already: making one syncs the disk.
  plant(folders.target, { ...target, '.nightferry/root.json': marker })
  return folders
}

type Call = { readonly name: string; readonly number: number }

/** Tells of each call before it is made; a number that is answered there is the call's result. Syncs are not made. */
function watched(real: Sys, before: (call: Call) => number | undefined): Sys {
  let number = 0
  return new Proxy(real, {
    get(target, name, receiver): unknown {
      const value: unknown = Reflect.get(target, name, receiver)
      if (typeof value !== 'function' || name === 'close') return value
      return (...args: unknown[]) => {
        const answer = before({ name: String(name), number: ++number })
        if (answer !== undefined) return answer
        return String(name).startsWith('sync') ? 0 : Reflect.apply(value, receiver, args)
      }
    },
  })
}

/** How many calls an undisturbed run makes, of both sides or of the source. */
async function countCalls(real: Sys, of: 'sys' | 'sourceSys'): Promise<number> {
  let count = 0
  const counting = watched(real, ({ number }) => {
    count = number
    return undefined
  })
  await mirror({ sys: watched(real, () => undefined), ...prepare(), [of]: counting })
  return count
}

/** Runs; what a run may throw is no bug. */
async function tries(options: MirrorOptions): Promise<string> {
  try {
    return problemsOf(await mirror(options)).join(', ')
  } catch (error) {
    if (!(error instanceof Error) || error instanceof Bug || error instanceof TypeError) throw error
    return error.message
  }
}

/** Each path holds what it held or what it shall hold, and what a run may not take away is still there. */
function checkNothingLost(folders: Folders, before: Record<string, string>, at: string): void {
  const now = contents(folders.target)
  const done = contents(folders.source)
  for (const [path, text] of Object.entries(now)) {
    if (!path.startsWith('goes')) assert.ok([before[path], done[path]].includes(text), `${at}: ${path} holds ${text}`)
  }
  const here = allTexts(folders.target)
  for (const [path, text] of Object.entries(before)) {
    if (text === '/' || text.startsWith('->')) continue
    // What goes may be gone, what is replaced too where its successor is in place; what only moves never is.
    const parent = path.slice(0, path.indexOf('/'))
    const isReplaced = now[path] === done[path] || (Object.hasOwn(done, parent) && now[parent] === done[parent])
    const mayGo = text !== 'it moves' && (!Object.hasOwn(done, path) || isReplaced)
    assert.ok(mayGo || here.has(text), `${at}: the text ${text} of ${path} is lost`)
  }
}

const forms: readonly (() => Sys)[] = process.platform === 'linux' ? [openLinuxSys, openPortableSys] : [openPortableSys]
const refusals = ['EIO', 'ENOSPC', 'EACCES', 'EROFS', 'EMFILE', 'EDQUOT', 'ENFILE', 'EBUSY', 'ENOMEM'] as const

for (const open of forms) {
  const real = open()
  const quiet = (): Sys => watched(real, () => undefined)
  // Every call in the form that is used; every fifth in the other, which differs in few.
  const everyNth = real.exactRenames ? 1 : 5

  describe(`faults ${real.form}: a call that the system refuses`, () => {
    const written = 'a person wrote this'
    for (const sticky of [false, true]) {
      it(`costs nothing that was there, ${sticky ? 'from any call on' : 'at any call'}, and the next run completes`, async () => {
        const calls = await countCalls(real, 'sys')
        assert.ok(calls > 150, `${calls} calls`)
        for (let at = 1; at <= calls; at += sticky ? everyNth * 3 : everyNth) {
          const folders = prepare()
          const before = contents(folders.target)
          const refusal = refusals[at % refusals.length] as (typeof refusals)[number]
          let hit = ''
          const refusing = watched(real, ({ name, number }) => {
            if (sticky ? number < at : number !== at) return undefined
            if (hit === '') hit = name
            return -errno[refusal]
          })
          let began = false
          // What a person does meanwhile: an entry that the scan did not see, in a directory that goes.
          const scanned = (): void => {
            began = true
            plant(folders.target, { 'goes/below/unseen': written })
          }
          const told = await tries({ ...folders, scanned, sys: refusing, sourceSys: refusing })
          const where = `${refusal} at call ${at}, ${hit} (${told})`
          checkNothingLost(folders, before, where)
          assert.equal(allTexts(folders.target).has(written), began, where)
          openTarget(quiet(), folders.target, { create: true, machine: 'test', expectedId: undefined }).close()
          checkNothingLost(folders, before, `${where}, recovered`)
          assert.equal(allTexts(folders.target).has(written), began, where)
          rmSync(join(folders.target, 'goes/below/unseen'), { force: true })
          assert.deepEqual(problemsOf(await mirror({ sys: quiet(), ...folders })), [], where)
          assert.deepEqual(facts(folders.target), facts(folders.source), where)
          assert.deepEqual(staging(folders.target), [], where)
        }
      })
    }
  })

  describe(`faults ${real.form}: a directory that is swapped for a symlink`, () => {
    const swapped = ['d', 'goes', 'dir to file']

    /** Takes directories away and puts symlinks in their places that lead to a folder with entries of the same names. */
    const swap = (root: string, outside: string, away: string, own: string): void => {
      for (const name of [...swapped, own]) {
        if (!(lstatSync(join(root, name), { throwIfNoEntry: false })?.isDirectory() ?? false)) continue
        renameSync(join(root, name), join(away, name.replaceAll('/', ' ')))
        symlinkSync(outside, join(root, name))
      }
    }
    const planOutside = (): { outside: string; away: string } => {
      const outside = join(home, `outside-${++made}`)
      const away = join(home, `away-${made}`)
      mkdirSync(away)
      const names = ['replaced', 'mode', 'goes', 'moves from', 'in', 'file', 'large', 'moves to', 'below/file']
      plant(outside, Object.fromEntries(names.map((name) => [name, `outside ${name}`])))
      return { outside, away }
    }
    /** Every name, kind, mode, time, inode and content. */
    const pictureOf = (path: string): string[] =>
      readdirSync(path, { recursive: true, withFileTypes: true })
        .map((entry) => {
          const at = join(entry.parentPath, entry.name)
          const { mode, mtimeMs, ctimeMs, ino } = lstatSync(at)
          return `${at} ${mode} ${mtimeMs} ${ctimeMs} ${ino} ${entry.isFile() ? readFileSync(at, 'utf8') : ''}`
        })
        .sort()

    /** The contents of files below, no symlink followed. */
    const ownTexts = (path: string): string[] =>
      readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
        const at = join(path, entry.name)
        return entry.isDirectory() ? ownTexts(at) : entry.isFile() ? [readFileSync(at, 'utf8')] : []
      })

    for (const [side, of] of [
      ['target', 'sys'],
      ['source', 'sourceSys'],
    ] as const) {
      it(`reaches nothing outside, at any call, in the ${side}`, async () => {
        const calls = await countCalls(real, of)
        for (let at = 1; at <= calls; at += everyNth) {
          const folders = prepare()
          const { outside, away } = planOutside()
          const before = pictureOf(outside)
          let hit = ''
          const flipping = watched(real, ({ name, number }) => {
            if (number !== at) return undefined
            hit = name
            swap(folders[side], outside, away, at % 2 === 0 ? '.nightferry' : '.nightferry/staging')
            return undefined
          })
          const told = await tries({ sys: quiet(), ...folders, [of]: flipping })
          const where = `at call ${at}, ${hit} (${told})`
          assert.deepEqual(pictureOf(outside), before, where)
          assert.deepEqual(
            ownTexts(folders.target).filter((text) => text.startsWith('outside')),
            [],
            where,
          )
        }
      })
    }
  })
}
