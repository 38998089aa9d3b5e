// `--repeat` with real processes: runs follow each other in one process until it is stopped, through what passes by
// itself and not through what needs a person.

import assert from 'node:assert/strict'
import { existsSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { newEnds, put, textAt } from '../world/both-ways.ts'
import { type Pair, pairedMachines } from '../world/machines.ts'

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (isSo()) return
    await sleep(50)
  }
  assert.fail(`never ${what}`)
}

describe('repeat', () => {
  let pair: Pair
  before(async () => {
    pair = await pairedMachines()
  })
  after(() => pair?.world.close())

  for (const direction of ['push', 'pull', 'local'] as const) {
    it(`runs again until SIGTERM, each run its own, ${direction}`, async () => {
      const { source, target, ends, laptop } = await newEnds(pair, direction)
      put(source, 'a', 'one')
      const before = laptop.log('sync').length
      const running = laptop.start('sync', ...ends, '--repeat', '0.3')
      await until('brought', () => existsSync(join(target, 'a')))
      put(source, 'b', 'two')
      await until('brought again', () => existsSync(join(target, 'b')))
      await running.printed(/nothing changed/)
      running.kill('SIGTERM')
      const { code, signal, stderr } = await running.ended
      assert.deepEqual([code, signal], [130, undefined], stderr)
      const starts = laptop
        .log('sync')
        .slice(before)
        .filter(({ action }) => action === 'run-start')
      assert.ok(starts.length >= 2 && new Set(starts.map(({ runId }) => runId)).size === starts.length)
    })
  }

  it('tells a halt once, waits it out, and releases nothing that was not shown', async () => {
    const { source, target, ends, laptop, sync } = await newEnds(pair, 'push')
    /** In one step: a run may look at any moment, and what is half written would be another halt. */
    const putAtOnce = (name: string, text: string): void => {
      put(pair.world.directory, 'next', text)
      renameSync(join(pair.world.directory, 'next'), join(source, name))
    }
    put(source, 'a', 'one')
    await sync()
    put(source, 'a', 'other')
    assert.equal((await sync('--max-delete', '0')).outcome, 'halted')
    const running = laptop.start('sync', ...ends, '--max-delete', '0', '--release', '--repeat', '0.2')
    await until('released', () => textAt(target, 'a') === 'other')
    putAtOnce('a', 'and another')
    const runs = (): number => laptop.log('sync').filter((line) => line.outcome === 'halted').length
    const first = runs()
    await until('halted thrice', () => runs() >= first + 3)
    assert.equal(textAt(target, 'a'), 'other')
    putAtOnce('a', 'other')
    putAtOnce('b', 'new')
    await until('went on', () => existsSync(join(target, 'b')))
    running.kill('SIGINT')
    const { code, stdout, stderr } = await running.ended
    assert.equal(code, 130)
    assert.equal(stderr.split('halted:').length - 1, 1, stderr)
    assert.equal(stdout.split('halted before').length - 1, 1, stdout)
  })

  it('goes on when the other machine is away, and ends where a person is needed', async () => {
    const { source, target, ends, laptop } = await newEnds(pair, 'push')
    put(source, 'a', 'one')
    await pair.nas.stop()
    const running = laptop.start('sync', ...ends, '--repeat', '0.2')
    const failures = (): number => laptop.log('sync').filter(({ code }) => code === 'unreachable').length
    await until('failed twice', () => failures() >= 2)
    await pair.nas.serve()
    await until('brought', () => existsSync(join(target, 'a')))
    // In one step: a run may be at work in there.
    renameSync(join(target, '.nightferry'), join(pair.world.directory, 'taken away'))
    const { code, stderr } = await running.ended
    assert.equal(code, 15, stderr)
    assert.ok(stderr.split('nightferry: ').length - 1 <= 4, `the same failure is told once: ${stderr}`)
  })

  it('refuses wrong values', async () => {
    const { sync } = await newEnds(pair, 'push')
    for (const value of ['0', '-1', 'x', '604801', '']) {
      const { code, stdout, stderr } = await sync(`--repeat=${value}`)
      assert.equal(code, 2, value)
      assert.ok(stdout.includes(`not \\"${value}\\"`) || stderr.includes('argument missing'), stdout + stderr)
    }
    assert.equal((await sync('--repeat', '5', '--dry-run')).code, 2)
  })
})
