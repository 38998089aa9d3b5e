// Names on a target that share an inode, by a person's doing: what a run sets on one is not set on the other, and a run that
// says that both ends are equal is right.

import assert from 'node:assert/strict'
import { chmodSync, linkSync, lstatSync, readFileSync, renameSync, rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { assertSameTree, writeTree } from '../world/disk-trees.ts'
import { type Pair, pairedMachines } from '../world/machines.ts'

describe('names on the target that share an inode', () => {
  let pair: Pair
  let number = 0

  before(async () => {
    pair = await pairedMachines()
  })
  after(() => pair?.world.close())

  /** Two equal folders, of which the target's `names` share an inode. */
  async function shared(names: readonly string[]): Promise<{ source: string; target: string; end: string }> {
    const source = pair.world.folder(`source-${++number}`)
    const [target, end] = [join(pair.shared, `t${number}`), `nas:data/t${number}`]
    writeTree(source, Object.fromEntries(names.map((name) => [name, 'one content'])))
    for (const name of names) utimesSync(join(source, name), 1000, 1000)
    await pair.laptop.mustSync('done', source, end)
    const [first = '', ...others] = names
    for (const name of others) {
      rmSync(join(target, name))
      linkSync(join(target, first), join(target, name))
    }
    await pair.laptop.sync(source, end)
    assert.equal(lstatSync(join(target, first)).nlink, names.length)
    return { source, target, end }
  }

  it('get the mode and the time that each of them should have', async () => {
    const { source, target, end } = await shared(['a', 'b', 'd/c'])
    chmodSync(join(source, 'a'), 0o600)
    await pair.laptop.mustSync('done', source, end)
    assertSameTree(target, source)
    utimesSync(join(source, 'b'), 2000, 2000)
    await pair.laptop.mustSync('done', source, end)
    assertSameTree(target, source)
    assert.equal(lstatSync(join(target, 'd/c')).nlink, 1)
    await pair.laptop.sync(source, end)
    await pair.laptop.mustSync('unchanged', source, end)
  })

  it('get them in one run too', async () => {
    const { source, target, end } = await shared(['a', 'b', 'c', 'd', 'e'])
    for (const [i, name] of ['a', 'b', 'c', 'd'].entries()) chmodSync(join(source, name), 0o600 + i)
    await pair.laptop.mustSync('done', source, end, '--max-delete', '100%')
    assertSameTree(target, source)
  })

  it('keep what they hold when one of them moves and is given another mode', async () => {
    const { source, target, end } = await shared(['a', 'b'])
    renameSync(join(source, 'a'), join(source, 'moved'))
    chmodSync(join(source, 'moved'), 0o600)
    await pair.laptop.sync(source, end)
    await pair.laptop.sync(source, end)
    assertSameTree(target, source)
  })

  it('keep what they hold when the content of one changes', async () => {
    const { source, target, end } = await shared(['a', 'b'])
    writeTree(source, { a: 'other content' })
    await pair.laptop.mustSync('done', source, end)
    assertSameTree(target, source)
    assert.equal(readFileSync(join(target, 'b'), 'utf8'), 'one content')
  })
})
