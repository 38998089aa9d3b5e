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
import { contentsOn } from '../world/oracle.ts'
import { plant } from '../world/planted.ts'
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
      let flips = 0
      try {
        if (way !== 'local') await scene.nas.serve()
        const before = pictureOf(outside)
        for (const number of casesOf(isWhole ? 25 : 4, 4, part)) {
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
        assert.ok(flips > 100, `${flips} swaps`)
      } finally {
        await scene.close()
      }
    })
  }
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
