// Large files that were cut off in the middle: the client or the daemon killed at seeded moments, the connection gone, a
// power cut's garbage in what was left. The next run sends what is missing and at most one chunk again, never believes
// what lies there, and sweeps what is of no use. Bytes are asserted, times never.

import assert from 'node:assert/strict'
import {
  appendFileSync,
  closeSync,
  existsSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { partitionOf } from '../world/link-trees.ts'
import { type Pair, pairedMachines, type Started, type Synced } from '../world/machines.ts'
import { noise } from '../world/noise.ts'

const mib = 1024 * 1024
const fileBytes = 40 * mib
/** A chunk at the longest, and what telling a file of this size takes. */
const slack = 64 * 1024 + 140_000

describe('a large file that was cut off', () => {
  let pair: Pair
  let daemon: Started
  let number = 0

  before(async () => {
    pair = await pairedMachines()
    daemon = pair.daemon
  })
  after(async () => await pair.world.close())

  type Ends = { readonly source: string; readonly target: string; readonly ends: readonly string[] }

  function freshEnds(direction: 'push' | 'pull'): Ends {
    number++
    const here = pair.world.folder(`here-${number}`)
    const there = pair.world.folder(`shared/there-${number}`)
    const remote = `nas:data/there-${number}`
    const [source, target] = direction === 'push' ? [here, there] : [there, here]
    writeFileSync(join(source, 'large'), noise(number, fileBytes))
    return { source, target, ends: direction === 'push' ? [here, remote] : [remote, here] }
  }

  function partials(target: string): string[] {
    const place = join(target, '.nightferry', 'partials')
    return existsSync(place) ? readdirSync(place).map((name) => join(place, name)) : []
  }

  /** Starts a slow run and waits until so much of the file lies at the target. */
  async function startUntil({ target, ends }: Ends, bytes: number): Promise<Started> {
    const run = pair.laptop.start('sync', '--json', '--bwlimit', '12M', ...ends)
    let hasEnded = false
    void run.ended.then(() => (hasEnded = true))
    const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0
    while (!partials(target).some((path) => sizeOf(path) >= bytes)) {
      assert.ok(!hasEnded, `it ended before ${bytes} bytes were seen there`)
      await sleep(5)
    }
    return run
  }

  /** Runs again; the end of the run that died may still be closing. */
  async function again({ source, target, ends }: Ends): Promise<Synced> {
    let run = await pair.laptop.sync(...ends)
    for (let tries = 0; run.code === 11 && tries < 100; tries++) {
      await sleep(100)
      run = await pair.laptop.sync(...ends)
    }
    assert.equal(run.code, 0, run.stdout + run.stderr)
    assert.ok(readFileSync(join(target, 'large')).equals(readFileSync(join(source, 'large'))))
    assert.deepEqual(partials(target), [])
    return run
  }

  for (const direction of ['push', 'pull'] as const) {
    for (const megabytes of [3, 17, 29]) {
      it(`goes on at ${megabytes} MiB where the client of a ${direction} was killed`, async () => {
        const ends = freshEnds(direction)
        const run = await startUntil(ends, megabytes * mib)
        const closed = pair.nas.log('serve').length
        run.kill('SIGKILL')
        await run.ended
        await pair.nas.logged('session-close', closed)
        const [left = ''] = partials(ends.target)
        const there = statSync(left).size
        const { wireBytes } = await again(ends)
        assert.ok(wireBytes <= fileBytes - there + slack, `${there} were there, ${wireBytes} came`)
      })
    }

    it(`goes on where the daemon of a ${direction} was killed, twice`, async () => {
      const ends = freshEnds(direction)
      for (const megabytes of [7, 21]) {
        const run = await startUntil(ends, megabytes * mib)
        daemon.kill('SIGKILL')
        await daemon.ended
        assert.notEqual((await run.ended).code, 0)
        daemon = await pair.nas.serve()
      }
      const [left = ''] = partials(ends.target)
      const there = statSync(left).size
      assert.ok(there >= 21 * mib)
      const { wireBytes } = await again(ends)
      assert.ok(wireBytes <= fileBytes - there + slack, `${there} were there, ${wireBytes} came`)
    })
  }

  for (const direction of ['push', 'pull'] as const) {
    it(`goes on under one of its names, and the others become names of it (${direction})`, async () => {
      const plain = freshEnds(direction)
      const { source, target } = plain
      const ends = { ...plain, ends: [...plain.ends, '--hard-links', '--max-delete', '100%'] }
      const large = join(source, 'large')
      for (const name of ['a name before', 'one after']) linkSync(large, join(source, name))
      for (const isEdit of [false, true]) {
        if (isEdit) writeFileSync(large, Buffer.concat([noise(99, 20 * mib), readFileSync(large)]))
        const before = partitionOf(target)
        const run = await startUntil(ends, 9 * mib)
        if (isEdit) await run.printed(/"sentBytes":(?:[6-9]\d{6}|1\d{7})[,}]/)
        const closed = pair.nas.log('serve').length
        run.kill('SIGKILL')
        await run.ended
        await pair.nas.logged('session-close', closed)
        assert.equal(partitionOf(target), before)
        const there = Math.max(...partials(target).map((path) => statSync(path).size))
        const { wireBytes, problems } = await again(ends)
        const most = isEdit ? 20 * mib : fileBytes - there + slack
        assert.ok(wireBytes <= most, `${there} were there, ${wireBytes} came`)
        assert.deepEqual([problems, partitionOf(target)], [[], 'a name before = large = one after'])
      }
    })
  }

  it('goes on with an edit that was cut off', async () => {
    const ends = freshEnds('push')
    await pair.laptop.mustSync('done', ...ends.ends)
    const large = join(ends.source, 'large')
    writeFileSync(large, Buffer.concat([noise(99, 20 * mib), readFileSync(large)]))
    const run = pair.laptop.start('sync', '--json', '--release', '--bwlimit', '8M', ...ends.ends)
    await run.printed(/"sentBytes":(?:[6-9]\d{6}|1\d{7})[,}]/)
    const closed = pair.nas.log('serve').length
    run.kill('SIGKILL')
    await run.ended
    await pair.nas.logged('session-close', closed)
    assert.ok(readFileSync(join(ends.target, 'large')).length === fileBytes, 'the old version has its name')
    const { wireBytes } = await again({ ...ends, ends: [...ends.ends, '--release'] as never })
    assert.ok(wireBytes < 20 * mib, `${wireBytes}`)
  })

  it('believes nothing of what was left: garbage, holes, and a file that is longer than it should be', async () => {
    const ends = freshEnds('push')
    const run = await startUntil(ends, 12 * mib)
    const closed = pair.nas.log('serve').length
    run.kill('SIGKILL')
    await run.ended
    await pair.nas.logged('session-close', closed)
    const [left = ''] = partials(ends.target)
    const handle = openSync(left, 'r+')
    writeSync(handle, noise(1000, 70_000), 0, 70_000, 3 * mib)
    writeSync(handle, Buffer.alloc(70_000), 0, 70_000, 6 * mib + 11)
    closeSync(handle)
    appendFileSync(left, noise(1001, 30 * mib))
    const { wireBytes } = await again(ends)
    assert.ok(wireBytes <= fileBytes - 11 * mib + 140_000 + 4 * 64 * 1024 + slack, `${wireBytes}`)
  })

  it('sweeps what is too old, and what is none of ours', async () => {
    const ends = freshEnds('push')
    const run = await startUntil(ends, 2 * mib)
    run.kill('SIGKILL')
    await run.ended
    const [left = ''] = partials(ends.target)
    writeFileSync(join(ends.target, '.nightferry', 'partials', 'stray'), 'x')
    const days8 = new Date(statSync(left).mtimeMs - 8 * 24 * 3_600_000)
    utimesSync(left, days8, days8)
    writeFileSync(join(ends.source, 'large'), 'small now')
    await again(ends)
  })
})
