// Three machines as a star: two laptops, each two-way with one folder of the NAS. What one writes reaches the other through
// the middle, conflicts between the two are kept once and the same everywhere, and what is deleted stays deleted.

import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { chanceOf, editTree, growTree } from '../world/disk-trees.ts'
import { type Machine, type Pair, pairedMachines, type Synced } from '../world/machines.ts'
import { allTexts, contents, plant } from '../world/planted.ts'

type Laptop = { readonly machine: Machine; readonly path: string }

describe('two laptops and the folder of a NAS', () => {
  let pair: Pair
  let other: Machine
  let number = 0
  let share = ''
  let hub = ''
  let one: Laptop
  let two: Laptop

  before(async () => {
    pair = await pairedMachines()
    other = pair.world.machine('tablet')
    await pair.nas.pairWith(other)
  })
  after(() => pair.world.close())

  function fresh(): void {
    number += 1
    share = `nas:data/star-${number}`
    hub = join(pair.shared, `star-${number}`)
    mkdirSync(hub)
    one = { machine: pair.laptop, path: pair.world.folder(`one-${number}`) }
    two = { machine: other, path: pair.world.folder(`two-${number}`) }
  }

  async function run({ machine, path }: Laptop, ...more: string[]): Promise<Synced> {
    const run = await machine.sync('--mode', 'two-way', path, share, ...more)
    if (run.code === 15) return await machine.sync('--mode', 'two-way', path, share, '--release')
    assert.equal(run.code, 0, run.stdout + run.stderr)
    return run
  }

  /** So often each of them: one, the other, and one again knows what the other brought. */
  async function settle(): Promise<number> {
    let runs = 0
    for (let quiet = 0; quiet < 2; ) {
      assert.ok(runs < 10, 'the two never come to an end')
      const { outcome } = await run(runs++ % 2 === 0 ? one : two)
      quiet = outcome === 'unchanged' ? quiet + 1 : 0
    }
    assert.deepEqual(contents(one.path), contents(hub))
    assert.deepEqual(contents(two.path), contents(hub))
    return runs
  }

  it('have the same in the end, with edits and deletions of all three', async () => {
    fresh()
    plant(one.path, { a: 'a', b: 'b', c: 'c', 'd/e': 'e', 'd/f': 'f' })
    await settle()
    appendFileSync(join(one.path, 'a'), ' one')
    appendFileSync(join(two.path, 'b'), ' two')
    appendFileSync(join(hub, 'c'), ' hub')
    rmSync(join(two.path, 'd/e'))
    renameSync(join(hub, 'd/f'), join(hub, 'd/g'))
    assert.ok((await settle()) <= 5)
    assert.deepEqual(contents(hub), { a: 'a one', b: 'b two', c: 'c hub', d: '/', 'd/g': 'f' })
    rmSync(join(one.path, 'd'), { recursive: true })
    await settle()
    assert.deepEqual(contents(two.path), { a: 'a one', b: 'b two', c: 'c hub' })
  })

  it('keep both values of a conflict, once and under the same names', async () => {
    fresh()
    plant(hub, { 'n.txt': 'first' })
    await settle()
    for (let round = 1; round < 4; round++) {
      const texts = [`one ${round}`, `two ${round}`]
      writeFileSync(join(one.path, 'n.txt'), texts[0] as string)
      writeFileSync(join(two.path, 'n.txt'), texts[1] as string)
      await settle()
      const now = contents(hub)
      assert.equal(Object.keys(now).length, 1 + round, JSON.stringify(now))
      for (const text of texts) assert.ok(Object.values(now).includes(text), JSON.stringify(now))
    }
    // All three at once, and a copy that both edit: it is a conflict of the original.
    for (const [root, text] of [
      [one.path, '1'],
      [two.path, '2'],
      [hub, '3'],
    ] as const)
      writeFileSync(join(root, 'n.txt'), `all ${text}`)
    await settle()
    const now = contents(hub)
    assert.equal(Object.keys(now).length, 6, JSON.stringify(now))
    const copy = readdirSync(hub).find((name) => name.includes('.conflict-')) as string
    for (const { path } of [one, two]) writeFileSync(join(path, copy), `both at ${path}`)
    await settle()
    assert.ok(!readdirSync(hub).some((name) => /conflict.*conflict/.test(name)), readdirSync(hub).join(' '))
    // A copy that somebody deletes is gone for all.
    rmSync(join(two.path, copy))
    await settle()
    assert.equal(contents(one.path)[copy], undefined)
  })

  it('brings back on all what one edited and the other deleted', async () => {
    fresh()
    plant(one.path, { 'd/a': 'a', 'd/b': 'b', 'd/c/x': 'x' })
    await settle()
    rmSync(join(one.path, 'd'), { recursive: true })
    appendFileSync(join(two.path, 'd/c/x'), ' edited')
    await settle()
    assert.deepEqual(contents(hub), { d: '/', 'd/c': '/', 'd/c/x': 'x edited' })
  })

  it('come to an end after edits of every kind by chance', async () => {
    const seed = Number(process.env['NIGHTFERRY_SEED'] ?? Date.now() % 1e9)
    console.log(`NIGHTFERRY_SEED=${seed}`)
    const chance = chanceOf(seed)
    fresh()
    growTree(chance, one.path, 12)
    growTree(chance, two.path, 6)
    await settle()
    for (let round = 0; round < 2; round++) {
      for (const root of [one.path, two.path, hub]) editTree(chance, root, 4)
      const all = [one.path, two.path, hub]
      const texts = all.flatMap((root) => Object.values(contents(root)).filter((text) => !/^(\/$|-> )/.test(text)))
      await settle()
      const here = new Set(all.flatMap((root) => [...allTexts(root)]))
      for (const text of texts) assert.ok(here.has(text), `lost: ${text.slice(0, 40)}`)
    }
  })
})
