// Which batches of a peer take content, and how many it may have under way.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { batchBytesMax, OpenBatches } from './open-batches.ts'

it('a batch takes content from when it is told until its writing is ended, and again when more is wanted', async () => {
  const batches = new OpenBatches()
  assert.throws(() => batches.receive(0), { code: 'unsolicited' })
  batches.stage(0, 1)
  batches.receive(0)
  const gate = Promise.withResolvers<{ count: number }>()
  const ending = batches.written(0, () => gate.promise)
  assert.throws(() => batches.receive(0), { code: 'unsolicited' })
  await assert.rejects(
    batches.written(0, () => gate.promise),
    { code: 'unsolicited' },
  )
  // Told again it does not take content either: only its end says what is wanted.
  batches.stage(0, 1)
  assert.throws(() => batches.receive(0), { code: 'unsolicited' })
  gate.resolve({ count: 1 })
  assert.deepEqual(await ending, { count: 1 })
  batches.receive(0)
  await batches.written(0, async () => ({ count: 0 }))
  assert.throws(() => batches.receive(0), { code: 'unsolicited' })
})

it('batches are whole once none wants anything again, and that is said when the rounds under way have ended', async () => {
  for (const [count, isWhole] of [
    [0, true],
    [1, false],
  ] as const) {
    const batches = new OpenBatches()
    batches.stage(0, 1)
    assert.equal(await batches.areWhole(), false)
    const gate = Promise.withResolvers<{ count: number }>()
    const ending = batches.written(0, () => gate.promise)
    let told: boolean | undefined
    const telling = batches.areWhole().then((whole) => {
      told = whole
    })
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(told, undefined)
    gate.resolve({ count })
    await Promise.all([ending, telling])
    assert.equal(told, isWhole)
  }
  const failed = new OpenBatches()
  failed.stage(0, 1)
  const ending = failed.written(0, () => Promise.reject(new Error('no')))
  assert.equal(await failed.areWhole(), false)
  await assert.rejects(ending)
})

it('a peer has so many batches under way, and none too large', async () => {
  const batches = new OpenBatches()
  assert.throws(() => batches.stage(0, batchBytesMax + 1), { code: 'limit-exceeded' })
  for (let batch = 0; batch < 64; batch++) batches.stage(batch, 1)
  assert.throws(() => batches.stage(64, 1), { code: 'limit-exceeded' })
  await batches.written(7, async () => ({ count: 0 }))
  batches.stage(64, 1)
})
