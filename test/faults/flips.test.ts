// Somebody swaps folders for symlinks that lead out, and back, as fast as a process can, while runs of real processes go, in
// the source or in the target, and while versions come back. Whatever becomes of a run: nothing outside is read, written,
// renamed or removed, and once the flipping ends a plain run converges.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { lstatSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertSameTree } from '../world/disk-trees.ts'
import { World } from '../world/machines.ts'
import { contentsOn } from '../world/oracle.ts'
import { contents, plant } from '../world/planted.ts'
import { casesOf, isLeftOut, isWhole, replay } from './options.ts'
import { Scene, type Way } from './scene.ts'

/** Folders of both states of two-states.ts. */
const flipped = ['d', 'moves', 'moved', 'only-0', 'only-1', 'swaps']

/** Takes each folder away, puts a symlink there, and takes that away again, until it is told to stop by its input's end. */
const flipper = `
const fs = require('node:fs'), path = require('node:path')
const [root, outside, ...names] = process.argv.slice(1)
const quiet = (act) => { try { act() } catch {} }
let count = 0
const isFolder = (at) => { try { return fs.lstatSync(at).isDirectory() } catch { return false } }
process.stdin.on('end', () => { process.stdout.write(String(count)); process.exit() }).resume()
const round = () => {
  for (let i = 0; i < 20; i++) for (const name of names) {
    const at = path.join(root, name), away = path.join(root, '..', 'away ' + name)
    if (!isFolder(at)) continue
    quiet(() => {
      fs.renameSync(at, away)
      quiet(() => { fs.symlinkSync(outside, at); count++ })
      for (let spin = [10, 100, 1000][count % 3]; spin > 0; spin--) fs.lstatSync(at)
      quiet(() => fs.lstatSync(at).isSymbolicLink() && fs.unlinkSync(at))
      fs.renameSync(away, at)
    })
  }
  setImmediate(round)
}
process.stdout.write('flipping ')
round()
`

class Flipping {
  readonly #child: ChildProcess
  #told = ''

  private constructor(child: ChildProcess) {
    this.#child = child
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#told += text
    })
  }

  static async in(root: string, outside: string): Promise<Flipping> {
    const child = spawn(process.execPath, ['-e', flipper, root, outside, ...flipped], {
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    const flipping = new Flipping(child)
    while (flipping.#told === '') await sleep(5)
    return flipping
  }

  /** How often a folder was swapped. */
  async end(): Promise<number> {
    const closed = once(this.#child, 'close')
    this.#child.stdin?.end()
    await closed
    return Number(this.#told.split(' ')[1])
  }
}

/** Every name, kind, mode, inode, time (of access too) and content. */
function pictureOf(outside: string): string[] {
  return ['.', ...readdirSync(outside, { recursive: true, encoding: 'utf8' })].sort().map((name) => {
    const { mode, ino, mtimeMs, ctimeMs, size, atimeMs, nlink } = lstatSync(join(outside, name))
    const isFile = (mode & 0o170000) === 0o100000
    return `${name} ${mode} ${ino} ${mtimeMs} ${ctimeMs} ${isFile ? `${nlink} ${size} ${atimeMs}` : ''}`
  })
}

describe('folders that are swapped for symlinks all the time', () => {
  for (const [way, side, sample] of [
    ['local', 'target', 1],
    ['push', 'target', 0],
    ['pull', 'source', 0],
    ['local', 'source', 1],
  ] as const satisfies [Way, 'source' | 'target', number][]) {
    if (sample === 0 && !isWhole) continue
    const part = `flips-${way}-${side}`
    it(`in the ${side} of ${way} runs: nothing outside is touched or read, and a plain run converges`, {
      skip: isLeftOut(part),
    }, async (t) => {
      const scene = await new Scene(way, 'few').open()
      const outside = scene.world.folder('outside')
      const names = ['a', 'b', 'x/y', 'z', 'in', 'deep/a', 'large', 'file 0', 'file 1']
      plant(outside, Object.fromEntries(names.map((name) => [name, `outside ${name}`])))
      const secrets = contentsOn(outside)
      let [tried, flips] = [0, 0]
      try {
        if (way !== 'local') await scene.nas.serve()
        const before = pictureOf(outside)
        for (const number of casesOf(isWhole ? 25 : 4, 4, part)) {
          tried++
          scene.nextState()
          const flipping = await Flipping.in(scene[side], outside)
          const run = await scene.sync()
          await scene.laptop.run('undelete', join(scene.target, 'only-0'))
          flips += await flipping.end()
          const where = `${run.code} ${run.stdout}${run.stderr} (${replay(part, number)})`
          assert.doesNotMatch(run.stderr, /\n {4}at |\bBug\b/, where)
          assert.deepEqual(pictureOf(outside), before, where)
          rmSync(join(scene.target, 'only-0'), { recursive: true, force: true })
          settle(scene[side])
          for (const content of contentsOn(scene.target))
            assert.ok(!secrets.has(content), `read from outside: ${where}`)
        }
        if (way !== 'local') await scene.nas.stop()
        await scene.converges(part)
        assertSameTree(scene.target, scene.source)
        assert.deepEqual(pictureOf(outside), before)
        t.diagnostic(`${part}: ${flips} swaps`)
        assert.ok(flips >= Math.min(100, 25 * tried), `${flips} swaps`)
      } finally {
        await scene.close()
      }
    })
  }
})

describe('folders of a target that are swapped for symlinks while versions come back', () => {
  const part = 'flips-past'
  it('by undelete, to their place and elsewhere, and by undo: nothing outside is touched or read, versions stay, and a repeat ends it', {
    skip: isLeftOut(part),
  }, async (t) => {
    const world = new World()
    const machine = world.machine('one')
    const [source, target, to, outside] = ['source', 'target', 'to', 'outside'].map((name) => world.folder(name)) as [
      string,
      string,
      string,
      string,
    ]
    const some = (text: string): Record<string, string> =>
      Object.fromEntries(
        Array.from({ length: 60 }, (_, at) => [`${flipped[at % flipped.length]}/x/file ${at}`, `${text} ${at}`]),
      )
    plant(
      outside,
      Object.fromEntries(['x/file 0', 'x/file 1', 'file 2', 'x/y'].map((name) => [name, `outside ${name}`])),
    )
    const secrets = contentsOn(outside)
    let [tried, flips] = [0, 0]
    try {
      const before = pictureOf(outside)
      for (const number of casesOf(isWhole ? 25 : 4, 4, part)) {
        tried++
        const first = { ...some(`first ${number}`), 'd/stays': 'stays' }
        for (const folder of [source, target, to])
          for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true })
        plant(source, first)
        await machine.mustSync('done', source, target, '--new-target')
        for (const name of flipped) rmSync(join(source, name), { recursive: true })
        plant(source, { ...Object.fromEntries(flipped.map((name) => [`${name}/new`, 'new'])), 'd/stays': 'stays' })
        const run = await machine.mustSync('done', source, target, '--max-delete', '100%')
        const id = String(run.lines[0]?.['runId'])
        const store = join(target, '.nightferry/versions', id, 'files')
        const kept = contents(store)
        const commands = [
          ['undelete', target, '--run', id],
          ['undelete', target, '--run', id, '--to', to],
          ['undo', id],
        ] as const
        const [command, ...words] = commands[number % commands.length] as (typeof commands)[number]
        const place = words.includes('--to') ? to : target
        const flipping = await Flipping.in(place, outside)
        const told = await machine.run(command, ...words)
        flips += await flipping.end()
        const where = `${command} ${words.length}: ${told.code} ${told.stdout}${told.stderr} (${replay(part, number)})`
        assert.doesNotMatch(told.stderr, /\n {4}at |\bBug\b/, where)
        assert.deepEqual(pictureOf(outside), before, where)
        settle(place)
        for (const folder of [target, to])
          for (const content of contentsOn(folder)) assert.ok(!secrets.has(content), `read from outside: ${where}`)
        if (command === 'undelete') assert.deepEqual(contents(store), kept, where)
        const again = await machine.run(command, ...words)
        if (command === 'undo' && again.code === 15) continue
        assert.ok([0, 3].includes(again.code ?? 1), `${where}${again.stdout}${again.stderr}`)
        assert.doesNotMatch(again.stderr, /problem/, where)
        const now = contents(place)
        for (const [path, text] of Object.entries(first))
          if (command === 'undo' || path !== 'd/stays')
            assert.equal(now[path], text, `${where}${again.stdout}: ${path}`)
      }
      t.diagnostic(`${part}: ${flips} swaps`)
      assert.ok(flips >= Math.min(20, 5 * tried), `${flips} swaps`)
    } finally {
      await world.close()
    }
  })
})

/** What the flipper left half done: a folder that is away comes back, or stays where a run has made it anew. */
function settle(root: string): void {
  for (const name of flipped) {
    const [at, away] = [join(root, name), join(root, '..', `away ${name}`)]
    if (lstatSync(away, { throwIfNoEntry: false }) === undefined) continue
    if (lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink() === true) rmSync(at)
    if (lstatSync(at, { throwIfNoEntry: false }) === undefined) renameSync(away, at)
    else rmSync(away, { recursive: true })
  }
}
