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

it('a peer has so many batches under way, and none too large', async () => {
  const batches = new OpenBatches()
  assert.throws(() => batches.stage(0, batchBytesMax + 1), { code: 'limit-exceeded' })
  for (let batch = 0; batch < 64; batch++) batches.stage(batch, 1)
  assert.throws(() => batches.stage(64, 1), { code: 'limit-exceeded' })
  await batches.written(7, async () => ({ count: 0 }))
  batches.stage(64, 1)
})
