// How content goes over, with real processes, pushed, pulled and between two folders here: under a limit it comes whole,
// and a run that would take an hour is stopped at once and leaves nothing locked.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
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
      const run = await sync('--bwlimit', '400K')
      assert.equal(run.code, 0, run.stdout)
      assertSameTree(target, source)
    })

    it(`a limit holds, and ctrl-C does not wait for it, ${direction}`, async () => {
      const { source, target, ends, laptop, sync } = await newEnds(pair, direction)
      for (let i = 0; i < 40; i++) put(source, `d${i}/f`, randomBytes(100_000))
      const running = laptop.start('sync', ...ends, '--json', '--bwlimit', '1KB')
      await running.printed(/"type":"progress"/)
      running.kill('SIGINT')
      const { code, stdout } = await running.ended
      assert.equal(code, 130, `four megabytes at a kilobyte a second: ${stdout}`)
      assert.ok(readdirSync(target).length < 20, 'it was not done yet')
      const run = await sync('--release')
      assert.equal(run.code, 0, run.stdout)
      assertSameTree(target, source)
    })
  }

  it('refuses wrong values', async () => {
    const { sync } = await newEnds(pair, 'push')
    for (const [option, value] of [
      ['--bwlimit', 'fast'],
      ['--bwlimit', '999'],
      ['--bwlimit', '-5'],
      ['--bwlimit', '5X'],
    ] as const) {
      const { code, stdout } = await sync(`${option}=${value}`)
      assert.equal(code, 2, value)
      assert.ok(stdout.includes(`${option} takes`) && stdout.includes(`not \\"${value}\\"`), stdout)
    }
    assert.equal((await sync('--bwlimit', '0')).code, 0)
  })
})
