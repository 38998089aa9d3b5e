// A paired machine that does anything at all, by chance: sessions whose calls come in any order with anything in them, and
// frames that are none. The long form, with any seed: `npm run test:fuzz`.

import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { Soak } from '../fuzz/soak.ts'

let soak: Soak
before(async () => {
  soak = await Soak.begin()
})
after(() => soak?.close())

it('ends no daemon, touches nothing outside, and leaves no lock behind', { timeout: 120_000 }, async () => {
  for (let seed = 1; seed <= 50; seed++) await soak.session(seed)
  await soak.honestRun()
  // What a driver usually does was among it, up to the end of a run.
  for (const name of ['open', 'scan', 'view', 'listings', 'digests', 'begin', 'stage', 'finish', 'close'] as const)
    assert.ok((soak.told.answered.get(name) ?? 0) > 0, `no ${name} was answered`)
})
