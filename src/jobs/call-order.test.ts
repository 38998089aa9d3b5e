// Which calls may come when, and what waits for what.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Failure } from '../std/failure.ts'
import { type CallName, calls } from '../wire/messages.ts'
import { CallOrder, mayCome, type Phase } from './call-order.ts'

const phases: readonly Phase[] = ['closed', 'open', 'scanned', 'viewed', 'begun', 'staging', 'finished']
const names = Object.keys(calls) as CallName[]
/** Those of an undo have an order of their own, which the undo itself keeps (undo-end.ts). */
const undoing = ['undo', 'undoLook', 'undoList', 'undoBegin', 'undoCarry']
const always = ['open', 'close', 'versions', 'undelete', 'undeleteMore', 'undeleteStop', ...undoing]

/** The calls that may come in a phase, besides those that always may. */
function allowed(phase: Phase, role: string): string[] {
  return names.filter((name) => !always.includes(name) && mayCome(name, phase, role))
}

describe('the order of calls', () => {
  it('is what a driver does', () => {
    const read = ['listings', 'listingPart', 'digests', 'linked']
    const rows: readonly (readonly [Phase, readonly string[], readonly string[]])[] = [
      ['closed', [], []],
      ['open', ['scan'], ['scan']],
      ['scanned', ['owners', 'view'], ['ownersHere', 'view']],
      [
        'viewed',
        ['attributes', 'owners', 'view', ...read, 'supply'],
        ['ownersHere', 'view', ...read, 'begin', 'verify', 'distrust'],
      ],
      ['begun', [...read, 'supply'], [...read, 'moves', 'stage', 'landed', 'finish']],
      ['staging', [...read, 'supply'], [...read, 'stage', 'answer', 'written', 'landed', 'finish']],
      ['finished', read, [...read, 'verify', 'distrust']],
    ]
    assert.deepEqual(
      rows.map(([phase]) => phase),
      phases,
    )
    for (const [phase, source, target] of rows) {
      assert.deepEqual(allowed(phase, 'source').sort(), [...source].sort(), phase)
      assert.deepEqual(allowed(phase, 'target').sort(), [...target].sort(), phase)
      // Of a two-way run's: all that either may be asked.
      assert.deepEqual(allowed(phase, 'both').sort(), [...new Set([...source, ...target])].sort(), phase)
    }
    for (const phase of phases) for (const name of always) assert.ok(mayCome(name as CallName, phase, ''), name)
  })

  const nothing = async (): Promise<void> => {}
  async function refused(order: CallOrder, name: CallName): Promise<void> {
    await assert.rejects(order.run(name, nothing, nothing), (error) => {
      assert.ok(error instanceof Failure && error.code === 'protocol-broken', String(error))
      return true
    })
  }

  it('counts a call as done before its answer is told, and not at all when it fails', async () => {
    const order = new CallOrder()
    order.opened('target')
    const failing = order.run('scan', () => Promise.reject(new Failure('disk-error', 'no')), nothing)
    await assert.rejects(failing, { code: 'disk-error' })
    await refused(order, 'view')
    await order.run('scan', nothing, nothing)
    await order.run('view', nothing, nothing)
    await order.run('begin', nothing, () => order.run('stage', nothing, nothing))
    await order.run('finish', nothing, nothing)
    for (const name of ['stage', 'finish', 'written', 'begin'] as const) await refused(order, name)
  })

  it('lets calls about the whole end wait for each other, and a second one find what the first did', async () => {
    const order = new CallOrder()
    order.opened('target')
    await order.run('scan', nothing, nothing)
    await order.run('view', nothing, nothing)
    const trail: string[] = []
    const slowly = (what: string) => async () => {
      trail.push(`${what} begins`)
      await new Promise((resolve) => setImmediate(resolve))
      trail.push(`${what} ends`)
    }
    const first = order.run('begin', slowly('begin'), slowly('telling'))
    await Promise.all([first, refused(order, 'begin'), order.run('listings', slowly('listings'), nothing)])
    assert.deepEqual(trail, [
      'begin begins',
      'begin ends',
      'telling begins',
      'telling ends',
      'listings begins',
      'listings ends',
    ])
  })

  it('lets a batch that came along with a plan wait until that is let in, and refuses it where it is not', async () => {
    for (const isLetIn of [true, false]) {
      const order = new CallOrder()
      order.opened('target')
      for (const name of ['scan', 'view'] as const) await order.run(name, nothing, nothing)
      const judged = Promise.withResolvers<void>()
      const begin = order.run('begin', () => judged.promise, nothing)
      let isStaged = false
      const stage = order.run(
        'stage',
        async () => {
          isStaged = true
        },
        nothing,
      )
      await new Promise((resolve) => setImmediate(resolve))
      assert.equal(isStaged, false)
      if (isLetIn) judged.resolve()
      else judged.reject(new Failure('root-held', 'no'))
      const ended = await Promise.allSettled([begin, stage])
      assert.deepEqual(
        [ended[0].status, ended[1].status, isStaged],
        isLetIn ? ['fulfilled', 'fulfilled', true] : ['rejected', 'rejected', false],
      )
    }
  })

  it('goes on with batches after a finish that came too soon', async () => {
    const order = new CallOrder()
    order.opened('target')
    for (const name of ['scan', 'view', 'begin', 'stage'] as const) await order.run(name, nothing, nothing)
    await order.run('finish', async () => order.goesOn(), nothing)
    for (const name of ['written', 'stage', 'finish'] as const) await order.run(name, nothing, nothing)
    await refused(order, 'written')
  })

  it('stages nothing while directories are being renamed, nor while the run is being finished', async () => {
    const order = new CallOrder()
    order.opened('target')
    for (const name of ['scan', 'view', 'begin'] as const) await order.run(name, nothing, nothing)
    const renaming = Promise.withResolvers<void>()
    const moves = order.run('moves', () => renaming.promise, nothing)
    await new Promise((resolve) => setImmediate(resolve))
    await refused(order, 'stage')
    renaming.resolve()
    await moves
    await order.run('stage', nothing, nothing)
    const finishing = Promise.withResolvers<void>()
    const finish = order.run('finish', () => finishing.promise, nothing)
    await new Promise((resolve) => setImmediate(resolve))
    for (const name of ['stage', 'answer', 'written'] as const) await refused(order, name)
    finishing.resolve()
    await finish
  })

  it('stages batches in the order in which they were told, whichever body is whole first', async () => {
    const order = new CallOrder()
    const tell = async (): Promise<void> => {}
    order.opened('target')
    for (const name of ['scan', 'view', 'begin'] as const) await order.run(name, async () => {}, tell)
    const places = [0, 1, 2].map(() => order.queue('stage'))
    const staged: number[] = []
    const stage = (number: number): Promise<void> =>
      order.run('stage', async () => void staged.push(number), tell, places[number])
    const later = [stage(2), stage(1)]
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(staged, [])
    await Promise.all([stage(0), ...later])
    assert.deepEqual(staged, [0, 1, 2])
  })
})
