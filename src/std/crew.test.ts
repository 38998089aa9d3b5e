// The crew: order in a seat, failures as they were thrown, buffers that are given away.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, describe, it } from 'node:test'
import type { TestTasks } from '../../test/world/crew-tasks.ts'
import { Bug } from './assert.ts'
import { type Crew, crewSize, openCrew, type Seat } from './crew.ts'
import { Failure } from './failure.ts'

const module = new URL('../../test/world/crew-seat.ts', import.meta.url)
const crews: Crew<TestTasks>[] = []
after(() => Promise.all(crews.map((crew) => crew.close())))

function open(size = 1): Crew<TestTasks> {
  const crew = openCrew<TestTasks>(module, size)
  crews.push(crew)
  return crew
}

function first(crew: Crew<TestTasks>): Seat<TestTasks> {
  return crew.seats[0] as Seat<TestTasks>
}

describe('crew', () => {
  it('runs the tasks of a seat in their order, in a thread that keeps its state', async () => {
    const crew = open(2)
    const [one, two] = crew.seats as [Seat<TestTasks>, Seat<TestTasks>]
    const words = ['a', 'b', 'c']
    const answers = await Promise.all(words.map((word) => one.run('keep', { word })))
    assert.deepEqual(answers, [['a'], ['a', 'b'], ['a', 'b', 'c']])
    assert.deepEqual(await two.run('keep', { word: 'x' }), ['x'])
    assert.ok(crewSize() >= 1 && crewSize() <= 4)
  })

  it('tells a failure as it was thrown, and a bug as a bug; the seat goes on', async () => {
    const seat = first(open())
    await assert.rejects(seat.run('fail', {}), (error) => {
      assert.ok(error instanceof Failure)
      assert.deepEqual(
        [error.code, error.message, error.hint, error.retry],
        ['target-full', 'there is no space', 'free some', 'after-user'],
      )
      return true
    })
    await assert.rejects(seat.run('bug', {}), (error) => error instanceof Bug && /a mistake/.test(error.message))
    await assert.rejects(seat.run('notCloneable', {}), Bug)
    await assert.rejects(seat.run('no such task' as 'echo', { value: 1 }), Bug)
    assert.equal(await seat.run('echo', { value: 7 }), 7)
  })

  it('gives buffers away in both directions, and copies the others', async () => {
    const seat = first(open())
    const given = new Uint8Array(1000)
    assert.equal(await seat.run('length', { bytes: given }, [given.buffer]), 1000)
    assert.equal(given.length, 0)
    const copied = new Uint8Array(1000)
    assert.equal(await seat.run('length', { bytes: copied }), 1000)
    assert.equal(copied.length, 1000)
    assert.deepEqual(await seat.run('give', { length: 3 }), Uint8Array.from([7, 7, 7]))
  })

  it('refuses what can not be sent, and is none the worse for it', async () => {
    const seat = first(open())
    await assert.rejects(seat.run('echo', { value: () => 1 }), /could not be cloned/)
    assert.equal(await seat.run('echo', { value: 'still here' }), 'still here')
  })

  it('rejects what a lost thread had to do, and all that comes after', async () => {
    const seat = first(open())
    const underWay = [seat.run('leave', {}), seat.run('echo', { value: 1 })]
    const ended = await Promise.allSettled(underWay)
    assert.deepEqual(
      ended.map(({ status }) => status),
      ['rejected', 'rejected'],
    )
    await assert.rejects(seat.run('echo', { value: 1 }))
  })

  it('finishes what is under way, and refuses all that comes after, when it is closed', async () => {
    const crew = open()
    const underWay = first(crew).run('echo', { value: 1 })
    const closed = crew.close()
    await assert.rejects(first(crew).run('echo', { value: 2 }))
    assert.deepEqual(await underWay, await first(open()).run('echo', { value: 1 }))
    await closed
    await assert.rejects(first(crew).run('echo', { value: 1 }))
    await crew.close()
    // One that nobody gave anything to.
    await open().close()
  })

  it('says what is wrong when its module can not be loaded', async () => {
    const crew = openCrew<TestTasks>(new URL('./no-such-module.ts', module), 1)
    await assert.rejects(first(crew).run('echo', { value: 1 }), /no-such-module/)
    await crew.close()
  })

  it('never keeps a process alive that has nothing more to do', () => {
    const here = JSON.stringify(new URL('./crew.ts', import.meta.url).href)
    const script = `
      import { openCrew } from ${here}
      const seat = openCrew(new URL(${JSON.stringify(module.href)}), 1).seats[0]
      await seat.run('echo', { value: 1 })
      await seat.run('echo', { value: () => 1 }).catch(() => {})
      process.stdout.write('done')`
    const args = ['--disable-warning=ExperimentalWarning', '-e', script]
    assert.equal(execFileSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 }), 'done')
  })
})
