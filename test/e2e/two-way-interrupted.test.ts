// Two-way runs that are cut off while content flows, in either direction: the driver killed, the daemon killed, ctrl-C; and
// ends that can't be both. Files are whole on both sides afterwards, and plain runs make the two equal with nothing lost.

import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertSameTree, contentOf, writeTree } from '../world/disk-trees.ts'
import { type Pair, pairedMachines, type Started, type Synced } from '../world/machines.ts'
import { assertTidy, contentsOn } from '../world/oracle.ts'
import { contents, plant } from '../world/planted.ts'

const fileBytes = 2_000_000

describe('a two-way run', () => {
  let pair: Pair
  let daemon: Started
  let number = 0

  before(async () => {
    pair = await pairedMachines()
    daemon = pair.daemon
  })
  after(() => pair.world.close())

  type Ends = { readonly left: string; readonly right: string; readonly ends: readonly [string, string] }

  async function fresh(): Promise<Ends> {
    number += 1
    const left = pair.world.folder(`left-${number}`)
    const right = join(pair.shared, `right-${number}`)
    mkdirSync(right)
    const ends = [left, `nas:data/right-${number}`] as const
    plant(left, {
      'gone on left': 'g',
      'gone on right': 'g',
      'edited on left': 'e',
      'both.txt': 'b',
      'd/x': 'x',
      'd/y': 'y',
    })
    await pair.laptop.mustSync('done', '--mode', 'two-way', ...ends)
    for (let i = 0; i < 6; i++) writeTree(left, { [`new/left ${i}`]: contentOf(`l ${i} ${number}`, fileBytes) })
    for (let i = 0; i < 6; i++) writeTree(right, { [`there/right ${i}`]: contentOf(`r ${i} ${number}`, fileBytes) })
    rmSync(join(left, 'gone on left'))
    rmSync(join(right, 'gone on right'))
    rmSync(join(left, 'd'), { recursive: true })
    appendFileSync(join(right, 'd/y'), ' edited')
    appendFileSync(join(left, 'edited on left'), ' edited')
    appendFileSync(join(left, 'both.txt'), ' left')
    appendFileSync(join(right, 'both.txt'), ' right')
    return { left, right, ends }
  }

  /** Runs until content has flowed so often, and stops the far side then. */
  async function startFlowing({ ends }: Ends, after: number): Promise<Started> {
    const run = pair.laptop.start('sync', '--json', '--bwlimit', '6M', '--mode', 'two-way', ...ends)
    await run.printed(new RegExp(`(?:"type":"progress"[^]*){${after}}`))
    return run
  }

  async function assertConverges({ left, right, ends }: Ends, owed: ReadonlySet<string>): Promise<void> {
    let run: Synced | undefined
    for (let tries = 0; tries < 60; tries++) {
      run = await pair.laptop.sync('--mode', 'two-way', ...ends)
      if (run.code === 0) break
      // The daemon may still be closing the end of the run that died.
      assert.equal(run.code, 11, run.stdout + run.stderr)
      await sleep(100)
    }
    assertSameTree(left, right)
    const again = await pair.laptop.sync('--mode', 'two-way', ...ends)
    assert.deepEqual([again.outcome, again.code], ['unchanged', 0], again.stdout)
    const now = contents(left)
    assert.deepEqual([now['gone on left'], now['gone on right'], now['d/x']], [undefined, undefined, undefined])
    assert.deepEqual([now['d/y'], now['edited on left']], ['y edited', 'e edited'])
    const both = Object.entries(now).filter(([name]) => name.startsWith('both'))
    assert.deepEqual(both.map(([, text]) => text).sort(), ['b left', 'b right'])
    const here = new Set([...contentsOn(left), ...contentsOn(right)])
    for (const content of owed) assert.ok(here.has(content), 'a content is lost')
    for (const side of [left, right]) assertTidy(side, 'at the end')
  }

  for (const [what, cut] of [
    ['whose driver is killed', 'driver'],
    ['whose daemon is killed', 'daemon'],
    ['that is stopped with ctrl-C', 'ctrl-C'],
  ] as const) {
    for (const after of [1, 12]) {
      it(`${what} ${after === 1 ? 'as content begins to flow' : 'later on'} is made good by the next`, async () => {
        const ends = await fresh()
        const owed = new Set([...contentsOn(ends.left), ...contentsOn(ends.right)])
        const run = await startFlowing(ends, after)
        if (cut === 'driver') run.kill('SIGKILL')
        else if (cut === 'daemon') daemon.kill('SIGKILL')
        else run.kill('SIGINT')
        if (cut === 'daemon') await daemon.ended
        const { code, signal, stdout, stderr } = await run.ended
        const expected = cut === 'driver' ? undefined : cut === 'daemon' ? 13 : 130
        // It may have come to its end before.
        if (code !== 0) assert.equal(code, expected, `${signal} ${stdout}${stderr}`)
        if (cut === 'daemon') daemon = await pair.nas.serve()
        await assertConverges(ends, owed)
      })
    }
  }

  it('with a share that is only read is refused, and nothing is changed', async () => {
    const path = pair.world.folder('only read')
    plant(path, { a: 'a' })
    await pair.nas.must('share', 'add', 'fixed', path, '--read-only')
    const here = pair.world.folder('here')
    plant(here, { b: 'b' })
    for (const ends of [
      [here, 'nas:fixed'],
      ['nas:fixed', here],
    ]) {
      const { code, stdout, stderr } = await pair.laptop.run('sync', '--mode', 'two-way', ...ends)
      assert.notEqual(code, 0)
      assert.match(stdout + stderr, /read/)
    }
    assert.deepEqual([contents(path), contents(here)], [{ a: 'a' }, { b: 'b' }])
    assert.deepEqual(readdirSync(path), ['a'])
  })
})
