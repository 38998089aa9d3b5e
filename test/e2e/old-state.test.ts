// What was remembered and what is there do not belong together: a state restored from a backup, a target or a source put
// back to what it was, a machine that was cloned with its key, a disk copied with its marker. Nothing is deleted that
// was not seen; what the run can't know it holds or tells.

import assert from 'node:assert/strict'
import { cpSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { assertSameTree, contentOf, copyTree, readTree, writeTree } from '../world/disk-trees.ts'
import { type Machine, type Pair, pairedMachines } from '../world/machines.ts'

describe('old state', () => {
  let pair: Pair
  let source: string
  let target: string
  let ends: [string, string]
  let number = 0

  before(async () => {
    pair = await pairedMachines()
  })
  after(() => pair?.world.close())
  beforeEach(async () => {
    number += 1
    source = pair.world.folder(`source-${number}`)
    target = pair.world.folder(`shared/target-${number}`)
    ends = [source, `nas:data/target-${number}`]
    writeTree(source, { a: 'a', b: contentOf(`b ${number}`, 100_000), 'd/c': 'c', 'd/e/f': 'f', 'old/x': 'x' })
    await pair.laptop.mustSync('done', ...ends)
  })

  const stateOf = (machine: Machine): string => join(machine.state, 'state')

  function backUp(machine: Machine): () => void {
    const kept = `${machine.state}-backup-${number}`
    cpSync(stateOf(machine), kept, { recursive: true })
    return () => {
      rmSync(stateOf(machine), { recursive: true })
      renameSync(kept, stateOf(machine))
    }
  }

  /** Both sides move on: files come, change, go and move. */
  async function moveOn(): Promise<void> {
    writeTree(source, { a: `a ${number} changed`, 'new/g': 'g', 'd/h': 'h' })
    rmSync(join(source, 'old'), { recursive: true })
    renameSync(join(source, 'd/e'), join(source, 'e'))
    await pair.laptop.mustSync('done', ...ends)
  }

  it('of the driver, older than both folders: they are looked at, and nothing is deleted or sent', async () => {
    const restore = backUp(pair.laptop)
    await moveOn()
    restore()
    const before = readTree(target)
    const run = await pair.laptop.mustSync('unchanged', ...ends)
    assert.ok(run.wireBytes < 10_000, `${run.wireBytes} bytes`)
    assert.deepEqual(readTree(target), before)
    writeTree(source, { 'after/all': 'after all' })
    await pair.laptop.mustSync('done', ...ends)
    assertSameTree(target, source)
  })

  it('of the daemon, older than both folders: nothing is deleted, and edits made meanwhile are found', async () => {
    await pair.nas.stop()
    const restore = backUp(pair.nas)
    await pair.nas.serve()
    await moveOn()
    await pair.nas.stop()
    restore()
    await pair.nas.serve()
    writeFileSync(join(target, 'd/c'), 'edited on the target')
    const run = await pair.laptop.mustSync('done', ...ends)
    assert.deepEqual(run.changes, [{ action: 'replace-file', path: 'd/c', sizeBytes: 1 }])
    assertSameTree(target, source)
  })

  it('newer than the source, which was put back to what it was: few deletions go over, many are held', async () => {
    const kept = `${source}-backup`
    copyTree(source, kept)
    for (let i = 0; i < 30; i++) writeTree(source, { [`work/f${i}`]: `work ${i}` })
    await pair.laptop.mustSync('done', ...ends)
    const before = readTree(target)
    rmSync(source, { recursive: true })
    copyTree(kept, source)
    const held = await pair.laptop.sync(...ends)
    assert.equal(held.outcome, 'halted', held.stdout)
    assert.deepEqual(readTree(target), before)
  })

  it('newer than the target, which was put back to what it was: it is brought up to date', async () => {
    const kept = `${target}-backup`
    cpSync(target, kept, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
    await moveOn()
    rmSync(target, { recursive: true })
    renameSync(kept, target)
    const run = await pair.laptop.sync(...ends)
    assert.ok(run.outcome === 'done' || run.outcome === 'halted', run.stdout + run.stderr)
    if (run.outcome === 'halted') await pair.laptop.mustSync('done', ...ends, '--release')
    assertSameTree(target, source)
  })

  it('of a machine that was cloned with its key: both may run in turn, and neither deletes what it did not see', async () => {
    const clone = pair.world.machine(`clone-${number}`)
    rmSync(clone.state, { recursive: true })
    cpSync(pair.laptop.state, clone.state, { recursive: true })
    await moveOn()
    // The clone's memory is of before. Its source is the same folder here, as on a cloned disk.
    await clone.mustSync('unchanged', ...ends)
    writeTree(source, { 'by/clone': 'by the clone' })
    await clone.mustSync('done', ...ends)
    writeTree(source, { 'by/both': 'by both' })
    const runs = await Promise.all([pair.laptop.sync(...ends), clone.sync(...ends)])
    for (const run of runs) assert.ok(run.code === 0 || run.code === 11, run.stdout + run.stderr)
    assertSameTree(target, source)
    await pair.laptop.mustSync('unchanged', ...ends)
  })

  it('with one bit turned, anywhere: it is set aside or found out, and no run deletes for it', async () => {
    const file = join(stateOf(pair.laptop), 'state.db')
    const before = readTree(target)
    const whole = readFileSync(file)
    for (let at = 7; at < whole.length; at += Math.ceil(whole.length / 6)) {
      const bytes = Buffer.from(whole)
      bytes[at] = (bytes[at] ?? 0) ^ 0x10
      for (const rest of ['-wal', '-shm']) rmSync(`${file}${rest}`, { force: true })
      writeFileSync(file, bytes)
      const run = await pair.laptop.sync(...ends)
      // What it knew of the target itself may be what was hit: then a person is asked.
      assert.ok(run.code === 0 || run.code === 15, `byte ${at}: ${run.stdout}${run.stderr}`)
      const { deleted = 0, replaced = 0 } = run.counts
      assert.deepEqual([deleted, replaced], [0, 0], `byte ${at}: ${run.stdout}`)
      assert.deepEqual(readTree(target), before, `byte ${at}`)
    }
  })
})
