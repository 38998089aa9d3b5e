// The demo, typed as a stranger types it: it ends with its proof on a folder of one's own, leaves that folder as it was and
// nothing behind, on its end as on ctrl-C; a folder that is not there is refused before anything starts.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { chanceOf, growTree, readTree } from '../world/disk-trees.ts'
import { World } from '../world/machines.ts'

describe('the demo', () => {
  let world: World
  let folder: string
  before(() => {
    world = new World()
    folder = world.folder('holiday')
    growTree(chanceOf(1), folder, 40)
  })
  after(() => world?.close())

  it('shows a folder mirrored, proves it, and leaves nothing', async () => {
    const tree = readTree(folder)
    const demo = world.start(['demo', folder])
    const place = await demo.printed(/below (\S+)\./)
    const { code, stdout, stderr } = await demo.ended
    assert.equal(code, 0, stderr)
    assert.match(stdout, /Both folders are equal on both machines/)
    assert.match(stdout, /1 created, 3 replaced, 1 renamed, 1 deleted/)
    assert.match(stdout, /0 created, 0 replaced, 0 renamed, 0 deleted/)
    assert.equal(stderr, '')
    assert.deepEqual(readTree(folder), tree)
    assert.equal(existsSync(place), false)
  })

  it('leaves nothing after ctrl-C', async () => {
    const demo = world.start(['demo', folder])
    const place = await demo.printed(/below (\S+)\./)
    await demo.printed(/paired, by key/)
    demo.kill('SIGINT')
    assert.notEqual((await demo.ended).code, 0)
    assert.equal(existsSync(place), false)
  })

  it('refuses a folder that is not there', async () => {
    const { code, stdout, stderr } = await world.start(['demo', 'no-such-folder']).ended
    assert.equal(code, 1)
    assert.equal(stdout, '')
    assert.match(stderr, /no-such-folder/)
  })
})
