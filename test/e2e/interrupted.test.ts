// Runs that are cut off: the client killed, the daemon killed, ctrl-C, files that change while they are read, and a second
// run on a folder that one works on. Whatever happens, names on the target hold complete files, the daemon goes on
// serving, and the next run is an ordinary run that ends in sync.
// To catch a run in the middle, it is slowed down, so that it takes seconds however late its first progress is noticed here,
// and the far side is stopped (SIGSTOP) once content flows: no buffer holds what is to come.

import assert from 'node:assert/strict'
import { appendFileSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertSameTree, contentOf, readTree, writeTree } from '../world/disk-trees.ts'
import { type Ended, type Pair, pairedMachines, type Started } from '../world/machines.ts'

const filesPerFolder = 12
const fileBytes = 2_500_000
const slowly = ['--bwlimit', '6M'] as const

/** 30 MB, some of it in a folder that comes into being whole. */
function writeSource(source: string, name: string): void {
  for (let i = 0; i < filesPerFolder; i++) {
    writeTree(source, { [i % 2 === 0 ? `f${i}` : `sub/f${i}`]: contentOf(`${name} ${i}`, fileBytes) })
  }
}

describe('interrupted', () => {
  let pair: Pair
  let daemon: Started
  let number = 0

  before(async () => {
    pair = await pairedMachines()
    daemon = pair.daemon
  })
  after(() => pair?.world.close())

  type Ends = { readonly source: string; readonly target: string; readonly ends: readonly [string, string] }

  /** A full source and an empty target, to be pushed or pulled. */
  function freshEnds(direction: 'push' | 'pull'): Ends {
    number += 1
    const here = pair.world.folder(`here-${number}`)
    const there = pair.world.folder(`shared/there-${number}`)
    const remote = `nas:data/there-${number}`
    const [source, target] = direction === 'push' ? [here, there] : [there, here]
    writeSource(source, `${number}`)
    return { source, target, ends: direction === 'push' ? [here, remote] : [remote, here] }
  }

  /** Starts a run and waits until content flows. */
  async function startFlowing(ends: readonly [string, string]): Promise<Started> {
    const run = pair.laptop.start('sync', '--json', ...slowly, ...ends)
    await run.printed(/"type":"progress"/)
    return run
  }

  /** Starts a run and stops the daemon in the middle of the content. */
  async function startStopped({ ends }: Ends): Promise<Started> {
    const run = await startFlowing(ends)
    daemon.kill('SIGSTOP')
    return run
  }

  function assertOnlyWhole({ source, target }: Ends): void {
    const whole = new Set(readTree(source))
    const files = readTree(target).filter((line) => / file \d/.test(line))
    assert.deepEqual(
      files.filter((line) => !whole.has(line)),
      [],
    )
  }

  async function assertConverges({ source, target, ends }: Ends): Promise<void> {
    let run = await pair.laptop.sync(...ends)
    // The daemon may still be closing the end of the run that died.
    for (let tries = 0; run.code === 11 && tries < 50; tries++) {
      await sleep(100)
      run = await pair.laptop.sync(...ends)
    }
    assert.equal(run.code, 0, run.stdout + run.stderr)
    assertSameTree(target, source)
    assert.deepEqual(readdirSync(join(target, '.nightferry/staging')), [])
  }

  async function restart(): Promise<void> {
    daemon = await pair.nas.serve()
  }

  for (const direction of ['push', 'pull'] as const) {
    it(`a client killed in the middle of a ${direction} leaves the daemon serving, and the next run goes on`, async () => {
      const ends = freshEnds(direction)
      const run = await startStopped(ends)
      run.kill('SIGKILL')
      assert.equal((await run.ended).signal, 'SIGKILL')
      daemon.kill('SIGCONT')
      assertOnlyWhole(ends)
      await assertConverges(ends)
    })

    it(`a daemon killed in the middle of a ${direction} ends the run with 13, and the next one goes on`, async () => {
      const ends = freshEnds(direction)
      const run = await startStopped(ends)
      daemon.kill('SIGKILL')
      await daemon.ended
      const { code, stdout, stderr } = await run.ended
      assert.equal(code, 13, stdout + stderr)
      assertOnlyWhole(ends)
      await restart()
      await assertConverges(ends)
    })

    it(`ctrl-C in the middle of a ${direction} ends it with 130, and the next run goes on`, async () => {
      const ends = freshEnds(direction)
      const run = await startStopped(ends)
      run.kill('SIGINT')
      daemon.kill('SIGCONT')
      const { code, stdout, stderr }: Ended = await run.ended
      assert.equal(code, 130, stdout + stderr)
      assertOnlyWhole(ends)
      await assertConverges(ends)
    })
  }

  it('a client killed when the target has finished, before it noted that itself, leaves no lock, and nothing to do', async () => {
    const ends = freshEnds('push')
    const run = await startFlowing(ends.ends)
    // From here on it can note nothing: its own end waits for this.
    using state = new DatabaseSync(join(pair.laptop.state, 'state/state.db'))
    state.exec('BEGIN IMMEDIATE')
    // What is being written may not be read: the target is closed once it can be.
    const copy = pair.world.folder(`copy-${number}`)
    let copied = await pair.nas.sync(ends.target, copy)
    while (copied.code === 11) copied = await pair.nas.sync(ends.target, copy)
    assertSameTree(copy, ends.source)
    using there = new DatabaseSync(join(pair.nas.state, 'state/state.db'), { readOnly: true })
    const served = there.prepare('SELECT ended_ms FROM runs WHERE driver IS NOT NULL ORDER BY id DESC LIMIT 1').get()
    assert.deepEqual({ ...served }, { ended_ms: null }, 'its session is not over')
    run.kill('SIGKILL')
    assert.equal((await run.ended).signal, 'SIGKILL')
    state.exec('ROLLBACK')
    const next = await pair.laptop.sync(...ends.ends)
    assert.deepEqual([next.code, next.outcome], [0, 'unchanged'], next.stdout + next.stderr)
    await assertConverges(ends)
  })

  it('a second run on a folder that one works on ends with 11 and harms nothing', async () => {
    const ends = freshEnds('push')
    const first = await startFlowing(ends.ends)
    first.kill('SIGSTOP')
    const second = await pair.laptop.sync(ends.source, ends.ends[1])
    assert.equal(second.code, 11, second.stdout + second.stderr)
    const other = pair.world.folder('other')
    writeTree(other, { other: 'other' })
    const third = await pair.laptop.sync(other, ends.ends[1])
    assert.equal(third.code, 11)
    const reading = await pair.laptop.sync(ends.ends[1], 'copy')
    assert.equal(reading.code, 11, 'what is being written may not be read')
    first.kill('SIGCONT')
    assert.equal((await first.ended).code, 0)
    assertSameTree(ends.target, ends.source)
    await assertConverges(ends)
  })

  it('a daemon that is told to stop in the middle stops, and the next run goes on', async () => {
    const ends = freshEnds('push')
    const run = await startFlowing(ends.ends)
    assert.equal((await pair.nas.stop()).code, 0)
    const { code } = await run.ended
    assert.ok(code === 13 || code === 0, `${code}`)
    assertOnlyWhole(ends)
    await restart()
    await assertConverges(ends)
  })

  it('a file that grows while it is read arrives as it was at some moment, and all the others as they are', async () => {
    const ends = freshEnds('push')
    const log = join(ends.source, 'sub/log')
    const line = Buffer.alloc(50_000, 'a line of the log\n')
    const writer = setInterval(() => appendFileSync(log, line), 1)
    appendFileSync(log, line)
    const run = await pair.laptop.sync(...ends.ends)
    clearInterval(writer)
    assert.ok(run.code === 0 || run.code === 3, run.stdout + run.stderr)
    for (const problem of run.problems) assert.deepEqual([problem.path, problem.code], ['sub/log', 'changing'])
    const [there, here] = [join(ends.target, 'sub/log'), join(ends.source, 'sub/log')]
    if (run.code === 0)
      assert.ok(readFileSync(here).subarray(0, readFileSync(there).length).equals(readFileSync(there)))
    const lacking = new Set(readTree(ends.source))
    for (const found of readTree(ends.target)) lacking.delete(found)
    assert.deepEqual(
      [...lacking].map((text) => text.split(' ')[0]).filter((path) => path !== 'sub/log'),
      [],
    )
    await assertConverges(ends)
  })
})
