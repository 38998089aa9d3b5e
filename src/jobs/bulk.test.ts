// Calls side by side: a session or stream that ends in the middle of one is heard by its caller, at once, and by nobody
// else; and batches are staged in the order in which they were told, whichever comes to its end first.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { memoryLinks, openBoth, rejectsWith } from '../../test/world/links.ts'
import { Failure } from '../std/failure.ts'
import type { WireStream } from '../wire/stream.ts'
import { Allowance, heldBytesMax } from './body.ts'
import { answerCall, type CallHandlers, call } from './bulk.ts'
import { CallOrder } from './call-order.ts'

const input = { batch: 1, bytes: new Uint8Array(3_000_000) }

test('a session that is closed while a body is still being sent rejects the call, and nothing else', async () => {
  const links = memoryLinks()
  const { a } = await openBoth(links, {}, { onStream: () => true })
  // The other side takes nothing: what is written stays with the link, as it does with a socket that is full.
  links.rawB.pause()
  const heard = rejectsWith(call(a, 'stage', input), 'connection-lost', /the session was closed/)
  await turn()
  a.close()
  // Whatever nobody handles now would end the process, and fails the test.
  await turn()
  await heard
  links.a.destroy()
})

test('a call that the other side ends before it has read the body rejects with what was said there', async () => {
  const links = memoryLinks()
  const opened = Promise.withResolvers<WireStream>()
  const onStream = (_name: string, _header: Uint8Array, stream: WireStream): boolean => {
    links.rawB.pause()
    opened.resolve(stream)
    return true
  }
  const { a } = await openBoth(links, {}, { onStream })
  const heard = rejectsWith(call(a, 'stage', input), 'root-held', /not now/)
  const stream = await opened.promise
  stream.cancel(new Failure('root-held', 'not now'))
  await turn()
  await heard
  links.a.destroy()
})

/** The batches that a driver stages at once, of so many bytes each, in the order in which they are: the numbers as they arrive. */
async function stagedAtOnce(
  sizes: readonly number[],
  { refused = [] as number[], heldBytes = heldBytesMax } = {},
): Promise<number[]> {
  const links = memoryLinks()
  const order = new CallOrder()
  order.opened('target')
  for (const name of ['scan', 'view', 'begin'] as const)
    await order.run(
      name,
      async () => {},
      async () => {},
    )
  const seen: number[] = []
  const handlers = {
    async stage({ batch }: { batch: number }) {
      seen.push(batch)
      if (refused.includes(batch)) throw new Failure('protocol-broken', 'no')
      return { wants: new Uint8Array(0), wantCount: 0, asks: new Uint8Array(0), askCount: 0 }
    },
  } as unknown as CallHandlers
  const rules = { order, allowance: new Allowance(heldBytes), tellable: (failure: Failure) => failure }
  const { a } = await openBoth(
    links,
    {},
    { onStream: (name, header, stream) => answerCall(name, header, stream, handlers, rules) },
  )
  await Promise.allSettled(sizes.map((size, batch) => call(a, 'stage', { batch, bytes: new Uint8Array(size) })))
  a.close()
  links.a.destroy()
  return seen
}

test('batches are staged in the order in which they were told, though a short one is there before a long one', async () => {
  assert.deepEqual(await stagedAtOnce([3_000_000, 10, 1_000_000, 20]), [0, 1, 2, 3])
})

test('a batch that is refused, and one that never comes whole, keep no other from its turn', async () => {
  assert.deepEqual(await stagedAtOnce([2_000_000, 10, 20], { refused: [0] }), [0, 1, 2])
  assert.deepEqual(await stagedAtOnce([2_000_000, 10, 20], { heldBytes: 1_000_000 }), [1, 2])
})
