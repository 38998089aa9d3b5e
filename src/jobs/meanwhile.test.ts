// What somebody does on the target while a run works on it, in directories that the run changes too: nothing of it is taken
// for agreed. The run leaves it alone, and the next one brings the target to what the source is.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type Folder, facts, plant } from '../../test/world/planted.ts'
import { trialIn } from '../../test/world/trial.ts'

const home = mkdtempSync(join(tmpdir(), 'nf-meanwhile-'))
after(() => rmSync(home, { recursive: true, force: true }))
let made = 0

for (const [what, written] of [
  ['a file that is made', { 'd/mine': 'mine' }],
  ['a directory that is made', { 'd/mine/': {} }],
  ['a file that is written to', { 'd/stays': 'a person wrote this' }],
] as const satisfies [string, Folder][]) {
  test(`${what} on the target while a run works there is not taken for agreed`, async () => {
    const one = trialIn(join(home, `${++made}`))
    plant(one.source, { 'd/a': 'a', 'd/stays': 'stays' })
    await one.run()
    plant(one.source, { 'd/b': 'b' })
    const busy = await one.run([{ task: 'settleTree', nth: 1, before: () => plant(one.target, written) }])
    assert.equal(busy.outcome, 'done')
    assert.equal((await one.run()).outcome, 'done')
    assert.deepEqual(facts(one.target), facts(one.source))
    assert.equal((await one.run()).outcome, 'unchanged')
  })
}
