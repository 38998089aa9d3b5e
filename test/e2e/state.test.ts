// The state database is only what can be found again: deleted or damaged between two runs, on either machine, the next
// run is in sync, sends nothing twice, and halts only where it would delete or replace.

import assert from 'node:assert/strict'
import { readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { assertSameTree, contentOf, copyTree, readTree, writeTree } from '../world/disk-trees.ts'
import { type Machine, type Pair, pairedMachines } from '../world/machines.ts'

const fileBytes = 200_000
/** Listings and digests of a small tree, and no content. */
const noContentBytes = 10_000

describe('state', () => {
  let pair: Pair
  let source: string
  let ends: [string, string]
  before(async () => {
    pair = await pairedMachines()
    source = pair.world.folder('source')
    ends = [source, 'nas:data']
    writeTree(source, { a: contentOf('a', fileBytes), 'd/b': contentOf('b', fileBytes), 'd/e/c': 'c', old: 'old' })
    await pair.laptop.mustSync('done', ...ends)
  })
  after(() => pair?.world.close())

  const losses: readonly [string, (state: string) => void][] = [
    ['deleted', (state) => rmSync(state, { recursive: true })],
    [
      'damaged',
      (state) => {
        for (const name of readdirSync(state)) {
          if (/^state\.db/.test(name)) writeFileSync(join(state, name), `this is no database ${'x'.repeat(9000)}`)
        }
      },
    ],
  ]

  for (const [what, lose] of losses) {
    it(`of the driver ${what}: in sync, then held where it would replace, and known again`, async () => {
      const { laptop, shared } = pair
      const loseIt = (): void => lose(join(laptop.state, 'state'))
      loseIt()
      const run = await laptop.mustSync('unchanged', ...ends)
      assert.ok(run.wireBytes < noContentBytes, `${run.wireBytes} bytes`)

      writeTree(source, { [`new-${what}`]: contentOf(what, fileBytes) })
      loseIt()
      await laptop.mustSync('done', ...ends)
      assertSameTree(shared, source)

      writeTree(source, { old: `edited, ${what}` })
      loseIt()
      const before = readTree(shared)
      const held = await laptop.sync(...ends)
      assert.equal(held.code, 15, held.stdout + held.stderr)
      assert.deepEqual([held.halt?.deletes, held.halt?.replaces], [0, 1])
      assert.deepEqual(readTree(shared), before)
      await laptop.mustSync('done', ...ends, '--release')
      assertSameTree(shared, source)

      writeTree(source, { old: `edited again, ${what}` })
      await laptop.mustSync('done', ...ends)
    })

    it(`of the daemon ${what}: nothing is held and nothing sent twice`, async () => {
      const { laptop, nas, shared } = pair
      await nas.stop()
      lose(join(nas.state, 'state'))
      await nas.serve()
      const run = await laptop.mustSync('unchanged', ...ends)
      assert.ok(run.wireBytes < noContentBytes, `${run.wireBytes} bytes`)

      writeTree(source, { [`copy-${what}`]: contentOf('a', fileBytes), old: `and again, ${what}` })
      rmSync(join(source, `new-${what}`))
      const next = await laptop.mustSync('done', ...ends)
      assertSameTree(shared, source)
      assert.ok(next.wireBytes < noContentBytes, `${next.wireBytes} bytes: the daemon found the content again`)
    })
  }

  it('finds an edit that size and time hide, however the content came to the target', async () => {
    const { laptop, shared } = pair
    const hidden = (name: string): string => join(source, name)
    const keepTime = (name: string, content: string): void => {
      writeFileSync(hidden(name), content)
      utimesSync(hidden(name), 1_600_000_000, 1_600_000_000)
    }
    keepTime('sent', 'first')
    await laptop.mustSync('done', ...ends)
    keepTime('copied-there', 'first')
    await laptop.mustSync('done', ...ends)
    // Was there before the first run knew of it: no content was ever read.
    keepTime('was-there', 'third')
    copyTree(hidden('was-there'), join(shared, 'was-there'))
    await laptop.sync(...ends)
    assertSameTree(shared, source)
    for (const name of ['sent', 'copied-there', 'was-there']) keepTime(name, 'other')
    const run = await laptop.mustSync('done', ...ends)
    assert.equal(run.counts.replaced, 3)
    assertSameTree(shared, source)
    await laptop.mustSync('unchanged', ...ends)
  })

  it('is not needed to know the machines and the shares', async () => {
    const all: readonly Machine[] = [pair.laptop, pair.nas]
    await pair.nas.stop()
    for (const machine of all) rmSync(join(machine.state, 'state'), { recursive: true })
    await pair.nas.serve()
    const names = async (machine: Machine): Promise<string[]> =>
      (JSON.parse(await machine.must('machines', '--json')) as { machines: { name: string }[] }).machines.map(
        ({ name }) => name,
      )
    assert.deepEqual(await Promise.all(all.map(names)), [['nas'], ['laptop']])
    await pair.laptop.mustSync('unchanged', ...ends)
  })
})
