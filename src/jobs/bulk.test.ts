// A call whose session or stream ends in its middle: the caller hears it, at once, and nobody else does.

import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { memoryLinks, openBoth, rejectsWith } from '../../test/world/links.ts'
import { Failure } from '../std/failure.ts'
import type { WireStream } from '../wire/stream.ts'
import { call } from './bulk.ts'

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
