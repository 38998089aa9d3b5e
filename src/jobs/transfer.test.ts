// In which order batches are carried: told while the plan is still being judged, and nothing of them read or written before
// it was let in; and when the target is told that all was sent. Over ends that only note what they are asked.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { rootPath } from '../core/path.ts'
import type { PackedSection } from '../core/plan.ts'
import { Failure } from '../std/failure.ts'
import type { Again, Needs, SourceEnd, TargetEnd } from './endpoint.ts'
import { transfer } from './transfer.ts'

const nothing = new Uint8Array(1)
const section: PackedSection = {
  path: rootPath,
  state: 'present',
  mode: 0,
  mtimeSeconds: 0,
  mtimeNs: 0,
  stepBytes: new Uint8Array(0),
  stepCount: 0,
  files: 1,
  contentBytes: 1,
}

/** Ends that note what they are asked; batch n wants `rounds[n]` rounds, the first of them portions where it is told. */
function ends(rounds: readonly number[], told: readonly boolean[] = []) {
  const trail: string[] = []
  const left = [...rounds]
  const needs = (batch: number): Needs => {
    const portions = told[batch] === true ? { portions: nothing } : {}
    return { wants: nothing, wantCount: 1, asks: nothing, askCount: 0, ...portions }
  }
  const target: Partial<TargetEnd> = {
    stage: async (batch) => {
      trail.push(`stage ${batch}`)
      return needs(batch)
    },
    written: async (batch): Promise<Again> => {
      trail.push(`written ${batch}`)
      await turn()
      trail.push(`wrote ${batch}`)
      left[batch] = (left[batch] ?? 0) - 1
      return { again: nothing, count: (left[batch] ?? 0) > 0 ? 1 : 0 }
    },
    allSent: () => trail.push('all sent'),
  }
  const source: Partial<SourceEnd> = {
    supply: async (batch) => void trail.push(`supply ${batch}`),
  }
  const run = (begun: Promise<unknown>) =>
    transfer(
      source as SourceEnd,
      target as TargetEnd,
      rounds.map(() => [section]),
      { files: 1, contentBytes: 1 },
      () => {},
      new AbortController().signal,
      { begun },
    )
  return { trail, run }
}

describe('the order in which batches are carried', () => {
  it('tells them while the plan is judged, and does nothing else before it was let in', async () => {
    const { trail, run } = ends([1, 1])
    const begun = Promise.withResolvers<void>()
    const running = run(begun.promise)
    for (let i = 0; i < 5; i++) await turn()
    assert.deepEqual(trail, ['stage 0', 'stage 1'])
    begun.resolve()
    await running
    assert.deepEqual(trail.slice(2).sort(), [
      'all sent',
      'supply 0',
      'supply 1',
      'written 0',
      'written 1',
      'wrote 0',
      'wrote 1',
    ])
  })

  it('does nothing at all of a plan that is refused, and says why that was', async () => {
    const { trail, run } = ends([1, 1])
    await assert.rejects(run(Promise.reject(new Failure('root-held', 'no'))), { code: 'root-held' })
    await turn()
    assert.deepEqual(
      trail.filter((line) => !line.startsWith('stage')),
      [],
    )
  })

  it('says that all was sent once each batch was asked whether it is written, before any answers', async () => {
    const { trail, run } = ends([1, 1])
    await run(Promise.resolve())
    assert.ok(trail.indexOf('all sent') > Math.max(trail.indexOf('written 0'), trail.indexOf('written 1')))
    assert.ok(trail.indexOf('all sent') < Math.min(trail.indexOf('wrote 0'), trail.indexOf('wrote 1')), trail.join())
  })

  it('waits with that for a batch of which only portions were sent', async () => {
    const { trail, run } = ends([1, 2], [false, true])
    await run(Promise.resolve())
    assert.ok(trail.indexOf('all sent') > trail.lastIndexOf('written 1'), trail.join())
    assert.equal(trail.filter((line) => line === 'all sent').length, 1)
  })

  it('says it once for a plan without a batch', async () => {
    const { trail, run } = ends([])
    await run(Promise.resolve())
    assert.deepEqual(trail, ['all sent'])
  })
})
