// What of networks takes minutes: partitions, one way and both ways, until either side gives the other up; and the cells of
// loss, distance and rate that a line can have. `npm run test:deep`.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { put } from '../world/both-ways.ts'
import { assertSameTree, chanceOf, growTree } from '../world/disk-trees.ts'
import { NetworkSpace, noNetworkSpace } from '../world/network-space.ts'

describe('a network', { skip: noNetworkSpace }, () => {
  let space: NetworkSpace
  let source: string
  before(async () => {
    space = await NetworkSpace.open()
    source = space.world.folder('source')
    growTree(chanceOf(12), source, 60)
  })
  after(() => space?.close())

  const healed = { oneWayMs: 1, bytesPerSecond: 1e9, lost: 0, twice: 0, overtaken: 0, damaged: 0, isCut: false }
  const slow = { ...healed, oneWayMs: 5, bytesPerSecond: 400_000 }

  const mirrored = (outcome?: string): Promise<void> => space.mirrored(source, outcome)

  let number = 0
  const partitions: readonly [what: string, cut: () => Promise<void>][] = [
    ['both ways', () => space.line({ isCut: true })],
    ['from here to there', () => space.fromLaptop({ isCut: true })],
    ['from there to here', () => space.fromNas({ isCut: true })],
  ]
  for (const [what, cut] of partitions) {
    it(`a partition, ${what}: either side gives the other up, the folder is free again, a run converges`, async () => {
      put(source, `cut ${number++}`, randomBytes(1_500_000))
      await space.line(slow)
      const before = space.nas.log('serve').length
      const running = space.laptop.start('sync', '--json', source, 'nas:data', '--compress', 'off')
      await running.printed(/"type":"progress"/)
      await cut()
      const { code, stdout } = await running.ended
      assert.equal(code, 13, stdout)
      assert.match(stdout, /"code":"connection-lost"/)
      await space.nas.logged('session-close', before, 6000)
      await space.line(healed)
      await mirrored()
    })
  }

  it('a line that stands still for half a minute is waited for', async () => {
    put(source, 'waits', randomBytes(1_500_000))
    await space.line(slow)
    const running = space.laptop.start('sync', '--json', source, 'nas:data', '--compress', 'off')
    await running.printed(/"type":"progress"/)
    await space.line({ isCut: true })
    await sleep(25_000)
    await space.line(healed)
    const { code, stdout } = await running.ended
    assert.equal(code, 0, stdout)
    assertSameTree(space.shared, source)
  })

  for (const lost of [0, 0.01, 0.05, 0.2]) {
    for (const [oneWayMs, bytesPerSecond] of [
      [0, 1e8],
      [25, 1_250_000],
      [150, 1_250_000],
    ] as const) {
      it(`arrives whole: ${lost * 100} % lost, ${oneWayMs * 2} ms, ${bytesPerSecond / 125_000} Mbit/s`, async () => {
        put(source, `cell ${number}/large`, randomBytes(600_000))
        for (let file = 0; file < 50; file++) put(source, `cell ${number}/${file}`, randomBytes(2000))
        number++
        await space.line({ ...healed, oneWayMs, bytesPerSecond, lost })
        // TCP may be silent for a minute where a fifth is lost: then an end gives the other up, says so, and a run goes on.
        const triesMax = lost < 0.2 ? 1 : 5
        for (let tries = 1; tries < triesMax; tries++) {
          const run = await space.laptop.sync(source, 'nas:data')
          if (run.code === 0) break
          assert.ok(run.code === 13 || run.code === 11, run.stdout)
          assert.match(`${run.failure?.code}`, /^(connection-lost|timed-out|unreachable|root-locked|epoch-stale)$/)
          assert.ok(tries < triesMax - 1, `it never came through: ${run.stdout}`)
        }
        if (triesMax === 1) await mirrored()
        assertSameTree(space.shared, source)
        await space.line(healed)
        await mirrored('unchanged')
      })
    }
  }
})
