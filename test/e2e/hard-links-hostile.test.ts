// A hostile driver that may write, and asks for names that are one file: no name is made for what lies outside, for what the
// rules hide, or for a content that it does not know; and nothing is set on a name that the rules hide.

import assert from 'node:assert/strict'
import { linkSync, lstatSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { wantsHardLinks } from '../../src/core/attributes.ts'
import type { Step } from '../../src/core/plan.ts'
import { Failure } from '../../src/std/failure.ts'
import { writeTree } from '../world/disk-trees.ts'
import { intrude } from '../world/hostile.ts'
import { type Pair, pairedMachines } from '../world/machines.ts'
import { batchBytes, change, create, head } from '../world/steps.ts'

/** A further name of the file at `from`, which is said to hold `text`. */
function further(name: string, text: string, from: string): Step {
  return { ...create(name, text, {}, from), links: true }
}

describe('a hostile driver that makes further names', () => {
  let pair: Pair
  let number = 0
  before(async () => {
    pair = await pairedMachines()
  })
  after(() => pair?.world.close())

  function place(files: Readonly<Record<string, string>>): { sub: string; path: string } {
    const sub = `links${++number}`
    const path = join(pair.shared, sub)
    writeTree(path, files)
    return { sub, path }
  }

  it('links nothing from outside, nothing hidden, and nothing whose content it does not know', async () => {
    const outside = pair.world.folder('outside')
    writeTree(outside, { x: 'canary' })
    const { sub, path } = place({ 'd/open': 'open', secret: 'secret', hidden: 'hidden' })
    symlinkSync(outside, join(path, 'way'))
    const { target, send } = await intrude(pair, sub, {}, wantsHardLinks)
    await target.landed()
    let batch = 0
    const offer = async (name: string, text: string, from: string): Promise<number> => {
      const needs = await target.stage(batch, batchBytes([[head('d'), [further(name, text, from)]]]))
      const { wantCount } = needs.askCount > 0 ? await target.answer(batch, [undefined]) : needs
      if (wantCount > 0) await send(batch, { number: 0, text })
      await target.written(batch++, true)
      return wantCount
    }
    assert.equal(await offer('of-way', 'canary', 'way/x'), 1)
    assert.equal(await offer('of-not', 'canary', 'nothing/x'), 1)
    assert.equal(await offer('of-hidden', 'hidden', 'hidden'), 1)
    assert.equal(await offer('of-secret', 'guess!', 'secret'), 1)
    assert.equal(await offer('of-open', 'open', 'd/open'), 0)
    const { problems } = await target.finish()
    await target.close(false)
    const unlinked = ['d/of-way', 'd/of-not', 'd/of-hidden', 'd/of-secret']
    assert.deepEqual(
      problems.map(({ path: at, code }) => `${at} ${code}`),
      unlinked.map((at) => `${at} not-linked`),
    )
    assert.equal(statSync(join(outside, 'x')).nlink, 1)
    for (const name of ['hidden', 'secret']) assert.equal(lstatSync(join(path, name)).nlink, 1)
    assert.equal(readFileSync(join(path, 'd/of-secret'), 'utf8'), 'guess!')
    assert.equal(lstatSync(join(path, 'd/open')).ino, lstatSync(join(path, 'd/of-open')).ino)
  })

  it('sets nothing on a name that the rules hide', async () => {
    const { sub, path } = place({ a: 'x' })
    for (const name of ['b', 'hidden']) linkSync(join(path, 'a'), join(path, name))
    const { target, put } = await intrude(pair, sub, {}, wantsHardLinks)
    await put([[head(''), [{ ...change('attributes', 'a', { mode: 0o666 }), links: true }]]])
    await target.finish()
    await target.close(false)
    assert.equal(lstatSync(join(path, 'a')).mode & 0o777, 0o666)
    assert.equal(lstatSync(join(path, 'hidden')).mode & 0o777, 0o644)
  })

  it('makes none before what they are names of has landed', async () => {
    const { sub } = place({ a: 'x' })
    const { target, put } = await intrude(pair, sub, {}, wantsHardLinks)
    const isRefused = (error: unknown): boolean => error instanceof Failure && error.code === 'protocol-broken'
    await assert.rejects(() => put([[head(''), [further('b', 'x', 'a')]]]), isRefused)
    await target.close(false).catch(() => {})
  })
})
