// What a run received, for whoever is told of it again.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { RelPath } from '../core/path.ts'
import type { Arrived } from '../disk/sames.ts'
import type { DiskTasks } from '../disk/tasks.ts'
import { unwritten } from '../disk/written.ts'
import type { Seat } from '../std/crew.ts'
import { ArrivedContents } from './arrived.ts'

const content = (number: number): Arrived => {
  const digest = new Uint8Array(32)
  new DataView(digest.buffer).setUint32(0, number)
  return { digest, build: undefined, slot: digest, directory: '' as RelPath, name: `${number}` }
}

/** What a seat is asked that was told of these contents. */
async function askedOf(arrived: ArrivedContents, told: readonly Arrived[]): Promise<unknown[]> {
  const asked: unknown[] = []
  let sames = told.map(({ digest }) => digest)
  const seat = {
    async run(name: string, input: { found?: readonly (Arrived | undefined)[] }): Promise<unknown> {
      asked.push(name === 'takeSames' ? input.found?.map((one) => one?.name) : name)
      if (name === 'takeSames') sames = []
      return { ...unwritten, sames }
    },
  } as unknown as Seat<DiskTasks>
  await arrived.finishWriting(seat, { landing: 1, last: false, tells: false, full: 'say' })
  return asked
}

it('knows what the run received, and nothing else', async () => {
  const arrived = new ArrivedContents()
  arrived.add(undefined)
  arrived.add([content(1), content(2)])
  assert.deepEqual(await askedOf(arrived, []), ['finishWriting'])
  assert.deepEqual(await askedOf(arrived, [content(2), content(3)]), [
    'finishWriting',
    ['2', undefined],
    'finishWriting',
  ])
})

it('knows so many, and the last ones', async () => {
  const arrived = new ArrivedContents()
  for (let i = 0; i < 8193; i++) arrived.add([content(i)])
  assert.deepEqual(await askedOf(arrived, [content(0), content(1), content(8192)]), [
    'finishWriting',
    [undefined, '1', '8192'],
    'finishWriting',
  ])
})
