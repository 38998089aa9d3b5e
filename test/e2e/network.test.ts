// Networks as they are, between two network namespaces with the real program on both sides: a line that loses, doubles,
// overtakes and damages packets, that stands still, is reset, and lies about what was sent. What arrives is what was sent,
// a run that was cut off says so, nothing is lost, and a later run completes it; the daemon goes on serving. What takes a
// minute or more is in test/deep/network.deep.ts.

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
    growTree(chanceOf(11), source, 60)
  })
  after(() => space?.close())

  const clean = { lost: 0, twice: 0, overtaken: 0, damaged: 0, isCut: false }
  const fast = { oneWayMs: 1, bytesPerSecond: 1e9 }
  const slow = { oneWayMs: 5, bytesPerSecond: 400_000 }

  const mirrored = (outcome?: string): Promise<void> => space.mirrored(source, outcome)

  it('that loses, doubles, overtakes and damages packets is only slower', async () => {
    put(source, 'large', randomBytes(1_500_000))
    await space.line({ oneWayMs: 5, bytesPerSecond: 5e6, lost: 0.03, twice: 0.02, overtaken: 0.03, damaged: 0.02 })
    await mirrored()
    await mirrored('unchanged')
    await space.line({ ...clean, ...fast })
  })

  it('that stands still for some seconds in mid-run costs only these', async () => {
    put(source, 'stalled', randomBytes(1_500_000))
    await space.line(slow)
    const running = space.laptop.start('sync', '--json', source, 'nas:data', '--compress', 'off')
    await running.printed(/"type":"progress"/)
    await space.line({ isCut: true })
    await sleep(4000)
    await space.line({ ...clean, ...fast })
    const { code, stdout } = await running.ended
    assert.equal(code, 0, stdout)
    assertSameTree(space.shared, source)
  })

  it('of 10 Mbit/s carries content squeezed, and what does not shrink as it is', async () => {
    await space.line({ ...clean, oneWayMs: 5, bytesPerSecond: 1_250_000 })
    const text = 'what is written here is written again and again, line for line. '
    const sent = async (name: string, content: Buffer): Promise<number> => {
      put(source, name, content)
      const run = await space.laptop.sync(source, 'nas:data')
      const end = run.lines.find(({ type }) => type === 'run-end')
      assert.equal(run.code, 0, run.stdout)
      return Number(end?.sentBytes) / Number(end?.contentBytes)
    }
    const lines = Array.from({ length: 30_000 }, (_, i) => `${i} ${text}`).join('')
    assert.ok((await sent('text', Buffer.from(lines))) < 0.3)
    const noise = await sent('noise', randomBytes(1_000_000))
    assert.ok(noise >= 1 && noise < 1.01, `${noise}`)
    await space.line(fast)
  })

  for (const [what, act] of [
    ['a connection that is reset', async () => await space.reset()],
    ['content that was changed on its way so that TCP does not notice', async () => await space.forge()],
  ] as const) {
    it(`${what} ends the run, which says so, and the next one completes it`, async () => {
      put(source, `broken ${what}`, randomBytes(1_500_000))
      await space.line(slow)
      const before = space.nas.log('serve').length
      const running = space.laptop.start('sync', '--json', source, 'nas:data', '--compress', 'off')
      await running.printed(/"type":"progress"/)
      await act()
      const { code, stdout } = await running.ended
      assert.equal(code, 13, stdout)
      assert.match(stdout, /"code":"connection-lost"/)
      await space.line(fast)
      await space.nas.logged('session-close', before)
      await mirrored()
      await mirrored('unchanged')
    })
  }

  it('the daemon that was started first is still there, and ends when it is told to', async () => {
    const { code, stderr } = await space.nas.stop()
    assert.deepEqual([code, stderr], [0, ''])
  })
})
