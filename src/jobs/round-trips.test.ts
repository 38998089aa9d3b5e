// How often a run goes there and back, counted over a line on which nothing but that takes time: a few times in all,
// however many files there are, and once where nothing changed.

import assert from 'node:assert/strict'
import {
  appendFileSync,
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { FarMachines } from '../../test/world/far-machines.ts'
import { wantsSetId, wantsTop } from '../core/attributes.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-far-'))
after(() => rmSync(home, { recursive: true, force: true }))

const [directories, filesEach] = [100, 100]
/** The folders above them: a0 to a9, and one b in each. */
const above = 20

/** Ten thousand small files, three levels down. */
function growFiles(source: string): void {
  for (let d = 0; d < directories; d++) {
    const path = join(source, `a${d % 10}`, `b${d % 5}`, `c${d}`)
    mkdirSync(path, { recursive: true })
    for (let f = 0; f < filesEach; f++) writeFileSync(join(path, `f${f}`), `${d} ${f}`)
  }
}

/** Two hundred small files in folders that lie six levels down; the paths of these. */
function growDeep(source: string): string[] {
  return Array.from({ length: 20 }, (_, d) => {
    const path = join(source, `a${d % 2}`, `b${d % 4}`, 'c', 'd', `e${d}`, 'f')
    mkdirSync(path, { recursive: true })
    for (let f = 0; f < 10; f++) writeFileSync(join(path, `f${f}`), `${'x'.repeat(100 + f)}${d}`)
    return path
  })
}

for (const way of ['push', 'pull'] as const) {
  it(`a ${way} knows where a file went before its old name goes, however long the batch is that tells it`, async () => {
    const machines = new FarMachines(join(home, `order ${way}`), way)
    for (const path of [machines.source, machines.target]) mkdirSync(path, { recursive: true })
    machines.share()
    for (const path of ['new', 'old']) mkdirSync(join(machines.source, path))
    writeFileSync(join(machines.source, 'old/moved'), 'the file that moves')
    writeFileSync(join(machines.source, 'old/stays'), 'stays')
    writeFileSync(join(machines.source, 'new/stays'), 'stays, too')
    assert.equal((await machines.run()).outcome, 'done')
    // A batch of some hundred kilobytes travels in pieces, and the one with the deletion in one.
    for (let i = 0; i < 900; i++) writeFileSync(join(machines.source, 'new', `${'n'.repeat(230)}${i}`), `${i}`)
    renameSync(join(machines.source, 'old/moved'), join(machines.source, 'new/moved'))
    const { outcome, counts } = await machines.run()
    assert.deepEqual([outcome, counts.created, counts.renamed, counts.deleted], ['done', 900, 1, 0])
  })

  describe(`the round trips of a ${way} do not grow with the depth`, () => {
    const machines = new FarMachines(join(home, `deep ${way}`), way)
    for (const path of [machines.source, machines.target]) mkdirSync(path, { recursive: true })
    machines.share()
    let directories: string[] = []

    it('of what is new', async () => {
      directories = growDeep(machines.source)
      const first = await machines.run()
      assert.deepEqual([first.outcome, first.counts.created, first.roundTrips], ['done', 254, 3])
      assert.equal((await machines.run()).outcome, 'unchanged')
      mkdirSync(join(machines.source, 'n/e/w/d/i/r'), { recursive: true })
      writeFileSync(join(machines.source, 'n/e/w/d/i/r/x'), 'new')
      const second = await machines.run()
      assert.deepEqual([second.outcome, second.counts.created, second.roundTrips], ['done', 7, 3])
    })

    it('of what was edited, in size or in nothing but time', async () => {
      for (const path of directories.slice(0, 10)) {
        appendFileSync(join(path, 'f3'), ' more')
        const bytes = readFileSync(join(path, 'f4'))
        bytes[0] = 65
        writeFileSync(join(path, 'f4'), bytes)
      }
      const run = await machines.run()
      assert.deepEqual([run.outcome, run.counts.replaced], ['done', 20])
      assert.ok(run.roundTrips <= (way === 'push' ? 3 : 4), `${run.roundTrips}`)
    })

    it('of what is gone, while something is new', async () => {
      rmSync(join(machines.source, 'a0/b0'), { recursive: true })
      writeFileSync(join(machines.source, 'n/y'), 'another one')
      const run = await machines.run()
      assert.equal(run.outcome, 'done')
      assert.ok(run.roundTrips <= 4, `${run.roundTrips}`)
    })
  })

  describe(`the round trips of a ${way} that carries more than content`, () => {
    const machines = new FarMachines(join(home, `dressed ${way}`), way)
    for (const path of [machines.source, machines.target]) mkdirSync(path, { recursive: true })
    machines.share(['set-id', 'top'])
    const attributes = wantsSetId | wantsTop
    const isTopThere = (): boolean => lstatSync(machines.target).mode === lstatSync(machines.source).mode
    let directories: string[] = []

    it('are not many more: what is carried is agreed on when both ends are open', async () => {
      directories = growDeep(machines.source)
      chmodSync(machines.source, 0o750)
      const first = await machines.run({ attributes })
      assert.deepEqual([first.outcome, first.counts.created, isTopThere()], ['done', 254, true])
      assert.ok(first.roundTrips <= 6, `${first.roundTrips}`)
      const second = await machines.run({ attributes })
      assert.equal(second.outcome, 'unchanged')
      assert.ok(second.roundTrips <= 4, `${second.roundTrips}`)
    })

    it('do not grow with the depth, and give the top folder what it gets with the end of the run', async () => {
      for (const path of directories.slice(0, 10)) appendFileSync(join(path, 'f3'), ' more')
      chmodSync(machines.source, 0o711)
      const run = await machines.run({ attributes })
      assert.deepEqual([run.outcome, run.counts.replaced, isTopThere()], ['done', 10, true])
      assert.ok(run.roundTrips <= 6, `${run.roundTrips}`)
      chmodSync(machines.source, 0o755)
      const alone = await machines.run({ attributes })
      assert.deepEqual([alone.outcome, alone.counts.attributes, isTopThere()], ['done', 1, true])
      assert.ok(alone.roundTrips <= 6, `${alone.roundTrips}`)
      assert.equal((await machines.run({ attributes })).outcome, 'unchanged')
    })
  })

  describe(`the round trips of a ${way}`, () => {
    const machines = new FarMachines(join(home, way), way)
    for (const path of [machines.source, machines.target]) mkdirSync(path, { recursive: true })
    machines.share()

    it('do not grow with the number of files that are new', async () => {
      growFiles(machines.source)
      const run = await machines.run()
      assert.deepEqual([run.outcome, run.counts.created], ['done', 10_000 + directories + above])
      assert.ok(run.roundTrips <= 5, `${run.roundTrips}`)
    })

    it('are one where nothing changed, or two, of less than a KiB', async () => {
      const run = await machines.run()
      assert.equal(run.outcome, 'unchanged')
      const bytes = run.wireBytesOut + run.wireBytesIn
      // Only where the source is here is it known at once that the other end may be closed.
      assert.equal(run.roundTrips, way === 'push' ? 1 : 2)
      assert.ok(bytes < 1024, `${bytes}`)
    })

    it('do not grow with the number of files that were edited', async () => {
      for (let d = 0; d < directories; d++)
        for (let f = 0; f < filesEach; f += 4)
          appendFileSync(join(machines.source, `a${d % 10}`, `b${d % 5}`, `c${d}`, `f${f}`), ' edited')
      const run = await machines.run()
      assert.deepEqual([run.outcome, run.counts.replaced], ['done', 2500])
      assert.ok(run.roundTrips <= 5, `${run.roundTrips}`)
    })
  })
}
