// An undelete that is stopped by ctrl-C, here and in a share, or whose driver dies: what came stays, nothing is left aside,
// the target is free at once, and the same undelete again brings the rest.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Pair, pairedMachines, type Started } from '../world/machines.ts'
import { plant } from '../world/planted.ts'

const count = 1200
const names = Array.from({ length: count }, (_, at) => `file ${at}`)

describe('an undelete that is stopped', () => {
  let pair: Pair
  before(async () => {
    pair = await pairedMachines()
  })
  after(() => pair?.world.close())

  const came = (folder: string): number => {
    try {
      return readdirSync(folder).filter((name) => name.startsWith('file')).length
    } catch {
      return 0
    }
  }
  /** A target of which a run has deleted them all. */
  const prepare = async (name: string, end: string): Promise<void> => {
    const source = pair.world.folder(`source ${name}`)
    plant(source, { ...Object.fromEntries(names.map((one) => [`d/${one}`, `text of ${one}`])), stays: 's' })
    await pair.laptop.mustSync('done', source, end)
    rmSync(join(source, 'd'), { recursive: true })
    await pair.laptop.mustSync('done', source, end, '--max-delete', '100%')
  }
  /** Waits until some came, and not all. */
  const inTheMiddle = async (started: Started, folder: string): Promise<void> => {
    let isOver = false
    void started.ended.then(() => {
      isOver = true
    })
    while (came(folder) < 50 && !isOver) await sleep(2)
    assert.ok(!isOver && came(folder) < count, 'it is under way')
  }
  const staged = (target: string): string[] => readdirSync(join(target, '.nightferry/staging'))
  const assertWhole = (folder: string): void => {
    assert.equal(came(folder), count)
    for (const name of names) assert.equal(readFileSync(join(folder, name), 'utf8'), `text of ${name}`)
  }

  for (const where of ['here', 'in a share']) {
    it(`by ctrl-C, ${where}, leaves what came, and the same again brings the rest`, async () => {
      const target = where === 'here' ? pair.world.folder('target') : join(pair.shared, 'far')
      const end = where === 'here' ? target : 'nas:data/far'
      await prepare(where, end)
      const started = pair.laptop.start('undelete', `${end}/d`, '--json')
      await inTheMiddle(started, join(target, 'd'))
      started.kill('SIGINT')
      const ended = await started.ended
      assert.deepEqual([ended.code, ended.signal], [130, undefined], ended.stdout + ended.stderr)
      const told = JSON.parse(ended.stdout) as { isStopped: boolean; restored: number; exitCode: number }
      const there = came(join(target, 'd'))
      assert.deepEqual([told.isStopped, told.restored, told.exitCode], [true, there, 130])
      // It ended between two versions, not with its slice.
      assert.ok(there < count && there % 500 !== 0, `${there}`)
      assert.deepEqual(staged(target), [])
      // The log of this machine has each name that came.
      const lines = pair.laptop
        .log('sync')
        .filter(({ action, root }) => action === 'undeleted' && String(root).startsWith(end))
      assert.equal(
        lines.reduce((sum, line) => sum + Number(line['count']), 0),
        there,
      )
      const again = await pair.laptop.run('undelete', `${end}/d`)
      assert.equal(again.code, 3, again.stderr)
      assert.match(again.stdout, new RegExp(`^brought back ${(count - there).toLocaleString('en')} versions`))
      assert.match(again.stderr, /is there, and was left alone/)
      assertWhole(join(target, 'd'))
    })
  }

  it('by ctrl-C while it brings them elsewhere leaves nothing aside there either', async () => {
    const target = pair.world.folder('other target')
    await prepare('elsewhere', target)
    const to = join(pair.world.directory, 'to')
    const started = pair.laptop.start('undelete', join(target, 'd'), '--to', to)
    await inTheMiddle(started, join(to, 'd'))
    started.kill('SIGTERM')
    const ended = await started.ended
    assert.equal(ended.code, 130, ended.stdout + ended.stderr)
    assert.match(ended.stdout, /^stopped: brought back [\d,]+ versions.*\nThe same undelete again brings the rest\.\n$/)
    assert.deepEqual(readdirSync(to), ['d'])
    assert.equal((await pair.laptop.run('undelete', join(target, 'd'), '--to', to)).code, 3)
    assertWhole(join(to, 'd'))
  })

  it('by the end of its session stops on the other machine too, which logs what came', async () => {
    const [target, end] = [join(pair.shared, 'cut'), 'nas:data/cut']
    await prepare('cut', end)
    const started = pair.laptop.start('undelete', `${end}/d`)
    await inTheMiddle(started, join(target, 'd'))
    started.kill('SIGKILL')
    await started.ended
    let again = await pair.laptop.run('undelete', `${end}/d`)
    for (let tries = 0; again.code === 11 && tries < 200; tries++) {
      await sleep(25)
      again = await pair.laptop.run('undelete', `${end}/d`)
    }
    assert.equal(again.code, 3, again.stdout + again.stderr)
    assert.doesNotMatch(again.stdout, new RegExp(`brought back (${count.toLocaleString('en')}|0) `))
    assertWhole(join(target, 'd'))
    const lines = pair.nas.log('serve').filter(({ action, root }) => action === 'undeleted' && root === target)
    assert.equal(
      lines.reduce((sum, line) => sum + Number(line['count']), 0),
      count,
    )
  })
})
