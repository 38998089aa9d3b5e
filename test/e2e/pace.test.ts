// How content goes over, with real processes, pushed, pulled and between two folders here: under a limit it comes whole,
// and a run that would take minutes is stopped at once and leaves nothing locked; squeezed it comes as it was.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { newEnds, put } from '../world/both-ways.ts'
import { assertSameTree, chanceOf, growTree } from '../world/disk-trees.ts'
import { type Pair, pairedMachines } from '../world/machines.ts'

describe('pace', () => {
  let pair: Pair
  before(async () => {
    pair = await pairedMachines()
  })
  after(() => pair?.world.close())

  for (const direction of ['push', 'pull', 'local'] as const) {
    it(`under a limit everything comes, in small packs, ${direction}`, async () => {
      const { source, target, sync } = await newEnds(pair, direction)
      growTree(chanceOf(5), source, 80)
      put(source, 'big', randomBytes(300_000))
      put(source, 'some', randomBytes(20_000))
      const run = await sync('--bwlimit', '1M')
      assert.equal(run.code, 0, run.stdout)
      assertSameTree(target, source)
    })

    it(`a limit holds, and ctrl-C does not wait for it, ${direction}`, async () => {
      const { source, target, ends, laptop, sync } = await newEnds(pair, direction)
      for (let i = 0; i < 40; i++) put(source, `d${i}/f`, randomBytes(100_000))
      const running = laptop.start('sync', ...ends, '--json', '--bwlimit', '10KB')
      await running.printed(/"type":"progress"/)
      // Time enough to end without a limit; with one it is minutes away from it.
      await sleep(2000)
      running.kill('SIGINT')
      const { code, stdout } = await running.ended
      assert.equal(code, 130, `four megabytes at ten kilobytes a second: ${stdout}`)
      assert.ok(readdirSync(target).length < 20, 'it was not done yet')
      const run = await sync('--release')
      assert.equal(run.code, 0, run.stdout)
      assertSameTree(target, source)
    })
  }

  for (const direction of ['push', 'pull'] as const) {
    it(`content is squeezed on its way and arrives as it was, ${direction}`, async () => {
      const { source, target, sync } = await newEnds(pair, direction)
      const text = 'what is written here is written again and again. '
      const sent = async (...options: readonly string[]): Promise<[sent: number, content: number]> => {
        const run = await sync(...options)
        assert.equal(run.code, 0, run.stdout)
        assertSameTree(target, source)
        const end = run.lines.find(({ type }) => type === 'run-end')
        const [sentBytes, contentBytes] = [Number(end?.sentBytes), Number(end?.contentBytes)]
        assert.ok(run.wireBytes >= sentBytes && contentBytes > 0, run.stdout)
        return [sentBytes, contentBytes]
      }
      const grow = (folder: string, content: (number: number) => string | Uint8Array): void => {
        put(source, `${folder}/large`, Buffer.from(text.repeat(40_000)))
        for (let i = 0; i < 200; i++) put(source, `${folder}/${i}`, content(i))
      }
      grow('level', (i) => text.repeat(i))
      const [squeezed, content] = await sent('--compress', '3')
      assert.ok(squeezed < content / 4, `${squeezed} of ${content}`)
      grow('plain', (i) => `${text.repeat(i)}.`)
      const [plain, whole] = await sent('--compress', 'off')
      assert.ok(plain >= whole, `${plain} of ${whole}`)
      grow('limited', (i) => `${text.repeat(i)}:`)
      const [limited, all] = await sent('--bwlimit', '2MB')
      assert.ok(limited < all / 2, `auto squeezes for a slow line: ${limited} of ${all}`)
      for (let i = 0; i < 20; i++) put(source, `noise/${i}`, randomBytes(50_000))
      const [noise, bytes] = await sent('--compress', '19')
      assert.ok(noise >= bytes && noise < bytes * 1.01, `${noise} of ${bytes}`)
    })
  }

  it('between two folders here nothing is squeezed', async () => {
    const { source, sync } = await newEnds(pair, 'local')
    put(source, 'text', 'again '.repeat(100_000))
    const run = await sync('--compress', '9')
    const end = run.lines.find(({ type }) => type === 'run-end')
    assert.ok(run.code === 0 && Number(end?.sentBytes) >= 600_000, run.stdout)
  })

  it('refuses wrong values', async () => {
    const { sync } = await newEnds(pair, 'push')
    for (const [option, value] of [
      ['--bwlimit', 'fast'],
      ['--bwlimit', '999'],
      ['--bwlimit', '-5'],
      ['--bwlimit', '5X'],
      ['--compress', '0'],
      ['--compress', '20'],
      ['--compress', 'on'],
      ['--compress', '3.5'],
    ] as const) {
      const { code, stdout } = await sync(`${option}=${value}`)
      assert.equal(code, 2, value)
      assert.ok(stdout.includes(`${option} takes`) && stdout.includes(`not \\"${value}\\"`), stdout)
    }
    assert.equal((await sync('--bwlimit', '0')).code, 0)
  })
})
