// How often a run goes there and back, counted over a line on which nothing but that takes time: a few times in all,
// however many files there are, and once where nothing changed.

import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { FarMachines } from '../../test/world/far-machines.ts'

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

for (const way of ['push', 'pull'] as const) {
  describe(`the round trips of a ${way}`, () => {
    const machines = new FarMachines(join(home, way), way)
    for (const path of [machines.source, machines.target]) mkdirSync(path, { recursive: true })
    machines.share()

    it('do not grow with the number of files that are new', async () => {
      growFiles(machines.source)
      const run = await machines.run()
      assert.deepEqual([run.outcome, run.counts.created], ['done', 10_000 + directories + above])
      assert.ok(run.roundTrips <= 9, `${run.roundTrips}`)
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
      // A level of folders is one; what comes after them is the same as for one file.
      assert.ok(run.roundTrips <= 11, `${run.roundTrips}`)
    })
  })
}
