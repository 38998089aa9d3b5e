// Pairing gone wrong: codes that are mistyped, wrong, used before or void, and addresses where nobody pairs. Each ends
// with a code and a message that helps, pairs nobody, and leaves a right code good. That a code is void after ten minutes
// or three wrong tries is shown with a clock of ours beside src/wire/pairing.ts.

import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openPlaces } from '../../src/daemon/config.ts'
import { openReach } from '../../src/daemon/reach.ts'
import { writeTree } from '../world/disk-trees.ts'
import { type Machine, type Pair, pairedMachines, World } from '../world/machines.ts'

/** The desk listens to one try a second from an address. */
const tryPauseMs = 1100

describe('wrong pairing', () => {
  let pair: Pair
  let stranger: Machine

  before(async () => {
    pair = await pairedMachines()
    stranger = pair.world.machine('stranger')
    await stranger.must('machines')
  })
  after(() => pair?.world.close())

  function at(code: string): string {
    return `${code}@127.0.0.1:${pair.nas.port}`
  }

  async function refused(text: string, code: number, message: RegExp): Promise<void> {
    const ended = await stranger.run('pair', text)
    assert.equal(ended.code, code, ended.stdout + ended.stderr)
    assert.match(ended.stderr, message)
    assert.doesNotMatch(await stranger.must('machines'), /^nas\t/m, 'nobody was paired')
  }

  for (const [name, text, code, message] of [
    ['a code without an address', '7K2-M9Q-XT5', 2, /CODE@host/],
    ['a code without a host', '7K2-M9Q-XT5@', 2, /host/],
    ['a port that is none', '7K2-M9Q-XT5@127.0.0.1:99999', 2, /99999/],
    ['a code with a typing error', 'AAA-AAA-AAB@127.0.0.1:1', 12, /typing error/],
    ['a code that is too short', 'AAA@127.0.0.1:1', 12, /typing error/],
  ] as const) {
    it(`refuses ${name}`, () => refused(text, code, message))
  }

  it('says so where nobody listens, or nobody that pairs', async () => {
    await refused('000-000-000@127.0.0.1:1', 13, /127\.0\.0\.1/)
    const dumb = createServer((socket) => socket.resume().end('220 not what you look for\r\n'))
    await new Promise<void>((resolve) => dumb.listen(0, '127.0.0.1', resolve))
    const address = dumb.address()
    assert.ok(address !== null && typeof address === 'object')
    try {
      await refused(`000-000-000@127.0.0.1:${address.port}`, 12, /not Nightferry/)
    } finally {
      await new Promise((resolve) => dumb.close(resolve))
    }
  })

  it('refuses any code while none is open', async () => {
    await refused(at('000-000-000'), 12, /code/)
  })

  it('refuses a wrong code and one that was withdrawn, takes the right one, and takes it once', async () => {
    const { nas } = pair
    const withdrawn = nas.start('pair')
    const oldCode = await withdrawn.printed(/code: (\S+)/)
    withdrawn.kill('SIGINT')
    await withdrawn.ended
    await refused(at(oldCode), 12, /code/)

    const offering = nas.start('pair')
    const code = await offering.printed(/code: (\S+)/)
    await sleep(tryPauseMs)
    await refused(at(oldCode), 12, /code/)
    await sleep(tryPauseMs)
    // As a person types it: small letters, no dashes.
    await stranger.must('pair', at(code.toLowerCase().replaceAll('-', '')), '--name', 'stranger')
    assert.equal((await offering.ended).code, 0)
    assert.match(await nas.must('machines'), /^stranger\t/m)

    await stranger.must('machines', 'remove', 'nas')
    await sleep(tryPauseMs)
    await refused(at(code), 12, /code/)
  })

  it('lets nobody in who is not paired any more, and none who took the address of a paired machine', async () => {
    const { world, nas, laptop } = pair
    const other = world.machine('other')
    await other.must('share', 'add', 'data', world.folder('others'))
    await nas.stop()
    // Another machine answers where the NAS did: it has another key.
    other.port = nas.port
    await other.serve()
    writeTree(world.folder('source'), { a: 'a' })
    const { code, failure } = await laptop.sync('source', 'nas:data')
    assert.equal(code, 12)
    assert.equal(failure?.code, 'wrong-peer')
    await other.stop()
    rmSync(join(other.state, 'config', 'machines.json'), { force: true })
    await nas.serve()
    await laptop.mustSync('done', 'source', 'nas:data')
  })

  it('cuts a session that is open when its machine is removed by another process', async () => {
    const world = new World()
    try {
      const [home, guest] = [world.machine('home'), world.machine('guest')]
      await home.serve()
      await home.pairWith(guest)
      const log = { note: () => {}, flush: () => {} }
      const places = openPlaces(guest.state, {})
      const reach = openReach({ places, machine: 'guest', log, listening: () => Promise.resolve(undefined) })
      const session = await reach.connect('home', new AbortController().signal)
      await home.must('machines', 'remove', 'guest')
      // Nobody asks anything in it, and it ends all the same.
      await session.closed
      await home.logged('unpaired-cut')
    } finally {
      await world.close()
    }
  })

  it('pairs without a daemon too', async () => {
    const [one, two] = [pair.world.machine('one'), pair.world.machine('two')]
    const offering = one.start('pair', '--listen', '127.0.0.1:0')
    one.port = Number(await offering.printed(/listening on .*:(\d+)\n/))
    const code = await offering.printed(/code: (\S+)\n/)
    await two.must('pair', `${code}@127.0.0.1:${one.port}`)
    assert.equal((await offering.ended).code, 0)
    for (const machine of [one, two])
      assert.equal(JSON.parse(await machine.must('machines', '--json')).machines.length, 1)
  })
})
